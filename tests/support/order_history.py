"""Orders as rows with a life of their own, for tests that count what came of many of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, update

from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.ids import new_id, new_ulid
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
    sub_appid: str | None = "wx3f8c21d0b7e6a91c",
    failure: dict[str, Any] | None = None,
) -> KnownOrder:
    """Write an order made at that moment, with its one attempt."""
    order_id, out_trade_no = new_id("ord", at), new_ulid(at)
    owner = {"provider_id": tenant.provider_id, "tenant_id": tenant.tenant_id}
    paid = status == "paid"
    transaction_id = f"4200{out_trade_no}" if paid else None
    order = owner | {
        "id": order_id,
        "merchant_order_no": order_id,
        "out_trade_no": out_trade_no,
        "status": status,
        "amount": amount,
        "refunded_amount": 0,
        "refunding_amount": 0,
        "currency": "CNY",
        "description": "拿铁",
        "trade_type": "JSAPI",
        "sub_appid": sub_appid,
        "source": "api_key",
        "created_by": "server",
        "metadata": {},
        "profit_sharing": False,
        "fingerprint": "0" * 64,
        "fingerprints": {},
        "created_at": at,
        "updated_at": at,
        "expires_at": at + timedelta(minutes=30),
        "paid_at": at if paid else None,
        "paid_by": "notify" if paid else None,
        "transaction_id": transaction_id,
        "failure": failure,
        "event_sequence": 0,
        "checks": 0,
        "state_since": at,
    }
    attempt: dict[str, Any] = owner | {
        "out_trade_no": out_trade_no,
        "order_id": order_id,
        "number": 1,
        "state": {"pending": "payable"}.get(status, status),
        "amount": amount,
        "trade_type": "JSAPI",
        "api_version": "v2",
        "sign_type": "HMAC-SHA256",
        "key_version": 1,
        "kind": "ordinary",
        "mch_id": "1900000109",
        "appid": "wx8888888888888888",
        "sub_mch_id": "1612345678",
        "sub_appid": sub_appid,
        "request": {},
        "prepay_id": f"wx{out_trade_no}" if prepaid else None,
        "prepay_at": at if prepaid else None,
        "repeats": 0,
        "transaction_id": transaction_id,
        "created_at": at,
    }
    async with database.write(tenant) as session:
        await session.execute(insert(table_of(Order)), [order])
        await session.execute(insert(table_of(Attempt)), [attempt])
    return KnownOrder(tenant, order_id, at, sub_appid, amount, status, prepaid, at)


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
