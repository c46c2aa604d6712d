"""The authenticator on a person's phone, written from RFC 6238 and sharing nothing with the program."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta


def code_at(secret: str, at: datetime, *, steps: int = 0) -> str:
    """Return the six digits shown at `at`, or so many steps of 30 seconds later."""
    counter = int((at + timedelta(seconds=30 * steps)).timestamp()) // 30
    digest = hmac.new(base64.b32decode(secret), counter.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def wrong_code(secret: str, at: datetime) -> str:
    """Return six digits that are no code of any step around `at`."""
    right = {code_at(secret, at, steps=steps) for steps in range(-3, 4)}
    return next(
        code
        for code in ("000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777")
        if code not in right
    )
