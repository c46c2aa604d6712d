"""Tables of the audit log: the rows, and the head of each chain."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import Model, owned_by

PLATFORM_CHAIN = "platform"
_SHARED = {"door": True, "shared_log": True}


class AuditRow(Model):
    """One act. `hash` covers every other column and the hash before it; rows are only ever added.

    `chain` is the provider's id, or `platform` for acts that belong to no single provider.
    """

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_tenant_id_at", "tenant_id", "at"),
        Index("ix_audit_log_object_id", "object_id"),
        {"info": owned_by(provider="chain", tenant="tenant_id") | _SHARED},
    )

    chain: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(unique=True)
    at: Mapped[datetime]
    actor_kind: Mapped[str]
    """`person`, `api_key`, `cli` or `system`."""
    actor_id: Mapped[str | None]
    actor_name: Mapped[str]
    tenant_id: Mapped[str | None]
    """Whose affair it was; people of that tenant may read the row."""
    action: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[str | None]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    reason: Mapped[str | None]
    request_id: Mapped[str | None]
    peer: Mapped[str | None]
    prev_hash: Mapped[str]
    hash: Mapped[str]


class AuditHead(Model):
    """The last row of a chain; locked while the next row is written, and what a cut tail is seen by."""

    __tablename__ = "audit_heads"
    __table_args__ = ({"info": owned_by(provider="chain") | _SHARED},)

    chain: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int]
    hash: Mapped[str]
