"""Orders may be reversed or paid by another attempt; anomalies and heals get tables of their own.

Existing orders are copied once on SQLite, where a CHECK cannot be altered. Policies of providers and tenants
start with the careful choice: nothing is refunded without a person.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spcore.db import rebuild, walls

revision = "0005"
down_revision = "0004"

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

ORDER_MOVES = (
    ("created", "submitting"),
    ("created", "paid"),
    ("created", "closing"),
    ("submitting", "pending"),
    ("submitting", "failed"),
    ("submitting", "paid"),
    ("submitting", "closing"),
    ("submitting", "revoked"),
    ("pending", "paid"),
    ("pending", "closing"),
    ("pending", "submitting"),
    ("pending", "failed"),
    ("pending", "revoked"),
    ("closing", "paid"),
    ("closing", "closed"),
    ("closing", "submitting"),
    ("closing", "revoked"),
    ("closed", "paid"),
    ("failed", "paid"),
    ("revoked", "paid"),
)


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    _policies()
    _order_columns()
    rebuild.change_check(
        "orders",
        "ck_orders_status",
        "status IN ('created', 'submitting', 'pending', 'closing', 'paid', 'closed', 'failed', 'revoked')",
    )
    _run(_order_moves(dialect))
    _anomalies()
    _heals()
    _run(_flagged_before(dialect))
    _run(walls.append_only(dialect, "heals"))
    for table in ("anomalies", "heals"):
        _run(walls.unchangeable(dialect, table, "provider_id", "tenant_id"))
        if dialect == "postgresql":
            _run(
                walls.row_level_security(
                    table,
                    provider_column="provider_id",
                    tenant_column="tenant_id",
                    read_reach=("platform", "worker"),
                )
            )


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def _policies() -> None:
    op.add_column("service_providers", sa.Column("refund_approval_above", sa.Integer(), nullable=True))
    for name in ("refunds_double_payments", "merchant_refunds"):
        op.add_column("tenants", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))


def _order_columns() -> None:
    op.add_column("orders", sa.Column("silence_due_at", MOMENT, nullable=True))
    op.create_index(
        "ix_orders_silence_due_at",
        "orders",
        ["silence_due_at"],
        unique=False,
        postgresql_where=sa.text("silence_due_at IS NOT NULL"),
        sqlite_where=sa.text("silence_due_at IS NOT NULL"),
    )
    op.add_column("order_attempts", sa.Column("h5_url", sa.String(), nullable=True))


def _order_moves(dialect: str) -> list[str]:
    """The moves of failure catalogue 2.2 with those of reversal and of further attempts."""
    allowed = " OR ".join(f"(OLD.status = '{a}' AND NEW.status = '{b}')" for a, b in ORDER_MOVES)
    same = "NEW.status = OLD.status"
    if dialect == "sqlite":
        return [
            "DROP TRIGGER orders_moves",
            "CREATE TRIGGER orders_moves BEFORE UPDATE OF status ON orders"
            f" WHEN NOT ({same} OR {allowed})"
            " BEGIN SELECT RAISE(ABORT, 'orders: this move between states is not allowed'); END",
        ]
    return [
        "CREATE OR REPLACE FUNCTION orders_moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF NOT ({same} OR {allowed}) THEN RAISE EXCEPTION 'orders: % to % is not allowed',"
        " OLD.status, NEW.status USING ERRCODE = 'check_violation'; END IF;"
        " IF OLD.transaction_id IS NOT NULL AND NEW.transaction_id IS DISTINCT FROM OLD.transaction_id"
        " THEN RAISE EXCEPTION 'orders: transaction_id cannot change'"
        " USING ERRCODE = 'check_violation'; END IF;"
        " RETURN NEW; END $$",
    ]


def _anomalies() -> None:
    op.create_table(
        "anomalies",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=True),
        sa.Column("refund_id", sa.String(), nullable=True),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("raised_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("resolved_at", MOMENT, nullable=True),
        sa.Column("resolved_by", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'resolved')", name=op.f("ck_anomalies_state")),
        sa.CheckConstraint(
            "(state = 'resolved') = (resolved_at IS NOT NULL)",
            name=op.f("ck_anomalies_resolved_has_its_time"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_anomalies_tenants"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"], name=op.f("fk_anomalies_orders")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_anomalies")),
        sa.UniqueConstraint("tenant_id", "kind", "mark", name=op.f("uq_anomalies_tenant_id_kind_mark")),
    )
    op.create_index("ix_anomalies_id", "anomalies", ["id"], unique=False)
    op.create_index(
        "ix_anomalies_provider_id_state_id", "anomalies", ["provider_id", "state", "id"], unique=False
    )
    op.create_index("ix_anomalies_tenant_id_order_id", "anomalies", ["tenant_id", "order_id"], unique=False)
    op.create_index(
        "ix_anomalies_tenant_id_state_id", "anomalies", ["tenant_id", "state", "id"], unique=False
    )


def _flagged_before(dialect: str) -> list[str]:
    """Put orders that were flagged before there was a work list on it."""
    copy = (
        "INSERT INTO anomalies (provider_id, tenant_id, id, kind, mark, order_id, facts, seen, raised_at,"
        " last_seen_at, state)"
        " SELECT provider_id, tenant_id, 'ano_' || substr(id, 5), anomaly, id, id, '{}', 1, updated_at,"
        " updated_at, 'open' FROM orders WHERE anomaly IS NOT NULL"
    )
    if dialect == "sqlite":
        return [copy]
    return ["SELECT set_config('wxsp.reach', 'platform', true)", copy, "RESET wxsp.reach"]


def _heals() -> None:
    op.create_table(
        "heals",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("refund_id", sa.String(), nullable=True),
        sa.Column("wrong", sa.String(), nullable=False),
        sa.Column("before", sa.String(), nullable=False),
        sa.Column("after", sa.String(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("healed_at", MOMENT, nullable=False),
        sa.Column("queries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"], name=op.f("fk_heals_tenants")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"], name=op.f("fk_heals_orders")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_heals")),
    )
    op.create_index("ix_heals_id", "heals", ["id"], unique=False)
    op.create_index("ix_heals_provider_id_id", "heals", ["provider_id", "id"], unique=False)
