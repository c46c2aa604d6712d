"""Refunds made at WeChat's own console, found by asking (F10, M4, M5)."""

from __future__ import annotations

from tests.support.refund_desk import SERVER, RefundDesk

from sptenants.orders.states import OrderStatus
from sptenants.refunds.states import RefundStatus
from wechatpay.money import Fen
from wechatpay.refunds import RefundStatus as WireStatus


async def test_F10_many_refunds_are_found_over_several_pages_and_only_once(desk: RefundDesk) -> None:
    order = await desk.paid(amount=5000)
    assert order.out_trade_no is not None
    ours = (await desk.request(order, 100)).refund
    for number in range(23):
        desk.wechat.refund_elsewhere(order.out_trade_no, 100, f"C{number}")
    for _ in range(2):
        looked = await desk.service.look_outside(desk.scope, order.id)
        assert (looked.answered, len(looked.found)) == (True, 24)
    found = await desk.reader.of_order(desk.scope, order.id)
    assert len(found) == 24
    assert {refund.source for refund in found if refund.id != ours.id} == {"wechat"}
    now = await desk.till.order(order.id)
    assert (now.refunded_amount.value, now.refunding_amount.value) == (0, 2400)
    for number in range(23):
        desk.settle(f"C{number}")
    await desk.heal(minutes=3)
    now = await desk.till.order(order.id)
    assert (now.refunded_amount.value, now.refunding_amount.value) == (2300, 100)
    assert {asked.out_refund_no.text for asked in desk.wechat.asked} == {ours.out_refund_no}


async def test_M4_a_refund_elsewhere_that_does_not_fit_is_left_to_a_person(desk: RefundDesk) -> None:
    order = await desk.paid(amount=1000)
    assert order.out_trade_no is not None
    desk.wechat.fail("refund", "lost")
    ours = (await desk.request(order, 800)).refund
    desk.wechat.refund_elsewhere(order.out_trade_no, 500)
    await desk.service.look_outside(desk.scope, order.id)
    assert [refund.id for refund in await desk.reader.of_order(desk.scope, order.id)] == [ours.id]
    (shown,) = await desk.anomalies("refund_mismatch")
    assert (shown.mark, shown.facts["fields"]) == ("CONSOLE1", ["refund_fee"])
    assert (await desk.till.order(order.id)).refunding_amount == Fen(800)


async def test_G13_a_refund_elsewhere_of_another_payment_is_not_taken_over(desk: RefundDesk) -> None:
    order = await desk.paid(amount=1000)
    assert order.out_trade_no is not None
    elsewhere = desk.wechat.refund_elsewhere(order.out_trade_no, 500)
    elsewhere.total, elsewhere.transaction_id = Fen(900), "4200009999202611220000000001"
    await desk.service.look_outside(desk.scope, order.id)
    assert not await desk.reader.of_order(desk.scope, order.id)
    (shown,) = await desk.anomalies("refund_mismatch")
    assert {"total_fee", "transaction_id"} <= set(shown.facts["fields"])
    assert (await desk.till.order(order.id)).refunding_amount == Fen(0)


async def test_F10_an_order_that_a_query_finds_refunded_is_looked_into(desk: RefundDesk) -> None:
    order = await desk.till.placed()
    assert order.out_trade_no is not None
    desk.wechat.pay(order.out_trade_no, desk.till.clock.now())
    desk.wechat.refund_elsewhere(order.out_trade_no, 12800)
    desk.settle("CONSOLE1")
    await desk.till.orders.sync(desk.scope, order.id, SERVER)
    assert (await desk.till.order(order.id)).status is OrderStatus.PAID
    (hint,) = await desk.anomalies("refund_outside")
    assert (hint.mark, hint.refund_id, hint.state) == (order.out_trade_no, None, "open")

    desk.wechat.fail("refundquery", "timeout")
    assert await desk.watch.run_due() == 1
    assert await desk.watch.run_due() == 0, "it waits a minute before it asks again"
    desk.till.clock.advance(seconds=61)
    assert await desk.watch.run_due() == 1

    (refund,) = await desk.reader.of_order(desk.scope, order.id)
    assert (refund.status, refund.amount) == (RefundStatus.SUCCEEDED, Fen(12800))
    now = await desk.till.order(order.id)
    assert (now.refund_status, now.refunded_amount) == ("full", Fen(12800))
    states = {shown.mark: shown.state for shown in await desk.anomalies("refund_outside")}
    assert states == {order.out_trade_no: "resolved", "CONSOLE1": "open"}
    assert await desk.watch.run_due() == 0


async def test_F10_a_closed_one_and_an_abnormal_one_are_recorded_as_they_are(desk: RefundDesk) -> None:
    order = await desk.paid(amount=1000)
    assert order.out_trade_no is not None
    desk.wechat.refund_elsewhere(order.out_trade_no, 300, "C1")
    desk.wechat.refund_elsewhere(order.out_trade_no, 400, "C2")
    desk.wechat.settle("C1", WireStatus.REFUNDCLOSE, desk.till.clock.now())
    desk.wechat.settle("C2", WireStatus.CHANGE, desk.till.clock.now())
    await desk.service.look_outside(desk.scope, order.id)
    found = {r.out_refund_no: r.status for r in await desk.reader.of_order(desk.scope, order.id)}
    assert found == {"C1": RefundStatus.CLOSED, "C2": RefundStatus.ABNORMAL}
    now = await desk.till.order(order.id)
    assert (now.refunded_amount.value, now.refunding_amount.value) == (0, 400)
    assert sorted(await desk.refund_events()) == ["refund.abnormal", "refund.closed"]


async def test_an_order_that_was_never_paid_has_nothing_to_find(desk: RefundDesk) -> None:
    order = await desk.till.placed()
    looked = await desk.service.look_outside(desk.scope, order.id)
    assert (looked.answered, looked.found) == (True, ())
    assert desk.wechat.calls["refundquery"] == 0
