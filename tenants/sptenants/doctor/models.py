"""Tables of the doctor: what was found last, a short history of its runs, and orders made only to ask."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import TENANT_OWNED, Model, TenantOwned, owned_by

_OF_PROVIDER_OR_TENANT = owned_by(provider="provider_id", tenant="tenant_id")


class DoctorResult(Model):
    """The latest finding about one item of one provider (without tenant), tenant or app binding."""

    __tablename__ = "doctor_results"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        UniqueConstraint("provider_id", "subject", "code", "part"),
        CheckConstraint("level IN ('pass', 'warn', 'fail', 'unchecked')", name="level"),
        Index("ix_doctor_results_tenant_id", "tenant_id"),
        {"info": _OF_PROVIDER_OR_TENANT},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[str] = mapped_column(ForeignKey("service_providers.id"))
    tenant_id: Mapped[str | None]
    subject: Mapped[str]
    """The tenant's id, or the provider's: what makes the latest one unique."""
    code: Mapped[str]
    part: Mapped[str]
    """Id of the binding it is about; empty when it is about none."""
    level: Mapped[str]
    reason: Mapped[str | None]
    """Which of the item's findings; `items.py` has the words."""
    facts: Mapped[dict[str, Any]]
    """Facts by name that the words need, never a secret."""
    run_id: Mapped[str]
    checked_at: Mapped[datetime | None]


class DoctorRun(Model):
    """One run: who asked, what it came to, and the evidence of its calls. A few of each subject are kept."""

    __tablename__ = "doctor_runs"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        Index("ix_doctor_runs_provider_id_subject_id", "provider_id", "subject", "id"),
        Index("ix_doctor_runs_tenant_id", "tenant_id"),
        {"info": _OF_PROVIDER_OR_TENANT},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[str] = mapped_column(ForeignKey("service_providers.id"))
    tenant_id: Mapped[str | None]
    subject: Mapped[str]
    ran_at: Mapped[datetime]
    by: Mapped[str]
    """Name of the person, key or `system`."""
    live: Mapped[bool]
    """Whether WeChat was asked."""
    worst: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    """`{"calls": [...]}`: operation, HTTP status, WeChat's codes and request id, milliseconds."""


class ProbeOrder(TenantOwned, Model):
    """An order at WeChat that nobody can pay, made to see whether one can be made; closed when it may be."""

    __tablename__ = "probe_orders"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        Index(
            "ix_probe_orders_close_due_at",
            "close_due_at",
            postgresql_where="close_due_at IS NOT NULL",
            sqlite_where="close_due_at IS NOT NULL",
        ),
        {"info": TENANT_OWNED},
    )

    out_trade_no: Mapped[str] = mapped_column(primary_key=True)
    sub_appid: Mapped[str | None]
    created_at: Mapped[datetime]
    close_due_at: Mapped[datetime | None]
    """WeChat closes no order in its first five minutes; None once it is closed or gone."""
