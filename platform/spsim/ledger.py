"""The simulator's own books: one SQLite database, in a file or in memory.

Times are integers, milliseconds since 1970 on the simulator's clock; amounts are integers in fen. Every
call is a few microseconds on a local file and is made on the event loop's own thread, so each function
below is atomic.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .schema import prepare

Value = str | int | None


class Ledger:
    """One connection to the books. `open` before use, `close` after; both are idempotent."""

    def __init__(self, database: str | Path = ":memory:") -> None:
        self._database = database
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the database and make its tables; older books are brought up to date.

        A new file is readable by its owner alone: it holds keys.
        """
        if self._connection is not None:
            return
        if self._database != ":memory:":
            path = Path(self._database)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
        connection = sqlite3.connect(self._database, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        prepare(connection)
        self._connection = connection

    def close(self) -> None:
        """Close the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the ledger is closed: run the application's lifespan first")
        return self._connection

    def rows(self, sql: str, *values: Value) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        return self._open.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Value) -> sqlite3.Row | None:
        """Return the first row of a query, or None."""
        found: sqlite3.Row | None = self._open.execute(sql, values).fetchone()
        return found

    def run(self, sql: str, *values: Value) -> int:
        """Execute a statement and return how many rows it changed."""
        return self._open.execute(sql, values).rowcount

    def insert(self, sql: str, *values: Value) -> int:
        """Execute an INSERT and return the new row's id."""
        row_id = self._open.execute(sql, values).lastrowid
        if row_id is None:
            raise RuntimeError("the statement inserted nothing")
        return row_id

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the statements inside permanent together, or not at all."""
        self._open.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._open.execute("ROLLBACK")
            raise
        self._open.execute("COMMIT")
