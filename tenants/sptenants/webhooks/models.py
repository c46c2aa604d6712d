"""Tables of webhook endpoints, of events on their way to them, and of the attempts made."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import TENANT_OWNED, Model, TenantOwned


class DeliveryState(StrEnum):
    """How far one event is on its way to one endpoint."""

    PENDING = "pending"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    FAILED = "failed"


OPEN_STATES = (DeliveryState.PENDING, DeliveryState.RETRYING)
_STATES = ", ".join(f"'{state}'" for state in DeliveryState)
_OPEN = "due_at IS NOT NULL"
_FAILED = "state = 'failed'"


class WebhookEndpoint(TenantOwned, Model):
    """An address of a tenant's server that is to hear of the tenant's events."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        UniqueConstraint("tenant_id", "url"),
        CheckConstraint("status IN ('active', 'disabled')", name="status"),
        {"info": TENANT_OWNED | {"imported": True}},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    description: Mapped[str | None]
    event_types: Mapped[list[str] | None]
    """What it wants to hear of; None is everything, also types of later releases."""
    secret_sealed: Mapped[bytes]
    """Signs deliveries, and is therefore sealed and not hashed."""
    secret_version: Mapped[int] = mapped_column(default=1)
    previous_secret_sealed: Mapped[bytes | None]
    """Signs too until `previous_secret_until`, so that a receiver may change over in its own time (W11)."""
    previous_secret_until: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(default="active")
    created_at: Mapped[datetime]
    failing_since: Mapped[datetime | None]
    """First failure since the last success."""
    last_success_at: Mapped[datetime | None]
    """To the minute: noting every success would be one more write for each."""
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    """`by_hand`, `gone` (it answered 410) or `failing` (five days without a success)."""
    event_sequence: Mapped[int] = mapped_column(default=0)
    """Of the events about this endpoint itself: tests, and that it was disabled."""


class Delivery(TenantOwned, Model):
    """One event for one endpoint. Of the worker's queue tables: whoever holds the lease is sending it."""

    __tablename__ = "deliveries"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "endpoint_id"], ["webhook_endpoints.tenant_id", "webhook_endpoints.id"]
        ),
        ForeignKeyConstraint(["tenant_id", "event_id"], ["outbox.tenant_id", "outbox.id"]),
        UniqueConstraint("tenant_id", "endpoint_id", "event_id"),
        CheckConstraint(f"state IN ({_STATES})", name="state"),
        CheckConstraint(
            "(state IN ('pending', 'retrying')) = (due_at IS NOT NULL)", name="open_has_its_time"
        ),
        Index("ix_deliveries_id", "id"),
        Index("ix_deliveries_provider_id_id", "provider_id", "id"),
        Index("ix_deliveries_tenant_id_event_id", "tenant_id", "event_id"),
        Index("ix_deliveries_failed", "id", postgresql_where=_FAILED, sqlite_where=_FAILED),
        Index("ix_deliveries_tenant_id_endpoint_id_state_id", "tenant_id", "endpoint_id", "state", "id"),
        Index(
            "ix_deliveries_tenant_id_endpoint_id_subject_sequence",
            "tenant_id",
            "endpoint_id",
            "subject",
            "sequence",
        ),
        Index(
            "ix_deliveries_due",
            "resent",
            "tenant_id",
            "endpoint_id",
            "due_at",
            postgresql_where=_OPEN,
            sqlite_where=_OPEN,
        ),
        {"info": TENANT_OWNED | {"queue": True}},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    endpoint_id: Mapped[str]
    event_id: Mapped[str]
    type: Mapped[str]
    subject: Mapped[str]
    sequence: Mapped[int]
    """Type, subject and sequence are the event's, kept here so that claiming looks into one table."""
    state: Mapped[str]
    resent: Mapped[bool] = mapped_column(default=False)
    """Asked for again; such a one gives way to fresh ones and holds nobody back (W13)."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Made in all; `step` counts those since it was sent or resent, and leads through the plan."""
    step: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    """When to try next; None only in final states (INV 10)."""
    leased_by: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    first_attempt_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    last_outcome: Mapped[str | None]
    last_http_status: Mapped[int | None]


class DeliveryAttempt(TenantOwned, Model):
    """One request to a receiver and what came of it; kept for 90 days (failure catalogue 2.6)."""

    __tablename__ = "delivery_attempts"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "delivery_id"], ["deliveries.tenant_id", "deliveries.id"]),
        Index("ix_delivery_attempts_at", "at"),
        Index("ix_delivery_attempts_tenant_id_delivery_id_id", "tenant_id", "delivery_id", "id"),
        {"info": TENANT_OWNED},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    delivery_id: Mapped[str]
    number: Mapped[int]
    at: Mapped[datetime]
    elapsed_ms: Mapped[int]
    outcome: Mapped[str]
    """`delivered`, or the token of what went wrong (see `sender.Outcome`)."""
    http_status: Mapped[int | None]
    excerpt: Mapped[str | None]
    """At most 1 KiB of what the receiver answered: a stranger's text, escaped wherever it is shown."""
    next_at: Mapped[datetime | None]
