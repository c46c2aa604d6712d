"""Counts refusals in memory and writes them down every few seconds: a flood of them must not become one of
writes, and no answer waits for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias

from sqlalchemy.dialects import postgresql, sqlite

from spapp.flushing import Flushing
from spapp.refusals.models import Refusal
from spapp.refusals.reasons import Refused, refused
from spapp.web.problems import AnyRequest
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import DoorScope
from sptenants.orders.sums import day_of
from sptenants.registry.access import RequestFacts

FLUSH_EVERY_S = 5.0
MOST_KINDS = 500
"""Kinds of refusals held at once; what is beyond counts as one kind without tenant or route."""
OTHER = "other"

_Kind: TypeAlias = tuple[date, str, str, str]


@dataclass(slots=True)
class _Count:
    seen: int
    first_at: datetime
    last_at: datetime
    request_id: str
    peer: str


class RefusalJournal:
    """`note` only counts; a task of the web process writes. What cannot be written is kept for later."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._counts: dict[_Kind, _Count] = {}
        self._flushing = Flushing("refusals", self.flush, FLUSH_EVERY_S)

    def note(self, request: AnyRequest, error: Exception) -> None:
        """Count an error of a request, if it is one of those that are counted."""
        found = refused(request, error)
        if found is not None:
            self._count(found, RequestFacts.of(request))

    def start(self) -> None:
        self._flushing.start()

    async def stop(self) -> None:
        """Write down what was counted since, and end."""
        await self._flushing.stop()

    async def flush(self) -> int:
        """Write all counts in one statement and return how many kinds there were."""
        counts, self._counts = self._counts, {}
        if not counts:
            return 0
        try:
            await self._write(counts)
        except Exception:
            for kind, count in counts.items():
                self._add(kind, count)
            raise
        return len(counts)

    def _count(self, found: Refused, facts: RequestFacts) -> None:
        now = self._clock.now()
        kind = (day_of(now), found.reason.value, found.route, found.tenant_id)
        self._add(kind, _Count(1, now, now, facts.request_id, facts.peer))

    def _add(self, kind: _Kind, count: _Count) -> None:
        if kind not in self._counts and len(self._counts) >= MOST_KINDS:
            kind = (kind[0], kind[1], OTHER, "")
        held = self._counts.setdefault(kind, count)
        if held is count:
            return
        held.seen += count.seen
        held.first_at = min(held.first_at, count.first_at)
        if count.last_at >= held.last_at:
            held.last_at, held.request_id, held.peer = count.last_at, count.request_id, count.peer

    async def _write(self, counts: dict[_Kind, _Count]) -> None:
        dialect = sqlite if self._database.dialect == "sqlite" else postgresql
        rows: list[dict[str, Any]] = [
            {
                "day": day,
                "reason": reason,
                "route": route,
                "tenant_id": tenant_id,
                "seen": count.seen,
                "first_at": count.first_at,
                "last_at": count.last_at,
                "last_request_id": count.request_id,
                "last_peer": count.peer,
            }
            for (day, reason, route, tenant_id), count in sorted(counts.items())
        ]
        statement = dialect.insert(table_of(Refusal)).values(rows)
        fresh = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=["day", "reason", "route", "tenant_id"],
            set_={
                "seen": table_of(Refusal).c.seen + fresh.seen,
                "last_at": fresh.last_at,
                "last_request_id": fresh.last_request_id,
                "last_peer": fresh.last_peer,
            },
        )
        async with self._database.write(DoorScope()) as session:
            await session.execute(statement)
