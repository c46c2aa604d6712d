"""What a queued notification says when it goes out, in its own generation: address, headers, body."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import Final

from . import api_keys, payments, refund_books, trades
from .faults import NOTIFY, NOTIFY_ECHO, NOTIFY_REFUND, Fault
from .messages import payment_body
from .refund_messages import refund_body
from .v3 import letters as v3_letters
from .wire import BadXml, read_xml
from .world import World

_XML: Final = {"Content-Type": "text/xml"}
_JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Letter:
    """One POST to come; `api` is its generation, `headers` those that belong to its content."""

    url: str
    body: bytes
    api: str
    headers: dict[str, str] = field(default_factory=dict)

    def acknowledged_by(self, status: int, answer: bytes) -> bool:
        """Tell whether an answer counts.

        By v2 only HTTP 200 with `return_code` SUCCESS, by v3 any 200 or 204 (wechatpay-v3 3.4).
        """
        if self.api == api_keys.V3:
            return status in {200, 204}
        if status != 200:
            return False
        try:
            return read_xml(answer).get("return_code") == "SUCCESS"
        except BadXml:
            return False


def fault_path(row: sqlite3.Row) -> str:
    """Return the path under which faults of this notification are ordered."""
    if row["echo_id"] is not None:
        return NOTIFY_ECHO
    return NOTIFY if row["refund_id"] is None else NOTIFY_REFUND


def api_of(world: World, row: sqlite3.Row) -> str:
    """Return a notification's generation: that of the order, or of the call that asked for the refund."""
    if row["echo_id"] is not None:
        return api_keys.V3
    if row["refund_id"] is None:
        return trades.by_id(world, row["trade_id"]).api
    refund = refund_books.by_id(world, row["refund_id"])
    return api_keys.V2 if refund is None else refund.api


def write(
    world: World, row: sqlite3.Row, fault: Fault | None = None, changes: dict[str, str] | None = None
) -> Letter:
    """Write a notification anew, with the provider's key of this moment.

    `changes` and `fault` are those of the bodies. Raises LookupError when there is nothing to tell.
    """
    if api_of(world, row) == api_keys.V3:
        sealed = v3_letters.seal(world, row, fault, changes)
        return Letter(sealed.url, sealed.body, api_keys.V3, _JSON | sealed.headers)
    trade = trades.by_id(world, row["trade_id"])
    key = api_keys.for_notification(world.ledger, trade.mch_id, api_keys.V2, row["created_at"])
    if key is None:
        raise LookupError(f"provider {trade.mch_id} has no API v2 key: nothing is sent")
    if row["refund_id"] is not None:
        refund = refund_books.by_id(world, row["refund_id"])
        if refund is None or refund.notify_url is None:
            raise LookupError(f"refund {row['refund_id']} is not notified")
        body = refund_body(world, refund, row["refund_status"], key, fault, changes)
        return Letter(refund.notify_url, body, api_keys.V2, _XML)
    payment = payments.by_transaction(world, row["transaction_id"])
    if payment is None:
        raise LookupError(f"no payment {row['transaction_id']}")
    body = payment_body(world, trade, payment, key, fault, changes)
    return Letter(trade.get("notify_url"), body, api_keys.V2, _XML)


def copies(
    world: World,
    row: sqlite3.Row,
    count: int,
    fault: Fault | None = None,
    changes: dict[str, str] | None = None,
) -> list[Letter]:
    """Write a notification several times: v3 signs each anew, as several of WeChat's servers would."""
    first = write(world, row, fault, changes)
    if first.api == api_keys.V2:
        return [first] * count
    return [first, *(write(world, row, fault, changes) for _ in range(count - 1))]
