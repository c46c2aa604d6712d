"""Books that an earlier version wrote stay readable, and complete."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from tests.support.simulated import MCH_ID, PAYER, Receiver, asking, desk_at, order
from tests.support.simulated_money import REFUND, Certificate, refunding, tls_desk_at

from spsim.app import create_simulator
from spsim.serve import serving

VERSION_0 = """
PRAGMA foreign_keys = OFF;
DROP TABLE notification; DROP TABLE payment; DROP TABLE trade;
DROP TABLE auth_code; DROP TABLE reversal; DROP TABLE balance; DROP TABLE refund;
CREATE TABLE trade (
  id INTEGER PRIMARY KEY, mch_id TEXT NOT NULL REFERENCES provider, out_trade_no TEXT NOT NULL,
  sign_type TEXT NOT NULL, params TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'NOTPAY' CHECK (state IN ('NOTPAY', 'SUCCESS', 'CLOSED')),
  created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, UNIQUE (mch_id, out_trade_no));
CREATE TABLE payment (
  transaction_id TEXT PRIMARY KEY, trade_id INTEGER NOT NULL UNIQUE REFERENCES trade, openid TEXT NOT NULL,
  sub_openid TEXT, total_fee INTEGER NOT NULL CHECK (total_fee > 0), paid_at INTEGER NOT NULL);
CREATE TABLE notification (
  id INTEGER PRIMARY KEY, trade_id INTEGER NOT NULL REFERENCES trade, created_at INTEGER NOT NULL,
  deliveries INTEGER NOT NULL DEFAULT 0, last_at INTEGER,
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'exhausted')));
CREATE INDEX notification_pending ON notification (id) WHERE state = 'pending';
PRAGMA user_version = 0;
"""
TRANSACTION = "4200001234202611210123456789"
NOW_MS = 1_795_265_400_000


@pytest.fixture
def old_books(registered: Path, tmp_path: Path, receiver: Receiver) -> Path:
    """A file as version 0 left it: a paid order that is still to be notified, and one that is not paid."""
    database = tmp_path / "simulator.db"
    database.write_bytes(registered.read_bytes())
    connection = sqlite3.connect(database)
    connection.executescript(VERSION_0)
    for trade_id, number, state in ((1, "T000001", "SUCCESS"), (2, "T000002", "NOTPAY")):
        params = json.dumps(order(number, notify_url=receiver.url))
        row = (trade_id, MCH_ID, number, "MD5", params, state, NOW_MS, NOW_MS * 2)
        connection.execute("INSERT INTO trade VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        prepay = (f"wx2120500012345678{trade_id}", trade_id, None, NOW_MS * 2)
        connection.execute("INSERT INTO prepay VALUES (?, ?, ?, ?)", prepay)
    paid = (TRANSACTION, 1, "oPayer", PAYER, 1280, NOW_MS)
    connection.execute("INSERT INTO payment VALUES (?, ?, ?, ?, ?, ?)", paid)
    connection.execute("INSERT INTO notification (id, trade_id, created_at) VALUES (7, 1, ?)", (NOW_MS,))
    lost = (1, 7, NOW_MS, receiver.url, "<xml/>", None, None, 0, "lost by a fault")
    columns = "id, notification_id, at, url, body, http_status, answer, ok, error"
    connection.execute(f"INSERT INTO attempt ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", lost)
    connection.commit()
    connection.close()
    return database


async def test_old_books_are_continued_with_everything_in_them(
    old_books: Path, receiver: Receiver, certificates: dict[str, Certificate]
) -> None:
    async with (
        serving(create_simulator(old_books)) as where,
        desk_at(where) as desk,
        tls_desk_at(where, certificates[MCH_ID]) as secure,
    ):
        told = await desk.attempts(2, "T000001")
        assert [attempt["ok"] for attempt in told] == [False, True]
        assert receiver.messages[0]["transaction_id"] == TRANSACTION
        queried = await desk.call("/pay/orderquery", asking("T000001"))
        assert (queried["trade_state"], queried["transaction_id"]) == ("SUCCESS", TRANSACTION)
        assert (await secure.call(REFUND, refunding()))["transaction_id"] == TRANSACTION
        await desk.control("pay", out_trade_no="T000001", again=True)
        assert (await desk.control("pay", out_trade_no="T000002"))["trade_state"] == "SUCCESS"


async def test_references_between_the_new_tables_hold(old_books: Path) -> None:
    for _ in range(2):
        async with serving(create_simulator(old_books)):
            pass
    connection = sqlite3.connect(old_books)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    connection.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        connection.execute("DELETE FROM trade WHERE id = 1")
    connection.close()


async def test_books_of_a_later_version_are_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "later.db"
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ValueError, match="version 99"):
        async with serving(create_simulator(database)):
            pytest.fail("opened books it does not understand")


async def test_refunds_and_settings_outlive_a_restart(
    registered: Path, tmp_path: Path, certificates: dict[str, Certificate], receiver: Receiver
) -> None:
    database = shutil.copy(registered, tmp_path)
    own = certificates[MCH_ID]
    async with serving(create_simulator(database)) as where, tls_desk_at(where, own) as secure:
        await secure.control("settlement", auto=False)
        await secure.create(order("T000001", notify_url=receiver.url))
        await secure.control("pay", out_trade_no="T000001")
        await secure.call(REFUND, refunding(notify_url=receiver.url))
    async with serving(create_simulator(database)) as where, desk_at(where) as desk:
        assert (await desk.http.get("/_sim/settlement")).json()["auto"] is False
        assert (await desk.ledger())["refunds"][0]["status"] == "PROCESSING"
        await desk.control("settlement", auto=True)
        await desk.control("clock", advance_s=15)
        await desk.attempts(2)
        assert (await desk.ledger())["refunds"][0]["status"] == "SUCCESS"
