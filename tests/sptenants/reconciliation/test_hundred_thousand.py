"""A day of a hundred thousand lines with five hundred planted differences: all are found, and no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import insert
from tests.conftest import HeldClock
from tests.support.bill_day import DAY, RATE, BillDay, Sale, at, fee_of
from tests.support.databases import sqlite_url
from tests.support.house import build_house
from tests.support.order_rows import Rows

from spcore.db.base import table_of
from spcore.db.engine import Database
from sptenants.orders.sums import DAY as ONE_DAY
from sptenants.reconciliation.entries import Line
from sptenants.reconciliation.models import AgreedRate
from sptenants.reconciliation.states import KIND_OF
from sptenants.reconciliation.states import DifferenceDetail as D

SALES, REFUND_EVERY, TENANTS = 95_000, 19, 5
PLANTED = {
    D.PAYMENT_UNKNOWN: 60,
    D.PAYMENT_ABSENT: 60,
    D.AMOUNT: 50,
    D.TRANSACTION: 40,
    D.STATE: 70,
    D.REFUND_UNKNOWN: 40,
    D.REFUND_ABSENT: 40,
    D.REFUND_AMOUNT: 30,
    D.REFUND_STATE: 30,
    D.FEE: 40,
    D.UNKNOWN_SUB_MERCHANT: 15,
    D.OTHER_PROVIDER: 10,
    D.OTHER_TENANT: 10,
    D.REPEATED_LINE: 4,
    D.RATE: 1,
}


@dataclass
class LargeDay:
    """Both sides of the day while it is made, and what was planted: detail, tenant and number."""

    books: BillDay
    sales: list[Sale] = field(default_factory=list)
    refunds: list[dict[str, Any]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    planted: Counter[tuple[str, str | None, str | None]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._patterns = [self.books.sale(n, at("00:15")) for n in range(TENANTS)]

    def make(self) -> None:
        details = [detail for detail, count in PLANTED.items() if detail is not D.RATE for _ in range(count)]
        step = SALES // len(details)
        plants = {place * step + step // 2: detail for place, detail in enumerate(details)}
        for n in range(SALES):
            sale = self._sale(n)
            if detail := plants.get(n):
                number = PLANTS[detail](self, sale, self.books.line(sale)) or sale.number
                self.planted[detail, None if detail in NOBODYS else sale.scope.tenant_id, number] += 1
            else:
                self.sales.append(sale)
                self.lines.append(self.books.line(sale))
                if n % REFUND_EVERY == 7:
                    back = self.books.refund(sale, 50, at("23:40"))
                    self.refunds.append(back)
                    self.lines.append(self.books.refund_line(sale, back))

    def _sale(self, n: int) -> Sale:
        """Return a sale with numbers by its place: making random ones takes longer than comparing them."""
        like, paid_at = self._patterns[n % TENANTS], at("00:15") + n * timedelta(seconds=0.88)
        number, amount = f"01JD3K8W7Q{n:016d}", 100 + n * 7919 % 50_000
        both = {"out_trade_no": number, "amount": amount, "transaction_id": f"4200{number}"}
        order_id = f"ord_{number}"
        own = {"id": order_id, "merchant_order_no": order_id, "paid_at": paid_at}
        rows = Rows(like.rows.order | both | own, like.rows.attempt | both | {"order_id": order_id})
        return Sale(like.scope, rows)


Plant: TypeAlias = Callable[[LargeDay, Sale, Line], str | None]
"""Puts a sale into both sides so that they differ; returns the number that is named, if not the sale's."""


def _billed_as(change: Callable[[LargeDay, Sale, Line], Sequence[Line]]) -> Plant:
    def plant(day: LargeDay, sale: Sale, line: Line) -> None:
        day.lines += change(day, sale, line)
        day.sales.append(sale)

    return plant


def _only_billed(day: LargeDay, _sale: Sale, line: Line) -> None:
    day.lines.append(line)


def _only_sold(day: LargeDay, sale: Sale, _line: Line) -> None:
    day.sales.append(sale)


def _changed(**changes: Any) -> Plant:
    return _billed_as(lambda _day, _sale, line: [replace(line, **changes)])


def _besides(**changes: Any) -> Plant:
    """The sale's own line, and one more under a number of its own."""

    def plant(day: LargeDay, sale: Sale, line: Line) -> str:
        day.sales.append(sale)
        day.lines += [line, replace(line, out_trade_no=f"X{sale.number}", **changes)]
        return f"X{sale.number}"

    return plant


def _other_state(day: LargeDay, sale: Sale, line: Line) -> Sequence[Line]:
    """Either taken back in the bill and paid here, or paid in the bill and closed here."""
    if line.total % 3 == 0:
        return [line, day.books.reversal(sale)]
    sale.rows.order.update(status="closed", paid_at=None, paid_by=None, transaction_id=None)
    sale.rows.attempt.update(state="closed", transaction_id=None)
    return [line]


def _refunded(*, here: bool = True, there: bool = True, **changes: Any) -> Plant:
    def plant(day: LargeDay, sale: Sale, line: Line) -> str:
        back = day.books.refund(sale, 60, at("14:00"))
        day.sales.append(sale)
        day.lines.append(line)
        if here:
            day.refunds.append(back)
        if there:
            day.lines.append(day.books.refund_line(sale, back, **changes))
        return str(back["out_refund_no"])

    return plant


def _under_another(day: LargeDay, sale: Sale, line: Line) -> Sequence[Line]:
    other = next(tenant for tenant in day.books.house.tenants if tenant != sale.scope)
    return [replace(line, tenant_id=other.tenant_id)]


def _dearer(_day: LargeDay, _sale: Sale, line: Line) -> Sequence[Line]:
    more = line.total + 1
    return [replace(line, total=more, settled=more, fee=fee_of(more))]


NOBODYS = {D.UNKNOWN_SUB_MERCHANT, D.OTHER_PROVIDER, D.OTHER_TENANT}
PLANTS: dict[D, Plant] = {
    D.PAYMENT_UNKNOWN: _only_billed,
    D.PAYMENT_ABSENT: _only_sold,
    D.AMOUNT: _billed_as(_dearer),
    D.TRANSACTION: _changed(transaction_id="4299"),
    D.STATE: _billed_as(_other_state),
    D.REFUND_UNKNOWN: _refunded(here=False),
    D.REFUND_ABSENT: _refunded(there=False),
    D.REFUND_AMOUNT: _refunded(refund_applied=61, refund_amount=61),
    D.REFUND_STATE: _refunded(refund_state="FAIL"),
    D.FEE: _billed_as(lambda _day, _sale, line: [replace(line, fee=line.fee + 2_000)]),
    D.UNKNOWN_SUB_MERCHANT: _besides(tenant_id=None, sub_mch_id="1777777777"),
    D.OTHER_PROVIDER: _besides(tenant_id=None, mch_id="1999999999"),
    D.OTHER_TENANT: _billed_as(_under_another),
    D.REPEATED_LINE: _billed_as(lambda _day, _sale, line: [line, line]),
}


async def all_are_found(database: Database, clock: HeldClock) -> None:
    """Make the day, compare it twice and look at everything that came of it."""
    books = BillDay(database, clock, await build_house(database, tenants=TENANTS))
    day = LargeDay(books)
    day.make()
    await books.store(day.sales, day.refunds)
    await _agree_on_another_rate(books)
    day.planted[D.RATE, books.house.tenants[0].tenant_id, None] += 1
    assert len(day.lines) >= 100_000 - 500
    assert day.planted.total() == sum(PLANTED.values()) == 500
    bill = await books.bill(day.lines)

    await books.compare(bill)
    await books.settle()

    found = await books.found()
    said = Counter((row.detail, row.tenant_id, row.out_refund_no or row.out_trade_no) for row in found)
    assert said == day.planted
    assert all(row.kind == KIND_OF[D(row.detail)] for row in found)
    for place in range(TENANTS):
        statement = await books.statement(place)
        assert "unproven" not in statement.proof
        assert statement.open_differences >= sum(row.tenant_id == statement.tenant_id for row in found)

    before = await books.dump()
    clock.advance(hours=1)
    await books.compare(bill)
    await books.settle()
    assert await books.dump() == before


async def _agree_on_another_rate(books: BillDay) -> None:
    tenant = books.house.tenants[0]
    rate = {"from_date": DAY, "rate": RATE - 1_000, "set_by": "王敏", "created_at": at("08:00")}
    async with books.database.write(tenant) as session:
        owner = {"provider_id": tenant.provider_id, "tenant_id": tenant.tenant_id}
        await session.execute(insert(table_of(AgreedRate)), [owner | rate])


async def test_five_hundred_differences_among_a_hundred_thousand_lines(
    tmp_path: Path, clock: HeldClock
) -> None:
    clock.moment = at("10:05", DAY + ONE_DAY)
    database = Database(sqlite_url(tmp_path))
    try:
        await all_are_found(database, clock)
    finally:
        await database.close()
