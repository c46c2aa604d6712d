"""The notification journal: everything that reached a notify address, accepted or not."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import TENANT_OWNED, Model, TenantOwned


class Notification(TenantOwned, Model):
    """One distinct message at one tenant's address. The same message again only raises `received`."""

    __tablename__ = "notifications"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        UniqueConstraint("tenant_id", "version", "kind", "digest"),
        CheckConstraint(
            "result IN ('processed', 'duplicate', 'rejected', 'unmatched', 'mismatch', 'deferred')",
            name="result",
        ),
        Index("ix_notifications_provider_id_id", "provider_id", "id"),
        Index("ix_notifications_order", "tenant_id", "order_id"),
        Index("ix_notifications_id", "id"),
        Index("ix_notifications_provider_id_result_id", "provider_id", "result", "id"),
        Index("ix_notifications_provider_id_out_trade_no", "provider_id", "out_trade_no"),
        Index("ix_notifications_provider_id_transaction_id", "provider_id", "transaction_id"),
        {"info": TENANT_OWNED},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    kind: Mapped[str]
    digest: Mapped[str]
    """SHA-256 in hex of the body, or of the `id` of a genuine message of API v3."""
    body: Mapped[bytes]
    headers: Mapped[dict[str, Any]]
    peer: Mapped[str]
    request_id: Mapped[str]
    received_at: Mapped[datetime]
    received: Mapped[int] = mapped_column(default=1)
    last_received_at: Mapped[datetime]
    result: Mapped[str]
    """`deferred` = genuine, but rule C6 f asks for a query before it counts."""
    reason: Mapped[str | None]
    key_version: Mapped[int | None]
    """Of the API v2 key that it is signed with, or of the API v3 key that opens it."""
    serial: Mapped[str | None]
    """`Wechatpay-Serial` of an API v3 message: which of WeChat's keys it says it is signed with."""
    out_trade_no: Mapped[str | None]
    transaction_id: Mapped[str | None]
    order_id: Mapped[str | None]
    answered: Mapped[str]
    """`SUCCESS` or `FAIL`."""
    replayed_at: Mapped[datetime | None]
    """When a person last had it applied anew, and who and why; every such act is in the audit log too."""
    replayed_by: Mapped[str | None]
    replay_reason: Mapped[str | None]


class StrayNotification(Model):
    """A message at an address that belongs to nobody: kept in short, capped, for the platform's eyes."""

    __tablename__ = "stray_notifications"

    digest: Mapped[str] = mapped_column(primary_key=True)
    route_digest: Mapped[str]
    size: Mapped[int]
    peer: Mapped[str]
    received: Mapped[int]
    received_at: Mapped[datetime]
    last_received_at: Mapped[datetime]
