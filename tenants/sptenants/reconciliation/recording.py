"""Differences as comparing writes them: stored once, and resolved when a bill has them no more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from spcore.db.scope import ProviderScope
from spcore.ids import new_id
from sptenants.orders.disputes import BY_SYSTEM
from sptenants.orders.repository import insert_into
from sptenants.reconciliation import causes
from sptenants.reconciliation.entries import Finding
from sptenants.reconciliation.models import Difference
from sptenants.reconciliation.repository import BILLS, Work
from sptenants.reconciliation.states import DifferenceDetail, DifferenceKind, DifferenceState, Resolution
from wechatpay.bills import BillKind

DIFFERENCES = table_of(Difference)


@dataclass(frozen=True, slots=True)
class OpenDifference:
    """What is compared again; `out_trade_no` is empty where there is none."""

    id: str
    mark: str
    out_trade_no: str
    found_at: datetime


_READ = (DIFFERENCES.c.id, DIFFERENCES.c.mark, DIFFERENCES.c.out_trade_no, DIFFERENCES.c.found_at)


async def store(session: AsyncSession, work: Work, found: Sequence[Finding], now: datetime) -> None:
    """Write differences down. One that is there already stays as it is, closed by a person or healed too.

    Only what a later bill was thought to have put right opens again when a bill shows it once more.
    """
    if not found:
        return
    bills = await _bills_of(session, work, {finding.bill_date for finding in found})
    rows = {
        (finding.bill_date, finding.kind, finding.mark): _row(work, finding, bills, now) for finding in found
    }
    insert = insert_into(session, DIFFERENCES)
    statement = insert.on_conflict_do_update(
        index_elements=["provider_id", "bill_date", "kind", "mark"],
        set_={
            **{name: insert.excluded[name] for name in _FOUND_AGAIN},
            "resolution": None,
            "resolved_by": None,
            "resolved_at": None,
            "note": None,
        },
        where=DIFFERENCES.c.resolution == Resolution.NEXT_BILL.value,
    )
    await session.execute(statement, list(rows.values()))


_FOUND_AGAIN = ("bill_id", "ours", "theirs", "facts", "state", "tries", "next_at", "updated_at")


async def _bills_of(session: AsyncSession, work: Work, days: set[date]) -> dict[date, str]:
    """Return the bill of each day that a difference is about; this one where that day has none."""
    known = {work.bill_date: work.bill_id}
    if others := days - {work.bill_date}:
        query = select(BILLS.c.bill_date, BILLS.c.id).where(
            BILLS.c.provider_id == work.scope.provider_id,
            BILLS.c.bill_date.in_(others),
            BILLS.c.kind == BillKind.TRADE.value,
            BILLS.c.tenant_id.is_(None),
        )
        known |= {row.bill_date: row.id for row in await session.execute(query)}
    return {day: known.get(day, work.bill_id) for day in days}


def _row(work: Work, finding: Finding, bills: dict[date, str], now: datetime) -> dict[str, Any]:
    cause = causes.plain(finding.detail)
    askable = finding.tenant_id is not None and causes.asks(finding.detail)
    return {
        "id": new_id("dif", now),
        "provider_id": work.scope.provider_id,
        "tenant_id": finding.tenant_id,
        "bill_id": bills[finding.bill_date],
        "bill_date": finding.bill_date,
        "kind": finding.kind.value,
        "detail": finding.detail.value,
        "mark": finding.mark,
        "out_trade_no": finding.out_trade_no or None,
        "out_refund_no": finding.out_refund_no,
        "transaction_id": finding.transaction_id,
        "order_id": finding.order_id,
        "refund_id": finding.refund_id,
        "ours": finding.ours,
        "theirs": finding.theirs,
        "facts": {name: value for name, value in finding.facts.items() if value is not None},
        "cause": cause.value if cause else None,
        "cause_facts": None,
        "state": DifferenceState.OPEN.value,
        "resolution": None,
        "resolved_by": None,
        "resolved_at": None,
        "note": None,
        "tries": 0,
        "next_at": now if askable else None,
        "leased_by": None,
        "leased_until": None,
        "found_at": now,
        "updated_at": now,
    }


async def open_differences(
    session: AsyncSession, work: Work, after: str | None, limit: int
) -> list[OpenDifference]:
    """Return the day's open differences that lines can be compared for again, in the order of their ids."""
    query = (
        select(*_READ)
        .where(
            *_of_day(work),
            DIFFERENCES.c.state == DifferenceState.OPEN.value,
            DIFFERENCES.c.detail != DifferenceDetail.RATE.value,
        )
        .order_by(DIFFERENCES.c.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(DIFFERENCES.c.id > after)
    return await _open(session, query)


async def open_rates(session: AsyncSession, work: Work, tenant_id: str) -> list[OpenDifference]:
    """Return a tenant's open differences about its rate of this day."""
    query = select(*_READ).where(
        *_of_day(work),
        DIFFERENCES.c.tenant_id == tenant_id,
        DIFFERENCES.c.state == DifferenceState.OPEN.value,
        DIFFERENCES.c.detail == DifferenceDetail.RATE.value,
    )
    return await _open(session, query)


async def _open(session: AsyncSession, query: Select[Any]) -> list[OpenDifference]:
    return [
        OpenDifference(row.id, row.mark, row.out_trade_no or "", row.found_at)
        for row in await session.execute(query)
    ]


def _of_day(work: Work) -> tuple[ColumnElement[bool], ...]:
    return (
        DIFFERENCES.c.provider_id == work.scope.provider_id,
        DIFFERENCES.c.bill_date == work.bill_date,
        *work.of_tenant(DIFFERENCES.c.tenant_id),
    )


async def resolve(
    session: AsyncSession, scope: ProviderScope, how: Resolution, now: datetime, *which: ColumnElement[bool]
) -> int:
    """Resolve open differences; what a person closed meanwhile stays closed as it was. Returns how many."""
    notes = {
        Resolution.NEXT_BILL: "a later bill agrees with our books",
        Resolution.HEALED: "our books and the bill agree",
    }
    statement = (
        update(DIFFERENCES)
        .where(
            DIFFERENCES.c.provider_id == scope.provider_id,
            DIFFERENCES.c.state == DifferenceState.OPEN.value,
            *which,
        )
        .values(
            state=DifferenceState.RESOLVED.value,
            resolution=how.value,
            resolved_by=BY_SYSTEM,
            resolved_at=now,
            note=notes[how],
            next_at=None,
            leased_by=None,
            leased_until=None,
            updated_at=now,
        )
    )
    return cast("CursorResult[Any]", await session.execute(statement)).rowcount


def marks_of(
    kind: DifferenceKind, days: Collection[date], marks: Collection[str]
) -> tuple[ColumnElement[bool], ...]:
    """Return the condition of differences of some days by their marks."""
    return (
        DIFFERENCES.c.kind == kind.value,
        DIFFERENCES.c.bill_date.in_(days),
        DIFFERENCES.c.mark.in_(marks),
    )
