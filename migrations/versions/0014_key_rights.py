"""What an API key may do and from where, and who made it; the last characters of a provider's secret;
and what was given up of webhooks, for the platform's people.

Keys that exist may do everything from everywhere, as before; secrets that exist have no hint.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    for column in (
        sa.Column("rights", JSON, nullable=True),
        sa.Column("networks", JSON, nullable=True),
        sa.Column("created_by", sa.String(), nullable=True),
    ):
        op.add_column("api_keys", column)
    failed = sa.text("state = 'failed'")
    op.create_index(
        "ix_deliveries_failed", "deliveries", ["id"], postgresql_where=failed, sqlite_where=failed
    )
    op.add_column("provider_keys", sa.Column("hint", sa.String(), nullable=True))
