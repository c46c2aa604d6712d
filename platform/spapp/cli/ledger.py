"""`wxsp ledger`: what the books hold, for other programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, TextIO

import click
from sqlalchemy import Select, and_, select

from spapp.cli.common import as_json
from spapp.cli.user import CLI
from spapp.cli.work import run
from spapp.wiring import Services
from spcore.audit.models import PLATFORM_CHAIN
from spcore.audit.writer import Act, record
from spcore.db.scope import DoorScope, PlatformScope
from spcore.errors import NotFound
from sptenants.orders.models import Attempt, Order
from sptenants.refunds.models import Refund
from sptenants.registry.models import Tenant

BATCH = 500
_WIRE_ZONE = timezone(timedelta(hours=8))


@click.group()
def ledger() -> None:
    """订单流水 orders and refunds."""


@ledger.command()
@as_json
@click.option("--tenant", "tenant_id", help="只导出一个商户 one tenant only: ten_…")
def export(tenant_id: str | None, as_json: bool) -> None:  # noqa: ARG001 - JSON lines either way
    """每笔订单、退款一行 JSON one line for every order, then for every refund, oldest first; audited."""

    async def work(services: Services) -> None:
        if tenant_id is not None:
            await _require_tenant(services, tenant_id)
        await _write(services, tenant_id, sys.stdout)

    run(work)


async def _require_tenant(services: Services, tenant_id: str) -> None:
    """An empty ledger of a mistyped tenant would look like a quiet shop. Raises NotFound."""
    async with services.database.read(PlatformScope("ledger export")) as session:
        if await session.scalar(select(Tenant.id).where(Tenant.id == tenant_id)) is None:
            raise NotFound


async def _write(services: Services, tenant_id: str | None, out: TextIO) -> None:
    count = await _write_all(services, tenant_id, _orders(), Order, _order_line, out)
    count += await _write_all(services, tenant_id, _refunds(), Refund, _refund_line, out)
    act = Act(
        actor=CLI,
        action="ledger.exported",
        object_kind="ledger",
        tenant_id=tenant_id,
        after={"rows": count},
    )
    async with services.database.write(DoorScope()) as session:
        await record(session, PLATFORM_CHAIN, act, services.clock.now())


async def _write_all(
    services: Services,
    tenant_id: str | None,
    query: Any,
    model: type[Order | Refund],
    line: Callable[[Sequence[Any]], dict[str, Any]],
    out: TextIO,
) -> int:
    """Page by key, so that a ledger of any size needs little memory and no long transaction."""
    after, count = "", 0
    own = query if tenant_id is None else query.where(model.tenant_id == tenant_id)
    while True:
        batch = own.where(model.id > after).order_by(model.id).limit(BATCH)
        async with services.database.read(PlatformScope("ledger export")) as session:
            rows = (await session.execute(batch)).all()
        for row in rows:
            out.write(json.dumps(line(row), ensure_ascii=False, separators=(",", ":")) + "\n")
        count += len(rows)
        if len(rows) < BATCH:
            return count
        after = rows[-1][0].id


def _orders() -> Select[Order, str, str, str | None]:
    latest = and_(
        Attempt.tenant_id == Order.tenant_id,
        Attempt.order_id == Order.id,
        Attempt.number == _last_attempt(),
    )
    columns = (Attempt.out_trade_no, Attempt.mch_id, Attempt.sub_mch_id)
    return select(Order, *columns).outerjoin(Attempt, latest)


def _refunds() -> Select[Refund, str, str | None]:
    paid = and_(Attempt.tenant_id == Refund.tenant_id, Attempt.out_trade_no == Refund.out_trade_no)
    return select(Refund, Attempt.mch_id, Attempt.sub_mch_id).join(Attempt, paid)


def _last_attempt() -> Any:
    other = Attempt.__table__.alias("later")
    return (
        select(other.c.number)
        .where(other.c.tenant_id == Order.tenant_id, other.c.order_id == Order.id)
        .order_by(other.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )


def _order_line(row: Sequence[Any]) -> dict[str, Any]:
    order, out_trade_no, mch_id, sub_mch_id = row
    return {
        "object": "order",
        "id": order.id,
        "provider_id": order.provider_id,
        "tenant_id": order.tenant_id,
        "mch_id": mch_id,
        "sub_mch_id": sub_mch_id,
        "merchant_order_no": order.merchant_order_no,
        "out_trade_no": out_trade_no,
        "transaction_id": order.transaction_id,
        "status": order.status,
        "anomaly": order.anomaly,
        "amount": order.amount,
        "refunded_amount": order.refunded_amount,
        "refunding_amount": order.refunding_amount,
        "currency": order.currency,
        "trade_type": order.trade_type,
        "sub_appid": order.sub_appid,
        "source": order.source,
        "created_at": _wire(order.created_at),
        "paid_at": _wire(order.paid_at),
        "closed_at": _wire(order.closed_at),
    }


def _refund_line(row: Sequence[Any]) -> dict[str, Any]:
    refund, mch_id, sub_mch_id = row
    return {
        "object": "refund",
        "id": refund.id,
        "provider_id": refund.provider_id,
        "tenant_id": refund.tenant_id,
        "mch_id": mch_id,
        "sub_mch_id": sub_mch_id,
        "order_id": refund.order_id,
        "merchant_refund_no": refund.merchant_refund_no,
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.wechat_refund_id,
        "out_trade_no": refund.out_trade_no,
        "transaction_id": refund.transaction_id,
        "status": refund.status,
        "amount": refund.amount,
        "total": refund.total,
        "purpose": refund.purpose,
        "source": refund.source,
        "created_at": _wire(refund.created_at),
        "succeeded_at": _wire(refund.succeeded_at),
    }


def _wire(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(_WIRE_ZONE).isoformat(timespec="seconds")
