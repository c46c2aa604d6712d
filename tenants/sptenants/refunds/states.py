"""The states of a refund and the moves between them (failure catalogue 2.3).

The same table is enforced by a database trigger made from `MOVES`; a test compares the two.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal


class RefundStatus(StrEnum):
    """`requested` reserved, not sent · `submitting` sent, outcome unknown · `processing` accepted by WeChat ·
    `succeeded` · `rejected` refused for good, or declined here; released · `closed` given up by WeChat,
    released · `abnormal` the money left and did not reach the payer; the reservation is kept."""

    REQUESTED = "requested"
    SUBMITTING = "submitting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    CLOSED = "closed"
    ABNORMAL = "abnormal"


class Purpose(StrEnum):
    """`order` gives back money of the order; `duplicate` gives back a second payment of it (P12)."""

    ORDER = "order"
    DUPLICATE = "duplicate"


class Approval(StrEnum):
    """Whether a second person has to agree, and what came of it (F07)."""

    NONE = "none"
    WAITING = "waiting"
    GIVEN = "given"
    DECLINED = "declined"


RefundSource = Literal["api_key", "console", "policy", "wechat"]
"""Who wanted it; `wechat` was made elsewhere and found there (F10)."""

S = RefundStatus
MOVES: frozenset[tuple[RefundStatus, RefundStatus]] = frozenset(
    {
        (S.REQUESTED, S.SUBMITTING),  # R2
        (S.REQUESTED, S.REJECTED),  # a second person declined; nothing was ever sent
        (S.SUBMITTING, S.PROCESSING),  # R4
        (S.SUBMITTING, S.REJECTED),  # R5
        (S.SUBMITTING, S.SUCCEEDED),  # R6
        (S.SUBMITTING, S.CLOSED),
        (S.SUBMITTING, S.ABNORMAL),
        (S.PROCESSING, S.SUCCEEDED),
        (S.PROCESSING, S.CLOSED),
        (S.PROCESSING, S.ABNORMAL),
        (S.ABNORMAL, S.SUCCEEDED),  # R7
        (S.ABNORMAL, S.CLOSED),
    }
)

FINAL = frozenset({S.SUCCEEDED, S.REJECTED, S.CLOSED})
RELEASED = frozenset({S.REJECTED, S.CLOSED})
"""Final states that give the reserved amount back to the order."""


def may_move(before: RefundStatus, after: RefundStatus) -> bool:
    return (before, after) in MOVES
