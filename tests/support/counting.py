"""Counting what a path costs in the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event

from spcore.db.engine import Database

_NOT_COUNTED = ("BEGIN", "PRAGMA", "COMMIT", "ROLLBACK")


@dataclass(slots=True)
class Cost:
    """Statements sent and transactions committed; the scope's own settings are counted apart."""

    statements: list[str] = field(default_factory=list)
    scopes_bound: int = 0
    commits: int = 0

    def __str__(self) -> str:
        return f"{len(self.statements)} statements, {self.commits} commits, {self.scopes_bound} scopes bound"


@contextmanager
def counted(database: Database) -> Iterator[Cost]:
    """Count everything that happens on the database inside the block."""
    cost = Cost()

    def sent(_c: Any, _cursor: Any, statement: str, _p: Any, _context: Any, _many: bool) -> None:
        if "set_config(" in statement:
            cost.scopes_bound += 1
        elif not statement.startswith(_NOT_COUNTED):
            cost.statements.append(statement)

    def committed(_connection: Any) -> None:
        cost.commits += 1

    for engine in database.engines:
        event.listen(engine, "before_cursor_execute", sent)
        event.listen(engine, "commit", committed)
    try:
        yield cost
    finally:
        for engine in database.engines:
            event.remove(engine, "before_cursor_execute", sent)
            event.remove(engine, "commit", committed)
