"""Asking for refunds: reserved once, sent under one number, answered for ever the same (part 2.1, 2.3).

Acceptance pain 19: refunds for a sub-merchant, and a new number that pays twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import DBAPIError
from tests.support.refund_desk import SERVER, WANG, RefundDesk
from tests.support.till import add_provider

from spcore.db.base import table_of
from spcore.db.scope import ProviderScope
from spcore.errors import DomainError, InvalidInput, NotFound
from spcore.ids import new_id, new_ulid
from spcore.providers.errors import ProviderNotReady
from spcore.providers.models import KeyKind, ProviderKey
from sptenants.orders.commands import IdempotencyKey, digest
from sptenants.orders.errors import InProgress, OrderStateConflict
from sptenants.orders.models import Order
from sptenants.refunds.commands import MAX_REFUNDS, Refunded, WantedRefund
from sptenants.refunds.errors import AmountExceedsRefundable, RefundConflict, RefundRejected
from sptenants.refunds.models import Refund
from sptenants.refunds.repository import REFUNDS, row_of
from sptenants.refunds.states import RefundStatus
from wechatpay.money import Fen


def idempotency_key(key: str, content: str) -> IdempotencyKey:
    return IdempotencyKey("POST /v1/orders/{order_id}/refunds", key, digest(content))


async def test_a_refund_is_reserved_sent_and_told_of_on_the_timeline(desk: RefundDesk) -> None:
    order = await desk.paid()
    refunded = await desk.request(order, 2000)
    refund = refunded.refund
    assert (refunded.outcome, refund.status) == ("created", RefundStatus.PROCESSING)
    assert refund.id.startswith("rfd_")
    now = await desk.till.order(order.id)
    assert (now.refunded_amount.value, now.refunding_amount.value, now.refund_status) == (0, 2000, "none")
    (asked,) = desk.wechat.asked
    assert asked.out_refund_no.text == refund.out_refund_no
    assert (asked.amount.value, asked.total.value) == (2000, 12800)
    assert str(asked.transaction_id) == order.transaction_id
    assert asked.notify_url.endswith("/v2/refund")
    kinds = [(note.kind, note.meta.get("to")) for note in await desk.notes(order)][-3:]
    assert kinds == [
        ("refund.requested", None),
        ("gateway.call", None),
        ("refund.status_changed", "processing"),
    ]
    titles = [entry.title.zh for entry in (await desk.till.detail(order.id)).timeline]
    assert titles[:3] == [
        "退款 ¥20.00：提交中 → 退款中",
        "调用微信申请退款 · HTTP 200 · 12 ms",
        "发起退款 ¥20.00",
    ]


async def test_F01_of_fifty_concurrent_full_refunds_exactly_one_is_accepted(desk: RefundDesk) -> None:
    order = await desk.paid()
    answers = await asyncio.gather(
        *(desk.request(order, 12800, f"R{number}") for number in range(50)), return_exceptions=True
    )
    accepted = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(accepted) == 1
    assert all(isinstance(a, AmountExceedsRefundable) for a in answers if isinstance(a, BaseException))
    assert (len(desk.wechat.asked), desk.wechat.most) == (1, 12800)
    now = await desk.till.order(order.id)
    assert (now.refunded_amount.value, now.refunding_amount.value) == (0, 12800)


async def test_F03_the_same_number_twenty_times_at_once_is_one_refund(desk: RefundDesk) -> None:
    order = await desk.paid()
    answers = await asyncio.gather(*(desk.request(order, 500) for _ in range(20)), return_exceptions=True)
    (refund,) = await desk.reader.of_order(desk.scope, order.id)
    assert _answered(answers, refund.id)["created"] == 1
    assert [asked.out_refund_no.text for asked in desk.wechat.asked] == [refund.out_refund_no]


async def test_F03_after_a_timeout_the_same_request_is_the_same_row_and_number(desk: RefundDesk) -> None:
    order = await desk.paid()
    desk.wechat.fail("refund", "timeout")
    first = await desk.request(order, 2000)
    assert (first.outcome, first.refund.status) == ("unknown", RefundStatus.SUBMITTING)
    again = await desk.request(order, 2000)
    assert (again.outcome, again.refund.id) == ("unknown", first.refund.id)
    await desk.heal(seconds=6)
    done = await desk.request(order, 2000)
    assert (done.outcome, done.refund.status) == ("repeated", RefundStatus.PROCESSING)
    assert {asked.out_refund_no.text for asked in desk.wechat.asked} == {first.refund.out_refund_no}
    assert len(desk.wechat.refunds) == 1


async def test_the_same_number_with_other_content_names_the_fields_and_changes_nothing(
    desk: RefundDesk,
) -> None:
    order, other = await desk.paid(), await desk.paid("T2")
    first = (await desk.request(order, 2000)).refund
    with pytest.raises(RefundConflict) as refusal:
        await desk.request(order, 2001, reason="别的原因")
    assert [fault.pointer for fault in refusal.value.faults] == ["#/amount", "#/reason"]
    assert refusal.value.extra == {"refund_id": first.id}
    with pytest.raises(RefundConflict) as refusal:
        await desk.request(other, 2000)
    assert [fault.pointer for fault in refusal.value.faults] == ["#/order_id"]
    assert len(desk.wechat.asked) == 1


async def test_an_idempotency_key_stands_in_for_a_number(desk: RefundDesk) -> None:
    order = await desk.paid()
    key = idempotency_key("k1", "2000")
    first = await desk.request(order, 2000, None, key=key)
    again = await desk.request(order, 2000, None, key=key)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.refund.id == first.refund.id
    with pytest.raises(RefundConflict) as refusal:
        await desk.request(order, 3000, None, key=idempotency_key("k1", "3000"))
    assert [fault.pointer for fault in refusal.value.faults] == ["Idempotency-Key"]
    other = await desk.request(order, 2000, None, key=idempotency_key("k2", "2000"))
    assert other.refund.id != first.refund.id
    assert (await desk.till.order(order.id)).refunding_amount == Fen(4000)


async def test_one_idempotency_key_at_once_is_one_refund(desk: RefundDesk) -> None:
    order = await desk.paid()
    key = idempotency_key("k1", "2000")
    answers = await asyncio.gather(
        *(desk.request(order, 2000, None, key=key) for _ in range(10)), return_exceptions=True
    )
    (refund,) = await desk.reader.of_order(desk.scope, order.id)
    assert _answered(answers, refund.id)["created"] == 1
    assert len(desk.wechat.asked) == 1


def _answered(answers: Sequence[Refunded | BaseException], refund_id: str) -> Counter[str]:
    """Count the answers to one request made many times at once: each about the one refund, or to wait."""
    counted: Counter[str] = Counter()
    for answer in answers:
        if isinstance(answer, BaseException):
            assert isinstance(answer, InProgress)
            counted["in_progress"] += 1
            continue
        assert answer.refund.id == refund_id
        counted[answer.outcome] += 1
    return counted


async def test_F04_only_a_paid_order_of_ones_own_can_be_refunded(desk: RefundDesk) -> None:
    unpaid = await desk.till.placed("U1")
    with pytest.raises(OrderStateConflict) as refusal:
        await desk.request(unpaid, 100)
    assert "没有可退的款项" in refusal.value.text.zh
    order = await desk.paid()
    neighbour = desk.till.callers[1].scope
    for scope, order_id in ((neighbour, order.id), (desk.scope, "ord_unknown")):
        with pytest.raises(NotFound):
            await desk.service.request(scope, order_id, WantedRefund(Fen(100)), SERVER)
    foreign = (await add_provider(desk.till, number=2))[0].scope
    with pytest.raises(NotFound):
        await desk.service.request(foreign, order.id, WantedRefund(Fen(100)), SERVER)
    assert desk.wechat.asked == []


async def test_F05_more_than_what_is_left_is_refused_with_what_is_left(desk: RefundDesk) -> None:
    order = await desk.paid()
    with pytest.raises(AmountExceedsRefundable) as refusal:
        await desk.request(order, 12801)
    assert refusal.value.extra == {"refundable_amount": 12800}
    await desk.request(order, 12000)
    with pytest.raises(AmountExceedsRefundable) as refusal:
        await desk.request(order, 801, "R2")
    assert refusal.value.refundable == Fen(800)
    assert refusal.value.faults[0].pointer == "#/amount"
    with pytest.raises(InvalidInput) as wrong:
        await desk.request(order, 1, "R3", reason="退" * 27)
    assert wrong.value.faults[0].pointer == "#/reason"
    assert (await desk.till.order(order.id)).refunding_amount == Fen(12000)


async def test_M4_the_database_refuses_what_the_code_would_let_through(desk: RefundDesk) -> None:
    order = await desk.paid()
    orders = table_of(Order)
    own = (orders.c.tenant_id == order.tenant_id, orders.c.id == order.id)
    for changes in ({"refunding_amount": 12801}, {"refunded_amount": -1}):
        with pytest.raises(DBAPIError):
            async with desk.till.database.write(desk.scope) as session:
                await session.execute(update(orders).where(*own).values(**changes))


async def test_F08_the_fifty_first_refund_is_a_clear_conflict(desk: RefundDesk) -> None:
    order = await desk.paid()
    first = (await desk.request(order, 1)).refund
    desk.settle(first.out_refund_no)
    await desk.service.sync(desk.scope, first.id, SERVER)
    done = row_of(await desk.refund(first.id))
    fresh = [
        done | {"id": new_id("rfd"), "out_refund_no": new_ulid(), "merchant_refund_no": f"M{number}"}
        for number in range(MAX_REFUNDS - 1)
    ]
    async with desk.till.database.write(desk.scope) as session:
        await session.execute(insert(table_of(Refund)), fresh)
    with pytest.raises(OrderStateConflict) as refusal:
        await desk.request(order, 1, "R51")
    assert "50" in refusal.value.text.zh
    assert (await desk.till.order(order.id)).refunding_amount == Fen(0)


async def test_F08_a_payment_older_than_a_year_is_a_clear_conflict(desk: RefundDesk) -> None:
    order = await desk.paid()
    repeated = (await desk.request(order, 100)).refund
    desk.till.clock.advance(days=366)
    with pytest.raises(OrderStateConflict) as refusal:
        await desk.request(order, 100, "R2")
    assert "一年" in refusal.value.text.zh
    assert (await desk.request(order, 100)).refund.id == repeated.id


async def test_F09_a_refund_uses_its_own_providers_certificate_and_none_stands_in(desk: RefundDesk) -> None:
    order = await desk.paid()
    await add_provider(desk.till, number=2)
    keys = table_of(ProviderKey)
    mine = (keys.c.provider_id == order.provider_id, keys.c.kind == KeyKind.CLIENT_CERTIFICATE.value)
    async with desk.till.database.write(ProviderScope(order.provider_id)) as session:
        await session.execute(update(keys).where(*mine).values(state="retired"))
    with pytest.raises(ProviderNotReady):
        await desk.request(order, 100)
    now = await desk.till.order(order.id)
    assert now.refunding_amount == Fen(0), "nothing is reserved for what cannot be sent"
    assert desk.wechat.asked == []


async def test_R5_a_definitive_refusal_that_a_query_confirms_releases_the_amount(desk: RefundDesk) -> None:
    order = await desk.paid()
    desk.wechat.fail("refund", "refuse:PARAM_ERROR")
    with pytest.raises(RefundRejected) as refusal:
        await desk.request(order, 2000)
    refund = refusal.value.refund
    assert refusal.value.extra["wechat"]["code"] == "PARAM_ERROR"
    assert (refund.status, (await desk.till.order(order.id)).refunding_amount) == ("rejected", Fen(0))
    assert await desk.refund_events() == ["refund.rejected"]
    with pytest.raises(RefundRejected) as again:
        await desk.request(order, 2000)
    assert again.value.refund.id == refund.id
    assert (await desk.request(order, 12800, "R2")).refund.status is RefundStatus.PROCESSING


async def test_R5_only_a_signed_answer_to_the_query_makes_a_refusal_final(desk: RefundDesk) -> None:
    order = await desk.paid()
    for number, unclear in enumerate(("timeout", "refuse_unsigned:REFUNDNOTEXIST")):
        desk.wechat.fail("refund", "refuse:PARAM_ERROR")
        desk.wechat.fail("refundquery", unclear)
        refunded = await desk.request(order, 2000, f"R{number}")
        assert (refunded.outcome, refunded.refund.status) == ("unknown", RefundStatus.SUBMITTING)
        assert (await desk.till.order(order.id)).refunding_amount == Fen(2000)
        await desk.heal(times=2, minutes=2)
        assert (await desk.refund(refunded.refund.id)).status is RefundStatus.REJECTED


async def test_R1_a_second_refund_waits_while_the_first_is_in_flight_and_is_then_sent(
    desk: RefundDesk,
) -> None:
    order = await desk.paid()
    desk.wechat.fail("refund", "timeout")
    first = (await desk.request(order, 100)).refund
    second = await desk.request(order, 200, "R2")
    assert (second.outcome, second.refund.status) == ("created", RefundStatus.REQUESTED)
    assert len(desk.wechat.asked) == 1
    await desk.heal(times=2, seconds=6)
    assert (await desk.refund(first.id)).status is RefundStatus.PROCESSING
    assert (await desk.refund(second.refund.id)).status is RefundStatus.PROCESSING
    third = (await desk.request(order, 300, "R3")).refund
    assert third.status is RefundStatus.PROCESSING, "accepted ones hold up nobody"


async def test_a_person_who_refunds_is_in_the_audit_log(desk: RefundDesk) -> None:
    order = await desk.paid()
    refund = (await desk.request(order, 100, None, by=WANG)).refund
    assert (refund.source, refund.created_by) == ("console", "王敏")
    acts = await desk.acts()
    assert ("refund.requested", "usr_wang", refund.id) in acts


async def test_no_refund_changes_its_number_amount_or_order(desk: RefundDesk) -> None:
    order = await desk.paid()
    refund = (await desk.request(order, 100)).refund
    own = (REFUNDS.c.tenant_id == refund.tenant_id, REFUNDS.c.id == refund.id)
    for changes in ({"out_refund_no": "X"}, {"amount": 99}, {"order_id": "ord_x"}, {"total": 1}):
        with pytest.raises(DBAPIError):
            async with desk.till.database.write(desk.scope) as session:
                await session.execute(update(REFUNDS).where(*own).values(**changes))


async def test_F02_whatever_amounts_are_asked_for_at_once_the_sum_never_exceeds_the_payment(
    desk: RefundDesk,
) -> None:
    order = await desk.paid(amount=1000)
    amounts = [1, 999, 333, 500, 501, 700, 10, 400, 250, 250, 250, 1000]
    answers = await asyncio.gather(
        *(desk.request(order, amount, f"R{n}") for n, amount in enumerate(amounts)), return_exceptions=True
    )
    taken = sum(
        amount for amount, a in zip(amounts, answers, strict=True) if not isinstance(a, BaseException)
    )
    assert all(isinstance(a, AmountExceedsRefundable) for a in answers if isinstance(a, BaseException))
    now = await desk.till.order(order.id)
    assert now.refunding_amount.value == taken <= 1000
    await desk.heal(times=10, seconds=31)
    assert desk.wechat.most == taken


async def test_two_tenants_use_the_same_refund_number(desk: RefundDesk) -> None:
    order, theirs = await desk.paid(), await desk.paid(tenant=1)
    first = await desk.request(order, 100)
    second = await desk.request(theirs, 200)
    assert first.refund.out_refund_no != second.refund.out_refund_no
    assert second.refund.status is RefundStatus.PROCESSING


async def test_a_call_that_another_one_is_at_work_on_is_told_so(desk: RefundDesk) -> None:
    order = await desk.paid()

    async def ask_again() -> None:
        with pytest.raises(DomainError) as refusal:
            await desk.request(order, 100)
        assert refusal.value.code == "in_progress"

    desk.wechat.before_answer["refund"] = ask_again
    assert (await desk.request(order, 100)).refund.status is RefundStatus.PROCESSING
    assert desk.till.pauses.slept_s == pytest.approx(2.0)
