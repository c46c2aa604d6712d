"""Both sides of a day, tenant by tenant: sums made by the database, and the terms between them.

Sums are made in pieces, so that no statement runs long on a day of millions. The terms come from what was
written down alone: of every number with a difference, what both sides have of it now; and what moved between
this day's bill and its neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TypeAlias

from sqlalchemy import and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from sptenants.orders.models import Order
from sptenants.orders.sums import day_of
from sptenants.reconciliation import repository, suspending
from sptenants.reconciliation.entries import REVOKED, Line, OurPayment, OurRefund, Suspension
from sptenants.reconciliation.proving import Sides, Terms
from sptenants.reconciliation.recording import DIFFERENCES
from sptenants.reconciliation.repository import IS_REFUND, LINES, Work
from sptenants.reconciliation.states import DifferenceDetail, DifferenceState
from sptenants.refunds.models import Refund

LINES_AT_ONCE = 250_000
NUMBERS_AT_ONCE = 500
_HOUR = timedelta(hours=1)
_ORDERS, _REFUNDS = table_of(Order), table_of(Refund)
_NO_MONEY = (DifferenceDetail.FEE.value, DifferenceDetail.RATE.value)
_OPEN = DifferenceState.OPEN.value

BySide: TypeAlias = dict[str, Sides]
"""A day's sides by tenant."""
_Item: TypeAlias = tuple[str, str, str]
"""A tenant's payment by its number, or a refund by both numbers."""


async def sides_of(session: AsyncSession, work: Work, lines: int) -> BySide:
    """Return the day of every tenant that has any side of it; `lines` is how many the bill has."""
    found: BySide = defaultdict(Sides)
    await _sum_bill(session, work, lines, found)
    again = await repository.second_payments(session, work)
    await _sum_ours(session, work, again, found)
    moved = await suspending.crossing(session, work.scope, work.bill_date, work.tenant_id)
    explained = await _explain_differences(session, work, again, moved, found)
    _explain_moved(work, moved, explained, found)
    await _count_waiting(session, work, moved, found)
    await _count_differences(session, work, found)
    return dict(found)


async def _sum_bill(session: AsyncSession, work: Work, lines: int, found: BySide) -> None:
    is_reversal = LINES.c.state == REVOKED
    taken_back = case(
        (LINES.c.total != 0, func.abs(LINES.c.total)),
        (LINES.c.refund_applied != 0, LINES.c.refund_applied),
        else_=LINES.c.refund_amount,
    )
    settled_back = case((LINES.c.refund_amount != 0, LINES.c.refund_amount), else_=LINES.c.settled)
    sums = (
        case((is_reversal, -1), (IS_REFUND, 0), else_=1),
        case((is_reversal, -taken_back), (IS_REFUND, 0), else_=LINES.c.total),
        case((IS_REFUND, 1), else_=0),
        case((IS_REFUND, LINES.c.refund_applied), else_=0),
        case((is_reversal, -settled_back), (IS_REFUND, 0), else_=LINES.c.settled),
        LINES.c.fee,
    )
    for first in range(0, lines + 1, LINES_AT_ONCE):
        query = (
            select(LINES.c.tenant_id, *(func.sum(one) for one in sums))
            .where(
                LINES.c.provider_id == work.scope.provider_id,
                LINES.c.bill_id == work.bill_id,
                LINES.c.edition == work.edition,
                LINES.c.number >= first,
                LINES.c.number < first + LINES_AT_ONCE,
                LINES.c.tenant_id.is_not(None),
                *work.of_tenant(LINES.c.tenant_id),
            )
            .group_by(LINES.c.tenant_id)
        )
        for tenant_id, *row in await session.execute(query):
            paid, paid_fen, refunded, refunded_fen, settled, fee = (int(value) for value in row)
            sides = found[tenant_id]
            sides.payments.theirs.add(paid, paid_fen)
            sides.refunds.theirs.add(refunded, refunded_fen)
            sides.settled += settled
            sides.fee += fee


async def _sum_ours(session: AsyncSession, work: Work, again: Iterable[OurPayment], found: BySide) -> None:
    """Sum what was paid, second payments too, and which refunds were accepted."""
    for table, at, side in (
        (_ORDERS, _ORDERS.c.paid_at, "payments"),
        (_REFUNDS, _REFUNDS.c.accepted_at, "refunds"),
    ):
        for n in range(24):
            begin = work.begin + n * _HOUR
            query = (
                select(table.c.tenant_id, func.count(), func.sum(table.c.amount))
                .where(
                    table.c.provider_id == work.scope.provider_id,
                    at >= begin,
                    at < begin + _HOUR,
                    *work.of_tenant(table.c.tenant_id),
                )
                .group_by(table.c.tenant_id)
            )
            for tenant_id, count, amount in await session.execute(query):
                getattr(found[tenant_id], side).ours.add(count, int(amount))
    for payment in again:
        found[payment.tenant_id].payments.ours.add(1, payment.amount)


async def _explain_differences(
    session: AsyncSession,
    work: Work,
    again: Sequence[OurPayment],
    moved: Iterable[Suspension],
    found: BySide,
) -> set[_Item]:
    """Add what lies between both sides of every number with a difference; return what that is about."""
    elsewhere = {(one.tenant_id, *_numbers(one)): one for one in moved}
    explained: set[_Item] = set()
    after: str | None = None
    number = func.coalesce(DIFFERENCES.c.out_trade_no, "")
    while True:
        query = (
            select(number)
            .where(
                DIFFERENCES.c.provider_id == work.scope.provider_id,
                DIFFERENCES.c.bill_date == work.bill_date,
                DIFFERENCES.c.detail.not_in(_NO_MONEY),
            )
            .distinct()
            .order_by(number)
            .limit(NUMBERS_AT_ONCE)
        )
        numbers = list(await session.scalars(query if after is None else query.where(number > after)))
        if not numbers:
            return explained
        after = numbers[-1]
        explained |= await _explain(session, work, numbers, again, elsewhere, found)


async def _explain(
    session: AsyncSession,
    work: Work,
    numbers: Sequence[str],
    again: Sequence[OurPayment],
    elsewhere: Mapping[_Item, Suspension],
    found: BySide,
) -> set[_Item]:
    lines = await repository.lines_of(session, work, numbers)
    payments = await repository.payments_of(session, work, numbers)
    refunds = await repository.refunds_of(session, work, numbers)
    known = {payment.transaction_id for payment in payments}
    wanted = set(numbers)
    payments += [one for one in again if one.out_trade_no in wanted and one.transaction_id not in known]
    pairs: dict[_Item, _Pair] = defaultdict(_Pair)
    for line in lines:
        if line.tenant_id is not None:
            pairs[line.tenant_id, line.out_trade_no, line.refund_no].theirs(line)
    of_ours: list[OurPayment | OurRefund] = [*payments, *refunds]
    for one in of_ours:
        pairs[one.tenant_id, *_numbers(one)].ours(one, work)
    explained = {item for item in pairs if work.tenant_id in {None, item[0]}}
    for item in explained:
        sides = found[item[0]]
        pairs[item].explain(sides.refunds if item[2] else sides.payments, elsewhere.get(item))
    return explained


class _Pair:
    """What both sides have of one payment or refund."""

    def __init__(self) -> None:
        self._lines = self._line_count = self._line_fen = 0
        self._count = self._fen = self._other_day = 0

    def theirs(self, line: Line) -> None:
        self._lines += 1
        self._line_count += -1 if line.is_reversal else 1
        self._line_fen += line.refund_applied if line.is_refund else line.paid

    def ours(self, one: OurPayment | OurRefund, work: Work) -> None:
        at = one.accepted_at if isinstance(one, OurRefund) else one.paid_at
        if at is None:
            return
        if day_of(at) == work.bill_date:
            self._count += 1
            self._fen += one.amount
        else:
            self._other_day += 1

    def explain(self, terms: Terms, moved: Suspension | None) -> None:
        if self._lines and self._count:
            terms.differing.add(self._line_count - self._count, self._line_fen - self._fen)
        elif self._lines:
            term = terms.shifted_in if self._other_day else terms.missing_here
            term.add(self._line_count, self._line_fen)
        elif self._count:
            term = terms.missing_there
            if moved is not None:
                term = terms.suspended if moved.ended_on is None else terms.shifted_out
            term.add(self._count, self._fen)


def _numbers(one: Suspension | OurPayment | OurRefund) -> tuple[str, str]:
    """Return the payment's number and the refund's, which is empty for the payment itself."""
    match one:
        case Suspension():
            return one.out_trade_no, one.number if one.kind == "refund" else ""
        case OurRefund():
            return one.out_trade_no, one.out_refund_no
        case _:
            return one.out_trade_no, ""


def _explain_moved(work: Work, moved: Iterable[Suspension], explained: set[_Item], found: BySide) -> None:
    """Add what stands in another day's bill, or still waits for one, without being a difference."""
    for one in moved:
        if (one.tenant_id, *_numbers(one)) in explained:
            continue
        sides = found[one.tenant_id]
        terms = sides.refunds if one.kind == "refund" else sides.payments
        if one.bill_date != work.bill_date:
            terms.shifted_in.add(1, one.amount)
        elif one.ended_on is None:
            terms.suspended.add(1, one.amount)
        elif one.ended_on != work.bill_date:
            terms.shifted_out.add(1, one.amount)


async def _count_waiting(
    session: AsyncSession, work: Work, moved: Iterable[Suspension], found: BySide
) -> None:
    settling = await suspending.settling(session, work.scope, work.bill_date, work.tenant_id)
    crossing = (one for one in moved if one.bill_date == work.bill_date and one.ended_on is None)
    for one in (*settling, *crossing):
        found[one.tenant_id].waiting.add(1, one.amount)


async def _count_differences(session: AsyncSession, work: Work, found: BySide) -> None:
    is_open = DIFFERENCES.c.state == _OPEN
    unasked = and_(is_open, DIFFERENCES.c.tries == 0, DIFFERENCES.c.next_at.is_not(None))
    of_day = (
        DIFFERENCES.c.provider_id == work.scope.provider_id,
        DIFFERENCES.c.bill_date == work.bill_date,
    )
    query = (
        select(
            DIFFERENCES.c.tenant_id,
            func.count(),
            func.sum(case((is_open, 1), else_=0)),
            func.sum(case((unasked, 1), else_=0)),
        )
        .where(*of_day, DIFFERENCES.c.tenant_id.is_not(None), *work.of_tenant(DIFFERENCES.c.tenant_id))
        .group_by(DIFFERENCES.c.tenant_id)
    )
    for tenant_id, count, open_, waiting in await session.execute(query):
        sides = found[tenant_id]
        sides.found, sides.open, sides.unasked = count, int(open_), int(waiting)
    shared = select(func.coalesce(DIFFERENCES.c.out_trade_no, "")).where(
        *of_day, is_open, DIFFERENCES.c.detail == DifferenceDetail.OTHER_TENANT.value
    )
    numbers = set(await session.scalars(shared))
    if numbers:
        await _count_shared(session, work, numbers, found)


async def _count_shared(session: AsyncSession, work: Work, numbers: set[str], found: BySide) -> None:
    """Count open differences between two tenants for both; neither is told of the other's number."""
    involved: dict[str, set[str]] = defaultdict(set)
    for line in await repository.lines_of(session, work, numbers):
        if line.tenant_id is not None:
            involved[line.tenant_id].add(line.out_trade_no)
    for payment in await repository.payments_of(session, work, numbers):
        if payment.paid_at is not None and day_of(payment.paid_at) == work.bill_date:
            involved[payment.tenant_id].add(payment.out_trade_no)
    for tenant_id, theirs in involved.items():
        if work.tenant_id in {None, tenant_id}:
            found[tenant_id].withheld += len(theirs)
