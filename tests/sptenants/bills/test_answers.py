"""What comes of asking for a bill, whatever WeChat answers (L02)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.bill_till import (
    DAY,
    FINANCE,
    FUND,
    TRADE,
    BillTill,
    build_bill_till,
    give_key,
    trade_text,
)
from tests.support.databases import sqlite_url

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.providers.models import KeyKind
from sptenants.bills import storing
from sptenants.bills.records import BillRecord
from sptenants.bills.states import BillState
from wechatpay.bills import Account, BillKind, BillProblem, BillWanted
from wechatpay.credentials import SignType, V2Key
from wechatpay.identifiers import SubMchId


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind of database is enough for what is decided here; the statements are tried on both elsewhere."""
    return sqlite_url(tmp_path)


async def planned(till: BillTill) -> BillRecord:
    """Yesterday's trade bill as the morning left it; WeChat has only what the test put there."""
    await till.bills.run_due("worker")
    bill = await till.bill()
    assert bill is not None
    return bill


async def test_the_question_is_the_providers_own(till: BillTill) -> None:
    await planned(till)
    asked = {wanted: (version, asker) for version, asker, wanted in till.wechat.asked}
    assert asked.keys() == {TRADE, FUND}
    version, asker = asked[TRADE]
    assert (version, asker.mch_id.text, asker.sign_type) == ("v2", "1900000101", SignType.HMAC_SHA256)
    assert isinstance(asker.key, V2Key)
    assert asker.certificate is None  # shown where WeChat asks for it and nowhere else
    assert asked[FUND][1].certificate is not None


async def test_l02_a_bill_that_is_not_ready_is_asked_for_every_half_hour(till: BillTill) -> None:
    bill = await planned(till)
    assert (bill.state, bill.problem) == (BillState.WAITING, "not_ready")
    assert bill.next_at == till.clock.now() + timedelta(minutes=30)
    assert bill.problem_facts == {"code": "20002", "http_status": 200}
    till.wechat.bills[TRADE] = trade_text()
    await till.run(minutes=29)
    assert (await planned(till)).attempts == 1
    await till.run(minutes=1)
    bill = await planned(till)
    assert (bill.state, bill.problem, bill.attempts) == (BillState.DOWNLOADED, None, 2)


async def test_l02_it_is_given_up_after_a_week(till: BillTill) -> None:
    bill = await planned(till)
    await till.set_bill(bill, attempts=71)
    await till.run(minutes=30)
    bill = await planned(till)
    assert (bill.state, bill.attempts) == (BillState.WAITING, 72)
    assert bill.next_at == till.clock.now() + timedelta(hours=6)
    await till.run(hours=6)
    bill = await planned(till)
    assert (bill.state, bill.problem, bill.attempts) == (BillState.FAILED, "not_ready", 73)
    assert bill.next_at is None


@pytest.mark.parametrize(
    "problem",
    [BillProblem.TOO_OLD, BillProblem.NO_PERMISSION, BillProblem.NOT_OFFERED, BillProblem.REFUSED],
)
async def test_l02_what_cannot_be_had_is_given_up_until_a_person_asks_again(
    till: BillTill, problem: BillProblem
) -> None:
    bill = await till.fetched(TRADE, problem)
    assert (bill.state, bill.problem, bill.next_at) == (BillState.FAILED, problem.value, None)
    bill = await till.fetched(TRADE, trade_text())
    assert (bill.state, bill.problem, bill.attempts) == (BillState.DOWNLOADED, None, 1)
    assert bill.requested_by == FINANCE.name


@pytest.mark.parametrize("problem", [BillProblem.HASH_MISMATCH, BillProblem.INCOMPLETE])
async def test_l02_a_bad_download_is_shown_at_once_and_repeated(till: BillTill, problem: BillProblem) -> None:
    bill = await till.fetched(TRADE, problem)
    assert (bill.state, bill.problem) == (BillState.WAITING, problem.value)
    assert bill.next_at == till.clock.now() + timedelta(minutes=1)
    till.wechat.bills[TRADE] = trade_text()
    await till.run(minutes=1)
    found = await till.bill()
    assert found is not None
    assert (found.state, found.problem) == (BillState.DOWNLOADED, None)


async def test_g08_nothing_of_a_cut_download_stays(till: BillTill, monkeypatch: Any) -> None:
    monkeypatch.setattr(storing, "PIECE", 1000)
    till.wechat.breaks_after = 3000
    bill = await till.fetched(TRADE, trade_text(40))
    assert (bill.problem, bill.edition) == ("incomplete", 0)
    assert await till.parts(bill) == []
    till.wechat.breaks_after = None
    await till.run(minutes=1)
    found = await till.bill()
    assert found is not None
    assert found.edition == 1
    assert len(await till.parts(found)) == -(-found.size // 1000)


async def test_an_empty_day_is_a_bill_without_lines_and_is_compared(till: BillTill) -> None:
    bill = await till.fetched(TRADE, None)
    assert (bill.state, bill.empty, bill.lines, bill.edition) == (BillState.DOWNLOADED, True, 0, 1)
    assert [given.id for given in till.comparison.given] == [bill.id]
    again = await till.fetched(TRADE, None)
    assert (again.edition, again.id) == (1, bill.id)


async def test_a_file_that_was_there_stays_when_no_newer_one_comes(till: BillTill) -> None:
    await till.fetched(TRADE, trade_text())
    bill = await till.fetched(TRADE, BillProblem.TOO_OLD)
    assert (bill.state, bill.problem, bill.edition) == (BillState.DOWNLOADED, "too_old", 1)
    assert (bill.next_at, bill.lines) == (None, 10)
    bill = await till.fetched(TRADE, BillProblem.UNREACHABLE)
    assert (bill.state, bill.attempts) == (BillState.WAITING, 1)
    await till.run(times=3, minutes=15)
    found = await till.bill()
    assert found is not None
    assert (found.state, found.problem, found.attempts) == (BillState.DOWNLOADED, "unreachable", 4)
    assert (found.next_at, found.lines) == (None, 10)


async def test_half_a_day_does_not_count_as_the_whole_one(till: BillTill) -> None:
    today = BillWanted(DAY + timedelta(days=1), BillKind.TRADE)
    await till.fetched(today, trade_text(3, day=today.day))
    till.wechat.bills[today] = BillProblem.UNREACHABLE
    till.clock.moment += timedelta(days=1)
    await till.run(times=8, minutes=30)
    bill = await till.bill(today)
    assert bill is not None
    assert (bill.state, bill.problem, bill.attempts > 4) == (BillState.WAITING, "unreachable", True)


async def test_k05_without_a_certificate_the_fund_bill_says_so_and_comes_when_there_is_one(
    database: Database, clock: Clock
) -> None:
    till = await build_bill_till(database, clock, keys=[KeyKind.API_V2])
    bill = await till.fetched(FUND, None)
    assert (bill.state, bill.problem) == (BillState.FAILED, "provider_not_ready")
    assert bill.problem_facts is not None
    assert "API 证书" in bill.problem_facts["message"]
    assert till.wechat.asked == []
    assert bill.next_at == clock.now() + timedelta(hours=6)
    await give_key(till, KeyKind.CLIENT_CERTIFICATE)
    await till.run(hours=6)
    found = await till.bill(FUND)
    assert found is not None
    assert (found.state, found.problem) == (BillState.BALANCED, None)


async def test_a_v3_provider_without_its_keys_gets_the_same_file_by_v2(
    database: Database, clock: Clock
) -> None:
    till = await build_bill_till(database, clock, keys=[KeyKind.API_V2], api_version="v3")
    bill = await till.fetched(TRADE, trade_text())
    assert (bill.state, bill.api_version) == (BillState.DOWNLOADED, "v2")
    own = BillWanted(DAY, BillKind.FUND, Account.BASIC, SubMchId("1600000100"))
    bill = await till.fetched(own, None)  # a bill that v2 has not: what v3 lacks is said
    assert bill.problem == "provider_not_ready"
