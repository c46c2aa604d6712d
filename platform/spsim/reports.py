"""`GET /_sim/ledger`: the books as JSON, to compare with the platform's own."""

from __future__ import annotations

import sqlite3

from . import trades
from .clock import iso_time, wire_time
from .notifier import Attempt
from .trades import Trade
from .world import World

Entry = dict[str, object]
_IDENTITIES = ("appid", "mch_id", "sub_appid", "sub_mch_id", "out_trade_no", "trade_type")


def ledger(world: World, out_trade_no: str | None = None) -> dict[str, object]:
    """Return orders, payments, refunds and notifications, oldest first; of one number when it is given."""
    found = trades.every(world) if out_trade_no is None else trades.by_number_anywhere(world, out_trade_no)
    return {
        "orders": [_order(world, trade) for trade in found],
        "payments": [entry for trade in found for entry in _payments(world, trade)],
        "refunds": [],
        "notifications": [entry for trade in found for entry in _notifications(world, trade)],
    }


def attempt(sent: Attempt) -> Entry:
    """Return one attempt that was just made."""
    return {
        "url": sent.url,
        "http_status": sent.http_status,
        "answer": sent.answer,
        "ok": sent.ok,
        "error": sent.error,
    }


def _identities(trade: Trade) -> Entry:
    return {name: trade.get(name) or None for name in _IDENTITIES}


def _order(world: World, trade: Trade) -> Entry:
    prepays = world.ledger.rows("SELECT prepay_id FROM prepay WHERE trade_id = ? ORDER BY rowid", trade.id)
    return _identities(trade) | {
        "trade_state": trade.state,
        "total_fee": int(trade.get("total_fee")),
        "body": trade.get("body"),
        "attach": trade.get("attach") or None,
        "payer": trade.payer or None,
        "notify_url": trade.get("notify_url"),
        "sign_type": trade.sign_type,
        "prepay_ids": [row["prepay_id"] for row in prepays],
        "created_at": iso_time(trade.created_at),
        "expires_at": iso_time(trade.expires_at),
    }


def _payments(world: World, trade: Trade) -> list[Entry]:
    payment = trades.payment_of(world, trade)
    if payment is None:
        return []
    paid: Entry = {
        "transaction_id": payment.transaction_id,
        "total_fee": payment.total_fee,
        "openid": payment.openid,
        "sub_openid": payment.sub_openid,
        "time_end": wire_time(payment.paid_at),
        "paid_at": iso_time(payment.paid_at),
    }
    return [_identities(trade) | paid]


def _notifications(world: World, trade: Trade) -> list[Entry]:
    rows = world.ledger.rows("SELECT * FROM notification WHERE trade_id = ? ORDER BY id", trade.id)
    return [_notification(world, trade, row) for row in rows]


def _notification(world: World, trade: Trade, row: sqlite3.Row) -> Entry:
    attempts = world.ledger.rows("SELECT * FROM attempt WHERE notification_id = ? ORDER BY id", row["id"])
    return {
        "mch_id": trade.mch_id,
        "sub_mch_id": trade.get("sub_mch_id") or None,
        "out_trade_no": trade.out_trade_no,
        "state": row["state"],
        "attempts": [
            {
                "at": iso_time(sent["at"]),
                "url": sent["url"],
                "body": sent["body"],
                "http_status": sent["http_status"],
                "answer": sent["answer"],
                "ok": bool(sent["ok"]),
                "error": sent["error"],
            }
            for sent in attempts
        ],
    }
