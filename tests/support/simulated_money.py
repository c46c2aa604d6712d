"""What a merchant's server sends to the simulator for refunds and payment codes, and its certificate."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support.simulated import Desk, asking, order

from spsim.serve import Running

REFUND, REFUNDQUERY = "/secapi/pay/refund", "/pay/refundquery"
MICROPAY, REVERSE = "/pay/micropay", "/secapi/pay/reverse"
OPENID = "/tools/authcodetoopenid"

_ISSUER_KEY = ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Certificate:
    """A client certificate with its files."""

    pem: str
    cert_file: str
    key_file: str


def client_certificate(folder: Path, common_name: str) -> Certificate:
    """Make a client certificate of an issuer unknown to us, as WeChat's."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com User CA")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(_ISSUER_KEY, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    cert_file, key_file = folder / f"{common_name}.pem", folder / f"{common_name}.key"
    cert_file.write_bytes(pem)
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return Certificate(pem.decode(), str(cert_file), str(key_file))


@asynccontextmanager
async def tls_desk_at(where: Running, certificate: Certificate | None) -> AsyncIterator[Desk]:
    """Open a desk at the TLS port; it trusts the simulator's authority and nobody else."""
    context = ssl.create_default_context(cadata=where.ca_pem)
    if certificate is not None:
        context.load_cert_chain(certificate.cert_file, certificate.key_file)
    async with httpx.AsyncClient(base_url=where.tls_url, verify=context, trust_env=False, timeout=10) as http:
        yield Desk(where, http)


def refunding(
    refund: str = "R000001", number: str = "T000001", amount: int = 1280, **changes: str
) -> dict[str, str]:
    """A right refund of the coffee shop, with changes; "" leaves a field out."""
    own = {"out_refund_no": refund, "total_fee": "1280", "refund_fee": str(amount)}
    return asking(number, **(own | changes))


def scanning(code: str, number: str = "S000001", **changes: str) -> dict[str, str]:
    """A right micropay call of the coffee shop, with changes; "" leaves a field out."""
    unwanted = {"notify_url": "", "trade_type": "", "sub_openid": ""}
    return order(number, **(unwanted | {"auth_code": code} | changes))


def about(**number: str) -> dict[str, str]:
    """The parameters of a refundquery by one number."""
    return asking("", **number)


async def paid(desk: Desk, number: str = "T000001", **changes: str) -> str:
    """Make and pay an order; return WeChat's number of the payment."""
    await desk.create(order(number, **changes))
    return str((await desk.control("pay", out_trade_no=number))["transaction_id"])


async def accepted(secure: Desk, params: dict[str, str]) -> dict[str, str]:
    """Refund; it must be accepted."""
    answer = await secure.call(REFUND, params)
    assert (answer["return_code"], answer.get("result_code")) == ("SUCCESS", "SUCCESS"), answer
    return answer


async def declined(desk: Desk, path: str, params: dict[str, str]) -> str:
    """Call; return the signed error code it must answer with."""
    answer = await desk.call(path, params)
    assert (answer["return_code"], answer["result_code"]) == ("SUCCESS", "FAIL"), answer
    return answer["err_code"]


async def status_of(desk: Desk, number: str = "R000001") -> str:
    """Ask how far a refund is."""
    return (await desk.call(REFUNDQUERY, about(out_refund_no=number)))["refund_status_0"]


async def hold(desk: Desk) -> None:
    """Keep refunds from ending by themselves."""
    await desk.control("settlement", auto=False)
