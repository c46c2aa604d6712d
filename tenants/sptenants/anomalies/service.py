"""The work list: what differs between money and intent, and how a person settles it."""

from __future__ import annotations

from collections.abc import Mapping

from spcore.audit import writer as audit
from spcore.audit.actor import Actor
from spcore.audit.writer import Act
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.keyset import Page
from spcore.db.scope import ProviderScope, TenantScope
from sptenants.anomalies.errors import MAX_NOTE, AlreadyResolved, note_missing
from sptenants.anomalies.reader import AnomalyReader, ReadScope
from sptenants.anomalies.records import AnomalyFilter, AnomalyRecord, HealFilter, HealRecord
from sptenants.orders.disputes import AnomalyKind, resolve_anomaly
from sptenants.registry.access import RequestFacts


class Anomalies:
    """What pages and API call. Reading works for every scope; only a tenant's or provider's own resolve."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._reader = AnomalyReader(database)

    async def list(
        self, scope: ReadScope, wanted: AnomalyFilter, limit: int, cursor: str | None = None
    ) -> Page[AnomalyRecord]:
        """See `AnomalyReader.list`."""
        return await self._reader.list(scope, wanted, limit, cursor)

    async def record(self, scope: ReadScope, anomaly_id: str) -> AnomalyRecord:
        """See `AnomalyReader.record`."""
        return await self._reader.record(scope, anomaly_id)

    async def open_counts(self, scope: ReadScope, tenant_id: str | None = None) -> Mapping[AnomalyKind, int]:
        """See `AnomalyReader.open_counts`."""
        return await self._reader.open_counts(scope, tenant_id)

    async def heals(
        self, scope: ReadScope, wanted: HealFilter, limit: int, cursor: str | None = None
    ) -> Page[HealRecord]:
        """See `AnomalyReader.heals`."""
        return await self._reader.heals(scope, wanted, limit, cursor)

    async def resolve(
        self,
        scope: TenantScope | ProviderScope,
        anomaly_id: str,
        by: Actor,
        note: str,
        facts: RequestFacts | None = None,
    ) -> AnomalyRecord:
        """Take it off the list, saying in `note` what was done; audited, and told on its order's timeline.

        Raises NotFound, InvalidInput (no note, or over 500 characters), AlreadyResolved.
        """
        note = note.strip()
        if not 1 <= len(note) <= MAX_NOTE or "\0" in note:
            raise note_missing()
        anomaly = await self._reader.record(scope, anomaly_id)
        own, now = TenantScope(anomaly.provider_id, anomaly.tenant_id), self._clock.now()
        async with self._database.write(own) as session:
            done = await resolve_anomaly(session, own, anomaly.id, now, by=by.name, note=note)
            if done:
                await audit.record(session, own.provider_id, _act(anomaly, by, note, facts), now)
        after = await self._reader.record(scope, anomaly_id)
        if not done:
            raise AlreadyResolved(after)
        return after


def _act(anomaly: AnomalyRecord, by: Actor, note: str, facts: RequestFacts | None) -> Act:
    return Act(
        actor=by,
        action="anomaly.resolved",
        object_kind="anomaly",
        object_id=anomaly.id,
        tenant_id=anomaly.tenant_id,
        before={"kind": anomaly.kind.value, "order_id": anomaly.order_id, "refund_id": anomaly.refund_id},
        reason=note,
        request_id=facts.request_id if facts else None,
        peer=facts.peer if facts else None,
    )
