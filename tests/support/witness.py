"""Somebody who remembers everything he was told, and holds an installation to it after a crash.

The invariants are those of failure catalogue part 3; each assertion says which one it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
from tests.support.databases import admin_dsn
from tests.support.installation import COFFEE, FLOWERS, PATIENCE_S, Installation, Program, new_openid
from tests.support.later import healed

READY_AGAIN_S = 10.0
"""RTO after kill -9 of a process (failure catalogue 2.6 and D05)."""

_COLUMNS = {
    "id": "o",
    "merchant_order_no": "o",
    "status": "o",
    "anomaly": "o",
    "amount": "o",
    "transaction_id": "o",
    "sub_mch_id": "a",
    "out_trade_no": "a",
}
_OPEN = ("created", "submitting", "pending", "closing")


@dataclass
class Asked:
    """An order that a merchant asked for. `answer` is None when the connection broke first."""

    sub_mch_id: str
    body: dict[str, Any]
    answer: httpx.Response | None = None

    @property
    def number(self) -> str:
        number: str = self.body["merchant_order_no"]
        return number


@dataclass
class Witness:
    """Merchants and payers of one installation, and whoever pulls its plug."""

    house: Installation
    asked: list[Asked] = field(default_factory=list)

    @property
    def dialect(self) -> str:
        return self.house.env["WXSP_DATABASE_URL"].partition("+")[0]

    # --- the programs -----------------------------------------------------------------------------

    @property
    def web(self) -> Program:
        return next(program for program in reversed(self.house.programs) if program.log.name == "web.log")

    def kill(self) -> None:
        """kill -9 the web and the processes it made, all at the same moment."""
        os.killpg(self.web.process.pid, signal.SIGKILL)
        self.gone()

    def gone(self) -> None:
        """Wait until the web is no more, whoever killed it."""
        self.web.process.wait(PATIENCE_S)
        deadline = time.monotonic() + PATIENCE_S
        while self._listens():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _listens(self) -> bool:
        try:
            httpx.get(f"{self.house.url}/healthz", trust_env=False)
        except httpx.TransportError:
            return False
        return True

    def restart(self) -> None:
        """Bring the web back; ready within the time allowed, or alive where no worker could make it ready."""
        started = time.monotonic()
        port = self.house.url.rsplit(":", 1)[1]
        lonely = self.dialect == "sqlite" and self.house.env.get("WXSP_EMBEDDED_WORKER") == "0"
        probe = "healthz" if lonely else "readyz"
        self.house.start("serve", "--port", port, name="web", answers=f"{self.house.url}/{probe}")
        assert time.monotonic() - started < READY_AGAIN_S

    # --- merchants and payers ---------------------------------------------------------------------

    def order(self, sub_mch_id: str = COFFEE, amount: int = 1280) -> Asked:
        """Ask for an order under a new number and remember what was answered, if anything was."""
        body = {"merchant_order_no": f"K{secrets.token_hex(8)}", "amount": amount}
        asked = Asked(sub_mch_id, body)
        self.asked.append(asked)
        with contextlib.suppress(httpx.TransportError):  # what a merchant sees of a crash
            asked.answer = self.house.try_order(sub_mch_id, **body)
        return asked

    def good_order(self, sub_mch_id: str = COFFEE) -> str:
        """Have an order made while nothing goes wrong, and return its `out_trade_no`."""
        asked = self.order(sub_mch_id)
        assert asked.answer is not None
        assert asked.answer.status_code == 201, asked.answer.text
        out_trade_no: str = asked.answer.json()["out_trade_no"]
        return out_trade_no

    def again(self, asked: Asked) -> httpx.Response:
        """Send the same order once more, as a merchant does who got no answer."""
        return self.house.try_order(asked.sub_mch_id, **asked.body)

    def pay(self, out_trade_no: str) -> None:
        self.house.control("pay", {"out_trade_no": out_trade_no, "openid": new_openid()})

    # --- afterwards -------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let healing and WeChat's repetitions do their work until every queue is empty."""
        for minutes in range(2, 16, 2):
            healed(self.house, minutes)
            if not self.rows("SELECT id FROM orders WHERE status IN ('submitting', 'closing')"):
                break
        deadline = time.monotonic() + PATIENCE_S
        while late := [n for n in self.house.books()["notifications"] if n["state"] != "delivered"]:
            assert time.monotonic() < deadline, late
            time.sleep(0.05)

    def check(self) -> None:
        """Hold the installation to everything it said and to what WeChat knows."""
        theirs, ours = self.house.books(), self.orders()
        self._check_money(theirs, ours)
        self._check_answers(ours)
        self._check_events(ours)
        self._check_gateway_orders(theirs, ours)
        never_due = [
            order_id
            for order_id, status, due in self.rows("SELECT id, status, next_check_at FROM orders")
            if status in _OPEN and due is None
        ]
        assert never_due == [], "INV 10"

    def check_exports(self) -> None:
        """Have the programs for accountants and auditors confirm it: `ledger export` and `audit verify`."""
        orders = {row["out_trade_no"]: row for row in self.orders()}
        exported = self.house.ledger()
        assert len(exported) == len(orders)
        for line in exported:
            row = orders[line["out_trade_no"]]
            assert {name: line[name] for name in row} == row
        self._check_money(self.house.books(), exported)
        verdict = self.house.ask("audit", "verify")
        assert verdict["ok"] is True, "INV 8"
        assert verdict["rows"] > 0

    def orders(self) -> list[dict[str, Any]]:
        """Return every order as the database has it, with the identities of its attempt."""
        columns = ", ".join(f"{table}.{name}" for name, table in _COLUMNS.items())
        joined = "orders o JOIN order_attempts a ON a.tenant_id = o.tenant_id AND a.order_id = o.id"
        return [dict(zip(_COLUMNS, row, strict=True)) for row in self.rows(f"SELECT {columns} FROM {joined}")]

    def _check_money(self, theirs: Any, ours: list[Any]) -> None:
        """INV 1 and 2, and the orders that WeChat was never asked to take money for."""
        paid = Counter(
            (p["transaction_id"], p["total_fee"], p["sub_mch_id"], p["out_trade_no"])
            for p in theirs["payments"]
        )
        booked = Counter(
            (row["transaction_id"], row["amount"], row["sub_mch_id"], row["out_trade_no"])
            for row in ours
            if row["status"] == "paid"
        )
        assert booked == paid, "INV 1, INV 2"
        assert {row["anomaly"] for row in ours} == {None}

    def _check_answers(self, ours: list[Any]) -> None:
        """INV 5: what was answered once is true for ever; at most one order stands for each number."""
        by_number = {(row["sub_mch_id"], row["merchant_order_no"]): row for row in ours}
        assert len(by_number) == len(ours)
        for asked in self.asked:
            if asked.answer is None or not asked.answer.is_success:
                continue
            said, row = asked.answer.json(), by_number.get((asked.sub_mch_id, asked.number))
            assert row is not None, f"INV 5: {asked.number} was answered {asked.answer.status_code}"
            for name in ("id", "out_trade_no", "amount"):
                assert row[name] == said[name], f"INV 5: {name}"
            assert row["status"] in {"pending", "paid"}, "INV 5"

    def _check_events(self, ours: list[Any]) -> None:
        """INV 4 for payments: one event an order, the first of its events, and none without money."""
        told = Counter(
            (event["data"]["id"], event["sequence"])
            for sub_mch_id in (COFFEE, FLOWERS)
            for event in self.events(sub_mch_id)
            if event["type"] == "payment.succeeded"
        )
        assert told == Counter((row["id"], 1) for row in ours if row["status"] == "paid"), "INV 4"

    def _check_gateway_orders(self, theirs: Any, ours: list[Any]) -> None:
        """INV 6: one order at WeChat for each of ours, and nothing at WeChat that we do not know.

        The preflight check (`sptenants.doctor.probes`) makes orders too, noted apart before they exist there.
        """
        probes = {number for (number,) in self.rows("SELECT out_trade_no FROM probe_orders")}
        at_wechat = Counter(
            order["out_trade_no"] for order in theirs["orders"] if order["out_trade_no"] not in probes
        )
        assert at_wechat == Counter(row["out_trade_no"] for row in ours), "INV 6"
        attempts = Counter(order_id for (order_id,) in self.rows("SELECT order_id FROM order_attempts"))
        assert set(attempts.values()) <= {1}, "INV 6"

    def status(self, out_trade_no: str) -> str:
        """Return what the database says of an order at this moment."""
        found = dict(self.rows("SELECT out_trade_no, status FROM orders"))
        status: str = found[out_trade_no]
        return status

    def acknowledged(self) -> set[str]:
        """Return the numbers whose notification WeChat saw acknowledged."""
        notifications = self.house.books()["notifications"]
        return {n["out_trade_no"] for n in notifications if any(a["ok"] for a in n["attempts"])}

    def events(self, sub_mch_id: str) -> list[Any]:
        found: list[Any] = []
        more = ""
        while True:
            key = self.house.tenants[sub_mch_id].key
            page = self.house.call("GET", f"/v1/events?limit=100{more}", key).json()
            found += page["data"]
            if not page["has_more"]:
                return found
            more = f"&cursor={page['next_cursor']}"

    def dump(self) -> str:
        """Return everything the database holds, as text."""
        listed = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        if self.dialect == "sqlite":
            listed = "SELECT name FROM sqlite_master WHERE type = 'table'"
        tables = [self.rows(f'SELECT * FROM "{name}"') for (name,) in self.rows(listed)]
        return "\n".join(str(row) for rows in tables for row in rows)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Read the database itself, past every wall, for what no program shows."""
        url = self.house.env["WXSP_DATABASE_URL"]
        if url.startswith("sqlite"):
            with sqlite3.connect(url.partition(":///")[2]) as database:
                return database.execute(query).fetchall()

        async def read() -> list[tuple[Any, ...]]:
            connection = await asyncpg.connect(**admin_dsn(url))
            try:
                return [tuple(row) for row in await connection.fetch(query)]
            finally:
                await connection.close()

        return asyncio.run(read())
