"""Webhook deliveries: one event on its way to one endpoint, and every attempt at it.

Endpoints learn whom they want to hear, when they last answered, and a second secret while theirs changes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spcore.db import walls

revision = "0007"
down_revision = "0006"

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

WRITERS = {"deliveries": ("worker",), "delivery_attempts": ()}
"""Wider scopes that may write each table."""


def upgrade() -> None:
    _endpoint_columns()
    _deliveries()
    _delivery_attempts()
    dialect = op.get_bind().dialect.name
    _run(walls.unchangeable(dialect, "deliveries", "provider_id", "tenant_id", "endpoint_id", "event_id"))
    _run(walls.unchangeable(dialect, "delivery_attempts", "provider_id", "tenant_id", "delivery_id"))
    if dialect == "postgresql":
        for table, writers in WRITERS.items():
            _run(
                walls.row_level_security(
                    table,
                    provider_column="provider_id",
                    tenant_column="tenant_id",
                    read_reach=("platform", "worker"),
                    write_reach=writers,
                )
            )


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def _endpoint_columns() -> None:
    for name in ("secret_version", "event_sequence"):
        start = "1" if name == "secret_version" else "0"
        column = sa.Column(name, sa.Integer(), nullable=False, server_default=start)
        op.add_column("webhook_endpoints", column)
    for column in (
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("event_types", JSON, nullable=True),
        sa.Column("previous_secret_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("previous_secret_until", MOMENT, nullable=True),
        sa.Column("failing_since", MOMENT, nullable=True),
        sa.Column("last_success_at", MOMENT, nullable=True),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.Column("disabled_reason", sa.String(), nullable=True),
    ):
        op.add_column("webhook_endpoints", column)


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("endpoint_id", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("resent", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("leased_by", sa.String(), nullable=True),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("first_attempt_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("last_outcome", sa.String(), nullable=True),
        sa.Column("last_http_status", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'retrying', 'delivered', 'failed')", name=op.f("ck_deliveries_state")
        ),
        sa.CheckConstraint(
            "(state IN ('pending', 'retrying')) = (due_at IS NOT NULL)",
            name=op.f("ck_deliveries_open_has_its_time"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_deliveries_tenants"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "endpoint_id"],
            ["webhook_endpoints.tenant_id", "webhook_endpoints.id"],
            name=op.f("fk_deliveries_webhook_endpoints"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "event_id"], ["outbox.tenant_id", "outbox.id"], name=op.f("fk_deliveries_outbox")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "tenant_id", "endpoint_id", "event_id", name=op.f("uq_deliveries_tenant_id_endpoint_id_event_id")
        ),
    )
    for columns in (
        ["id"],
        ["provider_id", "id"],
        ["tenant_id", "event_id"],
        ["tenant_id", "endpoint_id", "state", "id"],
        ["tenant_id", "endpoint_id", "subject", "sequence"],
    ):
        op.create_index(f"ix_deliveries_{'_'.join(columns)}", "deliveries", columns, unique=False)
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["resent", "tenant_id", "endpoint_id", "due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )


def _delivery_attempts() -> None:
    op.create_table(
        "delivery_attempts",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("delivery_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("elapsed_ms", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("excerpt", sa.String(), nullable=True),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "delivery_id"],
            ["deliveries.tenant_id", "deliveries.id"],
            name=op.f("fk_delivery_attempts_deliveries"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_delivery_attempts")),
    )
    op.create_index("ix_delivery_attempts_at", "delivery_attempts", ["at"], unique=False)
    op.create_index(
        "ix_delivery_attempts_tenant_id_delivery_id_id",
        "delivery_attempts",
        ["tenant_id", "delivery_id", "id"],
        unique=False,
    )
