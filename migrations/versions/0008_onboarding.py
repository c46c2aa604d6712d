"""What onboarding keeps: who to ask at a sub-merchant, payment directories, the wizard, one-time links.

A draft may stand without its WeChat number, as long as it is not ready: the index that kept a plain merchant
to one tenant without a number counts those that may take money.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spcore.db import walls

revision = "0008"
down_revision = "0007"

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
NUMBERLESS = "sub_mch_id IS NULL AND status IN ('ready', 'live', 'suspended')"

READERS = {
    "payment_directories": ("platform", "worker"),
    "wechat_ticks": ("platform", "worker"),
    "onboarding_steps": ("platform", "worker"),
    "onboarding_links": ("platform", "worker", "door"),
}
"""Wider scopes that may read each table."""


def upgrade() -> None:
    _tenant_columns()
    _binding_columns()
    _payment_directories()
    _wechat_ticks()
    _onboarding_steps()
    _onboarding_links()
    dialect = op.get_bind().dialect.name
    for table in READERS:
        _run(walls.unchangeable(dialect, table, "provider_id", "tenant_id"))
    if dialect == "postgresql":
        for table, readers in READERS.items():
            _run(
                walls.row_level_security(
                    table,
                    provider_column="provider_id",
                    tenant_column="tenant_id",
                    read_reach=readers,
                )
            )


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def _tenant_columns() -> None:
    for column in (
        sa.Column("short_name", sa.String(), nullable=True),
        sa.Column("contact_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("contact_version", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("contact_hint", JSON, nullable=True),
        sa.Column("settlement_note", sa.String(), nullable=True),
    ):
        op.add_column("tenants", column)
    op.drop_index("uq_tenants_plain_merchant", "tenants")
    op.create_index(
        "uq_tenants_plain_merchant",
        "tenants",
        ["provider_id"],
        unique=True,
        postgresql_where=sa.text(NUMBERLESS),
        sqlite_where=sa.text(NUMBERLESS),
    )


def _binding_columns() -> None:
    for column in (
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("secret_hint", sa.String(), nullable=True),
        sa.Column("secret_changed_at", MOMENT, nullable=True),
    ):
        op.add_column("app_bindings", column)


def _owner() -> tuple[sa.Column[str], sa.Column[str]]:
    return (
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
    )


def _of_tenant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"], name=op.f(f"fk_{table}_tenants")
    )


def _payment_directories() -> None:
    op.create_table(
        "payment_directories",
        *_owner(),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.Column("confirmed_by", sa.String(), nullable=True),
        sa.CheckConstraint("slot BETWEEN 1 AND 5", name=op.f("ck_payment_directories_slot")),
        _of_tenant("payment_directories"),
        sa.PrimaryKeyConstraint("tenant_id", "slot", name=op.f("pk_payment_directories")),
        sa.UniqueConstraint("tenant_id", "url", name=op.f("uq_payment_directories_tenant_id_url")),
    )


def _wechat_ticks() -> None:
    op.create_table(
        "wechat_ticks",
        *_owner(),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("ticked_at", MOMENT, nullable=False),
        sa.Column("ticked_by", sa.String(), nullable=False),
        sa.Column("by_link", sa.Boolean(), nullable=False),
        _of_tenant("wechat_ticks"),
        sa.PrimaryKeyConstraint("tenant_id", "code", name=op.f("pk_wechat_ticks")),
    )


def _onboarding_steps() -> None:
    op.create_table(
        "onboarding_steps",
        *_owner(),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("saved_at", MOMENT, nullable=False),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.Column("draft_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("draft_version", sa.Integer(), nullable=False),
        sa.CheckConstraint("step BETWEEN 1 AND 7", name=op.f("ck_onboarding_steps_step")),
        _of_tenant("onboarding_steps"),
        sa.PrimaryKeyConstraint("tenant_id", "step", name=op.f("pk_onboarding_steps")),
    )


def _onboarding_links() -> None:
    op.create_table(
        "onboarding_links",
        *_owner(),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.Column("last_opened_at", MOMENT, nullable=True),
        _of_tenant("onboarding_links"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_onboarding_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_onboarding_links_token_hash")),
    )
