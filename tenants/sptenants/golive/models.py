"""Tables of trial payments and of the certificates they earn."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import TENANT_OWNED, Model, TenantOwned


class TrialRow(TenantOwned, Model):
    """One fen paid and given back to see that everything works, for one bound app."""

    __tablename__ = "trials"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        ForeignKeyConstraint(["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"]),
        CheckConstraint("state IN ('open', 'passed', 'stopped')", name="state"),
        CheckConstraint("(state = 'open') = (finished_at IS NULL)", name="finished_has_its_time"),
        Index("ix_trials_tenant_id_id", "tenant_id", "id"),
        Index(
            "uq_trials_one_open",
            "tenant_id",
            "binding_id",
            unique=True,
            postgresql_where="state = 'open'",
            sqlite_where="state = 'open'",
        ),
        {"info": TENANT_OWNED},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    binding_id: Mapped[str]
    slot: Mapped[int]
    sub_appid: Mapped[str]
    order_id: Mapped[str]
    state: Mapped[str]
    begun_at: Mapped[datetime]
    begun_by: Mapped[str]
    """Name of the person or key."""
    finished_at: Mapped[datetime | None]


class CertificateRow(TenantOwned, Model):
    """What a trial proved, dated, with the hashes of its evidence; written once."""

    __tablename__ = "golive_certificates"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "trial_id"], ["trials.tenant_id", "trials.id"]),
        UniqueConstraint("tenant_id", "trial_id"),
        Index("ix_golive_certificates_tenant_id_binding_id", "tenant_id", "binding_id"),
        {"info": TENANT_OWNED},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    binding_id: Mapped[str]
    slot: Mapped[int]
    sub_appid: Mapped[str]
    trial_id: Mapped[str]
    issued_at: Mapped[datetime]
    evidence: Mapped[dict[str, Any]]
    """What happened when, and the SHA-256 of each record it rests on, as plain JSON values."""
    digest: Mapped[str]
    """SHA-256 of `evidence` in its canonical form (RFC 8785), in hex."""
