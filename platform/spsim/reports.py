"""`GET /_sim/ledger`: the books as JSON, to compare with the platform's own."""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from . import letters, payments, refund_books, trades
from .clock import iso_time, wire_time
from .faults import NOTIFY, NOTIFY_ECHO, NOTIFY_REFUND
from .notifier import Attempt
from .payments import Payment
from .refund_books import Refund
from .trades import Trade
from .world import World

Entry = dict[str, object]
_KINDS: Final = {NOTIFY: "payment", NOTIFY_REFUND: "refund", NOTIFY_ECHO: "echo"}
_IDENTITIES = ("appid", "mch_id", "sub_appid", "sub_mch_id", "out_trade_no", "trade_type")


def ledger(world: World, out_trade_no: str | None = None) -> dict[str, object]:
    """Return orders, payments, refunds, reversals and notifications, oldest first; of one number if given."""
    refund_books.settle_due(world)
    found = trades.every(world) if out_trade_no is None else trades.by_number_anywhere(world, out_trade_no)
    return {
        "orders": [_order(world, trade) for trade in found],
        "payments": [_payment(trade, paid) for trade in found for paid in payments.every(world, trade)],
        "refunds": [
            refund(world, made)
            for trade in found
            for paid in payments.every(world, trade)
            for made in refund_books.of_payment(world, paid)
        ],
        "reversals": [entry for trade in found for entry in _reversals(world, trade)],
        "notifications": [
            *(entry for trade in found for entry in _notifications(world, trade)),
            *([] if out_trade_no is not None else _echoes(world)),
        ],
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
        "trade_state": refund_books.trade_state(world, trade, payments.first(world, trade)),
        "total_fee": int(trade.get("total_fee")),
        "body": trade.get("body"),
        "attach": trade.get("attach") or None,
        "payer": trade.payer or None,
        "notify_url": trade.get("notify_url") or None,
        "sign_type": trade.sign_type,
        "api_version": trade.api,
        "prepay_ids": [row["prepay_id"] for row in prepays],
        "created_at": iso_time(trade.created_at),
        "expires_at": iso_time(trade.expires_at),
    }


def _payment(trade: Trade, payment: Payment) -> Entry:
    paid: Entry = {
        "transaction_id": payment.transaction_id,
        "total_fee": payment.total_fee,
        "openid": payment.openid,
        "sub_openid": payment.sub_openid,
        "time_end": wire_time(payment.paid_at),
        "paid_at": iso_time(payment.paid_at),
    }
    return _identities(trade) | paid


def refund(world: World, made: Refund) -> Entry:
    """Return one refund."""
    given_back: Entry = {
        "out_refund_no": made.out_refund_no,
        "refund_id": made.refund_id,
        "transaction_id": made.transaction_id,
        "amount": made.refund_fee,
        "status": made.status,
        "source": made.source,
        "reason": made.reason,
        "notify_url": made.notify_url,
        "api_version": made.api,
        "requested_at": iso_time(made.requested_at),
        "settled_at": None if made.settled_at is None else iso_time(made.settled_at),
    }
    return _identities(refund_books.trade_of(world, made)) | given_back


def _reversals(world: World, trade: Trade) -> list[Entry]:
    rows = world.ledger.rows("SELECT * FROM reversal WHERE trade_id = ?", trade.id)
    return [
        _identities(trade)
        | {
            "transaction_id": row["transaction_id"],
            "amount": row["amount"],
            "reversed_at": iso_time(row["reversed_at"]),
        }
        for row in rows
    ]


def _notifications(world: World, trade: Trade) -> list[Entry]:
    rows = world.ledger.rows("SELECT * FROM notification WHERE trade_id = ? ORDER BY id", trade.id)
    about = {
        "mch_id": trade.mch_id,
        "sub_mch_id": trade.get("sub_mch_id") or None,
        "out_trade_no": trade.out_trade_no,
    }
    return [about | _notification(world, row) for row in rows]


def _echoes(world: World) -> list[Entry]:
    sql = (
        "SELECT notification.*, security_echo.mch_id FROM notification"
        " JOIN security_echo ON security_echo.id = echo_id ORDER BY notification.id"
    )
    nobody = {"sub_mch_id": None, "out_trade_no": None}
    return [{"mch_id": row["mch_id"]} | nobody | _notification(world, row) for row in world.ledger.rows(sql)]


def _notification(world: World, row: sqlite3.Row) -> Entry:
    attempts = world.ledger.rows("SELECT * FROM attempt WHERE notification_id = ? ORDER BY id", row["id"])
    return {
        "kind": _KINDS[letters.fault_path(row)],
        "api_version": letters.api_of(world, row),
        "transaction_id": row["transaction_id"],
        "refund_id": row["refund_id"],
        "refund_status": row["refund_status"],
        "state": row["state"],
        "attempts": [
            {
                "at": iso_time(sent["at"]),
                "url": sent["url"],
                "headers": json.loads(sent["headers"] or "{}"),
                "body": sent["body"],
                "http_status": sent["http_status"],
                "answer": sent["answer"],
                "ok": bool(sent["ok"]),
                "error": sent["error"],
            }
            for sent in attempts
        ],
    }
