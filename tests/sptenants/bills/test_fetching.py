"""Fetching bills: by plan and on demand, whatever WeChat answers (L01, L02)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.support.bill_till import (
    DAY,
    FINANCE,
    FUND,
    TRADE,
    BillTill,
    bills_over,
    trade_text,
)

from spcore.audit.models import AuditRow
from spcore.errors import NotFound
from sptenants.bills.records import BillRecord
from sptenants.bills.states import BillState
from sptenants.registry.access import RequestFacts
from wechatpay.bills import Account, BillKind, BillWanted, HashCheck
from wechatpay.identifiers import SubMchId


async def planned(till: BillTill) -> BillRecord:
    """Yesterday's trade bill as the morning left it; WeChat has only what the test put there."""
    await till.bills.run_due("worker")
    bill = await till.bill()
    assert bill is not None
    return bill


async def test_l02_the_morning_fetches_yesterdays_bills_and_hands_them_on(till: BillTill) -> None:
    till.wechat.bills |= {TRADE: trade_text(), FUND: None}
    bill = await planned(till)
    assert (bill.state, bill.requested_by, bill.problem) == (BillState.DOWNLOADED, "schedule", None)
    assert (bill.lines, bill.next_at, bill.attempts, bill.api_version) == (10, None, 1, "v2")
    assert (bill.hash_check, bill.sha1_told) == (HashCheck.TEXT, bill.sha1)
    assert bill.is_loaded
    assert bill.matched_at == till.clock.now()
    assert [given.id for given in till.comparison.given] == [bill.id]
    assert till.comparison.given[0].is_loaded
    fund = await till.bill(FUND)
    assert fund is not None
    assert (fund.state, fund.empty, fund.lines) == (BillState.BALANCED, True, 0)
    asked = len(till.wechat.asked)
    await till.run(times=3, hours=1)
    assert len(till.wechat.asked) == asked


async def test_the_same_file_again_changes_nothing(till: BillTill) -> None:
    first = await till.fetched(TRADE, trade_text())
    before = await till.lines(first), await till.parts(first)
    again = await till.fetched(TRADE, trade_text())
    assert (again.id, again.edition, again.state) == (first.id, 1, BillState.DOWNLOADED)
    assert (await till.lines(again), await till.parts(again)) == before
    assert len(till.comparison.given) == 2  # our side may have changed


async def test_a_new_edition_takes_the_place_of_the_old_one(till: BillTill) -> None:
    await till.fetched(TRADE, trade_text(10))
    bill = await till.fetched(TRADE, trade_text(12))
    assert (bill.edition, bill.loaded_edition, bill.lines) == (2, 2, 12)
    assert {row["edition"] for row in await till.lines(bill)} == {2}
    assert {row["edition"] for row in await till.parts(bill)} == {2}


async def test_a_bill_taken_before_its_day_was_over_is_taken_again(till: BillTill) -> None:
    await till.fetched(TRADE, trade_text(3))
    till.clock.moment -= timedelta(days=1)
    today = BillWanted(DAY, BillKind.TRADE)
    early = await till.fetched(today, trade_text(5))
    assert early.lines == 5
    till.wechat.bills[today] = trade_text(8)
    till.clock.moment += timedelta(days=1)
    await till.bills.run_due("worker")
    bill = await till.bill(today)
    assert bill is not None
    assert (bill.id, bill.lines, bill.requested_by) == (early.id, 8, "schedule")


async def test_the_wish_for_a_bill_is_in_the_audit_log(till: BillTill) -> None:
    bill = await till.bills.want(till.scope, FUND, FINANCE, RequestFacts("req_1", "198.51.100.7"))
    async with till.database.read(till.scope) as session:
        row = await session.scalar(select(AuditRow).where(AuditRow.chain == till.scope.provider_id))
    assert row is not None
    assert (row.action, row.object_id, row.actor_name, row.request_id) == (
        "bill.fetch_requested",
        bill.id,
        FINANCE.name,
        "req_1",
    )
    assert row.after == {"date": "2026-11-20", "kind": "fund", "account": "BASIC"}


async def test_a_sub_merchants_own_bill_belongs_to_it(till: BillTill) -> None:
    own = BillWanted(DAY, BillKind.TRADE, sub_mch_id=SubMchId("1600000100"))
    bill = await till.fetched(own, trade_text(6))
    assert bill.tenant_id == till.house.tenants[0].tenant_id
    assert {row["tenant_id"] for row in await till.lines(bill)} == {bill.tenant_id, None}
    assert {row["tenant_id"] for row in await till.parts(bill)} == {bill.tenant_id}
    foreign = BillWanted(DAY, BillKind.TRADE, sub_mch_id=SubMchId("1600009999"))
    with pytest.raises(NotFound):
        await till.bills.want(till.scope, foreign, FINANCE)


async def test_bills_of_one_tenant_are_planned_where_it_has_them(till: BillTill) -> None:
    await till.set_tenant(own_bills=True)
    await till.bills.run_due("worker")
    own = BillWanted(DAY, BillKind.TRADE, sub_mch_id=SubMchId("1600000100"))
    found = {bill.wanted for bill in await till.shelf.of_day(till.scope, DAY)}
    assert own not in found  # the tenant came on the day after
    await till.run(days=1)
    day = DAY + timedelta(days=1)
    found = {bill.wanted for bill in await till.shelf.of_day(till.scope, day)}
    assert found == {
        BillWanted(day, BillKind.TRADE),
        BillWanted(day, BillKind.FUND, Account.BASIC),
        BillWanted(day, BillKind.TRADE, sub_mch_id=SubMchId("1600000100")),
    }


async def test_two_workers_do_not_fetch_a_bill_twice(till: BillTill) -> None:
    till.wechat.bills |= {TRADE: trade_text(), FUND: None}
    other = bills_over(till.database, till)
    await till.bills.want(till.scope, TRADE, FINANCE)
    await asyncio.gather(till.bills.run_due("one"), other.run_due("two"))
    assert [wanted for _version, _asker, wanted in till.wechat.asked].count(TRADE) == 1


async def test_a_person_who_asks_again_takes_a_bill_from_a_worker_that_has_it(till: BillTill) -> None:
    till.wechat.bills[TRADE] = trade_text(10)
    bill = await till.bills.want(till.scope, TRADE, FINANCE)
    asked = False

    async def meanwhile(given: BillRecord) -> bool:
        nonlocal asked
        if not asked:
            asked = True
            till.wechat.bills[TRADE] = trade_text(14)
            await till.bills.want(till.scope, TRADE, FINANCE)
        return await till.comparison(given)

    till.bills._steps._compare = meanwhile
    found = await till.bills.to_its_end(till.scope, bill.id)
    assert (found.edition, found.lines, found.state) == (2, 14, BillState.DOWNLOADED)
