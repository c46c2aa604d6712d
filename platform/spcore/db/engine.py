"""Engines and transactions for SQLite (trial, one host) and PostgreSQL (production)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from spcore.db import guard
from spcore.db.scope import Scope

Dialect = Literal["sqlite", "postgresql"]

# What a page reads is cut off after a few rows of an index. On a large table PostgreSQL would still start
# processes to share that work, which takes longer than the work.
_READING = {"transaction_read_only": "on", "max_parallel_workers_per_gather": "0"}


class Database:
    """The way to a database: `read` and `write` open one transaction each, always inside a scope.

    SQLite gets one connection that writes (BEGIN IMMEDIATE: a deferred transaction that later writes fails
    at once with "database is locked", failure catalogue Z08) and a few that only read.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        parsed = make_url(url)
        self.dialect: Dialect = "sqlite" if parsed.get_backend_name() == "sqlite" else "postgresql"
        if self.dialect == "sqlite":
            self._writer = _sqlite(parsed, "BEGIN IMMEDIATE", pool_size=1)
            self._reader = _sqlite(parsed, "BEGIN", pool_size=4, only_reads=True)
        else:
            self._writer = self._reader = _postgresql(parsed, pool_size)
        for engine in {self._writer, self._reader}:
            guard.install(engine.sync_engine)

    @property
    def engines(self) -> tuple[Engine, ...]:
        """The engines in use, for tests that count statements and for the migration check."""
        return tuple({id(e): e.sync_engine for e in (self._writer, self._reader)}.values())

    def read(self, scope: Scope) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a transaction that only reads; the database itself refuses to write in it."""
        return self._transaction(self._reader, scope, writes=False)

    def write(self, scope: Scope) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a transaction; leaving the block commits it, and a failed commit raises there (rule T5)."""
        return self._transaction(self._writer, scope, writes=True)

    @asynccontextmanager
    async def _transaction(
        self, engine: AsyncEngine, scope: Scope, *, writes: bool
    ) -> AsyncIterator[AsyncSession]:
        async with engine.connect() as connection:
            scoped = await connection.execution_options(**{guard.SCOPE_OPTION: scope})
            async with AsyncSession(scoped, expire_on_commit=False) as session:
                session.info["scope"] = scope
                if self.dialect == "postgresql":
                    await _bind_scope(session, scope, writes=writes)
                yield session
                if writes:
                    await _commit(session, connection)

    async def ping(self) -> None:
        """Raise whatever the driver raises when the database cannot answer."""
        async with self._reader.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def migration_head(self) -> str | None:
        """Return the revision the database is at, None when it was never migrated."""
        async with self._reader.connect() as connection:
            if not await connection.run_sync(lambda c: c.dialect.has_table(c, "alembic_version")):
                return None
            revision: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
            return revision

    async def close(self) -> None:
        await self._writer.dispose()
        await self._reader.dispose()


async def _commit(session: AsyncSession, connection: AsyncConnection) -> None:
    try:
        await session.commit()
    except BaseException:
        # A COMMIT that failed may leave its transaction open (SQLite does), and the pool would hand it on:
        # nobody could write any more, or the next commit would carry these changes with it.
        await connection.invalidate()
        raise


async def _bind_scope(session: AsyncSession, scope: Scope, *, writes: bool) -> None:
    # One statement for all settings; local to the transaction, so that a pooled connection carries nothing
    # over to the next tenant (failure catalogue T07).
    settings = scope.settings() | ({} if writes else _READING)
    calls = ", ".join(f"set_config(:k{i}, :v{i}, true)" for i in range(len(settings)))
    values: dict[str, str] = {}
    for i, (key, value) in enumerate(settings.items()):
        values |= {f"k{i}": key, f"v{i}": value}
    await session.execute(text(f"SELECT {calls}"), values, execution_options={guard.GUARD_OPTION: True})


def make_sqlite_file(url: URL) -> None:
    """Make the file of a SQLite database, readable by its owner alone: it holds openids and sealed keys."""
    if url.database:
        path = Path(url.database)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)


def _sqlite(url: URL, begin: str, *, pool_size: int, only_reads: bool = False) -> AsyncEngine:
    make_sqlite_file(url)
    engine = create_async_engine(
        url,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=15,
        connect_args={"timeout": 10},
        hide_parameters=True,  # an error's text must not carry openids, tokens or sealed keys (A02)
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN would be a deferred one
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
            cursor.execute(f"PRAGMA {pragma}")
        if only_reads:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgresql(url: URL, pool_size: int) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        hide_parameters=True,
        connect_args={
            "timeout": 5,
            "command_timeout": 15,
            "server_settings": {"application_name": "wxsp", "timezone": "UTC"},
        },
    )
