"""Read models: scopes never leak, pages are stable, figures follow the filter, the timeline is in words."""

from __future__ import annotations

import json

import pytest
from tests.support.fake_wechat import PAYER
from tests.support.till import PEER, Till, add_provider, wanted

from spcore.audit.actor import Actor
from spcore.db.scope import PlatformScope, ProviderScope
from spcore.errors import NotFound
from sptenants.orders import figures
from sptenants.orders.figures import Count
from sptenants.orders.filters import OrderFilter, Tab
from sptenants.orders.summing import Summing
from wechatpay.gateway import TradeState, TradeType
from wechatpay.money import Fen

PLATFORM = PlatformScope("test")


async def test_T_each_scope_sees_its_own_orders_and_no_others(till: Till) -> None:
    till.callers += await add_provider(till, number=2, key="x" * 32)
    native = {"trade_type": TradeType.NATIVE, "sub_appid": None, "openid": None}
    for tenant in range(3):
        await till.placed("same", tenant=tenant, **native)
    for tenant, caller in enumerate(till.callers):
        (row,) = (await till.reader.list(caller.scope, OrderFilter(), 10)).rows
        assert row.order.tenant_id == caller.tenant.id
        for other in range(3):
            if other != tenant:
                with pytest.raises(NotFound):
                    await till.reader.detail(till.callers[other].scope, row.id)
    provider = ProviderScope(till.scope.provider_id)
    assert len((await till.reader.list(provider, OrderFilter(), 10)).rows) == 2
    everywhere = (await till.reader.list(PLATFORM, OrderFilter(), 10)).rows
    assert len(everywhere) == 3
    assert {row.provider_name for row in everywhere} == {"服务商 1", "服务商 2"}
    assert await till.reader.detail(PLATFORM, everywhere[0].id)
    foreign = OrderFilter(tenant_id=till.callers[2].tenant.id)
    assert (await till.reader.list(provider, foreign, 10)).rows == []


async def test_pages_go_from_new_to_old_without_gaps(till: Till) -> None:
    made = []
    for number in range(5):
        till.clock.advance(seconds=1)
        made.append((await till.placed(f"T{number}")).id)
    seen: list[str] = []
    cursor = None
    while True:
        page = await till.reader.list(till.scope, OrderFilter(), 2, cursor)
        seen += [row.id for row in page.rows]
        cursor = page.next_cursor
        if not page.has_more:
            break
    assert seen == made[::-1]


async def test_any_number_of_an_order_finds_it_exactly(till: Till) -> None:
    order = await till.placed("T1")
    await till.placed("T2")
    await till.tell(await till.paid_body(order))
    paid = await till.order(order.id)
    for number in (paid.id, paid.merchant_order_no, paid.out_trade_no, paid.transaction_id):
        found = await till.reader.list(till.scope, OrderFilter(number=number), 10)
        assert [row.id for row in found.rows] == [order.id]
    assert not (await till.reader.list(till.scope, OrderFilter(number="T"), 10)).rows


async def test_filters_narrow_by_time_and_amount(till: Till) -> None:
    first = await till.placed("T1", amount=Fen(100))
    till.clock.advance(minutes=1)
    second = await till.placed("T2", amount=Fen(200))
    at = second.created_at
    cases = {
        OrderFilter(created_from=at): [second.id],
        OrderFilter(created_to=at): [first.id],
        OrderFilter(amount_from=101): [second.id],
        OrderFilter(amount_to=100): [first.id],
        OrderFilter(merchant_order_no="T1"): [first.id],
        OrderFilter(sub_appid="wx" + "0" * 16): [],
    }
    for wanted_, ids in cases.items():
        assert [row.id for row in (await till.reader.list(till.scope, wanted_, 10)).rows] == ids, wanted_


async def test_tabs_and_figures_count_what_the_filter_shows(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = await till.placed("paid")
    await till.tell(await till.paid_body(paid))
    await till.placed("unpaid")
    wrong = await till.placed("wrong")
    await till.tell(await till.paid_body(wrong, amount=1))
    till.wechat.fail("unifiedorder", "lost")
    await till.placed("unclear")
    till.clock.advance(minutes=31)
    counts = await till.reader.tabs(till.scope, OrderFilter(tab=Tab.PAID))
    assert {tab: count.value for tab, count in counts.items()} == {
        Tab.ALL: 4,
        Tab.PAID: 1,
        Tab.UNPAID: 3,
        Tab.REFUNDED: 0,
        Tab.CLOSED: 0,
        Tab.ATTENTION: 2,
    }
    strip = await till.reader.figures(till.scope, OrderFilter())
    assert (strip.paid_amount, strip.paid_count, strip.attention) == (Fen(12800), 1, 2)
    assert (strip.paid_of, strip.success_per_10000) == (3, 3333)
    assert (await till.reader.figures(till.scope, OrderFilter(number="none"))).success_per_10000 is None
    monkeypatch.setattr(figures, "COUNT_CAP", 2)
    capped = await till.reader.tabs(till.scope, OrderFilter())
    assert capped[Tab.ALL] == Count(2, capped=True)
    await Summing(till.database, till.clock).run(100)
    known = await till.reader.tabs(till.scope, OrderFilter())
    assert known[Tab.ALL] == Count(4, capped=False, about=True)
    assert known[Tab.UNPAID] == Count(3, capped=False, about=True)
    assert known[Tab.PAID] == Count(1, capped=False)


async def test_what_the_sums_know_to_be_many_is_not_counted_again(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("COUNT_CAP", "LIVE_CAP"):
        monkeypatch.setattr(figures, limit, 1)
    for number in range(2):
        await till.tell(await till.paid_body(await till.placed(f"paid{number}")))
    late = await till.placed("late")
    till.clock.advance(minutes=6)
    await till.orders.close(till.scope, late.id, Actor("person", "per_1", "王敏"))
    assert late.out_trade_no is not None
    till.wechat.books[late.out_trade_no].state = TradeState.NOTPAY
    await till.tell(await till.paid_body(late))
    till.clock.advance(minutes=31)
    summing = Summing(till.database, till.clock)
    while await summing.run():
        pass
    summed_at = till.clock.now()
    till.clock.advance(seconds=30)
    for number in range(2):
        await till.placed(f"unpaid{number}")

    counts = await till.reader.tabs(till.scope, OrderFilter())
    assert counts[Tab.ALL] == Count(3, capped=False, about=True)
    assert counts[Tab.PAID] == Count(3, capped=False, about=True)
    # Work to be done is counted as it is, and sums that know of less are no upper limit.
    assert counts[Tab.UNPAID] == Count(1, capped=False, about=True)
    assert counts[Tab.ATTENTION] == Count(1, capped=False)

    paid = await till.reader.figures(till.scope, OrderFilter(tab=Tab.PAID))
    assert (paid.paid_count, paid.paid_amount, paid.as_of) == (3, Fen(3 * 12800), summed_at)
    assert (paid.paid_of, paid.success_per_10000, paid.attention) == (3, 10_000, 1)
    unpaid = await till.reader.figures(till.scope, OrderFilter(tab=Tab.UNPAID))
    assert (unpaid.paid_count, unpaid.attention, unpaid.as_of) == (0, 0, None)


async def test_a_filter_that_no_index_knows_counts_among_the_newest_orders(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid = await till.placed("paid")
    await till.tell(await till.paid_body(paid))
    wrong = await till.placed("wrong")
    await till.tell(await till.paid_body(wrong, amount=1))
    for number in range(3):
        till.clock.advance(seconds=1)
        await till.placed(f"cheap{number}", amount=Fen(100))
    dear = OrderFilter(amount_from=12800)
    counts = await till.reader.tabs(till.scope, dear)
    assert list(counts) == list(Tab)
    assert {tab: count.value for tab, count in counts.items() if count.value} == {
        Tab.ALL: 2,
        Tab.PAID: 1,
        Tab.UNPAID: 1,
        Tab.ATTENTION: 1,
    }
    assert not any(count.capped for count in counts.values())
    assert not (await till.reader.figures(till.scope, dear)).newest
    monkeypatch.setattr(figures, "LOOKS_AT", 3)
    counts = await till.reader.tabs(till.scope, dear)
    # The paid one is the oldest and no longer looked at; what is wrong is found whatever its age.
    assert (counts[Tab.ALL], counts[Tab.PAID]) == (Count(1, capped=True), Count(0, capped=True))
    assert counts[Tab.ATTENTION] == Count(1, capped=False)
    strip = await till.reader.figures(till.scope, dear)
    assert (strip.paid_count, strip.newest) == (0, True)


async def test_the_success_rate_leaves_out_orders_younger_than_half_an_hour(till: Till) -> None:
    await till.placed("young")
    assert (await till.reader.figures(till.scope, OrderFilter())).paid_of == 0
    till.clock.advance(minutes=30)
    assert (await till.reader.figures(till.scope, OrderFilter())).paid_of == 1


async def test_S1_27_the_timeline_tells_the_whole_story_in_both_languages(till: Till) -> None:
    placed = await till.orders.place(till.caller, wanted(), peer=PEER)
    till.clock.advance(seconds=5)
    await till.orders.sync(till.scope, placed.order.id, Actor("person", "per_1", "王敏"))
    till.clock.advance(seconds=5)
    body = await till.paid_body(placed.order)
    await till.tell(body)
    detail = await till.detail(placed.order.id)
    assert [entry.kind for entry in detail.timeline] == [
        "order.status_changed",
        "notify.received",
        "operator.action",
        "pay_params.issued",
        "order.status_changed",
        "gateway.call",
        "order.created",
    ]
    assert {entry.group for entry in detail.timeline} == {"order", "notify", "manual", "gateway"}
    titles = [entry.title.zh for entry in detail.timeline]
    assert titles[0] == "状态变更：待支付 → 支付成功"
    assert titles[5] == "调用微信下单 · HTTP 200 · 12 ms"
    assert detail.timeline[2].title.en == "王敏 asked WeChat"
    assert all(entry.title.zh and entry.title.en for entry in detail.timeline)


async def test_C6a_no_signature_key_or_whole_openid_is_in_what_people_see(till: Till) -> None:
    placed = await till.orders.place(till.caller, wanted(), peer=PEER)
    await till.tell(await till.paid_body(placed.order))
    detail = await till.detail(placed.order.id)
    shown = json.dumps([[entry.title.zh, entry.meta.zh, entry.raw] for entry in detail.timeline])
    assert placed.pay_params is not None
    (message,) = await till.journal()
    sign = message.body.split(b"<sign><![CDATA[")[1].split(b"]]")[0].decode()
    for secret in (PAYER, placed.pay_params["paySign"], sign):
        assert secret not in shown
    assert "oUpF8****eS6o" in shown
    assert PAYER not in repr(detail.order)


async def test_an_order_whose_creation_is_unclear_for_a_minute_needs_attention(till: Till) -> None:
    till.wechat.fail("unifiedorder", "timeout")
    order = await till.placed()
    assert not (await till.detail(order.id)).attention
    till.clock.advance(seconds=61)
    assert (await till.detail(order.id)).attention
