"""When a bill is asked for again (L02)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sptenants.bills.schedule import next_try
from sptenants.bills.states import OwnProblem, Problem
from wechatpay.bills import BillProblem

HALF_HOUR, SIX_HOURS = timedelta(minutes=30), timedelta(hours=6)


def waits(problem: Problem) -> list[timedelta]:
    """Every wait until it is given up."""
    found: list[timedelta] = []
    while (gap := next_try(problem, len(found) + 1)) is not None:
        found.append(gap)
    return found


@pytest.mark.parametrize("problem", [BillProblem.NOT_READY, BillProblem.THROTTLED])
def test_what_is_not_ready_is_asked_for_every_half_hour_and_after_a_day_every_six_hours(
    problem: Problem,
) -> None:
    found = waits(problem)
    assert set(found[:48]) == {HALF_HOUR}
    assert set(found[48:]) == {SIX_HOURS}
    assert sum(found, timedelta()) == timedelta(days=7)


@pytest.mark.parametrize(
    "problem",
    [BillProblem.UNREACHABLE, BillProblem.HASH_MISMATCH, BillProblem.INCOMPLETE, OwnProblem.MALFORMED],
)
def test_a_download_that_failed_is_repeated_soon(problem: Problem) -> None:
    found = waits(problem)
    assert [gap // timedelta(minutes=1) for gap in found[:5]] == [1, 5, 15, 30, 30]
    assert timedelta(days=6) < sum(found, timedelta()) <= timedelta(days=7)


@pytest.mark.parametrize(
    "problem",
    [
        BillProblem.TOO_OLD,
        BillProblem.NO_PERMISSION,
        BillProblem.NOT_OFFERED,
        BillProblem.REFUSED,
        BillProblem.TOO_LARGE,
        OwnProblem.SUMMARY_MISMATCH,
    ],
)
def test_what_asking_cannot_help_is_given_up_at_once(problem: Problem) -> None:
    assert waits(problem) == []


def test_a_missing_key_is_looked_for_four_times_a_day() -> None:
    assert set(waits(OwnProblem.PROVIDER_NOT_READY)) == {SIX_HOURS}
