"""Money that moved from a payer to a merchant (wechatpay-v2 1.7, 4.4, 5.1)."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from . import trades
from .clock import wire_time
from .registry import remember_openid, same_user_elsewhere
from .signing import random_text
from .trades import Trade
from .world import World


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment: payer ids under both appids, amount in fen, time in milliseconds."""

    transaction_id: str
    trade_id: int
    openid: str
    sub_openid: str | None
    total_fee: int
    paid_at: int


def record(world: World, trade: Trade, user: str, *, notified: bool = True) -> Payment:
    """Move the money: mark the order paid, store the payment and queue its notification, all at once.

    `user` is the payer's openid under `trade.payer_appid`. An order that is paid already is paid once more,
    with a transaction of its own (catalogue B05). MICROPAY is not `notified` (wechatpay-v2 4.1).
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
        trades.move(world, trade, "SUCCESS")
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
        if notified:
            world.ledger.run(
                "INSERT INTO notification (trade_id, transaction_id, created_at) VALUES (?, ?, ?)",
                trade.id,
                payment.transaction_id,
                now,
            )
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
        return trade.get("openid"), trade.get("sub_openid") or same_user_elsewhere(sub_appid, user)
    return same_user_elsewhere(trade.get("appid"), user), user


def _payment(row: sqlite3.Row | None) -> Payment | None:
    return None if row is None else Payment(**dict(row))


def every(world: World, trade: Trade) -> list[Payment]:
    """Return the order's payments, the first one first."""
    rows = world.ledger.rows("SELECT * FROM payment WHERE trade_id = ? ORDER BY rowid", trade.id)
    return [Payment(**dict(row)) for row in rows]


def first(world: World, trade: Trade) -> Payment | None:
    """Return the order's first payment: the one its number stands for. None when it is not paid."""
    sql = "SELECT * FROM payment WHERE trade_id = ? ORDER BY rowid LIMIT 1"
    return _payment(world.ledger.row(sql, trade.id))


def by_transaction(world: World, transaction_id: str) -> Payment | None:
    """Return a payment by WeChat's own number."""
    return _payment(world.ledger.row("SELECT * FROM payment WHERE transaction_id = ?", transaction_id))


def paid_fields(trade: Trade, payment: Payment) -> dict[str, str]:
    """Return what answers and notifications say about a paid order (wechatpay-v2 4.4, 5.1, vector T6)."""
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
