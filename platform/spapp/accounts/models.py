"""Tables of people: their roles, second factors, sessions, links, invitations, visits and notices."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
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


_ROLE_FITS_ITS_PLACE = (
    "(role LIKE 'platform_%' AND provider_id IS NULL AND tenant_id IS NULL)"
    " OR (role LIKE 'provider_%' AND provider_id IS NOT NULL AND tenant_id IS NULL)"
    " OR (role = 'merchant_user' AND provider_id IS NOT NULL AND tenant_id IS NOT NULL)"
)


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
        CheckConstraint(_ROLE_FITS_ITS_PLACE, name="role_fits_its_place"),
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
    look_reason: Mapped[str | None]
    """Why a person of the platform looks at rows of tenants, in their words; None for routine review."""


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


class Invitation(Model):
    """A role offered to an address; person and membership come into being when it is accepted (S17)."""

    __tablename__ = "invitations"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        CheckConstraint(_ROLE_FITS_ITS_PLACE, name="role_fits_its_place"),
        CheckConstraint("accepted_at IS NULL OR revoked_at IS NULL", name="has_one_end"),
        Index("ix_invitations_provider_id_id", "provider_id", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str]
    """Lower case."""
    role: Mapped[str]
    provider_id: Mapped[str | None] = mapped_column(ForeignKey("service_providers.id"))
    tenant_id: Mapped[str | None]
    invited_by: Mapped[str] = mapped_column(ForeignKey("people.id"))
    invited_by_name: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class OwnerNotice(Model):
    """A sensitive act, told to everybody else who owns the provider, or the platform for None (S12)."""

    __tablename__ = "notices"
    __table_args__ = (
        Index("ix_notices_provider_id_id", "provider_id", "id"),
        Index("ix_notices_at", "at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[str | None] = mapped_column(ForeignKey("service_providers.id"))
    zh: Mapped[str]
    en: Mapped[str]
    """What was done, after the name of whoever did it."""
    by_id: Mapped[str | None]
    by_name: Mapped[str]
    at: Mapped[datetime]


class NoticeDismissal(Model):
    """Somebody has read a notice."""

    __tablename__ = "notice_dismissals"

    notice_id: Mapped[str] = mapped_column(ForeignKey("notices.id", ondelete="CASCADE"), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    at: Mapped[datetime]


class Visit(Model):
    """A platform administrator in a provider's console, reading only; it lives as long as its session."""

    __tablename__ = "visits"
    __table_args__ = (
        CheckConstraint("ended_by IN ('person', 'time', 'session')", name="ended_by"),
        CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended_by_something"),
        Index(
            "ix_visits_open",
            "ends_at",
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    person_name: Mapped[str]
    provider_id: Mapped[str] = mapped_column(ForeignKey("service_providers.id"))
    session_hash: Mapped[str | None] = mapped_column(
        ForeignKey("console_sessions.token_hash", ondelete="SET NULL"), unique=True
    )
    reason: Mapped[str]
    began_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]


class AuditCheck(Model):
    """One reading of all audit chains, and the first row that did not hold."""

    __tablename__ = "audit_checks"
    __table_args__ = (CheckConstraint("ok = (bad_chain IS NULL)", name="names_what_is_bad"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    began_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    by_name: Mapped[str]
    ok: Mapped[bool]
    rows_read: Mapped[int]
    bad_chain: Mapped[str | None]
    bad_seq: Mapped[int | None]
    bad_id: Mapped[str | None]
    bad_reason: Mapped[str | None]


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
