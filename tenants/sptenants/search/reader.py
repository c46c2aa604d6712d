"""One search over every number a person may hold, within their scope (console-and-api-design section 2).

An exact match comes first: what has the shape of an id of ours is looked up as that, anything else as a
number of an order, a refund or a sub-merchant. Only when nothing is called exactly so, names are tried.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, literal, select, union

from spcore.db.engine import Database
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.ids import is_id
from spcore.outbox.models import OutboxMessage
from spcore.providers.models import Provider
from sptenants.notify.models import Notification
from sptenants.orders.filters import OrderFilter, ReadScope
from sptenants.orders.models import AnomalyRow, Order
from sptenants.orders.reader import OrderReader
from sptenants.refunds.models import Refund
from sptenants.registry.models import AppBinding, Tenant
from sptenants.webhooks.models import Delivery, WebhookEndpoint
from wechatpay.money import Fen

MOST = 20
"""Hits of one kind; a name that more merchants begin with has to be typed further."""
MAX_LENGTH = 64

_OF_REFUND = {"amount": Refund.amount, "parent_id": Refund.order_id}
_WILD = re.compile(r"([\\%_])")


class HitKind(StrEnum):
    ORDER = "order"
    REFUND = "refund"
    NOTIFICATION = "notification"
    ANOMALY = "anomaly"
    ENDPOINT = "endpoint"
    DELIVERY = "delivery"
    TENANT = "tenant"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found. `parent_id` is what it belongs to: the endpoint of a delivery, the order of a refund.

    `title` is a name or a description, `number` what tells it from others of its kind.
    """

    kind: HitKind
    id: str
    title: str
    number: str | None
    tenant_name: str | None = None
    amount: Fen | None = None
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """`exact` says that the whole of what was typed is a number of each hit."""

    hits: Sequence[Hit]
    exact: bool


class SearchReader:
    """Searches; what it cannot see in the scope does not exist for it (rule Y3)."""

    def __init__(self, database: Database, orders: OrderReader) -> None:
        self._database = database
        self._orders = orders

    async def search(self, scope: ReadScope, typed: str) -> Found:
        """Return what is called so; `typed` is trimmed, not empty, without NUL, at most MAX_LENGTH long."""
        exact = await self._exact(scope, typed)
        if exact:
            return Found(exact, exact=True)
        return Found(await self._named(scope, typed), exact=False)

    async def _exact(self, scope: ReadScope, typed: str) -> Sequence[Hit]:
        for prefix, find in _BY_ID.items():
            if is_id(typed, prefix):
                return await self._read(scope, find(scope, typed))
        hits = [*await self._of_orders(scope, typed), *await self._read(scope, _refunds(scope, typed))]
        if not isinstance(scope, TenantScope):
            hits += await self._read(scope, _tenants_of_number(scope, typed))
        return hits

    async def _of_orders(self, scope: ReadScope, typed: str) -> Sequence[Hit]:
        page = await self._orders.list(scope, OrderFilter(number=typed), MOST)
        return [
            Hit(
                HitKind.ORDER,
                row.order.id,
                row.order.description,
                row.order.merchant_order_no,
                row.tenant_name,
                row.order.amount,
            )
            for row in page.rows
        ]

    async def _named(self, scope: ReadScope, typed: str) -> Sequence[Hit]:
        if isinstance(scope, TenantScope):
            return ()
        begins = _WILD.sub(r"\\\1", typed) + "%"
        hits = await self._read(scope, _tenants(scope, Tenant.name.like(begins, escape="\\")))
        if isinstance(scope, PlatformScope):
            hits = [*hits, *await self._read(scope, _providers(Provider.name.like(begins, escape="\\")))]
        return hits

    async def _read(self, scope: ReadScope, query: Select[Any] | None) -> list[Hit]:
        if query is None:
            return []
        async with self._database.read(scope) as session:
            rows = (await session.execute(query.limit(MOST))).mappings().all()
        return [_hit_of(row) for row in rows]


def _hit_of(row: Mapping[Any, Any]) -> Hit:
    return Hit(
        kind=HitKind(row["kind"]),
        id=row["id"],
        title=row["title"],
        number=row["number"],
        tenant_name=row.get("tenant_name"),
        amount=Fen(row["amount"]) if "amount" in row else None,
        parent_id=row.get("parent_id"),
    )


def _own(scope: ReadScope, model: Any) -> list[ColumnElement[bool]]:
    match scope:
        case TenantScope():
            return [model.provider_id == scope.provider_id, model.tenant_id == scope.tenant_id]
        case ProviderScope():
            return [model.provider_id == scope.provider_id]
        case PlatformScope():
            return []


def _in_tenant(query: Select[Any], model: Any) -> Select[Any]:
    own = and_(Tenant.provider_id == model.provider_id, Tenant.id == model.tenant_id)
    return query.add_columns(Tenant.name.label("tenant_name")).join_from(model, Tenant, own)


def _hit(kind: HitKind, model: Any, title: Any, number: Any, **more: Any) -> Select[Any]:
    extra = [column.label(name) for name, column in more.items()]
    columns = (model.id.label("id"), title.label("title"), number.label("number"), *extra)
    return select(*columns, literal(kind.value).label("kind")).order_by(model.id.desc())


def _refunds(scope: ReadScope, typed: str) -> Select[Any]:
    numbers = (Refund.id, Refund.out_refund_no, Refund.merchant_refund_no, Refund.wechat_refund_id)
    arms = [select(Refund.id).where(*_own(scope, Refund), number == typed) for number in numbers]
    query = _hit(HitKind.REFUND, Refund, Refund.out_refund_no, Refund.out_refund_no, **_OF_REFUND)
    return _in_tenant(query, Refund).where(*_own(scope, Refund), Refund.id.in_(union(*arms)))


def _tenants_of_number(scope: ReadScope, typed: str) -> Select[Any]:
    bound = select(AppBinding.tenant_id).where(*_own(scope, AppBinding), AppBinding.sub_appid == typed)
    return _tenants(scope, (Tenant.sub_mch_id == typed) | Tenant.id.in_(bound))


def _tenants(scope: ReadScope, condition: ColumnElement[bool]) -> Select[Any]:
    query = _hit(HitKind.TENANT, Tenant, Tenant.name, Tenant.sub_mch_id)
    if isinstance(scope, PlatformScope):
        return query.where(condition)
    return query.where(Tenant.provider_id == scope.provider_id, condition)


def _providers(condition: ColumnElement[bool]) -> Select[Any]:
    return _hit(HitKind.PROVIDER, Provider, Provider.name, Provider.mch_id).where(condition)


# --- by an id of ours -----------------------------------------------------------------------------------


def _order_by_id(scope: ReadScope, typed: str) -> Select[Any]:
    query = _hit(HitKind.ORDER, Order, Order.description, Order.merchant_order_no, amount=Order.amount)
    return _in_tenant(query, Order).where(*_own(scope, Order), Order.id == typed)


def _refund_by_id(scope: ReadScope, typed: str) -> Select[Any]:
    query = _hit(HitKind.REFUND, Refund, Refund.out_refund_no, Refund.out_refund_no, **_OF_REFUND)
    return _in_tenant(query, Refund).where(*_own(scope, Refund), Refund.id == typed)


def _notification_by_id(scope: ReadScope, typed: str) -> Select[Any] | None:
    if isinstance(scope, TenantScope):
        return None  # the journal is not a page of merchants
    query = _hit(HitKind.NOTIFICATION, Notification, Notification.id, Notification.out_trade_no)
    return _in_tenant(query, Notification).where(*_own(scope, Notification), Notification.id == typed)


def _anomaly_by_id(scope: ReadScope, typed: str) -> Select[Any]:
    query = _hit(HitKind.ANOMALY, AnomalyRow, AnomalyRow.kind, AnomalyRow.id)
    return _in_tenant(query, AnomalyRow).where(*_own(scope, AnomalyRow), AnomalyRow.id == typed)


def _endpoint_by_id(scope: ReadScope, typed: str) -> Select[Any] | None:
    if isinstance(scope, PlatformScope):
        return None  # webhooks are the affair of whoever keeps them
    query = _hit(HitKind.ENDPOINT, WebhookEndpoint, WebhookEndpoint.url, WebhookEndpoint.id)
    return _in_tenant(query, WebhookEndpoint).where(
        *_own(scope, WebhookEndpoint), WebhookEndpoint.id == typed
    )


def _delivery_by_id(scope: ReadScope, typed: str) -> Select[Any] | None:
    if isinstance(scope, PlatformScope):
        return None
    query = _hit(HitKind.DELIVERY, Delivery, Delivery.type, Delivery.id, parent_id=Delivery.endpoint_id)
    return _in_tenant(query, Delivery).where(*_own(scope, Delivery), Delivery.id == typed)


def _deliveries_of_event(scope: ReadScope, typed: str) -> Select[Any] | None:
    if isinstance(scope, PlatformScope):
        return None
    query = _hit(HitKind.DELIVERY, Delivery, Delivery.type, Delivery.id, parent_id=Delivery.endpoint_id)
    # By way of the event, which an index knows by its id alone; deliveries are known by tenant and event.
    tenant = (
        select(OutboxMessage.tenant_id)
        .where(*_own(scope, OutboxMessage), OutboxMessage.id == typed)
        .scalar_subquery()
    )
    return _in_tenant(query, Delivery).where(
        *_own(scope, Delivery), Delivery.tenant_id == tenant, Delivery.event_id == typed
    )


def _tenant_by_id(scope: ReadScope, typed: str) -> Select[Any] | None:
    return None if isinstance(scope, TenantScope) else _tenants(scope, Tenant.id == typed)


def _provider_by_id(scope: ReadScope, typed: str) -> Select[Any] | None:
    return _providers(Provider.id == typed) if isinstance(scope, PlatformScope) else None


_BY_ID = {
    "ord": _order_by_id,
    "rfd": _refund_by_id,
    "ntf": _notification_by_id,
    "ano": _anomaly_by_id,
    "whe": _endpoint_by_id,
    "dlv": _delivery_by_id,
    "evt": _deliveries_of_event,
    "ten": _tenant_by_id,
    "prv": _provider_by_id,
}
