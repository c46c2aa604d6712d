"""What a person does with a difference: close it with a note, or have WeChat asked once more."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from spcore.audit import writer as audit
from spcore.audit.actor import Actor
from spcore.audit.writer import Act
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from sptenants.reconciliation.causes import asks
from sptenants.reconciliation.errors import MAX_NOTE, AlreadyResolved, NotAskable, note_missing
from sptenants.reconciliation.models import Difference
from sptenants.reconciliation.reader import DifferenceReader
from sptenants.reconciliation.records import DifferenceRecord
from sptenants.reconciliation.states import DifferenceState, Resolution
from sptenants.registry.access import RequestFacts


class Differences:
    """A service provider's people settle differences; merchants and the platform only read them.

    Money is never touched: closing says that somebody looked. The statement of the day follows by itself.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._reader = DifferenceReader(database)

    async def close(
        self,
        scope: ProviderScope,
        difference_id: str,
        by: Actor,
        note: str,
        facts: RequestFacts | None = None,
    ) -> DifferenceRecord:
        """Take it off the list, saying in `note` what was done; audited.

        Raises NotFound, InvalidInput (no note, or over 500 characters), AlreadyResolved.
        """
        note = note.strip()
        if not 1 <= len(note) <= MAX_NOTE or "\0" in note:
            raise note_missing()
        now = self._clock.now()
        values = {
            "state": DifferenceState.RESOLVED.value,
            "resolution": Resolution.PERSON.value,
            "resolved_by": by.name,
            "resolved_at": now,
            "note": note,
            "next_at": None,
            "leased_by": None,
            "leased_until": None,
            "updated_at": now,
        }
        before = await self._reader.record(scope, difference_id)
        return await self._change(scope, before, values, _act("difference.closed", before, by, facts, note))

    async def ask_again(
        self, scope: ProviderScope, difference_id: str, by: Actor, facts: RequestFacts | None = None
    ) -> DifferenceRecord:
        """Have a worker ask WeChat at once; audited. Raises NotFound, NotAskable, AlreadyResolved."""
        before = await self._reader.record(scope, difference_id)
        if not asks(before.detail):
            raise NotAskable
        values = {"next_at": self._clock.now()}
        return await self._change(scope, before, values, _act("difference.asked_again", before, by, facts))

    async def _change(
        self, scope: ProviderScope, before: DifferenceRecord, values: dict[str, Any], act: Act
    ) -> DifferenceRecord:
        still_open = (
            update(Difference)
            .where(
                Difference.provider_id == scope.provider_id,
                Difference.id == before.id,
                Difference.state == DifferenceState.OPEN.value,
            )
            .values(**values)
            .returning(Difference.id)
        )
        async with self._database.write(scope) as session:
            done = (await session.execute(still_open)).scalar_one_or_none() is not None
            if done:
                await audit.record(session, scope.provider_id, act, self._clock.now())
        after = await self._reader.record(scope, before.id)
        if not done:
            raise AlreadyResolved(after)
        return after


def _act(
    action: str, difference: DifferenceRecord, by: Actor, facts: RequestFacts | None, note: str | None = None
) -> Act:
    return Act(
        actor=by,
        action=action,
        object_kind="difference",
        object_id=difference.id,
        tenant_id=difference.tenant_id,
        before={
            "kind": difference.kind.value,
            "detail": difference.detail.value,
            "bill_date": difference.bill_date.isoformat(),
            "order_id": difference.order_id,
            "refund_id": difference.refund_id,
        },
        reason=note,
        request_id=facts.request_id if facts else None,
        peer=facts.peer if facts else None,
    )
