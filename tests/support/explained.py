"""What PostgreSQL does for a statement of ours, asked as the application asks: in its role and scope."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg
from sqlalchemy import event
from tests.support.databases import ROLE, admin_dsn

from spcore.db.engine import Database

Sent = tuple[str, tuple[Any, ...]]
"""A statement and its values, as the driver gets them."""
Node = dict[str, Any]

_OPENS = "SELECT set_config("
"""How every transaction begins."""


@contextmanager
def sent(database: Database) -> Iterator[list[Sent]]:
    """Collect every statement with its values."""
    found: list[Sent] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _ctx: Any, _many: bool) -> None:
        found.append((statement, tuple(parameters)))

    for engine in database.engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        for engine in database.engines:
            event.remove(engine, "before_cursor_execute", note)


async def explained(url: str, statements: Sequence[Sent]) -> list[tuple[str, Node]]:
    """Execute collected reading statements once more and return each with its plan and what it touched."""
    found = []
    application = await asyncpg.connect(**admin_dsn(url) | {"user": ROLE})
    try:
        transaction = None
        for statement, values in statements:
            if statement.startswith(_OPENS):
                if transaction is not None:
                    await transaction.rollback()
                transaction = application.transaction()
                await transaction.start()
                await application.execute(statement, *values)
                continue
            plan = await application.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *values)
            found.append((statement, json.loads(plan)[0]["Plan"]))
    finally:
        await application.close()
    return found


def nodes(plan: Node) -> Iterator[Node]:
    """Yield every node of a plan."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def pages_touched(plan: Node) -> int:
    """Return how many pages of tables and indexes were looked at, in memory or not."""
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
