"""Anomalies and heals as the rest of the program reads them: immutable values, no secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sptenants.orders.disputes import AnomalyKind
from sptenants.orders.heals import Wrong
from wechatpay.money import Fen

State = Literal["open", "resolved"]


@dataclass(frozen=True, slots=True)
class AnomalyRecord:
    """One thing for a person to look at. `amount` is the payment's or refund's, else the order's."""

    id: str
    provider_id: str
    tenant_id: str
    tenant_name: str
    kind: AnomalyKind
    state: State
    order_id: str | None
    refund_id: str | None
    merchant_order_no: str | None
    amount: Fen | None
    facts: dict[str, Any] = field(repr=False)
    seen: int
    raised_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    note: str | None

    @property
    def is_open(self) -> bool:
        return self.state == "open"


@dataclass(frozen=True, slots=True)
class AnomalyFilter:
    """What to show. Times are of `raised_at`, aware and half-open `[created_from, created_to)`."""

    kind: AnomalyKind | None = None
    state: State | None = None
    order_id: str | None = None
    provider_id: str | None = None
    tenant_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class HealRecord:
    """One repair. `before` is `absent` for an order that was missing here."""

    id: str
    provider_id: str
    tenant_id: str
    order_id: str
    refund_id: str | None
    wrong: Wrong
    before: str
    after: str
    since: datetime
    healed_at: datetime
    queries: int

    @property
    def took(self) -> timedelta:
        return max(timedelta(0), self.healed_at - self.since)


@dataclass(frozen=True, slots=True)
class HealFilter:
    """What to show. Times are of `healed_at`, aware and half-open `[created_from, created_to)`."""

    wrong: Wrong | None = None
    order_id: str | None = None
    tenant_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
