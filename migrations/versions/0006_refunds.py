"""Refunds; an Idempotency-Key may also name the refund it made.

Creates one table and one empty column. The moves between refund states are triggers on both databases, and
number, amounts and owner of a refund can never be changed.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spcore.db import walls

revision = "0006"
down_revision = "0005"

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

REFUND_MOVES = (
    ("requested", "submitting"),
    ("requested", "rejected"),
    ("submitting", "processing"),
    ("submitting", "rejected"),
    ("submitting", "succeeded"),
    ("submitting", "closed"),
    ("submitting", "abnormal"),
    ("processing", "succeeded"),
    ("processing", "closed"),
    ("processing", "abnormal"),
    ("abnormal", "succeeded"),
    ("abnormal", "closed"),
)
FIXED = (
    "provider_id",
    "tenant_id",
    "order_id",
    "out_trade_no",
    "transaction_id",
    "out_refund_no",
    "merchant_refund_no",
    "amount",
    "total",
    "purpose",
)


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    op.add_column("idempotency_records", sa.Column("refund_id", sa.String(), nullable=True))
    _refunds()
    _indexes()
    _run(_refund_moves(dialect))
    _run(walls.unchangeable(dialect, "refunds", *FIXED))
    if dialect == "postgresql":
        _run(
            walls.row_level_security(
                "refunds",
                provider_column="provider_id",
                tenant_column="tenant_id",
                read_reach=("platform", "worker"),
            )
        )


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def _refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("out_trade_no", sa.String(), nullable=False),
        sa.Column("transaction_id", sa.String(), nullable=False),
        sa.Column("out_refund_no", sa.String(), nullable=False),
        sa.Column("merchant_refund_no", sa.String(), nullable=True),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("request", JSON, nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("approval", sa.String(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_by_id", sa.String(), nullable=True),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("wechat_refund_id", sa.String(), nullable=True),
        sa.Column("recv_account", sa.String(), nullable=True),
        sa.Column("failure", JSON, nullable=True),
        sa.Column("short", sa.Boolean(), nullable=False),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("next_check_at", MOMENT, nullable=True),
        sa.Column("asked_at", MOMENT, nullable=True),
        sa.Column("state_since", MOMENT, nullable=False),
        sa.Column("leased_by", sa.String(), nullable=True),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("accepted_at", MOMENT, nullable=True),
        sa.Column("succeeded_at", MOMENT, nullable=True),
        *_checks(),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_refunds_tenants"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"], name=op.f("fk_refunds_orders")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "out_trade_no"],
            ["order_attempts.tenant_id", "order_attempts.out_trade_no"],
            name=op.f("fk_refunds_order_attempts"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_refunds")),
        sa.UniqueConstraint(
            "tenant_id", "merchant_refund_no", name=op.f("uq_refunds_tenant_id_merchant_refund_no")
        ),
        sa.UniqueConstraint("tenant_id", "out_refund_no", name=op.f("uq_refunds_tenant_id_out_refund_no")),
    )


def _checks() -> list[sa.CheckConstraint]:
    conditions = {
        "status": "status IN ('requested', 'submitting', 'processing', 'succeeded', 'rejected', 'closed',"
        " 'abnormal')",
        "purpose": "purpose IN ('order', 'duplicate')",
        "approval": "approval IN ('none', 'waiting', 'given', 'declined')",
        "source": "source IN ('api_key', 'console', 'policy', 'wechat')",
        "amount": "amount BETWEEN 1 AND 999999999 AND amount <= total",
        "success_has_its_time": "(status = 'succeeded') = (succeeded_at IS NOT NULL)",
        "waits_before_it_is_sent": "approval <> 'waiting' OR status = 'requested'",
        "open_has_its_next_look": "status IN ('succeeded', 'rejected', 'closed') OR approval = 'waiting'"
        " OR next_check_at IS NOT NULL",
    }
    return [
        sa.CheckConstraint(condition, name=op.f(f"ck_refunds_{name}"))
        for name, condition in conditions.items()
    ]


def _indexes() -> None:
    op.create_index("ix_refunds_id", "refunds", ["id"], unique=False)
    op.create_index("ix_refunds_provider_id_id", "refunds", ["provider_id", "id"], unique=False)
    op.create_index(
        "ix_refunds_provider_id_status_id", "refunds", ["provider_id", "status", "id"], unique=False
    )
    op.create_index("ix_refunds_tenant_id_order_id", "refunds", ["tenant_id", "order_id"], unique=False)
    op.create_index("ix_refunds_tenant_id_status_id", "refunds", ["tenant_id", "status", "id"], unique=False)
    _partial("ix_refunds_next_check_at", ["next_check_at"], "next_check_at IS NOT NULL", unique=False)
    _partial("uq_refunds_our_numbers", ["out_refund_no"], "source <> 'wechat'", unique=True)
    _partial(
        "uq_refunds_one_in_flight", ["tenant_id", "transaction_id"], "status = 'submitting'", unique=True
    )
    _partial(
        "uq_refunds_one_duplicate",
        ["tenant_id", "transaction_id"],
        "purpose = 'duplicate' AND status NOT IN ('rejected', 'closed')",
        unique=True,
    )


def _partial(name: str, columns: list[str], condition: str, *, unique: bool) -> None:
    op.create_index(
        name,
        "refunds",
        columns,
        unique=unique,
        postgresql_where=sa.text(condition),
        sqlite_where=sa.text(condition),
    )


def _refund_moves(dialect: str) -> list[str]:
    """Failure catalogue 2.3 as a trigger."""
    allowed = " OR ".join(f"(OLD.status = '{a}' AND NEW.status = '{b}')" for a, b in REFUND_MOVES)
    same = "NEW.status = OLD.status"
    if dialect == "sqlite":
        return [
            "CREATE TRIGGER refunds_moves BEFORE UPDATE OF status ON refunds"
            f" WHEN NOT ({same} OR {allowed})"
            " BEGIN SELECT RAISE(ABORT, 'refunds: this move between states is not allowed'); END",
        ]
    return [
        "CREATE FUNCTION refunds_moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF NOT ({same} OR {allowed}) THEN RAISE EXCEPTION 'refunds: % to % is not allowed',"
        " OLD.status, NEW.status USING ERRCODE = 'check_violation'; END IF;"
        " RETURN NEW; END $$",
        "CREATE TRIGGER refunds_moves BEFORE UPDATE OF status ON refunds"
        " FOR EACH ROW EXECUTE FUNCTION refunds_moves()",
    ]
