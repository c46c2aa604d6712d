"""Bills for people to read: days with their bills, the file as it came, and lines."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, func, select

from spcore.db.engine import Database
from spcore.db.keyset import Page, decode_cursor, page
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.errors import Fault, InvalidInput, NotFound, Text
from sptenants.bills.models import Bill, BillLine
from sptenants.bills.records import BillFilter, BillRecord, DayOfBills, LineRecord
from sptenants.bills.repository import BILLS, PARTS, bills_with_names, record_of
from sptenants.bills.states import BillState
from wechatpay.bill_masking import PayerMask
from wechatpay.bills import BillKind

ReadScope = TenantScope | ProviderScope | PlatformScope

_BATCH = 1_000


class Bookshelf:
    """Reads bills; the scope decides which, the filter only narrows (rule Y4).

    A tenant has bills of its own only where they are fetched for it alone; its lines are those of the
    provider's whole bill, of which it sees nothing else (failure catalogue L05).
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def days(
        self, scope: ReadScope, wanted: BillFilter, limit: int, cursor: str | None = None
    ) -> Page[DayOfBills]:
        """Return `limit` days that have bills, newest first, each with those of them that `wanted` shows.

        One statement. Raises InvalidInput for a cursor we did not make.
        """
        conditions = [*_within(scope, BILLS), *_matching(wanted)]
        newest = select(BILLS.c.bill_date).where(*conditions).group_by(BILLS.c.bill_date)
        newest = newest.order_by(BILLS.c.bill_date.desc()).limit(limit + 1)
        if cursor is not None:
            newest = newest.where(BILLS.c.bill_date < _day(decode_cursor(cursor)))
        shown = newest.subquery("shown")
        query = bills_with_names().join(shown, shown.c.bill_date == Bill.bill_date).where(*conditions)
        async with self._database.read(scope) as session:
            found = [record_of(*row) for row in await session.execute(_in_order(query))]
        return page([DayOfBills(day, list(bills)) for day, bills in groupby(found, lambda b: b.day)], limit)

    async def of_day(
        self, scope: ReadScope, day: date, provider_id: str | None = None
    ) -> Sequence[BillRecord]:
        """Return the bills of one day, whole ones first."""
        wanted = BillFilter(first_day=day, last_day=day, provider_id=provider_id)
        query = bills_with_names().where(*_within(scope, BILLS), *_matching(wanted))
        async with self._database.read(scope) as session:
            return [record_of(*row) for row in await session.execute(_in_order(query))]

    async def record(self, scope: ReadScope, bill_id: str) -> BillRecord:
        """Return one bill. Raises NotFound, also for somebody else's (rule Y3)."""
        query = bills_with_names().where(*_within(scope, BILLS), Bill.id == bill_id)
        async with self._database.read(scope) as session:
            found = (await session.execute(query)).one_or_none()
        if found is None:
            raise NotFound
        return record_of(*found)

    async def states(self, scope: ReadScope, first_day: date) -> Mapping[BillState, int]:
        """Return how many bills of `first_day` and later are in each state; none is absent."""
        query = (
            select(BILLS.c.state, func.count())
            .where(*_within(scope, BILLS), BILLS.c.bill_date >= first_day)
            .group_by(BILLS.c.state)
        )
        async with self._database.read(scope) as session:
            return {BillState(state): count for state, count in await session.execute(query)}

    async def text(self, scope: ReadScope, bill_id: str) -> AsyncIterator[bytes]:
        """Return the file of a bill as WeChat sent it, but for the payers, in pieces of some megabytes.

        Raises NotFound, also when there is no file: none was fetched yet, or nothing happened that day.
        """
        bill = await self.record(scope, bill_id)
        if bill.edition == 0 or bill.empty:
            raise NotFound
        return self._pieces(scope, bill)

    async def _pieces(self, scope: ReadScope, bill: BillRecord) -> AsyncIterator[bytes]:
        number, sent, mask = 0, 0, PayerMask()
        while sent < bill.size:
            query = select(PARTS.c.content).where(
                *_within(scope, PARTS),
                PARTS.c.bill_id == bill.id,
                PARTS.c.edition == bill.edition,
                PARTS.c.number == number,
            )
            async with self._database.read(scope) as session:
                content = await session.scalar(query)
            if content is None:
                # Half of one file and half of another would be worse than a download that breaks off.
                raise RuntimeError("a newer edition of the bill took the place of this one")
            piece = zlib.decompress(content, wbits=31)
            number, sent = number + 1, sent + len(piece)
            yield mask.feed(piece)
        yield mask.finish()

    async def lines_of_order(
        self, scope: ProviderScope | TenantScope, out_trade_no: str, days: Sequence[date]
    ) -> Sequence[LineRecord]:
        """Return the lines that the trade bills of `days` have under a number: its payment and refunds."""
        editions = await self.editions(scope, days)
        query = (
            select(BillLine)
            .where(
                *_within(scope, BillLine),
                BillLine.provider_id == scope.provider_id,
                BillLine.bill_date.in_(days),
                BillLine.out_trade_no == out_trade_no,
            )
            .order_by(BillLine.bill_date, BillLine.bill_id, BillLine.number)
        )
        async with self._database.read(scope) as session:
            return [
                LineRecord.of(row)
                for row in await session.scalars(query)
                if editions.get(row.bill_id) == row.edition
            ]

    async def tenant_lines(self, scope: TenantScope, day: date) -> AsyncIterator[LineRecord]:
        """Yield a tenant's lines of a day's trade bill in the order of the bill; never anybody else's."""
        for bill_id, edition in (await self.editions(scope, [day])).items():
            last = 0
            while True:
                query = (
                    select(BillLine)
                    .where(
                        *_within(scope, BillLine),
                        BillLine.bill_date == day,
                        BillLine.bill_id == bill_id,
                        BillLine.edition == edition,
                        BillLine.number > last,
                    )
                    .order_by(BillLine.number)
                    .limit(_BATCH)
                )
                async with self._database.read(scope) as session:
                    rows = (await session.scalars(query)).all()
                for row in rows:
                    yield LineRecord.of(row)
                if len(rows) < _BATCH:
                    break
                last = rows[-1].number

    async def editions(self, scope: ProviderScope | TenantScope, days: Iterable[date]) -> Mapping[str, int]:
        """Return the loaded trade bills whose lines count, with their editions.

        The whole bill has everybody's lines; a sub-merchant's own stands in where there is no whole one.
        Asked for as the provider, since a whole bill's row is no tenant's; no more than these two facts of
        it leave here.
        """
        provider = ProviderScope(scope.provider_id)
        query = select(BILLS.c.bill_date, BILLS.c.id, BILLS.c.loaded_edition, BILLS.c.tenant_id).where(
            *_within(provider, BILLS),
            BILLS.c.bill_date.in_(list(days)),
            BILLS.c.kind == BillKind.TRADE.value,
            BILLS.c.loaded_edition > 0,
        )
        async with self._database.read(provider) as session:
            found = (await session.execute(query)).all()
        whole = {row.bill_date for row in found if row.tenant_id is None}
        return {
            row.id: row.loaded_edition for row in found if row.tenant_id is None or row.bill_date not in whole
        }


def _within(scope: ReadScope, table: Any) -> tuple[ColumnElement[bool], ...]:
    columns = getattr(table, "c", table)
    match scope:
        case TenantScope():
            return columns.provider_id == scope.provider_id, columns.tenant_id == scope.tenant_id
        case ProviderScope():
            return (columns.provider_id == scope.provider_id,)
        case PlatformScope():
            return ()


def _matching(wanted: BillFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.first_day is not None:
        conditions.append(BILLS.c.bill_date >= wanted.first_day)
    if wanted.last_day is not None:
        conditions.append(BILLS.c.bill_date <= wanted.last_day)
    if wanted.provider_id is not None:
        conditions.append(BILLS.c.provider_id == wanted.provider_id)
    if wanted.kind is not None:
        conditions.append(BILLS.c.kind == wanted.kind.value)
    if wanted.state is not None:
        conditions.append(BILLS.c.state == wanted.state.value)
    return conditions


def _in_order(query: Any) -> Any:
    return query.order_by(
        Bill.bill_date.desc(),
        Bill.provider_id,
        Bill.sub_mch_id,
        Bill.kind.desc(),
        Bill.account,
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        wrong = Text(
            "不是有效的翻页游标，请去掉该参数从头开始。",
            "is not a cursor of ours; leave it out to start over.",
        )
        raise InvalidInput(Fault("#/cursor", "invalid_cursor", wrong)) from None
