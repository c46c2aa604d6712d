"""Tables of the wizard: how far each step is, and the one-time links for a merchant's own staff."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import TENANT_OWNED, Model, TenantOwned


class OnboardingStep(TenantOwned, Model):
    """One step of a tenant's wizard that was saved at least once."""

    __tablename__ = "onboarding_steps"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        CheckConstraint("step BETWEEN 1 AND 7", name="step"),
        {"info": TENANT_OWNED},
    )

    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    saved_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    draft_sealed: Mapped[bytes | None]
    """What was typed and not yet accepted, sealed: it may hold personal data, and never a secret."""
    draft_version: Mapped[int] = mapped_column(default=0)


class OnboardingLink(TenantOwned, Model):
    """An address that shows one tenant's open steps on WeChat's side to whoever was given it."""

    __tablename__ = "onboarding_links"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        {"info": TENANT_OWNED | {"door": True}},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    """SHA-256 of the token in hex; the token itself is shown once and kept nowhere."""
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    opened: Mapped[int] = mapped_column(default=0)
    last_opened_at: Mapped[datetime | None]
