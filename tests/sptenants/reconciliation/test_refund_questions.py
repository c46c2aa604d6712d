"""What asking WeChat settles of refunds that differ (F10, R6, L04)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete
from tests.sptenants.reconciliation.test_payment_questions import lose, outcome
from tests.support.databases import sqlite_url
from tests.support.doubting import DoubtDesk, doubting
from tests.support.till import Till, build_till
from tests.support.till_v3 import build_till_v3

from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from sptenants.orders.records import OrderRecord
from sptenants.reconciliation.states import DifferenceDetail as D
from sptenants.refunds.models import Refund
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.states import RefundStatus


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What is asked and judged does not know the database; the queue and some of this run on both kinds."""
    return sqlite_url(tmp_path)


@pytest.fixture(params=["v2", "v3"])
async def till(database: Database, clock: Clock, request: pytest.FixtureRequest) -> Till:
    return await (build_till(database, clock) if request.param == "v2" else build_till_v3(database, clock))


@pytest.fixture
async def desk(till: Till) -> DoubtDesk:
    return doubting(till)


async def refunded(desk: DoubtDesk, amount: int = 300) -> tuple[OrderRecord, RefundRecord]:
    """A refund that WeChat has accepted, and that our books know as processing."""
    order = await desk.desk.paid(amount=5000)
    return order, (await desk.desk.request(order, amount)).refund


async def forget_refunds(desk: DoubtDesk) -> None:
    """What a restore does to refunds of the last minutes."""
    rows = table_of(Refund)
    async with desk.till.database.write(desk.scope) as session:
        await session.execute(delete(rows).where(rows.c.tenant_id == desk.scope.tenant_id))


async def test_F10_a_refund_that_the_bill_names_is_taken_over_by_both_apis(desk: DoubtDesk) -> None:
    order, day = await desk.desk.paid(amount=5000), desk.today
    assert order.out_trade_no is not None
    desk.wechat.refund_elsewhere(order.out_trade_no, 700)
    desk.desk.settle("CONSOLE1")
    at = desk.till.clock.now() + timedelta(hours=1)
    await desk.line(day, order.out_trade_no, at, state="REFUND", out_refund_no="CONSOLE1", refund_applied=700)
    desk.morning()
    found = await desk.of_order(
        D.REFUND_UNKNOWN, order, day, out_refund_no="CONSOLE1", theirs=700, mark="CONSOLE1"
    )
    settled = await desk.asked(found)
    assert outcome(settled) == ("resolved", "healed", "refunded_at_wechat")
    (refund,) = await desk.desk.reader.of_order(desk.scope, order.id)
    assert (refund.status, refund.source, refund.accepted_at) == (RefundStatus.SUCCEEDED, "wechat", at)
    assert (await desk.till.order(order.id)).refunded_amount.value == 700
    assert await desk.desk.refund_events() == ["refund.succeeded"]


async def test_D09_a_refund_of_ours_that_a_restore_lost_comes_back_under_its_number(desk: DoubtDesk) -> None:
    order, refund = await refunded(desk)
    desk.desk.settle(refund.out_refund_no)
    day = desk.today
    await forget_refunds(desk)
    await lose(desk.till, order)
    await desk.refund_line(day, refund)
    found = await desk.of_refund(D.REFUND_UNKNOWN, refund, day, refund_id=None, order_id=None, theirs=300)
    settled = await desk.asked(found)
    assert outcome(settled) == ("resolved", "healed", "restored_backup"), "with its order"
    (back,) = await desk.desk.reader.of_order(desk.scope, order.id)
    assert (back.out_refund_no, back.amount) == (refund.out_refund_no, refund.amount)
    assert len(desk.wechat.asked) == 1, "nothing was refunded a second time"
    shown = await desk.desk.anomalies("refund_outside")
    assert [row.mark for row in shown if row.state == "open"] == [], "nobody refunded elsewhere"
    assert "lost_refund" in await desk.desk.heals()


async def test_a_refund_that_WeChat_does_not_confirm_is_not_booked(desk: DoubtDesk) -> None:
    order, day = await desk.desk.paid(amount=5000), desk.today
    found = await desk.of_order(D.REFUND_UNKNOWN, order, day, out_refund_no="NOBODYS", theirs=1, mark="N")
    settled = await desk.asked(found)
    assert outcome(settled) == ("open", None, "missing_at_wechat")
    assert not await desk.desk.reader.of_order(desk.scope, order.id)


async def test_M4_a_refund_that_does_not_fit_is_left_to_a_person(desk: DoubtDesk) -> None:
    order, day = await desk.desk.paid(amount=1000), desk.today
    assert order.out_trade_no is not None
    desk.wechat.refund_elsewhere(order.out_trade_no, 500).total = order.amount.__class__(900)
    found = await desk.of_order(D.REFUND_UNKNOWN, order, day, out_refund_no="CONSOLE1", theirs=500, mark="C")
    settled = await desk.asked(found)
    assert outcome(settled) == ("open", None, "unexplained")
    assert settled.cause_facts == {"fields": ["total_fee"]}


async def test_L04_a_state_that_the_bill_has_from_the_first_day_is_no_contradiction(desk: DoubtDesk) -> None:
    _order, refund = await refunded(desk)
    desk.desk.settle(refund.out_refund_no)
    day = desk.today
    await desk.refund_line(day, refund, refund_state="PROCESSING")
    desk.morning()
    found = await desk.of_refund(D.REFUND_STATE, refund, day, ours=300, theirs=300)
    settled = await desk.asked(found)
    assert outcome(settled) == ("resolved", "healed", "lost_notification")
    assert (await desk.desk.refund(refund.id)).status is RefundStatus.SUCCEEDED
    again = await desk.of_refund(D.REFUND_STATE, refund, day, ours=300, theirs=300, mark="2")
    assert outcome(await desk.asked(again)) == ("resolved", "healed", "refund_settling")


async def test_a_refund_that_is_still_under_way_waits(desk: DoubtDesk) -> None:
    _order, refund = await refunded(desk)
    await desk.refund_line(desk.today, refund, refund_state="PROCESSING")
    found = await desk.of_refund(D.REFUND_STATE, refund, desk.today, ours=300, theirs=300)
    assert outcome(await desk.asked(found)) == ("open", None, "refund_settling")
    desk.desk.settle(refund.out_refund_no)
    desk.till.clock.advance(minutes=6)
    assert (await desk.asked(found)).state == "resolved"


async def test_a_bill_that_calls_a_refund_done_does_not_agree_with_one_that_was_closed(
    desk: DoubtDesk,
) -> None:
    _order, refund = await refunded(desk)
    desk.desk.settle(refund.out_refund_no, "REFUNDCLOSE")
    await desk.refund_line(desk.today, refund, refund_state="SUCCESS")
    found = await desk.of_refund(D.REFUND_STATE, refund, desk.today, ours=300, theirs=300)
    assert (await desk.asked(found)).state == "open"


async def test_a_refund_that_ended_otherwise_at_WeChat_changes_nothing_here(desk: DoubtDesk) -> None:
    _order, refund = await refunded(desk)
    desk.desk.settle(refund.out_refund_no)
    await desk.desk.heal(minutes=2)
    desk.desk.settle(refund.out_refund_no, "REFUNDCLOSE")
    await desk.refund_line(desk.today, refund)
    found = await desk.of_refund(D.REFUND_STATE, refund, desk.today, ours=300, theirs=300)
    assert outcome(await desk.asked(found)) == ("open", None, "refund_ended_otherwise")
    assert (await desk.desk.refund(refund.id)).status is RefundStatus.SUCCEEDED


async def test_R6_an_amount_that_differs_says_who_is_right(desk: DoubtDesk) -> None:
    _order, refund = await refunded(desk)
    await desk.refund_line(desk.today, refund, refund_applied=299)
    found = await desk.of_refund(D.REFUND_AMOUNT, refund, desk.today, ours=300, theirs=299)
    assert outcome(await desk.asked(found)) == ("open", None, "bill_line_differs")
    desk.wechat.refunds[refund.out_refund_no].amount = refund.amount.__class__(299)
    desk.till.clock.advance(minutes=6)
    settled = await desk.asked(found)
    assert outcome(settled) == ("open", None, "amount_differs_at_wechat")
    assert settled.cause_facts == {"amount": 299}


async def test_a_refund_that_was_accepted_before_we_learned_of_it_is_in_the_bill_of_its_day(
    desk: DoubtDesk,
) -> None:
    """The answer was lost and the next day came."""
    order, day = await desk.desk.paid(amount=5000), desk.today
    desk.wechat.fail("refund", "timeout")
    refund = (await desk.desk.request(order, 300)).refund
    at = desk.till.clock.now()
    assert refund.status is RefundStatus.SUBMITTING
    desk.morning()
    await desk.desk.heal(minutes=1)
    learned = await desk.desk.refund(refund.id)
    assert learned.accepted_at is not None
    assert desk.day_of(learned.accepted_at) == day + timedelta(days=1)
    found = await desk.of_refund(D.REFUND_ABSENT, refund, day + timedelta(days=1), ours=300)
    assert outcome(await desk.asked(found)) == ("open", None, "bill_line_missing")
    await desk.line(
        day, refund.out_trade_no, at, state="REFUND", out_refund_no=refund.out_refund_no, refund_applied=300
    )
    desk.till.clock.advance(minutes=6)
    settled = await desk.asked(found)
    assert outcome(settled) == ("resolved", "healed", "midnight")
    assert (await desk.desk.refund(refund.id)).accepted_at == learned.accepted_at


async def test_a_refund_that_WeChat_lost_or_closed(desk: DoubtDesk) -> None:
    _order, refund = await refunded(desk)
    found = await desk.of_refund(D.REFUND_ABSENT, refund, desk.today, ours=300)
    kept = desk.wechat.refunds.pop(refund.out_refund_no)
    assert outcome(await desk.asked(found)) == ("open", None, "missing_at_wechat")
    assert [row.kind for row in await desk.desk.anomalies()] == ["refund_mismatch"]
    desk.wechat.refunds[refund.out_refund_no] = kept
    desk.desk.settle(refund.out_refund_no, "REFUNDCLOSE")
    desk.till.clock.advance(minutes=6)
    assert outcome(await desk.asked(found)) == ("resolved", "healed", "refund_ended_otherwise")
    assert (await desk.desk.refund(refund.id)).status is RefundStatus.CLOSED
