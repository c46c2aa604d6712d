"""What a queued notification says when it goes out: the address and the body."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from . import payments, refund_books, trades
from .faults import NOTIFY, NOTIFY_REFUND, Fault
from .messages import payment_body
from .refund_messages import refund_body
from .world import World


@dataclass(frozen=True, slots=True)
class Letter:
    """One POST to come."""

    url: str
    body: bytes


def fault_path(row: sqlite3.Row) -> str:
    """Return the path under which faults of this notification are ordered."""
    return NOTIFY if row["refund_id"] is None else NOTIFY_REFUND


def write(
    world: World, row: sqlite3.Row, fault: Fault | None = None, changes: dict[str, str] | None = None
) -> Letter:
    """Write a notification anew, with the provider's key of this moment.

    `changes` and `fault` are those of the bodies. Raises LookupError when there is nothing to tell.
    """
    if row["refund_id"] is not None:
        refund = refund_books.by_id(world, row["refund_id"])
        if refund is None or refund.notify_url is None:
            raise LookupError(f"refund {row['refund_id']} is not notified")
        body = refund_body(world, refund, row["refund_status"], fault, changes)
        return Letter(refund.notify_url, body)
    payment = payments.by_transaction(world, row["transaction_id"])
    if payment is None:
        raise LookupError(f"no payment {row['transaction_id']}")
    trade = trades.by_id(world, payment.trade_id)
    return Letter(trade.get("notify_url"), payment_body(world, trade, payment, fault, changes))
