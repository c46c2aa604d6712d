"""Messages after a restart or a suspension, and more refused ones than anybody wants (Z07, D05, Q02)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.support.till import Till
from tests.support.work_list import kinds_of

from spcore.providers.keyring import Keyring
from sptenants.notify import journal, service
from sptenants.notify.opening import Opener
from sptenants.notify.service import NotifyService
from sptenants.orders.healing import Healing
from sptenants.orders.states import OrderStatus
from sptenants.registry.door import Door


def restarted(till: Till) -> Till:
    """The same house after a restart: nothing of the memory is left."""
    keyring = Keyring(till.database, till.vault, till.clock)
    healing = Healing(till.database, till.clock, keyring, till.wechat, jitter=lambda: 0.5)
    door = Door(till.database, till.clock)
    opener = Opener(keyring, till.clock, till.certificates, till.notify.opener.watch)
    notify = NotifyService(till.database, till.clock, door, keyring, till.wechat, till.adoption, opener)
    return replace(till, keyring=keyring, healing=healing, notify=notify)


async def test_Z07_a_day_late_after_close_restart_and_suspension_the_money_counts(till: Till) -> None:
    order = await till.placed()
    body = await till.paid_body(order)
    known = till.wechat.books[order.out_trade_no or ""]
    known.state = type(known.state).NOTPAY  # our queries saw nothing of it, and we closed
    await till.run_healing(times=33, minutes=1)
    assert (await till.order(order.id)).status is OrderStatus.CLOSED
    await till.set_tenant(status="suspended")
    till.clock.advance(hours=24)
    assert (await restarted(till).tell(body)).settled
    paid = await till.order(order.id)
    assert (paid.status, paid.anomaly) == (OrderStatus.PAID, "late_payment")
    assert await kinds_of(till) == [("late_payment", "open")]
    assert [event.type for event in await till.events()] == ["order.closed", "payment.succeeded"]


async def test_D05_D03_after_a_restart_a_repeat_gets_the_same_answer_and_no_second_event(till: Till) -> None:
    order = await till.placed()
    body = await till.paid_body(order)
    first = await till.tell(body)
    again = await restarted(till).tell(body)
    assert first == again
    assert len(await till.events()) == 1


async def test_D05_a_restart_finds_every_open_order_due_and_asks_within_its_budget(till: Till) -> None:
    placed = [await till.placed(f"T{number}") for number in range(60)]
    for order in placed:
        till.wechat.pay(order.out_trade_no or "", till.clock.now())
    till.clock.advance(hours=2)  # nobody worked all the time
    again = restarted(till)
    assert await again.healing.run_due() == 40  # no herd: what a bucket holds, and no more at once
    assert till.wechat.calls["orderquery"] == 40
    for _ in range(3):
        till.clock.advance(seconds=1)
        await again.healing.run_due()
    assert till.wechat.calls["orderquery"] == 60
    assert {(await till.order(order.id)).status for order in placed} == {OrderStatus.PAID}


async def test_Z10_two_processes_take_the_same_message_at_once_and_it_counts_once(till: Till) -> None:
    order = await till.placed()
    body = await till.paid_body(order)
    houses = [restarted(till) for _ in range(3)]
    answers = await asyncio.gather(*(house.tell(body) for house in houses for _ in range(5)))
    assert all(answer.settled for answer in answers)
    assert len(await till.events()) == 1


async def test_Q02_of_a_tenants_refused_messages_the_newest_are_kept_and_no_proof_is_lost(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MAX_REFUSED", 5)
    monkeypatch.setattr(service, "_FORGET_EVERY", 10)
    order = await till.placed()
    assert (await till.tell(await till.paid_body(order))).settled
    other = await till.placed("T2")
    mismatch = await till.paid_body(other, amount=1)
    assert (await till.tell(mismatch)).settled
    for number in range(20):
        till.clock.advance(seconds=1)
        assert not (await till.tell(f"<xml>{number}</xml>".encode())).settled
    assert not (await till.tell(b"<xml>theirs</xml>", tenant=1)).settled
    rows = await till.journal()
    assert [row.result for row in rows] == ["processed", "mismatch", *["rejected"] * 5]
    assert rows[-1].body == b"<xml>19</xml>"
    assert len(await till.journal(tenant=1)) == 1


async def test_a_refused_message_that_comes_again_and_again_is_one_row(till: Till) -> None:
    for _ in range(3):
        assert not (await till.tell(b"<xml>x</xml>")).settled
    (row,) = await till.journal()
    assert row.received == 3
