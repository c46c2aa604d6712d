"""Doing to a database what its program never does: tests of what happens then."""

from __future__ import annotations

from pathlib import Path

import asyncpg
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from tests.support.databases import admin_dsn


async def execute_unguarded(database_url: str, *statements: str, triggers: bool = True) -> None:
    """Run SQL past the guard and past row-level security; `triggers=False` also takes the triggers away."""
    if database_url.startswith("postgresql"):
        admin = await asyncpg.connect(**admin_dsn(database_url))
        try:
            if not triggers:
                await admin.execute("SET session_replication_role = replica")
            for statement in statements:
                await admin.execute(statement)
        finally:
            await admin.close()
        return
    engine = create_async_engine(database_url)
    try:
        async with engine.begin() as connection:
            if not triggers:
                named = text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
                for name in (await connection.scalars(named)).all():
                    await connection.execute(text(f"DROP TRIGGER {name}"))
            for statement in statements:
                await connection.execute(text(statement))
    finally:
        await engine.dispose()


async def dump(database_url: str) -> bytes:
    """Return everything the database holds, as a thief of its files or of a backup would have it."""
    if not database_url.startswith("postgresql"):
        path = Path(make_url(database_url).database or "")
        return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")))
    admin = await asyncpg.connect(**admin_dsn(database_url))
    try:
        tables = await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [
            str(row[0])
            for table in tables
            for row in await admin.fetch(f"SELECT t::text FROM {table['tablename']} t")
        ]
        return "\n".join(rows).encode()
    finally:
        await admin.close()
