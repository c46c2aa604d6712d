"""Public identifiers: a prefix, an underscore and a ULID (26 Crockford base32 characters).

Ids made later sort later, which is what keyset paging uses; at least 63 unpredictable bits lie between any
two, so that one tells nothing about the next (failure catalogue T11).
"""

from __future__ import annotations

import re
import secrets
import threading
from datetime import UTC, datetime, timedelta

from ulid import ULID

_SHAPE = re.compile(r"[a-z]{3}_[0-9A-HJKMNP-TV-Z]{26}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_STEP = 1 << 64
_FRESH = 1 << 79  # half of what fits, so that steps have room


class _Tail:
    """The 80 bits after the milliseconds: random, and growing within one millisecond of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._milliseconds = -1
        self._last = 0

    def after(self, milliseconds: int) -> int:
        with self._lock:
            if milliseconds == self._milliseconds:
                self._last += 1 + secrets.randbelow(_STEP)
            else:
                self._milliseconds, self._last = milliseconds, secrets.randbelow(_FRESH)
            return self._last


_tail = _Tail()


def new_ulid(at: datetime | None = None) -> str:
    """Return 26 Crockford base32 characters whose first ten are the moment `at` (default: now)."""
    milliseconds = ((at or datetime.now(UTC)) - _EPOCH) // _MILLISECOND
    tail = _tail.after(milliseconds)
    return str(ULID.from_bytes(milliseconds.to_bytes(6, "big") + tail.to_bytes(10, "big")))


def new_id(prefix: str, at: datetime | None = None) -> str:
    """Return a fresh id such as `ord_01JD3K8W7Q4M6X0B2T9V5H1CZN`."""
    return f"{prefix}_{new_ulid(at)}"


def least_id(prefix: str, at: datetime) -> str:
    """Return what every id made at `at` or later is not below, to find ids by when they were made.

    Ids know milliseconds: a moment within one counts as its beginning.
    """
    milliseconds = max(0, (at - _EPOCH) // _MILLISECOND)
    return f"{prefix}_{ULID.from_bytes(milliseconds.to_bytes(6, 'big') + bytes(10))}"


def is_id(text: str, prefix: str) -> bool:
    """Say whether `text` has the shape of an id of this kind; it says nothing about existence."""
    return text.startswith(f"{prefix}_") and _SHAPE.fullmatch(text) is not None
