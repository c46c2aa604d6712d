"""What people hand in as a key: read from the form, checked in memory, never shown again (K06)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar.datastructures import UploadFile

from spapp.console.credentials.kinds import KeyPage
from spapp.console.frame.forms import field
from spcore.errors import Fault, InvalidInput, Text
from spcore.providers.certificates import MAX_PEM_BYTES
from spcore.providers.material import KeyMaterial, client_certificate, public_key, symmetric_key
from spcore.providers.models import KeyKind
from sptenants.registry.errors import StateConflict

MAX_REASON = 200
FIELDS = {"id": "public_key_id", "pem": "public_key_pem", "password": "p12_password"}
"""What the form calls the parts that a key's check names."""


async def read_material(page: KeyPage, form: Any, mch_id: str, now: datetime) -> KeyMaterial:
    """Return what was handed in. Raises InvalidInput naming the part that is wrong."""
    match page.kind:
        case KeyKind.CLIENT_CERTIFICATE:
            return client_certificate(
                await _pasted_or_file(form, "client_cert_pem"),
                await _pasted_or_file(form, "client_key_pem"),
                field(form, FIELDS["password"]),
                mch_id=mch_id,
                now=now,
            )
        case KeyKind.WECHATPAY_PUBLIC_KEY:
            pem = await _pasted_or_file(form, FIELDS["pem"])
            return public_key(field(form, FIELDS["id"]).strip(), pem)
        case _:
            return symmetric_key(page.kind, field(form, page.kind.value).strip())


def read_version(text: str) -> int:
    """Return the version that the person saw. Raises StateConflict for what is none."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise StateConflict(OUTDATED)
    return int(text)


def read_reason(form: Any) -> str | None:
    """Return a stated reason, None for none. Raises InvalidInput (`#/reason`) for one that is too long."""
    reason = field(form, "reason").strip()
    if len(reason) > MAX_REASON:
        raise InvalidInput(Fault("#/reason", "too_long", _TOO_LONG))
    return reason or None


async def _pasted_or_file(form: Any, name: str) -> bytes:
    """Return what was pasted, or else the file that was chosen; a longer one is cut just too late."""
    if pasted := field(form, name).strip():
        return pasted.encode()
    file = form.get(f"{name}_file")
    return await file.read(MAX_PEM_BYTES + 1) if isinstance(file, UploadFile) else b""


OUTDATED = Text(
    "页面已过期：这个版本已经变了，请按现在的状态重新操作。",
    "The page was out of date: this version has changed meanwhile. Look at it as it is now.",
)
_TOO_LONG = Text(f"原因最多 {MAX_REASON} 个字符。", f"A reason has at most {MAX_REASON} characters.")
