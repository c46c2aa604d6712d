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
from typing import Final

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS authority (
  id INTEGER PRIMARY KEY CHECK (id = 1), cert_pem TEXT NOT NULL, key_pem TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS provider (
  mch_id TEXT PRIMARY KEY, appid TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('ordinary', 'bank', 'merchant')),
  api_v2_key TEXT, api_v3_key TEXT, client_cert_pem TEXT,
  verification TEXT NOT NULL CHECK (verification IN ('public_key', 'certificate', 'both')),
  public_key_id TEXT NOT NULL, public_key_pem TEXT NOT NULL, public_key_private_pem TEXT NOT NULL,
  certificate_pem TEXT NOT NULL, certificate_private_pem TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS linked_appid (
  mch_id TEXT NOT NULL REFERENCES provider, appid TEXT NOT NULL, PRIMARY KEY (mch_id, appid));
CREATE TABLE IF NOT EXISTS sub_merchant (
  mch_id TEXT NOT NULL REFERENCES provider, sub_mch_id TEXT NOT NULL, name TEXT NOT NULL,
  wechat_status TEXT NOT NULL CHECK (wechat_status IN ('normal', 'restricted', 'unauthorized')),
  PRIMARY KEY (mch_id, sub_mch_id));
CREATE TABLE IF NOT EXISTS binding (
  mch_id TEXT NOT NULL, sub_mch_id TEXT NOT NULL, sub_appid TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('miniprogram', 'official_account', 'app')),
  PRIMARY KEY (mch_id, sub_mch_id, sub_appid),
  FOREIGN KEY (mch_id, sub_mch_id) REFERENCES sub_merchant);
CREATE TABLE IF NOT EXISTS app_secret (appid TEXT PRIMARY KEY, secret TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS openid (appid TEXT NOT NULL, openid TEXT NOT NULL, PRIMARY KEY (appid, openid));
CREATE INDEX IF NOT EXISTS openid_by_openid ON openid (openid);
CREATE TABLE IF NOT EXISTS login_code (
  code TEXT PRIMARY KEY, appid TEXT NOT NULL, openid TEXT NOT NULL, created_at INTEGER NOT NULL,
  used INTEGER NOT NULL DEFAULT 0 CHECK (used IN (0, 1)));
CREATE TABLE IF NOT EXISTS trade (
  id INTEGER PRIMARY KEY, mch_id TEXT NOT NULL REFERENCES provider, out_trade_no TEXT NOT NULL,
  sign_type TEXT NOT NULL, params TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'NOTPAY' CHECK (state IN ('NOTPAY', 'SUCCESS', 'CLOSED')),
  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, UNIQUE (mch_id, out_trade_no));
CREATE TABLE IF NOT EXISTS prepay (
  prepay_id TEXT PRIMARY KEY, trade_id INTEGER NOT NULL REFERENCES trade, code_url TEXT UNIQUE,
  created_at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS prepay_by_trade ON prepay (trade_id, created_at);
CREATE TABLE IF NOT EXISTS payment (
  transaction_id TEXT PRIMARY KEY, trade_id INTEGER NOT NULL UNIQUE REFERENCES trade, openid TEXT NOT NULL,
  sub_openid TEXT, total_fee INTEGER NOT NULL CHECK (total_fee > 0), paid_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS notification (
  id INTEGER PRIMARY KEY, trade_id INTEGER NOT NULL REFERENCES trade, created_at INTEGER NOT NULL,
  deliveries INTEGER NOT NULL DEFAULT 0, last_at INTEGER,
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'exhausted')));
CREATE INDEX IF NOT EXISTS notification_pending ON notification (id) WHERE state = 'pending';
CREATE TABLE IF NOT EXISTS attempt (
  id INTEGER PRIMARY KEY, notification_id INTEGER NOT NULL REFERENCES notification, at INTEGER NOT NULL,
  url TEXT NOT NULL, body TEXT NOT NULL, http_status INTEGER, answer TEXT, ok INTEGER NOT NULL, error TEXT);
CREATE INDEX IF NOT EXISTS attempt_by_notification ON attempt (notification_id);
CREATE TABLE IF NOT EXISTS fault (
  id INTEGER PRIMARY KEY, path TEXT NOT NULL, kind TEXT NOT NULL, times INTEGER, params TEXT NOT NULL);
"""

Value = str | int | None


class Ledger:
    """One connection to the books. `open` before use, `close` after; both are idempotent."""

    def __init__(self, database: str | Path = ":memory:") -> None:
        self._database = database
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the database and make its tables. A new file is readable by its owner alone: it holds keys."""
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
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(SCHEMA)
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
