"""Refunds by API v3: asked for, accepted, looked up (wechatpay-v3 4; R1-R5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.v3_counterpart import (
    NUMBER,
    PUBLIC_KEY_ID,
    SUB_MCH,
    TRANSACTION,
    V3Counterpart,
    merchant,
    partner,
)

from wechatpay.errors import EchoMismatch, Refused, UnknownOutcome
from wechatpay.gateway import Gateway, NewRefund, RefundStatus
from wechatpay.identifiers import OutRefundNo, TransactionId
from wechatpay.money import Fen
from wechatpay.v3.gateway import NOT_OFFERED, V3Gateway

NUMBER_OF_REFUND = OutRefundNo("R0007-20261121_000001")
REFUND_ID = "50300806962026112100000000001"
REFUND = NewRefund(
    NUMBER_OF_REFUND,
    NUMBER,
    None,
    Fen(30),
    Fen(100),
    "红&黑=2",
    "https://pay.example.com/notify/wechat/k7/v3/refund",
)
TOLD: dict[str, Any] = {
    "refund_id": REFUND_ID,
    "out_refund_no": NUMBER_OF_REFUND.text,
    "transaction_id": TRANSACTION,
    "out_trade_no": NUMBER.text,
    "channel": "ORIGINAL",
    "user_received_account": "招商银行信用卡0403",
    "create_time": "2026-11-21T09:00:00+08:00",
    "status": "PROCESSING",
    "amount": {"total": 100, "refund": 30, "payer_total": 100, "payer_refund": 30, "currency": "CNY"},
}


async def test_a_refund_names_the_sub_merchant_and_goes_without_a_certificate(
    gateway: V3Gateway, wechat: V3Counterpart
) -> None:
    wechat.tells(200, TOLD)
    accepted = await gateway.refund(partner(), None, REFUND)
    assert (wechat.last.method, wechat.last.target) == ("POST", "/v3/refund/domestic/refunds")
    assert wechat.last.document == {
        "sub_mchid": SUB_MCH,
        "out_trade_no": NUMBER.text,
        "out_refund_no": NUMBER_OF_REFUND.text,
        "reason": "红&黑=2",
        "notify_url": REFUND.notify_url,
        "amount": {"refund": 30, "total": 100, "currency": "CNY"},
    }
    assert (accepted.refund_id.text, accepted.amount, accepted.total) == (REFUND_ID, Fen(30), Fen(100))
    assert (accepted.call.operation, accepted.call.serial) == ("v3.refund", PUBLIC_KEY_ID)


async def test_wechat_s_number_of_the_payment_goes_before_ours(
    gateway: V3Gateway, wechat: V3Counterpart
) -> None:
    wechat.tells(200, TOLD)
    await gateway.refund(
        merchant(), None, replace(REFUND, transaction_id=TransactionId(TRANSACTION), reason=None)
    )
    sent = wechat.last.document
    assert sent["transaction_id"] == TRANSACTION
    assert not {"out_trade_no", "sub_mchid", "reason"} & sent.keys()


@pytest.mark.parametrize(
    "changes",
    [
        {"out_refund_no": "R2"},
        {"out_trade_no": "T20261121000002"},
        {"out_trade_no": None},
    ],
)
async def test_G13_an_answer_about_another_refund_is_none(
    gateway: V3Gateway, wechat: V3Counterpart, changes: dict[str, Any]
) -> None:
    wechat.tells(200, {name: value for name, value in {**TOLD, **changes}.items() if value is not None})
    with pytest.raises(EchoMismatch):
        await gateway.refund(partner(), None, REFUND)


@pytest.mark.parametrize(
    ("amount", "field"),
    [
        ({"total": 100, "refund": 31}, "amount.refund"),
        ({"total": 101, "refund": 30}, "amount.total"),
        ({"total": 100}, "amount.refund"),
        ({"total": 100, "refund": "30"}, "amount.refund"),
    ],
)
async def test_M3_an_answer_about_another_amount_leaves_it_open(
    gateway: V3Gateway, wechat: V3Counterpart, amount: dict[str, Any], field: str
) -> None:
    wechat.tells(200, {**TOLD, "amount": amount})
    with pytest.raises(UnknownOutcome, match=f"answer_without_{field}"):
        await gateway.refund(partner(), None, REFUND)


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("PROCESSING", RefundStatus.PROCESSING),
        ("SUCCESS", RefundStatus.SUCCESS),
        ("CLOSED", RefundStatus.REFUNDCLOSE),
        ("CLOSE", RefundStatus.REFUNDCLOSE),
        ("ABNORMAL", RefundStatus.CHANGE),
    ],
)
async def test_R4_a_refund_s_state_is_told_in_the_words_of_the_port(
    gateway: Gateway, wechat: V3Counterpart, told: str, status: RefundStatus
) -> None:
    wechat.tells(200, {**TOLD, "status": told, "success_time": "2026-11-21T09:00:05+08:00"})
    state = await gateway.query_refund(partner(), NUMBER_OF_REFUND)
    assert wechat.last.target == (f"/v3/refund/domestic/refunds/{NUMBER_OF_REFUND}?sub_mchid={SUB_MCH}")
    assert (state.status, state.amount, state.total) == (status, Fen(30), Fen(100))
    assert state.success_at == datetime(2026, 11, 21, 1, 0, 5, tzinfo=UTC)
    assert state.recv_account == "招商银行信用卡0403"


async def test_a_number_s_signs_are_sent_as_an_address_needs_them(
    gateway: Gateway, wechat: V3Counterpart
) -> None:
    wechat.tells(200, {**TOLD, "out_refund_no": "R|*@-_1"})
    await gateway.query_refund(merchant(), OutRefundNo("R|*@-_1"))
    assert wechat.last.target == "/v3/refund/domestic/refunds/R%7C*@-_1"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"status": "DONE"}, "status"),
        ({"status": "SUCCESS"}, "success_time"),
        ({"refund_id": None}, "refund_id"),
        ({"amount": {"total": 100}}, "amount.refund"),
    ],
)
async def test_a_state_that_lacks_what_it_needs_is_none(
    gateway: Gateway, wechat: V3Counterpart, changes: dict[str, Any], field: str
) -> None:
    wechat.tells(200, {name: value for name, value in {**TOLD, **changes}.items() if value is not None})
    with pytest.raises(UnknownOutcome, match=f"answer_without_{field}"):
        await gateway.query_refund(partner(), NUMBER_OF_REFUND)


async def test_v3_lists_no_refunds_of_an_order(gateway: Gateway, wechat: V3Counterpart) -> None:
    with pytest.raises(Refused) as refusal:
        await gateway.query_refunds(partner(), NUMBER)
    told = refusal.value
    assert (told.code, told.level, told.definitive) == (NOT_OFFERED, "return", False)
    assert told.call is not None
    assert told.call.http_status is None
    assert wechat.requests == []
