"""Attempts left behind by an order that another attempt paid: ended, so that nobody pays twice (I2, INV 6).

Money may arrive on an attempt that had been replaced. The order is paid then, and the newer attempt may still
be payable; once WeChat allows it that one is closed, and if it was paid as well, it goes on the work list.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.engine import Database
from sptenants.orders import evidence, repository, schedule
from sptenants.orders.evidence import Evidence
from sptenants.orders.line import Case, Found, Line
from sptenants.orders.records import AttemptRecord
from sptenants.orders.states import AttemptState
from sptenants.orders.timeline import Note

_AGAIN = timedelta(minutes=1)
_UNPAID = (AttemptState.SUBMITTING, AttemptState.PAYABLE)


class Strays:
    """Ends what is still payable of a paid order."""

    def __init__(self, database: Database, clock: Clock, line: Line) -> None:
        self._database = database
        self._clock = clock
        self._line = line

    async def end(self, case: Case) -> None:
        """Look once, and have it looked at again until no attempt can be paid. Raises ProviderNotReady."""
        scope, now = repository.scope_of(case.order), self._clock.now()
        async with self._database.write(scope) as session:
            stray = await repository.open_attempt(session, case.order)
            allowed = schedule.attempt_closable_at(stray) if stray is not None else None
            if stray is None or allowed is None or now < allowed:
                await repository.touch(session, case.order, now, next_check_at=allowed)
                return
        left = replace(case, attempt=stray)
        found, notes = await self._ended(left)
        async with self._database.write(scope) as session:
            await self._store(session, left, stray, found, notes)

    async def _ended(self, left: Case) -> tuple[Found, tuple[Note, ...]]:
        """Query, close, query, as for any order. What was never there by now will not come any more."""
        found = await self._line.query(left)
        if found.kind == "absent" and left.attempt is not None:
            long_gone = self._clock.now() - left.attempt.created_at >= schedule.ABSENT_FOR
            return replace(found, kind="closed" if long_gone else "unclear"), (found.note,)
        if found.kind != "unpaid":
            return found, (found.note,)
        answer = await self._line.end(left)
        if answer.kind == "closed" and left.attempt is not None and left.attempt.by_code:
            return Found("closed", None, answer.note), (answer.note,)
        after = await self._line.query(left)
        if answer.kind == "closed" and after.kind != "paid":
            after = replace(after, kind="closed")
        return after, (answer.note, after.note)

    async def _store(
        self, session: AsyncSession, left: Case, stray: AttemptRecord, found: Found, notes: tuple[Note, ...]
    ) -> None:
        order, now = left.order, self._clock.now()
        again = None
        if found.kind == "paid" and found.state is not None:
            proof = Evidence.of_query(found.state)
            applied = await evidence.apply(session, repository.scope_of(order), left, proof, now)
            notes = (*notes, *applied.notes)
            order = applied.order
            await repository.move_attempt(
                session,
                order,
                stray.out_trade_no,
                _UNPAID,
                state=AttemptState.PAID.value,
                transaction_id=proof.transaction_id,
            )
        elif found.kind == "closed":
            await repository.move_attempt(
                session, order, stray.out_trade_no, _UNPAID, state=AttemptState.CLOSED.value
            )
        else:
            again = now + _AGAIN
        await repository.insert_notes(session, order, now, notes)
        await repository.touch(session, order, now, next_check_at=again)
