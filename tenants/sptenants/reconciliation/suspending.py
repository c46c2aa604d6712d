"""The suspense pool: what a later bill, or the end of a refund, may still bring into line.

A payment or refund that stands in another day's bill than in our books has its row too, ended from the
start: by these rows a statement shows what moved between its neighbours and itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from spcore.db.scope import ProviderScope
from sptenants.orders.repository import insert_into
from sptenants.orders.sums import DAY
from sptenants.reconciliation.entries import Finding, Kind, Suspension
from sptenants.reconciliation.matching import ENDED
from sptenants.reconciliation.models import Suspense
from sptenants.reconciliation.states import DifferenceDetail, Suspended, SuspenseState
from sptenants.refunds.models import Refund

_SUSPENSE, _REFUNDS = table_of(Suspense), table_of(Refund)
_MIDNIGHT, _SETTLING = Suspended.MIDNIGHT.value, Suspended.REFUND_SETTLING.value
_WAITING, _CLEARED, _EXPIRED = (
    SuspenseState.WAITING.value,
    SuspenseState.CLEARED.value,
    SuspenseState.EXPIRED.value,
)


async def store(
    session: AsyncSession, scope: ProviderScope, found: Sequence[Suspension], now: datetime
) -> None:
    """Write down what waits and what another day's bill has; what is known already stays as it is.

    What was waiting, or was given up, is cleared by the bill that has it.
    """
    if not found:
        return
    rows = [_row(scope, one, now) for one in found]
    await session.execute(insert_into(session, _SUSPENSE).on_conflict_do_nothing(), rows)
    ended: dict[tuple[Kind, date], list[str]] = defaultdict(list)
    for one in found:
        if one.ended_on is not None:
            ended[one.kind, one.ended_on].append(one.number)
    for (kind, day), numbers in ended.items():
        await session.execute(
            update(_SUSPENSE)
            .where(
                _SUSPENSE.c.provider_id == scope.provider_id,
                _SUSPENSE.c.kind == kind,
                _SUSPENSE.c.reason == _MIDNIGHT,
                _SUSPENSE.c.number.in_(numbers),
                _SUSPENSE.c.state != _CLEARED,
            )
            .values(state=_CLEARED, ended_on=day, ended_at=now)
        )


def expired(one: Suspension) -> Finding:
    """Return the difference that something has become for which no later bill came up."""
    is_refund = one.kind == "refund"
    settling = one.reason is Suspended.REFUND_SETTLING
    absent = DifferenceDetail.REFUND_ABSENT if is_refund else DifferenceDetail.PAYMENT_ABSENT
    return Finding(
        DifferenceDetail.REFUND_STATE if settling else absent,
        one.bill_date,
        one.tenant_id,
        one.number,
        ours=one.amount,
        theirs=one.amount if settling else None,
        out_trade_no=one.out_trade_no,
        out_refund_no=one.number if is_refund else None,
        order_id=one.order_id,
        refund_id=one.refund_id,
        facts={"at": one.at.isoformat(), "waited_until": one.until_date.isoformat()},
    )


async def overdue(
    session: AsyncSession, scope: ProviderScope, day: date, limit: int, tenant_id: str | None = None
) -> Sequence[Suspension]:
    """Return what waits in vain once the bill of `day` was compared.

    The neighbour that is waited for is this one, or two bills have come since; a refund is given its ten
    days.
    """
    in_vain = or_(
        and_(
            _SUSPENSE.c.reason == _MIDNIGHT,
            or_(_SUSPENSE.c.until_date == day, _SUSPENSE.c.bill_date <= day - 2 * DAY),
        ),
        and_(_SUSPENSE.c.reason == _SETTLING, _SUSPENSE.c.until_date < day),
    )
    query = _suspended(scope, tenant_id).where(_SUSPENSE.c.state == _WAITING, in_vain).limit(limit)
    return [_suspension(row) for row in await session.execute(query)]


async def give_up(
    session: AsyncSession, scope: ProviderScope, found: Sequence[Suspension], now: datetime
) -> None:
    """Let what waited in vain expire; the caller stores the difference that it has become."""
    await _end(session, scope, found, _EXPIRED, now)


async def moved_into(
    session: AsyncSession,
    scope: ProviderScope,
    day: date,
    after: tuple[str, str] | None,
    limit: int,
    tenant_id: str | None = None,
) -> Sequence[Suspension]:
    """Return what the bill of `day` had in place of another one, in the order of kind and number."""
    query = (
        _suspended(scope, tenant_id)
        .where(_SUSPENSE.c.state == _CLEARED, _SUSPENSE.c.ended_on == day, _SUSPENSE.c.reason == _MIDNIGHT)
        .order_by(_SUSPENSE.c.kind, _SUSPENSE.c.number)
        .limit(limit)
    )
    if after is not None:
        kind, number = after
        query = query.where(
            or_(_SUSPENSE.c.kind > kind, and_(_SUSPENSE.c.kind == kind, _SUSPENSE.c.number > number))
        )
    return [_suspension(row) for row in await session.execute(query)]


async def reopen(session: AsyncSession, scope: ProviderScope, found: Sequence[Suspension]) -> None:
    """Have it wait again: a new edition of the bill that had it has it no more."""
    for kind, numbers in _by_kind(found).items():
        await session.execute(
            update(_SUSPENSE)
            .where(
                _SUSPENSE.c.provider_id == scope.provider_id,
                _SUSPENSE.c.kind == kind,
                _SUSPENSE.c.number.in_(numbers),
                _SUSPENSE.c.reason == _MIDNIGHT,
                _SUSPENSE.c.state == _CLEARED,
            )
            .values(state=_WAITING, ended_on=None, ended_at=None)
        )


async def settled(session: AsyncSession, limit: int) -> Sequence[tuple[str, Suspension]]:
    """Return refunds whose end is known by now, with their providers; read in the worker's scope."""
    query = (
        select(_SUSPENSE, _REFUNDS.c.out_trade_no)
        .join(
            _REFUNDS,
            and_(
                _REFUNDS.c.provider_id == _SUSPENSE.c.provider_id,
                _REFUNDS.c.tenant_id == _SUSPENSE.c.tenant_id,
                _REFUNDS.c.id == _SUSPENSE.c.refund_id,
            ),
        )
        .where(
            _SUSPENSE.c.state == _WAITING,
            _SUSPENSE.c.reason == _SETTLING,
            _REFUNDS.c.status.in_([status.value for status in ENDED]),
        )
        .limit(limit)
    )
    return [(row.provider_id, _suspension(row)) for row in await session.execute(query)]


async def clear(
    session: AsyncSession, scope: ProviderScope, found: Sequence[Suspension], now: datetime
) -> None:
    """End the wait for refunds whose end is known."""
    await _end(session, scope, found, _CLEARED, now)


async def crossing(
    session: AsyncSession, scope: ProviderScope, day: date, tenant_id: str | None = None
) -> Sequence[Suspension]:
    """Return what moved out of a day or into it, and what of it still waits; what expired is left out."""
    found: dict[tuple[str, str, str], Suspension] = {}
    for of_day in (_SUSPENSE.c.bill_date == day, _SUSPENSE.c.ended_on == day):  # each by its own index
        query = _suspended(scope, tenant_id).where(
            of_day, _SUSPENSE.c.reason == _MIDNIGHT, _SUSPENSE.c.state != _EXPIRED
        )
        for row in await session.execute(query):
            found[row.tenant_id, row.kind, row.number] = _suspension(row)
    return list(found.values())


async def settling(
    session: AsyncSession, scope: ProviderScope, day: date, tenant_id: str | None = None
) -> Sequence[Suspension]:
    """Return the refunds of a day whose end is waited for."""
    query = _suspended(scope, tenant_id).where(
        _SUSPENSE.c.reason == _SETTLING, _SUSPENSE.c.state == _WAITING, _SUSPENSE.c.bill_date == day
    )
    return [_suspension(row) for row in await session.execute(query)]


async def _end(
    session: AsyncSession, scope: ProviderScope, found: Sequence[Suspension], state: str, now: datetime
) -> None:
    for (kind, reason), numbers in _by_kind_and_reason(found).items():
        await session.execute(
            update(_SUSPENSE)
            .where(
                _SUSPENSE.c.provider_id == scope.provider_id,
                _SUSPENSE.c.kind == kind,
                _SUSPENSE.c.number.in_(numbers),
                _SUSPENSE.c.reason == reason,
                _SUSPENSE.c.state == _WAITING,
            )
            .values(state=state, ended_at=now)
        )


def _by_kind(found: Sequence[Suspension]) -> dict[Kind, list[str]]:
    numbers: dict[Kind, list[str]] = defaultdict(list)
    for one in found:
        numbers[one.kind].append(one.number)
    return numbers


def _by_kind_and_reason(found: Sequence[Suspension]) -> dict[tuple[Kind, str], list[str]]:
    numbers: dict[tuple[Kind, str], list[str]] = defaultdict(list)
    for one in found:
        numbers[one.kind, one.reason.value].append(one.number)
    return numbers


def _suspended(scope: ProviderScope, tenant_id: str | None) -> Select[Any]:
    query = (
        select(_SUSPENSE, _REFUNDS.c.out_trade_no)
        .outerjoin(
            _REFUNDS,
            and_(
                _REFUNDS.c.provider_id == _SUSPENSE.c.provider_id,
                _REFUNDS.c.tenant_id == _SUSPENSE.c.tenant_id,
                _REFUNDS.c.id == _SUSPENSE.c.refund_id,
            ),
        )
        .where(_SUSPENSE.c.provider_id == scope.provider_id)
    )
    return query if tenant_id is None else query.where(_SUSPENSE.c.tenant_id == tenant_id)


def _suspension(row: Any) -> Suspension:
    return Suspension(
        row.kind,
        row.number,
        row.out_trade_no or row.number,
        row.tenant_id,
        row.order_id,
        row.refund_id,
        row.bill_date,
        row.until_date,
        Suspended(row.reason),
        row.amount,
        row.at,
        row.ended_on,
    )


def _row(scope: ProviderScope, one: Suspension, now: datetime) -> dict[str, Any]:
    ended = one.ended_on is not None
    return {
        "provider_id": scope.provider_id,
        "tenant_id": one.tenant_id,
        "kind": one.kind,
        "number": one.number,
        "order_id": one.order_id,
        "refund_id": one.refund_id,
        "bill_date": one.bill_date,
        "until_date": one.until_date,
        "reason": one.reason.value,
        "amount": one.amount,
        "at": one.at,
        "state": _CLEARED if ended else _WAITING,
        "ended_on": one.ended_on,
        "created_at": now,
        "ended_at": now if ended else None,
    }
