"""Who signs and for whom: immutable, complete for one call, and impossible to mix up.

A provider's call without `sub_mch_id` cannot be built, nor a plain merchant's call with one.
Source: wechatpay-v2 2.1 and 10.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from wechatpay.identifiers import AppId, MchId, SubMchId
from wechatpay.v3.platform_keys import PlatformKeys


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


_SYMMETRIC_KEY = re.compile(r"[0-9A-Za-z]{32}")


@dataclass(frozen=True, slots=True)
class V2Key:
    """One version of an API v2 key: exactly 32 ASCII letters and digits (wechatpay-v2 1.3).

    Raises InvalidCredentials, which names the rule and never the value.
    """

    version: int
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if _SYMMETRIC_KEY.fullmatch(self.secret) is None:
            raise InvalidCredentials("api_v2_key", "must be exactly 32 ASCII letters and digits")


@dataclass(frozen=True, slots=True)
class ApiV3Key:
    """One version of an API v3 key: it opens notifications and platform certificates (wechatpay-v3 1.5).

    Exactly 32 ASCII letters and digits, used as bytes. Raises InvalidCredentials without the value.
    """

    version: int
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if _SYMMETRIC_KEY.fullmatch(self.secret) is None:
            raise InvalidCredentials("api_v3_key", "must be exactly 32 ASCII letters and digits")


@dataclass(frozen=True, slots=True, eq=False)
class V3Key:
    """What an API v3 call is signed with and its answer verified by: the provider's API certificate, by
    `version` and `serial`, its private key, parsed once, and WeChat's keys (wechatpay-v3 1.2, 1.3)."""

    version: int
    serial: str
    private_key: RSAPrivateKey = field(repr=False)
    platform: PlatformKeys = field(repr=False)


SigningKey = V2Key | V3Key


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


class _Signing:
    """What both kinds of credentials say of their key."""

    __slots__ = ()
    key: SigningKey

    @property
    def v2_key(self) -> V2Key:
        """The key of a v2 call. Raises InvalidCredentials for credentials of a v3 call."""
        if not isinstance(self.key, V2Key):
            raise InvalidCredentials("key", "an API v2 call is signed with an API v2 key")
        return self.key

    @property
    def v3_key(self) -> V3Key:
        """The key of a v3 call. Raises InvalidCredentials for credentials of a v2 call."""
        if not isinstance(self.key, V3Key):
            raise InvalidCredentials("key", "an API v3 call is signed with an API certificate's key")
        return self.key


@dataclass(frozen=True, slots=True)
class PartnerCredentials(_Signing):
    """A service provider acting for one sub-merchant. `sign_type` is the algorithm of v2 and says nothing
    about a v3 call, which is always signed by RSA.

    Raises InvalidCredentials for the kind `merchant` and for a `sub_mch_id` that is the
    provider's own number (the gateway: 子商户mchid不能与自身mchid相同).
    """

    kind: Literal[ProviderKind.ORDINARY, ProviderKind.BANK]
    mch_id: MchId
    appid: AppId
    sub_mch_id: SubMchId
    sub_appid: AppId | None
    key: SigningKey
    sign_type: SignType

    def __post_init__(self) -> None:
        if self.kind not in {ProviderKind.ORDINARY, ProviderKind.BANK}:
            raise InvalidCredentials("kind", "a plain merchant has no sub-merchants")
        if not isinstance(self.sub_mch_id, SubMchId):
            raise InvalidCredentials("sub_mch_id", "is required for a service provider's call")
        if self.sub_mch_id.text == self.mch_id.text:
            raise InvalidCredentials("sub_mch_id", "must differ from the provider's mch_id")

    def identity(self) -> dict[str, str]:
        """Exactly the identity fields that leave on the wire of v2."""
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
class MerchantCredentials(_Signing):
    """A plain merchant (普通商户) acting for itself; it has no sub fields at all."""

    mch_id: MchId
    appid: AppId
    key: SigningKey
    sign_type: SignType

    @property
    def kind(self) -> Literal[ProviderKind.MERCHANT]:
        """Always `merchant`."""
        return ProviderKind.MERCHANT

    def identity(self) -> dict[str, str]:
        """Exactly the identity fields that leave on the wire of v2."""
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
