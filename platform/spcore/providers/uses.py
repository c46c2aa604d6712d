"""Which key was met when: counted in memory and written every few seconds, so that no call waits for it.

By it the console shows the move from platform certificates to a public key (acceptance B-15), and a replaced
API v3 key stays until WeChat has stopped using it (failure catalogue K02).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, cast

import structlog
from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, WorkerScope
from spcore.providers.keys import OVERLAP_API_V3
from spcore.providers.models import KeyKind, KeyState, KeyUse, Provider, ProviderKey

FLUSH_EVERY_S = 10.0
KEPT = timedelta(days=90)
MOST_HELD = 5000
"""Counters held at once; more are not made up by keys, so what is beyond is not counted."""
_PUSHED_ONCE_IN = timedelta(days=1)

Channel: TypeAlias = Literal["answer", "notification", "request"]
"""By whose word a key was met: WeChat's answer, WeChat's notification, or a request of ours."""

_log = structlog.get_logger(__name__)

_Met: TypeAlias = tuple[str, Channel, KeyKind, str, datetime]
"""provider_id, channel, kind, name, hour."""


@dataclass(frozen=True, slots=True)
class Use:
    """How often one key was met within the hour that begins at `hour` (UTC).

    `name` is the serial number or id of what has one, the version in digits of what has none.
    """

    channel: Channel
    kind: KeyKind
    name: str
    hour: datetime
    uses: int
    last_at: datetime


@dataclass(slots=True)
class _Count:
    uses: int
    last_at: datetime


class KeyUses:
    """`note` only counts. What could not be written is kept for the next time."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._counts: dict[_Met, _Count] = {}

    def note(self, provider_id: str, channel: Channel, kind: KeyKind, name: str) -> None:
        """Count one use of a key that was found right; never for what was merely claimed."""
        now = self._clock.now()
        hour = now.replace(minute=0, second=0, microsecond=0)
        self._add((provider_id, channel, kind, name, hour), _Count(1, now))

    async def flush(self) -> int:
        """Write all counts, one transaction for each provider, and return how many there were.

        A replaced API v3 key that was used lives seven days from then on; its provider's `key_epoch` grows
        for it once a day at most.
        """
        counts, self._counts = self._counts, {}
        by_provider: defaultdict[str, dict[_Met, _Count]] = defaultdict(dict)
        for met, count in sorted(counts.items()):
            by_provider[met[0]][met] = count
        try:
            while by_provider:
                provider_id = next(iter(by_provider))
                await self._write(provider_id, by_provider[provider_id])
                del by_provider[provider_id]
        finally:
            for unwritten in by_provider.values():
                for met, count in unwritten.items():
                    self._add(met, count)
        return len(counts)

    async def close(self) -> None:
        """Write what is left; a database that cannot be reached any more is no reason not to end."""
        try:
            await self.flush()
        except Exception as error:
            _log.warning("key_uses.lost", error=type(error).__name__, counters=len(self._counts))

    async def uses(self, scope: ProviderScope, since: datetime) -> Sequence[Use]:
        """Return what was met since the hour of `since`, the oldest first; what is in memory is missing."""
        begin = since.replace(minute=0, second=0, microsecond=0)
        query = (
            select(KeyUse.channel, KeyUse.kind, KeyUse.name, KeyUse.hour, KeyUse.uses, KeyUse.last_at)
            .where(KeyUse.provider_id == scope.provider_id, KeyUse.hour >= begin)
            .order_by(KeyUse.hour, KeyUse.channel, KeyUse.kind, KeyUse.name)
        )
        async with self._database.read(scope) as session:
            rows = (await session.execute(query)).all()
        return [
            Use(cast("Channel", row.channel), KeyKind(row.kind), row.name, row.hour, row.uses, row.last_at)
            for row in rows
        ]

    async def forget_old(self) -> None:
        """Delete what nobody looks at any more."""
        before = self._clock.now() - KEPT
        async with self._database.read(WorkerScope()) as session:
            owners = select(KeyUse.provider_id).where(KeyUse.hour < before).distinct()
            found = (await session.scalars(owners)).all()
        for provider_id in found:
            async with self._database.write(ProviderScope(provider_id)) as session:
                mine = (KeyUse.provider_id == provider_id, KeyUse.hour < before)
                await session.execute(delete(KeyUse).where(*mine))

    def _add(self, met: _Met, count: _Count) -> None:
        if met not in self._counts:
            if len(self._counts) < MOST_HELD:
                self._counts[met] = count
            return
        held = self._counts[met]
        held.uses += count.uses
        held.last_at = max(held.last_at, count.last_at)

    async def _write(self, provider_id: str, counts: dict[_Met, _Count]) -> None:
        dialect = sqlite if self._database.dialect == "sqlite" else postgresql
        rows: list[dict[str, Any]] = [
            {
                "provider_id": provider_id,
                "channel": channel,
                "kind": kind.value,
                "name": name,
                "hour": hour,
                "uses": count.uses,
                "last_at": count.last_at,
            }
            for (_owner, channel, kind, name, hour), count in counts.items()
        ]
        table = table_of(KeyUse)
        statement = dialect.insert(table).values(rows)
        statement = statement.on_conflict_do_update(
            index_elements=["provider_id", "channel", "kind", "name", "hour"],
            set_={"uses": table.c.uses + statement.excluded.uses, "last_at": statement.excluded.last_at},
        )
        async with self._database.write(ProviderScope(provider_id)) as session:
            await session.execute(statement)
            for (_owner, _channel, kind, name, _hour), count in counts.items():
                if kind is KeyKind.API_V3:
                    await _keep_alive(session, provider_id, int(name), count.last_at)


async def _keep_alive(session: AsyncSession, provider_id: str, version: int, used_at: datetime) -> None:
    """Let a replaced API v3 key that was used open for seven days more; one that has ended stays ended."""
    pushed = await session.execute(
        update(ProviderKey)
        .where(
            ProviderKey.provider_id == provider_id,
            ProviderKey.kind == KeyKind.API_V3.value,
            ProviderKey.version == version,
            ProviderKey.state == KeyState.RETIRING.value,
            ProviderKey.verify_until > used_at,
            ProviderKey.verify_until < used_at + OVERLAP_API_V3 - _PUSHED_ONCE_IN,
        )
        .values(verify_until=used_at + OVERLAP_API_V3)
    )
    if cast("CursorResult[Any]", pushed).rowcount:
        await session.execute(
            update(Provider).where(Provider.id == provider_id).values(key_epoch=Provider.key_epoch + 1)
        )
