"""Notifications of API v3: verified before anything is read, then opened (N09, N10, N12, K02)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.v3_counterpart import (
    API_V3_KEY,
    APPID,
    CERTIFICATE_SERIAL,
    MCH,
    NOW,
    NUMBER,
    PAID,
    PUBLIC_KEY_ID,
    SUB_MCH,
    TRANSACTION,
    notification,
    ours,
    platform_keys,
    signed_headers,
)

from wechatpay.credentials import ApiV3Key
from wechatpay.errors import NotificationRejected
from wechatpay.gateway import RefundStatus, TradeType
from wechatpay.money import Fen
from wechatpay.v3 import notify

NEW_KEY = ApiV3Key(5, "newnewnewnewnewnewnewnewnewnew05")
REFUNDED: dict[str, Any] = {
    "sp_mchid": MCH,
    "sub_mchid": SUB_MCH,
    "out_trade_no": NUMBER.text,
    "transaction_id": TRANSACTION,
    "out_refund_no": "R1",
    "refund_id": "50300806962026112100000000001",
    "refund_status": "SUCCESS",
    "success_time": "2026-11-21T09:00:05+08:00",
    "user_received_account": "支付用户零钱",
    "amount": {"total": 100, "refund": 30, "payer_total": 100, "payer_refund": 30},
}


def received(body: bytes, **options: Any) -> notify.Envelope:
    return notify.read(signed_headers(body, **options), body, platform_keys(), NOW)


def rejected(body: bytes, headers: dict[str, str] | None = None) -> NotificationRejected:
    with pytest.raises(NotificationRejected) as refusal:
        notify.read(signed_headers(body) if headers is None else headers, body, platform_keys(), NOW)
    return refusal.value


def changed(document: dict[str, Any], **changes: object) -> dict[str, Any]:
    return {name: value for name, value in {**document, **changes}.items() if value is not None}


@pytest.mark.parametrize("serial", [PUBLIC_KEY_ID, CERTIFICATE_SERIAL])
def test_K04_each_message_is_verified_by_the_key_it_names(serial: str) -> None:
    envelope = received(notification(PAID), serial=serial)
    assert envelope.serial == serial
    payment = notify.open_payment(envelope, [API_V3_KEY])
    assert payment.succeeded
    assert (payment.mch_id.text, payment.appid.text) == (MCH, APPID)
    assert (payment.total_fee, payment.cash_fee, payment.coupon_fee) == (Fen(100), Fen(90), Fen(10))
    assert (payment.trade_type, payment.bank_type) == (TradeType.JSAPI, "CMB_DEBIT")
    assert (payment.attach, payment.needs_query, payment.key_version) == ("ord_01JD", False, 4)
    assert payment.raw["a_field_of_next_year"] == {"deep": [1]}


def test_a_repetition_has_the_same_id_and_a_signature_of_its_own() -> None:
    body = notification(PAID)
    later = received(body, at=NOW + timedelta(seconds=200), nonce="another")
    assert later.id == received(body).id


def test_N09_nothing_is_parsed_before_it_is_verified() -> None:
    for body in (b"", b"<xml/>", b"[" * 5000, b'{"id":1,"id":2}', b"\xff\xfe"):
        assert rejected(body, signed_headers(body, key=ours())).reason == "bad_signature"
        assert rejected(body, {}).reason == "missing_header"


def test_N09_a_refusal_names_the_serial_that_was_claimed() -> None:
    body = notification(PAID)
    refusal = rejected(body, signed_headers(body, serial="0A" * 20))
    assert (refusal.reason, refusal.serial) == ("unknown_serial", "0A" * 20)


def test_N10_a_probe_is_refused_and_counted_apart() -> None:
    body = notification(PAID)
    probe = {**signed_headers(body), "wechatpay-signature": "WECHATPAY/SIGNTEST/" + "A" * 325}
    refusal = rejected(body, probe)
    assert (refusal.reason, refusal.serial) == ("probe", PUBLIC_KEY_ID)


def test_N09_a_captured_message_is_stale_after_five_minutes() -> None:
    body = notification(PAID)
    headers = signed_headers(body)
    with pytest.raises(NotificationRejected, match="stale_timestamp"):
        notify.read(headers, body, platform_keys(), NOW + timedelta(seconds=300))


def test_a_message_without_end_is_not_even_hashed() -> None:
    assert rejected(b"x" * (64 * 1024 + 1), {}).reason == "too_large"


@pytest.mark.parametrize(
    ("body", "reason", "field"),
    [
        (b"", "malformed", None),
        (b"\xff\xfe", "not_utf8", None),
        (b'{"id":"a","id":"b"}', "duplicate_field", "id"),
        (notification(PAID, id=""), "missing_field", "id"),
        (notification(PAID, id="x" * 65), "malformed", "id"),
        (notification(PAID, id="a\nb"), "malformed", "id"),
        (notification(PAID, event=""), "missing_field", "event_type"),
        (notification(PAID, create_time="yesterday"), "malformed", "create_time"),
        (notification(PAID, resource="x"), "malformed", "resource"),
        (notification(PAID, resource={}), "missing_field", "resource.algorithm"),
        (notification(PAID, resource={"algorithm": "AEAD_SM4_GCM"}), "malformed", "resource.algorithm"),
        (notification(PAID, resource={"algorithm": "AEAD_AES_256_GCM"}), "missing_field", "resource.nonce"),
    ],
)
def test_what_stands_around_the_encryption_has_a_form(body: bytes, reason: str, field: str | None) -> None:
    refusal = rejected(body)
    assert (refusal.reason, refusal.field) == (reason, field)


def test_K02_the_key_before_this_one_still_opens_and_says_so() -> None:
    envelope = received(notification(PAID))
    assert notify.open_payment(envelope, [NEW_KEY, API_V3_KEY]).key_version == 4
    with pytest.raises(NotificationRejected) as refusal:
        notify.open_payment(envelope, [NEW_KEY])
    assert (refusal.value.reason, refusal.value.serial) == ("undecryptable", PUBLIC_KEY_ID)


def test_an_empty_associated_data_is_taken() -> None:
    assert notify.open_payment(received(notification(PAID, associated_data="")), [API_V3_KEY]).succeeded


@pytest.mark.parametrize("state", ["NOTPAY", "CLOSED", "REFUND", "PAYERROR", "success"])
def test_N12_only_the_word_success_says_that_money_was_paid(state: str) -> None:
    envelope = received(notification(changed(PAID, trade_state=state)))
    assert not notify.open_payment(envelope, [API_V3_KEY]).succeeded


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"out_trade_no": None}, "missing_field", "out_trade_no"),
        ({"out_trade_no": "<>"}, "malformed", "out_trade_no"),
        ({"sub_mchid": None}, "missing_field", "sub_mchid"),
        ({"sp_mchid": None}, "missing_field", "mchid"),
        ({"sp_appid": ""}, "missing_field", "sp_appid"),
        ({"transaction_id": None}, "missing_field", "transaction_id"),
        ({"trade_state": None}, "missing_field", "trade_state"),
        ({"success_time": None}, "missing_field", "success_time"),
        ({"amount": {"payer_total": 1}}, "missing_field", "amount.total"),
        ({"amount": {"total": 1.0, "payer_total": 1}}, "malformed", None),
        ({"amount": {"total": True, "payer_total": 1}}, "malformed", "amount.total"),
        ({"amount": {"total": "100", "payer_total": 1}}, "malformed", "amount.total"),
        ({"amount": {"total": 1, "payer_total": 2}}, "malformed", "amount.payer_total"),
        ({"payer": "x"}, "malformed", "payer"),
    ],
)
def test_a_payment_that_lacks_what_decides_is_none(
    changes: dict[str, Any], reason: str, field: str | None
) -> None:
    envelope = received(notification(changed(PAID, **changes)))
    with pytest.raises(NotificationRejected) as refusal:
        notify.open_payment(envelope, [API_V3_KEY])
    assert (refusal.value.reason, refusal.value.field) == (reason, field)


def test_a_plain_merchant_s_payment_has_its_own_names() -> None:
    direct = {name: value for name, value in PAID.items() if not name.startswith(("sp_", "sub_"))}
    direct |= {"appid": APPID, "mchid": MCH, "payer": {"openid": "oDirect_000000000000000000001"}}
    payment = notify.open_payment(received(notification(direct)), [API_V3_KEY])
    assert (payment.mch_id.text, payment.sub_mch_id, payment.sub_appid) == (MCH, None, None)
    assert payment.openid is not None


@pytest.mark.parametrize(
    ("status", "known_as"),
    [
        ("SUCCESS", RefundStatus.SUCCESS),
        ("CLOSED", RefundStatus.REFUNDCLOSE),
        ("CLOSE", RefundStatus.REFUNDCLOSE),
        ("ABNORMAL", RefundStatus.CHANGE),
        ("PROCESSING", RefundStatus.PROCESSING),
    ],
)
def test_a_refund_is_read_in_the_words_of_the_port(status: str, known_as: RefundStatus) -> None:
    body = notification(changed(REFUNDED, refund_status=status), event="REFUND.SUCCESS", original="refund")
    refund = notify.open_refund(received(body), [API_V3_KEY])
    assert refund.status is known_as
    assert (refund.amount, refund.total) == (Fen(30), Fen(100))
    assert refund.success_at == datetime(2026, 11, 21, 1, 0, 5, tzinfo=UTC)
    assert (refund.recv_account, refund.key_version) == ("支付用户零钱", 4)
    assert refund.sub_mch_id is not None
    assert refund.sub_mch_id.text == SUB_MCH


def test_a_refund_may_name_the_merchant_alone() -> None:
    told = changed(REFUNDED, sp_mchid=None, sub_mchid=None, mchid=MCH, success_time=None)
    refund = notify.open_refund(received(notification(told)), [API_V3_KEY])
    assert (refund.mch_id.text, refund.sub_mch_id, refund.success_at) == (MCH, None, None)


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"sp_mchid": None}, "missing_field", "mchid"),
        ({"out_refund_no": None}, "missing_field", "out_refund_no"),
        ({"refund_status": "DONE"}, "malformed", "refund_status"),
        ({"amount": {"total": 100}}, "missing_field", "amount.refund"),
    ],
)
def test_a_refund_that_lacks_what_decides_is_none(changes: dict[str, Any], reason: str, field: str) -> None:
    envelope = received(notification(changed(REFUNDED, **changes)))
    with pytest.raises(NotificationRejected) as refusal:
        notify.open_refund(envelope, [API_V3_KEY])
    assert (refusal.value.reason, refusal.value.field) == (reason, field)


def test_an_echo_is_opened_to_its_message() -> None:
    told = {"echo_message": "ech_01JD", "encrypt_echo_message": "AAAA"}
    body = notification(told, event="SECURITY_ECHO.SUCCESS", original="security")
    assert notify.open_echo(received(body), [API_V3_KEY]) == "ech_01JD"
    with pytest.raises(NotificationRejected, match="missing_field"):
        notify.open_echo(received(notification({})), [API_V3_KEY])


@pytest.mark.parametrize("plain", [b"", b"[]", b"\xff", b'{"a":1,"a":2}', b"<xml/>"])
def test_what_was_encrypted_must_be_a_document(plain: bytes) -> None:
    with pytest.raises(NotificationRejected):
        notify.open_payment(received(notification(plain)), [API_V3_KEY])


def test_C6_nothing_secret_shows_in_a_rejection_or_a_record() -> None:
    body = notification(PAID)
    envelope = received(body)
    payment = notify.open_payment(envelope, [API_V3_KEY])
    shown = f"{envelope!r} {payment!r} {API_V3_KEY!r}"
    for secret in (json.loads(body)["resource"]["ciphertext"], API_V3_KEY.secret, "oUpF8uMuAJO"):
        assert secret not in shown
