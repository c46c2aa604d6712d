"""A day on which every fault of WeChat's is switched on ends balanced, without a person (issue 6, L01, G).

Merchants by both APIs order, charge codes, refund and close while every kind of fault is met on every call
and message; some of it right at midnight. Then time passes, the bills come, by calls that go wrong as well,
and all three ledgers and every day's statement agree.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support import ledgers
from tests.support.databases import sqlite_url
from tests.support.faulty_day import BILLS, CALLS, MESSAGES, SHOPS, Day
from tests.support.installation import BANK, new_openid
from tests.support.mornings import check_balance, check_books, fetch_again, morning, until
from tests.support.parties_v3 import move_to_v3
from tests.support.street import Street, street

pytestmark = pytest.mark.slow

_MOST_ROUNDS = 20
_TOLD = {
    "silent_callback",
    "late_payment",
    "refund_outside",
    "amount_mismatch",
    "identity_mismatch",
    "refund_mismatch",
}
"""What the work list tells of such a day: notifications that never came or were not true, money after
closing, refunds that others made. None of it keeps a day from being balanced."""


def test_L01_a_day_of_every_fault_ends_balanced_without_a_person(tmp_path: Path) -> None:
    with street(tmp_path, sqlite_url(tmp_path), together=True) as at:
        move_to_v3(at.house, BANK)
        until(at, 9)
        day = Day(at)
        day.business()
        _meet_everything(day)
        _midnight(day)
        assert day.strange == []
        at.settle()

        day.order_faults(BILLS)
        morning(at)
        morning(at)
        _fetch_until_every_fault_was_met(day)

        check_books(at)
        check_balance(at)
        ledgers.compare(at)
        _nobody_was_asked(at)


def _meet_everything(day: Day) -> None:
    """Every fault of every call and message is met by somebody."""
    day.order_faults((*CALLS, *MESSAGES))
    for _ in range(_MOST_ROUNDS):
        day.business()
        day.at.later(minutes=6)  # WeChat closes nothing earlier
        day.at.work()
        if not day.waiting():
            break
    assert day.waiting() == []
    day.stopped((*CALLS, *MESSAGES), day.business)
    day.at.later(minutes=2)
    day.at.work()


def _fetch_until_every_fault_was_met(day: Day) -> None:
    """A bill that came in spite of its fault is asked for once more; nothing changes by that."""
    stated = day.at.witness.rows("SELECT id, digest FROM daily_statements ORDER BY id")
    for _ in range(_MOST_ROUNDS):
        if not day.waiting():
            break
        fetch_again(day.at)
    assert day.waiting() == []
    assert day.at.witness.rows("SELECT id, digest FROM daily_statements ORDER BY id") == stated


def _midnight(day: Day) -> None:
    """Payments and refunds on both sides of midnight; of half of them nobody is told."""
    at = day.at
    until(at, 23, 50)
    for shop in SHOPS:
        # A refund at WeChat's own console of which nobody is told, by both APIs.
        at.fault("notify_refund", "lose")
        number = at.paid_order(shop)["out_trade_no"]
        at.house.control("refunds", {"out_trade_no": number, "amount": 11})
    until(at, 23, 58)
    orders = [(shop, at.house.order(shop)) for shop in SHOPS for _ in range(4)]
    paid = [(shop, at.paid_order(shop)) for shop in SHOPS]
    until(at, 23, 59, 57)
    _happen(at, orders[::2], paid[::2])
    until(at, 0, 0, 1)
    _happen(at, orders[1::2], paid[1::2])
    at.later(seconds=20)
    at.work()


def _happen(at: Street, orders: list[Any], paid: list[Any]) -> None:
    for number, (_shop, order) in enumerate(orders):
        if number % 2:
            at.fault("notify", "lose")
        at.pay(order["out_trade_no"], openid=new_openid())
    for shop, order in paid:
        at.fault("notify_refund", "lose")
        assert at.refund(shop, order["id"], 300).status_code in {201, 202}


def _nobody_was_asked(at: Street) -> None:
    """No difference was closed by a person, and nothing is on the work list but what such a day tells of."""
    kinds = {row[0] for row in at.witness.rows("SELECT kind FROM anomalies WHERE state = 'open'")}
    assert kinds <= _TOLD, kinds - _TOLD
    assert at.witness.rows("SELECT id FROM differences WHERE resolution = 'person'") == []
