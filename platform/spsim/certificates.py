"""Keys and certificates that WeChat would issue: the simulator's authority and server, per provider what v3
answers are signed with (public key and platform certificate)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .ledger import Ledger

SERVER_NAMES: Final = ("localhost", "simulator", "127.0.0.1", "::1")
_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate or public key in PEM with its private key in PEM."""

    public_pem: str
    private_pem: str = field(repr=False)


def private_pem(key: _Key) -> str:
    """Write a private key as unencrypted PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "WeChat Pay simulator"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: _Key, days: float, start: datetime | None = None
) -> x509.CertificateBuilder:
    """Begin a certificate that is valid from `start` (since yesterday when left out) for so many days."""
    now = datetime.now(UTC)
    valid_from = start or now - timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from)
        .not_valid_after((start or now) + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


class Authority:
    """The simulator's certificate authority: made at the first start, kept in the ledger."""

    def __init__(self, pair: KeyPair) -> None:
        self.ca_pem = pair.public_pem
        self._certificate = x509.load_pem_x509_certificate(pair.public_pem.encode())
        key = serialization.load_pem_private_key(pair.private_pem.encode(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the stored authority key is not an elliptic curve key")
        self._key = key

    @classmethod
    def of(cls, ledger: Ledger) -> Authority:
        """Return the ledger's authority, made now if there is none yet."""
        row = ledger.row("SELECT cert_pem, key_pem FROM authority")
        if row is None:
            pair = _new_authority()
            ledger.run(
                "INSERT INTO authority (id, cert_pem, key_pem) VALUES (1, ?, ?)",
                pair.public_pem,
                pair.private_pem,
            )
            return cls(pair)
        return cls(KeyPair(row["cert_pem"], row["key_pem"]))

    def issue_server(self) -> KeyPair:
        """Issue a certificate for the TLS port, valid for this machine's own names."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = []
        for name in SERVER_NAMES:
            try:
                names.append(x509.IPAddress(ip_address(name)))
            except ValueError:
                names.append(x509.DNSName(name))
        builder = (
            _builder(_name("localhost"), self._certificate.subject, key, 397)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        )
        return KeyPair(self._sign(builder), private_pem(key))

    def issue_platform_certificate(
        self, mch_id: str, effective_at: int | None = None, life_s: float = 5 * 365 * 24 * 3600
    ) -> KeyPair:
        """Issue an RSA certificate that v3 answers to one provider are signed with.

        It is valid since yesterday, or from `effective_at` (milliseconds) on.
        """
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        start = None if effective_at is None else datetime.fromtimestamp(effective_at // 1000, UTC)
        days = life_s / (24 * 3600)
        builder = _builder(_name(f"Tenpay.com sign {mch_id}"), self._certificate.subject, key, days, start)
        return KeyPair(self._sign(builder), private_pem(key))

    def _sign(self, builder: x509.CertificateBuilder) -> str:
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            builder.add_extension(issuer, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(ca=False), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _new_authority() -> KeyPair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name("WeChat Pay simulator root")
    certificate = (
        _builder(subject, subject, key, 3650)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(certificate.public_bytes(serialization.Encoding.PEM).decode(), private_pem(key))


def new_public_key() -> KeyPair:
    """Make the RSA pair of the public-key mode."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return KeyPair(public.decode(), private_pem(key))


def serial_of(certificate_pem: str) -> str:
    """Return a certificate's serial as WeChat writes it: 40 upper-case hex digits."""
    return f"{x509.load_pem_x509_certificate(certificate_pem.encode()).serial_number:040X}"


def validity_of(certificate_pem: str) -> tuple[int, int]:
    """Return from when to when a certificate is valid, in milliseconds since 1970."""
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return int(start.timestamp() * 1000), int(end.timestamp() * 1000)


def same_certificate(one_pem: str, other_pem: str) -> bool:
    """Tell whether two PEM texts hold the same certificate, however they are wrapped."""
    one, other = (x509.load_pem_x509_certificate(pem.encode()) for pem in (one_pem, other_pem))
    return one.public_bytes(serialization.Encoding.DER) == other.public_bytes(serialization.Encoding.DER)


class ClientTrust:
    """The client certificates that the TLS port accepts: exactly the registered ones (wechatpay-v2 9)."""

    def __init__(self) -> None:
        self._pems: set[str] = set()
        self._contexts: list[ssl.SSLContext] = []

    def add(self, certificate_pem: str) -> None:
        """Accept a certificate from now on."""
        if certificate_pem not in self._pems:
            self._pems.add(certificate_pem)
            for context in self._contexts:
                context.load_verify_locations(cadata=certificate_pem)

    def watch(self, context: ssl.SSLContext) -> None:
        """Make a server context ask for a client certificate and accept the registered ones, now and later.

        A registered certificate is its own trust anchor: nothing else its issuer signed is accepted with it.
        """
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        for pem in self._pems:
            context.load_verify_locations(cadata=pem)
        self._contexts.append(context)
