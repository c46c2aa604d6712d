"""Checking the certificates and public keys that people hand in; all in memory (failure catalogue K06)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from spcore.errors import Fault, InvalidInput, Text
from spcore.providers.models import KeyKind
from wechatpay.v3.platform_keys import PlatformKey

MAX_PEM_BYTES = 64 * 1024
MIN_RSA_BITS = 2048
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_PUBLIC_KEY_ID = re.compile(r"PUB_KEY_ID_[0-9A-Za-z]{1,64}")


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A merchant API certificate with its private key, checked to belong together."""

    serial: str
    """Serial number in upper-case hex, as WeChat shows it."""
    not_after: datetime
    bundle: bytes = field(repr=False)
    """Certificate and key as PEM, one after the other: what the vault stores and a TLS context loads."""


def check_client_certificate(
    cert_pem: bytes, key_pem: bytes, *, mch_id: str, now: datetime, pointer: str = "#"
) -> ClientCertificate:
    """Return the pair once certificate, key, subject and dates agree.

    `pointer` is the JSON pointer of the object that holds `client_cert_pem` and `client_key_pem`.
    Raises InvalidInput listing what is wrong.
    """
    cert_at, key_at = f"{pointer}/client_cert_pem", f"{pointer}/client_key_pem"
    faults = [*_shape_faults(cert_pem, cert_at, "CERTIFICATE"), *_shape_faults(key_pem, key_at, "KEY")]
    if faults:
        raise InvalidInput(*faults)
    certificate = _load_certificate(cert_pem, cert_at)
    key = _load_private_key(key_pem, key_at)
    if faults := _disagreements(certificate, key, mch_id, now, cert_at, key_at):
        raise InvalidInput(*faults)
    return ClientCertificate(
        serial=serial_of(certificate),
        not_after=certificate.not_valid_after_utc,
        bundle=certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def serial_of(certificate: x509.Certificate) -> str:
    """Return the serial number as WeChat writes it: upper-case hex of whole bytes, leading zeros included."""
    number = certificate.serial_number
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8)).hex().upper()


def split_bundle(bundle: bytes) -> tuple[bytes, bytes]:
    """Return certificate and key of a stored bundle, each as PEM. Raises ValueError when it is damaged."""
    blocks = _BLOCK.findall(bundle.decode("ascii"))
    at = bundle.find(b"-----BEGIN", 1)
    if len(blocks) != 2 or blocks[0] != "CERTIFICATE" or not blocks[1].endswith("KEY"):
        raise ValueError("not a certificate followed by its key")
    return bundle[:at], bundle[at:]


def check_public_key(key_id: str, pem: bytes, *, pointer: str = "#") -> bytes:
    """Return a WeChat Pay public key (`PUB_KEY_ID_…`) as clean PEM.

    `pointer` is the JSON pointer of the object that holds `id` and `pem`. Raises InvalidInput.
    """
    faults = _shape_faults(pem, f"{pointer}/pem", "PUBLIC KEY")
    if _PUBLIC_KEY_ID.fullmatch(key_id) is None:
        faults.append(
            _fault(
                f"{pointer}/id",
                "invalid_public_key_id",
                "应为 PUB_KEY_ID_ 加字母或数字",
                "must be PUB_KEY_ID_ and letters or digits",
            )
        )
    if _BLOCK.findall(pem.decode("latin-1")) == ["CERTIFICATE"]:
        faults = [*(fault for fault in faults if fault.code != "wrong_pem_block"), _is_certificate(pointer)]
    if faults:
        raise InvalidInput(*faults)
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput(_unreadable(f"{pointer}/pem")) from error
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        raise InvalidInput(_not_rsa(f"{pointer}/pem"))
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def load_private_key(pem: bytes) -> rsa.RSAPrivateKey:
    """Parse a stored private key. Raises ValueError when it is damaged or no RSA key."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("not a private key") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")
    return key


def platform_key(
    kind: KeyKind, serial: str, pem: bytes, ends_at: datetime | None, *, only_verifies: bool = False
) -> PlatformKey:
    """Parse one of WeChat's stored keys, which counts until `ends_at` at most. Raises ValueError."""
    if kind is KeyKind.PLATFORM_CERTIFICATE:
        certificate = x509.load_pem_x509_certificate(pem)
        key: object = certificate.public_key()
        until = certificate.not_valid_after_utc
        begins_at: datetime | None = certificate.not_valid_before_utc
        ends_at = until if ends_at is None else min(until, ends_at)
    else:
        key, begins_at = serialization.load_pem_public_key(pem), None
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("not an RSA key")
    return PlatformKey(serial, key, begins_at, ends_at, only_verifies)


def _fault(pointer: str, code: str, zh: str, en: str) -> Fault:
    return Fault(pointer, code, Text(zh, en))


def _is_certificate(pointer: str) -> Fault:
    return _fault(
        f"{pointer}/pem",
        "is_certificate",
        "这是证书，不是微信支付公钥：平台证书由系统自动下载，API 证书请填在 API 证书处",
        "is a certificate and no WeChat Pay public key: platform certificates are fetched without anybody's "
        "help, an API certificate has a place of its own",
    )


def _unreadable(pointer: str) -> Fault:
    return _fault(pointer, "unreadable_pem", "内容损坏，无法解析", "is damaged and cannot be parsed")


def _not_rsa(pointer: str) -> Fault:
    return _fault(
        pointer,
        "weak_key",
        f"应为不少于 {MIN_RSA_BITS} 位的 RSA 密钥",
        f"must be an RSA key of at least {MIN_RSA_BITS} bits",
    )


def _shape_faults(pem: bytes, pointer: str, ending: str) -> list[Fault]:
    """Look at size and PEM blocks before any parser sees the bytes."""
    if len(pem) > MAX_PEM_BYTES:
        return [_fault(pointer, "too_large", "超过 64 KiB", "is larger than 64 KiB")]
    blocks = _BLOCK.findall(pem.decode("latin-1"))
    if not blocks:
        return [
            _fault(
                pointer,
                "not_pem",
                "不是 PEM 文本（可能是 DER 或 P12），请提供以 -----BEGIN 开头的 PEM 内容",
                "is not PEM text (perhaps DER or P12); give the PEM that begins with -----BEGIN",
            )
        ]
    if len(blocks) > 1 or not blocks[0].endswith(ending):
        found = "、".join(blocks[:3])
        return [
            _fault(
                pointer,
                "wrong_pem_block",
                f"应恰好含一个 {ending} 段，实际为 {found}",
                f"must hold exactly one {ending} block, but holds {', '.join(blocks[:3])}",
            )
        ]
    return []


def _load_certificate(pem: bytes, pointer: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise InvalidInput(_unreadable(pointer)) from error


def _load_private_key(pem: bytes, pointer: str) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError as error:
        locked = _fault(
            pointer, "encrypted_key", "私钥带有口令，请提供未加密的私钥", "has a password; remove it"
        )
        raise InvalidInput(locked) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput(_unreadable(pointer)) from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < MIN_RSA_BITS:
        raise InvalidInput(_not_rsa(pointer))
    return key


def _disagreements(
    certificate: x509.Certificate,
    key: rsa.RSAPrivateKey,
    mch_id: str,
    now: datetime,
    cert_at: str,
    key_at: str,
) -> list[Fault]:
    faults = []
    if certificate.public_key() != key.public_key():
        faults.append(
            _fault(key_at, "key_mismatch", "私钥与证书不是一对", "does not belong to the certificate")
        )
    names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [mch_id]:
        faults.append(
            _fault(
                cert_at,
                "foreign_certificate",
                f"不是商户号 {mch_id} 的证书（证书主体为 {'、'.join(names) or '空'}）",
                f"is not a certificate of {mch_id} (its subject is {', '.join(names) or 'empty'})",
            )
        )
    if certificate.not_valid_after_utc <= now:
        until = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        faults.append(_fault(cert_at, "expired", f"已于 {until} 过期", f"expired on {until}"))
    return faults
