"""Bills of WeChat's with their files and lines; differences, suspense, daily statements, agreed rates.

Creates eight tables, one column that is off, and two narrow indexes by the moment of payment and of
acceptance; on a large PostgreSQL installation they take their time and hold writing up while they are made.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spcore.db import walls

revision = "0017"
down_revision = "0016"

MOMENT = sa.DateTime(timezone=True)
DUE = sa.text("next_at IS NOT NULL")
DOWNLOADED = sa.text("state = 'downloaded'")
WAITING = sa.text("state = 'waiting'")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

OF_BILLS = ("bills", "bill_parts", "bill_lines", "fund_entries")
OF_RECONCILIATION = ("differences", "suspense", "daily_statements")
NEVER_CHANGED = {
    "bills": ("provider_id", "tenant_id", "bill_date", "kind", "account", "sub_mch_id"),
    "differences": ("provider_id", "tenant_id", "bill_date", "kind", "mark"),
    "suspense": ("provider_id", "tenant_id", "kind", "number", "reason"),
    "daily_statements": ("provider_id", "tenant_id", "bill_date"),
    "agreed_rates": ("provider_id", "tenant_id", "from_date"),
}


def upgrade() -> None:
    op.add_column("tenants", sa.Column("own_bills", sa.Boolean(), nullable=False, server_default=sa.false()))
    _moments()
    _bills()
    _bill_parts()
    _bill_lines()
    _fund_entries()
    _differences()
    _suspense()
    _daily_statements()
    _agreed_rates()
    _walls(op.get_bind().dialect.name)


def _walls(dialect: str) -> None:
    for table, columns in NEVER_CHANGED.items():
        _run(walls.unchangeable(dialect, table, *columns))
    for table in ("bill_parts", "bill_lines", "fund_entries"):
        _run(walls.unchangeable(dialect, table, "bill_id", "edition", "number", "provider_id", "tenant_id"))
    if dialect == "sqlite":
        return
    everybody = ("platform", "worker")
    for table in (*OF_BILLS, *OF_RECONCILIATION):
        _secure(table, read_reach=everybody)
    _secure("agreed_rates", read_reach=(*everybody, "import"), write_reach=("import",))
    for table in ("bill_lines", "differences", "daily_statements"):
        op.execute(walls.read_scope_by_case(table, everybody))


def _secure(table: str, **reach: tuple[str, ...]) -> None:
    _run(walls.row_level_security(table, provider_column="provider_id", tenant_column="tenant_id", **reach))


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def _moments() -> None:
    for table, column in (("orders", "paid_at"), ("refunds", "accepted_at")):
        known = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_{table}_provider_id_{column}",
            table,
            ["provider_id", column],
            postgresql_where=known,
            sqlite_where=known,
        )


def _bills() -> None:
    op.create_table(
        "bills",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=True),
        sa.Column("bill_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("sub_mch_id", sa.String(), nullable=False),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column("api_version", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("problem_facts", JSON, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("leased_by", sa.String(), nullable=True),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("loaded_edition", sa.Integer(), nullable=False),
        sa.Column("empty", sa.Boolean(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha1", sa.String(), nullable=True),
        sa.Column("sha1_told", sa.String(), nullable=True),
        sa.Column("hash_check", sa.String(), nullable=True),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("columns", JSON, nullable=True),
        sa.Column("unknown_columns", JSON, nullable=True),
        sa.Column("summary", JSON, nullable=True),
        sa.Column("read_lines", sa.Integer(), nullable=False),
        sa.Column("read_offset", sa.BigInteger(), nullable=False),
        sa.Column("matched_to", sa.String(), nullable=True),
        sa.Column("asked_at", MOMENT, nullable=True),
        sa.Column("downloaded_at", MOMENT, nullable=True),
        sa.Column("matched_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint("(kind = 'fund') = (account <> '')", name=op.f("ck_bills_fund_has_its_account")),
        sa.CheckConstraint(
            "(sub_mch_id = '') = (tenant_id IS NULL)", name=op.f("ck_bills_sub_merchant_is_a_tenant")
        ),
        sa.CheckConstraint("kind IN ('trade', 'fund')", name=op.f("ck_bills_kind")),
        sa.CheckConstraint(
            "state IN ('waiting', 'downloaded', 'balanced', 'different', 'failed')",
            name=op.f("ck_bills_state"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"], name=op.f("fk_bills_tenants")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["service_providers.id"], name=op.f("fk_bills_service_providers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bills")),
        sa.UniqueConstraint(
            "provider_id",
            "bill_date",
            "kind",
            "account",
            "sub_mch_id",
            name=op.f("uq_bills_provider_id_bill_date_kind_account_sub_mch_id"),
        ),
    )
    op.create_index("ix_bills_bill_date", "bills", ["bill_date"])
    op.create_index(
        "ix_bills_downloaded",
        "bills",
        ["bill_date"],
        postgresql_where=DOWNLOADED,
        sqlite_where=DOWNLOADED,
    )
    op.create_index(
        "ix_bills_next_at",
        "bills",
        ["next_at"],
        postgresql_where=DUE,
        sqlite_where=DUE,
    )
    op.create_index("ix_bills_tenant_id_bill_date", "bills", ["tenant_id", "bill_date"])


def _bill_parts() -> None:
    op.create_table(
        "bill_parts",
        sa.Column("bill_id", sa.String(), nullable=False),
        sa.Column("edition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=True),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bill_id"], ["bills.id"], name=op.f("fk_bill_parts_bills"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("bill_id", "edition", "number", name=op.f("pk_bill_parts")),
    )


def _bill_lines() -> None:
    op.create_table(
        "bill_lines",
        sa.Column("bill_id", sa.String(), nullable=False),
        sa.Column("edition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=True),
        sa.Column("bill_date", sa.Date(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("mch_id", sa.String(), nullable=False),
        sa.Column("sub_mch_id", sa.String(), nullable=True),
        sa.Column("transaction_id", sa.String(), nullable=True),
        sa.Column("out_trade_no", sa.String(), nullable=False),
        sa.Column("trade_type", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("settled", sa.BigInteger(), nullable=False),
        sa.Column("refund_id", sa.String(), nullable=True),
        sa.Column("out_refund_no", sa.String(), nullable=True),
        sa.Column("refund_amount", sa.BigInteger(), nullable=False),
        sa.Column("refund_applied", sa.BigInteger(), nullable=False),
        sa.Column("refund_state", sa.String(), nullable=True),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("rate", sa.Integer(), nullable=True),
        sa.Column("extra", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["bill_id"], ["bills.id"], name=op.f("fk_bill_lines_bills"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("bill_id", "edition", "number", name=op.f("pk_bill_lines")),
    )
    op.create_index(
        "ix_bill_lines_provider_id_bill_date_out_trade_no",
        "bill_lines",
        ["provider_id", "bill_date", "out_trade_no"],
    )
    op.create_index(
        "ix_bill_lines_tenant_id_bill_date_number", "bill_lines", ["tenant_id", "bill_date", "number"]
    )


def _fund_entries() -> None:
    op.create_table(
        "fund_entries",
        sa.Column("bill_id", sa.String(), nullable=False),
        sa.Column("edition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=True),
        sa.Column("bill_date", sa.Date(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("business_no", sa.String(), nullable=False),
        sa.Column("flow_no", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("applicant", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("voucher", sa.String(), nullable=False),
        sa.Column("extra", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["bill_id"], ["bills.id"], name=op.f("fk_fund_entries_bills"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("bill_id", "edition", "number", name=op.f("pk_fund_entries")),
    )
    op.create_index(
        "ix_fund_entries_provider_id_bill_date_business_no",
        "fund_entries",
        ["provider_id", "bill_date", "business_no"],
    )


def _differences() -> None:
    op.create_table(
        "differences",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=True),
        sa.Column("bill_id", sa.String(), nullable=False),
        sa.Column("bill_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("mark", sa.String(), nullable=False),
        sa.Column("out_trade_no", sa.String(), nullable=True),
        sa.Column("out_refund_no", sa.String(), nullable=True),
        sa.Column("transaction_id", sa.String(), nullable=True),
        sa.Column("order_id", sa.String(), nullable=True),
        sa.Column("refund_id", sa.String(), nullable=True),
        sa.Column("ours", sa.BigInteger(), nullable=True),
        sa.Column("theirs", sa.BigInteger(), nullable=True),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("cause", sa.String(), nullable=True),
        sa.Column("cause_facts", JSON, nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("resolution", sa.String(), nullable=True),
        sa.Column("resolved_by", sa.String(), nullable=True),
        sa.Column("resolved_at", MOMENT, nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("leased_by", sa.String(), nullable=True),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("found_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "(state = 'resolved') = (resolution IS NOT NULL)", name=op.f("ck_differences_resolved_says_how")
        ),
        sa.CheckConstraint(
            "(state = 'resolved') = (resolved_at IS NOT NULL)",
            name=op.f("ck_differences_resolved_has_its_time"),
        ),
        sa.CheckConstraint(
            "kind IN ('missing_here', 'missing_there', 'amount', 'state', 'refund', 'fee')",
            name=op.f("ck_differences_kind"),
        ),
        sa.CheckConstraint(
            "resolution IN ('healed', 'next_bill', 'person')", name=op.f("ck_differences_resolution")
        ),
        sa.CheckConstraint("state IN ('open', 'resolved')", name=op.f("ck_differences_state")),
        sa.ForeignKeyConstraint(["bill_id"], ["bills.id"], name=op.f("fk_differences_bills")),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_differences_tenants"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["service_providers.id"], name=op.f("fk_differences_service_providers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_differences")),
        sa.UniqueConstraint(
            "provider_id",
            "bill_date",
            "kind",
            "mark",
            name=op.f("uq_differences_provider_id_bill_date_kind_mark"),
        ),
    )
    op.create_index(
        "ix_differences_next_at",
        "differences",
        ["next_at"],
        postgresql_where=DUE,
        sqlite_where=DUE,
    )
    op.create_index("ix_differences_updated_at", "differences", ["updated_at"])
    op.create_index("ix_differences_provider_id_state_id", "differences", ["provider_id", "state", "id"])
    op.create_index("ix_differences_state_id", "differences", ["state", "id"])
    op.create_index("ix_differences_tenant_id_order_id", "differences", ["tenant_id", "order_id"])
    op.create_index("ix_differences_tenant_id_state_id", "differences", ["tenant_id", "state", "id"])


def _suspense() -> None:
    op.create_table(
        "suspense",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("refund_id", sa.String(), nullable=True),
        sa.Column("bill_date", sa.Date(), nullable=False),
        sa.Column("until_date", sa.Date(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("ended_on", sa.Date(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "(state = 'waiting') = (ended_at IS NULL)", name=op.f("ck_suspense_ended_has_its_time")
        ),
        sa.CheckConstraint("kind IN ('payment', 'refund')", name=op.f("ck_suspense_kind")),
        sa.CheckConstraint("reason IN ('midnight', 'refund_settling')", name=op.f("ck_suspense_reason")),
        sa.CheckConstraint("state IN ('waiting', 'cleared', 'expired')", name=op.f("ck_suspense_state")),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_suspense_tenants"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"], name=op.f("fk_suspense_orders")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "kind", "number", "reason", name=op.f("pk_suspense")),
    )
    op.create_index(
        "ix_suspense_waiting",
        "suspense",
        ["provider_id", "until_date"],
        postgresql_where=WAITING,
        sqlite_where=WAITING,
    )
    op.create_index("ix_suspense_provider_id_bill_date", "suspense", ["provider_id", "bill_date"])
    op.create_index("ix_suspense_provider_id_ended_on", "suspense", ["provider_id", "ended_on"])


def _daily_statements() -> None:
    op.create_table(
        "daily_statements",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("bill_date", sa.Date(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("paid_count", sa.Integer(), nullable=False),
        sa.Column("paid_amount", sa.BigInteger(), nullable=False),
        sa.Column("refunded_count", sa.Integer(), nullable=False),
        sa.Column("refunded_amount", sa.BigInteger(), nullable=False),
        sa.Column("bill_paid_count", sa.Integer(), nullable=False),
        sa.Column("bill_paid_amount", sa.BigInteger(), nullable=False),
        sa.Column("bill_refunded_count", sa.Integer(), nullable=False),
        sa.Column("bill_refunded_amount", sa.BigInteger(), nullable=False),
        sa.Column("bill_settled_amount", sa.BigInteger(), nullable=False),
        sa.Column("bill_fee", sa.BigInteger(), nullable=False),
        sa.Column("suspended_count", sa.Integer(), nullable=False),
        sa.Column("suspended_amount", sa.BigInteger(), nullable=False),
        sa.Column("differences", sa.Integer(), nullable=False),
        sa.Column("open_differences", sa.Integer(), nullable=False),
        sa.Column("proof", JSON, nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("event_sequence", sa.Integer(), nullable=False),
        sa.Column("told", sa.String(), nullable=True),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "state IN ('open', 'balanced', 'different')", name=op.f("ck_daily_statements_state")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_daily_statements_tenants"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "bill_date", name=op.f("pk_daily_statements")),
        sa.UniqueConstraint("id", name=op.f("uq_daily_statements_id")),
    )
    op.create_index("ix_daily_statements_bill_date", "daily_statements", ["bill_date"])
    op.create_index(
        "ix_daily_statements_provider_id_bill_date", "daily_statements", ["provider_id", "bill_date"]
    )


def _agreed_rates() -> None:
    op.create_table(
        "agreed_rates",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("from_date", sa.Date(), nullable=False),
        sa.Column("rate", sa.Integer(), nullable=False),
        sa.Column("set_by", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("rate BETWEEN 0 AND 100000", name=op.f("ck_agreed_rates_rate")),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_agreed_rates_tenants"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "from_date", name=op.f("pk_agreed_rates")),
    )
