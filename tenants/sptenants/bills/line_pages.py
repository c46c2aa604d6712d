"""Lines of a day's trade bill, page by page: a tenant's own, and those of nobody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import ColumnElement, and_, func, select

from spcore.db.engine import Database
from spcore.db.keyset import Page, decode_cursor, encode_cursor
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.errors import Fault, InvalidInput, Text
from sptenants.bills.models import Bill, BillLine
from sptenants.bills.reader import Bookshelf
from sptenants.bills.records import LineRecord


class LinePages:
    """Reads lines in the order of the bill, as the tenant whose they are, so that nobody else's can be among
    them (failure catalogue L05). Which bill has them is the bookshelf's to say.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._shelf = Bookshelf(database)

    async def of_tenant(
        self, scope: TenantScope, day: date, limit: int, cursor: str | None = None
    ) -> Page[LineRecord]:
        """Return a page. Raises InvalidInput for a cursor we did not make."""
        after = 0 if cursor is None else _number(cursor)
        if (bill := await self._bill(scope, day)) is None:
            return Page((), None)
        query = (
            select(BillLine)
            .where(*_of(scope, day, bill), BillLine.number > after)
            .order_by(BillLine.number)
            .limit(limit + 1)
        )
        async with self._database.read(scope) as session:
            rows = [LineRecord.of(row) for row in await session.scalars(query)]
        if len(rows) <= limit:
            return Page(rows, None)
        return Page(rows[:limit], encode_cursor(str(rows[limit - 1].number)))

    async def count(self, scope: TenantScope, day: date, most: int) -> int:
        """Return how many lines a tenant has, counting no further than `most`."""
        if (bill := await self._bill(scope, day)) is None:
            return 0
        lines = select(BillLine.number).where(*_of(scope, day, bill)).limit(most).subquery()
        async with self._database.read(scope) as session:
            return (await session.execute(select(func.count()).select_from(lines))).scalar_one()

    async def of_nobody(
        self, scope: ProviderScope | PlatformScope, day: date, provider_id: str | None, limit: int
    ) -> Sequence[LineRecord]:
        """Return the first lines of a day whose numbers are no tenant's here; of one provider or of all."""
        query = (
            select(BillLine)
            .join(
                Bill,
                and_(
                    Bill.provider_id == BillLine.provider_id,
                    Bill.id == BillLine.bill_id,
                    Bill.loaded_edition == BillLine.edition,
                ),
            )
            .where(BillLine.tenant_id.is_(None), BillLine.bill_date == day)
            .order_by(BillLine.bill_id, BillLine.number)
            .limit(limit)
        )
        owner = scope.provider_id if isinstance(scope, ProviderScope) else provider_id
        if owner is not None:
            query = query.where(BillLine.provider_id == owner)
        async with self._database.read(scope) as session:
            return [LineRecord.of(row) for row in await session.scalars(query)]

    async def _bill(self, scope: TenantScope, day: date) -> tuple[str, int] | None:
        """Return id and edition of the bill that has the tenant's lines; None when none is loaded."""
        return next(iter((await self._shelf.editions(scope, [day])).items()), None)


def _of(scope: TenantScope, day: date, bill: tuple[str, int]) -> tuple[ColumnElement[bool], ...]:
    bill_id, edition = bill
    return (
        BillLine.provider_id == scope.provider_id,
        BillLine.tenant_id == scope.tenant_id,
        BillLine.bill_date == day,
        BillLine.bill_id == bill_id,
        BillLine.edition == edition,
    )


def _number(cursor: str) -> int:
    number = decode_cursor(cursor)
    if not number.isascii() or not number.isdigit() or len(number) > 9:
        raise InvalidInput(Fault("#/cursor", "invalid_cursor", _BAD_CURSOR))
    return int(number)


_BAD_CURSOR = Text(
    "不是有效的翻页游标，请去掉该参数从头开始。", "is not a cursor of ours; leave it out to start over."
)
