"""Daily statements: made when a bill was compared, made anew when something of their day has changed.

A statement is stored only when its content differs from what is there, by its digest; so it does not matter
how often, or by how many workers, it is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

import structlog
from sqlalchemy import case, exists, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, WorkerScope
from spcore.ids import new_id
from spcore.providers.models import Provider
from sptenants.bills.states import TAKEN, BillState, OwnProblem
from sptenants.orders.repository import insert_into
from sptenants.reconciliation import suspending, telling
from sptenants.reconciliation.models import Statement
from sptenants.reconciliation.proving import Sides, digest
from sptenants.reconciliation.recording import DIFFERENCES
from sptenants.reconciliation.records import StatementRecord
from sptenants.reconciliation.repository import BILLS, Work
from sptenants.reconciliation.sides import sides_of
from sptenants.reconciliation.states import DifferenceState, StatementState
from sptenants.registry.models import Tenant
from wechatpay.bills import BillKind
from wechatpay.money import Fen

TENANTS_AT_ONCE = 100
_LOOK_BACK = timedelta(minutes=10)
"""How far before the last look changes are looked for: clocks of several hosts, and long transactions."""
_MISSED = timedelta(days=2)
"""The first look of a process goes back so far before the last statement that anybody made."""

_STATEMENTS = table_of(Statement)
_log = structlog.get_logger(__name__)

DayKey: TypeAlias = tuple[str, date]
"""A provider's day."""


@dataclass(frozen=True, slots=True)
class _Compared:
    """A compared trade bill that statements are made of."""

    work: Work
    lines: int
    is_sound: bool
    """False when its own sums do not fit."""


class Statements:
    """Makes daily statements, settles the bills of their days and tells the merchants' servers."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._since: datetime | None = None
        self._seen: dict[DayKey, tuple[Any, ...]] = {}

    async def settle_due(self, limit: int = 100) -> int:
        """Make the statements of up to `limit` days that need it; returns how many days that were.

        Days need it whose bill has just been compared, those whose differences have changed since, and those
        of refunds that have come to their end.
        """
        now = self._clock.now()
        days = await self._end_waiting(now, limit)
        compared = await self._compared(limit)
        changed = await self._changed(now)
        for key in compared:
            days |= await self._linked(key)
        todo = list(dict.fromkeys((*compared, *days, *changed)))
        for key in todo[:limit]:
            await self._settle(key)
            if key in changed:
                self._seen[key] = changed[key]
        if len(todo) <= limit:
            self._since = now - _LOOK_BACK
            self._seen = {
                key: self._seen[key] for key in await self._recent(self._since) if key in self._seen
            }
        return len(todo[:limit])

    async def _compared(self, limit: int) -> list[DayKey]:
        query = (
            select(BILLS.c.provider_id, BILLS.c.bill_date)
            .where(
                BILLS.c.state == BillState.DOWNLOADED.value,
                BILLS.c.kind == BillKind.TRADE.value,
                BILLS.c.next_at.is_(None),
                BILLS.c.matched_at.is_not(None),
                BILLS.c.loaded_edition == BILLS.c.edition,
            )
            .distinct()
            .limit(limit)
        )
        async with self._database.read(WorkerScope()) as session:
            return [(row.provider_id, row.bill_date) for row in await session.execute(query)]

    async def _end_waiting(self, now: datetime, limit: int) -> set[DayKey]:
        """Clear the wait for refunds whose end is known by now; return their days."""
        async with self._database.read(WorkerScope()) as session:
            found = await suspending.settled(session, limit)
        for provider_id in {provider_id for provider_id, _ in found}:
            scope = ProviderScope(provider_id)
            async with self._database.write(scope) as session:
                own = [one for owner, one in found if owner == provider_id]
                await suspending.clear(session, scope, own, now)
        return {(provider_id, one.bill_date) for provider_id, one in found}

    async def _linked(self, key: DayKey) -> set[DayKey]:
        """Return the neighbouring days that a compared bill has, or has not, something of."""
        provider_id, day = key
        scope = ProviderScope(provider_id)
        async with self._database.read(scope) as session:
            moved = await suspending.crossing(session, scope, day)
        days = {one.bill_date for one in moved} | {one.ended_on for one in moved if one.ended_on is not None}
        return {(provider_id, other) for other in days - {day}}

    async def _changed(self, now: datetime) -> dict[DayKey, tuple[Any, ...]]:
        """Return days whose differences are not as they were when this process last looked."""
        since = self._since
        if since is None:
            async with self._database.read(WorkerScope()) as session:
                last: datetime | None = await session.scalar(select(func.max(_STATEMENTS.c.updated_at)))
            since = min(now, last or now) - _MISSED
        of_day = tuple_(DIFFERENCES.c.provider_id, DIFFERENCES.c.bill_date)
        touched = select(DIFFERENCES.c.provider_id, DIFFERENCES.c.bill_date).where(
            DIFFERENCES.c.updated_at >= since
        )
        query = (
            select(
                DIFFERENCES.c.provider_id,
                DIFFERENCES.c.bill_date,
                func.max(DIFFERENCES.c.updated_at),
                func.count(),
                func.sum(DIFFERENCES.c.tries),
                func.sum(case((DIFFERENCES.c.state == DifferenceState.OPEN.value, 1), else_=0)),
            )
            .where(of_day.in_(touched))
            .group_by(DIFFERENCES.c.provider_id, DIFFERENCES.c.bill_date)
        )
        async with self._database.read(WorkerScope()) as session:
            found = {(row[0], row[1]): tuple(row[2:]) for row in await session.execute(query)}
        return {key: mark for key, mark in found.items() if self._seen.get(key) != mark}

    async def _recent(self, since: datetime) -> set[DayKey]:
        query = (
            select(DIFFERENCES.c.provider_id, DIFFERENCES.c.bill_date)
            .where(DIFFERENCES.c.updated_at >= since)
            .distinct()
        )
        async with self._database.read(WorkerScope()) as session:
            return {(row.provider_id, row.bill_date) for row in await session.execute(query)}

    async def _settle(self, key: DayKey) -> None:
        scope, day = ProviderScope(key[0]), key[1]
        async with self._database.read(scope) as session:
            compared = await _compared_bills(session, scope, day)
        for bill in compared:
            sides = await self._sides(bill)
            tenants = sorted(sides)
            for first in range(0, len(tenants), TENANTS_AT_ONCE):
                some = {tenant_id: sides[tenant_id] for tenant_id in tenants[first : first + TENANTS_AT_ONCE]}
                await self._store(bill, some)
            is_right = bill.is_sound and all(side.is_proven for side in sides.values())
            await self._settle_bill(bill.work, is_right)
        await self._settle_own(scope, day)

    async def _sides(self, bill: _Compared) -> dict[str, Sides]:
        """Return both sides of every tenant, those too that had a statement and have nothing any more.

        The books move on while they are summed; only what comes out wrong twice is wrong.
        """
        work, sides = bill.work, dict[str, Sides]()
        for _ in range(2):
            async with self._database.read(work.scope) as session:
                sides = await sides_of(session, work, bill.lines)
                for tenant_id in await _tenants_with_statement(session, work):
                    sides.setdefault(tenant_id, Sides())
            wrong = sorted(tenant_id for tenant_id, side in sides.items() if not side.is_proven)
            if not wrong:
                return sides
        _log.error(
            "statements.unproven", bill_id=work.bill_id, day=work.bill_date.isoformat(), tenants=wrong[:20]
        )
        return sides

    async def _store(self, bill: _Compared, sides: Mapping[str, Sides]) -> None:
        work, now = bill.work, self._clock.now()
        async with self._database.write(work.scope) as session:
            before = await _stored(session, work, sides)
            names = await _names(session, work, sides)
            for tenant_id, side in sides.items():
                content = _content(work, tenant_id, side)
                old = before.get(tenant_id)
                if old is not None and old.digest == content["digest"]:
                    continue
                await _put(session, work, names[tenant_id], old, content, now)

    async def _settle_bill(self, work: Work, is_right: bool) -> None:
        """Say of a compared bill whether anything of its day is open, for any tenant or for nobody's."""
        now = self._clock.now()
        still_open = exists().where(
            DIFFERENCES.c.provider_id == work.scope.provider_id,
            DIFFERENCES.c.bill_date == work.bill_date,
            DIFFERENCES.c.state == DifferenceState.OPEN.value,
            *work.of_tenant(DIFFERENCES.c.tenant_id),
        )
        async with self._database.write(work.scope) as session:
            different = not is_right or await session.scalar(select(still_open))
            await _set_state(session, work.scope, work.bill_id, work.edition, different, now)

    async def _settle_own(self, scope: ProviderScope, day: date) -> None:
        """Settle sub-merchants' own bills beside the provider's: only their sums were looked at."""
        now = self._clock.now()
        async with self._database.write(scope) as session:
            for row in await _beside(session, scope, day):
                await _set_state(session, scope, row.id, row.loaded_edition, row.problem is not None, now)


async def _compared_bills(session: AsyncSession, scope: ProviderScope, day: date) -> list[_Compared]:
    """Return the bill of a day that decides: the provider's, else those of single sub-merchants."""
    query = (
        select(
            BILLS.c.id,
            BILLS.c.tenant_id,
            BILLS.c.loaded_edition,
            BILLS.c.lines,
            BILLS.c.problem,
            BILLS.c.matched_at,
            Provider.mch_id,
        )
        .join(Provider, Provider.id == BILLS.c.provider_id)
        .where(
            BILLS.c.provider_id == scope.provider_id,
            BILLS.c.bill_date == day,
            BILLS.c.kind == BillKind.TRADE.value,
            BILLS.c.loaded_edition > 0,
        )
    )
    rows = (await session.execute(query)).all()
    whole = [row for row in rows if row.tenant_id is None]
    return [
        _Compared(
            Work(scope, row.id, row.loaded_edition, day, row.mch_id, row.tenant_id),
            row.lines,
            row.problem != OwnProblem.SUMMARY_MISMATCH.value,
        )
        for row in whole or rows
        if row.matched_at is not None
    ]


async def _beside(session: AsyncSession, scope: ProviderScope, day: date) -> Sequence[Any]:
    bill = BILLS.alias("whole")
    has_whole = exists().where(
        bill.c.provider_id == scope.provider_id,
        bill.c.bill_date == day,
        bill.c.kind == BillKind.TRADE.value,
        bill.c.tenant_id.is_(None),
        bill.c.loaded_edition > 0,
    )
    query = select(BILLS.c.id, BILLS.c.loaded_edition, BILLS.c.problem).where(
        BILLS.c.provider_id == scope.provider_id,
        BILLS.c.bill_date == day,
        BILLS.c.kind == BillKind.TRADE.value,
        BILLS.c.tenant_id.is_not(None),
        BILLS.c.loaded_edition > 0,
        BILLS.c.matched_at.is_not(None),
        has_whole,
    )
    return (await session.execute(query)).all()


async def _set_state(
    session: AsyncSession, scope: ProviderScope, bill_id: str, edition: int, different: Any, now: datetime
) -> None:
    """Settle a bill, unless it is being fetched or loaded anew."""
    state = (BillState.DIFFERENT if different else BillState.BALANCED).value
    await session.execute(
        update(BILLS)
        .where(
            BILLS.c.provider_id == scope.provider_id,
            BILLS.c.id == bill_id,
            BILLS.c.edition == edition,
            BILLS.c.next_at.is_(None),
            BILLS.c.state.in_([one.value for one in TAKEN]),
            BILLS.c.state != state,
        )
        .values(state=state, updated_at=now)
    )


async def _tenants_with_statement(session: AsyncSession, work: Work) -> Sequence[str]:
    query = select(_STATEMENTS.c.tenant_id).where(
        _STATEMENTS.c.provider_id == work.scope.provider_id,
        _STATEMENTS.c.bill_date == work.bill_date,
        *work.of_tenant(_STATEMENTS.c.tenant_id),
    )
    return (await session.scalars(query)).all()


async def _stored(session: AsyncSession, work: Work, sides: Mapping[str, Sides]) -> dict[str, Any]:
    columns = ("tenant_id", "id", "digest", "told", "event_sequence", "made_at")
    query = select(*(_STATEMENTS.c[name] for name in columns)).where(
        _STATEMENTS.c.provider_id == work.scope.provider_id,
        _STATEMENTS.c.bill_date == work.bill_date,
        _STATEMENTS.c.tenant_id.in_(sides),
    )
    return {row.tenant_id: row for row in await session.execute(query)}


async def _names(session: AsyncSession, work: Work, sides: Mapping[str, Sides]) -> dict[str, Any]:
    query = (
        select(
            Tenant.id,
            Tenant.name,
            Tenant.sub_mch_id,
            Provider.name.label("provider_name"),
            Provider.mode,
        )
        .join(Provider, Provider.id == Tenant.provider_id)
        .where(Tenant.provider_id == work.scope.provider_id, Tenant.id.in_(sides))
    )
    return {row.id: row for row in await session.execute(query)}


def _content(work: Work, tenant_id: str, side: Sides) -> dict[str, Any]:
    """Return what a statement says, by column, with its digest."""
    open_ = side.open + side.withheld
    state = StatementState.BALANCED
    if open_ or not side.is_proven:
        state = StatementState.OPEN if side.unasked else StatementState.DIFFERENT
    content = {
        "state": state.value,
        "paid_count": side.payments.ours.count,
        "paid_amount": side.payments.ours.amount,
        "refunded_count": side.refunds.ours.count,
        "refunded_amount": side.refunds.ours.amount,
        "bill_paid_count": side.payments.theirs.count,
        "bill_paid_amount": side.payments.theirs.amount,
        "bill_refunded_count": side.refunds.theirs.count,
        "bill_refunded_amount": side.refunds.theirs.amount,
        "bill_settled_amount": side.settled,
        "bill_fee": side.fee,
        "suspended_count": side.waiting.count,
        "suspended_amount": side.waiting.amount,
        "differences": side.found,
        "open_differences": open_,
        "proof": side.proof(work.edition),
    }
    owner = {"provider_id": work.scope.provider_id, "tenant_id": tenant_id, "bill_date": work.bill_date}
    return content | {"digest": digest(owner | content)}


async def _put(
    session: AsyncSession, work: Work, names: Any, old: Any, content: Mapping[str, Any], now: datetime
) -> None:
    """Store one statement and its event; another worker that was faster has stored the same."""
    state = StatementState(content["state"])
    told, sequence = (None, 0) if old is None else (old.told, old.event_sequence)
    is_news = telling.is_news(state, told)
    row = dict(content) | {
        "updated_at": now,
        "event_sequence": sequence + is_news,
        "told": state.value if is_news else told,
    }
    if old is None:
        row |= {
            "provider_id": work.scope.provider_id,
            "tenant_id": names.id,
            "bill_date": work.bill_date,
            "id": new_id("sta", now),
            "made_at": now,
        }
        statement: Any = (
            insert_into(session, _STATEMENTS)
            .values(row)
            .on_conflict_do_nothing(index_elements=["tenant_id", "bill_date"])
            .returning(_STATEMENTS.c.id)
        )
    else:
        statement = (
            update(_STATEMENTS)
            .where(
                _STATEMENTS.c.provider_id == work.scope.provider_id,
                _STATEMENTS.c.tenant_id == names.id,
                _STATEMENTS.c.bill_date == work.bill_date,
                _STATEMENTS.c.digest == old.digest,
            )
            .values(row)
            .returning(_STATEMENTS.c.id)
        )
    stored = (await session.execute(statement)).scalar_one_or_none()
    if stored is not None and is_news:
        record = _record(work, names, stored, content, old.made_at if old else now, now)
        await telling.tell(session, record, row["event_sequence"], now)


def _record(
    work: Work, names: Any, statement_id: str, content: Mapping[str, Any], made_at: datetime, now: datetime
) -> StatementRecord:
    amounts = (
        "paid_amount",
        "refunded_amount",
        "bill_paid_amount",
        "bill_refunded_amount",
        "suspended_amount",
    )
    return StatementRecord(
        id=statement_id,
        provider_id=work.scope.provider_id,
        provider_name=names.provider_name,
        tenant_id=names.id,
        tenant_name=names.name,
        sub_mch_id=names.sub_mch_id,
        mode=names.mode,
        day=work.bill_date,
        made_at=made_at,
        updated_at=now,
        **{
            **content,
            "state": StatementState(content["state"]),
            **{name: Fen(content[name]) for name in amounts},
        },
    )
