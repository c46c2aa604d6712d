"""The simulator's own cryptography of API v3 against the test vectors (wechatpay-v3 1.12)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.simulated import MCH_ID
from tests.support.simulated_v3 import OTHER_V3_KEY, V3_KEY, identity

from spsim.v3 import crypto

FOLDER = Path(__file__).parents[2] / "vectors" / "v3"
VECTORS: dict[str, Any] = json.loads((FOLDER / "wechatpay_v3.json").read_text(encoding="utf-8"))
CONSTANTS = VECTORS["constants"]
OURS, THEIRS, THEIRS_PUBLIC, CERTIFICATE = (
    (FOLDER / name).read_text(encoding="ascii")
    for name in (
        "merchant_private_key.pem",
        "wechat_private_key.pem",
        "wechat_public_key.pem",
        "platform_certificate.pem",
    )
)


@pytest.mark.parametrize("name", ["A", "B", "C"])
def test_requests_are_rebuilt_line_by_line(name: str) -> None:
    vector = VECTORS[name]
    message = crypto.request_message(
        vector["method"],
        vector["target"],
        CONSTANTS["timestamp"],
        CONSTANTS["nonce"],
        vector["body"].encode(),
    )
    assert hashlib.sha256(message).hexdigest() == vector["sha256"]
    assert crypto.sign(OURS, message) == vector["signature"]


@pytest.mark.parametrize("name", ["F", "G", "H"])
def test_answers_and_notifications_are_signed_byte_for_byte(name: str) -> None:
    vector = VECTORS[name]
    message = crypto.signed_message(vector["timestamp"], vector["nonce"], vector["body"].encode())
    assert crypto.sign(THEIRS, message) == vector["signature"]
    assert crypto.verifies(THEIRS_PUBLIC, message, vector["signature"])
    assert not crypto.verifies(THEIRS_PUBLIC, message + b" ", vector["signature"])
    assert not crypto.verifies(CERTIFICATE, message, vector["signature"])


@pytest.mark.parametrize("signature", ["", "AAAA", "WECHATPAY/SIGNTEST/abc", "签名", "=" * 344])
def test_what_is_no_signature_does_not_verify(signature: str) -> None:
    assert not crypto.verifies(THEIRS_PUBLIC, b"message", signature)


def test_notifications_are_sealed_under_key_nonce_and_data() -> None:
    told = json.loads(VECTORS["H"]["body"])["resource"]
    sealed = crypto.encrypt(V3_KEY, told["nonce"], told["associated_data"], VECTORS["H"]["plain"])
    assert sealed == told["ciphertext"]
    short = VECTORS["H2"]
    assert crypto.encrypt(V3_KEY, short["nonce"], "", short["plain"]) == short["ciphertext"]
    for key, aad in ((V3_KEY, "transaction"), (OTHER_V3_KEY, "")):
        assert crypto.encrypt(key, short["nonce"], aad, short["plain"]) != short["ciphertext"]


def test_a_certificate_is_sealed_as_in_the_list() -> None:
    vector = VECTORS["L"]
    sealed = crypto.encrypt(V3_KEY, vector["nonce"], vector["associated_data"], CERTIFICATE)
    assert len(sealed) == vector["length"]
    assert hashlib.sha256(sealed.encode()).hexdigest() == vector["sha256"]


def test_personal_fields_are_sealed_for_one_key_up_to_214_bytes() -> None:
    assert crypto.unseal(THEIRS, VECTORS["I"]["ciphertext"]) == VECTORS["I"]["plain"]
    own = identity(MCH_ID)
    assert own.unseal(crypto.seal(own.pem, "x" * 214)) == "x" * 214
    with pytest.raises(ValueError, match=r"[Ee]ncryption"):
        crypto.seal(own.pem, "x" * 215)
    with pytest.raises(ValueError, match=r"[Dd]ecryption"):
        crypto.unseal(THEIRS, crypto.seal(own.pem, "x"))
