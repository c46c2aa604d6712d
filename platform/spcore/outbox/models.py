"""The outbox table: one row is one event of a tenant, in order for each subject."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import TENANT_OWNED, Model, TenantOwned


class OutboxMessage(TenantOwned, Model):
    """An event, such as `payment.succeeded` of an order; handed on at least once."""

    __tablename__ = "outbox"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        UniqueConstraint("tenant_id", "subject", "sequence"),
        Index("ix_outbox_due", "due_at", postgresql_where="done_at IS NULL", sqlite_where="done_at IS NULL"),
        {"info": TENANT_OWNED | {"queue": True}},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    """The event's public id, `evt_…`."""
    type: Mapped[str]
    subject: Mapped[str]
    """Id of the object the event is about; `sequence` counts from 1 within it, without gaps."""
    sequence: Mapped[int]
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    leased_by: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    last_error: Mapped[str | None]
    done_at: Mapped[datetime | None]
