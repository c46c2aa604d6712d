"""When a delivery is tried again (failure catalogue 2.5; the plan is the example of Standard Webhooks)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

PLAN = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""The pause before each attempt, 75 h 35 min in all; after the last one the delivery has failed for good."""
JITTER = 0.1
HOLDS_BACK = timedelta(minutes=35)
"""How long a failing delivery makes the later events of its order wait."""
GIVE_UP_ENDPOINT = timedelta(days=5)
"""An endpoint that fails for so long without one success is disabled."""
LONGEST_WAIT = timedelta(hours=24)

_SECONDS = re.compile(r"[0-9]+")
_WAITING_STATUSES = frozenset({429, 503})


def next_attempt(step: int, now: datetime, random: float, asked: timedelta | None = None) -> datetime | None:
    """Return when to try again after `step` attempts failed, None when the plan is at its end.

    `random` from 0 to 1 spreads the pause by ±10 %; `asked` is how long the receiver wants to be left alone.
    """
    if step >= len(PLAN):
        return None
    pause = PLAN[step] * (1 - JITTER + 2 * JITTER * random)
    return now + max(pause, asked or timedelta(0))


def asked_to_wait(status: int | None, retry_after: str | None, now: datetime) -> timedelta | None:
    """Read `Retry-After` of a 429 or 503: seconds or a date, a day at most; nonsense asks nothing (W07)."""
    if status not in _WAITING_STATUSES or retry_after is None:
        return None
    given = retry_after.strip()
    if _SECONDS.fullmatch(given):
        seconds = int(given) if len(given) <= 6 else LONGEST_WAIT.total_seconds()
        return min(timedelta(seconds=seconds), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(given)
    except ValueError:
        return None
    wait = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - now
    return min(wait, LONGEST_WAIT) if wait > timedelta(0) else None
