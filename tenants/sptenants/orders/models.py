"""Tables of orders, of their attempts at WeChat, and of the timeline that explains them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import TENANT_OWNED, Model, TenantOwned
from sptenants.orders.states import AttemptState, OrderStatus

_STATUSES = ", ".join(f"'{status}'" for status in OrderStatus)
_ATTEMPT_STATES = ", ".join(f"'{state}'" for state in AttemptState)
_OPEN_ATTEMPT = "state IN ('submitting', 'payable')"
_GIVEN_BACK = "refunded_amount > 0 OR refunding_amount > 0"
_HAS_ANOMALY = "anomaly IS NOT NULL"
_UNPAID = "status <> 'paid'"


def _narrow(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, postgresql_where=where, sqlite_where=where)


class Order(TenantOwned, Model):
    """What a merchant wants to be paid for: our intent. WeChat knows only its attempts (rule M5)."""

    __tablename__ = "orders"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        UniqueConstraint("tenant_id", "merchant_order_no"),
        CheckConstraint(f"status IN ({_STATUSES})", name="status"),
        CheckConstraint("amount BETWEEN 1 AND 999999999", name="amount"),
        CheckConstraint("refunded_amount >= 0 AND refunding_amount >= 0", name="refunds_not_negative"),
        CheckConstraint("refunded_amount + refunding_amount <= amount", name="refund_within_paid"),
        CheckConstraint("(status = 'paid') = (paid_at IS NOT NULL)", name="paid_has_its_time"),
        CheckConstraint("(status = 'paid') = (transaction_id IS NOT NULL)", name="paid_has_its_transaction"),
        Index("ix_orders_provider_id_id", "provider_id", "id"),
        Index("ix_orders_id", "id"),
        Index("ix_orders_tenant_id_status_id", "tenant_id", "status", "id"),
        Index("ix_orders_provider_id_status_id", "provider_id", "status", "id"),
        Index("ix_orders_provider_id_created_at", "provider_id", "created_at"),
        Index("ix_orders_transaction_id", "transaction_id"),
        Index("ix_orders_merchant_order_no", "merchant_order_no"),
        Index("ix_orders_out_trade_no", "out_trade_no"),
        _narrow("ix_orders_given_back", "id", where=_GIVEN_BACK),
        _narrow("ix_orders_provider_id_given_back", "provider_id", "id", where=_GIVEN_BACK),
        _narrow("ix_orders_tenant_id_given_back", "tenant_id", "id", where=_GIVEN_BACK),
        _narrow("ix_orders_anomaly", "id", where=_HAS_ANOMALY),
        _narrow("ix_orders_provider_id_anomaly", "provider_id", "id", where=_HAS_ANOMALY),
        _narrow("ix_orders_tenant_id_anomaly", "tenant_id", "id", where=_HAS_ANOMALY),
        _narrow("ix_orders_status_id", "status", "id", where=_UNPAID),
        Index(
            "ix_orders_updated_at",
            "updated_at",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
        ),
        _narrow("ix_orders_provider_id_paid_at", "provider_id", "paid_at", where="paid_at IS NOT NULL"),
        Index(
            "ix_orders_failures",
            "created_at",
            postgresql_where="status = 'failed'",
            sqlite_where="status = 'failed'",
        ),
        Index(
            "ix_orders_next_check_at",
            "next_check_at",
            postgresql_where="next_check_at IS NOT NULL",
            sqlite_where="next_check_at IS NOT NULL",
        ),
        Index(
            "ix_orders_silence_due_at",
            "silence_due_at",
            postgresql_where="silence_due_at IS NOT NULL",
            sqlite_where="silence_due_at IS NOT NULL",
        ),
        {"info": TENANT_OWNED},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    merchant_order_no: Mapped[str]
    out_trade_no: Mapped[str | None]
    """Of the latest attempt; None as long as there is none."""
    status: Mapped[str]
    anomaly: Mapped[str | None]
    amount: Mapped[int]
    """Fen, as everywhere."""
    refunded_amount: Mapped[int] = mapped_column(default=0)
    refunding_amount: Mapped[int] = mapped_column(default=0)
    currency: Mapped[str] = mapped_column(default="CNY")
    description: Mapped[str]
    trade_type: Mapped[str]
    sub_appid: Mapped[str | None]
    openid: Mapped[str | None]
    """Of `sub_appid`, or of the provider's appid when there is none. Masked wherever it is shown."""
    source: Mapped[str]
    """`api_key`, `miniprogram`, `console`, `trial` when it only tries whether paying works, or `adopted`
    when it was rebuilt from WeChat's word."""
    created_by: Mapped[str]
    """Name of the key or person that made it, for the timeline."""
    attach: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column("metadata")
    profit_sharing: Mapped[bool] = mapped_column(default=False)
    fingerprint: Mapped[str]
    """SHA-256 over the fields that make two calls the same (failure catalogue 2.1)."""
    fingerprints: Mapped[dict[str, Any]]
    """The same field by field, so that a conflict can name fields without keeping what was asked."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    """WeChat's own time of the payment."""
    paid_by: Mapped[str | None]
    """Which evidence came first: `notify` or `query`."""
    close_requested_at: Mapped[datetime | None]
    """When somebody asked to close it; the close itself waits for its fifth minute (P8)."""
    closed_at: Mapped[datetime | None]
    transaction_id: Mapped[str | None]
    failure: Mapped[dict[str, Any] | None]
    """`{"api","code","message","definitive","http_status","request_id"}` of WeChat's last refusal."""
    event_sequence: Mapped[int] = mapped_column(default=0)
    next_check_at: Mapped[datetime | None]
    """When healing looks at this order next; None only in final states (INV 10)."""
    checks: Mapped[int] = mapped_column(default=0)
    """Queries made since the current state was entered."""
    asked_at: Mapped[datetime | None]
    """Last query on somebody's request; the next is due three seconds later (failure catalogue 2.4)."""
    state_since: Mapped[datetime]
    leased_by: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    silence_due_at: Mapped[datetime | None]
    """When to look whether the notification of a payment that a query found has come at last."""


class Attempt(TenantOwned, Model):
    """One order at WeChat under one `out_trade_no`, with everything needed to repeat or finish it as made."""

    __tablename__ = "order_attempts"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        ForeignKeyConstraint(["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"]),
        UniqueConstraint("tenant_id", "order_id", "number"),
        CheckConstraint(f"state IN ({_ATTEMPT_STATES})", name="state"),
        CheckConstraint("amount BETWEEN 1 AND 999999999", name="amount"),
        Index(
            "uq_order_attempts_one_payable",
            "tenant_id",
            "order_id",
            unique=True,
            postgresql_where=_OPEN_ATTEMPT,
            sqlite_where=_OPEN_ATTEMPT,
        ),
        {"info": TENANT_OWNED},
    )

    out_trade_no: Mapped[str] = mapped_column(primary_key=True, unique=True)
    """Made by us, unique over the installation, never used again (rule I1)."""
    order_id: Mapped[str]
    number: Mapped[int]
    state: Mapped[str]
    amount: Mapped[int]
    trade_type: Mapped[str]
    api_version: Mapped[str]
    sign_type: Mapped[str]
    key_version: Mapped[int]
    kind: Mapped[str]
    mch_id: Mapped[str]
    appid: Mapped[str]
    sub_mch_id: Mapped[str | None]
    sub_appid: Mapped[str | None]
    request: Mapped[dict[str, Any]]
    """The business parameters as sent, for byte-equal repeats (failure catalogue P3, P7)."""
    prepay_id: Mapped[str | None]
    prepay_at: Mapped[datetime | None]
    code_url: Mapped[str | None]
    h5_url: Mapped[str | None]
    cashier: Mapped[str | None]
    """Kind of app that opens the cashier: `miniprogram`, `official_account` or `app`; None when none does."""
    absent_since: Mapped[datetime | None]
    """When WeChat first said that it does not know this number; cleared when it was sent again."""
    repeats: Mapped[int] = mapped_column(default=0)
    """How often it was sent again because WeChat did not know it."""
    transaction_id: Mapped[str | None]
    created_at: Mapped[datetime]


class TimelineEntry(TenantOwned, Model):
    """Something that happened to an order, for people: calls, notifications, state changes, acts."""

    __tablename__ = "order_timeline"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"]),
        Index("ix_order_timeline_order", "tenant_id", "order_id", "id"),
        {"info": TENANT_OWNED},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    at: Mapped[datetime]
    kind: Mapped[str]
    """`order.created`, `gateway.call`, `pay_params.issued`, `notify.received`, `order.status_changed`,
    `operator.action` (console-and-api-design section 4)."""
    outcome: Mapped[str]
    """`ok`, `info`, `wait`, `bad` or `mute`: icon and colour."""
    meta: Mapped[dict[str, Any]]
    """Facts by name, never a secret or a whole openid; `timeline.py` turns them into words."""


class IdempotencyRecord(TenantOwned, Model):
    """Which order, or which refund of it, a POST with an Idempotency-Key made (failure catalogue 2.1)."""

    __tablename__ = "idempotency_records"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        Index("ix_idempotency_records_created_at", "created_at"),
        {"info": TENANT_OWNED},
    )

    route: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[str]
    order_id: Mapped[str]
    created_at: Mapped[datetime]
    refund_id: Mapped[str | None]


class AnomalyRow(TenantOwned, Model):
    """One thing where money and intent differ; seen again, it counts up. The work list is made of these."""

    __tablename__ = "anomalies"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        ForeignKeyConstraint(["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"]),
        UniqueConstraint("tenant_id", "kind", "mark"),
        CheckConstraint("state IN ('open', 'resolved')", name="state"),
        CheckConstraint("(state = 'resolved') = (resolved_at IS NOT NULL)", name="resolved_has_its_time"),
        Index("ix_anomalies_id", "id"),
        Index("ix_anomalies_provider_id_state_id", "provider_id", "state", "id"),
        Index("ix_anomalies_tenant_id_state_id", "tenant_id", "state", "id"),
        Index("ix_anomalies_tenant_id_order_id", "tenant_id", "order_id"),
        {"info": TENANT_OWNED},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    mark: Mapped[str]
    """What makes it the same one when it is seen again, such as the transaction it is about."""
    order_id: Mapped[str | None]
    refund_id: Mapped[str | None]
    facts: Mapped[dict[str, Any]]
    """Facts by name, never a secret or a whole openid."""
    seen: Mapped[int] = mapped_column(default=1)
    raised_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="open")
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None]
    """Name of the person or key, or `system` when it settled by itself."""
    note: Mapped[str | None]


class Heal(TenantOwned, Model):
    """Something the platform put right by itself: what was wrong, since when, and how much it took."""

    __tablename__ = "heals"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        ForeignKeyConstraint(["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"]),
        Index("ix_heals_id", "id"),
        Index("ix_heals_provider_id_id", "provider_id", "id"),
        {"info": TENANT_OWNED},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str]
    refund_id: Mapped[str | None]
    wrong: Mapped[str]
    """`lost_notification`, `lost_answer`, `overdue_close`, `unknown_order`, `lost_refund_answer`, ..."""
    before: Mapped[str]
    after: Mapped[str]
    since: Mapped[datetime]
    healed_at: Mapped[datetime]
    queries: Mapped[int]


class OrderSum(TenantOwned, Model):
    """The orders of one app that were created in one Shanghai hour or day, summed by `sums.py`."""

    __tablename__ = "order_sums"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        CheckConstraint("span IN ('hour', 'day')", name="span"),
        Index("ix_order_sums_provider_id_span_begin", "provider_id", "span", "begin"),
        Index("ix_order_sums_span_begin", "span", "begin"),
        {"info": TENANT_OWNED | {"queue": True}},
    )

    span: Mapped[str] = mapped_column(primary_key=True)
    begin: Mapped[datetime] = mapped_column(primary_key=True)
    sub_appid: Mapped[str] = mapped_column(primary_key=True)
    """Empty for orders without one."""
    created: Mapped[int]
    paid_count: Mapped[int]
    paid_amount: Mapped[int] = mapped_column(BigInteger)
    """Fen, as everywhere; a day of a large tenant exceeds 32 bits."""
    settled_of: Mapped[int]
    """Orders that became payable and are at least 30 minutes old."""
    settled_paid: Mapped[int]
    refunded_count: Mapped[int]
    refunded_amount: Mapped[int] = mapped_column(BigInteger)
    failed: Mapped[int]
    closed: Mapped[int]
    attention: Mapped[int]


class OrderSumsMark(Model):
    """Up to which change of orders the sums are right. One row, which also keeps two workers apart."""

    __tablename__ = "order_sums_mark"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
