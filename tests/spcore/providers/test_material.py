"""What people hand in as a key: PEM, P12 and everything that is not quite that (K06, pain 9)."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from tests.support.certificates import certificate_of, certificate_pem, private_pem, public_pem, rsa_key
from tests.support.house import MOMENT

from spcore.errors import InvalidInput
from spcore.providers.material import KeyMaterial, client_certificate, public_key, symmetric_key
from spcore.providers.models import KeyKind

MCH_ID = "1900000109"
KEY = rsa_key("merchant")
CERTIFICATE = certificate_of(KEY, MCH_ID, now=MOMENT)
PEM, KEY_PEM = certificate_pem(CERTIFICATE), private_pem(KEY)
PUBLIC_ID = "PUB_KEY_ID_0119000001092026112100111101000000"


def p12(password: str = MCH_ID, **parts: object) -> bytes:
    lock = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    given = {"key": KEY, "cert": CERTIFICATE} | parts
    return serialize_key_and_certificates(b"Tenpay Certificate", given["key"], given["cert"], None, lock)  # type: ignore[type-var,arg-type]


def read(cert: bytes, key: bytes = b"", password: str = "") -> KeyMaterial:
    return client_certificate(cert, key, password, mch_id=MCH_ID, now=MOMENT)


def faults(cert: bytes, key: bytes = b"", password: str = "") -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refusal:
        read(cert, key, password)
    return [(fault.pointer, fault.code) for fault in refusal.value.faults]


@pytest.mark.parametrize(
    ("cert", "key", "password"),
    [
        pytest.param(PEM, KEY_PEM, "", id="two PEM texts"),
        pytest.param(PEM + KEY_PEM, b"", "", id="one PEM file of both"),
        pytest.param(KEY_PEM + PEM, b"\n", "", id="one PEM file, the key first"),
        pytest.param(b"Bag Attributes\n" + KEY_PEM + b"Bag\n" + PEM, b"", "", id="as openssl prints it"),
        pytest.param(p12(), b"", "", id="P12 with the merchant number"),
        pytest.param(p12("another"), b"", "another", id="P12 with another password"),
    ],
)
def test_K06_the_pair_is_read_from_what_wechat_hands_out(cert: bytes, key: bytes, password: str) -> None:
    material = read(cert, key, password)
    assert (material.kind, material.label) == (KeyKind.CLIENT_CERTIFICATE, "5157F09E")
    assert material.not_after == MOMENT + timedelta(days=365)
    assert material.secret.startswith(b"-----BEGIN CERTIFICATE-----")
    assert "PRIVATE" not in repr(material)


@pytest.mark.parametrize(
    ("cert", "key", "password", "expected"),
    [
        pytest.param(p12("another"), b"", "", [("#/password", "wrong_password")], id="wrong password"),
        pytest.param(
            p12("another")[:-9], b"", "another", [("#/password", "wrong_password")], id="P12 cut short"
        ),
        pytest.param(
            p12(cert=None), b"", "", [("#/client_cert_pem", "incomplete_p12")], id="P12 without certificate"
        ),
        pytest.param(p12(key=None), b"", "", [("#/client_cert_pem", "incomplete_p12")], id="P12 without key"),
        pytest.param(
            p12() + b"\0" * 65536,
            b"",
            "",
            [("#/client_cert_pem", "too_large"), ("#/client_key_pem", "not_pem")],
            id="P12 over 64 KiB",
        ),
        pytest.param(PEM + b"x" * 65536, KEY_PEM, "", [("#/client_cert_pem", "too_large")], id="10 MB"),
        pytest.param(
            CERTIFICATE.public_bytes(serialization.Encoding.DER),
            KEY_PEM,
            "",
            [("#/client_cert_pem", "not_pem")],
            id="DER named .pem",
        ),
        pytest.param(PEM, b"", "", [("#/client_key_pem", "not_pem")], id="the certificate alone"),
        pytest.param(
            PEM + PEM + KEY_PEM,
            b"",
            "",
            [("#/client_cert_pem", "wrong_pem_block"), ("#/client_key_pem", "not_pem")],
            id="a chain",
        ),
        pytest.param(
            p12(cert=certificate_of(KEY, "1900000110", now=MOMENT)),
            b"",
            "",
            [("#/client_cert_pem", "foreign_certificate")],
            id="another provider's P12",
        ),
        pytest.param(
            PEM, private_pem(rsa_key("else")), "", [("#/client_key_pem", "key_mismatch")], id="wrong pair"
        ),
        pytest.param(
            PEM, private_pem(KEY, b"x"), "", [("#/client_key_pem", "encrypted_key")], id="locked key"
        ),
        pytest.param(
            certificate_pem(certificate_of(KEY, MCH_ID, now=MOMENT, days=0)),
            KEY_PEM,
            "",
            [("#/client_cert_pem", "expired")],
            id="expired",
        ),
        pytest.param(
            b"../../etc/apiclient_cert.pem",
            b"",
            "",
            [("#/client_cert_pem", "not_pem"), ("#/client_key_pem", "not_pem")],
            id="a path",
        ),
    ],
)
def test_K06_what_does_not_fit_is_refused_with_its_reason(
    cert: bytes, key: bytes, password: str, expected: list[tuple[str, str]]
) -> None:
    assert faults(cert, key, password) == expected


@pytest.mark.parametrize(
    ("pem", "code"),
    [
        pytest.param(PEM, "is_certificate", id="a certificate instead of the key"),
        pytest.param(KEY_PEM, "wrong_pem_block", id="a private key"),
        pytest.param(public_pem(rsa_key("weak", 1024)), "weak_key", id="1024 bits"),
        pytest.param(public_pem(KEY) * 2, "wrong_pem_block", id="two keys"),
        pytest.param(base64.b64encode(b"x" * 300), "not_pem", id="no PEM"),
    ],
)
def test_K06_what_is_no_public_key_of_wechats_is_named(pem: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        public_key(PUBLIC_ID, pem)
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [("#/pem", code)]


def test_a_public_key_is_kept_under_its_id() -> None:
    material = public_key(PUBLIC_ID, public_pem(KEY))
    assert (material.kind, material.label, material.not_after) == (
        KeyKind.WECHATPAY_PUBLIC_KEY,
        PUBLIC_ID,
        None,
    )


def test_S1_08_a_symmetric_key_is_32_letters_or_digits() -> None:
    assert symmetric_key(KeyKind.API_V3, "V" * 32).secret == b"V" * 32
    with pytest.raises(InvalidInput) as refusal:
        symmetric_key(KeyKind.API_V3, "V" * 31 + "密")
    assert [fault.pointer for fault in refusal.value.faults] == ["#/api_v3_key"]
