"""The house: every table of the first release, its constraints and the walls inside the database.

Creates tables only, so nothing is locked that anybody uses. Row-level security is forced from the first row
on (PostgreSQL); the moves between order states and the columns that never change are triggers on both
databases, so that code not written yet is bound by them as well.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spcore.db import walls

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

TENANT_TABLES = (
    "app_bindings",
    "prices",
    "mini_sessions",
    "webhook_endpoints",
    "orders",
    "order_attempts",
    "order_timeline",
    "idempotency_records",
    "notifications",
    "outbox",
)

IMPORTED = ("app_bindings", "prices", "webhook_endpoints")
"""Tables of tenants that an import file fills, for several providers in one transaction."""

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
    _create_kernel()
    _create_registry()
    _create_tenant_things()
    _create_orders()
    _create_attempts()
    _create_notify()
    _create_people()
    dialect = op.get_bind().dialect.name
    for table in TENANT_TABLES:
        _run(walls.unchangeable(dialect, table, "provider_id", "tenant_id"))
    _run(walls.unchangeable(dialect, "tenants", "id", "provider_id", "route_key"))
    _run(walls.append_only(dialect, "audit_log"))
    _run(_order_moves(dialect))
    if dialect == "postgresql":
        _row_level_security()


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def _create_kernel() -> None:
    op.create_table(
        "service_providers",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("mch_id", sa.String(), nullable=False),
        sa.Column("appid", sa.String(), nullable=False),
        sa.Column("api_version", sa.String(), nullable=False),
        sa.Column("sign_type", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("route_key", sa.String(), nullable=False),
        sa.Column("key_epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint("api_version IN ('v2', 'v3')", name=op.f("ck_service_providers_api_version")),
        sa.CheckConstraint(
            "kind IN ('ordinary', 'bank', 'merchant')", name=op.f("ck_service_providers_kind")
        ),
        sa.CheckConstraint("mode IN ('test', 'live')", name=op.f("ck_service_providers_mode")),
        sa.CheckConstraint(
            "sign_type IN ('MD5', 'HMAC-SHA256')", name=op.f("ck_service_providers_sign_type")
        ),
        sa.CheckConstraint("status IN ('active', 'suspended')", name=op.f("ck_service_providers_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_providers")),
        sa.UniqueConstraint("mode", "mch_id", name=op.f("uq_service_providers_mode_mch_id")),
        sa.UniqueConstraint("route_key", name=op.f("uq_service_providers_route_key")),
    )
    op.create_table(
        "provider_keys",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("not_after", MOMENT, nullable=True),
        sa.Column("verify_until", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("state IN ('active', 'retiring', 'retired')", name=op.f("ck_provider_keys_state")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_provider_keys_version")),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["service_providers.id"], name=op.f("fk_provider_keys_service_providers")
        ),
        sa.PrimaryKeyConstraint("provider_id", "kind", "version", name=op.f("pk_provider_keys")),
    )
    op.create_table(
        "audit_log",
        sa.Column("chain", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("actor_kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.String(), nullable=True),
        sa.Column("actor_name", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("object_kind", sa.String(), nullable=False),
        sa.Column("object_id", sa.String(), nullable=True),
        sa.Column("before", JSON, nullable=True),
        sa.Column("after", JSON, nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("peer", sa.String(), nullable=True),
        sa.Column("prev_hash", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("chain", "seq", name=op.f("pk_audit_log")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_log_id")),
    )
    op.create_index("ix_audit_log_object_id", "audit_log", ["object_id"], unique=False)
    op.create_index("ix_audit_log_tenant_id_at", "audit_log", ["tenant_id", "at"], unique=False)
    op.create_table(
        "audit_heads",
        sa.Column("chain", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_audit_heads")),
    )


def _create_registry() -> None:
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


def _create_tenant_things() -> None:
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


def _create_orders() -> None:
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


def _create_attempts() -> None:
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


def _create_notify() -> None:
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


def _create_people() -> None:
    op.create_table(
        "people",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_sign_in_at", MOMENT, nullable=True),
        sa.CheckConstraint("status IN ('active', 'disabled')", name=op.f("ck_people_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("email", name=op.f("uq_people_email")),
    )
    op.create_table(
        "memberships",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=True),
        sa.Column("tenant_id", sa.String(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "(role LIKE 'platform_%' AND provider_id IS NULL AND tenant_id IS NULL)"
            " OR (role LIKE 'provider_%' AND provider_id IS NOT NULL AND tenant_id IS NULL)"
            " OR (role = 'merchant_user' AND provider_id IS NOT NULL AND tenant_id IS NOT NULL)",
            name=op.f("ck_memberships_role_fits_its_place"),
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_memberships_people")),
        sa.ForeignKeyConstraint(
            ["provider_id", "tenant_id"],
            ["tenants.provider_id", "tenants.id"],
            name=op.f("fk_memberships_tenants"),
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["service_providers.id"], name=op.f("fk_memberships_service_providers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
        sa.UniqueConstraint(
            "person_id",
            "role",
            "provider_id",
            "tenant_id",
            name=op.f("uq_memberships_person_id_role_provider_id_tenant_id"),
        ),
    )
    op.create_table(
        "console_sessions",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("membership_id", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("csrf_token", sa.String(), nullable=False),
        sa.Column("peer", sa.String(), nullable=False),
        sa.Column("user_agent", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.CheckConstraint("level IN ('password', 'full')", name=op.f("ck_console_sessions_level")),
        sa.ForeignKeyConstraint(
            ["membership_id"],
            ["memberships.id"],
            name=op.f("fk_console_sessions_memberships"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_console_sessions_people")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_console_sessions")),
    )
    op.create_index("ix_console_sessions_person_id", "console_sessions", ["person_id"], unique=False)
    _create_second_factors()
    op.create_table(
        "setup_links",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_setup_links_people")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_setup_links")),
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("locked_until", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_sign_in_attempts")),
    )
    op.create_index("ix_sign_in_attempts_at", "sign_in_attempts", ["at"], unique=False)
    op.create_table(
        "worker_heartbeats",
        sa.Column("worker_id", sa.String(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("worker_id", name=op.f("pk_worker_heartbeats")),
    )


def _create_second_factors() -> None:
    op.create_table(
        "second_factors",
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.Column("last_step", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_second_factors_people")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_second_factors")),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_recovery_codes_people")),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_recovery_codes")),
    )
    op.create_index("ix_recovery_codes_person_id", "recovery_codes", ["person_id"], unique=False)


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


def _row_level_security() -> None:
    everywhere = ("platform", "worker")
    more_readers = {"mini_sessions": ("door",), **dict.fromkeys(IMPORTED, ("import",))}
    more_writers = {"outbox": ("worker",), **dict.fromkeys(IMPORTED, ("import",))}
    for table in TENANT_TABLES:
        _run(
            walls.row_level_security(
                table,
                provider_column="provider_id",
                tenant_column="tenant_id",
                read_reach=(*everywhere, *more_readers.get(table, ())),
                write_reach=more_writers.get(table, ()),
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
            "service_providers",
            provider_column="id",
            read_reach=(*everywhere, "door", "import"),
            write_reach=("import",),
        )
    )
    for table in ("provider_keys", "app_claims"):
        _run(
            walls.row_level_security(
                table, provider_column="provider_id", read_reach=("import",), write_reach=("import",)
            )
        )
    for table, tenant_column in (("audit_log", "tenant_id"), ("audit_heads", None)):
        reach = (*everywhere, "door", "import")
        _run(
            walls.row_level_security(
                table,
                provider_column="chain",
                tenant_column=tenant_column,
                read_reach=reach,
                write_reach=reach,
            )
        )
