"""Tenants with their bindings, keys, sessions, prices, webhook endpoints and events.

Creates tables only. The slot of a binding is what keeps a tenant to five; who owns a row can never change.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spcore.db import walls

revision = "0002"
down_revision = "0001"

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

TENANT_TABLES = {
    "app_bindings": (("import",), ("import",)),
    "mini_sessions": (("door",), ()),
    "outbox": ((), ("worker",)),
    "prices": (("import",), ("import",)),
    "webhook_endpoints": (("import",), ("import",)),
}
"""Wider scopes that may read each table, beside platform and worker, and that may write it."""


def upgrade() -> None:
    _tenants()
    _app_claims()
    _app_bindings()
    _api_keys()
    _mini_sessions()
    _prices()
    _webhook_endpoints()
    _outbox()
    dialect = op.get_bind().dialect.name
    _run(walls.unchangeable(dialect, "tenants", "id", "provider_id", "route_key"))
    for table in TENANT_TABLES:
        _run(walls.unchangeable(dialect, table, "provider_id", "tenant_id"))
    if dialect == "postgresql":
        _row_level_security()


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def _tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("sub_mch_id", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("route_key", sa.String(), nullable=False),
        sa.Column("server_per_second", sa.Integer(), nullable=False),
        sa.Column("session_per_second", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "status IN ('draft', 'onboarding', 'ready', 'live', 'suspended', 'closed')",
            name=op.f("ck_tenants_status"),
        ),
        sa.CheckConstraint("server_per_second >= 1", name=op.f("ck_tenants_server_per_second")),
        sa.CheckConstraint("session_per_second >= 1", name=op.f("ck_tenants_session_per_second")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["service_providers.id"], name=op.f("fk_tenants_service_providers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("provider_id", "id", name=op.f("uq_tenants_provider_id_id")),
        sa.UniqueConstraint("provider_id", "name", name=op.f("uq_tenants_provider_id_name")),
        sa.UniqueConstraint("provider_id", "sub_mch_id", name=op.f("uq_tenants_provider_id_sub_mch_id")),
        sa.UniqueConstraint("route_key", name=op.f("uq_tenants_route_key")),
    )
    op.create_index(
        "uq_tenants_plain_merchant",
        "tenants",
        ["provider_id"],
        unique=True,
        postgresql_where=sa.text("sub_mch_id IS NULL"),
        sqlite_where=sa.text("sub_mch_id IS NULL"),
    )


def _app_claims() -> None:
    op.create_table(
        "app_claims",
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("sub_appid", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["service_providers.id"], name=op.f("fk_app_claims_service_providers")
        ),
        sa.PrimaryKeyConstraint("mode", "sub_appid", name=op.f("pk_app_claims")),
        sa.UniqueConstraint(
            "provider_id", "mode", "sub_appid", name=op.f("uq_app_claims_provider_id_mode_sub_appid")
        ),
    )


def _app_bindings() -> None:
    op.create_table(
        "app_bindings",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("sub_appid", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("secret_version", sa.Integer(), nullable=False),
        sa.Column("secret_fingerprint", sa.String(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "kind IN ('miniprogram', 'official_account', 'app')", name=op.f("ck_app_bindings_kind")
        ),
        sa.CheckConstraint(
            "owner <> 'provider' OR kind = 'miniprogram'",
            name=op.f("ck_app_bindings_provider_owns_miniprograms_only"),
        ),
        sa.CheckConstraint(
            "owner IN ('merchant', 'channel', 'provider')", name=op.f("ck_app_bindings_owner")
        ),
        sa.CheckConstraint(
            "status IN ('unverified', 'verified', 'invalid', 'disabled')", name=op.f("ck_app_bindings_status")
        ),
        sa.CheckConstraint("slot BETWEEN 1 AND 5", name=op.f("ck_app_bindings_slot")),
        sa.ForeignKeyConstraint(
            ["provider_id", "mode", "sub_appid"],
            ["app_claims.provider_id", "app_claims.mode", "app_claims.sub_appid"],
            name=op.f("fk_app_bindings_app_claims"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_app_bindings_tenants"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_app_bindings")),
        sa.UniqueConstraint("tenant_id", "slot", name=op.f("uq_app_bindings_tenant_id_slot")),
        sa.UniqueConstraint("tenant_id", "sub_appid", name=op.f("uq_app_bindings_tenant_id_sub_appid")),
    )


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.Column("hint", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_api_keys_tenants"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["service_providers.id"], name=op.f("fk_api_keys_service_providers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_api_keys_secret_hash")),
    )
    op.create_index("ix_api_keys_tenant_id", "api_keys", ["tenant_id"], unique=False)


def _mini_sessions() -> None:
    op.create_table(
        "mini_sessions",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("sub_appid", sa.String(), nullable=False),
        sa.Column("openid", sa.String(), nullable=False),
        sa.Column("session_key_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_mini_sessions_tenants"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "token_hash", name=op.f("pk_mini_sessions")),
    )
    op.create_index("ix_mini_sessions_expires_at", "mini_sessions", ["expires_at"], unique=False)
    op.create_index(
        "ix_mini_sessions_payer", "mini_sessions", ["tenant_id", "sub_appid", "openid"], unique=False
    )
    op.create_index(
        "uq_mini_sessions_session_key",
        "mini_sessions",
        ["tenant_id", "sub_appid", "openid"],
        unique=True,
        postgresql_where=sa.text("session_key_sealed IS NOT NULL"),
        sqlite_where=sa.text("session_key_sealed IS NOT NULL"),
    )


def _prices() -> None:
    op.create_table(
        "prices",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("max_quantity", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint("amount BETWEEN 1 AND 999999999", name=op.f("ck_prices_amount")),
        sa.CheckConstraint("max_quantity BETWEEN 1 AND 9999", name=op.f("ck_prices_max_quantity")),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_prices_tenants"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "code", name=op.f("pk_prices")),
    )


def _webhook_endpoints() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("status IN ('active', 'disabled')", name=op.f("ck_webhook_endpoints_status")),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_webhook_endpoints_tenants"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_webhook_endpoints")),
        sa.UniqueConstraint("tenant_id", "url", name=op.f("uq_webhook_endpoints_tenant_id_url")),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("leased_by", sa.String(), nullable=True),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_outbox_tenants"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_outbox")),
        sa.UniqueConstraint(
            "tenant_id", "subject", "sequence", name=op.f("uq_outbox_tenant_id_subject_sequence")
        ),
    )
    op.create_index(
        "ix_outbox_due",
        "outbox",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("done_at IS NULL"),
        sqlite_where=sa.text("done_at IS NULL"),
    )


def _row_level_security() -> None:
    everywhere = ("platform", "worker")
    for table, (readers, writers) in TENANT_TABLES.items():
        _run(
            walls.row_level_security(
                table,
                provider_column="provider_id",
                tenant_column="tenant_id",
                read_reach=(*everywhere, *readers),
                write_reach=writers,
            )
        )
    for table, tenant_column in (("tenants", "id"), ("api_keys", "tenant_id")):
        _run(
            walls.row_level_security(
                table,
                provider_column="provider_id",
                tenant_column=tenant_column,
                read_reach=(*everywhere, "door", "import"),
                write_reach=("import",),
            )
        )
    _run(
        walls.row_level_security(
            "app_claims", provider_column="provider_id", read_reach=("import",), write_reach=("import",)
        )
    )
