"""The figures of the analysis, by hand and on both databases (console-and-api-design section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update
from tests.conftest import HeldClock
from tests.support.house import House, build_house
from tests.support.journal_rows import add_notification
from tests.support.order_history import add_order, change_order, pay
from tests.support.shop_money import add_anomaly, add_refund

from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.ids import new_id
from spcore.providers.models import ProviderKey
from sptenants.analytics.attention import attention
from sptenants.analytics.cuts import Cut
from sptenants.analytics.delays import notify_delays, percentile
from sptenants.analytics.deliveries import endpoint_records
from sptenants.analytics.failures import failure_reasons
from sptenants.analytics.money_back import large_refunds
from sptenants.analytics.queues import queues
from sptenants.analytics.ranking import provider_totals, tenant_ranking
from sptenants.analytics.refused import RefusedResult, refused_by_day, refused_notifications, strays
from sptenants.orders.disputes import AnomalyKind
from sptenants.orders.heals import Wrong, record_heal
from sptenants.orders.summing import Summing
from sptenants.orders.sums import DAY, Part, day_of
from sptenants.registry.models import Tenant

EVERYBODY = PlatformScope("test")


@pytest.fixture
async def houses(database: Database) -> Sequence[House]:
    return [await build_house(database, number=1), await build_house(database, number=2, tenants=1)]


def cut_of(scope: Any, clock: HeldClock, days: int = 14, part: Part | None = None) -> Cut:
    today = day_of(clock.now())
    return Cut(scope, today - (days - 1) * DAY, today, part or Part())


async def test_reasons_of_failure_are_counted_by_code_most_frequent_first(
    database: Database, clock: HeldClock, houses: Sequence[House]
) -> None:
    mine, theirs = houses[0].tenants[0], houses[1].tenants[0]
    noauth = {"api": "unifiedorder", "code": "NOAUTH", "message": "商户无此接口权限"}
    unbound = {"api": "unifiedorder", "code": "APPID_MCHID_NOT_MATCH", "message": "appid和mch_id不匹配"}
    for tenant, failure in ((mine, noauth), (mine, noauth), (mine, unbound), (theirs, unbound)):
        await add_order(database, tenant, clock.now(), status="failed", prepaid=False, failure=failure)
    await add_order(database, mine, clock.now() - 20 * DAY, status="failed", failure=noauth)

    async with database.read(houses[0].provider) as session:
        reasons = await failure_reasons(session, cut_of(houses[0].provider, clock))
        of_app = await failure_reasons(session, cut_of(houses[0].provider, clock, part=Part(sub_appid="wx0")))

    assert [(reason.code, reason.count) for reason in reasons] == [
        ("NOAUTH", 2),
        ("APPID_MCHID_NOT_MATCH", 1),
    ]
    assert reasons[0].meaning.zh
    assert reasons[0].meaning.zh != noauth["message"]
    assert of_app == ()


@pytest.mark.parametrize(
    ("values", "p50", "p95"),
    [
        pytest.param([], None, None, id="nothing"),
        pytest.param([7], 7, 7, id="one"),
        pytest.param([4, 1, 3, 2], 2, 4, id="four"),
        pytest.param(list(range(1, 101)), 50, 95, id="a hundred"),
    ],
)
def test_percentiles_are_values_that_were_there(values: list[int], p50: int | None, p95: int | None) -> None:
    assert percentile(values, 50) == p50
    assert percentile(values, 95) == p95


async def test_delays_go_from_wechats_time_to_ours_and_heals_are_beside_them(
    database: Database, clock: HeldClock, houses: Sequence[House]
) -> None:
    tenant, now = houses[0].tenants[0], clock.now()
    for seconds in (1, 2, 9):
        order = await add_order(database, tenant, now - timedelta(minutes=1))
        await pay(database, order, now)
        await add_notification(
            database, tenant, now + timedelta(seconds=seconds), "processed", order_id=order.id
        )
    await add_notification(database, tenant, now, "duplicate", order_id=order.id)
    async with database.write(tenant) as session:
        await record_heal(
            session,
            tenant,
            order_id=order.id,
            wrong=Wrong.LOST_NOTIFICATION,
            before="pending",
            after="paid",
            since=now,
            now=now,
            queries=1,
        )

    async with database.read(EVERYBODY) as session:
        *before, today = await notify_delays(session, cut_of(EVERYBODY, clock, 3))

    assert (today.notified, today.p50_ms, today.p95_ms, today.healed) == (3, 2_000, 9_000, 1)
    assert [(day.notified, day.p50_ms, day.healed) for day in before] == [(0, None, 0)] * 2


async def test_a_tenant_that_changed_by_more_than_half_is_flagged(
    database: Database, clock: HeldClock, houses: Sequence[House]
) -> None:
    steady, jumping = houses[0].tenants
    yesterday = clock.now() - DAY
    for tenant, then in ((steady, 1_000), (jumping, 1_510)):
        for back in (0, 1, 2, 3, 4):
            amount = then if back == 0 else 1_000
            at = yesterday - back * 7 * DAY
            await pay(database, await add_order(database, tenant, at, amount=amount), at)
    summing = Summing(database, clock)
    while await summing.run():
        pass

    async with database.read(houses[0].provider) as session:
        ranked = await tenant_ranking(session, cut_of(houses[0].provider, clock), day_of(clock.now()))
    async with database.read(EVERYBODY) as session:
        totals = await provider_totals(session, cut_of(EVERYBODY, clock))

    assert [(row.tenant_id, row.change_percent, row.is_notable) for row in ranked] == [
        (jumping.tenant_id, 51, True),
        (steady.tenant_id, 0, False),
    ]
    assert [(total.id, total.sums.paid_count) for total in totals] == [
        (houses[0].provider.provider_id, 4),
        (houses[1].provider.provider_id, 0),
    ]


async def test_large_refunds_come_largest_first_and_refused_ones_do_not_count(
    database: Database, clock: HeldClock, houses: Sequence[House]
) -> None:
    tenant, now = houses[0].tenants[0], clock.now()
    order = await add_order(database, tenant, now, amount=90_000)
    await pay(database, order, now)
    small = await add_refund(database, tenant, order.id, 100, now)
    large = await add_refund(database, tenant, order.id, 5_000, now)
    await add_refund(database, tenant, order.id, 70_000, now, status="rejected")

    async with database.read(tenant) as session:
        found = await large_refunds(session, cut_of(tenant, clock))

    assert [(refund.id, refund.amount.value) for refund in found] == [(large, 5_000), (small, 100)]
    assert found[0].of.value == 90_000


async def test_Y4_everything_is_of_the_scope_alone(
    database: Database, clock: HeldClock, houses: Sequence[House]
) -> None:
    theirs, now = houses[1].tenants[0], clock.now()
    order = await add_order(database, theirs, now, status="failed", failure={"api": "a", "code": "C"})
    await pay(database, order, now)
    await add_refund(database, theirs, order.id, 100, now)
    await add_notification(database, theirs, now, "rejected")
    await add_anomaly(database, theirs, "late_payment", now, order_id=order.id)
    summing = Summing(database, clock)
    while await summing.run():
        pass

    for scope in (houses[0].provider, houses[0].tenants[0]):
        cut = cut_of(scope, clock, part=Part(tenant_id=theirs.tenant_id))
        async with database.read(scope) as session:
            assert await failure_reasons(session, cut) == ()
            assert await tenant_ranking(session, cut, day_of(now)) == ()
            assert await large_refunds(session, cut) == ()
            assert await endpoint_records(session, cut) == ()
            assert not await refused_by_day(session, cut)
            assert not (await refused_notifications(session, cut, None, 10)).rows
            assert (await attention(session, scope, now)).anomalies == {}


async def test_refused_notifications_are_listed_newest_first_and_counted_without_repeats(
    database: Database, clock: HeldClock, houses: Sequence[House]
) -> None:
    tenant, now = houses[0].tenants[0], clock.now()
    made = [
        await add_notification(database, tenant, now + timedelta(seconds=place), result)
        for place, result in enumerate(("rejected", "mismatch", "processed", "unmatched", "duplicate"))
    ]

    async with database.read(EVERYBODY) as session:
        cut = cut_of(EVERYBODY, clock, 2)
        first = await refused_notifications(session, cut, None, 3)
        rest = await refused_notifications(session, cut, None, 3, first.next_cursor)
        forged = await refused_notifications(session, cut, RefusedResult.REJECTED, 3)
        counted = await refused_by_day(session, cut)
        assert await strays(session) == ()

    assert [row.id for row in first.rows] == [made[4], made[3], made[1]]
    assert [row.id for row in rest.rows] == [made[0]]
    assert [row.id for row in forged.rows] == [made[0]]
    today = day_of(now)
    assert counted == {(today, "rejected"): 1, (today, "mismatch"): 1, (today, "unmatched"): 1}


async def test_what_waits_is_counted_and_what_is_over_is_not(
    database: Database, clock: HeldClock, houses: Sequence[House]
) -> None:
    provider, tenant, now = houses[0].provider, houses[0].tenants[0], clock.now()
    await add_order(database, tenant, now - timedelta(minutes=5), status="submitting")
    await add_order(database, tenant, now, status="submitting")
    await add_anomaly(database, tenant, "late_payment", now)
    await add_anomaly(database, tenant, "late_payment", now, settled_by="王敏", note="退款了")
    await _stuck(database, tenant, now - 4 * DAY)
    await _certificate(database, provider.provider_id, now, now + 10 * DAY)

    async with database.read(provider) as session:
        of_provider = await attention(session, provider, now)
    async with database.read(tenant) as session:
        of_merchant = await attention(session, tenant, now)

    assert (of_provider.unclear_orders, of_provider.stuck_tenants) == (1, 1)
    assert of_provider.anomalies == {AnomalyKind.LATE_PAYMENT: 1}
    assert [gone.label for gone in of_provider.expiring] == ["5157F09E"]
    assert (of_merchant.unclear_orders, of_merchant.stuck_tenants, of_merchant.expiring) == (1, 0, ())


async def test_queues_say_how_much_is_due_and_since_when(
    database: Database, clock: HeldClock, houses: Sequence[House]
) -> None:
    tenant, now = houses[0].tenants[0], clock.now()
    for seconds in (40, 5, -60):
        order = await add_order(database, tenant, now)
        await change_order(database, order, now, next_check_at=now - timedelta(seconds=seconds))

    async with database.read(EVERYBODY) as session:
        found = {queue.name: queue for queue in await queues(session, now)}

    assert (found["orders"].due, found["orders"].lag_s) == (2, 40)
    assert (found["outbox"].due, found["outbox"].lag_s) == (0, 0)


async def _stuck(database: Database, tenant: TenantScope, since: Any) -> None:
    tenants = table_of(Tenant)
    async with database.write(tenant) as session:
        await session.execute(
            update(tenants)
            .where(tenants.c.provider_id == tenant.provider_id, tenants.c.id == tenant.tenant_id)
            .values(status="onboarding", updated_at=since)
        )


async def _certificate(database: Database, provider_id: str, now: Any, not_after: Any) -> None:
    row = {
        "provider_id": provider_id,
        "kind": "client_certificate",
        "version": 1,
        "state": "active",
        "sealed": b"sealed",
        "fingerprint": new_id("fpr"),
        "label": "5157F09E",
        "not_after": not_after,
        "created_at": now,
    }
    async with database.write(ProviderScope(provider_id)) as session:
        await session.execute(insert(table_of(ProviderKey)), [row])
