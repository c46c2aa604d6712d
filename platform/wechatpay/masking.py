"""What may be shown of a message of WeChat's: no signature, no cipher text, no whole openid (rule C6 a)."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "••••"

_NEVER_SHOWN = frozenset(
    {"sign", "paysign", "pay_sign", "signature", "nonce_str", "noncestr", "nonce", "auth_code", "key"}
)
_OPENIDS = frozenset({"openid", "sub_openid", "sp_openid", "unionid"})
_ENCRYPTED = frozenset({"req_info", "ciphertext"})
_ELEMENT = re.compile(r"<([A-Za-z_]\w{0,63})>(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))(?=</|\Z|<)", re.DOTALL)
_OPENID = re.compile(r"\bo[0-9A-Za-z_-]{27}\b")
_LONG_HEX = re.compile(r"[0-9A-Fa-f]{31,}")
_LONG_RUN = re.compile(r"[0-9A-Za-z+/=_-]{40,}")
_DIGITS = re.compile(r"[0-9]+")
# A signature of API v2 has 32 or 64 hex digits, and so no serial number may have.
_SERIAL = re.compile(r"PUB_KEY_ID_[0-9A-Za-z]{1,50}|[0-9A-Fa-f]{8,31}|[0-9A-Fa-f]{33,40}")
_MAX_SERIAL = 64


def mask_openid(openid: str) -> str:
    """Return its first five and last four characters."""
    return f"{openid[:5]}****{openid[-4:]}" if len(openid) > 12 else "****"


def mask_value(name: str, value: str) -> str:
    """Return a field's value as it may be shown; the name decides first, then the shape."""
    lowered = name.lower()
    if not value:
        return value
    if lowered in _NEVER_SHOWN or lowered in _ENCRYPTED:
        return HIDDEN
    if lowered in _OPENIDS:
        return mask_openid(value)
    return mask_shapes(value)


def mask_shapes(text: str) -> str:
    """Hide whatever looks like a signature, a cipher text or an openid. Numbers of digits only stay."""
    text = _OPENID.sub(lambda found: mask_openid(found[0]), text)
    text = _LONG_HEX.sub(lambda found: found[0] if _DIGITS.fullmatch(found[0]) else HIDDEN, text)
    return _LONG_RUN.sub(lambda found: found[0] if _DIGITS.fullmatch(found[0]) else HIDDEN, text)


def mask_serial(serial: str) -> str:
    """Return a key's id or a certificate's serial number; what has neither form may be anything."""
    return serial if _SERIAL.fullmatch(serial) else mask_shapes(serial)[:_MAX_SERIAL]


def mask_fields(fields: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return fields as they may be shown, in their order."""
    return tuple((name, mask_value(name, value)) for name, value in fields)


def mask_document(text: str) -> str:
    """Return a document, whole or cut off or not XML at all, as it may be shown."""

    def hidden(found: re.Match[str]) -> str:
        name = found[1]
        if found[2] is not None:
            return f"<{name}><![CDATA[{mask_value(name, found[2])}]]>"
        return f"<{name}>{mask_value(name, found[3])}"

    return mask_shapes(_ELEMENT.sub(hidden, text))
