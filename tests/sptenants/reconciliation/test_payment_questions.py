"""What asking WeChat settles of payments that differ: against our own books, WeChat's books and the bill."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete
from tests.support.databases import sqlite_url
from tests.support.doubting import DoubtDesk, doubting
from tests.support.till import Till, build_till
from tests.support.till_v3 import equip, move

from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.ids import new_ulid
from spcore.outbox.models import OutboxMessage
from sptenants.orders.models import Attempt, Heal, Order, TimelineEntry
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import OrderStatus
from sptenants.reconciliation.models import Difference
from sptenants.reconciliation.states import DifferenceDetail as D
from wechatpay.gateway import TradeState


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What is asked and judged does not know the database; the queue and some of this run on both kinds."""
    return sqlite_url(tmp_path)


@pytest.fixture
async def till(database: Database, clock: Clock) -> Till:
    return await build_till(database, clock)


@pytest.fixture
async def desk(till: Till) -> DoubtDesk:
    return doubting(till)


async def unheard(desk: DoubtDesk, no: str = "T1", **changes: Any) -> OrderRecord:
    """An order that was paid without anybody being told."""
    order = await desk.till.placed(no, **changes)
    assert order.out_trade_no is not None
    desk.wechat.pay(order.out_trade_no, desk.till.clock.now())
    return order


def told_of(desk: DoubtDesk, order: OrderRecord) -> dict[str, Any]:
    """What the bill has of a payment."""
    known = desk.wechat.books[order.out_trade_no or ""]
    assert known.amount is not None
    return {"theirs": known.amount.value, "transaction_id": known.transaction_id}


async def lose(till: Till, order: OrderRecord) -> None:
    """What a restore does to the rows of the last minutes."""
    async with till.database.write(till.scope) as session:
        for model, column in (
            (TimelineEntry, "order_id"),
            (Heal, "order_id"),
            (OutboxMessage, "subject"),
            (Attempt, "order_id"),
            (Order, "id"),
        ):
            rows = table_of(model)
            mine = (rows.c.tenant_id == till.scope.tenant_id, rows.c[column] == order.id)
            await session.execute(delete(rows).where(*mine))


def outcome(found: Difference) -> tuple[str, str | None, str | None]:
    return found.state, found.resolution, found.cause


async def test_D09_a_payment_of_a_lost_order_is_adopted_from_the_bill(desk: DoubtDesk) -> None:
    order, day = await unheard(desk), desk.today
    told = told_of(desk, order)
    await lose(desk.till, order)
    desk.morning()
    found = await desk.of_order(D.PAYMENT_UNKNOWN, order, day, order_id=None, **told)
    settled = await desk.asked(found)
    assert outcome(settled) == ("resolved", "healed", "restored_backup")
    assert (settled.resolved_by, settled.tries, settled.next_at, settled.leased_by) == (
        "system",
        1,
        None,
        None,
    )
    back = await desk.till.order(order.id)
    assert (back.status, back.source, back.out_trade_no) == (
        OrderStatus.PAID,
        "adopted",
        order.out_trade_no,
    )
    assert back.id in (settled.note or "")
    assert [event.type for event in await desk.till.events()] == ["payment.succeeded"]


async def test_an_order_made_by_the_other_api_is_found_by_it(desk: DoubtDesk) -> None:
    """A payment code of a provider that has moved to v3 is known by v2 alone."""
    order, day = await unheard(desk), desk.today
    told = told_of(desk, order)
    await lose(desk.till, order)
    await equip(desk.till)
    await move(desk.till, "v3")
    desk.wechat.fail("orderquery", "refuse:ORDERNOTEXIST")
    found = await desk.of_order(D.PAYMENT_UNKNOWN, order, day, order_id=None, **told)
    assert outcome(await desk.asked(found)) == ("resolved", "healed", "restored_backup")
    assert (desk.wechat.spoken["v3"], desk.wechat.spoken["v2"] > 0) == (1, True)


async def test_a_number_that_another_system_made_is_nobodys_question(desk: DoubtDesk) -> None:
    before = desk.wechat.calls.copy()
    found = await desk.difference(D.PAYMENT_UNKNOWN, desk.today, out_trade_no="POS-2026-11-21-7", theirs=100)
    settled = await desk.asked(found)
    assert outcome(settled) == ("open", None, "not_our_number")
    assert settled.next_at is None
    assert desk.wechat.calls == before


async def test_a_bill_alone_makes_no_order(desk: DoubtDesk) -> None:
    """WeChat does not confirm what the bill says: nothing is booked, and it is asked again."""
    number = new_ulid(desk.till.clock.now())
    found = await desk.difference(D.PAYMENT_UNKNOWN, desk.today, out_trade_no=number, theirs=100)
    settled = await desk.asked(found)
    assert outcome(settled) == ("open", None, "missing_at_wechat")
    assert settled.cause_facts == {"trade_state": "absent"}
    assert settled.next_at is not None
    assert await desk.till.events() == []


async def test_the_amount_of_an_adopted_payment_must_be_the_bills(desk: DoubtDesk) -> None:
    order, day = await unheard(desk), desk.today
    told = told_of(desk, order) | {"theirs": 1}
    await lose(desk.till, order)
    found = await desk.of_order(D.PAYMENT_UNKNOWN, order, day, order_id=None, **told)
    assert (await desk.asked(found)).state == "open"
    assert (await desk.till.order(order.id)).status is OrderStatus.PAID


async def test_L01_a_payment_nobody_told_of_is_booked_and_resolved(desk: DoubtDesk) -> None:
    order, day = await unheard(desk), desk.today
    desk.morning()
    found = await desk.of_order(D.STATE, order, day, ours=0, **told_of(desk, order))
    settled = await desk.asked(found)
    assert outcome(settled) == ("resolved", "healed", "lost_notification")
    after = await desk.till.order(order.id)
    assert (after.status, after.paid_by) == (OrderStatus.PAID, "query")
    assert await desk.desk.heals() == ["lost_notification"]
    assert [event.type for event in await desk.till.events()] == ["payment.succeeded"]


async def test_B19_the_journal_names_the_cause(desk: DoubtDesk) -> None:
    """A notification that was refused, and one that came after midnight."""
    refused, day = await unheard(desk, "T1"), desk.today
    key = await desk.till.signing_key()
    assert refused.out_trade_no is not None
    wrong = desk.wechat.notification(refused.out_trade_no, key, total_fee="1")
    await desk.till.tell(wrong)
    found = await desk.of_order(D.STATE, refused, day, **told_of(desk, refused))
    settled = await desk.asked(found)
    assert outcome(settled)[:2] == ("resolved", "healed")
    assert settled.cause == "refused_notification"
    assert (settled.cause_facts or {})["result"] == "mismatch"

    late = await desk.till.placed("T2")
    body = await desk.till.paid_body(late)
    found = await desk.of_order(D.STATE, late, day, **told_of(desk, late))
    desk.till.clock.advance(hours=3, minutes=10, seconds=7)
    await desk.till.tell(body)
    settled = await desk.asked(found)
    assert outcome(settled) == ("resolved", "healed", "late_notification")
    assert str((settled.cause_facts or {})["received_at"]).startswith("2026-11-21T16:00:07")


async def test_Z04_a_payment_after_closing_is_booked_as_late(desk: DoubtDesk) -> None:
    order, day = await desk.till.placed(), desk.today
    assert order.out_trade_no is not None
    await desk.till.run_healing(times=5, hours=1)
    assert (await desk.till.order(order.id)).status is OrderStatus.CLOSED
    desk.wechat.books[order.out_trade_no].state = TradeState.NOTPAY
    desk.wechat.pay(order.out_trade_no, desk.till.clock.now())
    found = await desk.of_order(D.STATE, order, day, **told_of(desk, order))
    settled = await desk.asked(found)
    assert outcome(settled) == ("resolved", "healed", "closed_before_paid")
    assert settled.cause_facts == {"status": "closed"}
    assert [row.kind for row in await desk.desk.anomalies()] == ["late_payment"]


async def test_L01_what_WeChat_does_not_have_is_shown_and_never_changed(desk: DoubtDesk) -> None:
    order, day = await desk.till.placed(), desk.today
    await desk.till.learn_paid(order)
    assert order.out_trade_no is not None
    events = await desk.till.events()
    for state, cause in (
        (TradeState.NOTPAY, "missing_at_wechat"),
        (TradeState.REVOKED, "reversed_at_wechat"),
    ):
        desk.wechat.books[order.out_trade_no].state = state
        found = await desk.of_order(D.PAYMENT_ABSENT, order, day, ours=order.amount.value, mark=state.value)
        settled = await desk.asked(found)
        assert outcome(settled) == ("open", None, cause)
        assert settled.cause_facts == {"trade_state": state.value}
        assert settled.next_at is not None
    after = await desk.till.order(order.id)
    assert (after.status, after.anomaly) == (OrderStatus.PAID, "missing_there")
    (shown,) = await desk.desk.anomalies()
    assert (shown.kind, shown.mark, shown.order_id) == ("missing_there", order.out_trade_no, order.id)
    assert len(await desk.till.events()) == len(events)


async def test_a_payment_that_stands_in_the_neighbouring_bill_is_settled(desk: DoubtDesk) -> None:
    order, day = await desk.till.placed(), desk.today
    await desk.till.learn_paid(order)
    paid = await desk.till.order(order.id)
    found = await desk.of_order(D.PAYMENT_ABSENT, order, day, ours=order.amount.value)
    assert outcome(await desk.asked(found)) == ("open", None, "bill_line_missing")
    own = {"total": order.amount.value, "transaction_id": paid.transaction_id}
    assert paid.paid_at is not None
    next_day = day + timedelta(days=1)
    await desk.line(next_day, order.out_trade_no, paid.paid_at, **(own | {"total": 1}))
    desk.till.clock.advance(minutes=6)
    assert (await desk.asked(found)).state == "open"
    await desk.line(next_day, order.out_trade_no, paid.paid_at, **own)
    undone = day - timedelta(days=1)
    await desk.line(undone, order.out_trade_no, paid.paid_at, **own)
    await desk.line(undone, order.out_trade_no, paid.paid_at, **(own | {"state": "REVOKED"}))
    desk.till.clock.advance(minutes=40)
    settled = await desk.asked(found)
    assert outcome(settled) == ("resolved", "healed", "midnight")
    assert str(next_day) in (settled.note or "")


async def test_a_payment_whose_own_day_WeChat_puts_elsewhere_waits_for_that_bill(desk: DoubtDesk) -> None:
    order, day = await desk.till.placed(), desk.today
    await desk.till.learn_paid(order)
    found = await desk.of_order(D.PAYMENT_ABSENT, order, day - timedelta(days=1), ours=order.amount.value)
    assert outcome(await desk.asked(found)) == ("open", None, "midnight")
    paid = await desk.till.order(order.id)
    assert paid.paid_at is not None
    own = {"total": order.amount.value, "transaction_id": paid.transaction_id}
    await desk.line(day, order.out_trade_no, paid.paid_at, **own)
    desk.till.clock.advance(minutes=6)
    assert outcome(await desk.asked(found)) == ("resolved", "healed", "midnight")


async def test_L01_an_amount_that_differs_is_a_persons_and_says_who_is_right(desk: DoubtDesk) -> None:
    order, day = await desk.till.placed(), desk.today
    await desk.till.learn_paid(order)
    found = await desk.of_order(D.AMOUNT, order, day, ours=order.amount.value, theirs=5)
    settled = await desk.asked(found)
    assert outcome(settled) == ("open", None, "bill_line_differs")

    other = await desk.till.placed("T2")
    assert other.out_trade_no is not None
    desk.wechat.pay(other.out_trade_no, desk.till.clock.now(), amount=5)
    found = await desk.of_order(D.AMOUNT, other, day, ours=other.amount.value, theirs=5)
    settled = await desk.asked(found)
    assert outcome(settled) == ("open", None, "amount_differs_at_wechat")
    assert settled.cause_facts == {"amount": 5}
    assert [row.kind for row in await desk.desk.anomalies()] == ["amount_mismatch"]
    assert (await desk.till.order(other.id)).status is not OrderStatus.PAID


async def test_B05_two_transactions_under_one_number_are_called_paid_twice(desk: DoubtDesk) -> None:
    order, day = await desk.till.placed(), desk.today
    await desk.till.learn_paid(order)
    assert order.out_trade_no is not None
    first = (await desk.till.order(order.id)).transaction_id
    second = "42000026" + "9" * 20
    kept = desk.wechat.books[order.out_trade_no].transaction_id
    found = await desk.of_order(
        D.TRANSACTION, order, day, transaction_id=second, theirs=order.amount.value, mark="1"
    )
    settled = await desk.asked(found)
    assert outcome(settled) == ("open", None, "bill_line_differs")
    desk.wechat.books[order.out_trade_no].transaction_id = second
    found = await desk.of_order(
        D.TRANSACTION, order, day, transaction_id=second, theirs=order.amount.value, mark="2"
    )
    settled = await desk.asked(found)
    assert outcome(settled) == ("open", None, "paid_twice")
    assert settled.cause_facts == {"transaction_id": second, "first_transaction_id": first}
    assert [row.kind for row in await desk.desk.anomalies()] == ["double_payment"]
    desk.wechat.books[order.out_trade_no].transaction_id = kept
    desk.till.clock.advance(minutes=6)
    assert (await desk.asked(found)).cause == "paid_twice"


async def test_T2_without_an_answer_nothing_counts_as_asked(desk: DoubtDesk) -> None:
    order, day = await unheard(desk), desk.today
    found = await desk.of_order(D.STATE, order, day, **told_of(desk, order))
    desk.wechat.fail("orderquery", "timeout", "bad_signature")
    for _ in range(2):
        waiting = await desk.asked(found)
        assert (outcome(waiting), waiting.tries) == (("open", None, "no_answer"), 0)
        assert waiting.next_at is not None
        desk.till.clock.advance(minutes=6)
    assert outcome(await desk.asked(found))[:2] == ("resolved", "healed")
