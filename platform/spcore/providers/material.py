"""What people hand in as a key, checked and ready to be stored; everything in memory (failure catalogue K06).

Names of files are of no interest and never reach this place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from spcore.errors import Fault, InvalidInput, Text
from spcore.providers.certificates import MAX_PEM_BYTES, check_client_certificate, check_public_key
from spcore.providers.keys import key_faults
from spcore.providers.models import KeyKind

_PEM_MARK = b"-----BEGIN"
# PFX ::= SEQUENCE { version INTEGER 3, … } (RFC 7292); the length takes one to five bytes.
_P12 = re.compile(rb"\x30(?:[\x00-\x7f\x80]|\x81.|\x82..|\x83...|\x84....)\x02\x01\x03", re.DOTALL)


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """One key of one kind. `label` is a certificate's serial number or a public key's id, `not_after` the end
    that is written in a certificate."""

    kind: KeyKind
    secret: bytes = field(repr=False)
    label: str | None = None
    not_after: datetime | None = None


def symmetric_key(kind: KeyKind, text: str) -> KeyMaterial:
    """Return an API v2 or API v3 key. Raises InvalidInput (`#/api_v2_key`, `#/api_v3_key`)."""
    secret = text.encode()
    if faults := key_faults(kind, secret, f"#/{kind.value}"):
        raise InvalidInput(*faults)
    return KeyMaterial(kind, secret)


def public_key(key_id: str, pem: bytes) -> KeyMaterial:
    """Return a WeChat Pay public key. Raises InvalidInput (`#/id`, `#/pem`)."""
    return KeyMaterial(KeyKind.WECHATPAY_PUBLIC_KEY, check_public_key(key_id, pem), key_id)


def client_certificate(
    cert: bytes, key: bytes = b"", password: str = "", *, mch_id: str, now: datetime
) -> KeyMaterial:
    """Return an API certificate with its private key.

    `cert` is the PEM certificate, or a P12 file, or a PEM file of both; `key` is empty for the last two. The
    password of a P12 file is the merchant number unless another one is given, as WeChat makes them.
    Raises InvalidInput (`#/client_cert_pem`, `#/client_key_pem`, `#/password`) naming what is wrong.
    """
    if len(cert) <= MAX_PEM_BYTES and _P12.match(cert):
        cert, key = _opened(cert, password or mch_id)
    elif not key.strip() and cert.count(_PEM_MARK) == 2:
        cert, key = split_pair(cert)
    checked = check_client_certificate(cert, key, mch_id=mch_id, now=now)
    return KeyMaterial(KeyKind.CLIENT_CERTIFICATE, checked.bundle, checked.serial, checked.not_after)


def split_pair(given: bytes) -> tuple[bytes, bytes]:
    """Return certificate and key of a text with two PEM blocks, in whichever order it has them."""
    at = given.find(_PEM_MARK, given.find(_PEM_MARK) + 1)
    first, second = given[:at], given[at:]
    is_key_first = b"PRIVATE KEY" in first[first.find(_PEM_MARK) :].split(b"\n", 1)[0]
    return (second, first) if is_key_first else (first, second)


def _opened(p12: bytes, password: str) -> tuple[bytes, bytes]:
    """Return certificate and key of a P12 file as PEM. Raises InvalidInput."""
    try:
        key, certificate, _others = pkcs12.load_key_and_certificates(p12, password.encode())
    except ValueError as error:
        # The library does not tell a wrong password from damage, and a password is wrong far more often.
        raise InvalidInput(Fault("#/password", "wrong_password", _WRONG_PASSWORD)) from error
    except UnsupportedAlgorithm as error:
        raise InvalidInput(Fault("#/client_cert_pem", "unreadable_p12", _UNREADABLE)) from error
    if key is None or certificate is None:
        raise InvalidInput(Fault("#/client_cert_pem", "incomplete_p12", _INCOMPLETE))
    return _pem(certificate), key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


_WRONG_PASSWORD = Text(
    "P12 文件打不开：口令不对（默认是商户号），或文件已损坏。",
    "does not open the P12 file: wrong password (by default the merchant number), or the file is damaged.",
)
_UNREADABLE = Text(
    "P12 文件的加密方式不受支持，请改用 apiclient_cert.pem 与 apiclient_key.pem。",
    "is a P12 file of an unsupported encryption; use apiclient_cert.pem and apiclient_key.pem.",
)
_INCOMPLETE = Text(
    "P12 文件中缺少证书或私钥。", "is a P12 file that lacks the certificate or the private key."
)
