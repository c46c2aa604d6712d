"""Public identifiers: a prefix, an underscore and a ULID (26 Crockford base32 characters).

Ids made later sort later, which is what keyset paging uses; 80 random bits keep them unguessable
(failure catalogue T11).
"""

from __future__ import annotations

import re
from datetime import datetime

from ulid import ULID

_SHAPE = re.compile(r"[a-z]{3}_[0-9A-HJKMNP-TV-Z]{26}")


def new_ulid(at: datetime | None = None) -> str:
    """Return 26 Crockford base32 characters whose first ten are the moment `at` (default: now)."""
    return str(ULID() if at is None else ULID.from_datetime(at))


def new_id(prefix: str, at: datetime | None = None) -> str:
    """Return a fresh id such as `ord_01JD3K8W7Q4M6X0B2T9V5H1CZN`."""
    return f"{prefix}_{new_ulid(at)}"


def is_id(text: str, prefix: str) -> bool:
    """Say whether `text` has the shape of an id of this kind; it says nothing about existence."""
    return text.startswith(f"{prefix}_") and _SHAPE.fullmatch(text) is not None
