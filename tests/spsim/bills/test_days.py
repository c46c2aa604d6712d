"""Which days are served when, and every refusal (wechatpay-v2 4.8, 4.9; wechatpay-v3 5.1, 5.6)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from tests.support.simulated import (
    COFFEE,
    KEY,
    MCH_ID,
    MERCHANT_APP,
    OTHER_KEY,
    Desk,
    order,
    read,
    signature,
    xml,
)
from tests.support.simulated_bills import (
    FUND,
    FUND_V3,
    SUB_FUND_V3,
    TRADE,
    TRADE_V3,
    asking_bill,
    next_morning,
    target,
    until,
    v2_bill,
    v2_refusal,
    v3_bill,
)
from tests.support.simulated_v3 import V3Desk

from spsim.bills.day import Day, NoBill, check_served, day_of
from spsim.bills.day import read as read_day
from spsim.clock import SimulatorClock
from spsim.ledger import Ledger
from spsim.world import World

FUND_PARAMS = {"sign_type": "HMAC-SHA256", "account_type": "Basic"}
TO_BE_PAID = order("T0000001")


async def paid(desk: V3Desk) -> None:
    await desk.create(TO_BE_PAID)
    await desk.control("pay", out_trade_no="T0000001")


async def v3_refusal(desk: V3Desk, day: str | date, path: str = TRADE_V3, **query: str) -> tuple[int, str]:
    status, code, _field = await desk.fails("GET", target(path, bill_date=str(day), **query))
    return status, code


async def test_L01_a_bill_is_made_between_midnight_and_ten(desk: V3Desk, secure: Desk, today: date) -> None:
    await paid(desk)
    assert await v2_refusal(desk, TRADE, asking_bill(today)) == ("20001", "invalid bill_date")
    assert await v3_refusal(desk, today) == (400, "PARAM_ERROR")
    fund = asking_bill(today, **FUND_PARAMS)
    assert (await v2_refusal(secure, FUND, fund))[0] == "PARAM_ERROR"
    for clock in ("00:00:01", "09:59:50"):
        await until(desk, clock)
        assert await v2_refusal(desk, TRADE, asking_bill(today)) == ("20002", "Bill Creating")
        assert await v3_refusal(desk, today) == (400, "STATEMENT_CREATING")
        assert (await v2_refusal(secure, FUND, fund))[0] == "BILL_CREATING"
    await until(desk, "10:00:00")
    assert len((await v2_bill(desk, today)).rows) == len((await v3_bill(desk, today)).rows) == 1


async def test_a_day_on_which_nothing_happened_has_no_bill(desk: V3Desk, secure: Desk, today: date) -> None:
    await next_morning(desk)
    assert await v2_refusal(desk, TRADE, asking_bill(today)) == ("20002", "No Bill Exist")
    assert await v3_refusal(desk, today) == (400, "NO_STATEMENT_EXIST")
    assert await v3_refusal(desk, today, FUND_V3) == (400, "NO_STATEMENT_EXIST")
    fund = asking_bill(today, **FUND_PARAMS)
    assert await v2_refusal(secure, FUND, fund) == ("NO_BILL_EXIST", "账单不存在")
    packed = asking_bill(today, tar_type="GZIP")
    assert await v2_refusal(desk, TRADE, packed) == ("20002", "No Bill Exist"), "a refusal is never packed"


async def test_three_months_are_kept(desk: V3Desk, today: date) -> None:
    month = today.replace(day=1) - timedelta(days=1)
    for _ in range(2):
        month = month.replace(day=1) - timedelta(days=1)
    oldest = month.replace(day=min(today.day, month.day))
    assert (await v2_refusal(desk, TRADE, asking_bill(oldest)))[1] == "No Bill Exist"
    assert (await v2_refusal(desk, TRADE, asking_bill(oldest - timedelta(days=1))))[1] == "invalid bill_date"
    assert await v3_refusal(desk, oldest) == (400, "NO_STATEMENT_EXIST")
    assert await v3_refusal(desk, oldest - timedelta(days=1)) == (400, "PARAM_ERROR")
    assert await v3_refusal(desk, today + timedelta(days=1)) == (400, "PARAM_ERROR")


async def test_open_days_serve_the_running_day_at_once(desk: V3Desk, today: date) -> None:
    await desk.control("bills", open_days=True)
    assert await v3_refusal(desk, today) == (400, "NO_STATEMENT_EXIST")
    await paid(desk)
    assert (await v2_bill(desk, today)).column("商户订单号") == ["T0000001"]
    assert (await v2_refusal(desk, TRADE, asking_bill(today + timedelta(days=1))))[0] == "20001"
    await until(desk, "00:00:01")
    assert len((await v3_bill(desk, today)).rows) == 1


async def test_the_hour_and_the_number_of_questions_too_early_can_be_said(desk: V3Desk, today: date) -> None:
    await paid(desk)
    await desk.control("bills", ready_at="09:30", not_ready=2)
    await until(desk, "00:00:00")
    await until(desk, "09:30:01")
    assert (await v2_refusal(desk, TRADE, asking_bill(today)))[1] == "Bill Creating"
    assert await v3_refusal(desk, today) == (400, "STATEMENT_CREATING")
    assert len((await v2_bill(desk, today)).rows) == 1
    assert (await desk.http.get("/_sim/bills")).json()["not_ready"] == 0


async def test_a_day_is_one_of_beijing(desk: V3Desk, today: date) -> None:
    await until(desk, "23:59:50")
    await paid(desk)
    await until(desk, "00:00:10")
    await desk.create(order("T0000002"))
    await desk.control("pay", out_trade_no="T0000002")
    await next_morning(desk)
    assert (await v2_bill(desk, today)).column("商户订单号") == ["T0000001"]
    assert (await v2_bill(desk, today + timedelta(days=1))).column("商户订单号") == ["T0000002"]


@pytest.mark.parametrize(
    ("today", "oldest"),
    [("2026-05-31", "2026-02-28"), ("2026-02-28", "2025-11-28"), ("2026-11-30", "2026-08-30")],
)
def test_three_months_before_a_long_month_end_with_the_short_one(today: str, oldest: str) -> None:
    noon = datetime.fromisoformat(f"{today}T12:00:00+08:00")
    ledger = Ledger()
    ledger.open()
    world = World(ledger, SimulatorClock(ledger, lambda: noon), "")
    check_served(world, read_day(oldest, "%Y-%m-%d"))
    with pytest.raises(NoBill):
        check_served(world, read_day(oldest, "%Y-%m-%d").moved(-1))
    ledger.close()


def test_the_borders_of_a_day_belong_to_one_day() -> None:
    day = Day(date(2026, 11, 21))
    assert day.end - day.start == 24 * 3600 * 1000
    assert [day.has(at) for at in (day.start - 1, day.start, day.end - 1, day.end)] == [
        False,
        True,
        True,
        False,
    ]
    assert day_of(day.end) == day.moved(1)
    assert day.start == 1795190400000, "2026-11-20 16:00 UTC"


REFUSED_V2 = [
    ({"bill_date": ""}, KEY, "missing parameter"),
    ({"bill_date": "2026112"}, KEY, "invalid bill_date"),
    ({"bill_date": "20261301"}, KEY, "invalid bill_date"),
    ({"bill_date": "2026 1 1"}, KEY, "invalid bill_date"),
    ({"bill_type": "REVOKED"}, KEY, "invalid bill_type"),
    ({"tar_type": "ZIP"}, KEY, "invalid tar_type, Only GZIP supported"),
    ({}, OTHER_KEY, "SIGN ERROR"),
    ({"appid": MERCHANT_APP}, KEY, "invalid appid"),
    ({"mch_id": "1900009999"}, KEY, "invalid appid"),
    ({"nonce_str": "n" * 33}, KEY, "nonce_str too long"),
    ({"color": "red"}, KEY, "data format error"),
]


@pytest.mark.parametrize(("changes", "key", "message"), REFUSED_V2, ids=[each[2] for each in REFUSED_V2])
async def test_v2_refuses(desk: V3Desk, today: date, changes: dict[str, str], key: str, message: str) -> None:
    asked = asking_bill(today - timedelta(days=1), **changes)
    assert await v2_refusal(desk, TRADE, asked, key) == ("20001", message)


async def test_v2_refuses_what_is_no_post_of_xml(desk: V3Desk) -> None:
    assert read((await desk.http.get(TRADE)).content)["return_msg"] == "require POST method"
    assert read((await desk.http.post(TRADE)).content)["return_msg"] == "empty post data"
    assert read((await desk.http.post(TRADE, content=b"<xml>")).content)["return_msg"] == "data format error"


async def test_L05_nobody_gets_the_bill_of_a_merchant_that_is_not_theirs(
    desk: V3Desk, merchant: V3Desk, today: date
) -> None:
    day = today - timedelta(days=1)
    for number in ("1699999999", MCH_ID):
        assert (await v2_refusal(desk, TRADE, asking_bill(day, sub_mch_id=number)))[0] == "20007"
    assert await v3_refusal(desk, day, sub_mchid="1699999999") == (403, "NO_AUTH")
    assert await v3_refusal(desk, day, sub_mchid=MCH_ID) == (400, "INVALID_REQUEST")
    assert await v3_refusal(merchant, day, sub_mchid=COFFEE) == (400, "INVALID_REQUEST")
    asked = {"sub_mchid": COFFEE, "account_type": "BASIC", "algorithm": "AEAD_AES_256_GCM"}
    assert await v3_refusal(merchant, day, SUB_FUND_V3, **asked) == (403, "NO_AUTH")
    assert await v3_refusal(desk, day, SUB_FUND_V3, **(asked | {"sub_mchid": "1699999999"})) == (
        403,
        "NO_AUTH",
    )
    await desk.control("bills", sub_merchant_funds=False)
    assert await v3_refusal(desk, day, SUB_FUND_V3, **asked) == (403, "NO_AUTH")


async def test_a_sub_merchant_that_may_not_collect_still_has_bills(desk: V3Desk, today: date) -> None:
    await paid(desk)
    await next_morning(desk)
    await desk.control("misconfigurations", kind="restrict", mch_id=MCH_ID, sub_mch_id=COFFEE)
    assert len((await v2_bill(desk, today, sub_mch_id=COFFEE)).rows) == 1


REFUSED_V3 = [
    {"bill_date": "20261121"},
    {"bill_date": "2026-13-01"},
    {"bill_type": "REVOKED"},
    {"tar_type": "ZIP"},
    {"sub_mchid": "123"},
    {"color": "red"},
]


@pytest.mark.parametrize("query", REFUSED_V3, ids=["-".join(*query.items()) for query in REFUSED_V3])
async def test_v3_refuses(desk: V3Desk, today: date, query: dict[str, str]) -> None:
    asked = {"bill_date": str(today - timedelta(days=1))} | query
    status, code, field = await desk.fails("GET", target(TRADE_V3, **asked))
    assert (status, code) == (400, "PARAM_ERROR")
    assert field == next(iter(query))


async def test_v3_needs_a_date_and_a_signature(desk: V3Desk, today: date) -> None:
    assert await desk.fails("GET", TRADE_V3) == (400, "PARAM_ERROR", "bill_date")
    asked = target(TRADE_V3, bill_date=str(today))
    wrong = {"Authorization": desk.authorization("GET", TRADE_V3)}
    assert (await desk.fails("GET", asked, headers=wrong))[:2] == (401, "SIGN_ERROR")


async def test_the_fund_bill_of_v2_wants_hmac_and_the_own_certificate(
    desk: V3Desk, secure: Desk, today: date
) -> None:
    day = today - timedelta(days=1)
    fund = asking_bill(day, **FUND_PARAMS)
    body = xml(fund | {"sign": signature(fund, KEY, "HMAC-SHA256")})
    without = await desk.http.post(FUND, content=body)
    assert (without.status_code, b"No required SSL certificate" in without.content) == (400, True)
    for sign_type in ("", "MD5"):
        md5 = asking_bill(day, account_type="Basic", sign_type=sign_type)
        code, message = await v2_refusal(secure, FUND, md5)
        assert (code, "HMAC-SHA256" in message) == ("PARAM_ERROR", True)
    assert (await v2_refusal(secure, FUND, fund | {"account_type": "BASIC"}))[0] == "PARAM_ERROR"
    assert (await v2_refusal(secure, FUND, fund | {"sub_mch_id": COFFEE})) == (
        "",
        "参数错误：未知的参数sub_mch_id",
    )
    assert await v2_refusal(secure, FUND, fund, OTHER_KEY) == ("", "签名错误")
    await desk.control("misconfigurations", kind="revoke_certificate", mch_id=MCH_ID)
    assert (await v2_refusal(secure, FUND, fund))[0] == "CERT_ERROR"
