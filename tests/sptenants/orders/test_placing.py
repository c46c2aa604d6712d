"""Creating orders: idempotency (failure catalogue 2.1), group O, and what WeChat may answer (G, P5, P7)."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update
from tests.support.fake_wechat import PAYER
from tests.support.till import APP, KEY, MINI, OFFICIAL, PEER, Till, wanted

from spcore.db.base import table_of
from spcore.errors import InvalidInput, NotFound
from sptenants.orders.commands import IdempotencyKey, PricedOrder
from sptenants.orders.errors import (
    IdempotencyConflict,
    InProgress,
    OrderStateConflict,
    WechatRejected,
    WechatUnavailable,
)
from sptenants.orders.filters import OrderFilter
from sptenants.orders.states import OrderStatus
from sptenants.registry.errors import BindingNotVerified, Forbidden, TenantNotLive
from sptenants.registry.models import AppBinding
from wechatpay.credentials import SignType, V2Key
from wechatpay.gateway import TradeState, TradeType
from wechatpay.identifiers import AppId, OpenId
from wechatpay.money import Fen
from wechatpay.v2 import signing

OTHER_PAYER = "oOtherPayerOtherPayerOther00"


def signed_by_cashier(params: dict[str, str], appid: str, sign_type: SignType) -> bool:
    """Check paySign as the phone does: over its own appId."""
    fields = {**params, "appId": appid}
    sign = fields.pop("paySign")
    return signing.sign(fields, V2Key(1, KEY), sign_type) == sign


async def all_orders(till: Till) -> int:
    return len((await till.reader.list(till.scope, OrderFilter(), 100)).rows)


async def test_a_jsapi_order_is_payable_and_signed_for_the_app_that_opens_the_cashier(till: Till) -> None:
    placed = await till.orders.place(till.caller, wanted(), peer=PEER)
    assert placed.outcome == "created"
    assert placed.order.status is OrderStatus.PENDING
    assert placed.pay_params is not None
    assert set(placed.pay_params) == {"timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert signed_by_cashier(placed.pay_params, MINI, SignType.HMAC_SHA256)
    assert await till.order(placed.order.id) == placed.order


async def test_O14_an_official_account_page_also_gets_its_appid(till: Till) -> None:
    placed = await till.orders.place(till.caller, wanted(sub_appid=AppId(OFFICIAL)), peer=PEER)
    assert placed.pay_params is not None
    assert placed.pay_params["appId"] == OFFICIAL


async def test_a_native_order_has_a_code_url_and_needs_no_app(till: Till) -> None:
    order = wanted(trade_type=TradeType.NATIVE, sub_appid=None, openid=None)
    placed = await till.orders.place(till.caller, order, peer=PEER)
    assert placed.code_url is not None
    assert placed.pay_params is None


async def test_B08_C6_wechat_gets_our_ids_as_attach_and_a_tenant_bound_address(till: Till) -> None:
    order = await till.placed(attach="a=1&b=2", description="A&B=C 拿铁")
    assert order.out_trade_no is not None
    sent = till.wechat.books[order.out_trade_no].order
    assert sent.attach == f"{order.tenant_id}.{order.id}"
    assert sent.notify_url.endswith(f"/notify/wechat/{till.caller.tenant.route_key}/v2/payment")
    assert order.attach == "a=1&b=2"


async def test_a_plain_merchant_sends_no_sub_fields(till: Till) -> None:
    plain = replace(
        till.caller,
        provider=replace(till.caller.provider, kind="merchant"),
        tenant=replace(till.caller.tenant, sub_mch_id=None),
    )
    placed = await till.orders.place(plain, wanted(), peer=PEER)
    assert placed.order.out_trade_no is not None
    known = till.wechat.books[placed.order.out_trade_no]
    assert known.identity == {"appid": MINI, "mch_id": plain.provider.mch_id}


# --- table 2.1 ---------------------------------------------------------------------------------------------


async def test_O03_fifty_equal_calls_at_once_make_one_order(till: Till) -> None:
    async def once() -> str:
        try:
            return (await till.orders.place(till.caller, wanted(), peer=PEER)).outcome
        except InProgress:
            return "in_progress"

    outcomes = Counter(await asyncio.gather(*(once() for _ in range(50))))
    assert outcomes["created"] == 1
    assert outcomes["created"] + outcomes["repeated"] + outcomes["in_progress"] == 50
    assert len(till.wechat.books) == 1
    assert await all_orders(till) == 1


async def test_a_repeat_answers_the_same_order_signed_afresh(till: Till) -> None:
    first = await till.orders.place(till.caller, wanted(), peer=PEER)
    again = await till.orders.place(till.caller, wanted(), peer=PEER)
    assert again.outcome == "repeated"
    assert again.order.id == first.order.id
    assert first.pay_params is not None
    assert again.pay_params is not None
    assert again.pay_params["package"] == first.pay_params["package"]
    assert again.pay_params["nonceStr"] != first.pay_params["nonceStr"]
    assert till.wechat.calls["unifiedorder"] == 1


OTHER_CONTENT: tuple[tuple[dict[str, Any], str], ...] = (
    ({"amount": Fen(1)}, "amount"),
    ({"description": "另一件"}, "description"),
    ({"openid": OpenId(OTHER_PAYER)}, "openid"),
    ({"sub_appid": AppId(OFFICIAL)}, "sub_appid"),
    ({"expires_in_s": 60}, "expires_in"),
    ({"attach": "x"}, "attach"),
    ({"metadata": {}}, "metadata"),
    ({"profit_sharing": True}, "profit_sharing"),
)


async def test_O04_other_content_under_the_same_number_is_refused_by_field(till: Till) -> None:
    first = await till.placed()
    for changes, field in OTHER_CONTENT:
        with pytest.raises(IdempotencyConflict) as conflict:
            await till.placed(**changes)
        assert [fault.pointer for fault in conflict.value.faults] == [f"#/{field}"]
        assert conflict.value.extra == {"order_id": first.id}
    assert await till.order(first.id) == first


async def test_O05_two_tenants_may_use_the_same_number(till: Till) -> None:
    one, other = await till.placed("1"), await till.placed("1", tenant=1)
    assert one.id != other.id
    assert one.out_trade_no != other.out_trade_no
    assert len(till.wechat.books) == 2


async def test_a_call_that_is_still_running_is_waited_for(till: Till) -> None:
    async def repeat_meanwhile() -> None:
        running = asyncio.create_task(till.orders.place(till.caller, wanted(), peer=PEER))
        await asyncio.sleep(0.05)
        repeats.append(running)

    repeats: list[asyncio.Task[Any]] = []
    till.wechat.before_answer["unifiedorder"] = repeat_meanwhile
    first = await till.orders.place(till.caller, wanted(), peer=PEER)
    again = await repeats[0]
    assert (first.outcome, again.outcome) == ("created", "repeated")
    assert till.pauses.slept_s > 0


async def test_a_call_that_runs_too_long_is_in_progress_with_retry_after(till: Till) -> None:
    caught: list[InProgress] = []

    async def repeat_meanwhile() -> None:
        with pytest.raises(InProgress) as busy:
            await till.orders.place(till.caller, wanted(), peer=PEER)
        caught.append(busy.value)

    till.wechat.before_answer["unifiedorder"] = repeat_meanwhile
    await till.placed()
    assert caught[0].retry_after_s == 1
    assert till.pauses.slept_s == pytest.approx(2)


@pytest.mark.parametrize("state", ["paid", "closed", "expired"])
async def test_a_repeat_of_an_order_that_is_over_is_a_conflict_with_the_order(till: Till, state: str) -> None:
    order = await till.placed()
    if state == "paid":
        assert (await till.tell(await till.paid_body(order))).settled
    elif state == "closed":
        till.clock.advance(minutes=6)
        await till.orders.close(till.scope, order.id, till.caller.actor)
    else:
        till.clock.advance(minutes=30)
    with pytest.raises(OrderStateConflict) as conflict:
        await till.placed()
    assert conflict.value.extra["order"]["id"] == order.id
    assert till.wechat.calls["unifiedorder"] == 1


def key_for(no: str, key: str = "k1") -> IdempotencyKey:
    return IdempotencyKey("POST /v1/orders", key, f"hash of {no}")


async def test_an_idempotency_key_replays_even_a_paid_order(till: Till) -> None:
    first = await till.orders.place(till.caller, wanted(), peer=PEER, key=key_for("T1"))
    await till.tell(await till.paid_body(first.order))
    again = await till.orders.place(till.caller, wanted(), peer=PEER, key=key_for("T1"))
    assert again.replayed
    assert again.outcome == "created"
    assert again.order.status is OrderStatus.PAID
    assert again.pay_params is None


async def test_an_idempotency_key_with_another_body_is_refused(till: Till) -> None:
    await till.orders.place(till.caller, wanted(), peer=PEER, key=key_for("T1"))
    with pytest.raises(IdempotencyConflict) as conflict:
        await till.orders.place(till.caller, wanted("T2"), peer=PEER, key=key_for("T2"))
    assert conflict.value.faults[0].pointer == "Idempotency-Key"
    assert await all_orders(till) == 1


async def test_an_idempotency_key_makes_a_mini_program_order_once(till: Till) -> None:
    key = IdempotencyKey("POST /v1/mini/orders", "k", "h")
    placed = [
        await till.orders.place_priced(till.payer(), PricedOrder("latte", 2), peer=PEER, key=key)
        for _ in range(2)
    ]
    assert placed[0].order.id == placed[1].order.id
    assert placed[0].order.amount == Fen(2560)
    assert placed[1].replayed


async def test_an_idempotency_key_of_another_tenant_is_another_key(till: Till) -> None:
    placed = [
        await till.orders.place(caller, wanted(), peer=PEER, key=key_for("T1")) for caller in till.callers
    ]
    assert placed[0].order.id != placed[1].order.id
    assert not placed[1].replayed


# --- who and what is refused -------------------------------------------------------------------------------


CANNOT_WORK: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"sub_appid": AppId("wx" + "0" * 16)}, "#/sub_appid", "not_bound"),  # O06
    ({"sub_appid": AppId(APP)}, "#/sub_appid", "kind_not_allowed"),  # S1-20
    ({"sub_appid": None}, "#/sub_appid", "missing"),
    ({"trade_type": TradeType.NATIVE}, "#/openid", "not_allowed"),
    ({"description": "咖" * 43}, "#/description", "invalid_value"),  # O11
    ({"description": "☕😀"}, "#/description", "invalid_value"),
)


async def test_O06_O11_S1_20_what_cannot_work_is_refused_by_field_and_nothing_is_stored(till: Till) -> None:
    for changes, pointer, code in CANNOT_WORK:
        with pytest.raises(InvalidInput) as refusal:
            await till.placed(**changes)
        assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [(pointer, code)]
    assert await all_orders(till) == 0
    assert not till.wechat.numbers


async def test_a_disabled_binding_takes_no_orders(till: Till) -> None:
    bindings = table_of(AppBinding)
    async with till.database.write(till.scope) as session:
        mine = (bindings.c.tenant_id == till.scope.tenant_id, bindings.c.sub_appid == MINI)
        await session.execute(update(bindings).where(*mine).values(status="disabled"))
    with pytest.raises(BindingNotVerified):
        await till.placed()
    assert await all_orders(till) == 0


async def test_O13_a_tenant_that_is_not_live_or_a_suspended_provider_takes_no_orders(till: Till) -> None:
    asleep = replace(till.caller, tenant=replace(till.caller.tenant, status="suspended"))
    with pytest.raises(TenantNotLive):
        await till.orders.place(asleep, wanted(), peer=PEER)
    barred = replace(till.caller, provider=replace(till.caller.provider, status="suspended"))
    with pytest.raises(Forbidden):
        await till.orders.place(barred, wanted(), peer=PEER)


# --- what WeChat may answer --------------------------------------------------------------------------------


async def test_G02_G03_G05_an_unclear_answer_leaves_the_order_submitting(till: Till) -> None:
    for fault in ("lost", "timeout", "system_error", "bad_signature", "not_sent"):
        till.wechat.fail("unifiedorder", fault)
        placed = await till.orders.place(till.caller, wanted(fault), peer=PEER)
        assert placed.outcome == "unknown", fault
        assert placed.order.status is OrderStatus.SUBMITTING
        assert placed.pay_params is None
        sent = len(till.wechat.numbers)
        again = await till.orders.place(till.caller, wanted(fault), peer=PEER)
        assert again.outcome == "unknown"
        assert len(till.wechat.numbers) == sent  # the repeat sent nothing, least of all a second number


async def test_G02_an_order_that_took_effect_unseen_is_found_and_finished_under_its_number(
    till: Till,
) -> None:
    till.wechat.fail("unifiedorder", "timeout")
    order = await till.placed()
    await till.run_healing(times=1, seconds=3)
    healed = await till.order(order.id)
    assert healed.status is OrderStatus.PENDING
    assert set(till.wechat.numbers) == {order.out_trade_no}


async def test_P5_a_definitive_refusal_fails_once_a_query_agrees(till: Till) -> None:
    till.wechat.fail("unifiedorder", "refuse:PARAM_ERROR")
    with pytest.raises(WechatRejected) as rejected:
        await till.placed()
    assert rejected.value.extra["wechat"]["code"] == "PARAM_ERROR"
    assert till.wechat.calls["orderquery"] == 1
    order = await till.order(rejected.value.extra["order_id"])
    assert order.status is OrderStatus.FAILED
    assert [event.type for event in await till.events()] == ["order.failed"]


async def test_P5_a_refusal_without_a_confirming_query_is_not_final(till: Till) -> None:
    till.wechat.fail("unifiedorder", "refuse:PARAM_ERROR")
    till.wechat.fail("orderquery", "timeout")
    placed = await till.orders.place(till.caller, wanted(), peer=PEER)
    assert placed.outcome == "unknown"
    await till.run_healing(times=1, seconds=10)
    assert (await till.order(placed.order.id)).status is OrderStatus.FAILED


async def test_P5_an_unsigned_refusal_never_fails_an_order(till: Till) -> None:
    till.wechat.fail("unifiedorder", "refuse_unsigned:sub_mch_id与sub_appid不匹配")
    placed = await till.orders.place(till.caller, wanted(), peer=PEER)
    assert placed.outcome == "unknown"
    assert placed.order.failure is not None
    assert "sub_appid" in placed.order.failure["message"]
    await till.run_healing(times=1, seconds=10)
    assert till.wechat.calls["orderquery"] == 1
    assert (await till.order(placed.order.id)).status is OrderStatus.SUBMITTING


async def test_Z01_a_payment_notified_before_the_answer_stays_paid(till: Till) -> None:
    async def pay_and_notify() -> None:
        number = till.wechat.numbers[-1]
        till.wechat.pay(number, till.clock.now())
        answer = await till.tell(till.wechat.notification(number, await till.signing_key()))
        assert answer.settled

    till.wechat.before_answer["unifiedorder"] = pay_and_notify
    placed = await till.orders.place(till.caller, wanted(), peer=PEER)
    assert placed.order.status is OrderStatus.PAID
    assert placed.pay_params is None
    assert (await till.order(placed.order.id)).status is OrderStatus.PAID


async def test_O09_P7_an_old_prepay_id_is_renewed_with_the_same_number_and_parameters(till: Till) -> None:
    first = await till.orders.place(till.caller, wanted(expires_in_s=86_400), peer=PEER)
    till.clock.advance(hours=2)
    again = await till.orders.place(till.caller, wanted(expires_in_s=86_400), peer=PEER)
    assert first.pay_params is not None
    assert again.pay_params is not None
    assert again.pay_params["package"] != first.pay_params["package"]
    assert till.wechat.numbers == [first.order.out_trade_no] * 2
    assert len(till.wechat.books) == 1


async def test_P7_without_a_clear_answer_nothing_is_signed(till: Till) -> None:
    order = await till.placed(expires_in_s=86_400)
    till.clock.advance(hours=3)
    for fault in ("timeout", "bad_signature"):
        till.wechat.fail("unifiedorder", fault)
        with pytest.raises(WechatUnavailable):
            await till.placed(expires_in_s=86_400)
    assert (await till.order(order.id)).status is OrderStatus.PENDING


async def test_P7_renewing_an_order_that_was_paid_unseen_finds_the_money(till: Till) -> None:
    order = await till.placed(expires_in_s=86_400)
    assert order.out_trade_no is not None
    till.wechat.pay(order.out_trade_no, till.clock.now())
    till.clock.advance(hours=3)
    with pytest.raises(OrderStateConflict) as conflict:
        await till.placed(expires_in_s=86_400)
    assert conflict.value.order.status is OrderStatus.PAID
    assert conflict.value.order.paid_by == "query"


async def test_a_number_wechat_closed_by_itself_is_closed_here_too(till: Till) -> None:
    order = await till.placed(expires_in_s=86_400)
    assert order.out_trade_no is not None
    till.wechat.books[order.out_trade_no].state = TradeState.CLOSED
    till.clock.advance(hours=3)
    with pytest.raises(OrderStateConflict):
        await till.placed(expires_in_s=86_400)
    assert (await till.order(order.id)).status is OrderStatus.CLOSED


# --- mini-programs -----------------------------------------------------------------------------------------


async def test_O07_the_first_payer_is_bound_and_for_others_the_order_does_not_exist(till: Till) -> None:
    created = await till.placed(openid=None)
    assert created.status is OrderStatus.CREATED
    assert not till.wechat.numbers
    paying = await till.orders.pay(till.payer(), created.id, peer=PEER)
    assert paying.pay_params is not None
    assert paying.order.openid == PAYER
    with pytest.raises(NotFound):
        await till.orders.pay(till.payer(OTHER_PAYER), created.id, peer=PEER)
    with pytest.raises(NotFound):
        await till.orders.await_outcome(till.payer(OTHER_PAYER), created.id, 0)


async def test_O07_two_payers_at_once_bind_one(till: Till) -> None:
    created = await till.placed(openid=None)
    payers = [till.payer(f"oPayer{place:022d}") for place in range(10)]
    results = await asyncio.gather(
        *(till.orders.pay(payer, created.id, peer=PEER) for payer in payers), return_exceptions=True
    )
    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert all(isinstance(result, NotFound) for result in results if isinstance(result, BaseException))
    assert len(till.wechat.books) == 1


async def test_T_another_tenants_payer_sees_nothing(till: Till) -> None:
    created = await till.placed()
    with pytest.raises(NotFound):
        await till.orders.pay(till.payer(tenant=1), created.id, peer=PEER)


async def test_a_payer_of_another_app_sees_nothing(till: Till) -> None:
    created = await till.placed(openid=None)
    with pytest.raises(NotFound):
        await till.orders.pay(replace(till.payer(), sub_appid=OFFICIAL), created.id, peer=PEER)


async def test_O01_the_price_list_decides_what_a_mini_program_pays(till: Till) -> None:
    placed = await till.orders.place_priced(till.payer(), PricedOrder("latte", 3), peer=PEER)
    assert placed.order.amount == Fen(3840)
    assert placed.order.source == "miniprogram"
    assert placed.pay_params is not None
    with pytest.raises(InvalidInput):
        await till.orders.place_priced(till.payer(), PricedOrder("mocha", 1), peer=PEER)
    with pytest.raises(InvalidInput):
        await till.orders.place_priced(till.payer(), PricedOrder("latte", 21), peer=PEER)


async def test_T1_waiting_for_the_outcome_asks_wechat_and_not_the_client(till: Till) -> None:
    order = await till.placed()
    assert (await till.orders.await_outcome(till.payer(), order.id, 1)).status is OrderStatus.PENDING
    assert order.out_trade_no is not None
    till.wechat.pay(order.out_trade_no, till.clock.now())
    till.clock.advance(seconds=3)
    assert (await till.orders.await_outcome(till.payer(), order.id, 5)).status is OrderStatus.PAID
