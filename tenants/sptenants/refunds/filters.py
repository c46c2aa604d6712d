"""Which refunds to show: scope and filter as SQL conditions; the scope decides, the filter narrows (Y4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_

from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from sptenants.orders.filters import ReadScope
from sptenants.refunds.models import Refund
from sptenants.refunds.states import Approval, RefundStatus


@dataclass(frozen=True, slots=True)
class RefundFilter:
    """What to show. Times are aware and half-open `[created_from, created_to)`.

    `number` finds exactly, by our id or by any number of the refund or of its payment; `statuses` finds any
    of them.
    """

    status: RefundStatus | None = None
    statuses: tuple[RefundStatus, ...] = ()
    approval: Approval | None = None
    order_id: str | None = None
    merchant_refund_no: str | None = None
    number: str | None = None
    provider_id: str | None = None
    tenant_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


def within(scope: ReadScope) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that keep a query on refunds to the scope; the guard insists on them."""
    match scope:
        case TenantScope():
            return (Refund.provider_id == scope.provider_id, Refund.tenant_id == scope.tenant_id)
        case ProviderScope():
            return (Refund.provider_id == scope.provider_id,)
        case PlatformScope():
            return ()


def matching(wanted: RefundFilter) -> list[ColumnElement[bool]]:
    """Return the conditions of a filter."""
    equal = {
        Refund.status: wanted.status,
        Refund.approval: wanted.approval,
        Refund.order_id: wanted.order_id,
        Refund.merchant_refund_no: wanted.merchant_refund_no,
        Refund.provider_id: wanted.provider_id,
        Refund.tenant_id: wanted.tenant_id,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if wanted.statuses:
        conditions.append(Refund.status.in_(wanted.statuses))
    if wanted.created_from is not None:
        conditions.append(Refund.created_at >= wanted.created_from)
    if wanted.created_to is not None:
        conditions.append(Refund.created_at < wanted.created_to)
    if wanted.number is not None:
        numbers = (
            Refund.id,
            Refund.out_refund_no,
            Refund.merchant_refund_no,
            Refund.wechat_refund_id,
            Refund.out_trade_no,
            Refund.transaction_id,
        )
        conditions.append(or_(*(column == wanted.number for column in numbers)))
    return conditions
