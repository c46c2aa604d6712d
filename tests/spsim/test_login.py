"""Mini-program login (wechatpay-v2 8.1; catalogue O08, S1-06)."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.support.simulated import (
    APPID,
    BAKERY_APP,
    COFFEE_APP,
    MERCHANT_APP,
    PAYER,
    PHONE_APP,
    SECRET,
    Desk,
)


async def exchange(desk: Desk, code: str = "", **changes: str) -> Any:
    query = {"appid": COFFEE_APP, "secret": SECRET, "js_code": code, "grant_type": "authorization_code"}
    query = {name: value for name, value in (query | changes).items() if value != ""}
    response = await desk.http.get("/sns/jscode2session", params=query)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain"
    return response.json()


async def code_for(desk: Desk, appid: str = COFFEE_APP, openid: str = PAYER) -> str:
    return str((await desk.control("codes", appid=appid, openid=openid))["code"])


async def test_a_code_is_exchanged_once(desk: Desk) -> None:
    code = await code_for(desk)
    session = await exchange(desk, code)
    assert session["openid"] == PAYER
    assert len(base64.b64decode(session["session_key"])) == 16
    assert (await exchange(desk, code))["errcode"] == 40163


async def test_a_plain_merchants_own_appid_can_log_in(desk: Desk) -> None:
    code = await code_for(desk, MERCHANT_APP, "oMerchantUser_1")
    assert (await exchange(desk, code, appid=MERCHANT_APP))["openid"] == "oMerchantUser_1"


async def test_a_code_lives_five_minutes(desk: Desk) -> None:
    fresh, old = await code_for(desk), await code_for(desk)
    await desk.control("clock", advance_s=299)
    assert "openid" in await exchange(desk, fresh)
    await desk.control("clock", advance_s=1)
    assert (await exchange(desk, old))["errcode"] == 40029


async def test_S1_06_a_code_of_another_appid_is_refused_and_not_used_up(desk: Desk) -> None:
    code = await code_for(desk)
    assert (await exchange(desk, code, appid=BAKERY_APP, secret=SECRET[::-1]))["errcode"] == 40029
    assert (await exchange(desk, code))["openid"] == PAYER


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"appid": ""}, 41002),
        ({"secret": ""}, 41004),
        ({"js_code": ""}, 41008),
        ({"grant_type": "client_credential"}, 40002),
        ({"appid": "wx0000000000000000"}, 40013),
        ({"secret": SECRET[::-1]}, 40125),
        ({"secret": "密"}, 40125),
        ({"appid": PHONE_APP}, 40125),
        ({"appid": APPID}, 40125),
        ({"js_code": "0madeup"}, 40029),
    ],
)
async def test_wrong_exchanges_are_refused_with_wechats_codes(
    refusing: Desk, changes: dict[str, str], errcode: int
) -> None:
    answer = await exchange(refusing, await code_for(refusing), **changes)
    assert answer["errcode"] == errcode
    assert "rid" in answer["errmsg"]
    assert "session_key" not in answer


async def test_no_code_for_an_unknown_appid(refusing: Desk) -> None:
    assert await refusing.refused("codes", appid="wx0000000000000000", openid=PAYER) == (404, "NO_SUCH_APPID")
    assert await refusing.refused("codes", appid=COFFEE_APP) == (400, "BAD_REQUEST")
    assert await refusing.refused("codes", appid=COFFEE_APP, openid=7) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(("kind", "errcode"), [("error_without_effect", -1), ("frequency_limited", 45011)])
async def test_busy_and_limited_leave_the_code_usable(desk: Desk, kind: str, errcode: int) -> None:
    code = await code_for(desk)
    await desk.fault("/sns/jscode2session", kind)
    assert (await exchange(desk, code))["errcode"] == errcode
    assert (await exchange(desk, code))["openid"] == PAYER
