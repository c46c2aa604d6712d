"""Healing of refunds without any notification (failure catalogue 2.4, D01, D02, G09, Z10, INV 10)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update
from tests.support.refund_desk import RefundDesk

from spcore.db.base import table_of
from spcore.db.scope import ProviderScope
from spcore.providers.models import KeyKind, ProviderKey
from sptenants.orders.budget import Budget
from sptenants.refunds.healing import RefundHealing
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.repository import REFUNDS
from sptenants.refunds.schedule import next_check
from sptenants.refunds.states import Approval, RefundStatus
from wechatpay.money import Fen


class Crash(BaseException):
    """The process dies here: nothing after this line of it runs."""


def next_in_s(refund: RefundRecord, now: datetime, jitter: float = 0.5) -> float | None:
    due = next_check(refund, now, lambda: jitter)
    return None if due is None else (due - now).total_seconds()


async def test_the_schedule_is_the_one_of_the_catalogue(desk: RefundDesk) -> None:
    processing = (await desk.request(await desk.paid(), 100)).refund
    at = processing.state_since
    gaps = [next_in_s(processing, at + timedelta(seconds=s)) for s in (0, 60, 600, 3600, 90_000)]
    assert gaps == [60, 540, 3000, 21_600, 21_600]
    submitting = replace(processing, status=RefundStatus.SUBMITTING)
    gaps = [next_in_s(submitting, at + timedelta(seconds=s)) for s in (0, 5, 30, 120, 600)]
    assert gaps == [5, 25, 90, 480, 3600]
    refused = replace(submitting, failure={"code": "NOTENOUGH"})
    assert [next_in_s(refused, at + timedelta(seconds=s)) for s in (0, 60, 600)] == [60, 540, 3600]
    assert next_in_s(replace(processing, status=RefundStatus.ABNORMAL), at) == 21_600
    assert next_in_s(replace(processing, status=RefundStatus.SUCCEEDED), at) is None
    waiting = replace(processing, status=RefundStatus.REQUESTED, approval=Approval.WAITING)
    assert next_in_s(waiting, at) is None
    assert next_in_s(processing, at, jitter=0.0) == pytest.approx(48)


async def test_a_success_nobody_told_of_is_found_and_written_down(desk: RefundDesk) -> None:
    order = await desk.paid()
    refund = (await desk.request(order, 2000)).refund
    desk.settle(refund.out_refund_no)
    await desk.heal(seconds=61)
    assert (await desk.refund(refund.id)).status is RefundStatus.SUCCEEDED
    assert await desk.heals() == ["lost_refund_notification"]
    await desk.heal(times=3, hours=7)
    assert desk.wechat.calls["refundquery"] == 1, "a final refund is left alone"


async def test_a_lost_answer_is_healed_and_written_down(desk: RefundDesk) -> None:
    order = await desk.paid()
    desk.wechat.fail("refund", "timeout")
    refund = (await desk.request(order, 2000)).refund
    await desk.heal(seconds=6)
    assert (await desk.refund(refund.id)).status is RefundStatus.PROCESSING
    assert await desk.heals() == ["lost_refund_answer"]
    assert desk.wechat.calls["refund"] == 1, "it existed: nothing is sent again"


async def test_D01_a_refund_that_was_reserved_and_never_sent_is_sent_by_healing(desk: RefundDesk) -> None:
    order = await desk.paid()
    original = desk.service._settler.advance

    async def die(_case: object) -> None:
        raise Crash

    desk.service._settler.advance = die  # type: ignore[method-assign, assignment]
    with pytest.raises(Crash):
        await desk.request(order, 2000)
    desk.service._settler.advance = original  # type: ignore[method-assign]
    (refund,) = await desk.reader.of_order(desk.scope, order.id)
    assert (refund.status, desk.wechat.asked) == (RefundStatus.REQUESTED, [])
    await desk.heal(seconds=61)
    assert (await desk.refund(refund.id)).status is RefundStatus.PROCESSING
    assert desk.wechat.asked[0].out_refund_no.text == refund.out_refund_no


@pytest.mark.parametrize("when", ["before", "after"])
async def test_D02_a_process_killed_while_it_calls_leaves_one_refund_that_is_healed(
    desk: RefundDesk, when: str
) -> None:
    order = await desk.paid()

    async def die() -> None:
        if when == "before":
            desk.wechat.refunds.clear()
        raise Crash

    desk.wechat.before_answer["refund"] = die
    with pytest.raises(Crash):
        await desk.request(order, 2000)
    (refund,) = await desk.reader.of_order(desk.scope, order.id)
    assert refund.status is RefundStatus.SUBMITTING
    await desk.heal(seconds=61)
    assert (await desk.refund(refund.id)).status is RefundStatus.PROCESSING
    assert (len(desk.wechat.refunds), desk.wechat.most) == (1, 2000)


async def test_Z10_several_workers_at_once_look_at_a_refund_once(desk: RefundDesk) -> None:
    order = await desk.paid()
    refund = (await desk.request(order, 2000)).refund
    desk.settle(refund.out_refund_no)
    till = desk.till
    workers = [
        RefundHealing(
            till.database, till.clock, till.keyring, till.wechat, budget=Budget(till.clock), worker_id=f"w{n}"
        )
        for n in range(4)
    ]
    till.clock.advance(seconds=61)
    assert sum(await asyncio.gather(*(worker.run_due() for worker in workers))) == 1
    assert desk.wechat.calls["refundquery"] == 1
    assert await desk.refund_events() == ["refund.succeeded"]


async def test_Z10_a_killed_workers_refund_is_taken_over_when_its_lease_ends(desk: RefundDesk) -> None:
    order = await desk.paid()
    refund = (await desk.request(order, 2000)).refund
    now = desk.till.clock.now()
    own = (REFUNDS.c.tenant_id == refund.tenant_id, REFUNDS.c.id == refund.id)
    lease = {"leased_by": "dead", "leased_until": now + timedelta(minutes=5)}
    async with desk.till.database.write(desk.scope) as session:
        await session.execute(update(REFUNDS).where(*own).values(**lease))
    desk.settle(refund.out_refund_no)
    await desk.heal(minutes=2)
    assert (await desk.refund(refund.id)).status is RefundStatus.PROCESSING
    await desk.heal(minutes=4)
    assert (await desk.refund(refund.id)).status is RefundStatus.SUCCEEDED


async def test_G09_a_spent_budget_postpones_and_drops_nothing(desk: RefundDesk) -> None:
    till = desk.till
    for number in range(3):
        order = await desk.paid(f"T{number}")
        refund = (await desk.request(order, 100, f"R{number}")).refund
        desk.settle(refund.out_refund_no)
    healing = RefundHealing(
        till.database,
        till.clock,
        till.keyring,
        till.wechat,
        budget=Budget(till.clock, per_second=1, burst=1),
        jitter=lambda: 0.5,
    )
    till.clock.advance(seconds=61)
    assert await healing.run_due() == 1
    for _ in range(6):
        till.clock.advance(seconds=1)
        await healing.run_due()
    assert await desk.refund_events() == ["refund.succeeded"] * 3


async def test_a_missing_certificate_postpones_a_waiting_refund_until_it_is_there(desk: RefundDesk) -> None:
    order = await desk.paid()
    desk.wechat.fail("refund", "not_sent")
    refund = (await desk.request(order, 100)).refund
    keys = table_of(ProviderKey)
    mine = (keys.c.provider_id == order.provider_id, keys.c.kind == KeyKind.CLIENT_CERTIFICATE.value)

    async def set_state(state: str) -> None:
        async with desk.till.database.write(ProviderScope(order.provider_id)) as session:
            await session.execute(update(keys).where(*mine).values(state=state))
        desk.till.keyring._certificates.clear()

    await set_state("retired")
    await desk.heal(seconds=6)
    assert (await desk.refund(refund.id)).status is RefundStatus.SUBMITTING
    assert (await desk.till.order(order.id)).refunding_amount == Fen(100)
    await set_state("active")
    await desk.heal(seconds=61)
    assert (await desk.refund(refund.id)).status is RefundStatus.PROCESSING


async def test_a_refund_stuck_for_ten_days_is_shown_and_still_asked_about(desk: RefundDesk) -> None:
    order = await desk.paid()
    refund = (await desk.request(order, 100)).refund
    await desk.heal(times=9, days=1)
    assert await desk.anomalies("refund_stuck") == []
    await desk.heal(days=1)
    (shown,) = await desk.anomalies("refund_stuck")
    assert (shown.state, shown.refund_id) == ("open", refund.id)
    desk.settle(refund.out_refund_no)
    await desk.heal(days=1)
    assert (await desk.refund(refund.id)).status is RefundStatus.SUCCEEDED
    (shown,) = await desk.anomalies("refund_stuck")
    assert shown.state == "resolved"
