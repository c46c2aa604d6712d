"""Invitations, notices to other owners, visits of platform people, stored checks of the audit log.

Sessions learn why their person looks at rows of tenants. Like all tables of people these are owned by nobody.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("console_sessions", sa.Column("look_reason", sa.String(), nullable=True))
    _invitations()
    _notices()
    _visits()
    _audit_checks()


def _invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=True),
        sa.Column("tenant_id", sa.String(), nullable=True),
        sa.Column("invited_by", sa.String(), nullable=False),
        sa.Column("invited_by_name", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("accepted_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "(role LIKE 'platform_%' AND provider_id IS NULL AND tenant_id IS NULL)"
            " OR (role LIKE 'provider_%' AND provider_id IS NOT NULL AND tenant_id IS NULL)"
            " OR (role = 'merchant_user' AND provider_id IS NOT NULL AND tenant_id IS NOT NULL)",
            name=op.f("ck_invitations_role_fits_its_place"),
        ),
        sa.CheckConstraint(
            "accepted_at IS NULL OR revoked_at IS NULL", name=op.f("ck_invitations_has_one_end")
        ),
        sa.ForeignKeyConstraint(["invited_by"], ["people.id"], name=op.f("fk_invitations_people")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["service_providers.id"], name=op.f("fk_invitations_service_providers")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_invitations_tenants"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
    )
    op.create_index("ix_invitations_provider_id_id", "invitations", ["provider_id", "id"], unique=False)


def _notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=True),
        sa.Column("zh", sa.String(), nullable=False),
        sa.Column("en", sa.String(), nullable=False),
        sa.Column("by_id", sa.String(), nullable=True),
        sa.Column("by_name", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["service_providers.id"], name=op.f("fk_notices_service_providers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_index("ix_notices_provider_id_id", "notices", ["provider_id", "id"], unique=False)
    op.create_index("ix_notices_at", "notices", ["at"], unique=False)
    op.create_table(
        "notice_dismissals",
        sa.Column("notice_id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notices.id"], name=op.f("fk_notice_dismissals_notices"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_notice_dismissals_people")),
        sa.PrimaryKeyConstraint("notice_id", "person_id", name=op.f("pk_notice_dismissals")),
    )


def _visits() -> None:
    op.create_table(
        "visits",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("person_name", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("session_hash", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("ended_by", sa.String(), nullable=True),
        sa.CheckConstraint("ended_by IN ('person', 'time', 'session')", name=op.f("ck_visits_ended_by")),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (ended_by IS NULL)", name=op.f("ck_visits_ended_by_something")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_visits_people")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["service_providers.id"], name=op.f("fk_visits_service_providers")
        ),
        sa.ForeignKeyConstraint(
            ["session_hash"],
            ["console_sessions.token_hash"],
            name=op.f("fk_visits_console_sessions"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_visits")),
        sa.UniqueConstraint("session_hash", name=op.f("uq_visits_session_hash")),
    )
    op.create_index(
        "ix_visits_open",
        "visits",
        ["ends_at"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
        sqlite_where=sa.text("ended_at IS NULL"),
    )


def _audit_checks() -> None:
    op.create_table(
        "audit_checks",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=False),
        sa.Column("by_name", sa.String(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("rows_read", sa.Integer(), nullable=False),
        sa.Column("bad_chain", sa.String(), nullable=True),
        sa.Column("bad_seq", sa.Integer(), nullable=True),
        sa.Column("bad_id", sa.String(), nullable=True),
        sa.Column("bad_reason", sa.String(), nullable=True),
        sa.CheckConstraint("ok = (bad_chain IS NULL)", name=op.f("ck_audit_checks_names_what_is_bad")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_checks")),
    )
