"""API v3: candidates of keys and how they were tried, which key was used when, when WeChat was asked for its
certificates, test messages that WeChat sends back, and the key that a notification is signed with.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from spcore.db import walls

revision = "0015"
down_revision = "0014"

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

TABLES = ("key_rehearsals", "key_uses", "certificate_fetches", "security_echoes")


def upgrade() -> None:
    _candidates()
    _key_rehearsals()
    _key_uses()
    _certificate_fetches()
    _security_echoes()
    op.add_column("notifications", sa.Column("serial", sa.String(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        for table in TABLES:
            for statement in walls.row_level_security(
                table, provider_column="provider_id", read_reach=("platform", "worker")
            ):
                op.execute(statement)


def _candidates() -> None:
    with op.batch_alter_table("provider_keys") as table:
        table.drop_constraint(op.f("ck_provider_keys_state"), type_="check")
        table.create_check_constraint(
            op.f("ck_provider_keys_state"), "state IN ('candidate', 'active', 'retiring', 'retired')"
        )


def _of_a_provider(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["provider_id"], ["service_providers.id"], name=op.f(f"fk_{table}_service_providers")
    )


def _key_rehearsals() -> None:
    op.create_table(
        "key_rehearsals",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("tried", sa.Integer(), nullable=False),
        sa.Column("passed", sa.Integer(), nullable=False),
        sa.Column("asked", sa.String(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("facts", JSON, nullable=False),
        sa.Column("ran_by", sa.String(), nullable=False),
        sa.Column("ran_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "result IN ('passed', 'failed', 'unclear')", name=op.f("ck_key_rehearsals_result")
        ),
        _of_a_provider("key_rehearsals"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_rehearsals")),
    )
    op.create_index("ix_key_rehearsals_key", "key_rehearsals", ["provider_id", "kind", "version", "id"])


def _key_uses() -> None:
    op.create_table(
        "key_uses",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("hour", MOMENT, nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "channel IN ('answer', 'notification', 'request')", name=op.f("ck_key_uses_channel")
        ),
        _of_a_provider("key_uses"),
        sa.PrimaryKeyConstraint("provider_id", "channel", "kind", "name", "hour", name=op.f("pk_key_uses")),
    )


def _certificate_fetches() -> None:
    op.create_table(
        "certificate_fetches",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("succeeded_at", MOMENT, nullable=True),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        _of_a_provider("certificate_fetches"),
        sa.PrimaryKeyConstraint("provider_id", name=op.f("pk_certificate_fetches")),
    )


def _security_echoes() -> None:
    op.create_table(
        "security_echoes",
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("notified_at", MOMENT, nullable=True),
        _of_a_provider("security_echoes"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_echoes")),
    )
    op.create_index("ix_security_echoes_provider_id_id", "security_echoes", ["provider_id", "id"])
