"""Orders as rows with a life of their own, for tests that count what came of many of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, update
from tests.support.order_rows import APP, order_rows

from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from sptenants.orders.models import Attempt, Order


@dataclass(slots=True)
class KnownOrder:
    """What a test knows of an order: enough to count it by hand."""

    tenant: TenantScope
    id: str
    created_at: datetime
    sub_appid: str | None
    amount: int
    status: str
    prepaid: bool
    state_since: datetime
    refunded: int = 0
    anomaly: str | None = None


async def add_order(
    database: Database,
    tenant: TenantScope,
    at: datetime,
    *,
    amount: int = 1_000,
    status: str = "pending",
    prepaid: bool = True,
    sub_appid: str | None = APP,
    failure: dict[str, Any] | None = None,
) -> KnownOrder:
    """Write an order made at that moment, with its one attempt."""
    rows = order_rows(
        tenant,
        at,
        status=status,
        amount=amount,
        sub_appid=sub_appid,
        prepaid=prepaid,
        more={"failure": failure},
    )
    async with database.write(tenant) as session:
        await session.execute(insert(table_of(Order)), [rows.order])
        await session.execute(insert(table_of(Attempt)), [rows.attempt])
    return KnownOrder(tenant, rows.order_id, at, sub_appid, amount, status, prepaid, at)


async def change_order(database: Database, order: KnownOrder, at: datetime, **changes: Any) -> None:
    """Change columns of an order as the program does, with the moment of the change beside them."""
    orders = table_of(Order)
    statement = (
        update(orders)
        .where(orders.c.tenant_id == order.tenant.tenant_id, orders.c.id == order.id)
        .values(**changes, updated_at=at)
    )
    async with database.write(order.tenant) as session:
        await session.execute(statement)


async def pay(database: Database, order: KnownOrder, at: datetime) -> None:
    await change_order(
        database,
        order,
        at,
        status="paid",
        paid_at=at,
        paid_by="notify",
        transaction_id=f"4200{order.id}",
        state_since=at,
    )
    order.status, order.state_since = "paid", at


async def refund(database: Database, order: KnownOrder, amount: int, at: datetime) -> None:
    """Add to what was refunded of a paid order."""
    order.refunded += amount
    await change_order(database, order, at, refunded_amount=order.refunded)
