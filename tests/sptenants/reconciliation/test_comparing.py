"""L01, L04, L05, B-19: comparing a day's bill with our books finds each difference once, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update
from tests.conftest import HeldClock
from tests.support.bill_day import DAY, BillDay, at
from tests.support.databases import postgres_url, sqlite_url
from tests.support.house import build_house

from spcore.db.base import table_of
from spcore.db.engine import Database
from sptenants.bills.models import Bill
from sptenants.orders.disputes import AnomalyKind, raise_anomaly
from sptenants.orders.models import Attempt
from sptenants.orders.sums import DAY as ONE_DAY
from sptenants.reconciliation.models import AgreedRate, Difference
from sptenants.reconciliation.states import DifferenceDetail as D
from sptenants.refunds.models import Refund

NEXT = DAY + ONE_DAY


ON_BOTH = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """SQLite, and PostgreSQL too for the tests that say so."""
    kind: str = getattr(request, "param", "sqlite")
    return sqlite_url(tmp_path) if kind == "sqlite" else postgres_url()


@pytest.fixture
async def books(database: Database, clock: HeldClock) -> BillDay:
    clock.moment = at("10:05", NEXT)
    return BillDay(database, clock, await build_house(database, tenants=3))


def _said(found: list[Difference]) -> list[tuple[str, str | None]]:
    return [(row.detail, row.tenant_id) for row in found]


async def test_a_day_on_which_both_sides_agree_has_no_difference(books: BillDay) -> None:
    sale = await books.sell(0, at("09:00"))
    back = await books.give_back(sale, 300, at("15:00"))
    bill = await books.bill([books.line(sale), books.refund_line(sale, back)])

    await books.compare(bill)
    await books.settle()

    statement = await books.statement(0)
    assert await books.found() == []
    assert (statement.state, statement.paid_amount, statement.bill_paid_amount) == ("balanced", 1000, 1000)
    assert (statement.refunded_amount, statement.bill_refunded_amount) == (300, 300)
    assert (statement.bill_settled_amount, statement.bill_fee) == (1000, 4000)
    assert (await books.record(bill)).state == "balanced"
    assert await books.told() == [("bill.balanced", books.house.tenants[0].tenant_id)]


async def test_an_empty_day_is_balanced_without_a_statement(books: BillDay) -> None:
    bill = await books.bill([])

    await books.compare(bill)
    await books.settle()

    assert (await books.record(bill)).state == "balanced"
    assert await books.tenants_with_statement() == set()


async def test_what_was_paid_here_and_is_in_no_bill_is_a_difference_of_its_tenant(books: BillDay) -> None:
    """L01: `missing_there`."""
    sale = await books.sell(1, at("09:00"), 2_500)

    await books.compare(await books.bill([]))
    await books.settle()

    [found] = await books.found()
    statement = await books.statement(1)
    assert (found.kind, found.detail, found.mark) == (
        "missing_there",
        D.PAYMENT_ABSENT,
        f"payment_absent:{sale.scope.tenant_id}:{sale.number}",
    )
    assert (found.ours, found.theirs, found.order_id) == (2_500, None, sale.order_id)
    assert found.next_at == books.clock.now()
    assert statement.state == "open", "WeChat is to be asked first"
    assert statement.proof["payments"]["missing_there"] == {"count": 1, "amount": 2_500}


async def test_the_event_waits_until_wechat_was_asked_and_is_sent_once_a_state(books: BillDay) -> None:
    sale = await books.sell(0, at("09:00"))
    await books.compare(await books.bill([books.line(sale, total=999, settled=999, fee=6_000)]))
    await books.settle()
    assert await books.told() == []

    await _change(books, tries=1)
    await books.settle()
    await books.settle()
    assert [kind for kind, _ in await books.told()] == ["bill.different"]

    now = books.clock.now()
    await _change(
        books, state="resolved", resolution="person", resolved_at=now, resolved_by="王敏", note="查"
    )
    await books.settle()
    statement = await books.statement(0)
    assert [kind for kind, _ in await books.told()] == ["bill.different", "bill.balanced"]
    assert (statement.state, statement.open_differences, statement.differences) == ("balanced", 0, 1)
    assert statement.proof["payments"]["differing"] == {"count": 0, "amount": -1}


async def test_a_day_that_stays_different_is_not_told_of_again(books: BillDay) -> None:
    first, second = await books.sell(0, at("09:00")), await books.sell(0, at("10:00"))
    await books.compare(await books.bill([]))
    await _change(books, tries=1)
    await books.settle()
    one_of_them = Difference.out_trade_no == first.number
    async with books.database.write(books.scope) as session:
        close = update(Difference).where(Difference.provider_id == books.scope.provider_id, one_of_them)
        now = books.clock.now()
        await session.execute(close.values(state="resolved", resolution="healed", resolved_at=now))
    await books.settle()

    statement = await books.statement(0)
    assert (statement.state, statement.open_differences) == ("different", 1)
    assert [row.out_trade_no for row in await books.found() if row.state == "open"] == [second.number]
    assert [kind for kind, _ in await books.told()] == ["bill.different"]


async def _close(books: BillDay) -> None:
    closed = {
        "state": "resolved",
        "resolution": "person",
        "resolved_by": "王敏",
        "note": "查",
        "next_at": None,
    }
    await _change(books, resolved_at=books.clock.now(), **closed)


async def _change(books: BillDay, **values: object) -> None:
    async with books.database.write(books.scope) as session:
        change = update(Difference).where(Difference.provider_id == books.scope.provider_id)
        await session.execute(change.values(updated_at=books.clock.now(), **values))


async def test_lines_of_strangers_are_nobodys(books: BillDay) -> None:
    """L05: another provider's number, and a sub-merchant that is no tenant here."""
    sale = books.sale(0, at("09:00"))
    other = books.sale(1, at("09:01"))
    lines = [
        books.line(sale, mch_id="1999999999", tenant_id=None),
        books.line(other, sub_mch_id="1777777777", tenant_id=None),
    ]
    bill = await books.bill(lines)

    await books.compare(bill)
    await books.settle()

    assert sorted(_said(await books.found())) == [(D.OTHER_PROVIDER, None), (D.UNKNOWN_SUB_MERCHANT, None)]
    assert await books.tenants_with_statement() == set()
    assert (await books.record(bill)).state == "different"


@ON_BOTH
async def test_our_number_under_another_sub_merchant_is_shown_to_neither(books: BillDay) -> None:
    sale = await books.sell(0, at("09:00"), 700)
    await books.compare(await books.bill([books.line(sale, tenant_id=books.house.tenants[1].tenant_id)]))
    await books.settle()

    assert _said(await books.found()) == [(D.OTHER_TENANT, None)]
    for tenant in (0, 1):
        statement = await books.statement(tenant)
        assert (statement.state, statement.open_differences) == ("different", 1)
        assert statement.proof["withheld"] == 1


@ON_BOTH
async def test_a_second_run_changes_nothing(books: BillDay) -> None:
    kept, lost = await books.sell(0, at("09:00")), await books.sell(1, at("10:00"))
    near = await books.sell(0, at("23:59:58"))
    back = await books.give_back(kept, 300, at("15:00"), status="processing")
    unknown = books.line(books.sale(2, at("11:00")))
    settling = books.refund_line(kept, back, refund_state="PROCESSING")
    bill = await books.bill([books.line(kept), settling, unknown])
    await books.compare(bill)
    await books.settle()
    before = await books.dump()

    books.clock.advance(hours=1)
    await books.compare(bill)
    await books.settle()

    assert await books.dump() == before
    assert {row.number for row in await books.waiting()} == {near.number, back["out_refund_no"]}
    numbers = {row.out_trade_no for row in await books.found()}
    assert numbers == {lost.number, unknown.out_trade_no}


@ON_BOTH
async def test_a_payment_at_midnight_waits_for_the_next_days_bill(books: BillDay) -> None:
    """L04: booked by WeChat a second later, in the bill of the next day."""
    sale = await books.sell(0, at("23:59:58"), 1_280)
    first = await books.bill([])
    await books.compare(first)
    await books.settle()
    statement = await books.statement(0)
    assert await books.found() == []
    assert (statement.state, statement.suspended_count, statement.suspended_amount) == ("balanced", 1, 1_280)

    books.clock.moment = at("10:05", NEXT + ONE_DAY)
    await books.compare(await books.bill([books.line(sale)], NEXT))
    await books.settle()

    before, after = await books.statement(0), await books.statement(0, NEXT)
    assert (before.suspended_count, before.proof["payments"]["shifted_out"]["amount"]) == (0, 1_280)
    assert (after.state, after.proof["payments"]["shifted_in"]["amount"]) == ("balanced", 1_280)
    assert [(row.state, row.ended_on) for row in await books.waiting()] == [("cleared", NEXT)]
    assert await books.found() == []


@ON_BOTH
async def test_what_waited_in_vain_becomes_a_difference_of_its_own_day(books: BillDay) -> None:
    sale = await books.sell(0, at("23:55"))
    await books.compare(await books.bill([]))
    await books.compare(await books.bill([], NEXT))
    await books.settle()

    [found] = await books.found()
    statement = await books.statement(0)
    assert (found.detail, found.bill_date, found.out_trade_no) == (D.PAYMENT_ABSENT, DAY, sale.number)
    assert [row.state for row in await books.waiting()] == ["expired"]
    assert statement.open_differences == 1


async def test_a_payment_just_after_midnight_is_looked_for_in_the_bill_before(
    books: BillDay,
) -> None:
    sale = await books.sell(0, at("00:00:03", NEXT))
    await books.compare(await books.bill([books.line(sale)]))
    await books.compare(await books.bill([], NEXT))
    await books.settle()

    today, before = await books.statement(0, NEXT), await books.statement(0)
    assert await books.found() == []
    assert {today.state, before.state} == {"balanced"}
    assert today.proof["payments"]["shifted_out"] == before.proof["payments"]["shifted_in"]


async def test_far_from_midnight_nothing_waits(books: BillDay) -> None:
    await books.sell(0, at("23:49:59"))
    await books.sell(0, at("00:10:00"))

    await books.compare(await books.bill([]))

    assert [row.detail for row in await books.found()] == [D.PAYMENT_ABSENT] * 2


@ON_BOTH
async def test_a_later_edition_resolves_what_it_does_not_show_any_more(books: BillDay) -> None:
    sale = await books.sell(0, at("09:00"))
    await books.compare(await books.bill([]))
    books.clock.advance(hours=2)
    again = await books.bill([books.line(sale)])
    await books.compare(again)
    await books.settle()

    [found] = await books.found()
    statement = await books.statement(0)
    assert (found.state, found.resolution, found.next_at) == ("resolved", "next_bill", None)
    assert statement.state == "balanced"

    books.clock.advance(hours=2)
    await books.compare(await books.bill([]))
    [found] = await books.found()
    assert found.state == "open", "a third edition lost it again"


async def test_a_line_of_a_later_bill_resolves_the_difference_of_its_day(books: BillDay) -> None:
    sale = await books.sell(0, at("12:00"))
    await books.compare(await books.bill([]))
    await books.compare(await books.bill([books.line(sale)], NEXT))
    await books.settle()

    [found] = await books.found()
    assert (found.state, found.resolution) == ("resolved", "next_bill")
    for day in (DAY, NEXT):
        statement = await books.statement(0, day)
        assert statement.state == "balanced"


async def test_what_a_person_closed_stays_closed(books: BillDay) -> None:
    await books.sell(0, at("09:00"))
    bill = await books.bill([])
    await books.compare(bill)
    now = books.clock.now()
    closed = {
        "state": "resolved",
        "resolution": "person",
        "resolved_at": now,
        "resolved_by": "王敏",
        "note": "查",
    }
    await _change(books, next_at=None, **closed)

    await books.compare(bill)
    await books.settle()

    [found] = await books.found()
    statement = await books.statement(0)
    assert (found.state, found.note) == ("resolved", "查")
    assert (statement.state, statement.proof["payments"]["missing_there"]["count"]) == ("balanced", 1)


async def test_a_refund_that_we_learned_of_late_is_looked_for_since_it_was_made(
    books: BillDay,
) -> None:
    """L04: a refund is booked on the day WeChat accepted it; its answer may reach us the day after."""
    sale = await books.sell(0, at("09:00"))
    back = await books.give_back(sale, 300, at("02:00", NEXT), made_at=at("18:00"))
    await books.compare(await books.bill([books.line(sale), books.refund_line(sale, back)]))
    await books.compare(await books.bill([], NEXT))
    await books.settle()

    today, before = await books.statement(0, NEXT), await books.statement(0)
    assert await books.found() == []
    assert today.proof["refunds"]["shifted_out"] == before.proof["refunds"]["shifted_in"]
    assert {today.state, before.state} == {"balanced"}


@ON_BOTH
async def test_a_refund_that_settles_later_is_waited_for_and_cleared_by_its_end(books: BillDay) -> None:
    sale = await books.sell(0, at("09:00"))
    back = await books.give_back(sale, 300, at("15:00"), status="processing")
    lines = [books.line(sale), books.refund_line(sale, back, refund_state="PROCESSING")]
    await books.compare(await books.bill(lines))
    await books.settle()
    statement = await books.statement(0)
    assert (statement.state, statement.suspended_count) == ("balanced", 1)

    async with books.database.write(books.scope) as session:
        done = update(Refund).where(Refund.provider_id == books.scope.provider_id)
        end = {"status": "succeeded", "succeeded_at": books.clock.now(), "next_check_at": None}
        await session.execute(done.values(**end))
    await books.settle()

    statement = await books.statement(0)
    assert [row.state for row in await books.waiting()] == ["cleared"]
    assert statement.suspended_count == 0


async def test_a_refund_without_an_end_is_a_difference_after_ten_days(books: BillDay) -> None:
    sale = await books.sell(0, at("09:00"))
    back = await books.give_back(sale, 300, at("15:00"), status="processing")
    lines = [books.line(sale), books.refund_line(sale, back, refund_state="PROCESSING")]
    first = await books.bill(lines)
    await books.compare(first)
    await books.compare(await books.bill([], DAY + 10 * ONE_DAY))
    assert await books.found() == []

    await books.compare(await books.bill([], DAY + 11 * ONE_DAY))
    await books.compare(first)

    [found] = await books.found()
    assert (found.detail, found.bill_date, found.bill_id, found.state) == (D.REFUND_STATE, DAY, first, "open")


@ON_BOTH
async def test_a_second_payment_is_our_anomaly_and_no_difference(books: BillDay) -> None:
    """P12: both attempts were paid; the bill has both, and so have our books."""
    sale = await books.sell(0, at("09:00"), 1_000)
    second = books.sale(0, at("09:05"), 1_000)
    attempt = second.rows.attempt | {"order_id": sale.order_id, "number": 2}
    facts = {
        "out_trade_no": second.number,
        "transaction_id": attempt["transaction_id"],
        "amount": 1_000,
        "paid_at": at("09:05").isoformat(),
    }
    async with books.database.write(sale.scope) as session:
        await session.execute(insert(table_of(Attempt)), [attempt])
        kind, mark = AnomalyKind.DOUBLE_PAYMENT, attempt["transaction_id"]
        await raise_anomaly(session, sale.scope, kind, mark, at("09:06"), order_id=sale.order_id, facts=facts)
    await books.compare(await books.bill([books.line(sale), books.line(second)]))
    await books.settle()

    statement = await books.statement(0)
    assert await books.found() == []
    assert (statement.state, statement.paid_count, statement.paid_amount) == ("balanced", 2, 2_000)

    books.clock.advance(hours=1)
    await books.compare(await books.bill([books.line(sale)]))
    [found] = await books.found()
    assert (found.detail, found.out_trade_no) == (D.PAYMENT_ABSENT, second.number)


async def test_rates_other_than_agreed_are_one_difference_a_rate(books: BillDay) -> None:
    sales = [await books.sell(0, at("09:00"), 10_000) for _ in range(3)]
    agreed = {"provider_id": books.scope.provider_id, "tenant_id": sales[0].scope.tenant_id, "rate": 3_800}
    row = agreed | {"from_date": DAY, "set_by": "王敏", "created_at": at("08:00")}
    async with books.database.write(books.scope) as session:
        await session.execute(insert(table_of(AgreedRate)), [row])
    lines = [books.line(sale) for sale in sales[:2]]
    lines.append(books.line(sales[2], rate=3_800, fee=38_000))
    await books.compare(await books.bill(lines))

    [found] = await books.found()
    assert (found.kind, found.detail, found.cause) == ("fee", D.RATE, "other_rate")
    assert (found.ours, found.theirs) == (76_000, 120_000)
    assert found.facts == {"rate": 6_000, "agreed": 3_800, "lines": 2, "sum": 20_000}

    books.clock.advance(hours=1)
    lines = [books.line(sale, rate=3_800, fee=38_000) for sale in sales]
    await books.compare(await books.bill(lines))
    [found] = await books.found()
    assert (found.state, found.resolution) == ("resolved", "next_bill")


async def test_an_own_bill_is_compared_where_there_is_no_other(books: BillDay) -> None:
    await books.sell(0, at("09:00"))
    await books.sell(1, at("09:00"))
    own = await books.bill([], tenant=0)
    await books.compare(own)
    await books.settle()

    assert _said(await books.found()) == [(D.PAYMENT_ABSENT, books.house.tenants[0].tenant_id)]
    assert await books.tenants_with_statement() == {books.house.tenants[0].tenant_id}
    assert (await books.record(own)).state == "different"


@ON_BOTH
async def test_beside_the_providers_bill_only_the_sums_of_an_own_bill_are_checked(books: BillDay) -> None:
    sale = await books.sell(0, at("09:00"))
    whole = await books.bill([books.line(sale)])
    own = await books.bill([], tenant=0)
    await books.compare(whole)
    await books.compare(own)
    await books.settle()

    record = await books.record(own)
    assert await books.found() == []
    assert (record.state, record.problem) == ("different", "summary_mismatch")
    assert record.problem_facts is not None
    assert record.problem_facts["provider"]["total"] == 1_000
    assert (await books.record(whole)).state == "balanced"

    books.clock.advance(hours=1)
    await books.compare(await books.bill([books.line(sale)], tenant=0))
    await books.settle()
    record = await books.record(own)
    assert (record.state, record.problem) == ("balanced", None)


async def test_sums_that_nothing_explains_are_never_balanced(books: BillDay) -> None:
    """The proof: what changes behind the back of comparing comes out as unproven."""
    sale = await books.sell(0, at("09:00"))
    bill = await books.bill([books.line(sale)])
    await books.compare(bill)
    await books.sell(0, at("10:00"), 77)
    await books.settle()

    statement = await books.statement(0)
    assert (statement.state, statement.open_differences) == ("different", 0)
    assert statement.proof["unproven"]["payments"] == {"count": 1, "amount": 77}
    assert (await books.record(bill)).state == "different"


async def test_a_bill_whose_own_summary_does_not_fit_is_different(books: BillDay) -> None:
    bill = await books.bill([])
    async with books.database.write(books.scope) as session:
        change = update(Bill).where(Bill.provider_id == books.scope.provider_id)
        await session.execute(change.values(problem="summary_mismatch", problem_facts={}))
    await books.compare(bill)
    await books.settle()

    assert (await books.record(bill)).state == "different"


async def test_comparing_that_was_cut_short_goes_on_and_finds_the_same(
    books: BillDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L06: whoever takes over finds each difference once; of two at once, one moves on."""
    monkeypatch.setattr("sptenants.reconciliation.comparing.LINES_AT_ONCE", 3)
    monkeypatch.setattr("sptenants.reconciliation.comparing.FEW", 2)
    sales = [await books.sell(n % 3, at("09:00") + timedelta(minutes=n)) for n in range(10)]
    lines = [books.line(sale, total=999, settled=999, fee=6_000) for sale in sales[:7]]
    bill = await books.bill([*lines, lines[0]])
    stale = await books.record(bill)
    assert await books.comparing.run(stale) is False
    assert await books.comparing.run(await books.record(bill)) is False
    reached = (await books.record(bill)).matched_to
    assert await books.comparing.run(stale) is False
    assert (await books.record(bill)).matched_to == reached, "somebody has moved on meanwhile"
    await books.compare(bill)
    await books.settle()

    details = [row.detail for row in await books.found()]
    assert sorted(details) == sorted([D.AMOUNT] * 7 + [D.PAYMENT_ABSENT] * 3 + [D.REPEATED_LINE])
    assert (await books.record(bill)).matched_to is None


async def test_what_another_edition_had_of_a_neighbouring_day_waits_again(books: BillDay) -> None:
    sale = await books.sell(0, at("23:59:58"))
    await books.compare(await books.bill([]))
    await books.compare(await books.bill([books.line(sale)], NEXT))
    assert await books.found() == []

    books.clock.advance(hours=1)
    await books.compare(await books.bill([], NEXT))
    await books.settle()

    [found] = await books.found()
    assert (found.detail, found.bill_date) == (D.PAYMENT_ABSENT, DAY)
    statement = await books.statement(0)
    assert "unproven" not in statement.proof
