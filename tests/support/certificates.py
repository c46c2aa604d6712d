"""Certificates and keys made for tests, as a provider would get them from WeChat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from wechatpay.credentials import ClientCertificate


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return the same key for the same name: making one takes a while."""
    assert name
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def private_pem(key: rsa.RSAPrivateKey, password: bytes | None = None) -> bytes:
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        lock = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def certificate_of(
    key: rsa.RSAPrivateKey, mch_id: str, *, now: datetime, days: int = 365, serial: int = 0x5157F09E
) -> x509.Certificate:
    """Return a self-signed certificate as a provider gets one; the unit tells those of one merchant apart."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, mch_id),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "微信商户系统"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{serial:X}"),
        ]
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )


def certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def client_certificate(mch_id: str, version: int = 1) -> ClientCertificate:
    """Return a provider's API certificate as a keyring hands it out; another one for each version."""
    key = rsa_key(f"client {mch_id} {version}")
    certificate = certificate_of(key, mch_id, now=datetime.now(UTC), serial=0x5157F000 + version)
    serial = f"{certificate.serial_number:X}"
    return ClientCertificate(version, serial, certificate_pem(certificate), private_pem(key))
