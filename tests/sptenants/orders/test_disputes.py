"""Anomalies as rows, and the flag an order bears because of them (B01, B05, M5)."""

from __future__ import annotations

import asyncio

from tests.support.fake_wechat import FakeWechat
from tests.support.till import KEY, Till
from tests.support.work_list import kinds_of, on_the_list, put_on_the_list

from spcore.db.scope import TenantScope
from sptenants.orders.disputes import FLAGS, AnomalyKind, resolve_anomaly, settle_anomaly
from sptenants.orders.evidence import Evidence, apply
from sptenants.orders.records import OrderRecord
from sptenants.orders.repository import case_of
from sptenants.orders.states import OrderStatus
from wechatpay.credentials import V2Key
from wechatpay.money import Fen

K = AnomalyKind


async def settle(till: Till, kind: AnomalyKind, mark: str = "m1") -> bool:
    async with till.database.write(till.scope) as session:
        return await settle_anomaly(session, till.scope, kind, mark, till.clock.now(), "它自己好了")


async def resolve(till: Till, anomaly_id: str, *, scope: TenantScope | None = None) -> bool:
    scope = scope or till.scope
    async with till.database.write(scope) as session:
        return await resolve_anomaly(session, scope, anomaly_id, till.clock.now(), by="李会计", note="已处理")


async def flag_of(till: Till, order: OrderRecord) -> str | None:
    return (await till.order(order.id)).anomaly


async def test_the_same_thing_seen_again_counts_up_instead_of_filling_the_list(till: Till) -> None:
    order = await till.placed()
    assert await put_on_the_list(till, K.AMOUNT_MISMATCH, order_id=order.id, amount=1)
    till.clock.advance(minutes=5)
    assert not await put_on_the_list(till, K.AMOUNT_MISMATCH, order_id=order.id, amount=1)
    (found,) = await on_the_list(till)
    assert (found.seen, found.state, found.amount) == (2, "open", Fen(1))
    assert found.last_seen_at == till.clock.now() > found.raised_at


async def test_an_order_bears_the_gravest_of_its_open_anomalies(till: Till) -> None:
    order = await till.placed()
    assert await put_on_the_list(till, K.SILENT_CALLBACK, order_id=order.id)
    assert await flag_of(till, order) is None  # it is the address that needs a look, not the payment
    for kind in FLAGS:
        await put_on_the_list(till, kind, order_id=order.id)
        assert await flag_of(till, order) == kind
    for kind in FLAGS[:-1]:
        await put_on_the_list(till, kind, "another", order_id=order.id)
    assert await flag_of(till, order) == FLAGS[-1]


async def test_the_flag_goes_with_the_last_open_anomaly_and_falls_back_before(till: Till) -> None:
    order = await till.placed()
    await put_on_the_list(till, K.DOUBLE_PAYMENT, order_id=order.id)
    await put_on_the_list(till, K.LATE_PAYMENT, order_id=order.id)
    listed = {found.kind: found.id for found in await on_the_list(till)}
    assert await resolve(till, listed[K.DOUBLE_PAYMENT])
    assert await flag_of(till, order) == K.LATE_PAYMENT
    assert await settle(till, K.LATE_PAYMENT)
    assert await flag_of(till, order) is None
    told = [entry for entry in (await till.detail(order.id)).timeline if entry.kind == "anomaly.resolved"]
    assert [entry.raw["by"] for entry in told] == ["system", "李会计"]
    assert told[1].title.zh == "已核实：重复支付"
    assert told[1].meta.zh == "李会计 · 已处理"


async def test_what_settled_by_itself_may_come_back_and_a_persons_decision_stays(till: Till) -> None:
    order = await till.placed()
    await put_on_the_list(till, K.AMOUNT_MISMATCH, order_id=order.id)
    assert await settle(till, K.AMOUNT_MISMATCH)
    assert not await settle(till, K.AMOUNT_MISMATCH)
    assert await put_on_the_list(till, K.AMOUNT_MISMATCH, order_id=order.id)
    assert await flag_of(till, order) == K.AMOUNT_MISMATCH
    (found,) = await on_the_list(till)
    assert (found.seen, found.note, found.resolved_by) == (1, None, None)
    assert await resolve(till, found.id)
    assert not await resolve(till, found.id)
    assert not await put_on_the_list(till, K.AMOUNT_MISMATCH, order_id=order.id)
    assert await flag_of(till, order) is None
    assert await kinds_of(till) == [("amount_mismatch", "resolved")]


async def test_Y3_an_anomaly_of_another_tenant_is_not_there(till: Till) -> None:
    await put_on_the_list(till, K.UNKNOWN_ORDER)
    (found,) = await on_the_list(till)
    assert not await resolve(till, found.id, scope=till.callers[1].scope)
    assert await on_the_list(till, tenant=1) == []
    assert await kinds_of(till) == [("unknown_order", "open")]


async def test_raised_by_twenty_at_once_it_is_one_and_new_once(till: Till) -> None:
    order = await till.placed()
    raised = await asyncio.gather(
        *(put_on_the_list(till, K.DOUBLE_PAYMENT, order_id=order.id) for _ in range(20))
    )
    assert sum(raised) == 1
    (found,) = await on_the_list(till)
    assert found.seen == 20


async def test_raising_and_resolving_at_once_leave_flag_and_list_agreeing(till: Till) -> None:
    order = await till.placed()
    await put_on_the_list(till, K.AMOUNT_MISMATCH, order_id=order.id)
    (first,) = await on_the_list(till)
    await asyncio.gather(
        resolve(till, first.id),
        *(put_on_the_list(till, K.AMOUNT_MISMATCH, f"m{n}", order_id=order.id) for n in range(2, 8)),
    )
    assert len(await on_the_list(till, state="open")) == 6
    assert await flag_of(till, order) == K.AMOUNT_MISMATCH


async def test_M5_evidence_puts_its_facts_on_the_list_and_nobody_elses_numbers(till: Till) -> None:
    order = await till.placed()
    assert (await till.tell(await till.paid_body(order, amount=1))).settled
    (found,) = await on_the_list(till)
    assert found.order_id == order.id
    assert found.facts == {
        "source": "notify",
        "out_trade_no": order.out_trade_no,
        "transaction_id": found.facts["transaction_id"],
        "amount": 1,
        "expected_amount": 12800,
        "fields": ["total_fee"],
        "paid_at": till.clock.now().isoformat(),
    }


async def test_B05_a_second_payment_of_the_same_attempt_names_both_transactions(till: Till) -> None:
    order = await till.placed()
    await till.tell(await till.paid_body(order))
    first = (await till.order(order.id)).transaction_id
    second = till.wechat.notification(
        order.out_trade_no or "", V2Key(1, KEY), transaction_id="4200009999", nonce_str="x"
    )
    again = till.wechat.notification(order.out_trade_no or "", V2Key(1, KEY), transaction_id="4200009999")
    for body in (second, again):
        assert (await till.tell(body)).settled
    (found,) = await on_the_list(till)
    assert (found.kind, found.seen) == (K.DOUBLE_PAYMENT, 2)
    assert (found.facts["transaction_id"], found.facts["first_transaction_id"]) == ("4200009999", first)


async def test_P12_money_after_the_close_is_on_the_list_with_the_state_it_met(till: Till) -> None:
    order = await till.placed()
    await till.run_healing(times=32, minutes=1)
    assert (await till.order(order.id)).status is OrderStatus.CLOSED
    known = till.wechat.books[order.out_trade_no or ""]
    known.state = type(known.state).NOTPAY
    assert (await till.tell(await till.paid_body(order))).settled
    assert await flag_of(till, order) == K.LATE_PAYMENT
    (found,) = await on_the_list(till)
    assert (found.kind, found.facts["status"]) == (K.LATE_PAYMENT, "closed")
    assert await resolve(till, found.id)
    assert await flag_of(till, order) is None


async def test_evidence_applied_twice_in_one_moment_raises_once(till: Till) -> None:
    order = await till.placed()
    till.wechat.pay(order.out_trade_no or "", till.clock.now(), amount=5)
    state = await _asked(till.wechat, till, order)
    for _ in range(2):
        async with till.database.write(till.scope) as session:
            case = await case_of(session, till.scope, order.id)
            assert case is not None
            applied = await apply(session, till.scope, case, state, till.clock.now())
        assert applied.reason == "total_fee"
    assert (await on_the_list(till))[0].seen == 2


async def _asked(wechat: FakeWechat, till: Till, order: OrderRecord) -> Evidence:
    async with till.database.read(till.scope) as session:
        case = await case_of(session, till.scope, order.id)
    assert case is not None
    found = await till.orders.line.query(case)
    assert found.state is not None
    assert wechat.calls["orderquery"] == 1
    return Evidence.of_query(found.state)
