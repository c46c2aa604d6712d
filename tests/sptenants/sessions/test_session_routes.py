"""The login routes of mini-programs, through the whole application (contract section 5)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from tests.sptenants.sessions.conftest import MINI, SECRET, Arcade
from tests.support.databases import sqlite_url
from tests.support.fake_login import SESSION_KEY

from spapp.asgi import create_app
from spapp.wiring import build
from spcore.settings import Settings
from wechatpay.errors import UnknownOutcome


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite only: what differs between databases is tested below HTTP."""
    return sqlite_url(tmp_path)


@pytest.fixture
async def client(arcade: Arcade, database_url: str) -> AsyncIterator[AsyncClient]:
    settings = Settings.from_env(
        {"WXSP_DATABASE_URL": database_url, "WXSP_MASTER_KEY": b64encode(b"k" * 32).decode()}
    )
    services = build(settings, arcade.clock)
    app = create_app(settings, replace(services, sessions=arcade.sessions))
    async with AsyncClient(transport=ASGITransport(app), base_url="http://127.0.0.1:8000") as opened:
        yield opened
    await services.close()


def path(arcade: Arcade, name: str = "sessions") -> str:
    return f"/v1/mini/{arcade.shop.tenant_id}/{name}"


async def test_S1_22_a_login_answers_with_token_and_end_and_nothing_else(
    arcade: Arcade, client: AsyncClient
) -> None:
    code = arcade.wechat.code(MINI, "oPayer1")
    made = await client.post(path(arcade), json={"sub_appid": MINI, "code": code})

    assert made.status_code == 201
    assert set(made.json()) == {"token", "expires_at"}
    assert made.json()["expires_at"] == "2026-11-21T22:50:00+08:00"
    for secret in (SECRET, SESSION_KEY, "oPayer1"):
        assert secret not in made.text
        assert secret not in str(made.headers)


async def test_S2_01_the_server_side_of_check_session(arcade: Arcade, client: AsyncClient) -> None:
    token = await arcade.log_in("oPayer1")
    bearer = {"Authorization": f"Bearer {token}"}

    valid = await client.get(path(arcade, "session"), headers=bearer)
    assert (valid.status_code, valid.json()) == (200, {"expires_at": "2026-11-21T22:50:00+08:00"})
    arcade.clock.advance(hours=2)
    over = await client.get(path(arcade, "session"), headers=bearer)
    assert (over.status_code, over.json()["code"]) == (401, "session_expired")
    without = await client.get(path(arcade, "session"))
    assert (without.status_code, without.json()["code"]) == (401, "session_expired")


async def test_S2_02_a_token_of_another_tenant_is_not_found(arcade: Arcade, client: AsyncClient) -> None:
    bearer = {"Authorization": f"Bearer {await arcade.log_in('oPayer1', arcade.next_door)}"}

    answer = await client.get(path(arcade, "session"), headers=bearer)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_refusals_of_wechat_are_told_in_both_languages(arcade: Arcade, client: AsyncClient) -> None:
    body = {"sub_appid": MINI, "code": "made-up"}

    chinese = await client.post(path(arcade), json=body)
    english = await client.post(path(arcade), json=body, headers={"Accept-Language": "en"})

    assert [answer.status_code for answer in (chinese, english)] == [422, 422]
    assert chinese.json()["code"] == "wechat_rejected"
    assert chinese.json()["detail"] == "code 无效"
    assert english.json()["detail"] == "the code is invalid"
    assert SECRET not in chinese.text + english.text


async def test_an_unclear_answer_of_wechat_is_503_with_retry_after(
    arcade: Arcade, client: AsyncClient
) -> None:
    arcade.wechat.fails_with = UnknownOutcome("timeout")

    answer = await client.post(path(arcade), json={"sub_appid": MINI, "code": "x"})

    assert (answer.status_code, answer.json()["code"]) == (503, "wechat_unavailable")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        pytest.param({"sub_appid": MINI, "code": "x", "openid": "oThief"}, "#/openid", id="O07 openid"),
        pytest.param({"sub_appid": MINI, "code": "x", "secret": "x"}, "#/secret", id="secret"),
        pytest.param({"sub_appid": MINI}, "#/code", id="no code"),
        pytest.param({"sub_appid": MINI, "code": 7}, "#/code", id="code as a number"),
        pytest.param({"sub_appid": "wx0000000000000007", "code": "x"}, "#/sub_appid", id="O06 not bound"),
    ],
)
async def test_O07_a_wrong_login_is_refused_by_field(
    arcade: Arcade, client: AsyncClient, body: Any, pointer: str
) -> None:
    answer = await client.post(path(arcade), json=body)

    assert answer.status_code in {400, 422}
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert arcade.wechat.asked == []


async def test_an_unknown_tenant_is_not_found(client: AsyncClient) -> None:
    answer = await client.post(
        "/v1/mini/ten_01JD3K8W7Q4M6X0B2T9V5H1CZN/sessions", json={"sub_appid": MINI, "code": "x"}
    )

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
