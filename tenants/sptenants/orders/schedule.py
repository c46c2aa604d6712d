"""When healing looks at an order next (failure catalogue 2.4). Rows never fall out of it (INV 10)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import SystemRandom

from sptenants.orders.numbering import made_at
from sptenants.orders.records import AttemptRecord, OrderRecord
from sptenants.orders.states import OrderStatus

Jitter = Callable[[], float]
"""Returns a number in [0, 1); random in production, fixed in tests."""

random_jitter: Jitter = SystemRandom().random

CLOSE_NOT_BEFORE = timedelta(minutes=5)
"""WeChat closes no order in its first five minutes (P8, wechatpay-v2 4.5)."""
REVERSE_NOT_BEFORE = timedelta(seconds=15)
"""WeChat reverses no payment code in its first fifteen seconds (wechatpay-v2 4.2)."""
TYPING_TIME = timedelta(seconds=45)
"""How long a payer may type the password before a payment code is reversed (wechatpay-v2 4.1)."""
CLOSE_AFTER_EXPIRY = timedelta(minutes=1)
"""A payer who opened the cashier in time may pay a little later (wechatpay-v2 2.6)."""
CONFIRM_AFTER = timedelta(minutes=10)
ABSENT_FOR = timedelta(seconds=60)
"""How far apart two answers ORDERNOTEXIST must be before they are believed."""

_SUBMITTING_S = (2, 5, 15, 30, 60)
_CLOSING_S = (5, 30, 120)
_CODE_S = (5, 10, 15, 20, 25, 30, 35, 40, 45, 60, 75, 90, 120, 180)
_REVERSING_S = (5, 10, 15, 30, 60, 120)
_STEP = timedelta(minutes=5)
_PENDING_STEP = timedelta(seconds=60)
_DISPUTED_STEP = timedelta(hours=1)
_SPREAD = 0.2


def close_allowed_at(order: OrderRecord) -> datetime:
    """Return from when WeChat closes (a payment code: reverses) what the order's latest number stands for."""
    if order.out_trade_no is None:
        return order.created_at
    return made_at(order.out_trade_no) + (REVERSE_NOT_BEFORE if order.by_code else CLOSE_NOT_BEFORE)


def attempt_closable_at(attempt: AttemptRecord) -> datetime:
    """Return the same of any attempt, such as one that is no longer its order's latest."""
    return attempt.created_at + (REVERSE_NOT_BEFORE if attempt.by_code else CLOSE_NOT_BEFORE)


def close_due_at(order: OrderRecord) -> datetime:
    """Return when the order is to be closed: soon after its expiry, or as soon as asked for and allowed.

    A payment code is over when its payer had time to type.
    """
    if order.out_trade_no is None:
        return order.close_requested_at or order.expires_at
    allowed = close_allowed_at(order)
    if order.close_requested_at is not None:
        return allowed
    if order.by_code:
        return made_at(order.out_trade_no) + TYPING_TIME
    return max(allowed, order.expires_at + CLOSE_AFTER_EXPIRY)


def next_check(order: OrderRecord, now: datetime, jitter: Jitter) -> datetime | None:
    """Return the moment of the next look at `order`, in the state it has just been left in.

    None only in final states with nothing left to confirm. Spread by ±20 %, so that orders made together
    are not asked about together.
    """
    match order.status:
        case OrderStatus.CREATED:
            return close_due_at(order)
        case OrderStatus.SUBMITTING | OrderStatus.PENDING if order.by_code and order.out_trade_no is not None:
            return now + spread(_gap(made_at(order.out_trade_no), now, _CODE_S), jitter)
        case OrderStatus.SUBMITTING:
            return now + spread(_gap(order.state_since, now, _SUBMITTING_S), jitter)
        case OrderStatus.PENDING:
            return _pending(order, now, jitter)
        case OrderStatus.CLOSING if order.anomaly is not None:
            return now + spread(_DISPUTED_STEP, jitter)
        case OrderStatus.CLOSING:
            offsets_s = _REVERSING_S if order.by_code else _CLOSING_S
            return now + spread(_gap(order.state_since, now, offsets_s), jitter)
        case OrderStatus.CLOSED | OrderStatus.FAILED | OrderStatus.REVOKED:
            return _confirmation(order, now, jitter)
        case OrderStatus.PAID:
            return None


def _pending(order: OrderRecord, now: datetime, jitter: Jitter) -> datetime:
    close_due = close_due_at(order)
    if now >= close_due:
        # Still open although it should be closed: money and intent differ, or WeChat does not answer.
        disputed = order.anomaly is not None or now - close_due >= _DISPUTED_STEP
        return now + spread(_DISPUTED_STEP if disputed else _STEP, jitter)
    fresh = now - order.state_since < _STEP
    return min(now + spread(_PENDING_STEP if fresh else _STEP, jitter), close_due)


def _confirmation(order: OrderRecord, now: datetime, jitter: Jitter) -> datetime | None:
    if order.checks > 0 or order.out_trade_no is None:
        return None
    due = order.state_since + CONFIRM_AFTER
    return due if due > now else now + spread(_STEP, jitter)


def _gap(since: datetime, now: datetime, offsets_s: tuple[int, ...]) -> timedelta:
    """Return the time to the first offset from `since` that is still ahead, else the slow step."""
    for offset_s in offsets_s:
        ahead = since + timedelta(seconds=offset_s) - now
        if ahead > timedelta(0):
            return ahead
    return _STEP


def spread(gap: timedelta, jitter: Jitter) -> timedelta:
    """Return `gap` ±20 %, so that what was made together is not asked about together."""
    return gap * (1 - _SPREAD + 2 * _SPREAD * jitter())
