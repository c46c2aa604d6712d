"""Who signs and for whom: immutable, complete for one call, and impossible to mix up.

A provider's call without `sub_mch_id` cannot be built, nor a plain merchant's call with one.
Source: wechatpay-v2 2.1 and 10.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from wechatpay.identifiers import AppId, MchId, SubMchId


class SignType(StrEnum):
    """The two algorithms of API v2; the value is the wire text of `sign_type`."""

    MD5 = "MD5"
    HMAC_SHA256 = "HMAC-SHA256"


class ProviderKind(StrEnum):
    """普通服务商、银行服务商、普通商户."""

    ORDINARY = "ordinary"
    BANK = "bank"
    MERCHANT = "merchant"


class InvalidCredentials(ValueError):
    """Credentials that WeChat would refuse. `field` and `reason` never contain a secret."""

    def __init__(self, field_name: str, reason: str) -> None:
        super().__init__(f"{field_name}: {reason}")
        self.field = field_name
        self.reason = reason


_V2_KEY = re.compile(r"[0-9A-Za-z]{32}")


@dataclass(frozen=True, slots=True)
class V2Key:
    """One version of an API v2 key: exactly 32 ASCII letters and digits (wechatpay-v2 1.3).

    Raises InvalidCredentials, which names the rule and never the value.
    """

    version: int
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if _V2_KEY.fullmatch(self.secret) is None:
            raise InvalidCredentials("api_v2_key", "must be exactly 32 ASCII letters and digits")


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """One version of the API certificate that refunds and reversals are called with (wechatpay-v2 9).

    `serial` is upper-case hex, as WeChat shows it; both PEM texts hold one block each. Made from
    what a provider handed in and was checked then; `wechatpay.mutual_tls` checks it before use.
    """

    version: int
    serial: str
    cert_pem: bytes = field(repr=False)
    key_pem: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PartnerCredentials:
    """A service provider acting for one sub-merchant.

    Raises InvalidCredentials for the kind `merchant` and for a `sub_mch_id` that is the
    provider's own number (the gateway: 子商户mchid不能与自身mchid相同).
    """

    kind: Literal[ProviderKind.ORDINARY, ProviderKind.BANK]
    mch_id: MchId
    appid: AppId
    sub_mch_id: SubMchId
    sub_appid: AppId | None
    key: V2Key
    sign_type: SignType

    def __post_init__(self) -> None:
        if self.kind not in {ProviderKind.ORDINARY, ProviderKind.BANK}:
            raise InvalidCredentials("kind", "a plain merchant has no sub-merchants")
        if not isinstance(self.sub_mch_id, SubMchId):
            raise InvalidCredentials("sub_mch_id", "is required for a service provider's call")
        if self.sub_mch_id.text == self.mch_id.text:
            raise InvalidCredentials("sub_mch_id", "must differ from the provider's mch_id")

    def identity(self) -> dict[str, str]:
        """Exactly the identity fields that leave on the wire."""
        fields = {
            "appid": self.appid.text,
            "mch_id": self.mch_id.text,
            "sub_mch_id": self.sub_mch_id.text,
        }
        if self.sub_appid is not None:
            fields["sub_appid"] = self.sub_appid.text
        return fields

    @property
    def cashier_appid(self) -> AppId:
        """The app that opens the cashier: `sub_appid` whenever the order was made with one."""
        return self.sub_appid or self.appid

    @property
    def partner_id(self) -> str:
        """`partnerid` of the APP cashier: the sub-merchant's number (wechatpay-v2 3.3)."""
        return self.sub_mch_id.text


@dataclass(frozen=True, slots=True)
class MerchantCredentials:
    """A plain merchant (普通商户) acting for itself; it has no sub fields at all."""

    mch_id: MchId
    appid: AppId
    key: V2Key
    sign_type: SignType

    @property
    def kind(self) -> Literal[ProviderKind.MERCHANT]:
        """Always `merchant`."""
        return ProviderKind.MERCHANT

    def identity(self) -> dict[str, str]:
        """Exactly the identity fields that leave on the wire."""
        return {"appid": self.appid.text, "mch_id": self.mch_id.text}

    @property
    def cashier_appid(self) -> AppId:
        """The app that opens the cashier."""
        return self.appid

    @property
    def partner_id(self) -> str:
        """`partnerid` of the APP cashier: the merchant's own number."""
        return self.mch_id.text


Credentials = PartnerCredentials | MerchantCredentials
