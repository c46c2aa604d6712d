"""Notifications of API v3: verified first, then parsed, then opened. Evidence, not a command.

Order: `read` (signature over the raw bytes, then form), then `open_payment`, `open_refund` or `open_echo`
(the API v3 key); only then compare identities and amount with the row (rule I3).
Source: wechatpay-v3 1.4, 1.5, 3; failure catalogue N09, N10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from wechatpay.credentials import ApiV3Key
from wechatpay.errors import BadField, NotificationRejected
from wechatpay.identifiers import MchId, OutRefundNo, OutTradeNo, RefundId, SubMchId, TransactionId
from wechatpay.money import Fen
from wechatpay.payments import VerifiedPayment
from wechatpay.refunds import VerifiedRefund
from wechatpay.v3 import aead, document, verification
from wechatpay.v3.document import MalformedJson
from wechatpay.v3.fields import Fields
from wechatpay.v3.identity import told_identity
from wechatpay.v3.orders import told_payer
from wechatpay.v3.platform_keys import PlatformKeys

_MAX_ID = 64
_MAX_TYPE = 64


@dataclass(frozen=True, slots=True)
class Envelope:
    """A notification that is WeChat's own, still closed. `serial` is the key it was verified with.

    `id` is the same for every repetition; `create_time` is UTC.
    """

    id: str
    event_type: str
    create_time: datetime
    original_type: str
    nonce: str
    associated_data: str
    ciphertext: str = field(repr=False)
    serial: str


def read(headers: Mapping[str, str], body: bytes, keys: PlatformKeys, now: datetime) -> Envelope:
    """Verify `body`, exactly as it came, and read what stands around the encrypted part.

    Header names are lower case; `now` is aware. Raises NotificationRejected: too_large before anything else,
    missing_header, signature_type, stale_timestamp, unknown_serial, probe, bad_signature (each with the
    `serial` the message names), then not_utf8, malformed, duplicate_field, missing_field.
    """
    if len(body) > document.MAX_BYTES:
        raise NotificationRejected("too_large")
    try:
        key = verification.verify(headers, body, keys, now)
    except verification.Unverified as refused:
        raise NotificationRejected(refused.reason, serial=refused.serial) from None
    values = _parsed(body)
    try:
        return _envelope(Fields(values), key.serial)
    except BadField as error:
        raise _rejected(values, error) from None


def _envelope(fields: Fields, serial: str) -> Envelope:
    resource = fields.section("resource")
    if resource.required("algorithm", resource.text) != aead.ALGORITHM:
        raise resource.bad("algorithm")
    return Envelope(
        id=_short(fields, "id", _MAX_ID),
        event_type=_short(fields, "event_type", _MAX_TYPE),
        create_time=fields.required("create_time", fields.moment),
        original_type=resource.text("original_type") or "",
        nonce=resource.required("nonce", resource.text),
        associated_data=resource.text("associated_data") or "",
        ciphertext=resource.required("ciphertext", resource.text),
        serial=serial,
    )


def _short(fields: Fields, name: str, limit: int) -> str:
    value = fields.required(name, fields.text)
    if len(value) > limit or not value.isprintable():
        raise fields.bad(name)
    return value


def open_payment(envelope: Envelope, keys: Sequence[ApiV3Key]) -> VerifiedPayment:
    """Decrypt and read a payment; `keys` are the versions that open now, the active one first (K02).

    Raises NotificationRejected: undecryptable when no key opens it, not_utf8, malformed, duplicate_field,
    missing_field.
    """
    values, version = _opened(envelope, keys)
    fields = Fields(values)
    try:
        identity, payer, amount = told_identity(fields), told_payer(fields), fields.section("amount")
        total = amount.required("total", amount.fen)
        paid = amount.required("payer_total", amount.fen)
        return VerifiedPayment(
            mch_id=identity.mch_id,
            appid=identity.appid,
            sub_mch_id=identity.sub_mch_id,
            sub_appid=identity.sub_appid,
            out_trade_no=fields.need("out_trade_no", OutTradeNo),
            transaction_id=fields.need("transaction_id", TransactionId),
            total_fee=total,
            fee_type=amount.word("currency") or "CNY",
            cash_fee=paid,
            coupon_fee=_coupons(amount, total, paid),
            settlement_total_fee=None,
            trade_type=fields.required("trade_type", fields.trade_type),
            bank_type=fields.word("bank_type"),
            openid=payer.openid,
            sub_openid=payer.sub_openid,
            time_end=fields.required("success_time", fields.moment),
            attach=fields.text("attach") or "",
            result_code=fields.required("trade_state", fields.word),
            key_version=version,
            needs_query=False,
            raw=MappingProxyType(values),
        )
    except BadField as error:
        raise _rejected(values, error) from None


def _coupons(amount: Fields, total: Fen, paid: Fen) -> Fen:
    if paid > total:
        raise amount.bad("payer_total")
    return total - paid


def open_refund(envelope: Envelope, keys: Sequence[ApiV3Key]) -> VerifiedRefund:
    """Decrypt and read a refund. Raises as `open_payment`.

    WeChat names the merchant `sp_mchid` with `sub_mchid`, or `mchid` alone (wechatpay-v3 3.3, 11).
    """
    values, version = _opened(envelope, keys)
    fields = Fields(values)
    try:
        amount = fields.section("amount")
        return VerifiedRefund(
            mch_id=fields.identifier("sp_mchid", MchId) or fields.need("mchid", MchId),
            sub_mch_id=fields.identifier("sub_mchid", SubMchId),
            out_trade_no=fields.need("out_trade_no", OutTradeNo),
            transaction_id=fields.need("transaction_id", TransactionId),
            out_refund_no=fields.need("out_refund_no", OutRefundNo),
            refund_id=fields.need("refund_id", RefundId),
            status=fields.required("refund_status", fields.refund_status),
            amount=amount.required("refund", amount.fen),
            total=amount.required("total", amount.fen),
            success_at=fields.moment("success_time"),
            recv_account=fields.text("user_received_account"),
            key_version=version,
        )
    except BadField as error:
        raise _rejected(values, error) from None


def open_echo(envelope: Envelope, keys: Sequence[ApiV3Key]) -> str:
    """Decrypt the echo of a self-test; return its message (wechatpay-v3 1.11). Raises as `open_payment`."""
    values, _version = _opened(envelope, keys)
    fields = Fields(values)
    try:
        return fields.required("echo_message", fields.text)
    except BadField as error:
        raise _rejected(values, error) from None


def _opened(envelope: Envelope, keys: Sequence[ApiV3Key]) -> tuple[dict[str, Any], int]:
    """The document inside and the version of the key that opened it."""
    for key in keys:
        plain = aead.opened(key, envelope.nonce, envelope.associated_data, envelope.ciphertext)
        if plain is not None:
            return _parsed(plain), key.version
    raise NotificationRejected("undecryptable", "resource.ciphertext", serial=envelope.serial)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        return document.parse(body)
    except MalformedJson as error:
        raise NotificationRejected(error.reason, error.field) from None


def _rejected(values: Mapping[str, Any], error: BadField) -> NotificationRejected:
    known: Any = values
    for name in error.field.split("."):
        known = known.get(name) if isinstance(known, dict) else None
    return NotificationRejected("missing_field" if known in (None, "") else "malformed", error.field)
