"""Who may read orders and their attempts, said so that PostgreSQL expects the rows that there are.

Nobody reads more or less than before; no row is touched.
"""

from __future__ import annotations

from alembic import op

from spcore.db import walls

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in ("orders", "order_attempts"):
            op.execute(walls.read_scope_by_case(table, ("platform", "worker")))
