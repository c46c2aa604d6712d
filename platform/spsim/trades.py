"""Orders, prepay ids and payments as the gateway keeps them (wechatpay-v2 1.7, 2.6, 11.2)."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Final

from .clock import wire_time
from .registry import remember_openid, same_user_elsewhere
from .signing import random_text
from .world import World

PREPAY_LIFE_MS: Final = 2 * 3600 * 1000
ORDER_LIFE_MS: Final = 7 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Trade:
    """One order. `params` are the non-empty values it was made with, unsigned; times in milliseconds."""

    id: int
    mch_id: str
    out_trade_no: str
    sign_type: str
    params: dict[str, str]
    state: str
    created_at: int
    expires_at: int

    def get(self, name: str) -> str:
        """Return a parameter of the order, "" when absent."""
        return self.params.get(name, "")

    @property
    def payer_appid(self) -> str:
        """The appid in which the cashier opens: `sub_appid` when one was sent, else `appid` (3.1)."""
        return self.get("sub_appid") or self.get("appid")

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


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that moved: payer ids under both appids, amount in fen, time in milliseconds."""

    transaction_id: str
    trade_id: int
    openid: str
    sub_openid: str | None
    total_fee: int
    paid_at: int


def _trade(world: World, row: sqlite3.Row | None) -> Trade | None:
    """Read a row; an unpaid order past its longest life is closed by the gateway itself on the way."""
    if row is None:
        return None
    values = dict(row)
    values["params"] = json.loads(row["params"])
    trade = Trade(**values)
    end_of_life = max(trade.expires_at, trade.created_at + ORDER_LIFE_MS)
    if trade.state == "NOTPAY" and world.clock.now_ms() >= end_of_life:
        close(world, trade)
        return by_id(world, trade.id)
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


def by_transaction(world: World, transaction_id: str) -> Trade | None:
    """Return the order a payment belongs to."""
    sql = "SELECT trade.* FROM trade JOIN payment ON payment.trade_id = trade.id WHERE transaction_id = ?"
    return _trade(world, world.ledger.row(sql, transaction_id))


def every(world: World) -> list[Trade]:
    """Return all orders, oldest first."""
    return [by_id(world, row["id"]) for row in world.ledger.rows("SELECT id FROM trade ORDER BY id")]


def insert(world: World, params: dict[str, str], sign_type: str, created_at: int, expires_at: int) -> Trade:
    """Store a new unpaid order."""
    trade_id = world.ledger.insert(
        "INSERT INTO trade (mch_id, out_trade_no, sign_type, params, created_at, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        params["mch_id"],
        params["out_trade_no"],
        sign_type,
        json.dumps(params, ensure_ascii=False),
        created_at,
        expires_at,
    )
    return by_id(world, trade_id)


def use_sign_type(world: World, trade: Trade, sign_type: str) -> None:
    """Remember the type of the latest unifiedorder: cashier and notification use it."""
    world.ledger.run("UPDATE trade SET sign_type = ? WHERE id = ?", sign_type, trade.id)


def close(world: World, trade: Trade) -> None:
    """Close an unpaid order."""
    if world.ledger.run("UPDATE trade SET state = 'CLOSED' WHERE id = ? AND state = 'NOTPAY'", trade.id) != 1:
        raise RuntimeError(f"order {trade.out_trade_no} is not unpaid")


def current_prepay(world: World, trade: Trade) -> Prepay:
    """Return a prepay id that can still be paid, made now when the last one is two hours old."""
    prepay = latest_prepay(world, trade)
    if prepay is not None and not prepay_expired(world, prepay):
        return prepay
    now = world.clock.now_ms()
    code_url = None
    if trade.get("trade_type") == "NATIVE":
        code_url = f"weixin://wxpay/bizpayurl/up?pr={random_text(7)}&groupid=00"
    prepay = Prepay(f"wx{wire_time(now)[6:]}{random_text(26, '0123456789abcdef')}", trade.id, code_url, now)
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


def record_payment(world: World, trade: Trade, user: str) -> Payment:
    """Move the money: mark the order paid, store the payment and queue its notification, all at once.

    `user` is the payer's openid under `trade.payer_appid`.
    """
    now = world.clock.now_ms()
    openid, sub_openid = _payer_ids(trade, user)
    digits = random_text(10, "0123456789")
    payment = Payment(
        transaction_id=f"4200{random_text(6, '0123456789')}{wire_time(now)[:8]}{digits}",
        trade_id=trade.id,
        openid=openid,
        sub_openid=sub_openid,
        total_fee=int(trade.get("total_fee")),
        paid_at=now,
    )
    with world.ledger.transaction():
        if (
            world.ledger.run("UPDATE trade SET state = 'SUCCESS' WHERE id = ? AND state = 'NOTPAY'", trade.id)
            != 1
        ):
            raise RuntimeError(f"order {trade.out_trade_no} is not unpaid")
        world.ledger.run(
            "INSERT INTO payment (transaction_id, trade_id, openid, sub_openid, total_fee, paid_at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            payment.transaction_id,
            payment.trade_id,
            payment.openid,
            payment.sub_openid,
            payment.total_fee,
            payment.paid_at,
        )
        world.ledger.run("INSERT INTO notification (trade_id, created_at) VALUES (?, ?)", trade.id, now)
        remember_openid(world.ledger, trade.get("appid"), openid)
        if sub_openid is not None:
            remember_openid(world.ledger, trade.get("sub_appid"), sub_openid)
    return payment


def _payer_ids(trade: Trade, user: str) -> tuple[str, str | None]:
    """Return the payer's openid under `appid` and, when the order has a `sub_appid`, under that one."""
    sub_appid = trade.get("sub_appid")
    if sub_appid == "":
        return user, None
    if trade.get("openid"):
        return trade.get("openid"), same_user_elsewhere(sub_appid, user)
    return same_user_elsewhere(trade.get("appid"), user), user


def payment_of(world: World, trade: Trade) -> Payment | None:
    """Return the payment of an order, or None."""
    row = world.ledger.row("SELECT * FROM payment WHERE trade_id = ?", trade.id)
    return None if row is None else Payment(**dict(row))


def paid_fields(trade: Trade, payment: Payment) -> dict[str, str]:
    """Return what queries and notifications say about a paid order (wechatpay-v2 4.4, 5.1, vector T6)."""
    fields = {"openid": payment.openid, "is_subscribe": "N"}
    if payment.sub_openid is not None:
        fields |= {"sub_openid": payment.sub_openid, "sub_is_subscribe": "N"}
    fields |= {
        "trade_type": trade.get("trade_type"),
        "bank_type": "OTHERS",
        "total_fee": str(payment.total_fee),
        "fee_type": "CNY",
        "cash_fee": str(payment.total_fee),
        "transaction_id": payment.transaction_id,
        "out_trade_no": trade.out_trade_no,
    }
    if trade.get("attach"):
        fields["attach"] = trade.get("attach")
    return fields | {"time_end": wire_time(payment.paid_at)}
