"""The payment notification of API v2: read, verified, typed. Evidence, not a command.

Order: `read_payment` (form), then `verify_payment` (signature); only then compare identities and
amount with the order's row (rule I3). Source: wechatpay-v2 5.1; failure catalogue C1-C3, C6, N*.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from wechatpay.credentials import SignType, V2Key
from wechatpay.errors import BadField, NotificationRejected
from wechatpay.identifiers import AppId, MchId, OpenId, OutTradeNo, SubMchId, TransactionId
from wechatpay.payments import VerifiedPayment
from wechatpay.v2 import envelope, signing
from wechatpay.v2.fields import Fields

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MANDATORY = (
    "result_code",
    "appid",
    "mch_id",
    "nonce_str",
    "openid",
    "trade_type",
    "bank_type",
    "total_fee",
    "cash_fee",
    "transaction_id",
    "out_trade_no",
    "time_end",
)
_KNOWN = frozenset(_MANDATORY) | {
    "return_code",
    "return_msg",
    "sign",
    "sign_type",
    "sub_appid",
    "sub_mch_id",
    "device_info",
    "err_code",
    "err_code_des",
    "is_subscribe",
    "sub_openid",
    "sub_is_subscribe",
    "settlement_total_fee",
    "fee_type",
    "cash_fee_type",
    "coupon_fee",
    "coupon_count",
    "attach",
    "version",
    "promotion_detail",
    "rate_value",
}
_KNOWN_COUPON = re.compile(r"coupon_(?:type|id|fee)_[0-9]{1,2}")
# These stand in requests of ours; in a notification they betray a re-used request signature.
_REQUEST_ONLY = frozenset({"body", "notify_url", "spbill_create_ip", "time_start", "time_expire"})
_LONG = 64
_MAX_ANSWER_MESSAGE = 64


@dataclass(frozen=True, slots=True)
class PaymentFields:
    """A well-formed notification whose signature has NOT been checked.

    `values` is everything received, the signature included; it stays inside the server (C6 a).
    """

    values: Mapping[str, str] = field(repr=False)

    @property
    def out_trade_no(self) -> OutTradeNo:
        """The order it speaks of, good for finding a row and nothing else."""
        return OutTradeNo(self.values["out_trade_no"])


def read_payment(body: bytes) -> PaymentFields:
    """Parse a notification and check every field's form, before any key is involved.

    Raises NotificationRejected: too_large, not_utf8, doctype, malformed, duplicate_field,
    return_fail (WeChat itself says the message is void), missing_sign, missing_field.
    """
    try:
        values = envelope.parse(body)
    except envelope.MalformedXml as error:
        raise NotificationRejected(error.reason, error.field) from None
    for name in values:
        if _NAME.fullmatch(name) is None:
            raise NotificationRejected("malformed", "name")
    _check_codes(values)
    for name in _MANDATORY:
        if not values.get(name):
            raise NotificationRejected("missing_field", name)
    if (values.get("sub_appid") or values.get("sub_openid")) and not values.get("sub_mch_id"):
        raise NotificationRejected("missing_field", "sub_mch_id")
    # Only for its checks: what it makes may not be believed yet.
    _payment(values, key_version=0)
    return PaymentFields(MappingProxyType(values))


def _check_codes(values: Mapping[str, str]) -> None:
    return_code = values.get("return_code")
    if not return_code:
        raise NotificationRejected("missing_field", "return_code")
    if return_code == "FAIL":
        raise NotificationRejected("return_fail")
    if return_code != "SUCCESS":
        raise NotificationRejected("malformed", "return_code")
    if not values.get("sign"):
        raise NotificationRejected("missing_sign")


def verify_payment(fields: PaymentFields, keys: Sequence[V2Key], sign_type: SignType) -> VerifiedPayment:
    """Verify under one of the provider's key versions, with the order's own algorithm.

    `keys` are the versions valid now, current first (K01). Raises NotificationRejected:
    sign_type_mismatch when the message names another algorithm than ours (C1), bad_signature.
    """
    values = fields.values
    claimed = values.get("sign_type")
    if claimed and claimed != sign_type.value:
        raise NotificationRejected("sign_type_mismatch", "sign_type")
    for key in keys:
        if signing.verify(values, key, sign_type):
            return _payment(values, key_version=key.version)
    raise NotificationRejected("bad_signature", "sign")


def _payment(values: Mapping[str, str], *, key_version: int) -> VerifiedPayment:
    """All fields in their types. Raises NotificationRejected("malformed") naming the first bad one."""
    fields = Fields(values)
    try:
        return VerifiedPayment(
            mch_id=fields.need("mch_id", MchId),
            appid=fields.need("appid", AppId),
            sub_mch_id=fields.identifier("sub_mch_id", SubMchId),
            sub_appid=fields.identifier("sub_appid", AppId),
            out_trade_no=fields.need("out_trade_no", OutTradeNo),
            transaction_id=fields.need("transaction_id", TransactionId),
            total_fee=fields.required("total_fee", fields.fen),
            fee_type=fields.word("fee_type") or "CNY",
            cash_fee=fields.required("cash_fee", fields.fen),
            coupon_fee=fields.fen("coupon_fee"),
            settlement_total_fee=fields.fen("settlement_total_fee"),
            trade_type=fields.required("trade_type", fields.trade_type),
            bank_type=fields.required("bank_type", fields.word),
            openid=fields.need("openid", OpenId),
            sub_openid=fields.identifier("sub_openid", OpenId),
            time_end=fields.required("time_end", fields.time),
            attach=fields.text("attach"),
            result_code=fields.required("result_code", fields.word),
            key_version=key_version,
            needs_query=_needs_query(values),
            raw=MappingProxyType({name: value for name, value in values.items() if name != "sign"}),
        )
    except BadField as error:
        raise NotificationRejected("malformed", error.field) from None


def _needs_query(values: Mapping[str, str]) -> bool:
    """Whether the string that was signed could have been cut into other fields than these (C6 f)."""
    return any(
        "&" in value or name in _REQUEST_ONLY or (len(value) > _LONG and not _is_known(name))
        for name, value in values.items()
    )


def _is_known(name: str) -> bool:
    return name in _KNOWN or _KNOWN_COUPON.fullmatch(name) is not None


def ack() -> bytes:
    """The body that ends WeChat's repetitions. Send it only after the commit (rule T5)."""
    return envelope.build({"return_code": "SUCCESS", "return_msg": "OK"})


def nack(message: str) -> bytes:
    """The body that makes WeChat send the notification again. `message` is ours: a short fixed text.

    Raises envelope.UnsendableValue for a message with control characters or emoji.
    """
    return envelope.build({"return_code": "FAIL", "return_msg": message[:_MAX_ANSWER_MESSAGE]})
