"""Refunds as the gateway keeps them, and how they come to an end (wechatpay-v2 4.6, 4.7, 11.3).

PROCESSING becomes SUCCESS, REFUNDCLOSE or CHANGE: by itself after a while, or when a tester decides. CHANGE
(the payer's account is gone) becomes SUCCESS or REFUNDCLOSE by hand. Every end is notified.
"""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass, replace
from typing import Final

from . import balances, payments, settings, trades
from .api_keys import V2
from .clock import wire_time
from .payments import Payment
from .signing import random_text
from .trades import Trade
from .world import World

ENDS: Final = ("SUCCESS", "CHANGE", "REFUNDCLOSE")
API: Final = "API"
CONSOLE: Final = "VENDOR_PLATFORM"
RECEIVER: Final = "支付用户零钱"
_ENDS_AFTER: Final = {"PROCESSING": ENDS, "CHANGE": ("SUCCESS", "REFUNDCLOSE")}
_SETTLEMENT: Final = "settlement"


@dataclass(frozen=True, slots=True)
class Settlement:
    """When refunds end by themselves: `after_s` from the request, as `status`; never unless `auto`."""

    auto: bool = True
    after_s: float = 0.2
    status: str = "SUCCESS"


@dataclass(frozen=True, slots=True)
class Refund:
    """One refund of one payment: amount in fen, times in milliseconds.

    `api` is the generation that its end is notified in: the one by which it was asked for.
    """

    refund_id: str
    mch_id: str
    out_refund_no: str
    transaction_id: str
    refund_fee: int
    account: str
    reason: str | None
    source: str
    notify_url: str | None
    status: str
    requested_at: int
    settled_at: int | None
    api: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks to be refunded: the merchant's server (API) or a person in WeChat's console.

    `api` is the generation that asked; its end is notified in that format (wechatpay-v3 9).
    """

    out_refund_no: str
    amount: int
    account: str
    reason: str | None
    source: str
    notify_url: str | None
    api: str


def settlement(world: World) -> Settlement:
    """Return when refunds end by themselves."""
    return Settlement(**settings.read(world.ledger, _SETTLEMENT, asdict(Settlement())))


def set_settlement(world: World, wanted: Settlement) -> None:
    """Change it, also for refunds that are under way."""
    settings.keep(world.ledger, _SETTLEMENT, asdict(wanted))


def _refund(row: sqlite3.Row | None) -> Refund | None:
    return None if row is None else Refund(**dict(row))


def by_number(world: World, mch_id: str, out_refund_no: str) -> Refund | None:
    """Return the refund of a merchant's number: unique over all its sub-merchants."""
    sql = "SELECT * FROM refund WHERE mch_id = ? AND out_refund_no = ?"
    return _refund(world.ledger.row(sql, mch_id, out_refund_no))


def by_number_anywhere(world: World, out_refund_no: str) -> list[Refund]:
    """Return the refunds of this number under every provider."""
    rows = world.ledger.rows("SELECT * FROM refund WHERE out_refund_no = ? ORDER BY rowid", out_refund_no)
    return [Refund(**dict(row)) for row in rows]


def by_id(world: World, refund_id: str) -> Refund | None:
    """Return a refund by WeChat's own number."""
    return _refund(world.ledger.row("SELECT * FROM refund WHERE refund_id = ?", refund_id))


def of_payment(world: World, payment: Payment) -> list[Refund]:
    """Return a payment's refunds, oldest first."""
    sql = "SELECT * FROM refund WHERE transaction_id = ? ORDER BY rowid"
    return [Refund(**dict(row)) for row in world.ledger.rows(sql, payment.transaction_id)]


def newest_other(world: World, refund: Refund) -> Refund | None:
    """Return the provider's newest refund that is not this one."""
    sql = "SELECT * FROM refund WHERE mch_id = ? AND refund_id <> ? ORDER BY rowid DESC LIMIT 1"
    return _refund(world.ledger.row(sql, refund.mch_id, refund.refund_id))


def trade_of(world: World, refund: Refund) -> Trade:
    """Return the order that a refund gives money back for."""
    return trades.by_id(world, payment_of(world, refund).trade_id)


def payment_of(world: World, refund: Refund) -> Payment:
    """Return the payment that a refund gives money back of."""
    payment = payments.by_transaction(world, refund.transaction_id)
    if payment is None:
        raise LookupError(f"no payment {refund.transaction_id}")
    return payment


def trade_state(world: World, trade: Trade, payment: Payment | None) -> str:
    """Return trade_state as WeChat tells it: REFUND once a refund of the payment was started."""
    if trade.state == "SUCCESS" and payment is not None and of_payment(world, payment):
        return "REFUND"
    return trade.state


def last_told(world: World, trade: Trade) -> tuple[str | None, str]:
    """Return where and in which generation the sub-merchant's latest refund was to be notified.

    That is what WeChat's console would have; (None, V2) when none ever was.
    """
    sql = (
        "SELECT refund.notify_url, refund.api, trade.params ->> 'sub_mch_id' AS sub_mch_id FROM refund"
        " JOIN payment USING (transaction_id) JOIN trade ON trade.id = payment.trade_id"
        " WHERE refund.mch_id = ? AND refund.notify_url IS NOT NULL ORDER BY refund.rowid DESC"
    )
    own = trade.get("sub_mch_id")
    rows = world.ledger.rows(sql, trade.mch_id)
    told = ((row["notify_url"], row["api"]) for row in rows if (row["sub_mch_id"] or "") == own)
    return next(told, (None, V2))


def insert(world: World, trade: Trade, payment: Payment, wanted: Wanted) -> Refund:
    """Store a refund that was found to be right, and take the money for it."""
    now = world.clock.now_ms()
    refund = Refund(
        refund_id=f"5030{random_text(6, '0123456789')}{wire_time(now)[:8]}{random_text(11, '0123456789')}",
        mch_id=trade.mch_id,
        out_refund_no=wanted.out_refund_no,
        transaction_id=payment.transaction_id,
        refund_fee=wanted.amount,
        account=wanted.account,
        reason=wanted.reason,
        source=wanted.source,
        notify_url=wanted.notify_url,
        status="PROCESSING",
        requested_at=now,
        settled_at=None,
        api=wanted.api,
    )
    row = asdict(refund)
    sql = f"INSERT INTO refund ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"  # noqa: S608 - own names
    with world.ledger.transaction():
        world.ledger.run(sql, *row.values())
        balances.take(world.ledger, trade.mch_id, trade.get("sub_mch_id"), refund.refund_fee)
    return refund


def may_end_as(refund: Refund, status: str) -> bool:
    """Tell whether a refund can come to this end from where it is."""
    return status in _ENDS_AFTER.get(refund.status, ())


def settle(world: World, refund: Refund, status: str) -> None:
    """Bring a refund to an end and queue its notification; money that did not leave is there again."""
    trade = trade_of(world, refund)
    now = world.clock.now_ms()
    with world.ledger.transaction():
        changed = world.ledger.run(
            "UPDATE refund SET status = ?, settled_at = ? WHERE refund_id = ? AND status = ?",
            status,
            now,
            refund.refund_id,
            refund.status,
        )
        if changed != 1 or not may_end_as(refund, status):
            raise RuntimeError(f"refund {refund.out_refund_no} cannot go from {refund.status} to {status}")
        if status == "REFUNDCLOSE":
            balances.take(world.ledger, trade.mch_id, trade.get("sub_mch_id"), -refund.refund_fee)
        if refund.notify_url is not None:
            world.ledger.run(
                "INSERT INTO notification (trade_id, transaction_id, refund_id, refund_status, created_at)"
                " VALUES (?, ?, ?, ?, ?)",
                trade.id,
                refund.transaction_id,
                refund.refund_id,
                status,
                now,
            )


def resume(world: World, refund: Refund) -> Refund:
    """Send an abnormal refund another way: it is under way again. Raises RuntimeError when it is not one."""
    sql = (
        "UPDATE refund SET status = 'PROCESSING', settled_at = NULL WHERE refund_id = ? AND status = 'CHANGE'"
    )
    if world.ledger.run(sql, refund.refund_id) != 1:
        raise RuntimeError(f"refund {refund.out_refund_no} is not abnormal")
    return replace(refund, status="PROCESSING", settled_at=None)


def settle_due(world: World) -> int | None:
    """End every refund whose time has come; return the milliseconds until the next one, if there is one."""
    rule = settlement(world)
    if not rule.auto:
        return None
    now = world.clock.now_ms()
    sql = "SELECT * FROM refund WHERE status = 'PROCESSING' ORDER BY requested_at, rowid"
    for row in world.ledger.rows(sql):
        wait = row["requested_at"] + int(rule.after_s * 1000) - now
        if wait > 0:
            return int(wait)
        settle(world, Refund(**dict(row)), rule.status)
    return None
