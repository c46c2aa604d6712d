"""`wxsp order`: one order."""

from __future__ import annotations

import sys

import click
from sqlalchemy import select

from spapp.cli.common import as_json, show
from spapp.cli.user import CLI
from spapp.cli.work import run
from spapp.wiring import Services
from spcore.db.scope import PlatformScope, TenantScope
from spcore.errors import Fault, InvalidInput, NotFound, Text
from sptenants.orders.adoption import Adopted
from sptenants.orders.models import Order
from sptenants.orders.records import OrderRecord
from wechatpay.identifiers import InvalidIdentifier, OutTradeNo


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


@order.command()
@click.argument("out_trade_no")
@click.option("--tenant", "tenant_id", required=True, help="特约商户 the sub-merchant: ten_…")
@as_json
def adopt(out_trade_no: str, tenant_id: str, as_json: bool) -> None:
    """按微信侧记录补录丢失的已支付订单 rebuild a lost paid order from what WeChat says of OUT_TRADE_NO."""

    async def work(services: Services) -> Adopted:
        owner = await services.door.by_tenant_id(tenant_id)
        if owner is None:
            raise NotFound()
        return await services.adoption.adopt(*owner, _number(out_trade_no), by=CLI)

    found = run(work)
    answer = {"outcome": found.outcome, "id": found.order.id if found.order else None}
    show(answer, machine=as_json, human=f"{_OUTCOMES[found.outcome]} {answer['id'] or ''}".rstrip())
    if found.order is None:
        sys.exit(1)


_OUTCOMES = {
    "adopted": "已补录 adopted",
    "known": "本平台已有该订单 known already",
    "absent": "微信没有该单号 WeChat knows no such number",
    "unpaid": "该单号未支付 nobody paid it",
    "foreign": "该单号不属于该商户 not this sub-merchant's",
    "unclear": "微信没有给出可信的应答，请稍后重试 no usable answer, try again",
}


def _number(given: str) -> OutTradeNo:
    try:
        return OutTradeNo(given)
    except InvalidIdentifier as error:
        text = Text("不是商户单号：应为 6–32 位字母、数字或 _ - | *。", f"{error.reason}.")
        raise InvalidInput(Fault("OUT_TRADE_NO", "invalid_format", text)) from None


async def _owner(services: Services, order_id: str) -> TenantScope:
    """Return the scope of the tenant that has the order. Raises NotFound."""
    query = select(Order.provider_id, Order.tenant_id).where(Order.id == order_id)
    async with services.database.read(PlatformScope("order sync")) as session:
        row = (await session.execute(query)).one_or_none()
    if row is None:
        raise NotFound()
    return TenantScope(row.provider_id, row.tenant_id)
