"""Orders summed by hour and day, and refusals counted by day.

The sums are found by what changed since they were last made, so orders get an index on that moment: on
PostgreSQL a BRIN, which costs the way of an order next to nothing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spcore.db import walls

revision = "0012"
down_revision = "0011"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _order_sums()
    _refusals()
    op.create_index(
        "ix_orders_updated_at",
        "orders",
        ["updated_at"],
        unique=False,
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    )
    op.create_index(
        "ix_orders_failures",
        "orders",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("status = 'failed'"),
        sqlite_where=sa.text("status = 'failed'"),
    )
    dialect = op.get_bind().dialect.name
    _run(walls.unchangeable(dialect, "order_sums", "provider_id", "tenant_id"))
    if dialect == "postgresql":
        _run(
            walls.row_level_security(
                "order_sums",
                provider_column="provider_id",
                tenant_column="tenant_id",
                read_reach=("platform", "worker"),
                write_reach=("worker",),
            )
        )


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def _order_sums() -> None:
    op.create_table(
        "order_sums",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("span", sa.String(), nullable=False),
        sa.Column("begin", MOMENT, nullable=False),
        sa.Column("sub_appid", sa.String(), nullable=False),
        sa.Column("created", sa.Integer(), nullable=False),
        sa.Column("paid_count", sa.Integer(), nullable=False),
        sa.Column("paid_amount", sa.BigInteger(), nullable=False),
        sa.Column("settled_of", sa.Integer(), nullable=False),
        sa.Column("settled_paid", sa.Integer(), nullable=False),
        sa.Column("refunded_count", sa.Integer(), nullable=False),
        sa.Column("refunded_amount", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Integer(), nullable=False),
        sa.Column("attention", sa.Integer(), nullable=False),
        sa.CheckConstraint("span IN ('hour', 'day')", name=op.f("ck_order_sums_span")),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_order_sums_tenants"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "span", "begin", "sub_appid", name=op.f("pk_order_sums")),
    )
    op.create_index(
        "ix_order_sums_provider_id_span_begin", "order_sums", ["provider_id", "span", "begin"], unique=False
    )
    op.create_index("ix_order_sums_span_begin", "order_sums", ["span", "begin"], unique=False)
    op.create_table(
        "order_sums_mark",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_sums_mark")),
    )


def _refusals() -> None:
    op.create_table(
        "refusals",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("first_at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.Column("last_request_id", sa.String(), nullable=False),
        sa.Column("last_peer", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("day", "reason", "route", "tenant_id", name=op.f("pk_refusals")),
    )
    op.create_index("ix_refusals_last_at", "refusals", ["last_at"], unique=False)
