"""`wxsp order`: one order."""

from __future__ import annotations

import click
from sqlalchemy import select

from spapp.cli.common import as_json, show
from spapp.cli.user import CLI
from spapp.cli.work import run
from spapp.wiring import Services
from spcore.db.scope import PlatformScope, TenantScope
from spcore.errors import NotFound
from sptenants.orders.models import Order
from sptenants.orders.records import OrderRecord


@click.group()
def order() -> None:
    """订单 orders."""


@order.command()
@click.argument("order_id")
@as_json
def sync(order_id: str, as_json: bool) -> None:
    """向微信查单 ask WeChat about ORDER_ID (ord_…) now."""

    async def work(services: Services) -> OrderRecord:
        return await services.orders.sync(await _owner(services, order_id), order_id, CLI)

    found = run(work)
    answer = {
        "id": found.id,
        "status": found.status.value,
        "transaction_id": found.transaction_id,
        "anomaly": found.anomaly,
    }
    human = f"{found.id} {found.status.value} {found.transaction_id or ''} {found.anomaly or ''}".rstrip()
    show(answer, machine=as_json, human=human)


async def _owner(services: Services, order_id: str) -> TenantScope:
    """Return the scope of the tenant that has the order. Raises NotFound."""
    query = select(Order.provider_id, Order.tenant_id).where(Order.id == order_id)
    async with services.database.read(PlatformScope("order sync")) as session:
        row = (await session.execute(query)).one_or_none()
    if row is None:
        raise NotFound()
    return TenantScope(row.provider_id, row.tenant_id)
