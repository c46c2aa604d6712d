"""Certificates and public keys that people hand in are checked before they are kept (K06)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.certificates import certificate_of, certificate_pem, private_pem, public_pem, rsa_key
from tests.support.house import MOMENT

from spcore.errors import InvalidInput
from spcore.providers.certificates import check_client_certificate, check_public_key

MCH_ID = "1900000109"
KEY = rsa_key("merchant")
CERT = certificate_pem(certificate_of(KEY, MCH_ID, now=MOMENT))
KEY_PEM = private_pem(KEY)
EC_PEM = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


def _codes(cert_pem: bytes, key_pem: bytes) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refusal:
        check_client_certificate(cert_pem, key_pem, mch_id=MCH_ID, now=MOMENT, pointer="#/providers/0")
    return {fault.pointer.removeprefix("#/providers/0/"): fault.code for fault in refusal.value.faults}


def test_K06_a_certificate_with_its_own_key_is_accepted() -> None:
    checked = check_client_certificate(CERT, KEY_PEM, mch_id=MCH_ID, now=MOMENT)
    assert checked.serial == "5157F09E"
    assert checked.not_after == MOMENT + timedelta(days=365)
    assert x509.load_pem_x509_certificate(checked.bundle).serial_number == 0x5157F09E
    assert serialization.load_pem_private_key(checked.bundle, None).public_key() == KEY.public_key()
    assert "PRIVATE" not in repr(checked)


REFUSED = [
    pytest.param(CERT, private_pem(rsa_key("else")), {"client_key_pem": "key_mismatch"}, id="other key"),
    pytest.param(
        certificate_pem(certificate_of(KEY, "1900000110", now=MOMENT)),
        KEY_PEM,
        {"client_cert_pem": "foreign_certificate"},
        id="another provider's certificate",
    ),
    pytest.param(
        certificate_pem(certificate_of(KEY, MCH_ID, now=MOMENT, days=-1)),
        KEY_PEM,
        {"client_cert_pem": "expired"},
        id="expired",
    ),
    pytest.param(CERT, private_pem(KEY, b"1900000109"), {"client_key_pem": "encrypted_key"}, id="password"),
    pytest.param(CERT + CERT, KEY_PEM, {"client_cert_pem": "wrong_pem_block"}, id="two blocks"),
    pytest.param(CERT, KEY_PEM + KEY_PEM, {"client_key_pem": "wrong_pem_block"}, id="two keys"),
    pytest.param(
        KEY_PEM,
        CERT,
        {"client_cert_pem": "wrong_pem_block", "client_key_pem": "wrong_pem_block"},
        id="swapped",
    ),
    pytest.param(CERT, EC_PEM, {"client_key_pem": "weak_key"}, id="not RSA"),
    pytest.param(CERT, private_pem(rsa_key("weak", 1024)), {"client_key_pem": "weak_key"}, id="1024 bits"),
    pytest.param(
        x509.load_pem_x509_certificate(CERT).public_bytes(serialization.Encoding.DER),
        KEY_PEM,
        {"client_cert_pem": "not_pem"},
        id="DER named .pem",
    ),
    pytest.param(b"", b"", {"client_cert_pem": "not_pem", "client_key_pem": "not_pem"}, id="empty"),
    pytest.param(CERT + b"x" * 65536, KEY_PEM, {"client_cert_pem": "too_large"}, id="too large"),
    pytest.param(CERT.replace(b"M", b"!"), KEY_PEM, {"client_cert_pem": "unreadable_pem"}, id="damaged"),
    pytest.param(CERT, KEY_PEM.replace(b"M", b"!"), {"client_key_pem": "unreadable_pem"}, id="damaged key"),
    pytest.param(
        certificate_pem(certificate_of(rsa_key("else"), "x", now=MOMENT, days=-1)),
        KEY_PEM,
        {"client_key_pem": "key_mismatch", "client_cert_pem": "expired"},
        id="everything wrong at once",
    ),
]


@pytest.mark.parametrize(("cert_pem", "key_pem", "codes"), REFUSED)
def test_K06_what_does_not_fit_is_refused_with_its_reason(
    cert_pem: bytes, key_pem: bytes, codes: dict[str, str]
) -> None:
    assert _codes(cert_pem, key_pem) == codes


def test_a_wechat_pay_public_key_is_kept_as_clean_pem() -> None:
    pem = public_pem(KEY)
    assert check_public_key("PUB_KEY_ID_0119000001092026", b"\n" + pem) == pem


@pytest.mark.parametrize(
    ("key_id", "pem", "pointer"),
    [
        ("KEY_1", public_pem(KEY), "#/id"),
        ("PUB_KEY_ID_", public_pem(KEY), "#/id"),
        ("PUB_KEY_ID_1", KEY_PEM, "#/pem"),
        ("PUB_KEY_ID_1", CERT, "#/pem"),
        ("PUB_KEY_ID_1", public_pem(rsa_key("weak", 1024)), "#/pem"),
        ("PUB_KEY_ID_1", public_pem(KEY).replace(b"M", b"!"), "#/pem"),
    ],
)
def test_a_wrong_public_key_is_refused(key_id: str, pem: bytes, pointer: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_public_key(key_id, pem)
    assert [fault.pointer for fault in refusal.value.faults] == [pointer]
