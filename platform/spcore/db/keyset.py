"""Keyset paging: newest first, by id, with a cursor that is signed by nobody and trusted for nothing.

Ids are ULIDs, so their order is the order of creation. The cursor names only the last id of the page; the
scope's own predicates still decide what may be seen, so that a neighbour's cursor is harmless (T02).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from spcore.errors import Fault, InvalidInput, Text

T = TypeVar("T")

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    rows: Sequence[T]
    next_cursor: str | None

    @property
    def has_more(self) -> bool:
        return self.next_cursor is not None


def encode_cursor(last_id: str) -> str:
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """Return the id the page starts after. Raises InvalidInput for anything we did not make."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        last_id = base64.urlsafe_b64decode(padded.encode("ascii")).decode("ascii")
    except (ValueError, binascii.Error) as error:
        raise _bad_cursor() from error
    if _ID.fullmatch(last_id) is None or encode_cursor(last_id) != cursor:
        raise _bad_cursor()
    return last_id


def _bad_cursor() -> InvalidInput:
    text = Text(
        "不是有效的翻页游标，请去掉该参数从头开始。", "is not a cursor of ours; leave it out to start over."
    )
    return InvalidInput(Fault("#/cursor", "invalid_cursor", text))


def page(rows: Sequence[T], limit: int, id_of: str = "id") -> Page[T]:
    """Make a page of `limit` rows out of up to `limit + 1` fetched ones."""
    if len(rows) <= limit:
        return Page(rows, None)
    shown = rows[:limit]
    return Page(shown, encode_cursor(getattr(shown[-1], id_of)))
