"""Every statement on refunds and on the totals of their orders (rules M4, T4).

Whoever writes a refund holds its order's row first, so that reservations, moves and events of one order
happen one after the other; a state change is still conditional and says whether it won.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from spcore.db.scope import TenantScope
from spcore.outbox.writer import enqueue
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from sptenants.orders.models import Attempt, Order
from sptenants.orders.records import AttemptRecord, OrderRecord
from sptenants.orders.repository import ASK_EVERY, ORDERS, IllegalMove, insert_into
from sptenants.orders.states import OrderStatus
from sptenants.refunds.line import RefundCase
from sptenants.refunds.models import Refund
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.schemas import event_data
from sptenants.refunds.states import RELEASED, Approval, Purpose, RefundStatus, may_move
from sptenants.registry.models import Tenant
from wechatpay.money import Fen

REFUNDS = table_of(Refund)

_EVENTS = {
    RefundStatus.SUCCEEDED: "refund.succeeded",
    RefundStatus.REJECTED: "refund.rejected",
    RefundStatus.CLOSED: "refund.closed",
    RefundStatus.ABNORMAL: "refund.abnormal",
}


@dataclass(frozen=True, slots=True)
class Payment:
    """An order with the attempt that was paid (None before that), and where its notifications go."""

    provider: ProviderProfile
    order: OrderRecord
    attempt: AttemptRecord | None
    route_key: str


async def payment_of(session: AsyncSession, scope: TenantScope, order_id: str) -> Payment | None:
    """Return an order with its paid attempt; one statement."""
    return await _payment(session, scope, order_id, Attempt.transaction_id == Order.transaction_id)


async def payment_under(
    session: AsyncSession, scope: TenantScope, order_id: str, out_trade_no: str
) -> Payment | None:
    """The same with the attempt of this number, be it the one that paid the order or another one."""
    return await _payment(session, scope, order_id, Attempt.out_trade_no == out_trade_no)


async def _payment(
    session: AsyncSession, scope: TenantScope, order_id: str, which: ColumnElement[bool]
) -> Payment | None:
    query = (
        select(Order, Attempt, Provider, Tenant.route_key)
        .join(Provider, Provider.id == Order.provider_id)
        .join(Tenant, and_(Tenant.provider_id == Order.provider_id, Tenant.id == Order.tenant_id))
        .outerjoin(
            Attempt,
            and_(
                Attempt.provider_id == Order.provider_id,
                Attempt.tenant_id == Order.tenant_id,
                Attempt.order_id == Order.id,
                which,
            ),
        )
        .where(
            Order.provider_id == scope.provider_id, Order.tenant_id == scope.tenant_id, Order.id == order_id
        )
        .execution_options(populate_existing=True)
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        return None
    order, attempt, provider, route_key = found
    return Payment(
        ProviderProfile.of(provider),
        OrderRecord.of(order, provider.mode),
        # An outer join: an order that nobody paid has no paid attempt.
        AttemptRecord.of(attempt) if attempt is not None else None,
        route_key,
    )


async def case_of(session: AsyncSession, scope: TenantScope, refund_id: str) -> RefundCase | None:
    """Return a refund with its attempt and provider; one statement."""
    return await _one_case(session, _cases(scope).where(Refund.id == refund_id))


async def case_of_number(session: AsyncSession, scope: TenantScope, out_refund_no: str) -> RefundCase | None:
    """The same by the number WeChat knows; this tenant's only."""
    return await _one_case(session, _cases(scope).where(Refund.out_refund_no == out_refund_no))


async def case_of_merchant_no(session: AsyncSession, scope: TenantScope, number: str) -> RefundCase | None:
    """The same by the merchant's own number."""
    return await _one_case(session, _cases(scope).where(Refund.merchant_refund_no == number))


def _cases(scope: TenantScope) -> Select[Refund, Attempt, Provider]:
    return (
        select(Refund, Attempt, Provider)
        .join(
            Attempt,
            and_(
                Attempt.provider_id == Refund.provider_id,
                Attempt.tenant_id == Refund.tenant_id,
                Attempt.out_trade_no == Refund.out_trade_no,
            ),
        )
        .join(Provider, Provider.id == Refund.provider_id)
        .where(Refund.provider_id == scope.provider_id, Refund.tenant_id == scope.tenant_id)
        .execution_options(populate_existing=True)
    )


async def _one_case(session: AsyncSession, query: Select[Refund, Attempt, Provider]) -> RefundCase | None:
    found = (await session.execute(query)).one_or_none()
    if found is None:
        return None
    refund, attempt, provider = found
    return RefundCase(
        ProviderProfile.of(provider), RefundRecord.of(refund, provider.mode), AttemptRecord.of(attempt)
    )


async def numbers_of(session: AsyncSession, scope: TenantScope, order_id: str) -> frozenset[str]:
    """Return the refund numbers that are known of an order."""
    query = select(Refund.out_refund_no).where(
        Refund.tenant_id == scope.tenant_id, Refund.order_id == order_id
    )
    return frozenset(await session.scalars(query))


async def lock_order(session: AsyncSession, scope: TenantScope, order_id: str) -> OrderRecord:
    """Hold an order's row until the transaction ends, and return the order as it is.

    SQLite ignores FOR UPDATE: its writing transactions exclude each other from their beginning.
    """
    query = (
        select(Order, Provider.mode)
        .join(Provider, Provider.id == Order.provider_id)
        .where(
            Order.provider_id == scope.provider_id, Order.tenant_id == scope.tenant_id, Order.id == order_id
        )
        .with_for_update(of=Order)
        .execution_options(populate_existing=True)
    )
    order, mode = (await session.execute(query)).one()
    return OrderRecord.of(order, mode)


async def reserve(
    session: AsyncSession, order: OrderRecord, amount: int, now: datetime
) -> OrderRecord | None:
    """Set `amount` aside on a paid order; None when that is more than what is left (M4, F01, F02)."""
    refunded, refunding = ORDERS.c.refunded_amount, ORDERS.c.refunding_amount
    statement = (
        update(ORDERS)
        .where(
            ORDERS.c.tenant_id == order.tenant_id,
            ORDERS.c.id == order.id,
            ORDERS.c.status == OrderStatus.PAID.value,
            refunded + refunding + amount <= ORDERS.c.amount,
        )
        .values(refunding_amount=refunding + amount, updated_at=now)
    )
    return await _changed(session, order, statement)


async def count_of(session: AsyncSession, scope: TenantScope, transaction_id: str) -> int:
    """Return how many refunds of a payment WeChat may have counted; those it refused it has not."""
    query = (
        select(func.count())
        .select_from(REFUNDS)
        .where(
            REFUNDS.c.tenant_id == scope.tenant_id,
            REFUNDS.c.transaction_id == transaction_id,
            REFUNDS.c.status != RefundStatus.REJECTED.value,
        )
    )
    return (await session.scalar(query)) or 0


async def has_live_duplicate(session: AsyncSession, scope: TenantScope, transaction_id: str) -> bool:
    """Say whether a second payment is being given back, or was."""
    query = select(REFUNDS.c.id).where(
        REFUNDS.c.tenant_id == scope.tenant_id,
        REFUNDS.c.transaction_id == transaction_id,
        REFUNDS.c.purpose == Purpose.DUPLICATE.value,
        REFUNDS.c.status.not_in([status.value for status in RELEASED]),
    )
    return (await session.execute(query)).first() is not None


async def was_sent_any(session: AsyncSession, scope: TenantScope, out_trade_no: str) -> bool:
    """Say whether WeChat may have a refund of this attempt that is known here."""
    unsent = (RefundStatus.REQUESTED.value, RefundStatus.REJECTED.value)
    query = select(REFUNDS.c.id).where(
        REFUNDS.c.tenant_id == scope.tenant_id,
        REFUNDS.c.out_trade_no == out_trade_no,
        REFUNDS.c.status.not_in(unsent),
    )
    return (await session.execute(query)).first() is not None


async def insert_refund(session: AsyncSession, row: dict[str, Any]) -> bool:
    """Store a new refund. False when the tenant already has its merchant_refund_no; nothing happened then."""
    statement = (
        insert_into(session, REFUNDS)
        .on_conflict_do_nothing(index_elements=["tenant_id", "merchant_refund_no"])
        .returning(REFUNDS.c.id)
    )
    return (await session.execute(statement, row)).scalar_one_or_none() is not None


async def insert_found(session: AsyncSession, row: dict[str, Any]) -> None:
    """Store a refund that was found at WeChat; its number must not be known yet."""
    await session.execute(insert(REFUNDS), [row])


async def is_in_flight(session: AsyncSession, refund: RefundRecord) -> bool:
    """Say whether another refund of the same payment was sent and not answered for sure (R1)."""
    query = select(REFUNDS.c.id).where(
        REFUNDS.c.tenant_id == refund.tenant_id,
        REFUNDS.c.transaction_id == refund.transaction_id,
        REFUNDS.c.status == RefundStatus.SUBMITTING.value,
    )
    return (await session.execute(query)).first() is not None


async def wake_waiting(session: AsyncSession, refund: RefundRecord, now: datetime) -> None:
    """Have refunds that waited for this one sent now."""
    await session.execute(
        update(REFUNDS)
        .where(
            REFUNDS.c.tenant_id == refund.tenant_id,
            REFUNDS.c.transaction_id == refund.transaction_id,
            REFUNDS.c.status == RefundStatus.REQUESTED.value,
            REFUNDS.c.approval != Approval.WAITING.value,
            or_(REFUNDS.c.leased_until.is_(None), REFUNDS.c.leased_until <= now),
        )
        .values(next_check_at=now)
    )


async def move(
    session: AsyncSession,
    order: OrderRecord,
    refund: RefundRecord,
    after: RefundStatus,
    now: datetime,
    **changes: Any,
) -> RefundRecord | None:
    """Take `refund` from the state it was read in to `after`, with the order's totals and its event.

    None when somebody was faster. `order` must be held by `lock_order`; `changes` are further columns. Ends
    the refund's lease unless `changes` say otherwise. Raises IllegalMove for a move that failure catalogue
    2.3 does not have.
    """
    if not may_move(refund.status, after):
        raise IllegalMove(f"{refund.id}: {refund.status} -> {after}")
    changes = {
        "status": after,
        "state_since": now,
        "checks": 0,
        "updated_at": now,
        "leased_by": None,
        "leased_until": None,
        **changes,
    }
    if not await _update(session, refund, {**changes, "status": after.value}):
        return None
    moved = replace(refund, **changes)
    if after in _EVENTS:
        told = await _settle_totals(session, order, moved, now)
        await enqueue(
            session,
            refund.scope,
            type=_EVENTS[after],
            subject=order.id,
            sequence=told.event_sequence,
            payload=event_data(moved, told),
            now=now,
        )
    return moved


async def _settle_totals(
    session: AsyncSession, order: OrderRecord, refund: RefundRecord, now: datetime
) -> OrderRecord:
    """Book a refund's end on its order, and count the order's events up, in one statement."""
    changes: dict[str, Any] = {"event_sequence": ORDERS.c.event_sequence + 1, "updated_at": now}
    if refund.purpose is Purpose.ORDER and refund.is_final:
        changes["refunding_amount"] = ORDERS.c.refunding_amount - refund.amount.value
        if refund.status is RefundStatus.SUCCEEDED:
            changes["refunded_amount"] = ORDERS.c.refunded_amount + refund.amount.value
    statement = update(ORDERS).where(
        ORDERS.c.tenant_id == order.tenant_id,
        ORDERS.c.id == order.id,
        ORDERS.c.status == OrderStatus.PAID.value,
    )
    told = await _changed(session, order, statement.values(**changes))
    if told is None:
        raise RuntimeError(f"{order.id} has a refund and is not paid")
    return told


async def _changed(session: AsyncSession, order: OrderRecord, statement: Any) -> OrderRecord | None:
    totals = (ORDERS.c.refunded_amount, ORDERS.c.refunding_amount, ORDERS.c.event_sequence)
    row = (await session.execute(statement.returning(*totals))).one_or_none()
    if row is None:
        return None
    return replace(
        order,
        refunded_amount=Fen(row.refunded_amount),
        refunding_amount=Fen(row.refunding_amount),
        event_sequence=row.event_sequence,
    )


async def touch(
    session: AsyncSession, refund: RefundRecord, now: datetime, **changes: Any
) -> RefundRecord | None:
    """Change columns of a refund that stays in its state, ending its lease; None when it moved meanwhile."""
    changes = {"updated_at": now, "leased_by": None, "leased_until": None, **changes}
    return replace(refund, **changes) if await _update(session, refund, changes) else None


async def decide(
    session: AsyncSession, refund: RefundRecord, approval: Approval, by: str, now: datetime
) -> RefundRecord | None:
    """Store what a second person said; None when somebody had decided before (F07)."""
    changes: dict[str, Any] = {
        "approval": approval,
        "approved_by": by,
        "next_check_at": now,
        "updated_at": now,
    }
    statement = (
        update(REFUNDS)
        .where(
            REFUNDS.c.tenant_id == refund.tenant_id,
            REFUNDS.c.id == refund.id,
            REFUNDS.c.status == RefundStatus.REQUESTED.value,
            REFUNDS.c.approval == Approval.WAITING.value,
        )
        .values(**{**changes, "approval": approval.value})
        .returning(REFUNDS.c.id)
    )
    if (await session.execute(statement)).scalar_one_or_none() is None:
        return None
    return replace(refund, **changes)


async def _update(session: AsyncSession, refund: RefundRecord, changes: dict[str, Any]) -> bool:
    statement = (
        update(REFUNDS)
        .where(
            REFUNDS.c.tenant_id == refund.tenant_id,
            REFUNDS.c.id == refund.id,
            REFUNDS.c.status == refund.status.value,
        )
        .values(**changes)
        .returning(REFUNDS.c.id)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def claim(
    session: AsyncSession, refund: RefundRecord, by: str, until: datetime, now: datetime, *, asked: bool
) -> bool:
    """Take the lease of a refund, so that nobody else works on it; False when somebody does, or just did.

    `asked` also counts it as a query on request, of which there is one every three seconds at most.
    """
    statement = update(REFUNDS).where(
        REFUNDS.c.tenant_id == refund.tenant_id,
        REFUNDS.c.id == refund.id,
        REFUNDS.c.status == refund.status.value,
        # Whoever was at work since the refund was read has set another time for the next look.
        REFUNDS.c.next_check_at.is_not_distinct_from(refund.next_check_at),
        or_(REFUNDS.c.leased_until.is_(None), REFUNDS.c.leased_until <= now),
    )
    values: dict[str, Any] = {"leased_by": by, "leased_until": until}
    if asked:
        rested = or_(REFUNDS.c.asked_at.is_(None), REFUNDS.c.asked_at <= now - ASK_EVERY)
        statement, values = statement.where(rested), values | {"asked_at": now}
    done = await session.execute(statement.values(**values).returning(REFUNDS.c.id))
    return done.scalar_one_or_none() is not None


async def postpone(session: AsyncSession, refund: RefundRecord, until: datetime) -> None:
    """Have a due refund looked at later, unless somebody is looking at it."""
    await session.execute(
        update(REFUNDS)
        .where(
            REFUNDS.c.tenant_id == refund.tenant_id,
            REFUNDS.c.id == refund.id,
            REFUNDS.c.next_check_at == refund.next_check_at,
        )
        .values(next_check_at=until)
    )


async def order_of(session: AsyncSession, refund: RefundRecord) -> OrderRecord:
    """Hold and return the order of a refund; see `lock_order`."""
    return await lock_order(session, refund.scope, refund.order_id)


def row_of(refund: RefundRecord) -> dict[str, Any]:
    """Return a refund as a row for an INSERT."""
    fields = {column.name: getattr(refund, column.name) for column in REFUNDS.columns}
    return fields | {
        "amount": refund.amount.value,
        "total": refund.total.value,
        "status": refund.status.value,
        "purpose": refund.purpose.value,
        "approval": refund.approval.value,
    }
