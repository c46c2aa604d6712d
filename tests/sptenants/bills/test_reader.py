"""What people read of bills, and what they never do (L05, Y3)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from tests.support.bill_till import (
    DAY,
    FUND,
    TRADE,
    BillTill,
    fund_text,
    trade_text,
)
from tests.support.counting import counted
from tests.support.house import build_house
from tests.support.large_bills import changed

from spcore.db.scope import PlatformScope, TenantScope
from spcore.errors import InvalidInput, NotFound
from sptenants.bills import storing
from sptenants.bills.records import BillFilter, LineRecord
from sptenants.bills.states import BillState
from wechatpay.bills import BillKind, BillWanted
from wechatpay.identifiers import SubMchId

PLATFORM = PlatformScope("test")
_PAYER = re.compile(rb"(,`o[0-9A-Za-z_-]{4})[0-9A-Za-z_-]{19}([0-9A-Za-z_-]{4})")
OWN = BillWanted(DAY, BillKind.TRADE, sub_mch_id=SubMchId("1600000100"))


async def lines_of(till: BillTill, tenant: TenantScope) -> list[LineRecord]:
    return [line async for line in till.shelf.tenant_lines(tenant, DAY)]


async def text_of(till: BillTill, bill_id: str) -> bytes:
    return b"".join([piece async for piece in await till.shelf.text(till.scope, bill_id)])


async def test_days_are_listed_with_their_bills_newest_first(till: BillTill) -> None:
    for back in range(5):
        day = DAY - timedelta(days=back)
        await till.fetched(BillWanted(day, BillKind.TRADE), trade_text(2, day=day))
    await till.fetched(FUND, fund_text([("4200001", 1)]))
    await till.fetched(OWN, trade_text(2))
    with counted(till.database) as cost:
        first = await till.shelf.days(till.scope, BillFilter(), 2)
    assert len([each for each in cost.statements if "set_config" not in each]) == 1
    assert [day.day for day in first.rows] == [DAY, DAY - timedelta(days=1)]
    assert [bill.wanted for bill in first.rows[0].bills] == [TRADE, FUND, OWN]
    assert first.rows[0].bills[2].tenant_name == "商户 1-0"
    second = await till.shelf.days(till.scope, BillFilter(), 2, first.next_cursor)
    third = await till.shelf.days(till.scope, BillFilter(), 2, second.next_cursor)
    assert [day.day for page in (second, third) for day in page.rows] == [
        DAY - timedelta(days=n) for n in (2, 3, 4)
    ]
    assert third.next_cursor is None
    funds = await till.shelf.days(till.scope, BillFilter(kind=BillKind.FUND), 9)
    assert [len(day.bills) for day in funds.rows] == [1]
    balanced = await till.shelf.days(till.scope, BillFilter(state=BillState.BALANCED, last_day=DAY), 9)
    assert [bill.wanted for day in balanced.rows for bill in day.bills] == [FUND]
    none = await till.shelf.days(till.scope, BillFilter(first_day=DAY + timedelta(days=1)), 9)
    assert not none.rows
    with pytest.raises(InvalidInput):
        await till.shelf.days(till.scope, BillFilter(), 2, "bm9uc2Vuc2U")


async def test_y3_each_reads_its_own_bills_alone(till: BillTill) -> None:
    whole, own = await till.fetched(TRADE, trade_text(4)), await till.fetched(OWN, trade_text(4))
    other = (await build_house(till.database, number=2)).provider
    tenant, neighbour = till.house.tenants
    assert (await till.shelf.record(tenant, own.id)).id == own.id
    for scope, bill_id in ((other, whole.id), (tenant, whole.id), (neighbour, own.id)):
        with pytest.raises(NotFound):
            await till.shelf.record(scope, bill_id)
        with pytest.raises(NotFound):
            await till.shelf.text(scope, bill_id)
    assert not (await till.shelf.days(other, BillFilter(), 9)).rows
    assert [bill.id for bill in await till.shelf.of_day(tenant, DAY)] == [own.id]
    assert [bill.id for bill in await till.shelf.of_day(PLATFORM, DAY)] == [whole.id, own.id]
    assert not await till.shelf.of_day(PLATFORM, DAY, other.provider_id)


async def test_the_file_comes_back_as_it_was_downloaded_but_for_the_payers(
    till: BillTill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "PIECE", 1000)
    text = trade_text(30)
    bill = await till.fetched(TRADE, text)
    assert await text_of(till, bill.id) == _PAYER.sub(rb"\1****\2", text) != text
    empty = await till.fetched(FUND, None)
    with pytest.raises(NotFound):
        await till.shelf.text(till.scope, empty.id)
    pieces = await till.shelf.text(till.scope, bill.id)
    await anext(pieces)
    await till.fetched(TRADE, trade_text(31))
    with pytest.raises(RuntimeError):  # never half of one file and half of another
        await anext(pieces)


async def test_l05_a_tenant_sees_its_lines_and_nobody_elses(till: BillTill) -> None:
    plant = {2: changed(mch_id="1900000999"), 4: changed(sub_mch_id="1699999999")}
    await till.fetched(TRADE, trade_text(12, plant=plant))
    first, second = till.house.tenants
    ours, theirs = await lines_of(till, first), await lines_of(till, second)
    assert {line.sub_mch_id for line in ours} == {"1600000100"}
    assert [line.number for line in ours] == [1, 7, 9, 11]
    assert [line.number for line in theirs] == [2, 4, 6, 8, 10, 12]
    assert {line.tenant_id for line in ours} == {first.tenant_id}


async def test_a_line_is_there_once_though_two_bills_have_it(till: BillTill) -> None:
    await till.fetched(OWN, trade_text(6))
    tenant = till.house.tenants[0]
    assert len(await lines_of(till, tenant)) == 3  # better than none while the whole bill is not there
    await till.fetched(TRADE, trade_text(6))
    lines = await lines_of(till, tenant)
    assert [line.number for line in lines] == [1, 3, 5]
    for scope in (tenant, till.scope):
        found = await till.shelf.lines_of_order(scope, lines[0].out_trade_no, [DAY])
        assert [line.number for line in found] == [1]
    assert not await till.shelf.lines_of_order(till.house.tenants[1], lines[0].out_trade_no, [DAY])


async def test_the_lines_of_an_order_are_its_payment_and_its_refunds(till: BillTill) -> None:
    bill = await till.fetched(TRADE, trade_text(20))
    paid = (await till.lines(bill))[18]
    found = await till.shelf.lines_of_order(till.scope, paid["out_trade_no"], [DAY, DAY + timedelta(days=1)])
    assert [(line.state, line.is_refund) for line in found] == [("SUCCESS", False), ("REFUND", True)]
    assert not await till.shelf.lines_of_order(till.scope, paid["out_trade_no"], [DAY - timedelta(days=1)])
