"""Refund notifications of API v3 prove what they say, and refunds after a move (R6, Z11, F10, M4, I3)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.counting import counted
from tests.support.refund_desk import SERVER, RefundDesk, build_desk
from tests.support.till_v3 import build_till_v3, equip, move

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.errors import NotFound
from spcore.providers.errors import ProviderNotReady
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import OrderStatus
from sptenants.refunds.hints import Taken
from sptenants.refunds.states import RefundStatus
from wechatpay.identifiers import (
    MchId,
    OutRefundNo,
    OutTradeNo,
    RefundId,
    SubMchId,
    TransactionId,
)
from wechatpay.money import Fen
from wechatpay.refunds import VerifiedRefund

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What does not depend on the database is tested on one kind of it."""


@pytest.fixture
async def moved(database: Database, clock: Clock) -> RefundDesk:
    """A desk that goes by v3."""
    return build_desk(await build_till_v3(database, clock))


def told(desk: RefundDesk, number: str, **changes: Any) -> VerifiedRefund:
    """What a genuine notification says of a refund as it stands in WeChat's books."""
    known = desk.wechat.refunds[number]
    identity = desk.wechat.books[known.out_trade_no].identity
    fields: dict[str, Any] = {
        "mch_id": MchId(identity["mch_id"]),
        "sub_mch_id": SubMchId(identity["sub_mch_id"]),
        "out_trade_no": OutTradeNo(known.out_trade_no),
        "transaction_id": TransactionId(known.transaction_id),
        "out_refund_no": OutRefundNo(number),
        "refund_id": RefundId(known.refund_id),
        "status": known.status,
        "amount": known.amount,
        "total": known.total,
        "success_at": known.success_at,
        "recv_account": "支付用户零钱",
        "key_version": 1,
    }
    return VerifiedRefund(**(fields | changes))


async def prove(desk: RefundDesk, number: str, *, tenant: int = 0, **changes: Any) -> Taken:
    return await desk.service.hints.prove(desk.till.callers[tenant].scope, told(desk, number, **changes))


async def refunded(desk: RefundDesk, no: str = "T1") -> tuple[OrderRecord, str, str]:
    """A paid order with a refund in WeChat's hands: the order, the refund's id and number."""
    order = await desk.paid(no)
    refund = (await desk.request(order, 2000, f"R-{no}")).refund
    assert refund.status is RefundStatus.PROCESSING
    return order, refund.id, refund.out_refund_no


# --- our own refunds ---------------------------------------------------------------------------------------


ENDS = (
    ("SUCCESS", RefundStatus.SUCCEEDED, (2000, 0)),
    ("REFUNDCLOSE", RefundStatus.CLOSED, (0, 0)),
    ("CHANGE", RefundStatus.ABNORMAL, (0, 2000)),
)


async def test_R6_a_proof_ends_a_refund_in_one_commit_and_without_a_question(moved: RefundDesk) -> None:
    for status, becomes, booked in ENDS:
        order, refund_id, number = await refunded(moved, no=status)
        moved.settle(number, status)
        asked = moved.wechat.calls["refundquery"]
        with counted(moved.till.database) as cost:
            assert await prove(moved, number) == Taken("applied", order.id)
        assert cost.commits == 1
        assert moved.wechat.calls["refundquery"] == asked
        assert (await moved.refund(refund_id)).status is becomes
        now = await moved.till.order(order.id)
        assert (now.refunded_amount.value, now.refunding_amount.value) == booked
        notes = [note.meta for note in await moved.notes(order) if note.kind == "refund.status_changed"]
        assert notes[-1]["cause"] == "notify"
    assert sorted(await moved.refund_events()) == [
        "refund.abnormal",
        "refund.closed",
        "refund.succeeded",
    ]
    assert await moved.heals() == []  # nobody had to look for it


async def test_R6_the_same_proof_again_or_fifty_times_at_once_changes_nothing_more(moved: RefundDesk) -> None:
    order, _id, number = await refunded(moved)
    moved.settle(number)
    taken = await asyncio.gather(*(prove(moved, number) for _ in range(50)))
    assert sorted(one.kind for one in taken) == ["applied", *["known"] * 49]
    assert (await moved.till.order(order.id)).refunded_amount == Fen(2000)
    assert await moved.refund_events() == ["refund.succeeded"]
    assert (await prove(moved, number)).kind == "known"


DIFFERENT: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = (
    ({"amount": Fen(1999)}, ("refund_fee",)),
    ({"total": Fen(99)}, ("total_fee",)),
    ({"refund_id": RefundId("50300000002026112100000000001")}, ("refund_id",)),
    ({"transaction_id": TransactionId("4200009999202611220000000001")}, ("transaction_id",)),
    ({"out_trade_no": OutTradeNo("SOMEOTHERORDER")}, ("out_trade_no",)),
    ({"mch_id": MchId("1900009999")}, ("mch_id",)),
    ({"sub_mch_id": SubMchId("1600009999")}, ("sub_mch_id",)),
)


@ON_SQLITE
async def test_I3_R6_a_proof_that_differs_in_an_identity_number_or_amount_is_left_to_a_person(
    moved: RefundDesk,
) -> None:
    order, refund_id, number = await refunded(moved)
    moved.settle(number)
    for changes, fields in DIFFERENT:
        assert await prove(moved, number, **changes) == Taken("differs", order.id, fields)
    assert (await moved.refund(refund_id)).status is RefundStatus.PROCESSING
    now = await moved.till.order(order.id)
    assert (now.refunded_amount.value, now.refunding_amount.value) == (0, 2000)
    (shown,) = await moved.anomalies("refund_mismatch")
    assert (shown.mark, shown.seen) == (number, len(DIFFERENT))


@ON_SQLITE
async def test_a_proof_that_names_no_sub_merchant_is_one_all_the_same(moved: RefundDesk) -> None:
    order, _id, number = await refunded(moved)
    moved.settle(number)
    assert await prove(moved, number, sub_mch_id=None) == Taken("applied", order.id)


@ON_SQLITE
async def test_Z11_a_proof_before_the_answer_to_our_own_call_settles_it_once(moved: RefundDesk) -> None:
    order = await moved.paid()

    async def settle_and_tell() -> None:
        number = moved.wechat.asked[-1].out_refund_no.text
        moved.settle(number)
        assert (await prove(moved, number)).kind == "applied"

    moved.wechat.before_answer["refund"] = settle_and_tell
    answered = await moved.request(order, 2000)
    assert answered.refund.status is RefundStatus.SUCCEEDED
    now = await moved.till.order(order.id)
    assert (now.refunded_amount.value, now.refunding_amount.value) == (2000, 0)
    assert await moved.refund_events() == ["refund.succeeded"]


@ON_SQLITE
async def test_M5_a_proof_against_a_final_refund_is_left_to_a_person(moved: RefundDesk) -> None:
    order, refund_id, number = await refunded(moved)
    moved.settle(number, "REFUNDCLOSE")
    await prove(moved, number)
    moved.settle(number)
    assert await prove(moved, number) == Taken("differs", order.id, ("status",))
    assert (await moved.refund(refund_id)).status is RefundStatus.CLOSED


@ON_SQLITE
async def test_B02_a_proof_at_another_tenants_address_is_about_nothing_there(moved: RefundDesk) -> None:
    _order, refund_id, number = await refunded(moved)
    moved.settle(number)
    assert await prove(moved, number, tenant=1) == Taken("unknown_order")
    assert (await moved.refund(refund_id)).status is RefundStatus.PROCESSING


# --- refunds made elsewhere --------------------------------------------------------------------------------


async def test_F10_a_refund_made_elsewhere_is_hinted_at_by_the_order_and_taken_over_once_it_is_told(
    moved: RefundDesk,
) -> None:
    order = await moved.paid()
    number = order.out_trade_no or ""
    looked = await moved.service.look_outside(moved.scope, order.id)
    assert (looked.answered, looked.unnamed) == (True, False)
    moved.wechat.refund_elsewhere(number, 5000)
    for _ in range(2):
        looked = await moved.service.look_outside(moved.scope, order.id)
        assert (looked.answered, looked.found, looked.unnamed) == (True, (), True)
    (hint,) = await moved.anomalies("refund_outside")
    assert (hint.mark, hint.refund_id, hint.state, hint.seen) == (number, None, "open", 2)
    assert await moved.watch.run_due() == 0, "v3 has no question that would answer it"

    moved.settle("CONSOLE1")
    assert await prove(moved, "CONSOLE1") == Taken("applied", order.id)
    (refund,) = await moved.reader.of_order(moved.scope, order.id)
    assert (refund.status, refund.amount, refund.source) == (RefundStatus.SUCCEEDED, Fen(5000), "wechat")
    now = await moved.till.order(order.id)
    assert (now.refund_status, now.refunded_amount) == ("partial", Fen(5000))
    states = {shown.mark: shown.state for shown in await moved.anomalies("refund_outside")}
    assert states == {number: "resolved", "CONSOLE1": "open"}
    assert await moved.heals() == ["refund_outside"]
    assert (await moved.service.look_outside(moved.scope, order.id)).unnamed is False
    assert (await prove(moved, "CONSOLE1")).kind == "known"


@ON_SQLITE
async def test_F10_an_order_found_paid_and_refunded_waits_for_the_notification_and_not_in_vain(
    moved: RefundDesk,
) -> None:
    order = await moved.till.placed()
    number = order.out_trade_no or ""
    moved.wechat.pay(number, moved.till.clock.now())
    moved.wechat.refund_elsewhere(number, 12800)
    assert (await prove(moved, "CONSOLE1")).kind == "unclear"  # it overtook the payment: WeChat repeats it
    await moved.till.orders.sync(moved.scope, order.id, SERVER)
    (hint,) = await moved.anomalies("refund_outside")
    assert hint.state == "open"
    moved.settle("CONSOLE1")
    assert (await prove(moved, "CONSOLE1")).kind == "applied"
    assert (await moved.till.order(order.id)).refund_status == "full"


async def test_F10_one_refund_made_elsewhere_told_of_by_many_messages_at_once_is_one(
    moved: RefundDesk,
) -> None:
    order = await moved.paid()
    moved.wechat.refund_elsewhere(order.out_trade_no or "", 5000)
    moved.settle("CONSOLE1")
    taken = await asyncio.gather(*(prove(moved, "CONSOLE1") for _ in range(10)))
    assert sorted(one.kind for one in taken) == ["applied", *["known"] * 9]
    assert (await moved.till.order(order.id)).refunded_amount == Fen(5000)


MISFITS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"amount": Fen(12801)}, "refund_fee"),
    ({"total": Fen(99)}, "total_fee"),
    ({"mch_id": MchId("1900009999")}, "mch_id"),
    ({"sub_mch_id": SubMchId("1600009999")}, "sub_mch_id"),
    ({"transaction_id": TransactionId("4200009999202611220000000001")}, "transaction_id"),
)


@ON_SQLITE
async def test_M4_G13_what_does_not_fit_the_payment_is_not_taken_over(moved: RefundDesk) -> None:
    order = await moved.paid()
    moved.wechat.refund_elsewhere(order.out_trade_no or "", 5000)
    for changes, field in MISFITS:
        assert await prove(moved, "CONSOLE1", **changes) == Taken("differs", order.id, (field,))
    assert not await moved.reader.of_order(moved.scope, order.id)
    assert (await moved.till.order(order.id)).refunding_amount == Fen(0)
    (shown,) = await moved.anomalies("refund_mismatch")
    assert (shown.mark, shown.seen) == ("CONSOLE1", len(MISFITS))


@ON_SQLITE
async def test_a_refund_of_ours_explains_what_the_order_says(moved: RefundDesk) -> None:
    order, _id, _number = await refunded(moved)
    looked = await moved.service.look_outside(moved.scope, order.id)
    assert (looked.answered, looked.unnamed) == (True, False)
    assert await moved.anomalies("refund_outside") == []
    moved.wechat.fail("orderquery", "timeout")
    assert not (await moved.service.look_outside(moved.scope, order.id)).answered
    with pytest.raises(NotFound):
        await moved.service.look_outside(moved.till.callers[1].scope, order.id)


# --- after a move ------------------------------------------------------------------------------------------


@ON_SQLITE
async def test_a_payment_of_v2_is_refunded_by_v2_after_the_provider_moved_and_the_other_way_round(
    desk: RefundDesk,
) -> None:
    old = await desk.paid("T1")
    await equip(desk.till)
    await move(desk.till, "v3")
    new = await desk.paid("T2")
    desk.wechat.spoken.clear()
    first = (await desk.request(old, 100, "R1")).refund
    assert dict(desk.wechat.spoken) == {"v2": 1}
    await move(desk.till, "v2")
    second = (await desk.request(new, 100, "R2")).refund
    assert dict(desk.wechat.spoken) == {"v2": 1, "v3": 1}
    assert [asked.notify_url.rsplit("/", 2)[1] for asked in desk.wechat.asked] == ["v2", "v3"]
    for refund in (first, second):
        desk.settle(refund.out_refund_no)
    await desk.heal(minutes=2)
    for refund in (first, second):
        assert (await desk.refund(refund.id)).status is RefundStatus.SUCCEEDED
    assert desk.wechat.spoken["v3"] == 2


@ON_SQLITE
async def test_pain_21_v2s_key_never_stands_in_for_what_v3_lacks(moved: RefundDesk) -> None:
    order = await moved.paid()
    assert order.status is OrderStatus.PAID
    moved.wechat.spoken.clear()
    moved.till.clock.advance(days=364, hours=23)
    await moved.till.keyring.v2(moved.scope.provider_id, 0)
    moved.till.clock.advance(hours=2)
    with pytest.raises(ProviderNotReady):
        await moved.service.look_outside(moved.scope, order.id)
    assert not moved.wechat.spoken
