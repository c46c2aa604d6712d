"""Payment codes: charged once, then asked about and reversed, never charged again (wechatpay-v2 4.1, 4.2)."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.support.counter import counter
from tests.support.till import PEER, Till, wanted

from spcore.audit.actor import Actor
from spcore.db.base import table_of
from spcore.db.scope import ProviderScope
from spcore.providers.errors import ProviderNotReady
from spcore.providers.models import KeyKind, KeyState, ProviderKey
from sptenants.orders.commands import PlaceOrder
from sptenants.orders.errors import OrderStateConflict, WechatRejected
from sptenants.orders.models import Attempt, IdempotencyRecord, Order, TimelineEntry
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import OrderStatus
from wechatpay.gateway import TradeState, TradeType
from wechatpay.identifiers import AuthCode

CODE, FRESH = "134567890123456789", "129876543210987654"
FRESH_CODES = (f"13{number:016d}" for number in count())
WANG = Actor("person", "per_1", "王敏")
BODY = {
    "merchant_order_no": "T1",
    "amount": 12800,
    "description": "拿铁双人套餐",
    "trade_type": "MICROPAY",
    "auth_code": CODE,
}


def by_code(no: str = "T1", code: str = CODE) -> PlaceOrder:
    return wanted(no, trade_type=TradeType.MICROPAY, sub_appid=None, openid=None, auth_code=AuthCode(code))


async def charged(till: Till, no: str = "T1", code: str = CODE) -> OrderRecord:
    return (await till.orders.place(till.caller, by_code(no, code), peer=PEER)).order


def only(till: Till) -> Any:
    (known,) = till.wechat.books.values()
    return known


async def test_a_code_that_pays_at_once_is_answered_paid(till: Till) -> None:
    async with counter(till) as client:
        answered = await client.post("/v1/orders", json=BODY)
    order = answered.json()
    assert (answered.status_code, order["status"], order["trade_type"]) == (201, "paid", "MICROPAY")
    assert order["transaction_id"] == only(till).transaction_id
    assert "pay_params" not in order
    assert [event.type for event in await till.events()] == ["payment.succeeded"]
    stored = await till.order(order["id"])
    # No notification ever comes of a payment code, so none is missed.
    assert (stored.next_check_at, stored.silence_due_at) == (None, None)


async def test_a_payer_who_types_the_password_is_waited_for(till: Till) -> None:
    till.wechat.fail("micropay", "typing")
    async with counter(till) as client:
        answered = await client.post("/v1/orders", json=BODY)
        assert (answered.status_code, answered.json()["status"]) == (202, "pending")
        again = await client.post("/v1/orders", json=BODY | {"auth_code": FRESH})
        assert (again.status_code, again.json()["status"]) == (202, "pending")
    assert till.wechat.charged == [CODE]
    order = await till.order(answered.json()["id"])
    till.wechat.pay(order.out_trade_no or "", till.clock.now())
    await till.run_healing(times=1, seconds=6)
    assert (await till.order(order.id)).status is OrderStatus.PAID


async def test_a_payer_who_never_types_is_reversed_after_45_seconds(till: Till) -> None:
    till.wechat.fail("micropay", "typing")
    order = await charged(till)
    await till.run_healing(times=8, seconds=5)
    assert 6 <= till.wechat.calls["orderquery"] <= 9  # every five seconds
    assert till.wechat.calls["reverse"] == 0
    await till.run_healing(times=3, seconds=5)
    revoked = await till.order(order.id)
    assert (revoked.status, only(till).state) == (OrderStatus.REVOKED, TradeState.REVOKED)
    assert till.wechat.calls["closeorder"] == 0
    assert [event.type for event in await till.events()] == ["order.revoked"]
    asked = till.wechat.calls["orderquery"]
    await till.run_healing(times=3, minutes=10)
    assert till.wechat.calls["orderquery"] == asked + 1  # one confirming question, then silence
    assert (await till.order(order.id)).next_check_at is None


async def test_a_reversal_is_repeated_until_it_is_done(till: Till) -> None:
    for fault in ("recall", "lost", "timeout", "system_error"):
        before = till.wechat.calls["reverse"]
        till.wechat.fail("micropay", "typing")
        order = await charged(till, fault, next(FRESH_CODES))
        till.wechat.fail("reverse", fault, fault)
        await till.run_healing(times=20, seconds=6)
        assert (await till.order(order.id)).status is OrderStatus.REVOKED, fault
        assert till.wechat.books[order.out_trade_no or ""].state is TradeState.REVOKED, fault
        assert till.wechat.calls["reverse"] - before >= (1 if fault == "timeout" else 3), fault
        till.wechat.faults.clear()
    assert [event.type for event in await till.events()] == ["order.revoked"] * 4


async def test_money_found_before_the_reversal_is_kept(till: Till) -> None:
    till.wechat.fail("micropay", "typing")
    order = await charged(till)
    till.clock.advance(seconds=46)
    till.wechat.pay(order.out_trade_no or "", till.clock.now())
    await till.healing.run_due()
    assert (await till.order(order.id)).status is OrderStatus.PAID
    assert till.wechat.calls["reverse"] == 0


async def test_Z04_money_between_the_query_and_the_reversal_is_given_back_and_never_called_paid(
    till: Till,
) -> None:
    till.wechat.fail("micropay", "typing")
    order = await charged(till)
    till.clock.advance(seconds=46)

    async def pay_just_now() -> None:
        till.wechat.pay(order.out_trade_no or "", till.clock.now())

    till.wechat.after_answer["orderquery"] = pay_just_now
    await till.healing.run_due()
    assert (await till.order(order.id)).status is OrderStatus.REVOKED
    assert (till.wechat.payments, till.wechat.given_back) == (1, 1)
    await till.run_healing(times=2, minutes=10)
    assert [event.type for event in await till.events()] == ["order.revoked"]


async def test_a_reversal_that_is_done_counts_more_than_a_query_that_lags_behind(till: Till) -> None:
    till.wechat.fail("micropay", "typing")
    order = await charged(till)
    till.clock.advance(seconds=46)
    known = only(till)

    async def pay_just_now() -> None:
        till.wechat.pay(order.out_trade_no or "", till.clock.now())

    async def lag_behind() -> None:
        known.state = TradeState.SUCCESS

    till.wechat.after_answer["orderquery"] = pay_just_now
    till.wechat.before_answer["reverse"] = lag_behind
    await till.healing.run_due()
    assert (await till.order(order.id)).status is OrderStatus.REVOKED


async def test_G02_G03_an_unclear_charge_that_took_the_money_is_found_by_a_query(till: Till) -> None:
    for fault in ("timeout", "system_error_with_effect", "bad_signature"):
        till.wechat.fail("micropay", fault)
        order = await charged(till, fault, next(FRESH_CODES))
        assert order.status is OrderStatus.SUBMITTING, fault
        await till.run_healing(times=1, seconds=6)
        assert (await till.order(order.id)).status is OrderStatus.PAID, fault
    assert till.wechat.payments == len(till.wechat.charged) == 3


async def test_G04_a_charge_that_never_arrived_fails_once_it_is_absent_twice_a_minute_apart(
    till: Till,
) -> None:
    orders = []
    for fault in ("lost", "system_error", "not_sent"):
        till.wechat.fail("micropay", fault)
        orders.append(await charged(till, fault, next(FRESH_CODES)))
    await till.run_healing(times=11, seconds=5)
    assert {(await till.order(order.id)).status for order in orders} == {OrderStatus.SUBMITTING}
    await till.run_healing(times=8, seconds=5)
    assert {(await till.order(order.id)).status for order in orders} == {OrderStatus.FAILED}
    assert (len(till.wechat.charged), till.wechat.calls["reverse"]) == (3, 0)
    assert [event.type for event in await till.events()] == ["order.failed"] * 3


async def test_D02_a_process_that_dies_before_it_charges_leaves_an_order_that_fails(till: Till) -> None:
    class Killed(BaseException):
        pass

    async def die() -> None:
        raise Killed

    till.wechat.fail("micropay", "lost")
    till.wechat.before_answer["micropay"] = die
    with pytest.raises(Killed):
        await charged(till)
    await till.run_healing(times=4, minutes=1)
    async with till.database.read(till.scope) as session:
        order = (await session.scalars(select(Order).where(Order.tenant_id == till.scope.tenant_id))).one()
    assert order.status == "failed"


async def test_a_refused_code_is_explained_and_the_order_has_failed(till: Till) -> None:
    async with counter(till) as client:
        for fault in ("refuse:AUTHCODEEXPIRE", "refuse:NOTENOUGH", "payerror:TRADE_ERROR"):
            body = BODY | {"merchant_order_no": fault, "auth_code": next(FRESH_CODES)}
            till.wechat.fail("micropay", fault)
            refused = await client.post("/v1/orders", json=body)
            again = await client.post("/v1/orders", json=body | {"auth_code": next(FRESH_CODES)})
            assert (refused.status_code, refused.json()["code"]) == (422, "wechat_rejected"), fault
            assert refused.json()["wechat"]["code"] == fault.partition(":")[2]
            assert (await till.order(refused.json()["order_id"])).status is OrderStatus.FAILED, fault
            assert (again.status_code, again.json()["order"]["status"]) == (409, "failed"), fault
        other = await client.post("/v1/orders", json=BODY)
    assert (other.status_code, other.json()["status"]) == (201, "paid")
    assert len(till.wechat.charged) == 4


async def test_what_a_refused_code_left_behind_is_reversed_by_the_confirming_look(till: Till) -> None:
    till.wechat.fail("micropay", "payerror:NOTENOUGH")
    with pytest.raises(WechatRejected):
        await charged(till)
    await till.run_healing(times=1, minutes=10)
    assert only(till).state is TradeState.REVOKED


async def test_an_unsigned_refusal_decides_nothing(till: Till) -> None:
    till.wechat.fail("micropay", "refuse_unsigned")
    assert (await charged(till)).status is OrderStatus.SUBMITTING


async def test_a_payment_that_fails_while_the_payer_types_is_reversed_early(till: Till) -> None:
    till.wechat.fail("micropay", "typing")
    order = await charged(till)
    only(till).state = TradeState.PAYERROR
    await till.run_healing(times=2, seconds=6)
    assert till.wechat.calls["reverse"] == 0  # not before its fifteenth second
    await till.run_healing(times=1, seconds=6)
    assert (await till.order(order.id)).status is OrderStatus.REVOKED


async def test_O03_the_same_order_from_many_tills_is_charged_once(till: Till) -> None:
    codes = [f"1300000000000000{i:02d}" for i in range(12)]
    await asyncio.gather(*(charged(till, code=code) for code in codes), return_exceptions=True)
    assert len(till.wechat.charged) == 1
    assert (till.wechat.payments, len(till.wechat.books)) == (1, 1)
    with pytest.raises(OrderStateConflict):
        await charged(till, code=FRESH)


async def test_an_idempotency_key_answers_with_the_first_charge(till: Till) -> None:
    async with counter(till) as client:
        headers = {"idempotency-key": "k1"}
        first = await client.post("/v1/orders", json=BODY, headers=headers)
        again = await client.post("/v1/orders", json=BODY, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotent-replay"] == "true"
    assert again.json()["id"] == first.json()["id"]
    assert till.wechat.charged == [CODE]


async def test_closing_reverses_as_soon_as_wechat_allows_it(till: Till) -> None:
    till.wechat.fail("micropay", "typing")
    order = await charged(till)
    till.clock.advance(seconds=10)
    asked = await till.orders.close(till.scope, order.id, WANG)
    assert (asked.status, till.wechat.calls["reverse"]) == (OrderStatus.PENDING, 0)
    till.clock.advance(seconds=5)
    revoked = await till.orders.close(till.scope, order.id, WANG)
    assert revoked.status is OrderStatus.REVOKED
    assert await till.orders.close(till.scope, order.id, WANG) == revoked


async def test_a_charge_on_its_way_is_not_given_up_because_somebody_closes(till: Till) -> None:
    till.wechat.fail("micropay", "lost")
    order = await charged(till)
    till.clock.advance(seconds=16)
    asked = await till.orders.close(till.scope, order.id, WANG)
    assert asked.status is OrderStatus.SUBMITTING  # unknown to WeChat for sixteen seconds proves nothing
    await till.run_healing(times=12, seconds=6)
    assert (await till.order(order.id)).status is OrderStatus.FAILED


async def test_P12_money_after_the_reversal_is_late(till: Till) -> None:
    till.wechat.fail("micropay", "typing")
    order = await charged(till)
    await till.run_healing(times=10, seconds=5)
    assert (await till.order(order.id)).status is OrderStatus.REVOKED
    only(till).state = TradeState.USERPAYING  # WeChat took the money all the same
    till.wechat.pay(order.out_trade_no or "", till.clock.now())
    await till.run_healing(times=1, minutes=11)
    late = await till.order(order.id)
    assert (late.status, late.anomaly) == (OrderStatus.PAID, "late_payment")


async def test_without_a_certificate_no_code_is_charged(till: Till) -> None:
    keys = table_of(ProviderKey)
    async with till.database.write(ProviderScope(till.scope.provider_id)) as session:
        own = (keys.c.provider_id == till.scope.provider_id, keys.c.kind == KeyKind.CLIENT_CERTIFICATE.value)
        await session.execute(update(keys).where(*own).values(state=KeyState.RETIRED.value))
    with pytest.raises(ProviderNotReady):
        await charged(till)
    assert not till.wechat.calls
    assert (await till.placed("T2")).status is OrderStatus.PENDING  # other ways need none


async def test_the_code_is_stored_nowhere(till: Till) -> None:
    till.wechat.fail("micropay", "typing")
    async with counter(till) as client:
        await client.post("/v1/orders", json=BODY, headers={"idempotency-key": "k1"})
    await till.run_healing(times=12, seconds=5)
    assert CODE not in repr(by_code())
    stored = []
    async with till.database.read(till.scope) as session:
        for model in (Order, Attempt, TimelineEntry, IdempotencyRecord):
            rows = await session.execute(
                select(table_of(model)).where(table_of(model).c.tenant_id == till.scope.tenant_id)
            )
            stored += [dict(row._mapping) for row in rows]
    assert len(stored) > 3
    assert CODE not in json.dumps(stored, default=_plain)
    assert CODE[2:] not in str([event.payload for event in await till.events()])


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)
