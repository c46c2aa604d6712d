"""A backup of a running database, and the way back to it: what an administrator does after an accident."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from tests.support.databases import admin_dsn


@dataclass(frozen=True)
class Backup:
    """Everything the database held at one moment. Programs may stay connected while it comes back."""

    url: str
    copy: Path
    tables: Mapping[str, bytes]

    @classmethod
    def of(cls, url: str, folder: Path) -> Backup:
        copy = folder / "backup.db"
        if url.startswith("sqlite"):
            _copy_sqlite(_path_of(url), copy)
            return cls(url, copy, {})
        return cls(url, copy, asyncio.run(_dump(url)))

    def restore(self) -> None:
        """Put everything back as it was; what was written since is lost."""
        if self.url.startswith("sqlite"):
            _copy_sqlite(self.copy, _path_of(self.url))
        else:
            asyncio.run(_load(self.url, self.tables))


def _path_of(url: str) -> Path:
    return Path(url.split("///", 1)[1])


def _copy_sqlite(source: Path, target: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(source)) as read,
        contextlib.closing(sqlite3.connect(target, timeout=30)) as written,
    ):
        read.backup(written)


async def _dump(url: str) -> dict[str, bytes]:
    admin = await asyncpg.connect(**admin_dsn(url))
    try:
        async with admin.transaction(isolation="repeatable_read"):
            found: dict[str, bytes] = {}
            for name in await _tables(admin):
                rows = io.BytesIO()
                await admin.copy_from_table(name, output=rows, format="binary")
                found[name] = rows.getvalue()
            return found
    finally:
        await admin.close()


async def _load(url: str, tables: Mapping[str, bytes]) -> None:
    admin = await asyncpg.connect(**admin_dsn(url))
    try:
        async with admin.transaction():
            # As pg_restore does it: neither triggers nor foreign keys are asked about rows that were right.
            await admin.execute("SET LOCAL session_replication_role = replica")
            await admin.execute(f"TRUNCATE {', '.join(tables)}")
            for name, rows in tables.items():
                await admin.copy_to_table(name, source=io.BytesIO(rows), format="binary")
    finally:
        await admin.close()


async def _tables(admin: Any) -> list[str]:
    rows = await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    return [row["tablename"] for row in rows]
