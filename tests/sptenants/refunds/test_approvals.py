"""The second pair of eyes (F07, A06): who may decide, what is reserved meanwhile, what the log keeps."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.refund_desk import LI, SERVER, WANG, RefundDesk
from tests.support.till import FACTS

from spcore.audit.actor import SYSTEM
from spcore.errors import NotFound
from sptenants.refunds.errors import AmountExceedsRefundable, RefundStateConflict
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.states import Approval, RefundStatus
from sptenants.registry.errors import Forbidden
from wechatpay.money import Fen


async def waiting(desk: RefundDesk) -> RefundRecord:
    order = await desk.paid()
    refunded = await desk.request(order, 12000, None, by=WANG, needs_approval=True)
    assert refunded.outcome == "created"
    return refunded.refund


async def test_F07_a_large_refund_is_reserved_and_not_sent_until_another_person_agrees(
    desk: RefundDesk,
) -> None:
    refund = await waiting(desk)
    assert (refund.status, refund.approval) == (RefundStatus.REQUESTED, Approval.WAITING)
    await desk.heal(times=3, hours=1)
    assert desk.wechat.asked == []
    order = await desk.till.order(refund.order_id)
    assert order.refunding_amount == Fen(12000)
    with pytest.raises(AmountExceedsRefundable):
        await desk.request(order, 801)
    sent = await desk.service.approve(desk.scope, refund.id, LI, FACTS)
    assert (sent.status, sent.approval, sent.approved_by) == ("processing", "given", "李雷")
    acts = await desk.acts()
    assert ("refund.requested", "usr_wang", refund.id) in acts
    assert ("refund.approved", "usr_li", refund.id) in acts


@pytest.mark.parametrize("by", [WANG, SERVER, SYSTEM], ids=["the same person", "a key", "the system"])
async def test_F07_nobody_but_another_person_decides(desk: RefundDesk, by: object) -> None:
    refund = await waiting(desk)
    with pytest.raises(Forbidden):
        await desk.service.approve(desk.scope, refund.id, by, FACTS)  # type: ignore[arg-type]
    with pytest.raises(Forbidden):
        await desk.service.decline(desk.scope, refund.id, by, "不", FACTS)  # type: ignore[arg-type]
    assert (await desk.refund(refund.id)).approval is Approval.WAITING
    assert desk.wechat.asked == []


async def test_F07_a_declined_refund_gives_its_amount_back_and_is_never_sent(desk: RefundDesk) -> None:
    refund = await waiting(desk)
    declined = await desk.service.decline(desk.scope, refund.id, LI, "金额不对", FACTS)
    assert (declined.status, declined.approval) == ("rejected", "declined")
    order = await desk.till.order(refund.order_id)
    assert order.refunding_amount == Fen(0)
    assert await desk.refund_events() == ["refund.rejected"]
    for decide in (
        desk.service.approve(desk.scope, refund.id, LI, FACTS),
        desk.service.decline(desk.scope, refund.id, LI, "再次", FACTS),
    ):
        with pytest.raises(RefundStateConflict):
            await decide
    await desk.heal(times=2, hours=1)
    assert desk.wechat.asked == []
    newest = (await desk.till.detail(order.id)).timeline[0]
    assert (newest.title.zh, newest.meta.zh) == (
        "退款 ¥120.00：待提交 → 被拒绝",
        "人工 · 李雷 · 金额不对",
    )
    assert ("refund.declined", "usr_li", refund.id) in await desk.acts()


async def test_F07_of_two_who_decide_at_once_one_wins(desk: RefundDesk) -> None:
    refund = await waiting(desk)
    answers = await asyncio.gather(
        desk.service.approve(desk.scope, refund.id, LI, FACTS),
        desk.service.decline(desk.scope, refund.id, LI, "不", FACTS),
        desk.service.approve(desk.scope, refund.id, LI, FACTS),
        return_exceptions=True,
    )
    won = [answer for answer in answers if isinstance(answer, RefundRecord)]
    assert len(won) == 1
    assert all(isinstance(a, RefundStateConflict) for a in answers if not isinstance(a, RefundRecord))
    assert len(desk.wechat.asked) == (won[0].approval is Approval.GIVEN)


async def test_T01_another_tenants_refund_can_be_neither_decided_nor_asked_about(desk: RefundDesk) -> None:
    refund = await waiting(desk)
    neighbour = desk.till.callers[1].scope
    for act in (
        desk.service.approve(neighbour, refund.id, LI, FACTS),
        desk.service.decline(neighbour, refund.id, LI, "不", FACTS),
        desk.service.sync(neighbour, refund.id, LI),
        desk.service.look_outside(neighbour, refund.order_id),
        desk.service.refund_duplicate(neighbour, "ano_unknown", LI, "不"),
    ):
        with pytest.raises(NotFound):
            await act


async def test_the_limit_is_the_providers_own(desk: RefundDesk) -> None:
    assert await desk.reader.approval_limit(desk.scope) is None
