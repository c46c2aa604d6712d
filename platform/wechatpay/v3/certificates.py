"""WeChat's platform certificates, fetched by API v3.

The first ones come when there is nothing yet to verify them by. What vouches for them then is that they open
with the API v3 key, which nobody else has; the answer itself must be signed by a key known before or by one
of those it brings. Source: wechatpay-v3 1.5, 1.6; failure catalogue K03.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from wechatpay.credentials import ApiV3Key, V3Key
from wechatpay.errors import BadAnswerSignature, BadField, UnknownOutcome, WechatPayError
from wechatpay.identifiers import MchId
from wechatpay.transport import JsonLine
from wechatpay.v3 import aead, document, verification
from wechatpay.v3.exchange import Question, Signer, send
from wechatpay.v3.fields import Fields
from wechatpay.v3.platform_keys import PlatformKey, PlatformKeys

_PATH = "/v3/certificates"
_SERIAL = re.compile(r"[0-9A-F]{1,64}")
_MIN_BITS = 2048
_MAX_CERTIFICATES = 16


@dataclass(frozen=True, slots=True)
class PlatformCertificate:
    """One certificate of WeChat's: `serial` in upper-case hex, `pem` one block, times in UTC."""

    serial: str
    pem: bytes = field(repr=False)
    effective_at: datetime
    expires_at: datetime


async def fetch(
    line: JsonLine, mch_id: MchId, own: V3Key, opening: Sequence[ApiV3Key], now: datetime
) -> tuple[PlatformCertificate, ...]:
    """Ask for all certificates that WeChat signs with now or soon; `opening` are the API v3 keys to try.

    Raises NotSent, UnknownOutcome, Refused as every call; Refused RESOURCE_NOT_EXISTS for a merchant that has
    WeChat's public key and no certificates. UnknownOutcome says "undecryptable" when no API v3 key opens one,
    "foreign_certificate" for one that is not what the answer says of it.
    """
    raw, record = await send(
        line, Signer(mch_id, own, lambda: now), Question("v3.certificates", "GET", _PATH)
    )
    try:
        found = _certificates(raw.body, opening)
        keys = PlatformKeys([*own.platform, *(key for _certificate, key in found)])
        try:
            verification.verify(raw.headers, raw.body, keys, now)
        except verification.Unverified as unverified:
            raise BadAnswerSignature(unverified.reason, unverified.serial) from None
    except WechatPayError as error:
        error.call = record
        raise
    return tuple(certificate for certificate, _key in found)


def _certificates(body: bytes, opening: Sequence[ApiV3Key]) -> list[tuple[PlatformCertificate, PlatformKey]]:
    try:
        entries = Fields(document.parse(body)).sections("data")
        if not 1 <= len(entries) <= _MAX_CERTIFICATES:
            raise BadField("data")
        return [_certificate(entry, opening) for entry in entries]
    except document.MalformedJson:
        raise UnknownOutcome("malformed") from None
    except BadField as error:
        raise UnknownOutcome(f"answer_without_{error.field}") from None


def _certificate(entry: Fields, opening: Sequence[ApiV3Key]) -> tuple[PlatformCertificate, PlatformKey]:
    pem = _opened(entry.section("encrypt_certificate"), opening)
    serial = entry.required("serial_no", entry.text)
    effective_at = entry.required("effective_time", entry.moment)
    expires_at = entry.required("expire_time", entry.moment)
    try:
        parsed = x509.load_pem_x509_certificate(pem)
        public_key = parsed.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise UnknownOutcome("foreign_certificate") from None
    if not isinstance(public_key, RSAPublicKey) or public_key.key_size < _MIN_BITS:
        raise UnknownOutcome("foreign_certificate")
    # One that begins with zeros is written with or without them.
    if _SERIAL.fullmatch(serial) is None or f"{parsed.serial_number:X}" != serial.lstrip("0"):
        raise UnknownOutcome("foreign_certificate")
    return (
        PlatformCertificate(serial, pem, effective_at, expires_at),
        PlatformKey(serial, public_key, effective_at, expires_at),
    )


def _opened(sealed: Fields, opening: Sequence[ApiV3Key]) -> bytes:
    if sealed.required("algorithm", sealed.text) != aead.ALGORITHM:
        raise sealed.bad("algorithm")
    nonce, ciphertext = sealed.required("nonce", sealed.text), sealed.required("ciphertext", sealed.text)
    for key in opening:
        plain = aead.opened(key, nonce, sealed.text("associated_data") or "", ciphertext)
        if plain is not None:
            return plain
    raise UnknownOutcome("undecryptable")
