"""Orders and prepay ids as the gateway keeps them (wechatpay-v2 1.7, 2.6, 4.1, 11.2)."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Final

from .api_keys import V2, V3
from .clock import wire_time
from .signing import random_text
from .world import World

PREPAY_LIFE_MS: Final = 2 * 3600 * 1000
ORDER_LIFE_MS: Final = 7 * 24 * 3600 * 1000
MICROPAY: Final = "MICROPAY"
_HEX: Final = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Trade:
    """One order. `params` are the non-empty values it was made with, unsigned; times in milliseconds.

    `state` is what WeChat calls trade_state, but for REFUND: a refunded order stays SUCCESS here, and
    :func:`spsim.refund_books.trade_state` tells what goes out. For MICROPAY `expires_at` is how long the
    payer may type the password. `params` have the names of v2 whichever API made the order; `v3_request` is
    the body of a v3 prepay, None for v2.
    """

    id: int
    mch_id: str
    out_trade_no: str
    sign_type: str
    params: dict[str, str]
    state: str
    created_at: int
    expires_at: int
    v3_request: str | None = None

    @property
    def api(self) -> str:
        """The generation that made the order; its cashier and its notification follow that one."""
        return V2 if self.v3_request is None else V3

    def get(self, name: str) -> str:
        """Return a parameter of the order, "" when absent."""
        return self.params.get(name, "")

    @property
    def payer_appid(self) -> str:
        """The appid that the payer is a user of, `payer` and everybody else (wechatpay-v2 3.1, -v3 2.3)."""
        if self.api == V3 and self.get("openid") and not self.get("sub_openid"):
            return self.get("appid")
        return self.get("sub_appid") or self.get("appid")

    @property
    def cashier_appids(self) -> tuple[str, ...]:
        """The appids in which the cashier opens: more than one when a v3 order names two openids."""
        if self.api == V3 and self.get("openid") and self.get("sub_openid"):
            return self.payer_appid, self.get("appid")
        return (self.payer_appid,)

    @property
    def payer(self) -> str:
        """The user a JSAPI order is made for, under whichever appid was named; "" for other trade types."""
        return self.get("sub_openid") or self.get("openid")


@dataclass(frozen=True, slots=True)
class Prepay:
    """A prepay id of an order; it can be paid for two hours."""

    prepay_id: str
    trade_id: int
    code_url: str | None
    created_at: int


def _trade(world: World, row: sqlite3.Row | None) -> Trade | None:
    """Read a row; what only time decides is decided on the way.

    The gateway itself closes an unpaid order past its longest life, and a payer who does not type the
    password in time has not paid.
    """
    if row is None:
        return None
    values = dict(row)
    values["params"] = json.loads(row["params"])
    trade = Trade(**values)
    now = world.clock.now_ms()
    end_of_life = max(trade.expires_at, trade.created_at + ORDER_LIFE_MS)
    if trade.state == "NOTPAY" and now >= end_of_life:
        return move(world, trade, "CLOSED")
    if trade.state == "USERPAYING" and now >= trade.expires_at:
        return move(world, trade, "PAYERROR")
    return trade


def by_id(world: World, trade_id: int) -> Trade:
    """Return an order that is known to exist."""
    trade = _trade(world, world.ledger.row("SELECT * FROM trade WHERE id = ?", trade_id))
    if trade is None:
        raise LookupError(f"no trade {trade_id}")
    return trade


def by_number(world: World, mch_id: str, out_trade_no: str) -> Trade | None:
    """Return the order of a merchant number: unique over all its sub-merchants."""
    sql = "SELECT * FROM trade WHERE mch_id = ? AND out_trade_no = ?"
    return _trade(world, world.ledger.row(sql, mch_id, out_trade_no))


def by_number_anywhere(world: World, out_trade_no: str) -> list[Trade]:
    """Return the orders of this number under every provider."""
    rows = world.ledger.rows("SELECT id FROM trade WHERE out_trade_no = ? ORDER BY id", out_trade_no)
    return [by_id(world, row["id"]) for row in rows]


def every(world: World) -> list[Trade]:
    """Return all orders, oldest first."""
    return [by_id(world, row["id"]) for row in world.ledger.rows("SELECT id FROM trade ORDER BY id")]


def insert(
    world: World,
    params: dict[str, str],
    sign_type: str,
    created_at: int,
    expires_at: int,
    state: str = "NOTPAY",
    v3_request: str | None = None,
) -> Trade:
    """Store a new order that nobody has paid yet."""
    trade_id = world.ledger.insert(
        "INSERT INTO trade (mch_id, out_trade_no, sign_type, params, created_at, expires_at, state,"
        " v3_request) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        params["mch_id"],
        params["out_trade_no"],
        sign_type,
        json.dumps(params, ensure_ascii=False),
        created_at,
        expires_at,
        state,
        v3_request,
    )
    return by_id(world, trade_id)


def use_sign_type(world: World, trade: Trade, sign_type: str) -> None:
    """Remember the type of the latest unifiedorder: cashier and notification use it."""
    world.ledger.run("UPDATE trade SET sign_type = ? WHERE id = ?", sign_type, trade.id)


def move(world: World, trade: Trade, state: str, *, expires_at: int | None = None) -> Trade:
    """Put the order into another state; raises RuntimeError when it left the one it was read in."""
    sql = "UPDATE trade SET state = ?, expires_at = ? WHERE id = ? AND state = ?"
    until = trade.expires_at if expires_at is None else expires_at
    if world.ledger.run(sql, state, until, trade.id, trade.state) != 1:
        raise RuntimeError(f"order {trade.out_trade_no} is not {trade.state} any more")
    return by_id(world, trade.id)


def current_prepay(world: World, trade: Trade) -> Prepay:
    """Return a prepay id that can still be paid, made now when the last one is two hours old."""
    prepay = latest_prepay(world, trade)
    if prepay is not None and not prepay_expired(world, prepay):
        return prepay
    code = f"weixin://wxpay/bizpayurl/up?pr={random_text(7)}&groupid=00"
    return _keep_prepay(world, trade, f"{_wire(world)[6:]}{random_text(26, _HEX)}", code)


def new_prepay(world: World, trade: Trade) -> Prepay:
    """Return a fresh prepay id, as v3 makes one for every call (wechatpay-v3 2.2, 10)."""
    code = f"weixin://wxpay/bizpayurl?pr={random_text(9)}"
    return _keep_prepay(world, trade, f"{_wire(world)}{random_text(20, _HEX)}", code)


def _wire(world: World) -> str:
    return wire_time(world.clock.now_ms())


def _keep_prepay(world: World, trade: Trade, name: str, code_url: str) -> Prepay:
    scanned = code_url if trade.get("trade_type") == "NATIVE" else None
    prepay = Prepay(f"wx{name}", trade.id, scanned, world.clock.now_ms())
    world.ledger.run(
        "INSERT INTO prepay (prepay_id, trade_id, code_url, created_at) VALUES (?, ?, ?, ?)",
        prepay.prepay_id,
        prepay.trade_id,
        prepay.code_url,
        prepay.created_at,
    )
    return prepay


def latest_prepay(world: World, trade: Trade) -> Prepay | None:
    """Return the order's newest prepay id."""
    sql = "SELECT * FROM prepay WHERE trade_id = ? ORDER BY created_at DESC, rowid DESC LIMIT 1"
    row = world.ledger.row(sql, trade.id)
    return None if row is None else Prepay(**dict(row))


def find_prepay(world: World, column: str, value: str) -> Prepay | None:
    """Find a prepay by `prepay_id` or `code_url`."""
    statements = {
        "prepay_id": "SELECT * FROM prepay WHERE prepay_id = ?",
        "code_url": "SELECT * FROM prepay WHERE code_url = ?",
    }
    row = world.ledger.row(statements[column], value)
    return None if row is None else Prepay(**dict(row))


def prepay_expired(world: World, prepay: Prepay) -> bool:
    """Tell whether a prepay id is past its two hours."""
    return world.clock.now_ms() >= prepay.created_at + PREPAY_LIFE_MS
