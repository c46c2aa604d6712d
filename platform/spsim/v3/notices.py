"""What notifications of API v3 say before they are sealed (wechatpay-v3 3.1 to 3.3, 1.11)."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from spsim import payments, refund_books, trades
from spsim.clock import rfc3339
from spsim.faults import Fault
from spsim.messages import other_sub_merchant
from spsim.refund_books import RECEIVER, Refund
from spsim.trades import Trade
from spsim.world import World

from .orders import transaction
from .refunds import STATUSES

Content = dict[str, object]
_SUMMARIES: Final = {"SUCCESS": "退款成功", "ABNORMAL": "退款异常", "CLOSED": "退款关闭"}


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification in the clear: where it goes, what kind it is, and its content."""

    mch_id: str
    url: str
    event_type: str
    original_type: str
    summary: str
    content: Content


def of(world: World, row: sqlite3.Row) -> Notice:
    """Return what a queued notification says; raises LookupError when there is nothing to tell."""
    if row["echo_id"] is not None:
        return _echo(world, row["echo_id"])
    if row["refund_id"] is not None:
        return _refund(world, row["refund_id"], row["refund_status"])
    return _payment(world, row["transaction_id"])


def changed(notice: Notice, changes: Mapping[str, object]) -> Notice:
    """Return the notice with other content.

    `changes` names fields by their path ("amount.total"); a text for a field that holds a number is read as
    one.
    """
    content = notice.content
    for path, value in changes.items():
        content = _with(content, path.split("."), value)
    return replace(notice, content=content)


def spoiled(world: World, row: sqlite3.Row, notice: Notice, fault: Fault) -> Notice:
    """Return the notice as a fault falsifies it: everything about it is genuine but the content."""
    if row["trade_id"] is None:
        return changed(notice, fault.changed_values())
    trade = trades.by_id(world, row["trade_id"])
    if fault.kind == "wrong_amount":
        return changed(notice, _wrong_amount(world, row, trade, fault))
    if fault.kind == "other_tenant":
        return changed(notice, {"sub_mchid": other_sub_merchant(world, trade, fault)})
    return changed(notice, fault.changed_values())


def _wrong_amount(world: World, row: sqlite3.Row, trade: Trade, fault: Fault) -> dict[str, object]:
    refund = None if row["refund_id"] is None else refund_books.by_id(world, row["refund_id"])
    if refund is None:
        total = fault.number("total_fee", int(trade.get("total_fee")) + 1)
        return {"amount.total": total, "amount.payer_total": total}
    other = fault.number("refund_fee", refund.refund_fee + 1)
    return {"amount.refund": other, "amount.payer_refund": other}


def _with(content: Content, path: list[str], value: object) -> Content:
    name, *rest = path
    present = content.get(name)
    if rest:
        return content | {name: _with(present if isinstance(present, dict) else {}, rest, value)}
    if type(present) is int and isinstance(value, str) and value.isdecimal():
        return content | {name: int(value)}
    return content | {name: value}


def _payment(world: World, transaction_id: str) -> Notice:
    payment = payments.by_transaction(world, transaction_id)
    if payment is None:
        raise LookupError(f"no payment {transaction_id}")
    trade = trades.by_id(world, payment.trade_id)
    return Notice(
        trade.mch_id,
        trade.get("notify_url"),
        "TRANSACTION.SUCCESS",
        "transaction",
        "支付成功",
        transaction(trade, payment, "SUCCESS"),
    )


def _refund(world: World, refund_id: str, status: str) -> Notice:
    refund = refund_books.by_id(world, refund_id)
    if refund is None or refund.notify_url is None:
        raise LookupError(f"refund {refund_id} is not notified")
    told = STATUSES[status]
    content = _refund_content(world, refund, told)
    return Notice(refund.mch_id, refund.notify_url, f"REFUND.{told}", "refund", _SUMMARIES[told], content)


def _refund_content(world: World, refund: Refund, status: str) -> Content:
    payment = refund_books.payment_of(world, refund)
    trade = refund_books.trade_of(world, refund)
    sub_mch_id = trade.get("sub_mch_id")
    merchant: Content = {"mchid": trade.mch_id}
    if sub_mch_id:
        merchant = {"sp_mchid": trade.mch_id, "sub_mchid": sub_mch_id}
    content = merchant | {
        "out_trade_no": trade.out_trade_no,
        "transaction_id": refund.transaction_id,
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "refund_status": status,
    }
    if status == "SUCCESS" and refund.settled_at is not None:
        content["success_time"] = rfc3339(refund.settled_at)
    return content | {
        "amount": {
            "total": payment.total_fee,
            "refund": refund.refund_fee,
            "payer_total": payment.total_fee,
            "payer_refund": refund.refund_fee,
        },
        "user_received_account": RECEIVER,
    }


def _echo(world: World, echo_id: int) -> Notice:
    row = world.ledger.row("SELECT * FROM security_echo WHERE id = ?", echo_id)
    if row is None:
        raise LookupError(f"no echo {echo_id}")
    content: Content = {"echo_message": row["message"]}
    if row["sealed_message"] is not None:
        content["encrypt_echo_message"] = row["sealed_message"]
    return Notice(row["mch_id"], row["notify_url"], "SECURITY_ECHO.SUCCESS", "security", "安全回声", content)
