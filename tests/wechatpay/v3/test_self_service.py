"""What the platform asks about keys: certificates and the security echo (K03; wechatpay-v3 1.6, 1.11)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.certificates import certificate_of, rsa_key
from tests.support.v3_counterpart import (
    API_V3_KEY,
    CERTIFICATE_SERIAL,
    CONSTANTS,
    MCH,
    NOW,
    PUBLIC_KEY_ID,
    Asked,
    V3Counterpart,
    ours,
    own_key,
    sealed,
    theirs,
)

from wechatpay.credentials import ApiV3Key, V3Key
from wechatpay.errors import BadAnswerSignature, EchoMismatch, InvalidRequest, Refused, UnknownOutcome
from wechatpay.identifiers import MchId
from wechatpay.transport import Transport
from wechatpay.v3 import certificates, echo, oaep
from wechatpay.v3.platform_keys import PlatformKeys

CERTIFICATE = certificate_of(theirs(), "Tenpay.com sign", now=NOW, serial=0x6A0F1E2D3C)
PEM = CERTIFICATE.public_bytes(serialization.Encoding.PEM)
SERIAL = f"{CERTIFICATE.serial_number:X}"
NOBODY = V3Key(1, CONSTANTS["serial_no"], ours(), PlatformKeys())
OLD = ApiV3Key(3, "OLDOLDOLDOLDOLDOLDOLDOLDOLDOLD33")


def entry(
    pem: bytes = PEM, serial: str = SERIAL, key: str = API_V3_KEY.secret, **changes: Any
) -> dict[str, Any]:
    ciphertext = sealed(pem, nonce="fdc9b7a1c3d2", associated_data="certificate", key=key)
    return {
        "serial_no": serial,
        "effective_time": "2026-11-01T00:00:00+08:00",
        "expire_time": "2031-11-01T00:00:00+08:00",
        "encrypt_certificate": {
            "algorithm": "AEAD_AES_256_GCM",
            "nonce": "fdc9b7a1c3d2",
            "associated_data": "certificate",
            "ciphertext": ciphertext,
        },
        **changes,
    }


async def fetch(
    transport: Transport, own: V3Key = NOBODY, *keys: ApiV3Key
) -> tuple[certificates.PlatformCertificate, ...]:
    return await certificates.fetch(transport, MchId(MCH), own, keys or (API_V3_KEY,), NOW)


def tells(wechat: V3Counterpart, *entries: dict[str, Any], serial: str = SERIAL) -> None:
    wechat.tells(200, {"data": list(entries)})
    wechat.headers = {"wechatpay-serial": serial}


async def test_the_first_certificates_are_vouched_for_by_the_api_v3_key(
    transport: Transport, wechat: V3Counterpart
) -> None:
    tells(wechat, entry())
    (found,) = await fetch(transport)
    assert (found.serial, found.pem) == (SERIAL, PEM)
    assert found.effective_at == datetime(2026, 10, 31, 16, tzinfo=UTC)
    assert found.expires_at == datetime(2031, 10, 31, 16, tzinfo=UTC)
    assert (wechat.last.method, wechat.last.target) == ("GET", "/v3/certificates")
    assert "wechatpay-serial" not in wechat.last.headers


async def test_a_key_of_before_opens_them_too(transport: Transport, wechat: V3Counterpart) -> None:
    tells(wechat, entry(key=OLD.secret))
    assert len(await fetch(transport, NOBODY, API_V3_KEY, OLD)) == 1


async def test_K03_several_come_side_by_side_and_any_known_key_may_have_signed(
    transport: Transport, wechat: V3Counterpart
) -> None:
    other = certificate_of(rsa_key("next"), "Tenpay", now=NOW, serial=0x0ABC)
    pem = other.public_bytes(serialization.Encoding.PEM)
    tells(wechat, entry(), entry(pem, "0ABC"), serial=CERTIFICATE_SERIAL)
    found = await fetch(transport, own_key(CERTIFICATE_SERIAL))
    assert [one.serial for one in found] == [SERIAL, "0ABC"]


async def test_an_answer_that_none_of_them_signed_is_not_believed(
    transport: Transport, wechat: V3Counterpart
) -> None:
    tells(wechat, entry())
    wechat.tampering = lambda body: body + b" "
    with pytest.raises(BadAnswerSignature) as failure:
        await fetch(transport)
    assert failure.value.call is not None
    tells(wechat, entry(), serial="0A" * 20)
    wechat.tampering = lambda body: body
    with pytest.raises(BadAnswerSignature):
        await fetch(transport)


async def test_who_does_not_have_the_api_v3_key_can_give_us_nothing(
    transport: Transport, wechat: V3Counterpart
) -> None:
    foreign = certificate_of(rsa_key("foreign"), "Tenpay", now=NOW, serial=0xF0E1)
    pem = foreign.public_bytes(serialization.Encoding.PEM)
    tells(wechat, entry(pem, "F0E1", key="0" * 32), serial="F0E1")
    with pytest.raises(UnknownOutcome, match="undecryptable"):
        await fetch(transport)


def _elliptic() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(0xEC)
    made = (
        builder.public_key(key.public_key())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (entry(serial="0ABC"), "foreign_certificate"),
        (entry(serial=SERIAL.lower()), "foreign_certificate"),
        (entry(b"no certificate"), "foreign_certificate"),
        (entry(_elliptic(), "EC"), "foreign_certificate"),
        (entry(effective_time=None), "answer_without_data.effective_time"),
        (entry(expire_time="never"), "answer_without_data.expire_time"),
        (entry(encrypt_certificate={}), "answer_without_data.encrypt_certificate.algorithm"),
        (
            entry(encrypt_certificate={"algorithm": "AEAD_SM4_GCM"}),
            "answer_without_data.encrypt_certificate.algorithm",
        ),
    ],
)
async def test_a_certificate_must_be_what_the_answer_says_of_it(
    transport: Transport, wechat: V3Counterpart, told: dict[str, Any], reason: str
) -> None:
    tells(wechat, {name: value for name, value in told.items() if value is not None})
    with pytest.raises(UnknownOutcome) as failure:
        await fetch(transport)
    assert failure.value.reason == reason


@pytest.mark.parametrize("data", [[], None, "x", [1]])
async def test_an_answer_without_certificates_brings_none(
    transport: Transport, wechat: V3Counterpart, data: object
) -> None:
    wechat.tells(200, {"data": data})
    with pytest.raises(UnknownOutcome, match="answer_without_data"):
        await fetch(transport)


async def test_who_has_a_public_key_alone_is_told_that_there_are_none(
    transport: Transport, wechat: V3Counterpart
) -> None:
    wechat.tells(
        404, {"code": "RESOURCE_NOT_EXISTS", "message": "无可用的平台证书，请在商户平台申请微信支付公钥"}
    )
    with pytest.raises(Refused) as refusal:
        await fetch(transport, own_key(PUBLIC_KEY_ID))
    assert (refusal.value.code, refusal.value.definitive) == ("RESOURCE_NOT_EXISTS", True)
    assert wechat.last.headers["wechatpay-serial"] == PUBLIC_KEY_ID


# --- the security echo -------------------------------------------------------------------------------------


def echoing(asked: Asked) -> tuple[int, object]:
    """What WeChat does: open what was encrypted for it, and encrypt it for us."""
    sent = asked.document
    opened = oaep.decrypt(theirs(), sent["encrypted_echo_message"])
    assert opened is not None
    assert opened == sent["echo_message"]
    return 200, {
        "echo_message": sent["echo_message"],
        "encrypted_echo_message": oaep.encrypt(ours().public_key(), opened),
    }


async def ask(transport: Transport, *serials: str, message: str = "ech_01JD") -> Any:
    url = "https://pay.example.com/notify/wechat/k7/v3/security"
    return await echo.ask(transport, MchId(MCH), own_key(*serials), message, url, NOW)


@pytest.mark.parametrize("serial", [PUBLIC_KEY_ID, CERTIFICATE_SERIAL])
async def test_an_echo_proves_every_key_in_both_directions(
    transport: Transport, wechat: V3Counterpart, serial: str
) -> None:
    wechat.answer = echoing
    call = await ask(transport, serial)
    assert (call.operation, call.serial) == ("v3.echo", serial)
    assert wechat.last.headers["wechatpay-serial"] == serial
    assert wechat.last.document["notify_url"].endswith("/v3/security")


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        ({"echo_message": "another"}, "echo_message"),
        ({"encrypted_echo_message": oaep.encrypt(ours().public_key(), "another")}, "encrypted_echo_message"),
        (
            {"encrypted_echo_message": oaep.encrypt(theirs().public_key(), "ech_01JD")},
            "encrypted_echo_message",
        ),
    ],
)
async def test_another_echo_is_none(
    transport: Transport, wechat: V3Counterpart, answer: dict[str, str], field: str
) -> None:
    right = {
        "echo_message": "ech_01JD",
        "encrypted_echo_message": oaep.encrypt(ours().public_key(), "ech_01JD"),
    }
    wechat.tells(200, {**right, **answer})
    with pytest.raises(EchoMismatch) as failure:
        await ask(transport)
    assert failure.value.field == field
    assert failure.value.call is not None


async def test_an_echo_without_its_encrypted_part_leaves_it_open(
    transport: Transport, wechat: V3Counterpart
) -> None:
    wechat.tells(200, {"echo_message": "ech_01JD"})
    with pytest.raises(UnknownOutcome, match="encrypted_echo_message"):
        await ask(transport)


async def test_an_echo_needs_a_key_of_wechat_s_and_a_short_message(
    transport: Transport, wechat: V3Counterpart
) -> None:
    with pytest.raises(InvalidRequest):
        await echo.ask(transport, MchId(MCH), NOBODY, "ech_01JD", None, NOW)
    for message in ("", "中" * 72):
        with pytest.raises(InvalidRequest):
            await ask(transport, message=message)
    assert wechat.requests == []
