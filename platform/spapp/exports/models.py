"""Tables of the exports that the worker writes, and of the pieces of their files."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import Model, owned_by


class ExportState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


OPEN_STATES = (ExportState.WAITING, ExportState.RUNNING)
_STATES = ", ".join(f"'{state}'" for state in ExportState)
_DUE = "due_at IS NOT NULL"
# Exports of the platform's own people have no owner, and the platform's scope has to write them.
_OWNED = owned_by(provider="provider_id", tenant="tenant_id") | {"shared_log": True, "door": True}


class ExportRow(Model):
    """A file that a person asked for. Owned like the rows in it: by a tenant, a provider, or nobody."""

    __tablename__ = "exports"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        CheckConstraint(f"state IN ({_STATES})", name="state"),
        CheckConstraint("(state IN ('waiting', 'running')) = (due_at IS NOT NULL)", name="open_has_its_time"),
        Index("ix_exports_membership_id_id", "membership_id", "id"),
        Index("ix_exports_expires_at", "expires_at"),
        Index("ix_exports_due_at", "due_at", postgresql_where=_DUE, sqlite_where=_DUE),
        {"info": _OWNED},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[str | None]
    tenant_id: Mapped[str | None]
    membership_id: Mapped[str] = mapped_column(ForeignKey("memberships.id", ondelete="CASCADE"))
    """The role it was asked for in; nobody else sees it."""
    person_id: Mapped[str]
    person_name: Mapped[str]
    kind: Mapped[str]
    query: Mapped[str]
    """The list's filter, as its address names it."""
    language: Mapped[str]
    reason: Mapped[str | None]
    facts: Mapped[dict[str, Any]]
    """Request id and peer of whoever asked, for the audit row that is written when the file is done."""
    state: Mapped[str]
    rows: Mapped[int]
    size: Mapped[int]
    """Bytes of the file, unpacked."""
    tries: Mapped[int]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    """When a worker may take it; pushed ahead while one writes it, so that a killed one's is taken again."""
    leased_by: Mapped[str | None]


class ExportPart(Model):
    """A piece of a file, gzip of its own: any process can send the pieces one after another."""

    __tablename__ = "export_parts"
    __table_args__ = ({"info": _OWNED},)

    export_id: Mapped[str] = mapped_column(ForeignKey("exports.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[str | None]
    tenant_id: Mapped[str | None]
    content: Mapped[bytes]
