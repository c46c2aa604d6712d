"""What our books say about a trial: its lamps, and the hashes of the records they rest on (B-11)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import rfc8785
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.scope import TenantScope
from spcore.errors import Text
from sptenants.golive.records import Lamp, LampState
from sptenants.notify.models import Notification
from sptenants.orders.models import Order, TimelineEntry
from sptenants.orders.states import OPEN, OrderStatus
from sptenants.refunds.models import Refund
from sptenants.webhooks.models import Delivery, WebhookEndpoint

IN_TIME = timedelta(seconds=6)
"""WeChat tells whole seconds only, so that five seconds may look like six."""
_PAID_EVENT = "payment.succeeded"
_SENT = frozenset({"processing", "succeeded"})


@dataclass(frozen=True, slots=True)
class Books:
    """Everything we have on record about one trial."""

    order: Order
    notification: Notification | None
    deliveries: tuple[Delivery, ...]
    has_endpoint: bool
    refund: Refund | None
    timeline: tuple[TimelineEntry, ...]

    @property
    def paid(self) -> bool:
        return self.order.status == OrderStatus.PAID

    @property
    def payable(self) -> bool:
        return OrderStatus(self.order.status) in OPEN

    @property
    def refundable(self) -> bool:
        """Paid, and not on its way back yet; what was rejected may be asked for again."""
        return self.paid and (self.refund is None or self.refund.status in {"rejected", "closed"})

    @property
    def passed(self) -> bool:
        return all(lamp.state in {"ok", "none"} for lamp in self.lamps)

    @property
    def lamps(self) -> tuple[Lamp, ...]:
        return (
            self._placed(),
            self._paid(),
            self._notified(),
            self._webhook(),
            self._refunded(),
            self._confirmed(),
        )

    def _placed(self) -> Lamp:
        failed = self.order.status == OrderStatus.FAILED
        done = self.order.status not in {OrderStatus.FAILED, OrderStatus.SUBMITTING, OrderStatus.CREATED}
        state: LampState = "bad" if failed else "ok" if done else "wait"
        return Lamp("placed", Text("下单", "Ordered"), state, self.order.created_at)

    def _paid(self) -> Lamp:
        title = Text("支付", "Paid")
        if self.paid:
            return Lamp("paid", title, "ok", self.order.paid_at)
        if self.payable:
            return Lamp("paid", title, "wait")
        note = Text("订单已结束，没有支付。", "The order ended unpaid.")
        return Lamp("paid", title, "bad", note=note)

    def _notified(self) -> Lamp:
        title = Text("支付通知", "Notified")
        found, paid_at = self.notification, self.order.paid_at
        if found is None or paid_at is None:
            if self.paid and self.order.paid_by == "query":
                note = Text("付款由查单得知，还没有收到通知。", "A query found it; no notification came yet.")
                return Lamp("notified", title, "wait", note=note)
            return Lamp("notified", title, "wait")
        lag = max(timedelta(), found.received_at - paid_at)
        seconds = f"{lag.total_seconds():.1f}"
        note = Text(f"付款后 {seconds} 秒收到", f"{seconds} s after the payment")
        return Lamp("notified", title, "ok" if lag <= IN_TIME else "bad", found.received_at, note)

    def _webhook(self) -> Lamp:
        title = Text("Webhook 送达", "Webhook delivered")
        if not self.deliveries:
            if self.has_endpoint:
                return Lamp("webhook", title, "wait")
            return Lamp("webhook", title, "none", note=Text("没有端点，跳过", "no endpoint, left out"))
        if all(one.state == "delivered" for one in self.deliveries):
            at = max((one.finished_at for one in self.deliveries if one.finished_at), default=None)
            return Lamp("webhook", title, "ok", at)
        gone = any(one.state == "failed" for one in self.deliveries)
        return Lamp("webhook", title, "bad" if gone else "wait")

    def _refunded(self) -> Lamp:
        title = Text("退款", "Refund accepted")
        refund = self.refund
        if refund is None:
            return Lamp("refunded", title, "wait")
        if refund.status in _SENT:
            return Lamp("refunded", title, "ok", refund.created_at)
        return Lamp("refunded", title, "wait" if refund.status in {"requested", "submitting"} else "bad")

    def _confirmed(self) -> Lamp:
        title = Text("退款确认", "Refund confirmed")
        if self.refund is not None and self.refund.status == "succeeded":
            return Lamp("refund_confirmed", title, "ok", self.refund.succeeded_at)
        if self.refund is not None and self.refund.status in {"abnormal", "closed"}:
            return Lamp("refund_confirmed", title, "bad")
        return Lamp("refund_confirmed", title, "wait")

    def proof(self, tenant: Mapping[str, Any], binding: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a certificate states; every record is named by its SHA-256."""
        order, refund = self.order, self.refund
        return {
            "tenant": dict(tenant),
            "binding": dict(binding),
            "order": {
                "id": order.id,
                "out_trade_no": order.out_trade_no,
                "transaction_id": order.transaction_id,
                "amount": order.amount,
            },
            "refund": {"id": refund.id, "out_refund_no": refund.out_refund_no} if refund else None,
            "steps": [{"code": lamp.code, "state": lamp.state, "at": _wire(lamp.at)} for lamp in self.lamps],
            "hashes": {
                "timeline": digest_of([[e.kind, _wire(e.at), e.outcome, e.meta] for e in self.timeline]),
                "notification": self.notification.digest if self.notification else None,
                "refund": digest_of([refund.id, refund.out_refund_no, refund.amount, refund.status])
                if refund
                else None,
            },
        }


def digest_of(value: Any) -> str:
    """Return the SHA-256, in hex, of a plain JSON value in its canonical form (RFC 8785)."""
    return hashlib.sha256(rfc8785.dumps(value)).hexdigest()


async def books_of(session: AsyncSession, scope: TenantScope, order_id: str) -> Books:
    """Read everything about one trial order of the tenant."""
    order = await session.scalar(
        select(Order)
        .where(
            Order.provider_id == scope.provider_id, Order.tenant_id == scope.tenant_id, Order.id == order_id
        )
        .execution_options(populate_existing=True)
    )
    if order is None:
        raise LookupError(order_id)
    own = (scope.provider_id, scope.tenant_id)
    notification = await session.scalar(
        select(Notification)
        .where(
            Notification.provider_id == own[0],
            Notification.tenant_id == own[1],
            Notification.order_id == order_id,
            Notification.kind == "payment",
            Notification.result.in_(("processed", "duplicate")),
        )
        .order_by(Notification.id)
        .limit(1)
    )
    deliveries = await session.scalars(
        select(Delivery).where(
            Delivery.provider_id == own[0],
            Delivery.tenant_id == own[1],
            Delivery.subject == order_id,
            Delivery.type == _PAID_EVENT,
        )
    )
    endpoint = await session.scalar(
        select(WebhookEndpoint.id)
        .where(
            WebhookEndpoint.provider_id == own[0],
            WebhookEndpoint.tenant_id == own[1],
            WebhookEndpoint.status == "active",
        )
        .limit(1)
    )
    refund = await session.scalar(
        select(Refund)
        .where(Refund.provider_id == own[0], Refund.tenant_id == own[1], Refund.order_id == order_id)
        .order_by(Refund.id.desc())
        .limit(1)
    )
    timeline = await session.scalars(
        select(TimelineEntry)
        .where(
            TimelineEntry.provider_id == own[0],
            TimelineEntry.tenant_id == own[1],
            TimelineEntry.order_id == order_id,
        )
        .order_by(TimelineEntry.id)
    )
    return Books(
        order=order,
        notification=notification,
        deliveries=tuple(deliveries),
        has_endpoint=endpoint is not None,
        refund=refund,
        timeline=tuple(timeline),
    )


def _wire(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
