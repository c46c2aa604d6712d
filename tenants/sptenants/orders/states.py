"""The states of an order and the moves between them (failure catalogue 2.2).

The same table is enforced by a database trigger made from `MOVES`; a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum


class OrderStatus(StrEnum):
    CREATED = "created"
    SUBMITTING = "submitting"
    PENDING = "pending"
    CLOSING = "closing"
    PAID = "paid"
    CLOSED = "closed"
    FAILED = "failed"
    REVOKED = "revoked"


class AttemptState(StrEnum):
    """What one order at WeChat (one `out_trade_no`) is known to be."""

    SUBMITTING = "submitting"
    PAYABLE = "payable"
    PAID = "paid"
    CLOSED = "closed"
    FAILED = "failed"


S = OrderStatus
MOVES: frozenset[tuple[OrderStatus, OrderStatus]] = frozenset(
    {
        (S.CREATED, S.SUBMITTING),  # P2
        (S.SUBMITTING, S.PENDING),  # P4
        (S.SUBMITTING, S.FAILED),  # P5
        (S.CREATED, S.PAID),  # P6
        (S.SUBMITTING, S.PAID),
        (S.PENDING, S.PAID),
        (S.CLOSING, S.PAID),  # P6, P10
        (S.PENDING, S.CLOSING),  # P8
        (S.SUBMITTING, S.CLOSING),
        (S.CREATED, S.CLOSING),
        (S.CLOSING, S.CLOSED),  # P9
        (S.CLOSED, S.PAID),  # P12: late money
        (S.FAILED, S.PAID),
        (S.PENDING, S.SUBMITTING),  # another attempt, once the one before can no longer be paid (I2)
        (S.CLOSING, S.SUBMITTING),
        (S.PENDING, S.FAILED),  # a payment code that was refused while the payer typed
        (S.SUBMITTING, S.REVOKED),  # a payment code's order, reversed
        (S.PENDING, S.REVOKED),
        (S.CLOSING, S.REVOKED),
        (S.REVOKED, S.PAID),
    }
)

OPEN = frozenset({S.CREATED, S.SUBMITTING, S.PENDING, S.CLOSING})


def may_move(before: OrderStatus, after: OrderStatus) -> bool:
    return (before, after) in MOVES
