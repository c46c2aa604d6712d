"""Table of webhook endpoints."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import TENANT_OWNED, Model, TenantOwned


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
    secret_sealed: Mapped[bytes]
    """Signs deliveries, and is therefore sealed and not hashed."""
    status: Mapped[str] = mapped_column(default="active")
    created_at: Mapped[datetime]
