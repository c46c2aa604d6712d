"""When healing looks at a refund next (failure catalogue 2.4). Rows never fall out of it (INV 10)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sptenants.orders.schedule import Jitter, spread
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.states import Approval, RefundStatus

STUCK_AFTER = timedelta(days=10)
"""A refund that takes longer needs a person; it is still asked about."""

_WAIT_FOR_TURN = timedelta(seconds=30)
_SUBMITTING_S = (5, 30, 120, 600)
_REFUSED_S = (60, 600)
"""After a refusal that asks for patience: NOTENOUGH, FREQUENCY_LIMITED, ORDER_NOT_READY (F06, G09)."""
_PROCESSING_S = (60, 600, 3600)
_HOUR, _SIX_HOURS = timedelta(hours=1), timedelta(hours=6)


def next_check(refund: RefundRecord, now: datetime, jitter: Jitter) -> datetime | None:
    """Return the moment of the next look at `refund`, in the state it has just been left in.

    None when it is final, or waits for a second person.
    """
    match refund.status:
        case RefundStatus.REQUESTED:
            return None if refund.approval is Approval.WAITING else now + spread(_WAIT_FOR_TURN, jitter)
        case RefundStatus.SUBMITTING:
            offsets_s = _SUBMITTING_S if refund.failure is None else _REFUSED_S
            return now + spread(_gap(refund.state_since, now, offsets_s, _HOUR), jitter)
        case RefundStatus.PROCESSING:
            return now + spread(_gap(refund.state_since, now, _PROCESSING_S, _SIX_HOURS), jitter)
        case RefundStatus.ABNORMAL:
            return now + spread(_SIX_HOURS, jitter)
        case RefundStatus.SUCCEEDED | RefundStatus.REJECTED | RefundStatus.CLOSED:
            return None


def is_stuck(refund: RefundRecord, now: datetime) -> bool:
    """Whether it is open for so long that a person should look."""
    return not refund.is_final and now - refund.created_at >= STUCK_AFTER


def _gap(since: datetime, now: datetime, offsets_s: tuple[int, ...], step: timedelta) -> timedelta:
    """Return the time to the first offset from `since` that is still ahead, else the slow step."""
    for offset_s in offsets_s:
        ahead = since + timedelta(seconds=offset_s) - now
        if ahead > timedelta(0):
            return ahead
    return step
