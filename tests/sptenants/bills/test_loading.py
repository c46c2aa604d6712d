"""Loading a bill into the tables: whole, once, and whatever kills the worker (L03, L04, L05, L06)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select
from tests.conftest import HeldClock
from tests.support.bill_till import (
    DAY,
    FINANCE,
    TRADE,
    BillTill,
    Killed,
    MortalDatabase,
    become_plain_merchant,
    bills_over,
    trade_text,
)
from tests.support.counting import counted
from tests.support.large_bills import changed

from sptenants.bills import loading, repository, storing
from sptenants.bills.models import BillLine
from sptenants.bills.repository import LEASE
from sptenants.bills.states import BillState
from wechatpay.bills import BillKind, BillWanted


async def test_every_line_is_stored_with_its_tenant(till: BillTill) -> None:
    bill = await till.fetched(TRADE, trade_text(40))
    rows = await till.lines(bill)
    assert [row["number"] for row in rows] == list(range(1, 41))
    owners = {"1600000100": till.house.tenants[0], "1600000101": till.house.tenants[1]}
    assert all(row["tenant_id"] == owners[row["sub_mch_id"]].tenant_id for row in rows)
    payment, refund = rows[18], rows[19]
    assert (payment["state"], payment["total"], payment["fee"]) == ("SUCCESS", 42_543, 255_000)
    assert (refund["state"], refund["total"], refund["refund_applied"]) == ("REFUND", 0, 21_271)
    assert refund["out_refund_no"] == f"R{refund['out_trade_no']}"
    assert refund["fee"] < 0
    assert refund["rate"] == 6000
    assert payment["extra"]["description"] == "米饭,大份"
    assert payment["extra"]["appid"] == "wx1111aaaa2222bbbb"
    assert payment["extra"]["设备号"] == ""
    assert "oLarge0000000000000000000018" not in str(payment)  # openids are masked before they are stored


async def test_l05_lines_of_foreign_numbers_belong_to_nobody(till: BillTill) -> None:
    plant = {
        1: changed(mch_id="1900000999"),
        3: changed(sub_mch_id="1699999999"),
        5: changed(sub_mch_id=""),
    }
    bill = await till.fetched(TRADE, trade_text(8, plant=plant))
    assert [row["number"] for row in await till.lines(bill) if row["tenant_id"] is None] == [2, 4, 6]


async def test_a_plain_merchants_lines_belong_to_its_one_tenant(till: BillTill) -> None:
    tenant_id = await become_plain_merchant(till)
    bill = await till.fetched(TRADE, trade_text(4, subs=[""]))
    assert {row["tenant_id"] for row in await till.lines(bill)} == {tenant_id}


async def test_the_bills_own_summary_must_be_the_sum_of_its_lines(till: BillTill) -> None:
    right = trade_text(10)
    bill = await till.fetched(TRADE, right)
    assert bill.summary is not None
    assert bill.summary["told"]["lines"] == bill.summary["counted"]["lines"] == 10
    assert bill.summary["told"] == {name: bill.summary["counted"][name] for name in bill.summary["told"]}
    lines = right.split(b"\r\n")
    del lines[4]
    bill = await till.fetched(TRADE, b"\r\n".join(lines))
    assert (bill.problem, bill.state, bill.lines) == ("summary_mismatch", BillState.DOWNLOADED, 9)
    assert bill.problem_facts is not None
    assert bill.problem_facts["sums"]["lines"] == [10, 9]
    assert till.comparison.given[-1].edition == bill.edition  # shown, and compared all the same


async def test_l03_a_bill_that_cannot_be_read_leaves_no_line_and_the_old_ones_stay(till: BillTill) -> None:
    await till.fetched(TRADE, trade_text(10))
    text = trade_text(12).replace(b"`0.60%", b"`0.60%,`x,`y,`z", 1).replace(b"`2026-11-20 ", b"`gestern ", 1)
    bill = await till.fetched(TRADE, text)
    assert (bill.problem, bill.state) == ("malformed", BillState.WAITING)
    assert bill.problem_facts is not None
    assert bill.problem_facts["line"] == 2
    assert (bill.edition, bill.loaded_edition) == (2, 1)
    assert {row["edition"] for row in await till.lines(bill)} == {1}
    with counted(till.database) as cost:
        await till.run(minutes=1)  # the same file again: it is not read once more, and not forgotten
    assert not any("bill_parts.content" in statement for statement in cost.statements)
    found = await till.bill()
    assert found is not None
    assert (found.problem, found.attempts, found.edition) == ("malformed", 2, 2)
    bill = await till.fetched(TRADE, trade_text(12))
    assert (bill.problem, bill.lines, bill.edition) == (None, 12, 3)
    assert {row["edition"] for row in await till.lines(bill)} == {3}


async def test_columns_nobody_knows_are_kept_and_told(till: BillTill) -> None:
    text = trade_text(3).replace("费率备注".encode(), "新列".encode())
    bill = await till.fetched(TRADE, text)
    assert bill.unknown_columns == ("新列",)
    assert (bill.columns[0], bill.columns[-1]) == ("交易时间", "新列")
    assert (await till.lines(bill))[0]["extra"]["新列"] == ""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bill of eight lines takes as many pieces and transactions as one of millions."""
    monkeypatch.setattr(storing, "PIECE", 1200)
    monkeypatch.setattr(loading, "BITE", 800)
    monkeypatch.setattr(repository, "_SLICE", 2)


async def test_l06_killed_after_any_commit_another_worker_ends_with_the_same_rows(
    till: BillTill, clock: HeldClock, database_url: str, small: None
) -> None:
    """Nothing is lost and nothing is there twice, wherever the first worker stops."""
    before, text = trade_text(3), trade_text(8)
    await till.fetched(TRADE, before)
    whole = await till.fetched(TRADE, text)
    right = await till.lines(whole), await till.parts(whole)
    step = 1 if till.database.dialect == "sqlite" else 4  # each process there is a connection of its own
    for last in range(1, 100, step):
        edition = (await till.fetched(TRADE, before)).edition
        till.wechat.bills[TRADE] = text
        bill = await till.bills.want(till.scope, TRADE, FINANCE)
        dying = MortalDatabase(database_url, last)
        try:
            await bills_over(dying, till).to_its_end(till.scope, bill.id)
        except Killed:
            pass
        else:
            break
        finally:
            await dying.close()
        clock.advance(seconds=LEASE.total_seconds())
        done = await till.bills.to_its_end(till.scope, bill.id)
        assert (done.state, done.problem, done.edition) == (BillState.DOWNLOADED, None, edition + 1)
        assert done.summary == whole.summary
        assert (_plain(await till.lines(done)), _plain(await till.parts(done))) == tuple(map(_plain, right))
    else:
        pytest.fail("the work never came to its end")
    assert last > 15  # pieces, bites and slices all had their commit


def _plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "edition"} for row in rows]


async def test_l06_twenty_thousand_lines_come_in_batches(till: BillTill) -> None:
    wanted = BillWanted(DAY, BillKind.TRADE)
    till.wechat.piece = 64 * 1024
    bill = await till.fetched(wanted, trade_text(20_000))
    assert (bill.lines, bill.problem) == (20_000, None)
    assert bill.summary is not None
    assert bill.summary["counted"]["lines"] == 20_000
    async with till.database.read(till.scope) as session:
        own = BillLine.provider_id == till.scope.provider_id
        counted = select(func.count(), func.sum(BillLine.total)).where(own, BillLine.bill_id == bill.id)
        assert tuple((await session.execute(counted)).one()) == (20_000, bill.summary["told"]["total"])
