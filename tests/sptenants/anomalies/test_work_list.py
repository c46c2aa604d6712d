"""Reading and settling the work list: who sees what, and what a person's word changes (Y3, Y4, A06)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from tests.support.till import FACTS, Till, add_provider
from tests.support.work_list import kinds_of, on_the_list, put_on_the_list

from spcore.audit.actor import Actor
from spcore.audit.models import AuditRow
from spcore.db.scope import PlatformScope, ProviderScope
from spcore.errors import InvalidInput, NotFound
from sptenants.anomalies.errors import AlreadyResolved
from sptenants.anomalies.records import AnomalyFilter, HealFilter
from sptenants.anomalies.service import Anomalies
from sptenants.anomalies.words import words_of
from sptenants.orders.disputes import AnomalyKind
from sptenants.orders.heals import Wrong
from sptenants.orders.timeline import ANOMALY_WORDS, WRONG_WORDS
from wechatpay.money import Fen

K = AnomalyKind
PERSON = Actor("person", "per_1", "李会计")
EVERYTHING = PlatformScope("test")


@pytest.fixture
def work_list(till: Till) -> Anomalies:
    return Anomalies(till.database, till.clock)


async def audited(till: Till) -> list[AuditRow]:
    async with till.database.read(ProviderScope(till.scope.provider_id)) as session:
        rows = await session.scalars(select(AuditRow).where(AuditRow.chain == till.scope.provider_id))
        return list(rows)


def test_every_kind_and_every_heal_has_words_in_both_languages() -> None:
    assert set(ANOMALY_WORDS) == set(K)
    assert set(WRONG_WORDS) == set(Wrong)
    for kind in K:
        words = words_of(kind)
        for text in (words.title, words.meaning, words.action):
            assert text.zh
            assert text.en
            assert text.zh != text.en


async def test_the_list_shows_order_merchant_and_amount_newest_first(
    till: Till, work_list: Anomalies
) -> None:
    order = await till.placed()
    await put_on_the_list(till, K.SILENT_CALLBACK, order_id=order.id)
    till.clock.advance(minutes=1)
    await put_on_the_list(till, K.DOUBLE_PAYMENT, order_id=order.id, amount=12700)
    till.clock.advance(minutes=1)
    await put_on_the_list(till, K.UNKNOWN_ORDER)
    page = await work_list.list(till.scope, AnomalyFilter(), 10)
    shown = [(row.kind, row.amount, row.merchant_order_no, row.tenant_name) for row in page.rows]
    name = till.caller.tenant.name
    assert shown == [
        (K.UNKNOWN_ORDER, None, None, name),
        (K.DOUBLE_PAYMENT, Fen(12700), "T1", name),
        (K.SILENT_CALLBACK, Fen(12800), "T1", name),
    ]


async def test_filters_narrow_by_kind_state_order_and_time(till: Till, work_list: Anomalies) -> None:
    order, start = await till.placed(), till.clock.now()
    await put_on_the_list(till, K.LATE_PAYMENT, order_id=order.id)
    till.clock.advance(minutes=1)
    await put_on_the_list(till, K.UNKNOWN_ORDER)
    (unknown,) = await on_the_list(till, kind=K.UNKNOWN_ORDER)
    await work_list.resolve(till.scope, unknown.id, PERSON, "已补录")
    cases: tuple[tuple[dict[str, Any], list[AnomalyKind]], ...] = (
        ({"state": "open"}, [K.LATE_PAYMENT]),
        ({"state": "resolved"}, [K.UNKNOWN_ORDER]),
        ({"order_id": order.id}, [K.LATE_PAYMENT]),
        ({"created_from": start + timedelta(seconds=1)}, [K.UNKNOWN_ORDER]),
        ({"created_to": start + timedelta(seconds=1)}, [K.LATE_PAYMENT]),
        ({"tenant_id": till.callers[1].tenant.id}, []),
    )
    for wanted, kinds in cases:
        assert [found.kind for found in await on_the_list(till, **wanted)] == kinds, wanted
    assert await work_list.open_counts(till.scope) == {K.LATE_PAYMENT: 1}


async def test_pages_follow_each_other_without_gap_or_repeat(till: Till, work_list: Anomalies) -> None:
    for number in range(5):
        await put_on_the_list(till, K.UNKNOWN_ORDER, f"m{number}")
    seen, cursor = [], None
    while True:
        page = await work_list.list(till.scope, AnomalyFilter(), 2, cursor)
        seen += [row.id for row in page.rows]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == [found.id for found in await on_the_list(till)]
    assert len(set(seen)) == 5


async def test_Y3_T01_each_sees_its_own_and_the_platform_sees_all(till: Till, work_list: Anomalies) -> None:
    till.callers += await add_provider(till, number=2)
    for tenant in range(3):
        await put_on_the_list(till, K.UNKNOWN_ORDER, tenant=tenant)
    own = [(await on_the_list(till, tenant=tenant))[0] for tenant in range(3)]
    assert [found.tenant_id for found in own] == [caller.tenant.id for caller in till.callers]
    theirs = ProviderScope(till.scope.provider_id)
    listed = await work_list.list(theirs, AnomalyFilter(), 10)
    assert {row.tenant_id for row in listed.rows} == {found.tenant_id for found in own[:2]}
    assert len((await work_list.list(EVERYTHING, AnomalyFilter(), 10)).rows) == 3
    assert (await work_list.open_counts(theirs), await work_list.open_counts(EVERYTHING)) == (
        {K.UNKNOWN_ORDER: 2},
        {K.UNKNOWN_ORDER: 3},
    )
    assert await work_list.open_counts(theirs, till.scope.tenant_id) == {K.UNKNOWN_ORDER: 1}
    for scope, foreign in ((till.scope, own[1]), (till.scope, own[2]), (theirs, own[2])):
        with pytest.raises(NotFound):
            await work_list.record(scope, foreign.id)
        with pytest.raises(NotFound):
            await work_list.resolve(scope, foreign.id, PERSON, "不是我的")
    assert {found.state for tenant in range(3) for found in await on_the_list(till, tenant=tenant)} == {
        "open"
    }


@pytest.mark.parametrize("of", ["tenant", "provider"])
async def test_A06_resolving_is_audited_told_on_the_timeline_and_clears_the_flag(
    till: Till, work_list: Anomalies, of: str
) -> None:
    order = await till.placed()
    await till.tell(await till.paid_body(order, amount=1))
    (found,) = await on_the_list(till)
    scope = till.scope if of == "tenant" else ProviderScope(till.scope.provider_id)
    resolved = await work_list.resolve(scope, found.id, PERSON, "  已在微信侧退款 ", FACTS)
    assert (resolved.state, resolved.resolved_by, resolved.note) == ("resolved", "李会计", "已在微信侧退款")
    assert resolved.resolved_at == till.clock.now()
    assert (await till.order(order.id)).anomaly is None
    newest = (await till.detail(order.id)).timeline[0]
    assert (newest.kind, newest.group, newest.title.zh) == ("anomaly.resolved", "manual", "已核实：金额不符")
    (row,) = await audited(till)
    assert (row.action, row.object_id, row.reason, row.actor_name, row.tenant_id, row.request_id) == (
        "anomaly.resolved",
        found.id,
        "已在微信侧退款",
        "李会计",
        till.scope.tenant_id,
        "req_1",
    )


async def test_a_note_is_required_and_bounded(till: Till, work_list: Anomalies) -> None:
    await put_on_the_list(till, K.UNKNOWN_ORDER)
    (found,) = await on_the_list(till)
    for note in ("", "   ", "长" * 501, "a\0b"):
        with pytest.raises(InvalidInput):
            await work_list.resolve(till.scope, found.id, PERSON, note)
    assert await kinds_of(till) == [("unknown_order", "open")]
    assert (await work_list.resolve(till.scope, found.id, PERSON, "长" * 500)).note == "长" * 500


async def test_of_five_who_resolve_at_once_one_did_it(till: Till, work_list: Anomalies) -> None:
    await put_on_the_list(till, K.UNKNOWN_ORDER)
    (found,) = await on_the_list(till)
    answers = await asyncio.gather(
        *(work_list.resolve(till.scope, found.id, PERSON, f"第 {n} 人") for n in range(5)),
        return_exceptions=True,
    )
    refused = [answer for answer in answers if isinstance(answer, AlreadyResolved)]
    assert len(refused) == 4
    assert {answer.extra["anomaly"]["state"] for answer in refused} == {"resolved"}
    assert len(await audited(till)) == 1


async def test_the_heal_log_can_be_read_by_kind_order_time_and_page(till: Till, work_list: Anomalies) -> None:
    orders = [await till.placed(f"T{number}") for number in range(3)]
    for order in orders:
        till.wechat.pay(order.out_trade_no or "", till.clock.now())
    await till.run_healing(times=1, seconds=61)
    first = await work_list.heals(till.scope, HealFilter(), 2)
    rest = await work_list.heals(till.scope, HealFilter(), 2, first.next_cursor)
    assert {row.order_id for row in (*first.rows, *rest.rows)} == {order.id for order in orders}
    assert rest.next_cursor is None
    one = await work_list.heals(till.scope, HealFilter(order_id=orders[0].id), 10)
    assert [row.order_id for row in one.rows] == [orders[0].id]
    assert (await work_list.heals(till.scope, HealFilter(wrong=Wrong.LOST_ANSWER), 10)).rows == []
    later = HealFilter(created_from=till.clock.now() + timedelta(seconds=1))
    assert (await work_list.heals(till.scope, later, 10)).rows == []
    assert (await work_list.heals(till.callers[1].scope, HealFilter(), 10)).rows == []
    assert len((await work_list.heals(ProviderScope(till.scope.provider_id), HealFilter(), 10)).rows) == 3
