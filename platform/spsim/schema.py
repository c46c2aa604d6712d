"""The tables of the simulator's books, and how books of an earlier version become books of this one.

Version 0 (no version noted) knew one payment an order, no refunds and no payment codes. Version 1 knew API v2
alone: one certificate, one public key and one platform certificate a provider.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from cryptography import x509

VERSION: Final = 2

_TRADE: Final = """(
  id INTEGER PRIMARY KEY, mch_id TEXT NOT NULL REFERENCES provider, out_trade_no TEXT NOT NULL,
  sign_type TEXT NOT NULL, params TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'NOTPAY'
    CHECK (state IN ('NOTPAY', 'USERPAYING', 'SUCCESS', 'CLOSED', 'REVOKED', 'PAYERROR')),
  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, v3_request TEXT, UNIQUE (mch_id, out_trade_no))"""

_PAYMENT: Final = """(
  transaction_id TEXT PRIMARY KEY, trade_id INTEGER NOT NULL REFERENCES trade, openid TEXT NOT NULL,
  sub_openid TEXT, total_fee INTEGER NOT NULL CHECK (total_fee > 0), paid_at INTEGER NOT NULL)"""

_NOTIFICATION: Final = """(
  id INTEGER PRIMARY KEY, trade_id INTEGER REFERENCES trade,
  transaction_id TEXT REFERENCES payment, refund_id TEXT REFERENCES refund, refund_status TEXT,
  echo_id INTEGER REFERENCES security_echo,
  created_at INTEGER NOT NULL, deliveries INTEGER NOT NULL DEFAULT 0, last_at INTEGER,
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'exhausted')),
  CHECK ((refund_id IS NULL) = (refund_status IS NULL)),
  CHECK ((trade_id IS NULL) = (transaction_id IS NULL)),
  CHECK ((trade_id IS NULL) = (echo_id IS NOT NULL)))"""
"""About a payment, about one of its refunds, or the echo that a merchant asked for."""

SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS authority (
  id INTEGER PRIMARY KEY CHECK (id = 1), cert_pem TEXT NOT NULL, key_pem TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS provider (
  mch_id TEXT PRIMARY KEY, appid TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('ordinary', 'bank', 'merchant')),
  api_v2_key TEXT, api_v3_key TEXT,
  verification TEXT NOT NULL CHECK (verification IN ('public_key', 'certificate', 'both')));
CREATE TABLE IF NOT EXISTS former_key (
  id INTEGER PRIMARY KEY, mch_id TEXT NOT NULL REFERENCES provider,
  api TEXT NOT NULL CHECK (api IN ('v2', 'v3')), secret TEXT NOT NULL, replaced_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS api_certificate (
  mch_id TEXT NOT NULL REFERENCES provider, serial TEXT NOT NULL, pem TEXT NOT NULL,
  revoked INTEGER NOT NULL DEFAULT 0 CHECK (revoked IN (0, 1)), PRIMARY KEY (mch_id, serial));
CREATE TABLE IF NOT EXISTS wechat_key (
  id INTEGER PRIMARY KEY, mch_id TEXT NOT NULL REFERENCES provider, serial TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('public_key', 'certificate')),
  public_pem TEXT NOT NULL, private_pem TEXT NOT NULL,
  effective_at INTEGER NOT NULL, expires_at INTEGER,
  retired INTEGER NOT NULL DEFAULT 0 CHECK (retired IN (0, 1)),
  CHECK ((kind = 'certificate') = (expires_at IS NOT NULL)));
CREATE INDEX IF NOT EXISTS wechat_key_by_provider ON wechat_key (mch_id, kind);
CREATE TABLE IF NOT EXISTS security_echo (
  id INTEGER PRIMARY KEY, mch_id TEXT NOT NULL REFERENCES provider, notify_url TEXT NOT NULL,
  message TEXT NOT NULL, sealed_message TEXT);
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
CREATE TABLE IF NOT EXISTS trade {_TRADE};
CREATE TABLE IF NOT EXISTS prepay (
  prepay_id TEXT PRIMARY KEY, trade_id INTEGER NOT NULL REFERENCES trade, code_url TEXT UNIQUE,
  created_at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS prepay_by_trade ON prepay (trade_id, created_at);
CREATE TABLE IF NOT EXISTS auth_code (
  code TEXT PRIMARY KEY, openid TEXT NOT NULL, appid TEXT, behaviour TEXT NOT NULL,
  created_at INTEGER NOT NULL, claimed_by TEXT, trade_id INTEGER REFERENCES trade, used_at INTEGER);
CREATE INDEX IF NOT EXISTS auth_code_by_trade ON auth_code (trade_id);
CREATE TABLE IF NOT EXISTS payment {_PAYMENT};
CREATE INDEX IF NOT EXISTS payment_by_trade ON payment (trade_id);
CREATE TABLE IF NOT EXISTS reversal (
  trade_id INTEGER PRIMARY KEY REFERENCES trade, transaction_id TEXT REFERENCES payment,
  amount INTEGER NOT NULL CHECK (amount >= 0), reversed_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS balance (
  mch_id TEXT NOT NULL REFERENCES provider, sub_mch_id TEXT NOT NULL,
  amount INTEGER NOT NULL CHECK (amount >= 0), PRIMARY KEY (mch_id, sub_mch_id));
CREATE TABLE IF NOT EXISTS refund (
  refund_id TEXT PRIMARY KEY, mch_id TEXT NOT NULL REFERENCES provider, out_refund_no TEXT NOT NULL,
  transaction_id TEXT NOT NULL REFERENCES payment, refund_fee INTEGER NOT NULL CHECK (refund_fee > 0),
  account TEXT NOT NULL, reason TEXT, source TEXT NOT NULL CHECK (source IN ('API', 'VENDOR_PLATFORM')),
  notify_url TEXT, status TEXT NOT NULL DEFAULT 'PROCESSING'
    CHECK (status IN ('PROCESSING', 'SUCCESS', 'REFUNDCLOSE', 'CHANGE')),
  requested_at INTEGER NOT NULL, settled_at INTEGER,
  api TEXT NOT NULL DEFAULT 'v2' CHECK (api IN ('v2', 'v3')), UNIQUE (mch_id, out_refund_no),
  CHECK ((status = 'PROCESSING') = (settled_at IS NULL)));
CREATE INDEX IF NOT EXISTS refund_by_payment ON refund (transaction_id);
CREATE INDEX IF NOT EXISTS refund_processing ON refund (requested_at) WHERE status = 'PROCESSING';
CREATE TABLE IF NOT EXISTS notification {_NOTIFICATION};
CREATE INDEX IF NOT EXISTS notification_pending ON notification (id) WHERE state = 'pending';
CREATE TABLE IF NOT EXISTS attempt (
  id INTEGER PRIMARY KEY, notification_id INTEGER NOT NULL REFERENCES notification, at INTEGER NOT NULL,
  url TEXT NOT NULL, body TEXT NOT NULL, http_status INTEGER, answer TEXT, ok INTEGER NOT NULL, error TEXT,
  headers TEXT);
CREATE INDEX IF NOT EXISTS attempt_by_notification ON attempt (notification_id);
CREATE TABLE IF NOT EXISTS fault (
  id INTEGER PRIMARY KEY, path TEXT NOT NULL, kind TEXT NOT NULL, times INTEGER, params TEXT NOT NULL);
"""

# SQLite cannot change a constraint: each table is made anew, filled and put in the old one's place.
_FROM_VERSION_0: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE new_trade {_TRADE};
INSERT INTO new_trade (id, mch_id, out_trade_no, sign_type, params, state, created_at, expires_at)
  SELECT id, mch_id, out_trade_no, sign_type, params, state, created_at, expires_at FROM trade;
CREATE TABLE new_payment {_PAYMENT};
INSERT INTO new_payment (transaction_id, trade_id, openid, sub_openid, total_fee, paid_at)
  SELECT transaction_id, trade_id, openid, sub_openid, total_fee, paid_at FROM payment;
CREATE TABLE new_notification {_NOTIFICATION};
INSERT INTO new_notification (id, trade_id, transaction_id, created_at, deliveries, last_at, state)
  SELECT id, notification.trade_id, transaction_id, created_at, deliveries, last_at, state
  FROM notification JOIN payment ON payment.trade_id = notification.trade_id;
DROP TABLE notification;
DROP TABLE payment;
DROP TABLE trade;
ALTER TABLE new_trade RENAME TO trade;
ALTER TABLE new_payment RENAME TO payment;
ALTER TABLE new_notification RENAME TO notification;
COMMIT;
"""  # noqa: S608 - made of this module's own constants


_NOTIFICATIONS_FROM_VERSION_1: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE new_notification {_NOTIFICATION};
INSERT INTO new_notification (id, trade_id, transaction_id, refund_id, refund_status, created_at, deliveries,
    last_at, state)
  SELECT id, trade_id, transaction_id, refund_id, refund_status, created_at, deliveries, last_at, state
  FROM notification;
DROP TABLE notification;
ALTER TABLE new_notification RENAME TO notification;
COMMIT;
"""  # noqa: S608 - made of this module's own constants

_ADDED_COLUMNS: Final = (
    ("trade", "v3_request", "TEXT"),
    ("refund", "api", "TEXT NOT NULL DEFAULT 'v2' CHECK (api IN ('v2', 'v3'))"),
    ("attempt", "headers", "TEXT"),
)
_MOVED_COLUMNS: Final = (
    "client_cert_pem",
    "public_key_id",
    "public_key_pem",
    "public_key_private_pem",
    "certificate_pem",
    "certificate_private_pem",
)
"""What version 1 kept in `provider`; the keys have tables of their own since."""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables of this version, keeping everything that older books hold.

    Raises ValueError for books of a later version.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise ValueError(f"the books are of version {version}, this simulator knows {VERSION}")
    # References name tables, not their contents: they hold again once the new tables are in place.
    connection.execute("PRAGMA foreign_keys = OFF")
    if version < 1 and _columns(connection, "trade"):
        connection.executescript(_FROM_VERSION_0)
    if version < VERSION:
        _bring_to_version_2(connection)
    connection.executescript(SCHEMA)
    if version < VERSION:
        _move_keys(connection)
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("PRAGMA foreign_keys = ON")


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """Return the names of a table's columns; none when there is no such table."""
    return {row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def _bring_to_version_2(connection: sqlite3.Connection) -> None:
    for table, column, definition in _ADDED_COLUMNS:
        columns = _columns(connection, table)
        if columns and column not in columns:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {definition}")
    columns = _columns(connection, "notification")
    if columns and "echo_id" not in columns:
        connection.executescript(_NOTIFICATIONS_FROM_VERSION_1)


def _move_keys(connection: sqlite3.Connection) -> None:
    """Give the keys that version 1 kept with the provider a row each."""
    if "certificate_pem" not in _columns(connection, "provider"):
        return
    connection.execute("BEGIN IMMEDIATE")
    for row in connection.execute("SELECT * FROM provider").fetchall():
        mch_id, pem = row["mch_id"], row["certificate_pem"]
        certificate = x509.load_pem_x509_certificate(pem.encode())
        start, end = (
            int(at.timestamp() * 1000)
            for at in (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
        )
        keys = [
            (row["public_key_id"], row["public_key_pem"], row["public_key_private_pem"], 0, None),
            (_serial(certificate), pem, row["certificate_private_pem"], start, end),
        ]
        for kind, key in zip(("public_key", "certificate"), keys, strict=True):
            connection.execute(
                "INSERT INTO wechat_key (mch_id, kind, serial, public_pem, private_pem, effective_at,"
                " expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (mch_id, kind, *key),
            )
        if (own := row["client_cert_pem"]) is not None:
            serial = _serial(x509.load_pem_x509_certificate(own.encode()))
            connection.execute(
                "INSERT INTO api_certificate (mch_id, serial, pem) VALUES (?, ?, ?)", (mch_id, serial, own)
            )
    for column in _MOVED_COLUMNS:
        connection.execute(f"ALTER TABLE provider DROP COLUMN {column}")
    connection.execute("COMMIT")


def _serial(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:040X}"
