"""Moving one order forward: ask WeChat, store what it says, repeat or close what must be (part 2.2, 2.4).

Used by the call that creates an order, by a person's or client's question, by closing and by healing, so
that every way to learn something about an order ends in the same place. Each step commits what it intends
before it sends anything, and commits what it learned before it tells anybody (rules T3, T5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.engine import Database
from sptenants.orders import evidence, mending, repository, schedule, timeline
from sptenants.orders.evidence import Evidence
from sptenants.orders.line import Case, Charging, Found, Line, Placing
from sptenants.orders.records import OrderRecord
from sptenants.orders.schedule import Jitter
from sptenants.orders.states import AttemptState, OrderStatus
from sptenants.orders.strays import Strays
from sptenants.orders.timeline import Note
from sptenants.orders.unexplained import note_refusal
from wechatpay.gateway import TradeState

_UNPAID = (AttemptState.SUBMITTING, AttemptState.PAYABLE)
_S = OrderStatus
_STILL_TYPING = frozenset({TradeState.USERPAYING, TradeState.ACCEPT})


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of ending an attempt so that another may follow.

    `over`: WeChat says that it can no longer be paid; then `notes` are not stored yet and the order waits,
    still open, for the caller's transaction. Otherwise everything was stored, and `case` is the order now.
    """

    case: Case
    over: bool
    notes: tuple[Note, ...] = ()


class Settler:
    """Takes a case whose lease the caller holds, and returns it as it is afterwards, lease ended."""

    def __init__(self, database: Database, clock: Clock, line: Line, jitter: Jitter) -> None:
        self._database = database
        self._clock = clock
        self._line = line
        self._jitter = jitter
        self._strays = Strays(database, clock, line)

    async def advance(self, case: Case) -> Case:
        """Do the next thing this order needs. Raises ProviderNotReady when nothing can be signed."""
        if case.order.status is _S.PAID:
            await self._strays.end(case)
            return await self._reload(case)
        if case.attempt is None:
            return await self._without_attempt(case)
        if case.order.status is _S.CLOSING or self._is_close_due(case.order):
            return await self._close(case, await self._line.query(case))
        found = await self._line.query(case)
        if case.order.is_open and case.order.by_code:
            return await self._by_code(case, found)
        if case.order.status is _S.SUBMITTING and found.kind == "unpaid":
            # It exists and we hold nothing that pays it: the same parameters again give us that (P3).
            return await self.store_placing(case, await self._line.place(case))
        if case.order.status is _S.SUBMITTING and found.kind == "absent":
            return await self._absent(case, found)
        if not case.order.is_open and found.kind == "unpaid":
            # It is over for us and still payable there: an earlier close did not hold.
            closing = await self._line.end(case)
            found = replace(found, kind="closed" if closing.kind == "closed" else "unclear")
        return await self._store(case, found)

    async def end_attempt(self, case: Case, lease: timedelta) -> Ended:
        """Query, close, query, so that another attempt may follow once this one is seen closed (I2, O10).

        From the moment the close is sent the order is `closing` for `lease`; when nobody makes the next
        attempt until then, healing closes it. Raises ProviderNotReady.
        """
        notes: tuple[Note, ...] = ()
        found = await self._line.query(case)
        if found.kind == "unpaid":
            begun = await self._begin_closing(case, "replaced", lease)
            if begun is None:
                return Ended(await self._reload(case), over=False)
            case = begun
            answer = await self._line.end(case)
            found, notes = await self._line.query(case), (answer.note,)
            if answer.kind == "closed" and found.kind == "paid" and case.order.by_code:
                # Just reversed: the query lags behind, and nothing may follow until it is seen.
                found = replace(found, kind="unclear")
        if found.kind == "closed":
            return Ended(case, over=True, notes=(*notes, found.note))
        return Ended(await self._store(case, found, *notes), over=False)

    async def _by_code(self, case: Case, found: Found) -> Case:
        """The next thing for a payment code whose payer may still be typing (wechatpay-v2 4.1)."""
        if found.kind == "absent":
            return await self._absent(case, found)
        if found.kind != "unpaid" or found.state is None:
            return await self._store(case, found)
        order, state = case.order, found.state.trade_state
        refused = order.failure is not None and bool(order.failure.get("definitive"))
        if refused and state not in _STILL_TYPING:
            # WeChat's refusal and its books agree: nothing was taken, and the code is used up.
            return await self._fail(case, found.note, self._clock.now())
        if state is TradeState.PAYERROR and self._clock.now() >= schedule.close_allowed_at(order):
            return await self._close(case, found)
        if order.status is _S.SUBMITTING:
            return await self.store_charging(case, Charging("typing", None, None, found.note))
        return await self._store(case, found)

    async def store_charging(self, case: Case, charging: Charging) -> Case:
        """Store what came of charging a payment code; one commit.

        Money goes the way of all evidence. Raises nothing for an order that was settled meanwhile (Z01).
        """
        if charging.state is not None and charging.note is not None:
            return await self._store(case, Found("paid", charging.state, charging.note))
        order, now = case.order, self._clock.now()
        async with self._database.write(repository.scope_of(order)) as session:
            notes = _some(charging.note)
            if charging.kind == "typing" and case.attempt is not None:
                waiting = replace(order, status=_S.PENDING, state_since=now)
                moved = await repository.move(
                    session, order, _S.PENDING, now, next_check_at=self._next_check(waiting, now)
                )
                if moved is not None:
                    await repository.move_attempt(
                        session, order, case.attempt.out_trade_no, _UNPAID, state=AttemptState.PAYABLE.value
                    )
                    notes += (timeline.moved(order.status.value, "pending", "gateway"),)
            else:
                changes: dict[str, Any] = {"next_check_at": self._next_check(order, now)}
                if charging.failure is not None:
                    changes["failure"] = charging.failure
                    await note_refusal(session, repository.scope_of(order), charging.failure, now)
                await repository.touch(session, order, now, **changes)
            await repository.insert_notes(session, order, now, notes)
            return await self._again(session, case)

    async def store_placing(self, case: Case, placing: Placing) -> Case:
        """Store what came of creating the order, or of renewing its prepay_id; one commit, ≤ 3 statements.

        An order that evidence settled meanwhile is left as it is (Z01).
        """
        now = self._clock.now()
        async with self._database.write(repository.scope_of(case.order)) as session:
            if placing.prepay is not None:
                return await self._payable(session, case, placing, now)
            changes: dict[str, Any] = {"next_check_at": self._next_check(case.order, now)}
            if placing.failure is not None:
                changes["failure"] = placing.failure
                await note_refusal(session, repository.scope_of(case.order), placing.failure, now)
            touched = await repository.touch(session, case.order, now, **changes)
            await repository.insert_notes(session, case.order, now, _some(placing.note))
            if touched is None:
                return await self._again(session, case)
            return replace(case, order=touched)

    async def _payable(self, session: AsyncSession, case: Case, placing: Placing, now: datetime) -> Case:
        order, attempt, prepay = case.order, case.attempt, placing.prepay
        if attempt is None or prepay is None:
            raise ValueError("a prepay_id belongs to an attempt")
        fresh: dict[str, Any] = {
            "prepay_id": prepay.prepay_id.text if prepay.prepay_id else None,
            "prepay_at": now,
            "code_url": prepay.code_url,
            "h5_url": prepay.h5_url,
        }
        payable = await repository.move_attempt(
            session, order, attempt.out_trade_no, _UNPAID, state=AttemptState.PAYABLE.value, **fresh
        )
        notes = _some(placing.note)
        stored: OrderRecord | None = order
        if order.status is _S.SUBMITTING and payable:
            pending = replace(order, status=_S.PENDING, state_since=now)
            stored = await repository.move(
                session, order, _S.PENDING, now, next_check_at=self._next_check(pending, now)
            )
            if stored is not None:
                notes += (timeline.moved(order.status.value, "pending", "gateway"),)
                if attempt.cashier is not None:
                    notes += (
                        timeline.params_issued(
                            attempt.cashier_sign_type, order.sub_appid, order.openid, order.source
                        ),
                    )
        await repository.insert_notes(session, order, now, notes)
        if stored is None or not payable:
            return await self._again(session, case)
        await mending.note(session, case, stored, now)
        return Case(case.provider, stored, replace(attempt, state=AttemptState.PAYABLE, **fresh))

    async def _store(self, case: Case, found: Found, *extra: Note) -> Case:
        """Store what a query found; one commit."""
        now = self._clock.now()
        async with self._database.write(repository.scope_of(case.order)) as session:
            if found.kind == "paid" and found.state is not None:
                applied = await evidence.apply(
                    session, repository.scope_of(case.order), case, Evidence.of_query(found.state), now
                )
                notes = (*extra, found.note, *applied.notes) if applied.notes else extra
                await repository.insert_notes(session, applied.order, now, notes)
                if applied.order.status is not _S.PAID:
                    await self._rest(session, applied.order, now, answered=True)
            elif found.kind == "closed" and case.order.is_open:
                await self._closed(session, case, now, (*extra, found.note), "query")
            else:
                trouble = (found.note,) if found.kind == "unclear" else ()
                await repository.insert_notes(session, case.order, now, (*extra, *trouble))
                await self._rest(session, case.order, now, answered=found.kind != "unclear")
            return await self._again(session, case)

    async def _rest(
        self, session: AsyncSession, order: OrderRecord, now: datetime, *, answered: bool
    ) -> None:
        """Leave the order in its state until the next look; that always has a time (INV 10)."""
        checks = order.checks + 1 if answered else order.checks
        waiting = replace(order, checks=checks)
        await repository.touch(
            session, order, now, checks=checks, next_check_at=self._next_check(waiting, now)
        )

    async def _absent(self, case: Case, found: Found) -> Case:
        """WeChat does not know the number: fail for good, send it once more, or wait (P5, 2.4)."""
        order, attempt, now = case.order, case.attempt, self._clock.now()
        if attempt is None:
            raise ValueError("only a number that was sent can be absent")
        surely = attempt.absent_since is not None and now - attempt.absent_since >= schedule.ABSENT_FOR
        refused = order.failure is not None and bool(order.failure.get("definitive"))
        # A payment code is never sent twice: it is gone from here, and used up or stale there.
        if refused or (surely and (order.by_code or now >= order.expires_at)):
            return await self._fail(case, found.note, now)
        if not surely or attempt.repeats > 0:
            since = attempt.absent_since or now
            async with self._database.write(repository.scope_of(case.order)) as session:
                await repository.move_attempt(
                    session, order, attempt.out_trade_no, _UNPAID, absent_since=since
                )
                await self._rest(session, order, now, answered=True)
                return await self._again(session, case)
        async with self._database.write(repository.scope_of(case.order)) as session:
            await repository.move_attempt(
                session,
                order,
                attempt.out_trade_no,
                _UNPAID,
                absent_since=None,
                repeats=attempt.repeats + 1,
            )
        return await self.store_placing(case, await self._line.place(case))

    async def _fail(self, case: Case, note: Note, now: datetime) -> Case:
        order, attempt = case.order, case.attempt
        failed_as = replace(order, status=_S.FAILED, state_since=now, checks=0)
        code = order.failure.get("code") if order.failure else None
        async with self._database.write(repository.scope_of(case.order)) as session:
            failed = await repository.move(
                session, order, _S.FAILED, now, next_check_at=self._next_check(failed_as, now)
            )
            if failed is not None and attempt is not None:
                await repository.move_attempt(
                    session, order, attempt.out_trade_no, _UNPAID, state=AttemptState.FAILED.value
                )
                moved = timeline.moved(order.status.value, "failed", "query", code=code)
                await repository.insert_notes(session, order, now, (note, moved))
            return await self._again(session, case)

    async def _close(self, case: Case, found: Found) -> Case:
        """Query (`found`), close, query: never blindly, and money always wins (P8-P11, Z04)."""
        if found.kind == "absent":
            if self._may_still_arrive(case.order):
                return await self._absent(case, found)
            # Nothing exists that could be paid, and the number is never sent again.
            found = replace(found, kind="closed")
        if found.kind != "unpaid":
            return await self._store(case, found)
        if case.order.status is not _S.CLOSING:
            cause = "operator" if case.order.close_requested_at else "expired"
            closing = await self._begin_closing(case, cause)
            if closing is None:
                return await self._reload(case)
            case = closing
        answer = await self._line.end(case)
        if answer.kind == "closed" and case.order.by_code:
            # Whatever was paid until then has been given back; a query could still call it paid.
            return await self._store(case, Found("closed", None, answer.note))
        after = await self._line.query(case)
        if answer.kind == "closed" and after.kind in {"unpaid", "unclear", "absent"}:
            # WeChat confirmed the close (P9); the query can only lag behind it.
            after = replace(after, kind="closed")
        return await self._store(case, after, answer.note)

    def _may_still_arrive(self, order: OrderRecord) -> bool:
        """Whether a number WeChat does not know yet may stand for money: a charge may be on its way to it."""
        if order.by_code:
            return order.status in {_S.SUBMITTING, _S.PENDING}
        return order.status is _S.SUBMITTING and order.close_requested_at is None

    async def _begin_closing(self, case: Case, cause: str, lease: timedelta | None = None) -> Case | None:
        """Commit that the attempt is about to be ended; None when somebody was faster."""
        order, now = case.order, self._clock.now()
        if order.status is _S.CLOSING:
            return case
        closing = replace(order, status=_S.CLOSING, state_since=now)
        next_check_at = now + lease if lease else self._next_check(closing, now)
        async with self._database.write(repository.scope_of(case.order)) as session:
            moved = await repository.move(session, order, _S.CLOSING, now, next_check_at=next_check_at)
            if moved is None:
                return None
            note = timeline.moved(order.status.value, "closing", cause)
            await repository.insert_notes(session, order, now, (note,))
        return replace(case, order=moved)

    async def _without_attempt(self, case: Case) -> Case:
        """Nothing was ever sent: such an order is closed by us alone, when its time is over or on request."""
        now = self._clock.now()
        async with self._database.write(repository.scope_of(case.order)) as session:
            if case.order.status is not _S.CREATED:
                return case
            if self._is_close_due(case.order):
                cause = "operator" if case.order.close_requested_at else "expired"
                await self._closed(session, case, now, (), cause)
            else:
                await self._rest(session, case.order, now, answered=False)
            return await self._again(session, case)

    async def _closed(
        self, session: AsyncSession, case: Case, now: datetime, notes: tuple[Note, ...], cause: str
    ) -> None:
        order: OrderRecord | None = case.order
        before = case.order.status
        final = _S.REVOKED if case.order.by_code else _S.CLOSED
        if order is not None and order.status is not _S.CLOSING and final is _S.CLOSED:
            order = await repository.move(session, order, _S.CLOSING, now)
        if order is None:
            return
        closed_as = replace(order, status=final, state_since=now, checks=0)
        closed = await repository.move(
            session, order, final, now, closed_at=now, next_check_at=self._next_check(closed_as, now)
        )
        if closed is None:
            return
        if case.attempt is not None:
            await repository.move_attempt(
                session, order, case.attempt.out_trade_no, _UNPAID, state=AttemptState.CLOSED.value
            )
        moved = timeline.moved(before.value, final.value, cause)
        await repository.insert_notes(session, order, now, (*notes, moved))

    async def _reload(self, case: Case) -> Case:
        scope = repository.scope_of(case.order)
        async with self._database.read(scope) as session:
            return await repository.case_of(session, scope, case.order.id) or case

    async def _again(self, session: AsyncSession, case: Case) -> Case:
        found = await repository.case_of(session, repository.scope_of(case.order), case.order.id)
        if found is None:
            return case
        await mending.note(session, case, found.order, self._clock.now())
        return found

    def _is_close_due(self, order: OrderRecord) -> bool:
        return order.is_open and self._clock.now() >= schedule.close_due_at(order)

    def _next_check(self, order: OrderRecord, now: datetime) -> datetime | None:
        return schedule.next_check(order, now, self._jitter)


def _some(note: Note | None) -> tuple[Note, ...]:
    return () if note is None else (note,)
