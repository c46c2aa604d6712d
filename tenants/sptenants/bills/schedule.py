"""When a bill that could not be had is asked for again (wechatpay-v3 5.6; failure catalogue L02)."""

from __future__ import annotations

from datetime import timedelta

from sptenants.bills.states import OwnProblem, Problem
from wechatpay.bills import BillProblem

_HALF_HOUR = timedelta(minutes=30)
_SIX_HOURS = timedelta(hours=6)
_QUICK = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
_A_DAY = 48
"""Tries of half an hour each."""
_SIX_DAYS = 24
"""Tries of six hours each, after that day."""

_LATER = frozenset({BillProblem.NOT_READY, BillProblem.THROTTLED})
_FRESH = frozenset(
    {
        BillProblem.UNREACHABLE,
        BillProblem.HASH_MISMATCH,
        BillProblem.INCOMPLETE,
        OwnProblem.MALFORMED,
    }
)


def next_try(problem: Problem, attempts: int) -> timedelta | None:
    """Return how long to wait after `attempts` questions, the last of which ended in `problem`.

    Every half hour for a day, then every six hours up to seven days; quicker at first where a fresh download
    may do. None when asking again cannot help, or was tried long enough. Tries are counted and not hours, so
    that a worker that stood still for a week loses none.
    """
    if problem is OwnProblem.PROVIDER_NOT_READY:
        # A person has to act, and a bill of an old day is not to be forgotten then.
        return _SIX_HOURS if attempts <= _SIX_DAYS else None
    if problem not in _LATER | _FRESH:
        return None
    if problem in _FRESH and attempts <= len(_QUICK):
        return _QUICK[attempts - 1]
    if attempts <= _A_DAY:
        return _HALF_HOUR
    return _SIX_HOURS if attempts <= _A_DAY + _SIX_DAYS else None
