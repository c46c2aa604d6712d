"""WeChat is away for half an hour, or its main host is (failure catalogue G07, G10)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import ledgers
from tests.support.databases import postgres_url, sqlite_url
from tests.support.installation import COFFEE, FLOWERS
from tests.support.street import street
from tests.support.wires import State

from wechatpay.breaker import FAILURES_TO_OPEN, REST_S

ORDERS = 8
ROUND_S, ROUNDS = 60, 30
HEALED_WITHIN_MIN = 15
"""After the return: two answers that WeChat does not know a number, five minutes apart, then it is sent."""
AT_ONCE = 8
"""Questions that healing has under way together."""

Made = Callable[[Path], str]
on_both = pytest.mark.parametrize(
    "made", [pytest.param(sqlite_url, id="sqlite"), pytest.param(lambda _: postgres_url(), id="postgresql")]
)


@pytest.mark.slow
@on_both
def test_G07_after_half_an_hour_without_wechat_everything_ends_well_by_itself(
    made: Made, tmp_path: Path
) -> None:
    with street(tmp_path, made(tmp_path)) as at:
        at.house.control("clock", {"retry_gaps_s": []})
        at.fault("notify", "lose", times=ORDERS)
        before = [at.house.order((COFFEE, FLOWERS)[place % 2]) for place in range(ORDERS)]
        shop = {order["id"]: (COFFEE, FLOWERS)[place % 2] for place, order in enumerate(before)}
        refundable = at.house.order(COFFEE)
        for order in before:
            at.pay(order["out_trade_no"])
            at.house.until_notified(order["out_trade_no"])
        at.pay(refundable["out_trade_no"])
        at.house.until(COFFEE, refundable["id"], "paid")

        with at.plain.being(State.CUT), at.secure.being(State.CUT):
            began = time.monotonic()
            new = [at.house.try_order(COFFEE, expires_in=7200) for _ in range(ORDERS)]
            back = at.refund(COFFEE, refundable["id"], 500)
            took = time.monotonic() - began
            asked = at.plain.tried
            for _ in range(ROUNDS):
                at.later(seconds=ROUND_S)
                at.work()

        # The merchant is answered at once, and what was asked for is kept under its number.
        assert {(answer.status_code, answer.json()["status"]) for answer in new} == {(202, "submitting")}
        assert (back.status_code, back.json()["status"]) == (202, "submitting")
        assert took / (ORDERS + 1) < 1.0, took
        # No storm: a few calls find out that nobody is there, then one a round asks whether he is back.
        assert asked <= FAILURES_TO_OPEN + took / REST_S + 1
        assert at.plain.tried <= FAILURES_TO_OPEN + AT_ONCE + ROUNDS
        assert at.secure.tried <= FAILURES_TO_OPEN + ROUNDS

        for _ in range(HEALED_WITHIN_MIN):
            at.later(minutes=1)
            at.work()
        for order in before:
            assert at.house.read(shop[order["id"]], order["id"])["status"] == "paid"
        for answer in new:
            order = answer.json()
            assert at.house.read(COFFEE, order["id"])["status"] == "pending"
            at.pay(order["out_trade_no"])
            at.house.until(COFFEE, order["id"], "paid")
        at.settle()
        assert at.get(COFFEE, f"/v1/refunds/{back.json()['id']}")["status"] == "succeeded"
        ledgers.compare(at)


def test_G10_while_the_main_host_is_away_the_backup_host_serves(tmp_path: Path) -> None:
    """Live providers have a backup host; orders, money and refunds go over it, and come back later."""
    with street(tmp_path, sqlite_url(tmp_path), live=True) as at:
        usual = at.house.order(COFFEE)
        assert at.plain.carried > 0
        assert at.secure.carried == 0

        with at.plain.refusing():
            order = at.house.order(COFFEE, amount=900)
            at.pay(order["out_trade_no"])
            paid = at.post(COFFEE, f"/v1/orders/{order['id']}/sync")
            refunded = at.refund(COFFEE, order["id"], 400)
        over_backup = at.secure.carried

        assert paid.json()["status"] == "paid"
        assert (refunded.status_code, refunded.json()["status"]) == (201, "processing")
        assert over_backup > 0
        at.later(seconds=61)
        carried = at.plain.carried
        again = at.house.try_order(COFFEE)
        assert again.status_code == 201
        assert at.plain.carried > carried
        assert at.secure.carried == over_backup
        for made in (usual, again.json()):
            at.pay(made["out_trade_no"])
            assert at.post(COFFEE, f"/v1/orders/{made['id']}/sync").json()["status"] == "paid"
        at.settle()
        assert at.house.read(COFFEE, order["id"])["refunded_amount"] == 400
        ledgers.compare(at)
