"""What comparing reads: a bill's lines, and our rows of their numbers; and how far it has come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Row,
    Select,
    SQLColumnExpression,
    and_,
    case,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from spcore.db.scope import ProviderScope
from sptenants.bills.models import Bill, BillLine
from sptenants.orders.disputes import AnomalyKind
from sptenants.orders.models import AnomalyRow, Attempt, Order
from sptenants.orders.states import AttemptState, OrderStatus
from sptenants.orders.sums import DAY, midnight
from sptenants.reconciliation.entries import REVOKED, Key, Line, OurPayment, OurRefund
from sptenants.reconciliation.fees import RateSum
from sptenants.refunds.models import Refund
from sptenants.refunds.states import RefundStatus
from sptenants.registry.models import Tenant
from wechatpay.bills import BillKind, Rate

BILLS, LINES = table_of(Bill), table_of(BillLine)
_ATTEMPTS, _ORDERS, _REFUNDS = table_of(Attempt), table_of(Order), table_of(Refund)
_ANOMALIES = table_of(AnomalyRow)

_LINE_COLUMNS = tuple(LINES.c[field.name] for field in fields(Line))
IS_REVERSAL = LINES.c.state == REVOKED
IS_REFUND = and_(
    LINES.c.state != REVOKED, or_(LINES.c.out_refund_no.is_not(None), LINES.c.refund_id.is_not(None))
)


@dataclass(frozen=True, slots=True)
class Work:
    """The bill that is compared: one edition of it, and all tenants or the one that it is about."""

    scope: ProviderScope
    bill_id: str
    edition: int
    bill_date: date
    mch_id: str
    tenant_id: str | None

    @property
    def begin(self) -> datetime:
        return midnight(self.bill_date)

    @property
    def end(self) -> datetime:
        return midnight(self.bill_date + DAY)

    def of_bill(self) -> tuple[ColumnElement[bool], ...]:
        """Return the condition of this edition's lines."""
        return (
            LINES.c.provider_id == self.scope.provider_id,
            LINES.c.bill_date == self.bill_date,
            LINES.c.bill_id == self.bill_id,
            LINES.c.edition == self.edition,
        )

    def of_tenant(self, column: SQLColumnExpression[Any]) -> tuple[ColumnElement[bool], ...]:
        return () if self.tenant_id is None else (column == self.tenant_id,)


async def lines_after(
    session: AsyncSession, work: Work, after: str | None, limit: int
) -> tuple[list[Line], str | None]:
    """Return lines in the order of their numbers, behind a number: some `limit`, all those of a number.

    Empty numbers come first; `after` None begins with them. The second value is the last number that was
    looked at, None behind the last one.
    """
    query = _lines(work).order_by(LINES.c.out_trade_no, LINES.c.number).limit(limit)
    if after is not None:
        query = query.where(LINES.c.out_trade_no > after)
    rows = (await session.execute(query)).all()
    if not rows:
        return [], None
    last: str = rows[-1].out_trade_no
    if len(rows) == limit:
        whole = [row for row in rows if row.out_trade_no != last]
        if not whole:
            return await lines_of(session, work, [last]), last
        rows, last = whole, whole[-1].out_trade_no
    return _of_bill(work, rows), last


async def lines_of(session: AsyncSession, work: Work, numbers: Collection[str]) -> list[Line]:
    """Return all lines of some numbers, in the order of the bill."""
    query = _lines(work).where(LINES.c.out_trade_no.in_(numbers)).order_by(LINES.c.number)
    return _of_bill(work, (await session.execute(query)).all())


def _lines(work: Work) -> Select[Any]:
    """Return the query of a day's lines by number, whichever bill has them.

    A new bill is unknown to PostgreSQL's statistics: told of the bill as well, it would read all of it each
    time instead of finding a few numbers by their index.
    """
    return select(LINES.c.bill_id, LINES.c.edition, *_LINE_COLUMNS).where(
        LINES.c.provider_id == work.scope.provider_id, LINES.c.bill_date == work.bill_date
    )


def _of_bill(work: Work, rows: Sequence[Any]) -> list[Line]:
    return [Line(*row[2:]) for row in rows if (row.bill_id, row.edition) == (work.bill_id, work.edition)]


async def payments_of(session: AsyncSession, work: Work, numbers: Collection[str]) -> list[OurPayment]:
    """Return our attempts by number, whatever became of them.

    An outer join, though every attempt has its order: SQLite would begin with all orders of the provider.
    """
    names = ("out_trade_no", "tenant_id", "order_id", "state", "amount", "transaction_id")
    query = (
        select(
            *(_ATTEMPTS.c[name] for name in names),
            _ORDERS.c.status,
            _ORDERS.c.paid_at,
            _ORDERS.c.transaction_id.label("first_transaction_id"),
        )
        .outerjoin(
            _ORDERS,
            and_(
                _ORDERS.c.provider_id == _ATTEMPTS.c.provider_id,
                _ORDERS.c.tenant_id == _ATTEMPTS.c.tenant_id,
                _ORDERS.c.id == _ATTEMPTS.c.order_id,
            ),
        )
        .where(_ATTEMPTS.c.provider_id == work.scope.provider_id, _ATTEMPTS.c.out_trade_no.in_(numbers))
    )
    rows = (await session.execute(query)).all()
    second = {row.order_id for row in rows if _is_second(row)}
    again = await _second_payments(session, work, _ANOMALIES.c.order_id.in_(second)) if second else []
    when = {payment.transaction_id: payment.paid_at for payment in again}
    return [
        OurPayment(
            row.out_trade_no,
            row.tenant_id,
            row.order_id,
            row.status,
            row.amount,
            row.transaction_id,
            when.get(row.transaction_id, row.paid_at) if row.state == AttemptState.PAID.value else None,
        )
        for row in rows
    ]


def _is_second(row: Any) -> bool:
    return bool(row.state == AttemptState.PAID.value and row.transaction_id != row.first_transaction_id)


async def second_payments(session: AsyncSession, work: Work) -> list[OurPayment]:
    """Return what was paid once more on this day for orders that were paid already."""
    tenants = select(Tenant.id).where(Tenant.provider_id == work.scope.provider_id)
    found = await _second_payments(
        session,
        work,
        _ANOMALIES.c.tenant_id.in_(tenants)
        if work.tenant_id is None
        else _ANOMALIES.c.tenant_id == work.tenant_id,
        _ANOMALIES.c.raised_at >= work.begin,
    )
    return [one for one in found if one.paid_at is not None and work.begin <= one.paid_at < work.end]


async def _second_payments(
    session: AsyncSession, work: Work, *which: ColumnElement[bool]
) -> list[OurPayment]:
    """The anomaly is where the books say when a second payment was made, and how much."""
    query = select(
        _ANOMALIES.c.tenant_id, _ANOMALIES.c.order_id, _ANOMALIES.c.mark, _ANOMALIES.c.facts
    ).where(
        _ANOMALIES.c.provider_id == work.scope.provider_id,
        _ANOMALIES.c.kind == AnomalyKind.DOUBLE_PAYMENT.value,
        *which,
    )
    return [
        OurPayment(
            row.facts["out_trade_no"],
            row.tenant_id,
            row.order_id,
            OrderStatus.PAID.value,
            row.facts["amount"],
            row.mark,
            datetime.fromisoformat(row.facts["paid_at"]),
        )
        for row in await session.execute(query)
    ]


async def refunds_of(session: AsyncSession, work: Work, numbers: Collection[str]) -> list[OurRefund]:
    """Return our refunds of some payments, by the payments' numbers; joined as in `payments_of`."""
    query = (
        select(*(_REFUNDS.c[field.name] for field in fields(OurRefund)))
        .select_from(_ATTEMPTS)
        .outerjoin(
            _REFUNDS,
            and_(
                _REFUNDS.c.provider_id == _ATTEMPTS.c.provider_id,
                _REFUNDS.c.tenant_id == _ATTEMPTS.c.tenant_id,
                _REFUNDS.c.order_id == _ATTEMPTS.c.order_id,
                _REFUNDS.c.out_trade_no == _ATTEMPTS.c.out_trade_no,
            ),
        )
        .where(_ATTEMPTS.c.provider_id == work.scope.provider_id, _ATTEMPTS.c.out_trade_no.in_(numbers))
    )
    return [
        OurRefund(**{**row._mapping, "status": RefundStatus(row.status)})
        for row in await session.execute(query)
        if row.id is not None
    ]


async def paid_after(
    session: AsyncSession, work: Work, after: tuple[datetime, str] | None, limit: int
) -> Sequence[Row[Any]]:
    """Return `paid_at`, `id` and `out_trade_no` of the day's payments in this order."""
    query = (
        select(_ORDERS.c.paid_at, _ORDERS.c.id, _ORDERS.c.out_trade_no)
        .where(
            _ORDERS.c.provider_id == work.scope.provider_id,
            _ORDERS.c.paid_at >= work.begin,
            _ORDERS.c.paid_at < work.end,
            *work.of_tenant(_ORDERS.c.tenant_id),
        )
        .order_by(_ORDERS.c.paid_at, _ORDERS.c.id)
        .limit(limit)
    )
    rows = await session.execute(_behind(query, _ORDERS.c.paid_at, _ORDERS.c.id, after))
    found: Sequence[Row[Any]] = rows.all()
    return found


async def accepted_after(
    session: AsyncSession, work: Work, after: tuple[datetime, str] | None, limit: int
) -> Sequence[Row[Any]]:
    """Return `accepted_at`, `id`, `out_trade_no`, `out_refund_no` of the day's refunds in this order."""
    columns = (_REFUNDS.c.accepted_at, _REFUNDS.c.id, _REFUNDS.c.out_trade_no, _REFUNDS.c.out_refund_no)
    query = (
        select(*columns)
        .where(
            _REFUNDS.c.provider_id == work.scope.provider_id,
            _REFUNDS.c.accepted_at >= work.begin,
            _REFUNDS.c.accepted_at < work.end,
            *work.of_tenant(_REFUNDS.c.tenant_id),
        )
        .order_by(_REFUNDS.c.accepted_at, _REFUNDS.c.id)
        .limit(limit)
    )
    rows = await session.execute(_behind(query, _REFUNDS.c.accepted_at, _REFUNDS.c.id, after))
    found: Sequence[Row[Any]] = rows.all()
    return found


def _behind(
    query: Select[Any], at: ColumnElement[Any], key: ColumnElement[Any], after: tuple[datetime, str] | None
) -> Select[Any]:
    if after is None:
        return query
    return query.where(at >= after[0], or_(at > after[0], key > after[1]))


async def named_in_bill(session: AsyncSession, work: Work, numbers: Collection[str]) -> set[tuple[str, str]]:
    """Return what the bill has of some payments: each number with an empty one, and with its refunds'."""
    refund_no = case((IS_REFUND, func.coalesce(LINES.c.out_refund_no, LINES.c.refund_id)), else_="")
    query = select(
        LINES.c.bill_id, LINES.c.edition, LINES.c.out_trade_no, refund_no.label("refund_no")
    ).where(
        LINES.c.provider_id == work.scope.provider_id,
        LINES.c.bill_date == work.bill_date,
        LINES.c.mch_id == work.mch_id,
        LINES.c.out_trade_no.in_(numbers),
    )
    return {
        (row.out_trade_no, row.refund_no)
        for row in await session.execute(query)
        if (row.bill_id, row.edition) == (work.bill_id, work.edition)
    }


async def elsewhere(
    session: AsyncSession, work: Work, numbers: Collection[str], days: Collection[date]
) -> dict[Key, set[date]]:
    """Return in which of other days' bills payments, and their refunds, stand."""
    query = (
        select(
            LINES.c.bill_date,
            LINES.c.out_trade_no,
            IS_REFUND.label("is_refund"),
            func.coalesce(LINES.c.out_refund_no, LINES.c.refund_id).label("refund_no"),
        )
        .join(
            BILLS,
            and_(
                BILLS.c.provider_id == LINES.c.provider_id,
                BILLS.c.id == LINES.c.bill_id,
                BILLS.c.loaded_edition == LINES.c.edition,
            ),
        )
        .where(
            LINES.c.provider_id == work.scope.provider_id,
            LINES.c.bill_date.in_(days),
            LINES.c.out_trade_no.in_(numbers),
            LINES.c.mch_id == work.mch_id,
            ~IS_REVERSAL,
        )
    )
    found: dict[Key, set[date]] = defaultdict(set)
    for row in await session.execute(query):
        key: Key = ("refund", row.refund_no) if row.is_refund else ("payment", row.out_trade_no)
        found[key].add(row.bill_date)
    return found


async def loaded(session: AsyncSession, work: Work, days: Collection[date]) -> frozenset[date]:
    """Return of which of these days there is a trade bill to look into."""
    query = select(BILLS.c.bill_date).where(
        BILLS.c.provider_id == work.scope.provider_id,
        BILLS.c.bill_date.in_(days),
        BILLS.c.kind == BillKind.TRADE.value,
        BILLS.c.loaded_edition > 0,
        or_(BILLS.c.tenant_id.is_(None), BILLS.c.tenant_id == work.tenant_id),
    )
    return frozenset(await session.scalars(query))


async def rate_sums(session: AsyncSession, work: Work, tenant_id: str) -> list[RateSum]:
    """Sum a tenant's payments in the bill by their rates."""
    query = (
        select(
            LINES.c.rate,
            func.count(),
            func.sum(LINES.c.settled),
            func.sum(LINES.c.fee),
        )
        .where(*work.of_bill(), LINES.c.tenant_id == tenant_id, ~IS_REVERSAL, ~IS_REFUND)
        .group_by(LINES.c.rate)
    )
    return [
        RateSum(None if rate is None else Rate(rate), lines, int(settled), int(fee))
        for rate, lines, settled, fee in await session.execute(query)
    ]


async def move_on(
    session: AsyncSession, work: Work, before: str | None, now: datetime, **values: Any
) -> bool:
    """Store how far comparing has come; False when another worker was there, or the edition is not this."""
    statement = (
        update(BILLS)
        .where(
            BILLS.c.provider_id == work.scope.provider_id,
            BILLS.c.id == work.bill_id,
            BILLS.c.loaded_edition == work.edition,
            BILLS.c.matched_to.is_not_distinct_from(before),
        )
        .values(updated_at=now, **values)
    )
    return cast("CursorResult[Any]", await session.execute(statement)).rowcount == 1
