"""Comparing a loaded trade bill with our books, one bounded slice at a time.

A day is walked through in stages: its lines by number, then our payments and refunds that no line names, the
rates, and last what was found or awaited before and is no more. How far it has come moves in the transaction
that stores what the slice found, so that whoever goes on after a killed worker finds the same (L06).

The provider's bill decides about all tenants. A sub-merchant's own bill is compared only where there is none;
otherwise its sums are checked against the provider's (`own_bills.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TypeAlias

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from sptenants.bills.records import BillRecord
from sptenants.orders.sums import DAY, day_of
from sptenants.reconciliation import fees, own_bills, recording, repository, suspending
from sptenants.reconciliation.entries import (
    Day,
    Key,
    Line,
    Matching,
    OurPayment,
    OurRefund,
    Suspension,
    mark_of,
)
from sptenants.reconciliation.matching import match
from sptenants.reconciliation.models import AgreedRate
from sptenants.reconciliation.rates import agreed_on
from sptenants.reconciliation.recording import DIFFERENCES, OpenDifference
from sptenants.reconciliation.repository import Work
from sptenants.reconciliation.states import KIND_OF, DifferenceDetail, Resolution, Suspended

LINES_AT_ONCE = 2_000
FEW = 300
"""Differences and waiting entries that one slice looks at again."""
LONGEST_LOOK_BACK = 92 * DAY
"""WeChat serves bills of three months: no line of ours stands in an older one."""


_NOTHING = Matching()


@dataclass(frozen=True, slots=True)
class Slice:
    """What one slice came to, and where the next one of its stage begins; None at the stage's end."""

    next: str | None = None
    matching: Matching = _NOTHING
    gone: tuple[OpenDifference, ...] = ()
    """Differences that the bill does not show any more."""
    given_up: tuple[Suspension, ...] = ()
    reopened: tuple[Suspension, ...] = ()


_Stage: TypeAlias = Callable[[AsyncSession, Work, str], Awaitable[Slice]]


class Comparing:
    """Compares trade bills. Running it again on the same bill and the same books changes nothing."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run(self, bill: BillRecord) -> bool:
        """Compare one slice of a loaded bill; True when it was the last one.

        False also when somebody else has moved on meanwhile: nothing was changed then, and the bill is to be
        read again.
        """
        work = Work(bill.scope, bill.id, bill.loaded_edition, bill.day, bill.provider.mch_id, bill.tenant_id)
        if work.tenant_id is not None:
            async with self._database.read(work.scope) as session:
                if await own_bills.has_provider_bill(session, work):
                    return await self._finish(work, bill.matched_to)
        stage, place = _place(bill.matched_to, work.edition)
        async with self._database.read(work.scope) as session:
            found = await _STAGES[stage](session, work, place)
        goes_on = _after(stage, found.next, work.edition)
        if goes_on is None:
            return await self._finish(work, bill.matched_to)
        now = self._clock.now()
        async with self._database.write(work.scope) as session:
            if await repository.move_on(session, work, bill.matched_to, now, matched_to=goes_on):
                await _store(session, work, found, bill.downloaded_at or now, now)
        return False

    async def _finish(self, work: Work, before: str | None) -> bool:
        now = self._clock.now()
        async with self._database.write(work.scope) as session:
            if not await repository.move_on(session, work, before, now, matched_to=None):
                return False
            await own_bills.check(session, work, now)
        return True


async def compare_numbers(session: AsyncSession, work: Work, numbers: Collection[str]) -> Matching:
    """Compare everything that a bill and our books have of some payments and their refunds."""
    lines = await repository.lines_of(session, work, numbers)
    payments = await repository.payments_of(session, work, numbers)
    refunds = await repository.refunds_of(session, work, numbers)
    return await _match(session, work, lines, payments, refunds)


async def _match(
    session: AsyncSession,
    work: Work,
    lines: Sequence[Line],
    payments: Sequence[OurPayment],
    refunds: Sequence[OurRefund],
) -> Matching:
    elsewhere = await _elsewhere(session, work, lines, payments, refunds)
    loaded = await repository.loaded(session, work, [work.bill_date - DAY, work.bill_date + DAY])
    day = Day(work.bill_date, work.mch_id, elsewhere, loaded)
    found = match(day, lines, payments, refunds)
    if work.tenant_id is None:
        return found
    return replace(
        found,
        findings=tuple(one for one in found.findings if one.tenant_id in {None, work.tenant_id}),
        suspensions=tuple(one for one in found.suspensions if one.tenant_id == work.tenant_id),
    )


async def _elsewhere(
    session: AsyncSession,
    work: Work,
    lines: Iterable[Line],
    payments: Iterable[OurPayment],
    refunds: Iterable[OurRefund],
) -> Mapping[Key, Collection[date]]:
    """Look into other days' bills for what our books and this bill do not have on the same day.

    Our books may learn of a refund days after WeChat has accepted it, so that all bills since it was made
    are looked into; a payment's time is WeChat's own.
    """
    there = {(line.out_trade_no, line.refund_no) for line in lines}
    day, numbers, days = work.bill_date, set[str](), set[date]()
    for payment in payments:
        at = payment.paid_at
        if at is not None and (day_of(at) == day) != ((payment.out_trade_no, "") in there):
            numbers.add(payment.out_trade_no)
            days |= {day_of(at), day - DAY, day + DAY}
    for refund in refunds:
        at = refund.accepted_at
        if at is not None and (day_of(at) == day) != ((refund.out_trade_no, refund.out_refund_no) in there):
            numbers.add(refund.out_trade_no)
            first = max(day_of(refund.created_at), day - LONGEST_LOOK_BACK)
            days |= {day_of(at), day + DAY} | {first + DAY * n for n in range((day - first).days)}
    days.discard(day)
    return await repository.elsewhere(session, work, numbers, days) if numbers else {}


async def _lines(session: AsyncSession, work: Work, place: str) -> Slice:
    lines, last = await repository.lines_after(session, work, place[1:] if place else None, LINES_AT_ONCE)
    if last is None:
        return Slice()
    numbers = {line.out_trade_no for line in lines}
    refunded = {line.out_trade_no for line in lines if line.is_refund}
    payments = await repository.payments_of(session, work, numbers)
    refunds = await repository.refunds_of(session, work, refunded) if refunded else []
    return Slice(f"={last}", await _match(session, work, lines, payments, refunds))


async def _payments(session: AsyncSession, work: Work, place: str) -> Slice:
    rows = await repository.paid_after(session, work, _moment(place), LINES_AT_ONCE)
    if not rows:
        return Slice()
    matching = await _unnamed(session, work, {(row.out_trade_no, "") for row in rows})
    return Slice(f"{rows[-1].paid_at.isoformat()}|{rows[-1].id}", matching)


async def _second_payments(session: AsyncSession, work: Work, _place: str) -> Slice:
    found = await repository.second_payments(session, work)
    return Slice(None, await _unnamed(session, work, {(payment.out_trade_no, "") for payment in found}))


async def _refunds(session: AsyncSession, work: Work, place: str) -> Slice:
    rows = await repository.accepted_after(session, work, _moment(place), LINES_AT_ONCE)
    if not rows:
        return Slice()
    matching = await _unnamed(session, work, {(row.out_trade_no, row.out_refund_no) for row in rows})
    return Slice(f"{rows[-1].accepted_at.isoformat()}|{rows[-1].id}", matching)


async def _unnamed(session: AsyncSession, work: Work, ours: Collection[tuple[str, str]]) -> Matching:
    """Compare those of our payments and refunds, each by both numbers, that the bill does not name."""
    numbers = {number for number, _ in ours}
    if not numbers:
        return _NOTHING
    named = await repository.named_in_bill(session, work, numbers)
    unnamed = {both[0] for both in ours if both not in named}
    return await compare_numbers(session, work, unnamed) if unnamed else _NOTHING


async def _rates(session: AsyncSession, work: Work, place: str) -> Slice:
    """Check one tenant's rates; those without an agreed one have nothing to be checked against."""
    query = (
        select(AgreedRate.tenant_id)
        .where(
            AgreedRate.provider_id == work.scope.provider_id,
            AgreedRate.from_date <= work.bill_date,
            AgreedRate.tenant_id > place,
            *work.of_tenant(AgreedRate.tenant_id),
        )
        .order_by(AgreedRate.tenant_id)
        .limit(1)
    )
    tenant_id = await session.scalar(query)
    if tenant_id is None:
        return Slice()
    agreed = await agreed_on(session, TenantScope(work.scope.provider_id, tenant_id), work.bill_date)
    sums = await repository.rate_sums(session, work, tenant_id)
    found = [fees.off_rate(tenant_id, work.bill_date, one, agreed) for one in sums if agreed is not None]
    findings = tuple(finding for finding in found if finding is not None)
    shown = {finding.mark for finding in findings}
    before = await recording.open_rates(session, work, tenant_id)
    gone = tuple(row for row in before if row.mark not in shown)
    return Slice(tenant_id, Matching(findings), gone=gone)


async def _moved(session: AsyncSession, work: Work, place: str) -> Slice:
    """Look whether this edition still has what another one had in place of a neighbouring day."""
    after = None
    if place:
        kind, _, number = place.partition("|")
        after = (kind, number)
    rows = await suspending.moved_into(session, work.scope, work.bill_date, after, FEW, work.tenant_id)
    if not rows:
        return Slice()
    lines = await repository.lines_of(session, work, {row.out_trade_no for row in rows})
    there = {
        ("refund", line.refund_no) if line.is_refund else ("payment", line.out_trade_no) for line in lines
    }
    lost = tuple(row for row in rows if (row.kind, row.number) not in there)
    return Slice(f"{rows[-1].kind}|{rows[-1].number}", reopened=lost)


async def _overdue(session: AsyncSession, work: Work, _place: str) -> Slice:
    rows = await suspending.overdue(session, work.scope, work.bill_date, FEW, work.tenant_id)
    if not rows:
        return Slice()
    return Slice("again", Matching(tuple(suspending.expired(row) for row in rows)), given_up=tuple(rows))


async def _open(session: AsyncSession, work: Work, place: str) -> Slice:
    """Compare the open differences of the day once more, and see which are no more."""
    rows = await recording.open_differences(session, work, place or None, FEW)
    if not rows:
        return Slice()
    matching = await compare_numbers(session, work, {row.out_trade_no for row in rows})
    shown = {finding.mark for finding in matching.findings} | {
        mark_of(DifferenceDetail.REFUND_STATE, one.tenant_id, one.number)
        for one in matching.suspensions
        if one.reason is Suspended.REFUND_SETTLING
    }
    gone = tuple(row for row in rows if row.mark not in shown)
    return Slice(rows[-1].id, Matching(suspensions=matching.suspensions), gone=gone)


_STAGES: Mapping[str, _Stage] = {
    "lines": _lines,
    "payments": _payments,
    "second": _second_payments,
    "refunds": _refunds,
    "rates": _rates,
    "moved": _moved,
    "overdue": _overdue,
    "open": _open,
}
_ORDER = tuple(_STAGES)


def _place(matched_to: str | None, edition: int) -> tuple[str, str]:
    """Read where to go on; what was reached in another edition does not count."""
    if matched_to is not None:
        of_edition, stage, place = matched_to.split(":", 2)
        if of_edition == str(edition):
            return stage, place
    return _ORDER[0], ""


def _after(stage: str, place: str | None, edition: int) -> str | None:
    """Write where to go on; None after the last stage."""
    if place is None:
        rest = _ORDER[_ORDER.index(stage) + 1 :]
        return f"{edition}:{rest[0]}:" if rest else None
    return f"{edition}:{stage}:{place}"


def _moment(place: str) -> tuple[datetime, str] | None:
    if not place:
        return None
    at, _, key = place.partition("|")
    return datetime.fromisoformat(at), key


async def _store(
    session: AsyncSession, work: Work, found: Slice, downloaded_at: datetime, now: datetime
) -> None:
    await suspending.reopen(session, work.scope, found.reopened)
    await suspending.give_up(session, work.scope, found.given_up, now)
    await suspending.store(session, work.scope, found.matching.suspensions, now)
    await _put_right(session, work, found.matching, now)
    await recording.store(session, work, found.matching.findings, now)
    newer = [row.id for row in found.gone if row.found_at < downloaded_at]
    agreed = [row.id for row in found.gone if row.found_at >= downloaded_at]
    for how, ids in ((Resolution.NEXT_BILL, newer), (Resolution.HEALED, agreed)):
        if ids:
            await recording.resolve(session, work.scope, how, now, DIFFERENCES.c.id.in_(ids))


async def _put_right(session: AsyncSession, work: Work, matching: Matching, now: datetime) -> None:
    """Resolve what this bill has and another day's had not: lines, and reversals of what we never had."""
    marks: dict[tuple[DifferenceDetail, date], list[str]] = {}
    for one in matching.suspensions:
        if one.ended_on is not None:
            detail = (
                DifferenceDetail.PAYMENT_ABSENT if one.kind == "payment" else DifferenceDetail.REFUND_ABSENT
            )
            marks.setdefault((detail, one.bill_date), []).append(mark_of(detail, one.tenant_id, one.number))
    if matching.reversed:
        for n in range(1, 8):  # a payment code can be reversed for seven days
            state = [mark_of(DifferenceDetail.STATE, *whose) for whose in matching.reversed]
            marks[DifferenceDetail.STATE, work.bill_date - DAY * n] = state
    for (detail, day), of_day in marks.items():
        which = recording.marks_of(KIND_OF[detail], [day], of_day)
        await recording.resolve(session, work.scope, Resolution.NEXT_BILL, now, *which)
