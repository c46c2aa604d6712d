"""Open differences about which WeChat is asked: who is due, who is at work, what came of it.

Statements only; each is conditional, so that any number of workers and people may be at the same one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from spcore.db.scope import TenantScope
from sptenants.orders.schedule import Jitter
from sptenants.reconciliation.causes import Cause
from sptenants.reconciliation.models import Difference
from sptenants.reconciliation.states import DifferenceDetail, DifferenceState, Resolution

BY_SYSTEM = "system"
ASK_FOR = timedelta(days=3)
"""How long WeChat is asked about a difference; after that only a person can settle it."""

_DIFFERENCES = table_of(Difference)
_STEPS = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
_LAST_STEP = timedelta(hours=6)
_SILENT_STEP = timedelta(minutes=5)
_SPREAD = 0.2


class Ending(StrEnum):
    """What came of asking."""

    AGREES = "agrees"
    """Our books and the bill say the same now."""
    DIFFERS = "differs"
    SILENT = "silent"
    """No usable answer: it does not count as asked."""
    HOPELESS = "hopeless"
    """It differs, and no other answer is to be expected."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`note` says how it was settled, in English, for `AGREES` alone."""

    ending: Ending
    cause: Cause | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """An open difference of one tenant, as it was when its lease was taken. Amounts are fen."""

    id: str
    scope: TenantScope
    bill_date: date
    detail: DifferenceDetail
    out_trade_no: str | None
    out_refund_no: str | None
    transaction_id: str | None
    order_id: str | None
    ours: int | None
    theirs: int | None
    facts: Mapping[str, Any] = field(repr=False)
    tries: int
    found_at: datetime
    leased_by: str


async def due(session: AsyncSession, now: datetime, limit: int) -> Sequence[tuple[str, str | None, str]]:
    """Return provider, tenant and id of what is due, the longest due first."""
    query = (
        select(Difference.provider_id, Difference.tenant_id, Difference.id)
        .where(
            Difference.next_at <= now,
            Difference.state == DifferenceState.OPEN.value,
            or_(Difference.leased_until.is_(None), Difference.leased_until <= now),
        )
        .order_by(Difference.next_at, Difference.id)
        .limit(limit)
    )
    return [(provider, tenant, found) for provider, tenant, found in await session.execute(query)]


async def claim(
    session: AsyncSession, scope: TenantScope, difference_id: str, by: str, now: datetime, until: datetime
) -> Doubt | None:
    """Take the lease of a due difference; None when another worker has it, or when it is not due any more."""
    statement = (
        update(_DIFFERENCES)
        .where(
            _DIFFERENCES.c.tenant_id == scope.tenant_id,
            _DIFFERENCES.c.id == difference_id,
            _DIFFERENCES.c.state == DifferenceState.OPEN.value,
            _DIFFERENCES.c.next_at <= now,
            or_(_DIFFERENCES.c.leased_until.is_(None), _DIFFERENCES.c.leased_until <= now),
        )
        .values(leased_by=by, leased_until=until)
        .returning(*(_DIFFERENCES.c[name] for name in _READ))
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    read = dict(zip(_READ, row, strict=True)) | {"detail": DifferenceDetail(row.detail)}
    return Doubt(id=difference_id, scope=scope, leased_by=by, **read)


async def conclude(
    session: AsyncSession, doubt: Doubt, answer: Answer, now: datetime, jitter: Jitter
) -> bool:
    """Store what came of asking, in the caller's transaction, and end the lease.

    False when a person closed it meanwhile, or its lease ran out and another worker took over: nothing
    happened then.
    """
    changes: dict[str, Any] = {"leased_by": None, "leased_until": None, "updated_at": now}
    if answer.cause is not None:
        changes |= {"cause": answer.cause.code.value, "cause_facts": dict(answer.cause.facts)}
    tries = doubt.tries + (0 if answer.ending is Ending.SILENT else 1)
    if answer.ending is Ending.AGREES:
        changes |= {
            "state": DifferenceState.RESOLVED.value,
            "resolution": Resolution.HEALED.value,
            "resolved_by": BY_SYSTEM,
            "resolved_at": now,
            "note": answer.note,
            "next_at": None,
            "tries": tries,
        }
    else:
        changes |= {"tries": tries, "next_at": _next_at(doubt, answer.ending, now, jitter)}
    return await _change(session, doubt, changes)


async def put_off(
    session: AsyncSession, scope: TenantScope, difference_id: str, now: datetime, until: datetime
) -> None:
    """Have a due difference asked about later, unless somebody is at it."""
    await session.execute(
        update(_DIFFERENCES)
        .where(
            _DIFFERENCES.c.tenant_id == scope.tenant_id,
            _DIFFERENCES.c.id == difference_id,
            _DIFFERENCES.c.next_at <= now,
            or_(_DIFFERENCES.c.leased_until.is_(None), _DIFFERENCES.c.leased_until <= now),
        )
        .values(next_at=until)
    )


async def _change(session: AsyncSession, doubt: Doubt, changes: Mapping[str, Any]) -> bool:
    statement = (
        update(_DIFFERENCES)
        .where(
            _DIFFERENCES.c.tenant_id == doubt.scope.tenant_id,
            _DIFFERENCES.c.id == doubt.id,
            _DIFFERENCES.c.state == DifferenceState.OPEN.value,
            _DIFFERENCES.c.leased_by == doubt.leased_by,
        )
        .values(**changes)
        .returning(_DIFFERENCES.c.id)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None


def _next_at(doubt: Doubt, ending: Ending, now: datetime, jitter: Jitter) -> datetime | None:
    """Return when to ask again: 5 min, 30 min, 2 h, then every 6 h up to three days after it was found."""
    if ending is Ending.HOPELESS:
        return None
    step = _SILENT_STEP
    if ending is Ending.DIFFERS:
        step = _STEPS[doubt.tries] if doubt.tries < len(_STEPS) else _LAST_STEP
    again = now + step * (1 - _SPREAD / 2 + _SPREAD * jitter())
    return again if again <= doubt.found_at + ASK_FOR else None


_READ = (
    "bill_date",
    "detail",
    "out_trade_no",
    "out_refund_no",
    "transaction_id",
    "order_id",
    "ours",
    "theirs",
    "facts",
    "tries",
    "found_at",
)
