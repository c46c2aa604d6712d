"""Signatures of API v2.

Source: wechatpay-v2 1.3 and 0 (which endpoint takes which type); failure catalogue C1-C3, C6.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from wechatpay.credentials import SignType, V2Key
from wechatpay.nonces import nonce

_NOT_SIGNED = frozenset({"sign", "paySign"})
_WIRE_FORM = {
    SignType.MD5: re.compile(r"[0-9A-F]{32}"),
    SignType.HMAC_SHA256: re.compile(r"[0-9A-F]{64}"),
}


def sign_base(params: Mapping[str, str | None]) -> str:
    """The string to sign, without the key: non-empty values, names in ASCII order, nothing encoded.

    "0" and blanks are values; only the empty string and None are not.
    """
    return "&".join(
        f"{name}={value}" for name, value in sorted(params.items()) if value and name not in _NOT_SIGNED
    )


def sign(params: Mapping[str, str | None], key: V2Key, sign_type: SignType) -> str:
    """The signature in upper-case hex: 32 characters for MD5, 64 for HMAC-SHA256."""
    message = f"{sign_base(params)}&key={key.secret}".encode()
    if sign_type is SignType.MD5:
        # WeChat's algorithm, not our choice; new providers use HMAC-SHA256 or API v3.
        return hashlib.md5(message, usedforsecurity=False).hexdigest().upper()
    return hmac.new(key.secret.encode(), message, hashlib.sha256).hexdigest().upper()


def verify(params: Mapping[str, str | None], key: V2Key, sign_type: SignType) -> bool:
    """Whether `params["sign"]` is right under `key` with `sign_type`, which is always our choice (C1).

    The form is checked first, so that foreign text gives False and never a TypeError; the
    comparison takes constant time on bytes (C3).
    """
    received = params.get("sign") or ""
    if _WIRE_FORM[sign_type].fullmatch(received) is None:
        return False
    return hmac.compare_digest(received.encode("ascii"), sign(params, key, sign_type).encode("ascii"))


def neutralise(text: str) -> str:
    """Make a tenant's or user's text harmless in a string to sign, which is ambiguous in & and = (C6 d)."""
    return text.replace("&", "＆").replace("=", "＝")


@dataclass(frozen=True, slots=True)
class SignPolicy:
    """What one endpoint accepts: signature types, and whether two of the common fields are sent."""

    types: frozenset[SignType]
    sends_nonce: bool = True
    sends_sign_type: bool = True


_EITHER = SignPolicy(frozenset(SignType))
_MD5_ALONE = SignPolicy(frozenset({SignType.MD5}), sends_sign_type=False)
_HMAC_ONLY = SignPolicy(frozenset({SignType.HMAC_SHA256}))
_MD5_BARE = SignPolicy(frozenset({SignType.MD5}), sends_nonce=False, sends_sign_type=False)

SIGN_POLICY: Mapping[str, SignPolicy] = MappingProxyType(
    {
        "/pay/unifiedorder": _EITHER,
        "/pay/micropay": _EITHER,
        "/pay/orderquery": _EITHER,
        "/pay/closeorder": _EITHER,
        "/secapi/pay/reverse": _EITHER,
        "/tools/authcodetoopenid": _MD5_ALONE,
        "/secapi/pay/refund": _EITHER,
        "/pay/refundquery": _EITHER,
        # HMAC-SHA256 is unsure here in the reference; MD5 is what every source agrees on.
        "/pay/downloadbill": _MD5_ALONE,
        "/pay/downloadfundflow": _HMAC_ONLY,
        "/secapi/mch/addsubdevconfig": _MD5_BARE,
        "/secapi/mch/querysubdevconfig": _MD5_BARE,
        "/secapi/mch/submchmanage": _MD5_BARE,
        "/secapi/mkt/addrecommendconf": _HMAC_ONLY,
        "/pay/profitsharingaddreceiver": _HMAC_ONLY,
        "/pay/profitsharingremovereceiver": _HMAC_ONLY,
        "/secapi/pay/profitsharing": _HMAC_ONLY,
        "/secapi/pay/multiprofitsharing": _HMAC_ONLY,
        "/secapi/pay/profitsharingfinish": _HMAC_ONLY,
        "/secapi/pay/profitsharingreturn": _HMAC_ONLY,
        "/pay/profitsharingquery": _HMAC_ONLY,
        "/pay/profitsharingreturnquery": _HMAC_ONLY,
        "/pay/profitsharingorderamountquery": _HMAC_ONLY,
        "/pay/profitsharingmerchantratioquery": _HMAC_ONLY,
    }
)
"""Endpoint path to what it takes. A path that is missing here cannot be signed for (C6 c)."""


def accepted(path: str, preferred: SignType) -> SignType:
    """The type to sign a request to this endpoint with: the preferred one, if it is taken there.

    Raises KeyError for an endpoint without a policy.
    """
    types = SIGN_POLICY[path].types
    return preferred if preferred in types else min(types)


class SignTypeNotAllowed(ValueError):
    """The endpoint does not take the provider's signature type."""

    def __init__(self, path: str, sign_type: SignType) -> None:
        super().__init__(f"{path} does not take {sign_type.value}")
        self.path = path
        self.sign_type = sign_type


def signed(path: str, fields: Mapping[str, str], key: V2Key, sign_type: SignType) -> dict[str, str]:
    """The fields of a request with what its endpoint wants added: nonce, sign type, signature.

    Empty fields are left out. Raises KeyError for an endpoint without a policy and
    SignTypeNotAllowed when it does not take `sign_type`.
    """
    policy = SIGN_POLICY[path]
    if sign_type not in policy.types:
        raise SignTypeNotAllowed(path, sign_type)
    request = {name: value for name, value in fields.items() if value}
    if policy.sends_nonce:
        request["nonce_str"] = nonce()
    if policy.sends_sign_type:
        request["sign_type"] = sign_type.value
    request["sign"] = sign(request, key, sign_type)
    return request
