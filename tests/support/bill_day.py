"""A provider's day without WeChat: rows of our books and lines of its bill, to compare with each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update
from tests.conftest import HeldClock
from tests.support.house import House
from tests.support.order_rows import Rows, order_rows

from spcore.db.base import Model, table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, TenantScope
from spcore.ids import new_id, new_ulid
from spcore.outbox.models import OutboxMessage
from sptenants.bills.models import Bill, BillLine
from sptenants.bills.records import BillRecord
from sptenants.bills.repository import bill_of
from sptenants.orders.models import Attempt, Order
from sptenants.orders.sums import CHINA
from sptenants.reconciliation.comparing import Comparing
from sptenants.reconciliation.entries import Line
from sptenants.reconciliation.models import Difference, Statement, Suspense
from sptenants.reconciliation.statements import Statements
from sptenants.refunds.models import Refund

DAY = date(2026, 11, 20)
RATE = 6_000
MCH = "1900000101"
_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Sale:
    """An order with its attempt, as rows."""

    scope: TenantScope
    rows: Rows

    @property
    def number(self) -> str:
        return str(self.rows.attempt["out_trade_no"])

    @property
    def order_id(self) -> str:
        return self.rows.order_id


def at(clock_time: str, day: date = DAY) -> datetime:
    """Return a moment of a Beijing day, `at("23:59:58")`."""
    return datetime.combine(day, time.fromisoformat(clock_time), CHINA)


def fee_of(fen: int, rate: int = RATE) -> int:
    """Return the fee as the simulated WeChat rounds it, half up to a fen, in thousandths of one."""
    return (abs(fen) * rate + 500_000) // 1_000_000 * (1000 if fen >= 0 else -1000)


class BillDay:
    """One provider's books and bills. Tenants and their sub-merchant numbers are the house's."""

    def __init__(self, database: Database, clock: HeldClock, house: House) -> None:
        self.database = database
        self.clock = clock
        self.house = house
        self.comparing = Comparing(database, clock)
        self.statements = Statements(database, clock)

    @property
    def scope(self) -> ProviderScope:
        return self.house.provider

    def sale(self, tenant: int, paid_at: datetime, amount: int = 1_000, *, status: str = "paid") -> Sale:
        """Return a sale that is not stored yet."""
        made_at = paid_at - timedelta(seconds=20)
        rows = order_rows(self.house.tenants[tenant], made_at, status=status, amount=amount, paid_at=paid_at)
        rows.attempt["state"] = "paid" if status == "paid" else "closed" if status == "closed" else "payable"
        return Sale(self.house.tenants[tenant], rows)

    async def sell(
        self, tenant: int, paid_at: datetime, amount: int = 1_000, *, status: str = "paid"
    ) -> Sale:
        made = self.sale(tenant, paid_at, amount, status=status)
        await self.store([made])
        return made

    async def store(self, sales: Iterable[Sale], refunds: Iterable[dict[str, Any]] = ()) -> None:
        kept = list(sales)
        await self._insert(Order, [sale.rows.order for sale in kept])
        await self._insert(Attempt, [sale.rows.attempt for sale in kept])
        await self._insert(Refund, list(refunds))

    async def _insert(self, model: type[Model], rows: Sequence[dict[str, Any]]) -> None:
        """Store rows, so many at once as PostgreSQL takes in one statement's time."""
        for first in range(0, len(rows), _AT_ONCE):
            async with self.database.write(self.scope) as session:
                await session.execute(insert(table_of(model)), rows[first : first + _AT_ONCE])

    def refund(
        self,
        sale: Sale,
        amount: int,
        accepted_at: datetime | None,
        *,
        status: str = "succeeded",
        made_at: datetime | None = None,
    ) -> dict[str, Any]:
        """Return the row of a refund that is not stored yet."""
        made = made_at or accepted_at or at("12:00")
        final = status in {"succeeded", "closed", "rejected"}
        return {
            "provider_id": sale.scope.provider_id,
            "tenant_id": sale.scope.tenant_id,
            "id": new_id("ref", made),
            "order_id": sale.order_id,
            "out_trade_no": sale.number,
            "transaction_id": sale.rows.attempt["transaction_id"],
            "out_refund_no": new_ulid(made),
            "amount": amount,
            "total": sale.rows.order["amount"],
            "request": {},
            "status": status,
            "purpose": "order",
            "source": "console",
            "approval": "none",
            "created_by": "王敏",
            "wechat_refund_id": None,
            "next_check_at": None if final else made,
            "state_since": made,
            "created_at": made,
            "updated_at": made,
            "accepted_at": accepted_at,
            "succeeded_at": accepted_at if status == "succeeded" else None,
        }

    async def give_back(
        self, sale: Sale, amount: int, accepted_at: datetime | None, **more: Any
    ) -> dict[str, Any]:
        made = self.refund(sale, amount, accepted_at, **more)
        await self.store([], [made])
        return made

    def line(self, sale: Sale, **changes: Any) -> Line:
        """Return the line that the bill should have of a sale; its number is set when it is billed."""
        amount = sale.rows.order["amount"]
        made = Line(
            number=0,
            tenant_id=sale.scope.tenant_id,
            mch_id=MCH,
            sub_mch_id="1",
            transaction_id=sale.rows.attempt["transaction_id"] or f"4200{sale.number}",
            out_trade_no=sale.number,
            state="SUCCESS",
            currency="CNY",
            total=amount,
            settled=amount,
            refund_id=None,
            out_refund_no=None,
            refund_amount=0,
            refund_applied=0,
            refund_state=None,
            fee=fee_of(amount),
            rate=RATE,
        )
        return replace(made, **changes)

    def refund_line(self, sale: Sale, refund: dict[str, Any], **changes: Any) -> Line:
        amount = refund["amount"]
        made = replace(
            self.line(sale),
            state="REFUND",
            total=0,
            settled=0,
            refund_id=f"5030{refund['out_refund_no']}",
            out_refund_no=refund["out_refund_no"],
            refund_amount=amount,
            refund_applied=amount,
            refund_state="SUCCESS",
            fee=fee_of(-amount),
        )
        return replace(made, **changes)

    def reversal(self, sale: Sale, **changes: Any) -> Line:
        """Return the line by which a bill takes a payment code's payment back, as the simulator writes it."""
        amount = sale.rows.order["amount"]
        back = {
            "state": "REVOKED",
            "total": 0,
            "settled": 0,
            "refund_amount": amount,
            "refund_applied": amount,
        }
        return replace(self.line(sale), **back, fee=fee_of(-amount), **changes)

    async def bill(self, lines: Sequence[Line], day: date = DAY, *, tenant: int | None = None) -> str:
        """Have a loaded bill of a day, not compared yet; a second one of the same day is its next edition."""
        owner = None if tenant is None else self.house.tenants[tenant].tenant_id
        sub_mch_id = "" if tenant is None else f"sub{tenant}"
        bills, now = table_of(Bill), self.clock.now()
        async with self.database.write(self.scope) as session:
            which = (
                bills.c.provider_id == self.scope.provider_id,
                bills.c.bill_date == day,
                bills.c.sub_mch_id == sub_mch_id,
            )
            found = (await session.execute(select(bills.c.id, bills.c.edition).where(*which))).one_or_none()
            bill_id, edition = (found.id, found.edition + 1) if found else (new_id("bil", now), 1)
            values = {
                "state": "downloaded",
                "edition": edition,
                "loaded_edition": edition,
                "lines": len(lines),
                "downloaded_at": now,
                "next_at": now,
                "matched_at": None,
                "updated_at": now,
            }
            if found:
                await session.execute(update(bills).where(*which).values(values))
                gone = (BillLine.provider_id == self.scope.provider_id, BillLine.bill_id == bill_id)
                await session.execute(delete(BillLine).where(*gone))
            else:
                key = {
                    "id": bill_id,
                    "provider_id": self.scope.provider_id,
                    "tenant_id": owner,
                    "bill_date": day,
                    "kind": "trade",
                    "account": "",
                    "sub_mch_id": sub_mch_id,
                    "requested_by": "schedule",
                    "created_at": now,
                }
                await session.execute(insert(bills), [key | values])
        rows = [self._row(bill_id, edition, day, n, line) for n, line in enumerate(lines, 1)]
        await self._insert(BillLine, rows)
        return bill_id

    def _row(self, bill_id: str, edition: int, day: date, number: int, line: Line) -> dict[str, Any]:
        fields = {name: getattr(line, name) for name in Line.__dataclass_fields__}
        return fields | {
            "bill_id": bill_id,
            "edition": edition,
            "number": number,
            "provider_id": self.scope.provider_id,
            "bill_date": day,
            "at": at("12:00", day),
            "trade_type": "JSAPI",
            "extra": {},
        }

    async def record(self, bill_id: str) -> BillRecord:
        async with self.database.read(self.scope) as session:
            found = await bill_of(session, self.scope, bill_id)
        assert found is not None
        return found

    async def compare(self, bill_id: str) -> None:
        """Compare a bill to its end, as whoever takes its steps does."""
        while not await self.comparing.run(await self.record(bill_id)):
            pass
        async with self.database.write(self.scope) as session:
            await session.execute(
                update(Bill)
                .where(Bill.provider_id == self.scope.provider_id, Bill.id == bill_id)
                .values(matched_at=self.clock.now(), next_at=None)
            )

    async def settle(self) -> None:
        while await self.statements.settle_due():
            pass

    async def found(self) -> list[Difference]:
        return await self._rows(Difference, Difference.id)

    async def statement(self, tenant: int, day: date = DAY) -> Statement:
        """Return a tenant's statement. Raises LookupError when there is none."""
        rows = await self._rows(Statement, Statement.bill_date)
        wanted = (self.house.tenants[tenant].tenant_id, day)
        found = [row for row in rows if (row.tenant_id, row.bill_date) == wanted]
        if not found:
            raise LookupError(f"tenant {tenant} has no statement of {day}")
        made: Statement = found[0]
        return made

    async def tenants_with_statement(self) -> set[str]:
        return {row.tenant_id for row in await self._rows(Statement, Statement.bill_date)}

    async def waiting(self) -> list[Suspense]:
        return await self._rows(Suspense, Suspense.number)

    async def told(self) -> list[tuple[str, str]]:
        """Return the events of statements so far: type and tenant."""
        rows = await self._rows(OutboxMessage, OutboxMessage.id)
        return [(row.type, row.tenant_id) for row in rows]

    async def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all rows that comparing and settling write, with all their columns."""
        found = {}
        for model in (Difference, Suspense, Statement, OutboxMessage, Bill):
            table = table_of(model)
            query = select(table).where(table.c.provider_id == self.scope.provider_id)
            async with self.database.read(self.scope) as session:
                rows = (await session.execute(query.order_by(*table.primary_key))).all()
            skipped = ("updated_at", "matched_at", "next_at") if model is Bill else ()
            names = [column.name for column in table.columns if column.name not in skipped]
            found[table.name] = [tuple(getattr(row, name) for name in names) for row in rows]
        return found

    async def _rows(self, model: Any, order: Any) -> list[Any]:
        query = select(model).where(model.provider_id == self.scope.provider_id).order_by(order)
        async with self.database.read(self.scope) as session:
            return list(await session.scalars(query))
