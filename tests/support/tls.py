"""A server with a TLS certificate of its own authority, as the simulator has one."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wechatpay.credentials import ClientCertificate


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """What a server shows, and the authority that a client has to trust for it."""

    ca_pem: str
    bundle: Path

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.bundle)
        return context

    def demanding(self, *certificates: ClientCertificate) -> ssl.SSLContext:
        """A context that lets nobody in who does not show one of these."""
        context = self.context()
        context.verify_mode = ssl.CERT_REQUIRED
        for certificate in certificates:
            context.load_verify_locations(cadata=certificate.cert_pem.decode())
        return context


def server_identity(folder: Path, name: str = "server") -> ServerIdentity:
    """Make an authority and a certificate for 127.0.0.1; both are new each time."""
    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority of {name}")])
    now = datetime.now(UTC)

    def builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    basic = x509.BasicConstraints(ca=True, path_length=0)
    root = builder(issuer, authority).add_extension(basic, critical=True).sign(authority, hashes.SHA256())
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    leaf = builder(x509.Name([]), server).add_extension(names, critical=True).sign(authority, hashes.SHA256())
    key_pem = server.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    bundle = folder / f"{name}.pem"
    bundle.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + key_pem)
    return ServerIdentity(root.public_bytes(serialization.Encoding.PEM).decode(), bundle)
