"""Runs migrations on the connection that `spapp.migrations` hands over; it never reads settings itself."""

from __future__ import annotations

from alembic import context

from spapp.models import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    compare_type=True,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=True,
    transactional_ddl=True,  # SQLite can, once somebody begins a transaction
)
with context.begin_transaction():
    context.run_migrations()
