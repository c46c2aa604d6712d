"""Fund bills: what moved on whose account, and the sealed ones (wechatpay-v2 4.9, wechatpay-v3 5.2, 5.5)."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from tests.support.simulated import (
    APPID,
    BAKERY,
    BAKERY_APP,
    COFFEE,
    MERCHANT,
    OTHER_KEY,
    Desk,
    merchant_order,
    order,
)
from tests.support.simulated_bills import (
    FUND,
    FUND_V3,
    SUB_FUND_V3,
    Bill,
    apply,
    asking_bill,
    fen,
    fetch,
    next_morning,
    opened_part,
    parsed,
    until,
    v2_answer,
    v3_bill,
)
from tests.support.simulated_money import MICROPAY, REVERSE, scanning
from tests.support.simulated_refunds_v3 import hold, pay, refund
from tests.support.simulated_v3 import Identity, V3Desk

from spsim.bills import making
from spsim.v3 import crypto

SEALED = {"account_type": "BASIC", "algorithm": "AEAD_AES_256_GCM"}
VECTOR = "交易时间,公众账号ID,商户号\r\n`2026-11-20 10:00:00,`wx8888888888888888,`1900000100\r\n".encode()


def moved(bill: Bill) -> Iterator[tuple[str, int, int]]:
    """Return name, signed amount and balance of every line."""
    unit = "（元）" if "收支金额（元）" in bill.header else "(元)"
    for row in bill.rows:
        sign = {"收入": 1, "支出": -1}[row["收支类型"]]
        yield row["业务名称"], sign * fen(row[f"收支金额{unit}"]), fen(row[f"账户结余{unit}"])


def check_sums(bill: Bill) -> None:
    """Check the summary against the lines, and that every balance follows from the one before."""
    amounts = [(amount, balance) for _name, amount, balance in moved(bill)]
    for (_before, left), (amount, balance) in pairwise(amounts):
        assert balance == left + amount
    came, went = [each for each, _ in amounts if each > 0], [-each for each, _ in amounts if each < 0]
    summary = bill.summary
    assert (summary["资金流水总笔数"], summary["收入笔数"], summary["支出笔数"]) == tuple(
        str(count) for count in (len(amounts), len(came), len(went))
    )
    assert (fen(summary["收入金额"]), fen(summary["支出金额"])) == (sum(came), sum(went))


async def sub_merchant_bill(desk: V3Desk, own: Identity, day: date, **query: str) -> Bill:
    """Apply for the coffee shop's fund bill, download and open it."""
    asked = SEALED | {"sub_mchid": COFFEE} | query
    told = await apply(desk, SUB_FUND_V3, day, **asked)
    return parsed(
        b"".join([part async for part in opened_parts(desk, own, told, zipped="tar_type" in query)])
    )


async def opened_parts(desk: V3Desk, own: Identity, told: Any, *, zipped: bool = False) -> Any:
    assert told["download_bill_count"] == len(told["download_bill_list"])
    for number, part in enumerate(told["download_bill_list"], start=1):
        assert (part["bill_sequence"], part["hash_type"], len(part["nonce"])) == (number, "SHA1", 16)
        content = opened_part(own, part, (await fetch(desk, part["download_url"])).content)
        text = gzip.decompress(content) if zipped else content
        assert part["hash_value"] == hashlib.sha1(text).hexdigest()
        yield text


async def test_a_sub_merchant_sees_payments_fees_and_refunds(
    desk: V3Desk, identities: dict[str, Identity], today: date
) -> None:
    await pay(desk, "T0000001")
    await until(desk, "12:00:00")
    await pay(desk, "T0000002", amount={"total": 100_000, "currency": "CNY"})
    await refund(desk, "R0000001", "T0000001", 1280)
    bakery = {"sub_mch_id": BAKERY, "sub_appid": BAKERY_APP, "sub_openid": "oBakery_1"}
    await desk.create(order("T0000003", **bakery))
    await desk.control("pay", out_trade_no="T0000003")
    second = await next_morning(desk)
    first = second - timedelta(days=1)
    bill = await sub_merchant_bill(desk, identities[desk.own.mch_id], first)
    assert list(moved(bill)) == [("交易", 1280, 1280), ("扣除交易手续费", -8, 1272)]
    bill = await sub_merchant_bill(desk, identities[desk.own.mch_id], second, tar_type="GZIP")
    assert list(moved(bill)) == [
        ("交易", 100_000, 101_272),
        ("扣除交易手续费", -600, 100_672),
        ("退款", -1280, 99_392),
        ("退还交易手续费", 8, 99_400),
    ]
    check_sums(bill)
    books = await desk.ledger(out_trade_no="T0000001")
    assert bill.row(业务名称="退款")["微信支付业务单号"] == books["refunds"][0]["refund_id"]
    assert len(set(bill.column("资金流水单号"))) == 4


async def test_a_reversed_payment_goes_out_again(
    desk: V3Desk, secure: Desk, identities: dict[str, Identity], today: date
) -> None:
    shown = await desk.control("auth_codes", openid="oScanned", appid=APPID)
    code = scanning(shown["auth_code"], sub_appid="")
    await desk.call(MICROPAY, code)
    await desk.control("clock", advance_s=16)
    asked = {name: code[name] for name in ("appid", "mch_id", "sub_mch_id", "nonce_str", "out_trade_no")}
    assert (await secure.call(REVERSE, asked))["recall"] == "N"
    await next_morning(desk)
    bill = await sub_merchant_bill(desk, identities[desk.own.mch_id], today)
    assert [amount for _name, amount, _balance in moved(bill)] == [1280, -8, -1280, 8]


async def test_a_refund_that_failed_comes_in_again(
    desk: V3Desk, identities: dict[str, Identity], today: date
) -> None:
    await hold(desk)
    await pay(desk)
    await refund(desk, amount=500)
    await until(desk, "12:00:00")
    await desk.control("refunds/R000001", status="REFUNDCLOSE")
    last = await next_morning(desk)
    first = await sub_merchant_bill(desk, identities[desk.own.mch_id], today)
    assert list(moved(first))[-1] == ("退还交易手续费", 3, 775)
    assert list(moved(await sub_merchant_bill(desk, identities[desk.own.mch_id], last))) == [
        ("退款退回", 500, 1275),
        ("扣除交易手续费", -3, 1272),
    ]


async def test_the_parts_of_a_bill_are_packed_and_sealed_each_by_itself(
    desk: V3Desk, identities: dict[str, Identity], today: date
) -> None:
    for index in range(5):
        await pay(desk, f"T000000{index}")
    await next_morning(desk)
    own = identities[desk.own.mch_id]
    whole = (await sub_merchant_bill(desk, own, today)).text
    await desk.control("bills", split_parts=3)
    assert (await sub_merchant_bill(desk, own, today)).text == whole
    assert (await sub_merchant_bill(desk, own, today, tar_type="GZIP")).text == whole
    told = await apply(desk, SUB_FUND_V3, today, sub_mchid=COFFEE, **SEALED)
    parts = told["download_bill_list"]
    assert len({part["encrypt_key"] for part in parts}) == len({part["nonce"] for part in parts}) == 3
    first, second = [(await fetch(desk, part["download_url"])).content for part in parts[:2]]
    with pytest.raises(InvalidTag):
        opened_part(own, parts[0], second)
    with pytest.raises(InvalidTag):
        opened_part(own, parts[0], first[:-1])
    await desk.control("bills", split_parts=1, hash_of="file")
    (part,) = (await apply(desk, SUB_FUND_V3, today, sub_mchid=COFFEE, **SEALED))["download_bill_list"]
    content = (await fetch(desk, part["download_url"])).content
    assert part["hash_value"] == hashlib.sha1(content).hexdigest()
    assert opened_part(own, part, content).decode() == whole


async def test_only_the_basic_account_moves(desk: V3Desk, today: date) -> None:
    await pay(desk)
    await next_morning(desk)
    for account in ("OPERATION", "FEES", "DEPOSIT"):
        asked = SEALED | {"sub_mchid": COFFEE, "account_type": account}
        query = f"{SUB_FUND_V3}?bill_date={today}&" + "&".join(f"{k}={v}" for k, v in asked.items())
        assert (await desk.fails("GET", query))[1] == "NO_STATEMENT_EXIST"
    sealed = f"{SUB_FUND_V3}?bill_date={today}&sub_mchid={COFFEE}&account_type=BASIC"
    assert (await desk.fails("GET", f"{sealed}&algorithm=SM4_GCM"))[:2] == (400, "INVALID_REQUEST")
    assert await desk.fails("GET", sealed) == (400, "PARAM_ERROR", "algorithm")
    deposit = f"{FUND_V3}?bill_date={today}&account_type=DEPOSIT"
    assert await desk.fails("GET", deposit) == (400, "PARAM_ERROR", "account_type")


async def test_a_plain_merchant_is_paid_itself(desk: V3Desk, merchant: V3Desk, today: date) -> None:
    await desk.create(merchant_order("M0000001"), OTHER_KEY)
    await desk.control("pay", out_trade_no="M0000001")
    await desk.control("refunds", out_trade_no="M0000001", amount=80)
    await next_morning(desk)
    bill = await v3_bill(merchant, today, FUND_V3)
    assert [name for name, _amount, _balance in moved(bill)] == ["交易", "扣除交易手续费", "退款"]
    check_sums(bill)
    assert bill.rows[0]["资金变更提交申请人"] == f"{MERCHANT}API"
    assert bill.column("业务凭证号")[0] == "M0000001"


async def test_a_service_provider_gets_its_commission(desk: V3Desk, secure: Desk, today: date) -> None:
    await pay(desk, "T0000001", amount={"total": 100_000, "currency": "CNY"})
    await until(desk, "12:00:00")
    await pay(desk, "T0000002", amount={"total": 50_000, "currency": "CNY"})
    await next_morning(desk)
    first = await v3_bill(desk, today, FUND_V3, account_type="BASIC", tar_type="GZIP")
    assert list(moved(first)) == [("服务商佣金", 60, 60)]
    assert first.header[6] == "收支金额(元)"
    day = today + timedelta(days=1)
    asked = asking_bill(day, sign_type="HMAC-SHA256", account_type="Basic", tar_type="GZIP")
    second = parsed(gzip.decompress((await v2_answer(secure, FUND, asked)).content))
    assert list(moved(second)) == [("服务商佣金", 30, 90)]
    assert second.header[6:8] == ["收支金额（元）", "账户结余（元）"]
    check_sums(second)
    assert (await v3_bill(desk, day, FUND_V3)).rows[0]["资金流水单号"] == second.rows[0]["资金流水单号"]


def test_vector_J_the_hash_is_of_the_text() -> None:
    assert making.sha1(VECTOR) == "ab464a3de461be7678013edfa2cb08e36d27e852"
    assert gzip.decompress(making.packed(VECTOR)) == VECTOR
    assert making.packed(VECTOR) == making.packed(VECTOR)


def test_vector_K_a_part_is_sealed_without_associated_data() -> None:
    sealed = crypto.encrypt_file("0123456789abcdef0123456789abcdef", "a8607ef79034c49c", VECTOR)
    assert base64.b64encode(sealed).decode() == (
        "6RKHMECqz6xXmz8EKDV0KfLf2ZXPG2AdfS23mfVj/pSwYYRHidHp4O/nfc8psZQSvvBeyylcxrYptxaOHRYtkGc"
        "//ZeMvl+0r7ZxcK21VtNTlsmyqdHGGrKkusatysAhU8t6s7YWYvf1HXyx8w=="
    )
