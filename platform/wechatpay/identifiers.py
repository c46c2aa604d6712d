"""The identifiers that cross the wire, each a type of its own: what exists is well formed.

Source of the forms: wechatpay-v2 1.7 and 2.2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar


class InvalidIdentifier(ValueError):
    """A text that cannot be the identifier it was given for.

    `field` is the wire name, `reason` the rule in words. The text itself is not kept: it may be
    somebody's openid.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """Base of all identifiers; `text` is exactly what goes over the wire.

    Raises InvalidIdentifier when the text breaks the rule of the subclass.
    """

    text: str

    field: ClassVar[str] = "identifier"
    rule: ClassVar[str] = "must not be empty"
    pattern: ClassVar[re.Pattern[str]] = re.compile(r".+")

    def __post_init__(self) -> None:
        if self.pattern.fullmatch(self.text) is None:
            raise InvalidIdentifier(self.field, self.rule)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, order=True)
class MchId(Identifier):
    """Merchant number of the party that signs: the provider's, or a plain merchant's own."""

    field: ClassVar[str] = "mch_id"
    rule: ClassVar[str] = "must be 8 to 10 digits"
    pattern: ClassVar[re.Pattern[str]] = re.compile(r"[0-9]{8,10}")


@dataclass(frozen=True, slots=True, order=True)
class SubMchId(Identifier):
    """Merchant number of the sub-merchant that receives the money."""

    field: ClassVar[str] = "sub_mch_id"
    rule: ClassVar[str] = "must be 8 to 10 digits"
    pattern: ClassVar[re.Pattern[str]] = re.compile(r"[0-9]{8,10}")


@dataclass(frozen=True, slots=True, order=True)
class AppId(Identifier):
    """A mini-program, official account or app. The documented example has letters beyond f."""

    field: ClassVar[str] = "appid"
    rule: ClassVar[str] = "must be wx and 16 letters or digits"
    pattern: ClassVar[re.Pattern[str]] = re.compile(r"wx[0-9a-zA-Z]{16}")


@dataclass(frozen=True, slots=True, order=True)
class OutTradeNo(Identifier):
    """The order number WeChat knows, made by this platform, unique per merchant number."""

    field: ClassVar[str] = "out_trade_no"
    rule: ClassVar[str] = "must be 6 to 32 of 0-9 A-Z a-z _ - | *"
    pattern: ClassVar[re.Pattern[str]] = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")


@dataclass(frozen=True, slots=True, order=True)
class TransactionId(Identifier):
    """WeChat's number of a payment; it exists only once the money moved."""

    field: ClassVar[str] = "transaction_id"
    rule: ClassVar[str] = "must be 1 to 32 letters or digits"
    pattern: ClassVar[re.Pattern[str]] = re.compile(r"[0-9A-Za-z]{1,32}")


@dataclass(frozen=True, slots=True, order=True, repr=False)
class OpenId(Identifier):
    """A user under one appid. Personal data, so its repr shows nothing."""

    field: ClassVar[str] = "openid"
    rule: ClassVar[str] = "must be 1 to 128 of 0-9 A-Z a-z _ -"
    pattern: ClassVar[re.Pattern[str]] = re.compile(r"[0-9A-Za-z_\-]{1,128}")

    def __repr__(self) -> str:
        return "OpenId(***)"


@dataclass(frozen=True, slots=True, order=True)
class PrepayId(Identifier):
    """What opens the cashier, for two hours. Signed into paySign, hence without & and = (C6 b)."""

    field: ClassVar[str] = "prepay_id"
    rule: ClassVar[str] = "must be 1 to 64 of 0-9 A-Z a-z _ -"
    pattern: ClassVar[re.Pattern[str]] = re.compile(r"[0-9A-Za-z_\-]{1,64}")


@dataclass(frozen=True, slots=True, order=True)
class OutRefundNo(Identifier):
    """The refund number WeChat knows, made by this platform. The same number is the same refund."""

    field: ClassVar[str] = "out_refund_no"
    rule: ClassVar[str] = "must be 1 to 64 of 0-9 A-Z a-z _ - | * @"
    pattern: ClassVar[re.Pattern[str]] = re.compile(r"[0-9A-Za-z_|*@\-]{1,64}")


@dataclass(frozen=True, slots=True, order=True)
class RefundId(Identifier):
    """WeChat's number of a refund; it exists once the refund was accepted."""

    field: ClassVar[str] = "refund_id"
    rule: ClassVar[str] = "must be 1 to 32 letters or digits"
    pattern: ClassVar[re.Pattern[str]] = re.compile(r"[0-9A-Za-z]{1,32}")


@dataclass(frozen=True, slots=True, order=True, repr=False)
class AuthCode(Identifier):
    """The payment code on a payer's screen: whoever has it can charge him, so it is shown nowhere.

    Source: wechatpay-v2 4.1.
    """

    field: ClassVar[str] = "auth_code"
    rule: ClassVar[str] = "must be 18 digits beginning with 10 to 15"
    pattern: ClassVar[re.Pattern[str]] = re.compile(r"1[0-5][0-9]{16}")

    def __str__(self) -> str:
        return "AuthCode(***)"

    def __repr__(self) -> str:
        return "AuthCode(***)"
