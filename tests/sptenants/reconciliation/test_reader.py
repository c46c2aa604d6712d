"""Who sees which differences and statements, by which filters and in which order (Y3, Y4, L05, T01, T02)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.support.statement_rows import DAY, add_bill, add_difference, add_statement, provider_of
from tests.support.till import Till, add_provider, build_till

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope
from spcore.errors import InvalidInput, NotFound
from sptenants.reconciliation.reader import DifferenceReader, ReadScope, StatementReader
from sptenants.reconciliation.records import DifferenceFilter, StatementFilter
from sptenants.reconciliation.states import (
    DifferenceDetail,
    DifferenceKind,
    DifferenceState,
    StatementState,
)

D = DifferenceDetail
EVERYTHING = PlatformScope("test")
YESTERDAY = DAY - timedelta(days=1)


@pytest.fixture
async def till(database: Database, clock: Clock) -> Till:
    made = await build_till(database, clock)
    made.callers += await add_provider(made, number=2)
    return made


async def listed(till: Till, scope: ReadScope, **wanted: Any) -> list[str]:
    page = await DifferenceReader(till.database).list(scope, DifferenceFilter(**wanted), 100)
    return [row.id for row in page.rows]


async def test_L05_nobodys_lines_are_the_providers_and_never_a_tenants(till: Till) -> None:
    ours, theirs = await add_bill(till), await add_bill(till, tenant=2)
    own = await add_difference(till, ours)
    neighbours = await add_difference(till, ours, tenant=1)
    stray = await add_difference(till, ours, D.OTHER_PROVIDER, tenant=None, ours=None)
    other_tenants = await add_difference(till, ours, D.OTHER_TENANT, tenant=None)
    foreign = await add_difference(till, theirs, tenant=2)
    strange = await add_difference(till, theirs, D.UNKNOWN_SUB_MERCHANT, tenant=None, at=2)
    reader = DifferenceReader(till.database)
    assert await listed(till, till.scope) == [own]
    assert await listed(till, till.callers[1].scope) == [neighbours]
    assert await listed(till, provider_of(till)) == [other_tenants, stray, neighbours, own]
    assert await listed(till, provider_of(till, 2)) == [strange, foreign]
    assert len(await listed(till, EVERYTHING)) == 6
    counts = [await reader.open_count(scope) for scope in (till.scope, provider_of(till), EVERYTHING)]
    assert counts == [1, 4, 6]
    for scope, hidden in (
        (till.scope, stray),
        (till.scope, other_tenants),
        (till.scope, neighbours),
        (provider_of(till), foreign),
        (provider_of(till), strange),
    ):
        with pytest.raises(NotFound):
            await reader.record(scope, hidden)
    shown = await reader.record(provider_of(till), stray)
    assert (shown.tenant_id, shown.tenant_name, shown.detail) == (None, None, D.OTHER_PROVIDER)


async def test_filters_narrow_by_state_kind_tenant_number_order_and_day(till: Till) -> None:
    bill = await add_bill(till)
    order = await till.placed()
    fee = await add_difference(till, bill, D.FEE, tenant=1, out_trade_no="N1", state="resolved")
    amount = await add_difference(till, bill, out_trade_no="N2", order_id=order.id)
    refund = await add_difference(till, bill, D.REFUND_ABSENT, out_trade_no="N2", out_refund_no="R1")
    before = await add_difference(till, bill, transaction_id="4200", day=YESTERDAY)
    cases: tuple[tuple[dict[str, Any], list[str]], ...] = (
        ({"state": DifferenceState.OPEN}, [before, refund, amount]),
        ({"state": DifferenceState.RESOLVED}, [fee]),
        ({"kind": DifferenceKind.REFUND}, [refund]),
        ({"tenant_id": till.callers[1].tenant.id}, [fee]),
        ({"order_id": order.id}, [amount]),
        ({"number": "N2"}, [refund, amount]),
        ({"number": "R1"}, [refund]),
        ({"number": "4200"}, [before]),
        ({"number": "N"}, []),
        ({"first": DAY}, [refund, amount, fee]),
        ({"last": YESTERDAY}, [before]),
        ({"provider_id": till.callers[2].scope.provider_id}, []),
    )
    for wanted, found in cases:
        assert await listed(till, provider_of(till), **wanted) == found, wanted
    record = await DifferenceReader(till.database).record(provider_of(till), fee)
    assert (record.is_open, record.is_fee, record.number, record.gap) == (False, True, "N1", -100)


async def test_T02_pages_follow_each_other_and_a_foreign_cursor_opens_nothing(till: Till) -> None:
    bill = await add_bill(till)
    made = [await add_difference(till, bill) for _ in range(5)]
    reader = DifferenceReader(till.database)
    seen: list[str] = []
    cursor = None
    while True:
        page = await reader.list(till.scope, DifferenceFilter(), 2, cursor)
        seen += [row.id for row in page.rows]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == made[::-1]
    first = await reader.list(till.scope, DifferenceFilter(), 2)
    other = await reader.list(till.callers[1].scope, DifferenceFilter(), 2, first.next_cursor)
    assert (other.rows, other.next_cursor) == ([], None)
    with pytest.raises(InvalidInput):
        await reader.list(till.scope, DifferenceFilter(), 2, "nonsense")


async def test_a_statement_has_both_sides_and_what_follows_from_them(till: Till) -> None:
    await add_statement(till, bill_paid_amount=25500)
    shown = await StatementReader(till.database).record(till.scope, till.scope.tenant_id, DAY)
    assert (shown.net, shown.bill_net, shown.gap, shown.to_settle) == (23600, 23500, -100, 23_358_400)
    assert (shown.tenant_name, shown.mode, shown.day) == (till.caller.tenant.name, "test", DAY)


async def test_Y3_T01_statements_are_of_the_scope_alone(till: Till) -> None:
    for tenant in range(3):
        await add_statement(till, tenant=tenant)
    reader = StatementReader(till.database)
    for scope, owners in ((till.scope, [0]), (provider_of(till), [0, 1]), (EVERYTHING, [0, 1, 2])):
        page = await reader.list(scope, StatementFilter(), 10)
        assert {row.tenant_id for row in page.rows} == {till.callers[n].tenant.id for n in owners}
    for scope, foreign in ((till.scope, 1), (till.scope, 2), (provider_of(till), 2)):
        with pytest.raises(NotFound):
            await reader.record(scope, till.callers[foreign].tenant.id, DAY)
    with pytest.raises(NotFound):
        await reader.record(till.scope, till.scope.tenant_id, YESTERDAY)


async def test_statements_come_newest_day_first_in_pages_without_gap(till: Till) -> None:
    days = [DAY - timedelta(days=back) for back in range(3)]
    for day in days:
        for tenant in range(2):
            await add_statement(till, tenant=tenant, day=day)
    reader, scope = StatementReader(till.database), provider_of(till)
    seen = []
    cursor = None
    while True:
        page = await reader.list(scope, StatementFilter(), 4, cursor)
        seen += [(row.day, row.tenant_id) for row in page.rows]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 6
    of_day = await reader.of_day(scope, days[1], 10)
    assert [row.day for row in of_day.rows] == [days[1]] * 2
    narrowed = await reader.list(scope, StatementFilter(first=days[2], last=days[1]), 10)
    assert {row.day for row in narrowed.rows} == {days[1], days[2]}
    for cursor in ("nonsense", "MjAyNi0xMS0yMA"):
        with pytest.raises(InvalidInput):
            await reader.list(scope, StatementFilter(), 4, cursor)


async def test_a_providers_day_sums_its_tenants_and_counts_nobodys_differences(till: Till) -> None:
    bill = await add_bill(till)
    await add_statement(till)
    await add_statement(till, tenant=1, state="different", suspended_count=1)
    await add_statement(till, tenant=2)
    await add_difference(till, bill, tenant=1)
    await add_difference(till, bill, D.UNKNOWN_SUB_MERCHANT, tenant=None)
    await add_difference(till, bill, tenant=1, state="resolved")
    await add_difference(till, bill, D.UNKNOWN_SUB_MERCHANT, tenant=None, day=YESTERDAY)
    reader, scope = StatementReader(till.database), provider_of(till)
    days = await reader.provider_days(scope, [DAY, YESTERDAY])
    key = scope.provider_id
    sums = days[key, DAY]
    assert (sums.statements, sums.balanced, sums.different, sums.open_differences) == (2, 1, 1, 2)
    assert (sums.paid_amount, sums.bill_paid_amount, sums.bill_fee) == (51200, 51200, 283_200)
    assert (sums.suspended_count, sums.state) == (1, StatementState.DIFFERENT)
    assert (days[key, YESTERDAY].statements, days[key, YESTERDAY].state) == (0, StatementState.DIFFERENT)
    everything = await reader.provider_days(EVERYTHING, [DAY])
    assert set(everything) == {(key, DAY), (till.callers[2].scope.provider_id, DAY)}
    other = everything[till.callers[2].scope.provider_id, DAY]
    assert (other.state, other.open_differences) == (StatementState.BALANCED, 0)
    mine = await reader.provider_days(till.scope, [DAY])
    assert (mine[key, DAY].statements, mine[key, DAY].open_differences) == (1, 0)
    narrowed = StatementFilter(tenant_id=till.callers[1].tenant.id)
    assert (await reader.provider_days(scope, [DAY], narrowed))[key, DAY].open_differences == 1
