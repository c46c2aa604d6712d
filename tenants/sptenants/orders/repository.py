"""Every statement on orders and attempts. State changes are conditional and say whether they won (T4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from spcore.db.scope import TenantScope
from spcore.outbox.writer import enqueue
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from sptenants.orders import timeline
from sptenants.orders.line import Case
from sptenants.orders.models import Attempt, IdempotencyRecord, Order, TimelineEntry
from sptenants.orders.records import AttemptRecord, OrderRecord
from sptenants.orders.schedule import close_due_at
from sptenants.orders.schemas import order_object
from sptenants.orders.states import AttemptState, OrderStatus, may_move
from sptenants.orders.timeline import Note

ORDERS = table_of(Order)
ATTEMPTS = table_of(Attempt)
_TIMELINE = table_of(TimelineEntry)
_IDEMPOTENCY = table_of(IdempotencyRecord)

ASK_EVERY = timedelta(seconds=3)
"""How often one order may be asked about on request (failure catalogue 2.4)."""

_EVENTS = {
    OrderStatus.PAID: "payment.succeeded",
    OrderStatus.CLOSED: "order.closed",
    OrderStatus.FAILED: "order.failed",
}


class IllegalMove(RuntimeError):
    """A move between states that the table does not have. Always a bug; nothing was executed."""


def scope_of(order: OrderRecord) -> TenantScope:
    """Return the scope of the tenant an order belongs to."""
    return TenantScope(order.provider_id, order.tenant_id)


def insert_into(session: AsyncSession, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT that knows ON CONFLICT, for the database in use."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


async def insert_order(session: AsyncSession, row: dict[str, Any]) -> bool:
    """Store a new order. False when the tenant already has its merchant_order_no; nothing happened then.

    Waits for a transaction that is storing the same number at this moment.
    """
    statement = (
        insert_into(session, ORDERS)
        .on_conflict_do_nothing(index_elements=["tenant_id", "merchant_order_no"])
        .returning(ORDERS.c.id)
    )
    return (await session.execute(statement, row)).scalar_one_or_none() is not None


async def insert_attempt(session: AsyncSession, row: dict[str, Any]) -> None:
    """Store a new attempt; a second payable one of the same order violates a constraint (I2, INV 6)."""
    await session.execute(insert(ATTEMPTS), [row])


async def insert_notes(
    session: AsyncSession, order: OrderRecord, now: datetime, notes: Sequence[Note]
) -> None:
    """Add entries to the order's timeline, in their order."""
    if notes:
        rows = timeline.rows(order.provider_id, order.tenant_id, order.id, now, notes)
        await session.execute(insert(_TIMELINE), rows)


async def remember_key(session: AsyncSession, row: dict[str, Any]) -> IdempotencyRecord | None:
    """Store which order an Idempotency-Key makes, or return the record that is already there."""
    scope = {"tenant_id": row["tenant_id"], "route": row["route"], "key": row["key"]}
    statement = (
        insert_into(session, _IDEMPOTENCY)
        .on_conflict_do_nothing(index_elements=list(scope))
        .returning(_IDEMPOTENCY.c.key)
    )
    if (await session.execute(statement, row)).scalar_one_or_none() is not None:
        return None
    return (
        await session.scalars(
            select(IdempotencyRecord).where(
                IdempotencyRecord.tenant_id == scope["tenant_id"],
                IdempotencyRecord.route == scope["route"],
                IdempotencyRecord.key == scope["key"],
            )
        )
    ).one()


async def case_of(session: AsyncSession, scope: TenantScope, order_id: str) -> Case | None:
    """Return an order with its latest attempt and its provider; one statement."""
    query = _cases(scope, Attempt.out_trade_no == Order.out_trade_no).where(Order.id == order_id)
    return await _one_case(session, query)


async def case_of_merchant_no(session: AsyncSession, scope: TenantScope, number: str) -> Case | None:
    """The same, by the merchant's own number."""
    query = _cases(scope, Attempt.out_trade_no == Order.out_trade_no).where(Order.merchant_order_no == number)
    return await _one_case(session, query)


async def case_of_out_trade_no(session: AsyncSession, scope: TenantScope, number: str) -> Case | None:
    """The same with the very attempt that has this number, be it the latest or not; this tenant's only."""
    query = _cases(scope, Attempt.order_id == Order.id).where(Attempt.out_trade_no == number)
    return await _one_case(session, query)


def _cases(scope: TenantScope, link: ColumnElement[bool]) -> Select[Order, Attempt, Provider]:
    return (
        select(Order, Attempt, Provider)
        .join(Provider, Provider.id == Order.provider_id)
        .outerjoin(
            Attempt,
            and_(Attempt.provider_id == Order.provider_id, Attempt.tenant_id == Order.tenant_id, link),
        )
        .where(Order.provider_id == scope.provider_id, Order.tenant_id == scope.tenant_id)
        .execution_options(populate_existing=True)
    )


async def _one_case(session: AsyncSession, query: Select[Order, Attempt, Provider]) -> Case | None:
    found = (await session.execute(query)).one_or_none()
    if found is None:
        return None
    order, attempt, provider = found
    return Case(
        ProviderProfile.of(provider),
        OrderRecord.of(order, provider.mode),
        # An outer join: there is no attempt before the first one.
        AttemptRecord.of(attempt) if attempt is not None else None,
    )


async def move(
    session: AsyncSession,
    order: OrderRecord,
    after: OrderStatus,
    now: datetime,
    *,
    event: dict[str, Any] | None = None,
    **changes: Any,
) -> OrderRecord | None:
    """Take `order` from the state it was read in to `after`, with its event; None when somebody was faster.

    `changes` are further columns; `event` further members of the event's data. Ends the order's lease.
    Raises IllegalMove for a move that failure catalogue 2.2 does not have.
    """
    if not may_move(order.status, after):
        raise IllegalMove(f"{order.id}: {order.status} -> {after}")
    changes = {
        **changes,
        "status": after,
        "state_since": now,
        "checks": 0,
        "updated_at": now,
        "leased_by": None,
        "leased_until": None,
        "event_sequence": order.event_sequence + (1 if after in _EVENTS else 0),
    }
    statement = (
        update(ORDERS)
        .where(
            ORDERS.c.tenant_id == order.tenant_id,
            ORDERS.c.id == order.id,
            ORDERS.c.status == order.status.value,
        )
        .values(**{**changes, "status": after.value})
        .returning(ORDERS.c.id)
    )
    if (await session.execute(statement)).scalar_one_or_none() is None:
        return None
    moved = replace(order, **changes)
    if after in _EVENTS:
        await enqueue(
            session,
            scope_of(order),
            type=_EVENTS[after],
            subject=order.id,
            sequence=moved.event_sequence,
            payload=order_object(moved) | (event or {}),
            now=now,
        )
    return moved


async def note_anomaly(
    session: AsyncSession, order: OrderRecord, anomaly: str, weaker: Sequence[str], now: datetime
) -> bool:
    """Flag the order unless it already bears this flag or a graver one; say whether it changed."""
    statement = (
        update(ORDERS)
        .where(
            ORDERS.c.tenant_id == order.tenant_id,
            ORDERS.c.id == order.id,
            or_(ORDERS.c.anomaly.is_(None), ORDERS.c.anomaly.in_(weaker)),
        )
        .values(anomaly=anomaly, updated_at=now)
        .returning(ORDERS.c.id)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def ask_to_close(session: AsyncSession, order: OrderRecord, now: datetime) -> OrderRecord | None:
    """Store the wish to close an order, and have it looked at in time; None when it moved meanwhile.

    Leaves a lease alone: whoever holds it goes on, and sees the wish when it reads the order again.
    """
    wished = replace(order, close_requested_at=order.close_requested_at or now, updated_at=now)
    due = max(close_due_at(wished), now)
    if wished.next_check_at is not None:
        due = min(wished.next_check_at, due)
    wished = replace(wished, next_check_at=due)
    statement = (
        update(ORDERS)
        .where(
            ORDERS.c.tenant_id == order.tenant_id,
            ORDERS.c.id == order.id,
            ORDERS.c.status == order.status.value,
        )
        .values(close_requested_at=wished.close_requested_at, next_check_at=due, updated_at=now)
        .returning(ORDERS.c.id)
    )
    if (await session.execute(statement)).scalar_one_or_none() is None:
        return None
    return wished


async def claim(
    session: AsyncSession, order: OrderRecord, by: str, until: datetime, now: datetime, *, asked: bool
) -> bool:
    """Take the lease of an order, so that nobody else works on it; False when somebody does, or just did.

    `asked` also counts it as a query on request, of which there is one every three seconds at most.
    """
    free = or_(ORDERS.c.leased_until.is_(None), ORDERS.c.leased_until <= now)
    statement = update(ORDERS).where(
        ORDERS.c.tenant_id == order.tenant_id,
        ORDERS.c.id == order.id,
        ORDERS.c.status == order.status.value,
        # Whoever was at work since the order was read has set another time for the next look.
        ORDERS.c.next_check_at.is_not_distinct_from(order.next_check_at),
        free,
    )
    values: dict[str, Any] = {"leased_by": by, "leased_until": until}
    if asked:
        rested = or_(ORDERS.c.asked_at.is_(None), ORDERS.c.asked_at <= now - ASK_EVERY)
        statement, values = statement.where(rested), values | {"asked_at": now}
    done = await session.execute(statement.values(**values).returning(ORDERS.c.id))
    return done.scalar_one_or_none() is not None


async def postpone(session: AsyncSession, order: OrderRecord, until: datetime) -> None:
    """Have a due order looked at later, unless somebody is looking at it."""
    await session.execute(
        update(ORDERS)
        .where(
            ORDERS.c.tenant_id == order.tenant_id,
            ORDERS.c.id == order.id,
            ORDERS.c.next_check_at == order.next_check_at,
        )
        .values(next_check_at=until)
    )


async def touch(
    session: AsyncSession, order: OrderRecord, now: datetime, **changes: Any
) -> OrderRecord | None:
    """Change columns of an order that stays in its state, ending its lease; None when it moved meanwhile."""
    changes = {**changes, "updated_at": now, "leased_by": None, "leased_until": None}
    statement = (
        update(ORDERS)
        .where(
            ORDERS.c.tenant_id == order.tenant_id,
            ORDERS.c.id == order.id,
            ORDERS.c.status == order.status.value,
        )
        .values(**changes)
        .returning(ORDERS.c.id)
    )
    if (await session.execute(statement)).scalar_one_or_none() is None:
        return None
    return replace(order, **changes)


async def move_attempt(
    session: AsyncSession,
    order: OrderRecord,
    out_trade_no: str,
    before: Sequence[AttemptState],
    **changes: Any,
) -> bool:
    """Change an attempt that is in one of the states `before`; say whether it was."""
    statement = (
        update(ATTEMPTS)
        .where(
            ATTEMPTS.c.tenant_id == order.tenant_id,
            ATTEMPTS.c.out_trade_no == out_trade_no,
            ATTEMPTS.c.order_id == order.id,
            ATTEMPTS.c.state.in_([state.value for state in before]),
        )
        .values(**changes)
        .returning(ATTEMPTS.c.out_trade_no)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None
