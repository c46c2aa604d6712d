"""Saved views, exports, and the indexes that keep lists quick.

An order enters none of the new partial indexes of orders that is about money given back or about an anomaly,
so that they cost the order path nothing; of the open and unpaid ones there are few at a time.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spcore.db import walls

revision = "0013"
down_revision = "0012"

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

GIVEN_BACK = "refunded_amount > 0 OR refunding_amount > 0"
HAS_ANOMALY = "anomaly IS NOT NULL"
UNPAID = "status <> 'paid'"

EVERYBODY = ("platform", "worker", "door")


def upgrade() -> None:
    _indexes()
    _saved_views()
    _exports()
    _export_parts()
    dialect = op.get_bind().dialect.name
    _run(walls.unchangeable(dialect, "exports", "id", "provider_id", "tenant_id", "membership_id"))
    if dialect == "postgresql":
        for table in ("exports", "export_parts"):
            _run(
                walls.row_level_security(
                    table,
                    provider_column="provider_id",
                    tenant_column="tenant_id",
                    read_reach=EVERYBODY,
                    write_reach=("platform", "worker"),
                )
            )


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def _indexes() -> None:
    for name, columns, where in (
        ("ix_orders_given_back", ["id"], GIVEN_BACK),
        ("ix_orders_provider_id_given_back", ["provider_id", "id"], GIVEN_BACK),
        ("ix_orders_tenant_id_given_back", ["tenant_id", "id"], GIVEN_BACK),
        ("ix_orders_anomaly", ["id"], HAS_ANOMALY),
        ("ix_orders_provider_id_anomaly", ["provider_id", "id"], HAS_ANOMALY),
        ("ix_orders_tenant_id_anomaly", ["tenant_id", "id"], HAS_ANOMALY),
        ("ix_orders_status_id", ["status", "id"], UNPAID),
    ):
        op.create_index(
            name,
            "orders",
            columns,
            unique=False,
            postgresql_where=sa.text(where),
            sqlite_where=sa.text(where),
        )
    for column in ("merchant_refund_no", "out_refund_no", "wechat_refund_id"):
        op.create_index(f"ix_refunds_{column}", "refunds", [column], unique=False)


def _saved_views() -> None:
    op.create_table(
        "saved_views",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("membership_id", sa.String(), nullable=False),
        sa.Column("list", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("query", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("list IN ('orders', 'refunds')", name=op.f("ck_saved_views_list")),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["memberships.id"], name=op.f("fk_saved_views_memberships"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint(
            "membership_id", "list", "name", name=op.f("uq_saved_views_membership_id_list_name")
        ),
    )


def _exports() -> None:
    op.create_table(
        "exports",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=True),
        sa.Column("tenant_id", sa.String(), nullable=True),
        sa.Column("membership_id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("person_name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("query", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("leased_by", sa.String(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'done', 'failed')", name=op.f("ck_exports_state")
        ),
        sa.CheckConstraint(
            "(state IN ('waiting', 'running')) = (due_at IS NOT NULL)",
            name=op.f("ck_exports_open_has_its_time"),
        ),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["memberships.id"], name=op.f("fk_exports_memberships"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_exports_tenants"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
    )
    op.create_index("ix_exports_membership_id_id", "exports", ["membership_id", "id"], unique=False)
    op.create_index("ix_exports_expires_at", "exports", ["expires_at"], unique=False)
    op.create_index(
        "ix_exports_due_at",
        "exports",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )


def _export_parts() -> None:
    op.create_table(
        "export_parts",
        sa.Column("export_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=True),
        sa.Column("tenant_id", sa.String(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["export_id"], ["exports.id"], name=op.f("fk_export_parts_exports"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("export_id", "number", name=op.f("pk_export_parts")),
    )
