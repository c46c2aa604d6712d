"""Which orders to show: scope and filter as SQL conditions.

Every list works for one tenant, for a provider with all its tenants, and for the platform; the scope of the
transaction decides, the filter only narrows (rule Y4).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, or_, true

from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from sptenants.orders.models import Order
from sptenants.orders.records import UNCLEAR_AFTER
from sptenants.orders.states import OPEN, OrderStatus

ReadScope = TenantScope | ProviderScope | PlatformScope


class Tab(StrEnum):
    """The tabs of the order list (console-and-api-design section 4)."""

    ALL = "all"
    PAID = "paid"
    UNPAID = "unpaid"
    REFUNDED = "refunded"
    CLOSED = "closed"
    ATTENTION = "attention"


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """What to show. Times are aware and half-open `[created_from, created_to)`; amounts are fen, inclusive.

    `number` finds exactly, by our id or by any of the three order numbers.
    """

    tab: Tab = Tab.ALL
    status: OrderStatus | None = None
    provider_id: str | None = None
    tenant_id: str | None = None
    sub_appid: str | None = None
    trade_type: str | None = None
    merchant_order_no: str | None = None
    number: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    amount_from: int | None = None
    amount_to: int | None = None


def within(scope: ReadScope) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that keep a query on orders to the scope; the guard insists on them."""
    match scope:
        case TenantScope():
            return (Order.provider_id == scope.provider_id, Order.tenant_id == scope.tenant_id)
        case ProviderScope():
            return (Order.provider_id == scope.provider_id,)
        case PlatformScope():
            return ()


def matching(wanted: OrderFilter, now: datetime) -> list[ColumnElement[bool]]:
    """Return the conditions of a filter."""
    conditions = [in_tab(wanted.tab, now)]
    equal = {
        Order.status: wanted.status,
        Order.provider_id: wanted.provider_id,
        Order.tenant_id: wanted.tenant_id,
        Order.sub_appid: wanted.sub_appid,
        Order.trade_type: wanted.trade_type,
        Order.merchant_order_no: wanted.merchant_order_no,
    }
    conditions += [column == value for column, value in equal.items() if value is not None]
    if wanted.created_from is not None:
        conditions.append(Order.created_at >= wanted.created_from)
    if wanted.created_to is not None:
        conditions.append(Order.created_at < wanted.created_to)
    if wanted.amount_from is not None:
        conditions.append(Order.amount >= wanted.amount_from)
    if wanted.amount_to is not None:
        conditions.append(Order.amount <= wanted.amount_to)
    if wanted.number is not None:
        numbers = (Order.id, Order.merchant_order_no, Order.out_trade_no, Order.transaction_id)
        conditions.append(or_(*(column == wanted.number for column in numbers)))
    return conditions


def in_tab(tab: Tab, now: datetime) -> ColumnElement[bool]:
    """Return the condition of a tab."""
    match tab:
        case Tab.ALL:
            return true()
        case Tab.PAID:
            return Order.status == OrderStatus.PAID
        case Tab.UNPAID:
            return Order.status.in_(sorted(OPEN))
        case Tab.REFUNDED:
            return or_(Order.refunded_amount > 0, Order.refunding_amount > 0)
        case Tab.CLOSED:
            return Order.status.in_([OrderStatus.CLOSED, OrderStatus.FAILED, OrderStatus.REVOKED])
        case Tab.ATTENTION:
            unclear = and_(Order.status == OrderStatus.SUBMITTING, Order.state_since < now - UNCLEAR_AFTER)
            return or_(Order.anomaly.is_not(None), unclear)
