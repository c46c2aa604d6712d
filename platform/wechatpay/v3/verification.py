"""Whether a message is WeChat's: its headers, its age, its key, its signature over the raw bytes.

Source: wechatpay-v3 1.3, 1.4; failure catalogue N09, N10.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from wechatpay.errors import SignatureFault
from wechatpay.v3 import signing
from wechatpay.v3.auth import SCHEME
from wechatpay.v3.platform_keys import PlatformKey, PlatformKeys

WINDOW_S = 300
"""A message counts while its time and ours differ by less, in seconds, to either side."""

PROBE = "WECHATPAY/SIGNTEST/"
"""How a signature begins that WeChat sends to see whether anybody checks."""

_TIMESTAMP = re.compile(r"[1-9][0-9]{9}")
_NONCE = re.compile(r"[!-+\--~]{1,128}")
_SERIAL = re.compile(r"[0-9A-Za-z_]{1,64}")


class Unverified(Exception):
    """A message that nobody may believe; `serial` is what it says it was signed with, if that can be one."""

    def __init__(self, reason: SignatureFault, serial: str | None = None) -> None:
        super().__init__(f"not verified: {reason}")
        self.reason: SignatureFault = reason
        self.serial = serial


def verify(headers: Mapping[str, str], body: bytes, keys: PlatformKeys, now: datetime) -> PlatformKey:
    """Return the key that `body`, exactly as it came, is signed with.

    Header names are lower case; `now` is aware. Raises Unverified. A signature probe fails like any other
    bad signature and differs in its reason alone, which is for counting (N10).
    """
    serial = _header(headers, "serial", _SERIAL, None)
    timestamp = _header(headers, "timestamp", _TIMESTAMP, serial)
    nonce = _header(headers, "nonce", _NONCE, serial)
    signature = headers.get("wechatpay-signature", "")
    if not signature:
        raise Unverified("missing_header", serial)
    if headers.get("wechatpay-signature-type", SCHEME) != SCHEME:
        raise Unverified("signature_type", serial)
    if abs(now.timestamp() - int(timestamp)) >= WINDOW_S:
        raise Unverified("stale_timestamp", serial)
    if signature.startswith(PROBE):
        raise Unverified("probe", serial)
    key = keys.of(serial, now)
    if key is None:
        raise Unverified("unknown_serial", serial)
    if not signing.verify(key.public_key, signing.signed_message(timestamp, nonce, body), signature):
        raise Unverified("bad_signature", serial)
    return key


def _header(headers: Mapping[str, str], name: str, form: re.Pattern[str], serial: str | None) -> str:
    """One header in its form. Two of a name arrive as one with a comma, which no form takes."""
    value = headers.get(f"wechatpay-{name}", "")
    if form.fullmatch(value) is None:
        raise Unverified("missing_header", serial)
    return value
