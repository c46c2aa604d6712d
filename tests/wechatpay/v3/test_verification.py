"""Only WeChat's own messages are believed: the whole matrix of headers (N09), and probes (N10)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.certificates import rsa_key
from tests.support.v3_counterpart import (
    CERTIFICATE_SERIAL,
    NOW,
    PUBLIC_KEY_ID,
    VECTORS,
    ours,
    platform_keys,
    signed_headers,
    theirs,
)

from wechatpay.v3 import signing
from wechatpay.v3.platform_keys import PlatformKey, PlatformKeys
from wechatpay.v3.verification import Unverified, verify

BODY = VECTORS["F"]["body"].encode()
Headers = dict[str, str]


def fault_of(headers: Headers, body: bytes = BODY, keys: PlatformKeys | None = None) -> str:
    """Why a message is not believed; "" for one that is."""
    try:
        verify(headers, body, platform_keys() if keys is None else keys, NOW)
    except Unverified as refused:
        return refused.reason
    return ""


def changed(**values: str | None) -> Headers:
    """Genuine headers, some replaced or, with None, removed."""
    headers: dict[str, str | None] = dict(signed_headers(BODY))
    headers |= {f"wechatpay-{name.replace('_', '-')}": value for name, value in values.items()}
    return {name: value for name, value in headers.items() if value is not None}


@pytest.mark.parametrize("seconds", [-299, -60, 0, 60, 299])
def test_N09_a_message_of_the_last_or_next_five_minutes_counts(seconds: int) -> None:
    assert fault_of(signed_headers(BODY, at=NOW + timedelta(seconds=seconds))) == ""


@pytest.mark.parametrize("seconds", [-86400, -301, -300, 300, 301, 86400])
def test_N09_an_older_or_later_one_does_not_however_well_signed(seconds: int) -> None:
    assert fault_of(signed_headers(BODY, at=NOW + timedelta(seconds=seconds))) == "stale_timestamp"


@pytest.mark.parametrize("name", ["timestamp", "nonce", "serial", "signature"])
@pytest.mark.parametrize("value", [None, ""])
def test_N09_no_header_may_be_missing(name: str, value: str | None) -> None:
    assert fault_of(changed(**{name: value})) == "missing_header"


def test_N09_the_type_may_be_missing_and_must_be_ours() -> None:
    assert fault_of(changed(signature_type=None)) == ""
    for other in ("WECHATPAY2-SM2-WITH-SM3", "", "wechatpay2-sha256-rsa2048"):
        assert fault_of(changed(signature_type=other)) == "signature_type"


@pytest.mark.parametrize("name", ["timestamp", "nonce", "serial"])
def test_N09_two_headers_of_one_name_are_none(name: str) -> None:
    value = signed_headers(BODY)[f"wechatpay-{name}"]
    assert fault_of(changed(**{name: f"{value}, {value}"})) == "missing_header"


def test_N09_two_signatures_are_none() -> None:
    value = signed_headers(BODY)["wechatpay-signature"]
    assert fault_of(changed(signature=f"{value}, {value}")) == "bad_signature"


@pytest.mark.parametrize("timestamp", ["-1795219200", "1795219200.0", " 1795219200", "1795219200000", "x"])
def test_N09_a_timestamp_is_ten_digits(timestamp: str) -> None:
    assert fault_of(changed(timestamp=timestamp)) == "missing_header"


def test_N09_another_nonce_was_not_signed() -> None:
    assert fault_of(changed(nonce="c5ac7061fccab6bf3e254dcf98995b8d")) == "bad_signature"


@pytest.mark.parametrize(
    "tampering",
    [
        pytest.param(lambda body: body.replace(b"wx20", b"wx21"), id="one byte"),
        pytest.param(lambda body: body + b"\n", id="a line end"),
        pytest.param(lambda body: json.dumps(json.loads(body)).encode(), id="re-serialised"),
        pytest.param(lambda body: b"\xef\xbb\xbf" + body, id="a byte order mark"),
        pytest.param(lambda _body: b"", id="emptied"),
    ],
)
def test_N09_the_body_is_verified_as_it_came(tampering: Callable[[bytes], bytes]) -> None:
    assert tampering(BODY) != BODY
    assert fault_of(signed_headers(BODY), tampering(BODY)) == "bad_signature"


def test_N09_an_empty_body_verifies_as_one() -> None:
    assert fault_of(signed_headers(b""), b"") == ""
    assert fault_of(signed_headers(b""), b" ") == "bad_signature"


@pytest.mark.parametrize(
    "serial",
    [
        "PUB_KEY_ID_0119000000012026112100111101000001",
        CERTIFICATE_SERIAL.lower(),
        "0" + CERTIFICATE_SERIAL,
        "4B1A5C0E7D9F2233445566778899AABBCCDDEEF0",
    ],
)
def test_N09_a_serial_is_taken_exactly(serial: str) -> None:
    with pytest.raises(Unverified) as refused:
        verify(signed_headers(BODY, serial=serial), BODY, platform_keys(), NOW)
    assert (refused.value.reason, refused.value.serial) == ("unknown_serial", serial)


def test_N09_a_serial_of_another_provider_s_key_is_unknown_here() -> None:
    keys = platform_keys(PUBLIC_KEY_ID)
    assert fault_of(signed_headers(BODY, serial=CERTIFICATE_SERIAL), keys=keys) == "unknown_serial"
    assert fault_of(signed_headers(BODY), keys=PlatformKeys()) == "unknown_serial"


def test_N09_another_s_key_under_our_serial_verifies_nothing() -> None:
    foreign = PlatformKeys([PlatformKey(PUBLIC_KEY_ID, rsa_key("another provider's").public_key())])
    assert fault_of(signed_headers(BODY), keys=foreign) == "bad_signature"


def test_N09_our_own_certificate_signs_nothing_for_wechat() -> None:
    assert fault_of(signed_headers(BODY, key=ours())) == "bad_signature"


def test_N09_a_certificate_counts_within_its_own_time() -> None:
    public = theirs().public_key()
    ended = PlatformKeys([PlatformKey(CERTIFICATE_SERIAL, public, NOW - timedelta(days=9), NOW)])
    later = PlatformKeys([PlatformKey(CERTIFICATE_SERIAL, public, NOW + timedelta(seconds=1))])
    for keys in (ended, later):
        assert fault_of(signed_headers(BODY, serial=CERTIFICATE_SERIAL), keys=keys) == "unknown_serial"


@pytest.mark.parametrize(
    "probe",
    [
        "WECHATPAY/SIGNTEST/" + "A" * 325,
        "WECHATPAY/SIGNTEST/abc",
        "WECHATPAY/SIGNTEST/",
        "WECHATPAY/SIGNTEST/" + VECTORS["F"]["signature"],
    ],
)
def test_N10_a_probe_fails_like_any_bad_signature_and_is_told_apart(probe: str) -> None:
    assert fault_of(changed(signature=probe)) == "probe"
    assert not signing.verify(theirs().public_key(), BODY, probe)


@pytest.mark.parametrize("signature", ["=", "é" * 344, "A" * 344, "A" * 100_000, "AAAA", "\x00"])
def test_N07_what_is_no_signature_fails_without_an_error(signature: str) -> None:
    assert fault_of(changed(signature=signature)) == "bad_signature"


def test_the_serial_is_told_of_every_message_that_names_one() -> None:
    with pytest.raises(Unverified) as refused:
        verify(changed(timestamp=None), BODY, platform_keys(), NOW)
    assert refused.value.serial == PUBLIC_KEY_ID
    with pytest.raises(Unverified) as refused:
        verify(changed(serial="a b"), BODY, platform_keys(), NOW)
    assert refused.value.serial is None


_NAMES = [f"wechatpay-{name}" for name in ("timestamp", "nonce", "serial", "signature", "signature-type")]


@given(st.dictionaries(st.sampled_from(_NAMES), st.text(max_size=400), min_size=1), st.binary(max_size=64))
def test_N07_no_foreign_text_is_believed_or_raises_anything_else(headers: Headers, body: bytes) -> None:
    genuine = signed_headers(BODY)
    if all(genuine[name] == value for name, value in headers.items()):
        return
    assert fault_of({**genuine, **headers}) != ""
    assert fault_of({**genuine, **headers}, body) != ""
