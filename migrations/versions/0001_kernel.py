"""Service providers, their keys, and the audit log.

Creates tables only, so nothing is locked that anybody uses. Row-level security is forced from the first row
on (PostgreSQL), and the audit log only grows (both databases).
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

REACH = ("platform", "worker", "door", "import")


def upgrade() -> None:
    _service_providers()
    _provider_keys()
    _audit_log()
    _audit_heads()
    dialect = op.get_bind().dialect.name
    _run(walls.append_only(dialect, "audit_log"))
    if dialect == "postgresql":
        _row_level_security()


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def _service_providers() -> None:
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


def _provider_keys() -> None:
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


def _audit_log() -> None:
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


def _audit_heads() -> None:
    op.create_table(
        "audit_heads",
        sa.Column("chain", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_audit_heads")),
    )


def _row_level_security() -> None:
    _run(
        walls.row_level_security(
            "service_providers", provider_column="id", read_reach=REACH, write_reach=("import",)
        )
    )
    _run(
        walls.row_level_security(
            "provider_keys", provider_column="provider_id", read_reach=("import",), write_reach=("import",)
        )
    )
    for table, tenant_column in (("audit_log", "tenant_id"), ("audit_heads", None)):
        _run(
            walls.row_level_security(
                table,
                provider_column="chain",
                tenant_column=tenant_column,
                read_reach=REACH,
                write_reach=REACH,
            )
        )
