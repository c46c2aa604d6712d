"""Orders, their attempts and timelines, and the journal of notifications.

Creates tables only. The moves between order states are triggers on both databases, so that code not written
yet is bound by them as well.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spcore.db import walls

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

TENANT_TABLES = ("orders", "order_attempts", "order_timeline", "idempotency_records", "notifications")

ORDER_MOVES = (
    ("created", "submitting"),
    ("created", "paid"),
    ("created", "closing"),
    ("submitting", "pending"),
    ("submitting", "failed"),
    ("submitting", "paid"),
    ("submitting", "closing"),
    ("pending", "paid"),
    ("pending", "closing"),
    ("closing", "paid"),
    ("closing", "closed"),
    ("closed", "paid"),
    ("failed", "paid"),
)


def upgrade() -> None:
    _orders()
    _order_attempts()
    _order_timeline()
    _idempotency_records()
    _notifications()
    _stray_notifications()
    dialect = op.get_bind().dialect.name
    _run(_order_moves(dialect))
    for table in TENANT_TABLES:
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


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("merchant_order_no", sa.String(), nullable=False),
        sa.Column("out_trade_no", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("anomaly", sa.String(), nullable=True),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("refunded_amount", sa.Integer(), nullable=False),
        sa.Column("refunding_amount", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("trade_type", sa.String(), nullable=False),
        sa.Column("sub_appid", sa.String(), nullable=True),
        sa.Column("openid", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("attach", sa.String(), nullable=True),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("profit_sharing", sa.Boolean(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("fingerprints", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("paid_at", MOMENT, nullable=True),
        sa.Column("paid_by", sa.String(), nullable=True),
        sa.Column("close_requested_at", MOMENT, nullable=True),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("transaction_id", sa.String(), nullable=True),
        sa.Column("failure", JSON, nullable=True),
        sa.Column("event_sequence", sa.Integer(), nullable=False),
        sa.Column("next_check_at", MOMENT, nullable=True),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=True),
        sa.Column("state_since", MOMENT, nullable=False),
        sa.Column("leased_by", sa.String(), nullable=True),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.CheckConstraint(
            "(status = 'paid') = (paid_at IS NOT NULL)", name=op.f("ck_orders_paid_has_its_time")
        ),
        sa.CheckConstraint(
            "(status = 'paid') = (transaction_id IS NOT NULL)",
            name=op.f("ck_orders_paid_has_its_transaction"),
        ),
        sa.CheckConstraint(
            "status IN ('created', 'submitting', 'pending', 'closing', 'paid', 'closed', 'failed')",
            name=op.f("ck_orders_status"),
        ),
        sa.CheckConstraint("amount BETWEEN 1 AND 999999999", name=op.f("ck_orders_amount")),
        sa.CheckConstraint(
            "refunded_amount + refunding_amount <= amount", name=op.f("ck_orders_refund_within_paid")
        ),
        sa.CheckConstraint(
            "refunded_amount >= 0 AND refunding_amount >= 0", name=op.f("ck_orders_refunds_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_orders_tenants"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_orders")),
        sa.UniqueConstraint(
            "tenant_id", "merchant_order_no", name=op.f("uq_orders_tenant_id_merchant_order_no")
        ),
    )
    op.create_index("ix_orders_id", "orders", ["id"], unique=False)
    op.create_index("ix_orders_merchant_order_no", "orders", ["merchant_order_no"], unique=False)
    op.create_index("ix_orders_out_trade_no", "orders", ["out_trade_no"], unique=False)
    op.create_index(
        "ix_orders_next_check_at",
        "orders",
        ["next_check_at"],
        unique=False,
        postgresql_where=sa.text("next_check_at IS NOT NULL"),
        sqlite_where=sa.text("next_check_at IS NOT NULL"),
    )
    op.create_index("ix_orders_provider_id_created_at", "orders", ["provider_id", "created_at"], unique=False)
    op.create_index("ix_orders_provider_id_id", "orders", ["provider_id", "id"], unique=False)
    op.create_index(
        "ix_orders_provider_id_status_id", "orders", ["provider_id", "status", "id"], unique=False
    )
    op.create_index("ix_orders_tenant_id_status_id", "orders", ["tenant_id", "status", "id"], unique=False)
    op.create_index("ix_orders_transaction_id", "orders", ["transaction_id"], unique=False)


def _order_attempts() -> None:
    op.create_table(
        "order_attempts",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("out_trade_no", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("trade_type", sa.String(), nullable=False),
        sa.Column("api_version", sa.String(), nullable=False),
        sa.Column("sign_type", sa.String(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("mch_id", sa.String(), nullable=False),
        sa.Column("appid", sa.String(), nullable=False),
        sa.Column("sub_mch_id", sa.String(), nullable=True),
        sa.Column("sub_appid", sa.String(), nullable=True),
        sa.Column("request", JSON, nullable=False),
        sa.Column("prepay_id", sa.String(), nullable=True),
        sa.Column("prepay_at", MOMENT, nullable=True),
        sa.Column("code_url", sa.String(), nullable=True),
        sa.Column("cashier", sa.String(), nullable=True),
        sa.Column("absent_since", MOMENT, nullable=True),
        sa.Column("repeats", sa.Integer(), nullable=False),
        sa.Column("transaction_id", sa.String(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "state IN ('submitting', 'payable', 'paid', 'closed', 'failed')",
            name=op.f("ck_order_attempts_state"),
        ),
        sa.CheckConstraint("amount BETWEEN 1 AND 999999999", name=op.f("ck_order_attempts_amount")),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_order_attempts_tenants"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"],
            ["orders.tenant_id", "orders.id"],
            name=op.f("fk_order_attempts_orders"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "out_trade_no", name=op.f("pk_order_attempts")),
        sa.UniqueConstraint("out_trade_no", name=op.f("uq_order_attempts_out_trade_no")),
        sa.UniqueConstraint(
            "tenant_id", "order_id", "number", name=op.f("uq_order_attempts_tenant_id_order_id_number")
        ),
    )
    op.create_index(
        "uq_order_attempts_one_payable",
        "order_attempts",
        ["tenant_id", "order_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('submitting', 'payable')"),
        sqlite_where=sa.text("state IN ('submitting', 'payable')"),
    )


def _order_timeline() -> None:
    op.create_table(
        "order_timeline",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("meta", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"],
            ["orders.tenant_id", "orders.id"],
            name=op.f("fk_order_timeline_orders"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_order_timeline")),
    )
    op.create_index(
        "ix_order_timeline_order", "order_timeline", ["tenant_id", "order_id", "id"], unique=False
    )


def _idempotency_records() -> None:
    op.create_table(
        "idempotency_records",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request_hash", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_idempotency_records_tenants"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "route", "key", name=op.f("pk_idempotency_records")),
    )
    op.create_index("ix_idempotency_records_created_at", "idempotency_records", ["created_at"], unique=False)


def _notifications() -> None:
    op.create_table(
        "notifications",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("headers", JSON, nullable=False),
        sa.Column("peer", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("last_received_at", MOMENT, nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("key_version", sa.Integer(), nullable=True),
        sa.Column("out_trade_no", sa.String(), nullable=True),
        sa.Column("transaction_id", sa.String(), nullable=True),
        sa.Column("order_id", sa.String(), nullable=True),
        sa.Column("answered", sa.String(), nullable=False),
        sa.CheckConstraint(
            "result IN ('processed', 'duplicate', 'rejected', 'unmatched', 'mismatch', 'deferred')",
            name=op.f("ck_notifications_result"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_notifications_tenants"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_notifications")),
        sa.UniqueConstraint(
            "tenant_id",
            "version",
            "kind",
            "digest",
            name=op.f("uq_notifications_tenant_id_version_kind_digest"),
        ),
    )
    op.create_index("ix_notifications_order", "notifications", ["tenant_id", "order_id"], unique=False)
    op.create_index("ix_notifications_provider_id_id", "notifications", ["provider_id", "id"], unique=False)


def _stray_notifications() -> None:
    op.create_table(
        "stray_notifications",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("route_digest", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("peer", sa.String(), nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("last_received_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_stray_notifications")),
    )


def _order_moves(dialect: str) -> list[str]:
    """Failure catalogue 2.2 as a trigger; a transaction id, once stored, stays."""
    allowed = " OR ".join(f"(OLD.status = '{a}' AND NEW.status = '{b}')" for a, b in ORDER_MOVES)
    same = "NEW.status = OLD.status"
    if dialect == "sqlite":
        return [
            "CREATE TRIGGER orders_moves BEFORE UPDATE OF status ON orders"
            f" WHEN NOT ({same} OR {allowed})"
            " BEGIN SELECT RAISE(ABORT, 'orders: this move between states is not allowed'); END",
            "CREATE TRIGGER orders_transaction BEFORE UPDATE OF transaction_id ON orders"
            " WHEN OLD.transaction_id IS NOT NULL AND NEW.transaction_id IS NOT OLD.transaction_id"
            " BEGIN SELECT RAISE(ABORT, 'orders: transaction_id cannot change'); END",
        ]
    return [
        "CREATE FUNCTION orders_moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF NOT ({same} OR {allowed}) THEN RAISE EXCEPTION 'orders: % to % is not allowed',"
        " OLD.status, NEW.status USING ERRCODE = 'check_violation'; END IF;"
        " IF OLD.transaction_id IS NOT NULL AND NEW.transaction_id IS DISTINCT FROM OLD.transaction_id"
        " THEN RAISE EXCEPTION 'orders: transaction_id cannot change'"
        " USING ERRCODE = 'check_violation'; END IF;"
        " RETURN NEW; END $$",
        "CREATE TRIGGER orders_moves BEFORE UPDATE OF status, transaction_id ON orders"
        " FOR EACH ROW EXECUTE FUNCTION orders_moves()",
    ]
