"""What WeChat answers to a refund, and what it says became of it (G01-G05, F06, R3-R7, Z11)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.refund_desk import LI, SERVER, RefundDesk

from sptenants.orders.disputes import AnomalyKind, raise_anomaly
from sptenants.refunds.errors import NoSecondPayment
from sptenants.refunds.states import RefundStatus
from sptenants.registry.errors import RateLimited
from wechatpay.money import Fen
from wechatpay.refunds import RefundStatus as WireStatus

UNCLEAR = (
    "lost",
    "timeout",
    "system_error",
    "system_error_with_effect",
    "bad_signature",
    "not_sent",
    "refuse_unsigned:FAIL",
    "refuse:FREQUENCY_LIMITED",
    "refuse:ORDER_NOT_READY",
)


@pytest.mark.parametrize("fault", UNCLEAR)
async def test_G01_to_G05_whatever_a_call_ends_in_one_number_refunds_once(
    desk: RefundDesk, fault: str
) -> None:
    order = await desk.paid()
    desk.wechat.fail("refund", fault)
    refunded = await desk.request(order, 2000)
    refund = refunded.refund
    assert (refunded.outcome, refund.status) == ("unknown", RefundStatus.SUBMITTING)
    assert (await desk.till.order(order.id)).refunding_amount == Fen(2000)
    await desk.heal(times=2, seconds=75)
    assert (await desk.refund(refund.id)).status is RefundStatus.PROCESSING
    desk.settle(refund.out_refund_no)
    await desk.heal(minutes=11)
    done = await desk.refund(refund.id)
    assert (done.status, done.next_check_at) == (RefundStatus.SUCCEEDED, None)
    assert {asked.out_refund_no.text for asked in desk.wechat.asked} == {refund.out_refund_no}
    assert (len(desk.wechat.refunds), desk.wechat.most) == (1, 2000)
    now = await desk.till.order(order.id)
    assert (now.refunded_amount.value, now.refunding_amount.value, now.refund_status) == (2000, 0, "partial")
    assert await desk.refund_events() == ["refund.succeeded"]


async def test_F06_a_short_balance_is_shown_kept_and_gone_once_it_went_through(desk: RefundDesk) -> None:
    order = await desk.paid()
    desk.wechat.balance = 0
    refunded = await desk.request(order, 2000)
    refund = refunded.refund
    assert (refunded.outcome, refund.short) == ("unknown", True)
    assert refund.failure is not None
    assert refund.failure["code"] == "NOTENOUGH"
    (shown,) = await desk.anomalies("refund_short")
    assert (shown.state, shown.refund_id) == ("open", refund.id)
    await desk.heal(minutes=2)
    (shown,) = await desk.anomalies("refund_short")
    assert shown.seen == 2
    desk.wechat.balance = 5000
    await desk.heal(minutes=13)
    after = await desk.refund(refund.id)
    assert (after.status, after.short, after.failure) == (RefundStatus.PROCESSING, False, None)
    (shown,) = await desk.anomalies("refund_short")
    assert (shown.state, shown.resolved_by) == ("resolved", "system")
    assert {asked.out_refund_no.text for asked in desk.wechat.asked} == {refund.out_refund_no}


async def test_F06_an_abnormal_refund_keeps_its_reservation_until_somebody_settled_it_at_WeChat(
    desk: RefundDesk,
) -> None:
    order = await desk.paid()
    refund = (await desk.request(order, 2000)).refund
    desk.settle(refund.out_refund_no, "CHANGE")
    await desk.heal(seconds=75)
    assert (await desk.refund(refund.id)).status is RefundStatus.ABNORMAL
    assert (await desk.till.order(order.id)).refunding_amount == Fen(2000)
    (shown,) = await desk.anomalies("refund_abnormal")
    assert shown.state == "open"
    desk.settle(refund.out_refund_no, "SUCCESS")
    await desk.heal(hours=7)
    assert (await desk.refund(refund.id)).status is RefundStatus.SUCCEEDED
    (shown,) = await desk.anomalies("refund_abnormal")
    assert shown.state == "resolved"
    assert await desk.refund_events() == ["refund.abnormal", "refund.succeeded"]
    now = await desk.till.order(order.id)
    assert (now.refunded_amount.value, now.refunding_amount.value) == (2000, 0)


async def test_a_refund_that_WeChat_closed_gives_its_amount_back(desk: RefundDesk) -> None:
    order = await desk.paid()
    refund = (await desk.request(order, 12800)).refund
    desk.settle(refund.out_refund_no, "REFUNDCLOSE")
    await desk.heal(seconds=75)
    assert (await desk.refund(refund.id)).status is RefundStatus.CLOSED
    assert await desk.refund_events() == ["refund.closed"]
    again = (await desk.request(order, 12800, "R2")).refund
    assert again.out_refund_no != refund.out_refund_no


async def test_events_share_the_orders_sequence_and_carry_its_totals(desk: RefundDesk) -> None:
    order = await desk.paid()
    for number in ("R1", "R2"):
        refund = (await desk.request(order, 6400, number)).refund
        desk.settle(refund.out_refund_no)
        await desk.tell(refund.out_refund_no)
    events = await desk.till.events()
    assert [(event.sequence, event.type) for event in events] == [
        (1, "payment.succeeded"),
        (2, "refund.succeeded"),
        (3, "refund.succeeded"),
    ]
    assert {event.subject for event in events} == {order.id}
    last = events[-1].payload
    assert (last["object"], last["status"], last["amount"]) == ("refund", "succeeded", 6400)
    assert last["order"]["refund_status"] == "full"
    assert (last["order"]["refunded_amount"], last["order"]["refunding_amount"]) == (12800, 0)


async def test_R6_an_answer_that_differs_in_a_number_or_amount_changes_nothing(desk: RefundDesk) -> None:
    order, other = await desk.paid(), await desk.paid("T2")
    wrong: dict[str, Any] = {
        "amount": Fen(1999),
        "total": Fen(12801),
        "refund_id": "50300099",
        "transaction_id": "4200009999",
        "out_trade_no": other.out_trade_no,
    }
    for field, value in wrong.items():
        refund = (await desk.request(order, 2000, field)).refund
        desk.settle(refund.out_refund_no)
        setattr(desk.wechat.refunds[refund.out_refund_no], field, value)
        await desk.heal(seconds=75)
        assert (await desk.refund(refund.id)).status is RefundStatus.PROCESSING
        shown = (await desk.anomalies("refund_mismatch"))[-1]
        assert (shown.mark, len(shown.facts["fields"])) == (refund.out_refund_no, 1)
    assert await desk.refund_events() == []


async def test_M5_a_final_refund_that_WeChat_tells_otherwise_is_left_to_a_person(desk: RefundDesk) -> None:
    order = await desk.paid()
    refund = (await desk.request(order, 2000)).refund
    desk.settle(refund.out_refund_no, "REFUNDCLOSE")
    await desk.tell(refund.out_refund_no)
    desk.settle(refund.out_refund_no, "SUCCESS")
    assert order.out_trade_no is not None
    await desk.service.look_outside(desk.scope, order.id)
    assert (await desk.refund(refund.id)).status is RefundStatus.CLOSED


async def test_Z11_a_notification_before_the_refunds_answer_settles_it_once(desk: RefundDesk) -> None:
    order = await desk.paid()

    async def notify_first() -> None:
        (number,) = desk.wechat.refunds
        desk.settle(number)
        assert (await desk.tell(number)).settled

    desk.wechat.before_answer["refund"] = notify_first
    refunded = await desk.request(order, 2000)
    assert (refunded.outcome, refunded.refund.status) == ("created", RefundStatus.SUCCEEDED)
    assert await desk.refund_events() == ["refund.succeeded"]
    now = await desk.till.order(order.id)
    assert (now.refunded_amount.value, now.refunding_amount.value) == (2000, 0)


async def test_sync_asks_now_but_not_more_than_every_three_seconds(desk: RefundDesk) -> None:
    order = await desk.paid()
    refund = (await desk.request(order, 2000)).refund
    assert (await desk.service.sync(desk.scope, refund.id, LI)).status is RefundStatus.PROCESSING
    with pytest.raises(RateLimited):
        await desk.service.sync(desk.scope, refund.id, LI)
    desk.settle(refund.out_refund_no)
    desk.till.clock.advance(seconds=3)
    assert (await desk.service.sync(desk.scope, refund.id, LI)).status is RefundStatus.SUCCEEDED
    assert (await desk.service.sync(desk.scope, refund.id, LI)).status is RefundStatus.SUCCEEDED
    words = [entry.title.zh for entry in (await desk.till.detail(order.id)).timeline]
    assert "李雷 手动查询退款" in words


async def _second_payment(desk: RefundDesk) -> tuple[Any, str]:
    """An order that was paid twice, and the id of its anomaly."""
    order = await desk.paid()
    second = "4200002026112200000000000002"
    desk.wechat.second_payments[second] = order.amount
    facts = {"transaction_id": second, "out_trade_no": order.out_trade_no, "amount": order.amount.value}
    async with desk.till.database.write(desk.scope) as session:
        await raise_anomaly(
            session,
            desk.scope,
            AnomalyKind.DOUBLE_PAYMENT,
            second,
            desk.till.clock.now(),
            order_id=order.id,
            facts=facts,
        )
    (anomaly,) = await desk.anomalies("double_payment")
    return order, anomaly.id


async def test_B05_the_second_payment_is_given_back_whole_beside_the_orders_own_totals(
    desk: RefundDesk,
) -> None:
    order, anomaly_id = await _second_payment(desk)
    refund = (await desk.service.refund_duplicate(desk.scope, anomaly_id, LI, "重复支付退回")).refund
    assert (refund.purpose, refund.amount, refund.status) == ("duplicate", order.amount, "processing")
    (asked,) = desk.wechat.asked
    assert str(asked.transaction_id) == refund.transaction_id != order.transaction_id
    with pytest.raises(NoSecondPayment):
        await desk.service.refund_duplicate(desk.scope, anomaly_id, LI, "再来一次")
    desk.settle(refund.out_refund_no)
    await desk.tell(refund.out_refund_no)
    now = await desk.till.order(order.id)
    assert (now.refunded_amount.value, now.refunding_amount.value, now.anomaly) == (0, 0, None)
    (anomaly,) = await desk.anomalies("double_payment")
    assert (anomaly.state, anomaly.resolved_by) == ("resolved", "system")
    with pytest.raises(NoSecondPayment):
        await desk.service.refund_duplicate(desk.scope, anomaly_id, LI, "还来")
    assert (await desk.request(order, 12800)).refund.status is RefundStatus.PROCESSING


async def test_B05_a_second_payment_whose_refund_WeChat_closed_can_be_given_back_again(
    desk: RefundDesk,
) -> None:
    _order, anomaly_id = await _second_payment(desk)
    first = (await desk.service.refund_duplicate(desk.scope, anomaly_id, SERVER, "退回")).refund
    desk.wechat.settle(first.out_refund_no, WireStatus.REFUNDCLOSE, desk.till.clock.now())
    await desk.tell(first.out_refund_no)
    again = (await desk.service.refund_duplicate(desk.scope, anomaly_id, SERVER, "退回")).refund
    assert again.out_refund_no != first.out_refund_no
