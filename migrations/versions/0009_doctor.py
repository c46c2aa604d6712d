"""Results of the doctor, the ledger of bindings, trial payments and go-live certificates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spcore.db import walls

revision = "0009"
down_revision = "0008"

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

IMPORTED = "binding_history"
"""The one table that an import file writes too."""
TABLES = {
    "doctor_results": ("provider_id", "tenant_id"),
    "doctor_runs": ("provider_id", "tenant_id"),
    "probe_orders": ("provider_id", "tenant_id"),
    "trials": ("provider_id", "tenant_id", "binding_id", "order_id"),
}
"""With the columns that never change; the two tables of evidence below change in nothing."""
EVIDENCE = ("binding_history", "golive_certificates")


def upgrade() -> None:
    _doctor_results()
    _doctor_runs()
    _probe_orders()
    _binding_history()
    _trials()
    _certificates()
    dialect = op.get_bind().dialect.name
    for table, columns in TABLES.items():
        _run(walls.unchangeable(dialect, table, *columns))
    for table in EVIDENCE:
        _run(walls.append_only(dialect, table))
    if dialect == "postgresql":
        for table in (*TABLES, *EVIDENCE):
            imported = ("import",) if table == IMPORTED else ()
            _run(
                walls.row_level_security(
                    table,
                    provider_column="provider_id",
                    tenant_column="tenant_id",
                    read_reach=("platform", "worker", *imported),
                    write_reach=imported,
                )
            )


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def _of_a_tenant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"], name=op.f(f"fk_{table}_tenants")
    )


def _of_a_provider(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["provider_id"], ["service_providers.id"], name=op.f(f"fk_{table}_service_providers")
    )


def _doctor_results() -> None:
    op.create_table(
        "doctor_results",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=True),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("part", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("checked_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "level IN ('pass', 'warn', 'fail', 'unchecked')", name=op.f("ck_doctor_results_level")
        ),
        _of_a_tenant("doctor_results"),
        _of_a_provider("doctor_results"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_doctor_results")),
        sa.UniqueConstraint(
            "provider_id",
            "subject",
            "code",
            "part",
            name=op.f("uq_doctor_results_provider_id_subject_code_part"),
        ),
    )
    op.create_index("ix_doctor_results_tenant_id", "doctor_results", ["tenant_id"], unique=False)


def _doctor_runs() -> None:
    op.create_table(
        "doctor_runs",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=True),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("ran_at", MOMENT, nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("worst", sa.String(), nullable=False),
        sa.Column("evidence", JSON, nullable=False),
        _of_a_tenant("doctor_runs"),
        _of_a_provider("doctor_runs"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_doctor_runs")),
    )
    op.create_index(
        "ix_doctor_runs_provider_id_subject_id", "doctor_runs", ["provider_id", "subject", "id"], unique=False
    )
    op.create_index("ix_doctor_runs_tenant_id", "doctor_runs", ["tenant_id"], unique=False)


def _probe_orders() -> None:
    op.create_table(
        "probe_orders",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("out_trade_no", sa.String(), nullable=False),
        sa.Column("sub_appid", sa.String(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("close_due_at", MOMENT, nullable=True),
        _of_a_tenant("probe_orders"),
        sa.PrimaryKeyConstraint("tenant_id", "out_trade_no", name=op.f("pk_probe_orders")),
    )
    op.create_index(
        "ix_probe_orders_close_due_at",
        "probe_orders",
        ["close_due_at"],
        unique=False,
        postgresql_where=sa.text("close_due_at IS NOT NULL"),
        sqlite_where=sa.text("close_due_at IS NOT NULL"),
    )


def _binding_history() -> None:
    op.create_table(
        "binding_history",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("binding_id", sa.String(), nullable=False),
        sa.Column("sub_appid", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        _of_a_tenant("binding_history"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_binding_history")),
    )
    for columns in (["provider_id", "id"], ["tenant_id", "id"]):
        op.create_index(f"ix_binding_history_{'_'.join(columns)}", "binding_history", columns, unique=False)


def _trials() -> None:
    op.create_table(
        "trials",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("binding_id", sa.String(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("sub_appid", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.Column("begun_by", sa.String(), nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.CheckConstraint("state IN ('open', 'passed', 'stopped')", name=op.f("ck_trials_state")),
        sa.CheckConstraint(
            "(state = 'open') = (finished_at IS NULL)", name=op.f("ck_trials_finished_has_its_time")
        ),
        _of_a_tenant("trials"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"], ["orders.tenant_id", "orders.id"], name=op.f("fk_trials_orders")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_trials")),
    )
    op.create_index("ix_trials_tenant_id_id", "trials", ["tenant_id", "id"], unique=False)
    op.create_index(
        "uq_trials_one_open",
        "trials",
        ["tenant_id", "binding_id"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
        sqlite_where=sa.text("state = 'open'"),
    )


def _certificates() -> None:
    op.create_table(
        "golive_certificates",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("binding_id", sa.String(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("sub_appid", sa.String(), nullable=False),
        sa.Column("trial_id", sa.String(), nullable=False),
        sa.Column("issued_at", MOMENT, nullable=False),
        sa.Column("evidence", JSON, nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "trial_id"],
            ["trials.tenant_id", "trials.id"],
            name=op.f("fk_golive_certificates_trials"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_golive_certificates")),
        sa.UniqueConstraint("tenant_id", "trial_id", name=op.f("uq_golive_certificates_tenant_id_trial_id")),
    )
    op.create_index(
        "ix_golive_certificates_tenant_id_binding_id",
        "golive_certificates",
        ["tenant_id", "binding_id"],
        unique=False,
    )
