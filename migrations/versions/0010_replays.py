"""Replays of notifications, and codes of WeChat's that nobody has explained yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spcore.db import walls

revision = "0010"
down_revision = "0009"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _notification_columns()
    _unexplained_codes()
    dialect = op.get_bind().dialect.name
    _run(walls.unchangeable(dialect, "unexplained_codes", "provider_id", "tenant_id", "api", "code"))
    if dialect == "postgresql":
        _run(
            walls.row_level_security(
                "unexplained_codes",
                provider_column="provider_id",
                tenant_column="tenant_id",
                read_reach=("platform",),
            )
        )


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def _notification_columns() -> None:
    for column in (
        sa.Column("replayed_at", MOMENT, nullable=True),
        sa.Column("replayed_by", sa.String(), nullable=True),
        sa.Column("replay_reason", sa.String(), nullable=True),
    ):
        op.add_column("notifications", column)
    for columns in (
        ["id"],
        ["provider_id", "result", "id"],
        ["provider_id", "out_trade_no"],
        ["provider_id", "transaction_id"],
    ):
        op.create_index(f"ix_notifications_{'_'.join(columns)}", "notifications", columns, unique=False)


def _unexplained_codes() -> None:
    op.create_table(
        "unexplained_codes",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("api", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_unexplained_codes_tenants"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "api", "code", name=op.f("pk_unexplained_codes")),
    )
    op.create_index("ix_unexplained_codes_last_seen_at", "unexplained_codes", ["last_seen_at"], unique=False)
