"""What can be exported: a list's filter becomes columns and rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from spapp.exports.csv import Cell, Column
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.errors import Text

ExportScope = TenantScope | ProviderScope | PlatformScope


@dataclass(frozen=True, slots=True)
class Export:
    """One filter of a list, ready to be written out.

    `count(most)` is how many rows there are, and `most` or above when there are that many or it would take
    looking at more than that many. `filter` is the filter as plain values, for the audit log.
    """

    columns: Sequence[Column]
    filter: Mapping[str, str]
    count: Callable[[int], Awaitable[int]]
    rows: Callable[[], AsyncIterator[Sequence[Cell]]]


class ExportKind(Protocol):
    """A list whose rows can be had as a file. One for each list, registered with `Exports`."""

    name: str
    """Stable word, such as `orders`; also the beginning of the file's name."""
    title: Text

    def of(self, scope: ExportScope, query: str, now: datetime) -> Export:
        """Read the filter out of `query`, the part of the list's address behind the question mark.

        `now` is when it was asked for: today stays that day, however long the file takes.
        """
        ...
