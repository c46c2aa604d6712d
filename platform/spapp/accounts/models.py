"""Tables of people, their roles, their second factors, their console sessions and one-time links."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import Model


class Role(StrEnum):
    PLATFORM_ADMIN = "platform_admin"
    PLATFORM_AUDITOR = "platform_auditor"
    PROVIDER_OWNER = "provider_owner"
    PROVIDER_OPERATOR = "provider_operator"
    PROVIDER_FINANCE = "provider_finance"
    PROVIDER_VIEWER = "provider_viewer"
    MERCHANT_USER = "merchant_user"


class Level(StrEnum):
    """How far a session has come.

    `enrol` is never stored: whether a second factor is owed is decided anew at each request, so that
    WXSP_REQUIRE_SECOND_FACTOR binds sessions that were opened before it was set.
    """

    PASSWORD = "password"  # noqa: S105 - the name of a level
    """The password was right, the second factor is still to be given."""
    ENROL = "enrol"
    """Signed in, but may do nothing before setting up a second factor."""
    FULL = "full"


class Person(Model):
    __tablename__ = "people"
    __table_args__ = (CheckConstraint("status IN ('active', 'disabled')", name="status"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    """Lower case."""
    name: Mapped[str]
    password_hash: Mapped[str | None]
    """argon2id; None until the person used a set-up link."""
    status: Mapped[str] = mapped_column(default="active")
    created_at: Mapped[datetime]
    last_sign_in_at: Mapped[datetime | None]


class Membership(Model):
    """One role of one person: on the platform, at one provider, or at one tenant."""

    __tablename__ = "memberships"
    __table_args__ = (
        UniqueConstraint("person_id", "role", "provider_id", "tenant_id"),
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        CheckConstraint(
            "(role LIKE 'platform_%' AND provider_id IS NULL AND tenant_id IS NULL)"
            " OR (role LIKE 'provider_%' AND provider_id IS NOT NULL AND tenant_id IS NULL)"
            " OR (role = 'merchant_user' AND provider_id IS NOT NULL AND tenant_id IS NOT NULL)",
            name="role_fits_its_place",
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    role: Mapped[str]
    provider_id: Mapped[str | None] = mapped_column(ForeignKey("service_providers.id"))
    tenant_id: Mapped[str | None]
    created_at: Mapped[datetime]


class ConsoleSession(Model):
    """A signed-in browser. The cookie holds the token, the database only its hash (decision 12)."""

    __tablename__ = "console_sessions"
    __table_args__ = (
        Index("ix_console_sessions_person_id", "person_id"),
        CheckConstraint("level IN ('password', 'full')", name="level"),
    )

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    membership_id: Mapped[str] = mapped_column(ForeignKey("memberships.id", ondelete="CASCADE"))
    """The role the person works in at the moment."""
    level: Mapped[str]
    csrf_token: Mapped[str]
    peer: Mapped[str]
    user_agent: Mapped[str]
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class SecondFactor(Model):
    """The secret shared with a person's authenticator (RFC 6238); it counts once it was confirmed."""

    __tablename__ = "second_factors"

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    secret_sealed: Mapped[bytes]
    begun_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[int | None]
    """The time step of the last code that was taken; no code of it or of an earlier one is taken again."""


class RecoveryCode(Model):
    """One of the codes that replace the authenticator once each; only their hashes are stored (A03)."""

    __tablename__ = "recovery_codes"
    __table_args__ = (Index("ix_recovery_codes_person_id", "person_id"),)

    code_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SetupLink(Model):
    """A one-time link to set a password; hashed, at most an hour old (failure catalogue S17)."""

    __tablename__ = "setup_links"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SignInAttempt(Model):
    """Failed sign-ins of the last hour, counted by account and by address (failure catalogue S05)."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (Index("ix_sign_in_attempts_at", "at"),)

    subject: Mapped[str] = mapped_column(primary_key=True)
    """`account:` or `peer:` with a hash of what follows."""
    failures: Mapped[int]
    at: Mapped[datetime]
    locked_until: Mapped[datetime | None]


class WorkerHeartbeat(Model):
    __tablename__ = "worker_heartbeats"

    worker_id: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    at: Mapped[datetime]
