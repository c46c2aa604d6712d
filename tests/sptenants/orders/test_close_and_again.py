"""Closing and creating again under the same number at once: a defined answer, one payable order (Z12)."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.counter import counter
from tests.support.till import Till

from spcore.audit.actor import Actor
from sptenants.orders.errors import InProgress, OrderStateConflict
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import OrderStatus
from wechatpay.gateway import TradeState

WANG = Actor("person", "per_1", "王敏")
YOUNG, OLD = 1, 6
"""Minutes after the order was made: closing waits until the fifth, from then on it happens at once (P8)."""


def is_defined(answer: object, order: OrderRecord) -> bool:
    """Whether creating again gave the same order once more, or one of the two refusals for it (table 2.1)."""
    if isinstance(answer, OrderRecord):
        return answer.id == order.id
    return isinstance(answer, (OrderStateConflict, InProgress))


@pytest.mark.parametrize("minutes", [YOUNG, OLD])
async def test_Z12_creating_while_it_is_closed_repeats_the_order_or_conflicts(
    till: Till, minutes: int
) -> None:
    order = await till.placed()
    till.clock.advance(minutes=minutes)

    closed, *again = await asyncio.gather(
        till.orders.close(till.scope, order.id, WANG),
        *(till.placed() for _ in range(5)),
        return_exceptions=True,
    )

    assert not isinstance(closed, BaseException)
    assert all(is_defined(answer, order) for answer in again), again
    assert till.wechat.numbers == [order.out_trade_no]
    await till.run_healing(times=6, minutes=1)
    assert (await till.order(order.id)).status is OrderStatus.CLOSED
    assert [known.state for known in till.wechat.books.values()] == [TradeState.CLOSED]
    assert [event.type for event in await till.events()] == ["order.closed"]


@pytest.mark.parametrize("minutes", [YOUNG, OLD])
async def test_Z12_the_number_of_a_closed_order_is_a_conflict_naming_it_and_another_number_works(
    till: Till, minutes: int
) -> None:
    order = await till.placed()
    till.clock.advance(minutes=minutes)
    body = {
        "merchant_order_no": "T1",
        "amount": 12800,
        "description": "拿铁双人套餐",
        "trade_type": "JSAPI",
        "sub_appid": order.sub_appid,
        "openid": order.openid,
        "metadata": {"store": "01"},
    }
    async with counter(till) as client:
        assert (await client.post(f"/v1/orders/{order.id}/close", json={})).status_code in {200, 202}
        same = await client.post("/v1/orders", json=body)
        other = await client.post("/v1/orders", json=body | {"merchant_order_no": "T2"})

    assert (same.status_code, same.json()["code"]) == (409, "state_conflict")
    assert same.json()["order"]["id"] == order.id
    assert other.status_code == 201
    assert other.json()["pay_params"]
    assert len(till.wechat.books) == 2


async def test_Z12_INV6_a_payment_between_close_and_create_is_found_and_nobody_pays_twice(till: Till) -> None:
    order = await till.placed()
    number = order.out_trade_no
    assert number is not None
    till.clock.advance(minutes=OLD)

    async def pay_just_now() -> None:
        till.wechat.pay(number, till.clock.now())

    till.wechat.before_answer["closeorder"] = pay_just_now
    till.wechat.fail("closeorder", "lost")
    closed, again = await asyncio.gather(
        till.orders.close(till.scope, order.id, WANG), till.placed(), return_exceptions=True
    )

    assert not isinstance(closed, BaseException)
    assert is_defined(again, order), again
    assert (await till.order(order.id)).status is OrderStatus.PAID
    assert (till.wechat.payments, list(till.wechat.books)) == (1, [number])
    with pytest.raises(OrderStateConflict):
        await till.placed()
