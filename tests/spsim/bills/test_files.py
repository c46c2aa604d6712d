"""Fetching files by v3, and what can be wrong with a file (wechatpay-v3 5.3; catalogue L03, L04, G)."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from datetime import date
from typing import Any

import httpx
import pytest
from tests.support.simulated_bills import (
    FILE_V3,
    TRADE,
    TRADE_V3,
    address,
    apply,
    asking_bill,
    fetch,
    next_morning,
    parsed,
    v2_answer,
    v2_bill,
    v2_refusal,
    v3_bill,
    v3_text,
)
from tests.support.simulated_refunds_v3 import pay
from tests.support.simulated_v3 import V3Desk


@pytest.fixture
async def day(desk: V3Desk, today: date) -> date:
    """A day with a payment, whose bill is ready."""
    await pay(desk)
    return await next_morning(desk)


async def refused(desk: V3Desk, target: str) -> tuple[int, str]:
    status, code, _field = await desk.fails("GET", target)
    return status, code


async def test_an_address_is_good_for_five_minutes_and_for_who_applied(
    desk: V3Desk, merchant: V3Desk, day: date
) -> None:
    told = await apply(desk, TRADE_V3, day)
    target = address(desk, told["download_url"])
    assert await refused(merchant, target) == (403, "NO_AUTH")
    unsigned = await desk.http.get(target, headers={"User-Agent": "x"})
    assert (unsigned.status_code, unsigned.json()["code"]) == (401, "SIGN_ERROR")
    await desk.control("clock", advance_s=290)
    for _ in range(2):
        assert (await fetch(desk, told["download_url"])).status_code == 200
    await desk.control("clock", advance_s=10)
    assert await refused(desk, target) == (400, "INVALID_REQUEST")
    await apply(desk, TRADE_V3, day)
    assert await refused(desk, target) == (400, "INVALID_REQUEST"), "it does not come back"
    assert await refused(desk, f"{FILE_V3}?token=unheard-of") == (400, "INVALID_REQUEST")
    assert await refused(desk, FILE_V3) == (400, "PARAM_ERROR")


async def test_the_address_is_used_as_it_was_given(desk: V3Desk, day: date) -> None:
    packed = address(desk, (await apply(desk, TRADE_V3, day, tar_type="GZIP"))["download_url"])
    assert packed.endswith("&tartype=gzip")
    assert await refused(desk, packed.removesuffix("&tartype=gzip")) == (400, "INVALID_REQUEST")
    plain = address(desk, (await apply(desk, TRADE_V3, day))["download_url"])
    assert await refused(desk, f"{plain}&tartype=gzip") == (400, "INVALID_REQUEST")
    assert await refused(desk, f"{plain}&tartype=zip") == (400, "PARAM_ERROR")


async def test_a_file_stays_as_it_was_when_it_was_applied_for(desk: V3Desk, today: date) -> None:
    await desk.control("bills", open_days=True)
    await pay(desk, "T0000001")
    told = await apply(desk, TRADE_V3, today)
    await pay(desk, "T0000002")
    content = (await fetch(desk, told["download_url"])).content
    assert hashlib.sha1(content).hexdigest() == told["hash_value"]
    assert len(parsed(content).rows) == 1
    assert len((await v3_bill(desk, today)).rows) == 2


async def test_L03_a_hash_can_be_wrong(desk: V3Desk, day: date) -> None:
    await desk.control("bills", damage="wrong_hash", damage_times=1)
    told = await apply(desk, TRADE_V3, day)
    text = (await fetch(desk, told["download_url"])).content
    assert told["hash_value"] != hashlib.sha1(text).hexdigest()
    assert await v3_text(desk, TRADE_V3, day) == text


async def test_L03_a_file_can_be_cut_or_spoiled(desk: V3Desk, day: date) -> None:
    whole = (await v2_answer(desk, TRADE, asking_bill(day))).content
    await desk.control("bills", damage="truncated")
    for _ in range(2):
        assert (await v2_answer(desk, TRADE, asking_bill(day))).content == whole[: len(whole) // 2]
    packed = asking_bill(day, tar_type="GZIP")
    with pytest.raises(EOFError):
        gzip.decompress((await v2_answer(desk, TRADE, packed)).content)
    await desk.control("bills", damage="corrupt_gzip", damage_times=2)
    assert (await v2_answer(desk, TRADE, asking_bill(day))).content == whole, "there is no gzip to spoil"
    for content in (
        (await v2_answer(desk, TRADE, packed)).content,
        (await fetch(desk, (await apply(desk, TRADE_V3, day, tar_type="GZIP"))["download_url"])).content,
    ):
        with pytest.raises((OSError, zlib.error, EOFError)):
            gzip.decompress(content)
    assert (await v2_bill(desk, day, tar_type="GZIP")).text.encode() == whole


async def test_a_page_can_come_instead_of_a_file(desk: V3Desk, day: date) -> None:
    await desk.control("bills", damage="html", damage_times=2)
    url = (await apply(desk, TRADE_V3, day))["download_url"]
    for answer in (await fetch(desk, url), await v2_answer(desk, TRADE, asking_bill(day, tar_type="GZIP"))):
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert answer.text.startswith("<!doctype html>")
    assert (await fetch(desk, url)).status_code == 200
    assert (await desk.http.get("/_sim/bills")).json()["damage"] is None


async def test_a_summary_can_be_wrong(desk: V3Desk, day: date) -> None:
    await desk.control("bills", damage="wrong_summary", damage_times=1)
    assert (await v2_bill(desk, day)).summary["订单总金额"] == "12.81"
    assert (await v2_bill(desk, day)).summary["订单总金额"] == "12.80"


FAULTS_V2: list[tuple[str, dict[str, Any], tuple[str, str]]] = [
    ("error_without_effect", {}, ("20003", "system error")),
    ("error_with_effect", {"err_code": "20100"}, ("20100", "system error")),
    ("frequency_limited", {}, ("FREQUENCY_LIMITED", "频率限制")),
]


@pytest.mark.parametrize(("kind", "params", "told"), FAULTS_V2, ids=[each[0] for each in FAULTS_V2])
async def test_G_an_error_of_v2_can_be_ordered(
    desk: V3Desk, day: date, kind: str, params: dict[str, Any], told: tuple[str, str]
) -> None:
    await desk.fault(TRADE, kind, **params)
    assert await v2_refusal(desk, TRADE, asking_bill(day)) == told
    assert len((await v2_bill(desk, day)).rows) == 1


@pytest.mark.parametrize("kind", ["drop_before_effect", "drop_answer_after_effect"])
async def test_G_a_connection_can_be_cut(desk: V3Desk, day: date, kind: str) -> None:
    url = (await apply(desk, TRADE_V3, day))["download_url"]
    for path in (TRADE, TRADE_V3, FILE_V3):
        await desk.fault(path, kind)
    for asking in (v2_bill(desk, day), apply(desk, TRADE_V3, day), fetch(desk, url)):
        with pytest.raises(httpx.RemoteProtocolError):
            await asking
    assert len((await v3_bill(desk, day)).rows) == 1


async def test_G_what_goes_wrong_elsewhere_goes_wrong_with_files(desk: V3Desk, day: date) -> None:
    url = (await apply(desk, TRADE_V3, day))["download_url"]
    whole = (await fetch(desk, url)).content
    await desk.fault(FILE_V3, "http_502_html")
    assert (await fetch(desk, url)).status_code == 502
    await desk.fault(FILE_V3, "empty_body")
    assert (await fetch(desk, url)).content == b""
    await desk.fault(FILE_V3, "oversized_body", bytes=300_000)
    assert len((await fetch(desk, url)).content) > 300_000
    await desk.fault(FILE_V3, "slow_drip", interval_ms=0)
    assert (await fetch(desk, url)).content == whole
    await desk.fault(FILE_V3, "http_500")
    assert await refused(desk, address(desk, url)) == (500, "SYSTEM_ERROR")
    await desk.fault(FILE_V3, "http_429")
    assert await refused(desk, address(desk, url)) == (429, "FREQUENCY_LIMITED")
    await desk.fault(TRADE_V3, "wrong_answer_signature")
    answer = await desk.send("GET", f"{TRADE_V3}?bill_date={day}")
    assert (answer.status_code, desk.verifies(answer)) == (200, False)
    assert await desk.refused("faults", path=FILE_V3, kind="wrong_answer_signature") == (400, "BAD_FAULT")
    assert await desk.refused("faults", path=TRADE, kind="wrong_answer_signature") == (400, "BAD_FAULT")
