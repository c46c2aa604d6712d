"""Bringing a database to the newest revision, and telling whether models and migrations agree."""

from __future__ import annotations

from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from spapp.models import metadata
from spapp.resources import resource
from spapp.revisions import head
from spcore.db.engine import make_sqlite_file


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resource("migrations")).replace("%", "%%"))
    return config


def upgrade(connection: Connection) -> None:
    """Apply every outstanding migration on an open connection; each commits by itself."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def differences(connection: Connection) -> list[Any]:
    """Return what the models say and the migrated database does not, empty when they agree."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


async def upgrade_database(url: str) -> str:
    """Migrate the database at `url` and return the revision it is at afterwards.

    Uses its own short-lived connection: a migration is not a transaction of the application. Each revision is
    one transaction on both databases, so that one that fails leaves nothing behind (failure catalogue D10).
    """
    parsed = make_url(url)
    engine = create_async_engine(parsed, poolclass=NullPool)
    if parsed.get_backend_name() == "sqlite":
        make_sqlite_file(parsed)
        _begin_before_ddl(engine.sync_engine)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(upgrade)
            await connection.commit()
    finally:
        await engine.dispose()
    return head()


def _begin_before_ddl(engine: Engine) -> None:
    """Begin transactions ourselves: SQLite's driver begins none for DDL, which would then commit at once."""

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


async def database_differences(url: str) -> list[Any]:
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(differences)
    finally:
        await engine.dispose()
