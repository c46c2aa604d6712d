"""Every statement on orders and attempts. State changes are conditional and say whether they won (T4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    insert,
    inspect,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from spcore.db.base import Model, table_of
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
from wechatpay.money import Fen

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
    OrderStatus.REVOKED: "order.revoked",
}
_OPEN_ATTEMPT = (AttemptState.SUBMITTING.value, AttemptState.PAYABLE.value)


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
    await insert_notes_of(session, scope_of(order), order.id, now, notes)


async def insert_notes_of(
    session: AsyncSession, scope: TenantScope, order_id: str, now: datetime, notes: Sequence[Note]
) -> None:
    """The same for an order of which only the id is at hand."""
    if notes:
        rows = timeline.rows(scope.provider_id, scope.tenant_id, order_id, now, notes)
        await session.execute(insert(_TIMELINE), rows)


async def open_attempt(session: AsyncSession, order: OrderRecord) -> AttemptRecord | None:
    """Return the attempt of an order that may still be paid, be it the latest or not; one at most (I2)."""
    query = select(Attempt).where(
        Attempt.provider_id == order.provider_id,
        Attempt.tenant_id == order.tenant_id,
        Attempt.order_id == order.id,
        Attempt.state.in_(_OPEN_ATTEMPT),
    )
    found = (await session.scalars(query)).one_or_none()
    return None if found is None else AttemptRecord.of(found)


async def key_record(
    session: AsyncSession, scope: TenantScope, route: str, key: str
) -> IdempotencyRecord | None:
    """Return what an Idempotency-Key is tied to, None when it is new."""
    return (
        await session.scalars(
            select(IdempotencyRecord).where(
                IdempotencyRecord.tenant_id == scope.tenant_id,
                IdempotencyRecord.route == route,
                IdempotencyRecord.key == key,
            )
        )
    ).one_or_none()


async def remember_key(session: AsyncSession, row: dict[str, Any]) -> IdempotencyRecord | None:
    """Store which order an Idempotency-Key makes, or return the record that is already there."""
    statement = (
        insert_into(session, _IDEMPOTENCY)
        .on_conflict_do_nothing(index_elements=["tenant_id", "route", "key"])
        .returning(_IDEMPOTENCY.c.key)
    )
    if (await session.execute(statement, row)).scalar_one_or_none() is not None:
        return None
    scope = TenantScope(row["provider_id"], row["tenant_id"])
    return await key_record(session, scope, row["route"], row["key"])


async def case_of(session: AsyncSession, scope: TenantScope, order_id: str) -> Case | None:
    """Return an order with its latest attempt and its provider; one statement."""
    return await _one_case(session, _BY_ID, scope, order_id)


async def case_of_merchant_no(session: AsyncSession, scope: TenantScope, number: str) -> Case | None:
    """The same, by the merchant's own number."""
    return await _one_case(session, _BY_MERCHANT_NO, scope, number)


async def case_of_out_trade_no(session: AsyncSession, scope: TenantScope, number: str) -> Case | None:
    """The same with the very attempt that has this number, be it the latest or not; this tenant's only."""
    return await _one_case(session, _BY_OUT_TRADE_NO, scope, number)


class _Part:
    """The columns of one model within a row of several, without making a mapped object of them.

    Every order, notification and question reads a case, and three mapped objects cost more than the rest.
    """

    def __init__(self, model: type[Model], after: int) -> None:
        mapped = inspect(model).mapper.column_attrs
        self._names = tuple(attribute.key for attribute in mapped)
        self.columns = tuple(attribute.columns[0] for attribute in mapped)
        self._first, self.end = after, after + len(self.columns)

    def of(self, row: Row[Any]) -> Any:
        """Return this part's values under their names, as the model has them."""
        return SimpleNamespace(**dict(zip(self._names, row[self._first : self.end], strict=True)))


_ORDER = _Part(Order, 0)
_ATTEMPT = _Part(Attempt, _ORDER.end)
_PROVIDER = _Part(Provider, _ATTEMPT.end)


def _cases(link: ColumnElement[bool], wanted: InstrumentedAttribute[str]) -> Select[Any]:
    return (
        select(*_ORDER.columns, *_ATTEMPT.columns, *_PROVIDER.columns)
        .join_from(Order, Provider, Provider.id == Order.provider_id)
        .outerjoin(
            Attempt,
            and_(Attempt.provider_id == Order.provider_id, Attempt.tenant_id == Order.tenant_id, link),
        )
        .where(
            Order.provider_id == bindparam("provider_id"),
            Order.tenant_id == bindparam("tenant_id"),
            wanted == bindparam("wanted"),
        )
    )


_LATEST = Attempt.out_trade_no == Order.out_trade_no
_BY_ID = _cases(_LATEST, Order.id)
_BY_MERCHANT_NO = _cases(_LATEST, Order.merchant_order_no)
_BY_OUT_TRADE_NO = _cases(Attempt.order_id == Order.id, Attempt.out_trade_no)


async def _one_case(
    session: AsyncSession, query: Select[Any], scope: TenantScope, wanted: str
) -> Case | None:
    values = {"provider_id": scope.provider_id, "tenant_id": scope.tenant_id, "wanted": wanted}
    row = (await session.execute(query, values)).one_or_none()
    if row is None:
        return None
    provider, attempt = _PROVIDER.of(row), _ATTEMPT.of(row)
    return Case(
        ProviderProfile.of(provider),
        OrderRecord.of(_ORDER.of(row), provider.mode),
        # An outer join: there is no attempt before the first one.
        AttemptRecord.of(attempt) if attempt.out_trade_no is not None else None,
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

    `changes` are further fields of the record; `event` further members of the event's data. Ends the
    order's lease.
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
        .values(**{name: _column_value(value) for name, value in changes.items()})
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


def _column_value(value: Any) -> Any:
    return value.value if isinstance(value, Fen | OrderStatus) else value


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
