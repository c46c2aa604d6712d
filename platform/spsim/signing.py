"""The v2 signature as the gateway computes it (wechatpay-v2 1.3), written apart from the platform's own."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from typing import Final

SIGN_TYPES: Final = ("MD5", "HMAC-SHA256")
_ALPHABET: Final = string.ascii_letters + string.digits


def sign(params: dict[str, str], key: str, sign_type: str) -> str:
    """Return the upper-case hex signature over all non-empty values except `sign` and `paySign`.

    Raises ValueError for a sign type that v2 does not have.
    """
    pairs = [
        f"{name}={params[name]}"
        for name in sorted(params)
        if params[name] != "" and name not in {"sign", "paySign"}
    ]
    text = "&".join([*pairs, f"key={key}"]).encode()
    if sign_type == "MD5":
        return hashlib.md5(text, usedforsecurity=False).hexdigest().upper()
    if sign_type == "HMAC-SHA256":
        return hmac.new(key.encode(), text, hashlib.sha256).hexdigest().upper()
    raise ValueError(f"no such sign type: {sign_type!r}")


def verifies(params: dict[str, str], given: str, key: str, sign_type: str) -> bool:
    """Tell whether `given` is the signature of `params`; anything but the exact upper-case digest is not."""
    return hmac.compare_digest(sign(params, key, sign_type).encode(), given.encode())


def nonce() -> str:
    """Return 32 random letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(32))


def random_text(length: int, alphabet: str = _ALPHABET) -> str:
    """Return `length` random characters of `alphabet`."""
    return "".join(secrets.choice(alphabet) for _ in range(length))
