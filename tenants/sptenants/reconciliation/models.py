"""Tables of reconciliation: differences, what waits for a later bill, daily statements, agreed rates."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import TENANT_OWNED, Model, TenantOwned
from sptenants.reconciliation.states import (
    DifferenceKind,
    DifferenceState,
    Resolution,
    StatementState,
    Suspended,
    SuspenseState,
)

_KINDS = ", ".join(f"'{kind}'" for kind in DifferenceKind)
_RESOLUTIONS = ", ".join(f"'{resolution}'" for resolution in Resolution)
_REASONS = ", ".join(f"'{reason}'" for reason in Suspended)
_SUSPENSE_STATES = ", ".join(f"'{state}'" for state in SuspenseState)
_STATEMENT_STATES = ", ".join(f"'{state}'" for state in StatementState)
_DUE = "next_at IS NOT NULL"
_WAITING = "state = 'waiting'"


class Difference(Model):
    """One thing in which our books and a bill differ. `tenant_id` is None when no tenant is concerned."""

    __tablename__ = "differences"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id"], ["service_providers.id"]),
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        ForeignKeyConstraint(["bill_id"], ["bills.id"]),
        UniqueConstraint("provider_id", "bill_date", "kind", "mark"),
        CheckConstraint(f"kind IN ({_KINDS})", name="kind"),
        CheckConstraint("state IN ('open', 'resolved')", name="state"),
        CheckConstraint(f"resolution IN ({_RESOLUTIONS})", name="resolution"),
        CheckConstraint("(state = 'resolved') = (resolved_at IS NOT NULL)", name="resolved_has_its_time"),
        CheckConstraint("(state = 'resolved') = (resolution IS NOT NULL)", name="resolved_says_how"),
        Index("ix_differences_provider_id_state_id", "provider_id", "state", "id"),
        Index("ix_differences_tenant_id_state_id", "tenant_id", "state", "id"),
        Index("ix_differences_state_id", "state", "id"),
        Index("ix_differences_tenant_id_order_id", "tenant_id", "order_id"),
        Index("ix_differences_updated_at", "updated_at"),
        Index("ix_differences_next_at", "next_at", postgresql_where=_DUE, sqlite_where=_DUE),
        {"info": TENANT_OWNED},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[str]
    tenant_id: Mapped[str | None]
    bill_id: Mapped[str]
    bill_date: Mapped[date]
    kind: Mapped[str]
    detail: Mapped[str]
    mark: Mapped[str]
    """What makes it the same one when it is found again: an order or refund number, a line, a rate."""
    out_trade_no: Mapped[str | None]
    out_refund_no: Mapped[str | None]
    transaction_id: Mapped[str | None]
    order_id: Mapped[str | None]
    refund_id: Mapped[str | None]
    ours: Mapped[int | None] = mapped_column(BigInteger)
    """Fen; None when we have nothing. Of a fee: what was expected, in thousandths of a fen."""
    theirs: Mapped[int | None] = mapped_column(BigInteger)
    """Fen; None when the bill has nothing. Of a fee: what was charged, in thousandths of a fen."""
    facts: Mapped[dict[str, Any]]
    """Plain facts by name, never a secret or a whole openid."""
    cause: Mapped[str | None]
    """The probable cause, a code of `causes.py`; None before anybody has looked."""
    cause_facts: Mapped[dict[str, Any] | None]
    state: Mapped[str] = mapped_column(default=DifferenceState.OPEN.value)
    resolution: Mapped[str | None]
    resolved_by: Mapped[str | None]
    """Name of the person or key, or `system`."""
    resolved_at: Mapped[datetime | None]
    note: Mapped[str | None]
    tries: Mapped[int] = mapped_column(default=0)
    """How often WeChat was asked about it."""
    next_at: Mapped[datetime | None]
    """When a worker asks WeChat about it next; None when asking cannot help."""
    leased_by: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    found_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Suspense(TenantOwned, Model):
    """A payment or refund of ours that its day's bill has not, or not to its end; a later one may."""

    __tablename__ = "suspense"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        ForeignKeyConstraint(["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"]),
        CheckConstraint("kind IN ('payment', 'refund')", name="kind"),
        CheckConstraint(f"reason IN ({_REASONS})", name="reason"),
        CheckConstraint(f"state IN ({_SUSPENSE_STATES})", name="state"),
        CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="ended_has_its_time"),
        Index(
            "ix_suspense_waiting",
            "provider_id",
            "until_date",
            postgresql_where=_WAITING,
            sqlite_where=_WAITING,
        ),
        Index("ix_suspense_provider_id_bill_date", "provider_id", "bill_date"),
        Index("ix_suspense_provider_id_ended_on", "provider_id", "ended_on"),
        {"info": TENANT_OWNED},
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(primary_key=True)
    """The out_trade_no or out_refund_no."""
    order_id: Mapped[str]
    refund_id: Mapped[str | None]
    bill_date: Mapped[date]
    """Whose bill should have had it."""
    until_date: Mapped[date]
    """The last bill that is waited for."""
    reason: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int]
    at: Mapped[datetime]
    """When it was paid or accepted, by our books."""
    state: Mapped[str] = mapped_column(default=SuspenseState.WAITING.value)
    ended_on: Mapped[date | None]
    """The bill that had it."""
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class Statement(TenantOwned, Model):
    """The day of one tenant, both sides to the fen. The roll-up that dashboards read is made of these.

    What we count on a day is what was paid, and which refunds were accepted, in it; what they count stands in
    the bill. `ours + missing_here - missing_there + shifted == theirs` holds for payments and for refunds, or
    the statement is not stored.
    """

    __tablename__ = "daily_statements"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        UniqueConstraint("id"),
        CheckConstraint(f"state IN ({_STATEMENT_STATES})", name="state"),
        Index("ix_daily_statements_provider_id_bill_date", "provider_id", "bill_date"),
        Index("ix_daily_statements_bill_date", "bill_date"),
        {"info": TENANT_OWNED},
    )

    bill_date: Mapped[date] = mapped_column(primary_key=True)
    id: Mapped[str]
    state: Mapped[str]
    paid_count: Mapped[int]
    paid_amount: Mapped[int] = mapped_column(BigInteger)
    """Fen, as everywhere."""
    refunded_count: Mapped[int]
    refunded_amount: Mapped[int] = mapped_column(BigInteger)
    bill_paid_count: Mapped[int]
    bill_paid_amount: Mapped[int] = mapped_column(BigInteger)
    bill_refunded_count: Mapped[int]
    bill_refunded_amount: Mapped[int] = mapped_column(BigInteger)
    bill_settled_amount: Mapped[int] = mapped_column(BigInteger)
    bill_fee: Mapped[int] = mapped_column(BigInteger)
    """Thousandths of a fen."""
    suspended_count: Mapped[int]
    """Of the day, and still waiting for a later bill."""
    suspended_amount: Mapped[int] = mapped_column(BigInteger)
    differences: Mapped[int]
    """Found in all."""
    open_differences: Mapped[int]
    proof: Mapped[dict[str, Any]]
    """The terms by which ours becomes theirs, each with count and fen; see `statements.py`."""
    digest: Mapped[str]
    """SHA-256 of what the statement says."""
    event_sequence: Mapped[int] = mapped_column(default=0)
    told: Mapped[str | None]
    """The state that the merchant's server was last told of."""
    made_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class AgreedRate(TenantOwned, Model):
    """The fee rate that provider and sub-merchant agreed upon, from a day on."""

    __tablename__ = "agreed_rates"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        CheckConstraint("rate BETWEEN 0 AND 100000", name="rate"),
        {"info": TENANT_OWNED | {"imported": True}},
    )

    from_date: Mapped[date] = mapped_column(primary_key=True)
    rate: Mapped[int]
    """Millionths: 0.60 % is 6000."""
    set_by: Mapped[str]
    created_at: Mapped[datetime]
