"""People, their roles, console sessions and second factors; heartbeats of workers.

Creates tables only. Nobody owns these rows: no scope is needed to read them, and no tenant's row is in them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _people()
    _memberships()
    _console_sessions()
    _setup_links()
    _sign_in_attempts()
    _worker_heartbeats()
    _second_factors()
    _recovery_codes()


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_sign_in_at", MOMENT, nullable=True),
        sa.CheckConstraint("status IN ('active', 'disabled')", name=op.f("ck_people_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("email", name=op.f("uq_people_email")),
    )


def _memberships() -> None:
    op.create_table(
        "memberships",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=True),
        sa.Column("tenant_id", sa.String(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "(role LIKE 'platform_%' AND provider_id IS NULL AND tenant_id IS NULL)"
            " OR (role LIKE 'provider_%' AND provider_id IS NOT NULL AND tenant_id IS NULL)"
            " OR (role = 'merchant_user' AND provider_id IS NOT NULL AND tenant_id IS NOT NULL)",
            name=op.f("ck_memberships_role_fits_its_place"),
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_memberships_people")),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_memberships_tenants"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["service_providers.id"], name=op.f("fk_memberships_service_providers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
        sa.UniqueConstraint(
            "person_id",
            "role",
            "provider_id",
            "tenant_id",
            name=op.f("uq_memberships_person_id_role_provider_id_tenant_id"),
        ),
    )


def _console_sessions() -> None:
    op.create_table(
        "console_sessions",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("membership_id", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("csrf_token", sa.String(), nullable=False),
        sa.Column("peer", sa.String(), nullable=False),
        sa.Column("user_agent", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.CheckConstraint("level IN ('password', 'full')", name=op.f("ck_console_sessions_level")),
        sa.ForeignKeyConstraint(
            ["membership_id"],
            ["memberships.id"],
            name=op.f("fk_console_sessions_memberships"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_console_sessions_people")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_console_sessions")),
    )
    op.create_index("ix_console_sessions_person_id", "console_sessions", ["person_id"], unique=False)


def _setup_links() -> None:
    op.create_table(
        "setup_links",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_setup_links_people")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_setup_links")),
    )


def _sign_in_attempts() -> None:
    op.create_table(
        "sign_in_attempts",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("locked_until", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_sign_in_attempts")),
    )
    op.create_index("ix_sign_in_attempts_at", "sign_in_attempts", ["at"], unique=False)


def _worker_heartbeats() -> None:
    op.create_table(
        "worker_heartbeats",
        sa.Column("worker_id", sa.String(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("pk_worker_heartbeats")),
    )


def _second_factors() -> None:
    op.create_table(
        "second_factors",
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.Column("last_step", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_second_factors_people")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_second_factors")),
    )


def _recovery_codes() -> None:
    op.create_table(
        "recovery_codes",
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_recovery_codes_people")),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_recovery_codes")),
    )
    op.create_index("ix_recovery_codes_person_id", "recovery_codes", ["person_id"], unique=False)
