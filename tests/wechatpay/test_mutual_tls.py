"""Client certificates: shown to who asks, kept out of files, and only with their own key (F09, G11, K06)."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from tests.support.certificates import certificate_of, certificate_pem, private_pem, rsa_key
from tests.support.loopback import Received, http, loopback
from tests.support.tls import ServerIdentity, server_identity

from wechatpay.credentials import ClientCertificate
from wechatpay.errors import NotSent, WechatPayError
from wechatpay.mutual_tls import UnusableCertificate, owner_of, present
from wechatpay.transport import Transport

BODY = b"<xml/>"


@pytest.fixture
def server(tmp_path: Path) -> ServerIdentity:
    return server_identity(tmp_path)


def trusting(server: ServerIdentity) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=server.ca_pem)


async def test_the_certificate_is_shown_to_a_host_that_asks(
    server: ServerIdentity, certificate: ClientCertificate
) -> None:
    shown: list[bytes | None] = []

    async def answering(_request: Received, writer: asyncio.StreamWriter) -> None:
        shown.append(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        writer.write(http(b"<xml/>"))

    context = trusting(server)
    present(context, certificate)
    async with loopback(answering, server.demanding(certificate)) as host:
        transport = Transport(host.url, verify=context)
        assert (await transport.post_xml("/secapi/pay/refund", BODY)).status == 200
        await transport.aclose()
    assert shown == [
        x509.load_pem_x509_certificate(certificate.cert_pem).public_bytes(serialization.Encoding.DER)
    ]


async def test_without_a_certificate_such_a_host_takes_nothing(
    server: ServerIdentity, certificate: ClientCertificate
) -> None:
    async def answering(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(http(b"<xml/>"))

    async with loopback(answering, server.demanding(certificate)) as host:
        transport = Transport(host.url, verify=trusting(server))
        with pytest.raises(WechatPayError):
            await transport.post_xml("/secapi/pay/refund", BODY)
        await transport.aclose()
        assert host.received == []


async def test_G11_a_host_that_is_not_trusted_is_told_apart_from_one_that_is_down(
    server: ServerIdentity, certificate: ClientCertificate
) -> None:
    async def answering(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(http(b"<xml/>"))

    context = ssl.create_default_context()
    present(context, certificate)
    async with loopback(answering, server.context()) as host:
        transport = Transport(host.url, verify=context)
        with pytest.raises(NotSent) as failure:
            await transport.post_xml("/secapi/pay/refund", BODY)
        await transport.aclose()
        assert host.received == []
    assert failure.value.reason == "untrusted"


def test_K06_no_file_and_no_descriptor_is_left_behind(
    certificate: ClientCertificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = sorted(Path("/proc/self/fd").iterdir())
    present(ssl.create_default_context(), certificate)
    with pytest.raises(UnusableCertificate):
        present(ssl.create_default_context(), replace(certificate, key_pem=b"nothing"))
    assert sorted(Path("/proc/self/fd").iterdir()) == before
    assert list(tmp_path.iterdir()) == []


LOCKED = private_pem(rsa_key("client 1900000109 1"), b"secret")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"key_pem": private_pem(rsa_key("somebody else"))}, id="another's key"),
        pytest.param({"key_pem": LOCKED}, id="a locked key"),
        pytest.param({"key_pem": b""}, id="no key"),
        pytest.param({"cert_pem": b"nothing"}, id="no certificate"),
    ],
)
def test_K06_a_pair_that_does_not_fit_is_refused_without_being_shown(
    certificate: ClientCertificate, changes: dict[str, bytes]
) -> None:
    with pytest.raises(UnusableCertificate) as refusal:
        present(ssl.create_default_context(), replace(certificate, **changes))
    assert refusal.value.__cause__ is None
    assert "PRIVATE" not in str(refusal.value)


def test_F09_a_certificate_names_its_owner(
    certificate: ClientCertificate, foreign_certificate: ClientCertificate
) -> None:
    assert (owner_of(certificate.cert_pem), owner_of(foreign_certificate.cert_pem)) == (
        "1900000109",
        "1900000110",
    )


def test_F09_a_certificate_that_names_nobody_has_no_owner(certificate: ClientCertificate) -> None:
    nobody = certificate_of(
        rsa_key("nobody"), "x", now=x509.load_pem_x509_certificate(certificate.cert_pem).not_valid_before_utc
    )
    anonymous = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(nobody.issuer)
        .public_key(nobody.public_key())
        .serial_number(1)
        .not_valid_before(nobody.not_valid_before_utc)
        .not_valid_after(nobody.not_valid_after_utc)
        .sign(rsa_key("nobody"), nobody.signature_hash_algorithm)  # type: ignore[arg-type]
    )
    for pem in (certificate_pem(anonymous), b"nothing"):
        with pytest.raises(UnusableCertificate):
            owner_of(pem)


def test_A02_neither_pem_is_in_a_repr(certificate: ClientCertificate) -> None:
    assert "BEGIN" not in repr(certificate)
    assert certificate.serial in repr(certificate)
