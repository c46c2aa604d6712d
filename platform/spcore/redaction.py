"""What must never be written down: secrets by the name of their field and by their shape (A02, A06)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "••••"

_SECRET_NAMES = frozenset(
    {
        "api_v2_key",
        "api_v3_key",
        "app_secret",
        "appsecret",
        "authorization",
        "client_key_pem",
        "cookie",
        "csrf_token",
        "database_url",
        "js_code",
        "key",
        "master_key",
        "metrics_token",
        "password",
        "password_hash",
        "paysign",
        "private_key",
        "secret",
        "secret_hash",
        "session_key",
        "set-cookie",
        "sign",
        "signature",
        "token",
        "token_hash",
    }
)
_OPENID_NAMES = frozenset({"openid", "sub_openid", "unionid", "subopenid"})

# Each pattern keeps what tells people which secret it was, in group 1, and hides the rest.
_SHAPES = (
    re.compile(r"(\b(?:wsk|wpk)_(?:test|live)_|\bwst_|\bwhsec_)[0-9A-Za-z+/=_-]+"),
    re.compile(r"(\bBearer )[^\s\"']+", re.IGNORECASE),
    re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"),
    re.compile(
        r"(\b(?:\w*secret|\w*password|\w*token|session_key|js_code|pay_?sign|sign|api_v[23]_key|key)"
        r"[\"']?\s*[=:]\s*[\"']?)[^\s&\"',;}]+",
        re.IGNORECASE,
    ),
    re.compile(r"(<sign>(?:<!\[CDATA\[)?)[^<\]]+", re.IGNORECASE),
    re.compile(r"()\b(?:[0-9A-Fa-f]{64}|[0-9A-F]{32})\b"),
)
_OPENID = re.compile(r"\bo[0-9A-Za-z_-]{27}\b")


def mask_openid(openid: str) -> str:
    """Return the first five and the last four characters (console-and-api-design, masks)."""
    return f"{openid[:5]}****{openid[-4:]}" if len(openid) > 9 else "****"


def redact_text(text: str) -> str:
    """Hide whatever in `text` has the shape of a secret, and mask openids."""
    for shape in _SHAPES:
        text = shape.sub(rf"\1{HIDDEN}", text)
    return _OPENID.sub(lambda found: mask_openid(found[0]), text)


def redact(value: Any, name: str = "") -> Any:
    """Return `value` without secrets: by the field's `name` first, then by the shape of every text in it.

    Mappings and sequences are copied; the value handed in is not changed.
    """
    lowered = name.lower()
    if value is not None and lowered in _SECRET_NAMES:
        return HIDDEN
    if isinstance(value, str):
        return mask_openid(value) if lowered in _OPENID_NAMES else redact_text(value)
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        return {key: redact(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(inner, name) for inner in value]
    return value
