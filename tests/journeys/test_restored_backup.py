"""D09: a backup of ten minutes ago comes back, and the ten minutes are completed from WeChat's side.

What WeChat repeats is adopted from notifications, what the backup still has as unpaid is asked for, and what
nobody repeats or remembers is in the bill. Nothing is paid, refunded or numbered twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.backups import Backup
from tests.support.databases import postgres_url, sqlite_url
from tests.support.installation import BANK, COFFEE, FLOWERS, MARKET, new_openid
from tests.support.mornings import check_balance, check_books, morning, numbers_at_wechat, until
from tests.support.parties_v3 import move_to_v3
from tests.support.street import Street, street

pytestmark = pytest.mark.slow

SHOPS = (COFFEE, FLOWERS, MARKET)
"""The first two go by API v2, the last one by v3."""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_D09_a_restored_backup_is_completed_from_notifications_queries_and_the_bill(
    kind: str, tmp_path: Path
) -> None:
    url = sqlite_url(tmp_path) if kind == "sqlite" else postgres_url()
    with street(tmp_path, url, together=True) as at:
        move_to_v3(at.house, BANK)
        until(at, 15)
        before = [at.paid_order(shop) for shop in SHOPS for _ in range(2)]
        waiting = [at.house.order(shop) for shop in SHOPS for _ in range(2)]
        at.work()

        backup = Backup.of(url, tmp_path)
        lost = _ten_minutes(at, before, waiting)
        backup.restore()

        remembered = {row[0] for row in at.witness.rows("SELECT id FROM orders")}
        assert remembered == {order["id"] for order in (*before, *waiting)}
        at.house.clear_faults()  # what was held back goes out now, as WeChat repeats it
        given = numbers_at_wechat(at)
        _go_on(at, before)
        at.settle()
        _adopted_from_notifications(at, lost)
        morning(at)

        check_books(at)
        check_balance(at)
        _each_number_once(at, given)
        _all_there(at, lost)


def _ten_minutes(at: Street, before: list[Any], waiting: list[Any]) -> list[Any]:
    """What the restore will lose; return the orders that were made and paid meanwhile."""
    heard = [at.paid_order(shop) for shop in SHOPS]
    for place, order in enumerate(waiting[::2]):
        at.pay(order["out_trade_no"], openid=new_openid())
        at.house.until(SHOPS[place], order["id"], "paid")
    for place, order in enumerate([*before[::2], *heard]):
        # Of orders that the backup has, and of some that it has not.
        answer = at.refund(SHOPS[place % 3], order["id"], 300)
        assert answer.status_code == 201, answer.text
    at.later(minutes=5)
    at.settle()
    at.fault("notify", "stop")
    unheard = [at.house.order(shop) for shop in SHOPS]
    for order in unheard:
        at.pay(order["out_trade_no"], openid=new_openid())
    at.later(minutes=4)
    return [*heard, *unheard]


def _go_on(at: Street, before: list[Any]) -> None:
    """Business goes on after the restore, with fresh numbers."""
    for place, shop in enumerate(SHOPS):
        at.paid_order(shop)
        answer = at.refund(shop, before[2 * place + 1]["id"], 500)
        assert answer.status_code in {201, 202}, answer.text


def _adopted_from_notifications(at: Street, lost: list[Any]) -> None:
    """Those whose notification WeChat still repeats are back before any bill; the others are not."""
    heard, unheard = ({order["out_trade_no"] for order in part} for part in (lost[:3], lost[3:]))

    def known() -> set[str]:
        return {row[0] for row in at.witness.rows("SELECT out_trade_no FROM order_attempts")}

    at.wait_for(lambda: unheard <= known())
    assert not heard & known()


def _each_number_once(at: Street, given: tuple[list[str], list[str]]) -> None:
    """I1, R3: no number that WeChat had been given before was given to it for something else."""
    for now, then in zip(numbers_at_wechat(at), given, strict=True):
        assert len(set(now)) == len(now)
        assert set(then) < set(now)
    rows = at.witness.rows("SELECT out_trade_no FROM order_attempts")
    assert len(set(rows)) == len(rows)


def _all_there(at: Street, lost: list[Any]) -> None:
    """A merchant finds each lost order under the id it had been given, and what was given back of it.

    The bill has named what nobody repeated.
    """
    healed = at.witness.rows("SELECT DISTINCT detail FROM differences WHERE cause = 'restored_backup'")
    assert {row[0] for row in healed} == {"payment_unknown", "refund_unknown"}
    theirs = at.house.books()
    given_back = {one["out_trade_no"]: one["amount"] for one in theirs["refunds"]}
    for place, order in enumerate(lost):
        found = at.house.read(SHOPS[place % 3], order["id"])
        assert (found["status"], found["out_trade_no"]) == ("paid", order["out_trade_no"])
        assert found["refunded_amount"] == given_back.get(order["out_trade_no"], 0)
