"""Refunds: asking, and what became of them (wechatpay-v2 4.6, 4.7; G02-G05, G13, F03, F06, F09)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.loopback import http
from tests.support.v2_counter_desk import TRANSACTION
from tests.support.v2_counterpart import (
    NUMBER,
    Counterpart,
    OneLine,
    merchant,
    new_order,
    partner,
    signed_xml,
    xml,
)

from wechatpay.credentials import ClientCertificate, Credentials, SignType
from wechatpay.errors import (
    BadAnswerSignature,
    EchoMismatch,
    InvalidRequest,
    NotSent,
    Refused,
    UnknownOutcome,
)
from wechatpay.gateway import Gateway, NewRefund, RefundStatus, TradeType
from wechatpay.identifiers import AuthCode, OutRefundNo, TransactionId
from wechatpay.money import Fen

REFUND_NO = OutRefundNo("R0007-20261121_000001")
NOTIFY = "https://pay.example.com/notify/wechat/k7/v2/refund"


def new_refund(**changes: Any) -> NewRefund:
    values: dict[str, Any] = {
        "out_refund_no": REFUND_NO,
        "out_trade_no": NUMBER,
        "transaction_id": TransactionId(TRANSACTION),
        "amount": Fen(300),
        "total": Fen(1280),
        "reason": "洒了一半",
        "notify_url": NOTIFY,
    }
    return NewRefund(**{**values, **changes})


@pytest.fixture
async def paid(gateway: Gateway, wechat: Counterpart) -> Counterpart:
    """WeChat's side once 12.80 yuan were paid with a payment code."""
    sale = new_order(trade_type=TradeType.MICROPAY, openid=None, amount=Fen(1280))
    await gateway.charge(partner(), sale, AuthCode("134567890123456789"))
    wechat.requests.clear()
    return wechat


# Asking


@pytest.mark.parametrize(
    "credentials",
    [partner(), partner(SignType.MD5, sub_appid=None), merchant()],
    ids=["sub_appid", "MD5", "merchant"],
)
async def test_a_refund_sends_exactly_its_fields_over_the_certificate_s_line(
    gateway: Gateway,
    paid: Counterpart,
    secure: OneLine,
    certificate: ClientCertificate,
    credentials: Credentials,
) -> None:
    paid.sign_type = credentials.sign_type
    accepted = await gateway.refund(credentials, certificate, new_refund())
    assert (accepted.out_refund_no, accepted.amount, accepted.total) == (REFUND_NO, Fen(300), Fen(1280))
    assert accepted.refund_id.text == "50300001232026112100000000000"
    assert (accepted.call.operation, accepted.call.url_path) == ("refund", "/secapi/pay/refund")
    assert secure.shown == [certificate]
    [sent] = paid.requests
    assert {name: sent.pop(name) for name in ("nonce_str", "sign")}
    assert sent == {
        **credentials.identity(),
        "sign_type": credentials.sign_type.value,
        "transaction_id": TRANSACTION,
        "out_refund_no": REFUND_NO.text,
        "total_fee": "1280",
        "refund_fee": "300",
        "refund_desc": "洒了一半",
        "notify_url": NOTIFY,
    }


async def test_without_wechat_s_number_the_order_is_named_by_ours(
    gateway: Gateway, paid: Counterpart, certificate: ClientCertificate
) -> None:
    await gateway.refund(partner(), certificate, new_refund(transaction_id=None, reason=None))
    [sent] = paid.requests
    assert sent["out_trade_no"] == NUMBER.text
    assert sent.keys().isdisjoint({"transaction_id", "refund_desc"})


async def test_F03_the_same_refund_asked_twice_is_one_refund_with_equal_parameters(
    gateway: Gateway, paid: Counterpart, certificate: ClientCertificate
) -> None:
    stored = json.dumps(new_refund().to_json())
    first = await gateway.refund(partner(), certificate, new_refund())
    again = await gateway.refund(partner(), certificate, NewRefund.from_json(json.loads(stored)))
    assert first.refund_id == again.refund_id
    assert len(paid.desk.refunds) == 1
    one, other = paid.requests
    assert {name for name in one if one[name] != other[name]} == {"nonce_str", "sign"}


async def test_C6_d_a_reason_cannot_carry_other_fields(
    gateway: Gateway, paid: Counterpart, certificate: ClientCertificate
) -> None:
    await gateway.refund(partner(), certificate, new_refund(reason="A&B=C"))
    assert paid.requests[0]["refund_desc"] == "A＆B＝C"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"amount": Fen(0)}, "amount", id="F05: nothing"),
        pytest.param({"amount": Fen(1281)}, "amount", id="F05: more than was paid"),
        pytest.param({"amount": Fen(1), "total": Fen(0)}, "total", id="an order of nothing"),
        pytest.param({"total": Fen(1_000_000_000)}, "total", id="too much"),
        pytest.param({"reason": " "}, "reason", id="blank"),
        pytest.param({"reason": "凉了😀"}, "reason", id="emoji"),
        pytest.param({"reason": "凉" * 27}, "reason", id="81 bytes"),
        pytest.param({"reason": "&" * 27}, "reason", id="81 bytes once neutralised"),
        pytest.param({"notify_url": f"{NOTIFY}?tenant=7"}, "notify_url", id="trap 46: query"),
    ],
)
def test_what_wechat_would_refuse_is_refused_before_sending(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        new_refund(**changes)
    assert refusal.value.field == field
    assert refusal.value.zh
    assert refusal.value.en


def test_a_reason_of_80_bytes_is_accepted() -> None:
    assert new_refund(reason="凉" * 26 + "xx")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("out_refund_no", "R0007-20261121_000002"),
        ("out_trade_no", "T0007-20261121_000002"),
        ("transaction_id", "4200001234202611210123456780"),
        ("refund_fee", "301"),
        ("total_fee", "1281"),
        ("sub_mch_id", "1900000201"),
        ("out_refund_no", None),
        ("out_trade_no", None),
        ("transaction_id", None),
        ("refund_fee", None),
        ("total_fee", None),
    ],
)
async def test_G05_G13_an_acceptance_of_another_refund_is_unknown(
    gateway: Gateway, paid: Counterpart, certificate: ClientCertificate, name: str, value: str | None
) -> None:
    paid.overrides = {name: value}
    with pytest.raises(EchoMismatch) as mismatch:
        await gateway.refund(partner(), certificate, new_refund())
    assert mismatch.value.field == name
    assert mismatch.value.call is not None


@pytest.mark.parametrize("refund_id", [None, "", "5030-0001"])
async def test_an_acceptance_without_wechat_s_number_is_unknown(
    gateway: Gateway, paid: Counterpart, certificate: ClientCertificate, refund_id: str | None
) -> None:
    paid.overrides = {"refund_id": refund_id}
    with pytest.raises(UnknownOutcome) as outcome:
        await gateway.refund(partner(), certificate, new_refund())
    assert outcome.value.reason == "answer_without_refund_id"


@pytest.mark.parametrize("code", ["SYSTEMERROR", "BIZERR_NEED_RETRY", "REFUND_FEE_MISMATCH"])
async def test_R3_a_refund_that_may_have_been_accepted_is_unknown(
    gateway: Gateway, paid: Counterpart, certificate: ClientCertificate, code: str
) -> None:
    refused = {"result_code": "FAIL", "err_code": code}
    paid.overrides = {**refused, **dict.fromkeys(("refund_fee", "total_fee", "out_refund_no"))}
    with pytest.raises(UnknownOutcome) as outcome:
        await gateway.refund(partner(), certificate, new_refund())
    assert outcome.value.reason == code


@pytest.mark.parametrize(
    ("code", "definitive"),
    [("NOTENOUGH", False), ("FREQUENCY_LIMITED", False), ("CERT_ERROR", False), ("TRADE_OVERDUE", True)],
)
async def test_F06_only_a_final_refusal_is_definitive(
    gateway: Gateway, paid: Counterpart, certificate: ClientCertificate, code: str, definitive: bool
) -> None:
    refused = {"result_code": "FAIL", "err_code": code}
    paid.overrides = {**refused, **dict.fromkeys(("refund_fee", "total_fee", "out_refund_no"))}
    with pytest.raises(Refused) as refusal:
        await gateway.refund(partner(), certificate, new_refund())
    assert (refusal.value.code, refusal.value.definitive) == (code, definitive)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(http(b"<html>No required SSL certificate was sent</html>", "400 Bad"), UnknownOutcome),
        pytest.param(http(xml({"return_code": "SUCCESS", "result_code": "SUCCESS"})), BadAnswerSignature),
        pytest.param(
            http(signed_xml({"return_code": "SUCCESS"}, SignType.HMAC_SHA256, "1" * 32)), BadAnswerSignature
        ),
    ],
    ids=["proxy's page", "unsigned", "signed with another key"],
)
async def test_G05_G08_what_is_no_answer_of_wechat_s_is_unknown(
    gateway: Gateway,
    paid: Counterpart,
    certificate: ClientCertificate,
    raw: bytes,
    expected: type[UnknownOutcome],
) -> None:
    paid.raw = raw
    with pytest.raises(expected):
        await gateway.refund(partner(), certificate, new_refund())


async def test_F09_nothing_is_refunded_with_another_provider_s_certificate(
    gateway: Gateway, paid: Counterpart, secure: OneLine, foreign_certificate: ClientCertificate
) -> None:
    with pytest.raises(NotSent) as failure:
        await gateway.refund(partner(), foreign_certificate, new_refund())
    assert failure.value.reason == "foreign_certificate"
    assert (paid.requests, secure.shown) == ([], [])


async def test_a_damaged_certificate_is_not_even_tried(
    gateway: Gateway, paid: Counterpart, certificate: ClientCertificate
) -> None:
    with pytest.raises(NotSent) as failure:
        await gateway.refund(partner(), replace(certificate, cert_pem=b"nothing"), new_refund())
    assert failure.value.reason == "unusable_certificate"
    assert paid.requests == []


# What became of it


async def test_a_refund_is_followed_from_accepted_to_arrived(
    gateway: Gateway, paid: Counterpart, certificate: ClientCertificate
) -> None:
    accepted = await gateway.refund(partner(), certificate, new_refund())
    state = await gateway.query_refund(partner(), REFUND_NO)
    assert (state.status, state.success_at) == (RefundStatus.PROCESSING, None)
    assert (state.out_trade_no, state.transaction_id) == (NUMBER, TransactionId(TRANSACTION))
    assert (state.refund_id, state.amount, state.total) == (accepted.refund_id, Fen(300), Fen(1280))
    paid.desk.settle(
        REFUND_NO.text, refund_status="SUCCESS", refund_success_time="2016-07-25 15:26:26", cash_fee="1280"
    )
    state = await gateway.query_refund(partner(), REFUND_NO)
    assert state.status is RefundStatus.SUCCESS
    assert state.success_at == datetime(2016, 7, 25, 7, 26, 26, tzinfo=UTC)
    assert state.recv_account == "支付用户零钱"
    assert paid.requests[-1].keys() - partner().identity().keys() == {
        "out_refund_no",
        "nonce_str",
        "sign_type",
        "sign",
    }


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        ("PROCESSING", RefundStatus.PROCESSING),
        ("SUCCESS", RefundStatus.SUCCESS),
        ("REFUNDCLOSE", RefundStatus.REFUNDCLOSE),
        ("FAIL", RefundStatus.REFUNDCLOSE),
        ("CHANGE", RefundStatus.CHANGE),
    ],
)
async def test_every_word_for_a_refund_s_state_is_read(
    gateway: Gateway, paid: Counterpart, certificate: ClientCertificate, wire: str, status: RefundStatus
) -> None:
    await gateway.refund(partner(), certificate, new_refund())
    paid.desk.settle(REFUND_NO.text, refund_status=wire)
    assert (await gateway.query_refund(partner(), REFUND_NO)).status is status


async def test_an_unknown_refund_is_refused_by_name(gateway: Gateway, paid: Counterpart) -> None:
    with pytest.raises(Refused) as refusal:
        await gateway.query_refund(partner(), REFUND_NO)
    assert (refusal.value.code, refusal.value.level) == ("REFUNDNOTEXIST", "result")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("out_refund_no_0", "R0007-20261121_000002"),
        ("out_refund_no_0", None),
        ("refund_count", "2"),
        ("refund_count", None),
    ],
)
async def test_G13_a_word_about_another_refund_is_unknown(
    gateway: Gateway, paid: Counterpart, certificate: ClientCertificate, name: str, value: str | None
) -> None:
    await gateway.refund(partner(), certificate, new_refund())
    paid.overrides = {name: value}
    with pytest.raises(EchoMismatch) as mismatch:
        await gateway.query_refund(partner(), REFUND_NO)
    assert mismatch.value.field == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("refund_status_0", "DONE"),
        ("refund_status_0", None),
        ("refund_id_0", None),
        ("refund_fee_0", "3.00"),
        ("refund_fee_0", None),
        ("total_fee", None),
        ("transaction_id", None),
        ("refund_success_time_0", "20160725152626"),
        ("refund_success_time_0", "2016-13-25 15:26:26"),
    ],
)
async def test_a_state_that_lacks_or_garbles_a_part_is_unknown(
    gateway: Gateway, paid: Counterpart, certificate: ClientCertificate, name: str, value: str | None
) -> None:
    await gateway.refund(partner(), certificate, new_refund())
    paid.overrides = {name: value}
    with pytest.raises(UnknownOutcome) as outcome:
        await gateway.query_refund(partner(), REFUND_NO)
    assert outcome.value.reason == f"answer_without_{name}"


async def test_a_sum_of_coupons_is_not_taken_for_one_of_them(
    gateway: Gateway, paid: Counterpart, certificate: ClientCertificate
) -> None:
    await gateway.refund(partner(), certificate, new_refund())
    paid.overrides = {
        "coupon_refund_fee_0": "100",
        "coupon_refund_count_0": "2",
        "coupon_refund_fee_0_0": "60",
        "coupon_refund_fee_0_1": "40",
        "settlement_refund_fee_0": "200",
        "refund_fee": "999",
    }
    assert (await gateway.query_refund(partner(), REFUND_NO)).amount == Fen(300)


async def test_B_pages_of_ten_are_read_by_offset(
    gateway: Gateway, paid: Counterpart, certificate: ClientCertificate
) -> None:
    numbers = [OutRefundNo(f"R{n:07}") for n in range(12)]
    for number in numbers:
        await gateway.refund(partner(), certificate, new_refund(out_refund_no=number, amount=Fen(1)))
    # Each with ten fields and a coupon: more elements than any other answer has.
    for n in range(12):
        coupon = {f"{name}_0": "1" for name in ("coupon_refund_id", "coupon_refund_fee")}
        more = {"settlement_refund_fee": "1", "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS"}
        paid.desk.settle(numbers[n].text, **more, coupon_refund_count="1")
        paid.overrides |= {f"{name[:-2]}_{n}_0": value for name, value in coupon.items()}
    first = await gateway.query_refunds(partner(), NUMBER)
    rest = await gateway.query_refunds(partner(), NUMBER, offset=10)
    assert (first.total_count, rest.total_count) == (12, 12)
    assert [refund.out_refund_no for refund in (*first.refunds, *rest.refunds)] == numbers
    assert [request.get("offset") for request in paid.requests[-2:]] == [None, "10"]


async def test_G13_the_refunds_of_another_order_are_unknown(
    gateway: Gateway, paid: Counterpart, certificate: ClientCertificate
) -> None:
    await gateway.refund(partner(), certificate, new_refund())
    paid.overrides = {"out_trade_no": "T0007-20261121_000002"}
    with pytest.raises(EchoMismatch):
        await gateway.query_refunds(partner(), NUMBER)


@pytest.mark.parametrize("count", ["0", "11", "-1", "1e1", "x", None])
async def test_a_count_that_cannot_be_is_unknown(
    gateway: Gateway, paid: Counterpart, certificate: ClientCertificate, count: str | None
) -> None:
    await gateway.refund(partner(), certificate, new_refund())
    paid.overrides = {"refund_count": count}
    with pytest.raises(UnknownOutcome) as outcome:
        await gateway.query_refunds(partner(), NUMBER)
    assert outcome.value.reason == "answer_without_refund_count"


@pytest.mark.parametrize("text", ["", "R" * 65, "R 1", "R&1", "退款1"])
def test_a_refund_number_keeps_to_its_form(text: str) -> None:
    with pytest.raises(ValueError, match="out_refund_no"):
        OutRefundNo(text)


def test_a_refund_number_may_have_64_characters_and_an_at_sign() -> None:
    assert OutRefundNo("R" * 60 + "_|*@")
