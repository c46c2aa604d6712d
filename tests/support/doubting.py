"""A desk at which a bill has come in: its lines and differences as rows, and healing that asks about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select
from tests.support.fake_refunds import RefundingWechat
from tests.support.refund_desk import RefundDesk, build_desk
from tests.support.till import Till

from spcore.db.base import table_of
from spcore.db.scope import ProviderScope, TenantScope
from spcore.ids import new_id
from sptenants.bills.models import Bill, BillLine
from sptenants.orders.budget import Budget
from sptenants.orders.records import OrderRecord
from sptenants.orders.sums import CHINA
from sptenants.reconciliation.causes import asks
from sptenants.reconciliation.healing import DifferenceHealing
from sptenants.reconciliation.models import Difference
from sptenants.reconciliation.states import KIND_OF, DifferenceDetail
from sptenants.refunds.records import RefundRecord

TEN_PAST_TEN = timedelta(hours=13, minutes=20)
"""From the held clock's beginning, 20:50 in Beijing, to the next morning's bill."""


@dataclass
class DoubtDesk:
    """`desk` is the money; `bills` are the bills that came in, by day."""

    desk: RefundDesk
    healing: DifferenceHealing
    bills: dict[date, str] = field(default_factory=dict)
    numbers: int = 0

    @property
    def till(self) -> Till:
        return self.desk.till

    @property
    def wechat(self) -> RefundingWechat:
        return self.desk.wechat

    @property
    def scope(self) -> TenantScope:
        return self.desk.scope

    @property
    def provider(self) -> ProviderScope:
        return ProviderScope(self.scope.provider_id)

    @property
    def today(self) -> date:
        return self.day_of(self.till.clock.now())

    def day_of(self, at: datetime) -> date:
        return at.astimezone(CHINA).date()

    def morning(self) -> None:
        """The next day's bill is there."""
        self.till.clock.advance(hours=13, minutes=20)

    async def bill(self, day: date) -> str:
        """Return the trade bill of a day."""
        if day not in self.bills:
            now = self.till.clock.now()
            row = {
                "id": new_id("bil", now),
                "provider_id": self.scope.provider_id,
                "tenant_id": None,
                "bill_date": day,
                "kind": "trade",
                "requested_by": "schedule",
                "state": "downloaded",
                "edition": 1,
                "loaded_edition": 1,
                "created_at": now,
                "updated_at": now,
            }
            async with self.till.database.write(self.provider) as session:
                await session.execute(insert(table_of(Bill)), [row])
            self.bills[day] = str(row["id"])
        return self.bills[day]

    async def line(self, day: date, out_trade_no: str | None, at: datetime, **fields: Any) -> None:
        """Write a line into the bill of a day."""
        self.numbers += 1
        row = {
            "bill_id": await self.bill(day),
            "edition": 1,
            "number": self.numbers,
            "provider_id": self.scope.provider_id,
            "tenant_id": self.scope.tenant_id,
            "bill_date": day,
            "at": at,
            "mch_id": "1900000101",
            "trade_type": "JSAPI",
            "out_trade_no": out_trade_no or "",
            "state": "SUCCESS",
            "currency": "CNY",
            "total": 0,
            "settled": 0,
            "refund_amount": 0,
            "refund_applied": 0,
            "fee": 0,
            "extra": {},
        }
        async with self.till.database.write(self.provider) as session:
            await session.execute(insert(table_of(BillLine)), [row | fields])

    async def refund_line(self, day: date, refund: RefundRecord, **fields: Any) -> None:
        """Write a refund of ours into the bill of a day."""
        own = {
            "state": "REFUND",
            "out_refund_no": refund.out_refund_no,
            "refund_applied": refund.amount.value,
            "refund_state": "SUCCESS",
            "transaction_id": refund.transaction_id,
        }
        at = refund.accepted_at or refund.created_at
        await self.line(day, refund.out_trade_no, at, **(own | fields))

    async def difference(self, detail: DifferenceDetail, day: date, **fields: Any) -> str:
        """Store a difference as comparing finds it: due at once where asking can help."""
        now = self.till.clock.now()
        row = {
            "id": new_id("dif", now),
            "provider_id": self.scope.provider_id,
            "tenant_id": self.scope.tenant_id,
            "bill_id": await self.bill(day),
            "bill_date": day,
            "kind": KIND_OF[detail].value,
            "detail": detail.value,
            "mark": fields.get("out_refund_no") or fields.get("out_trade_no") or "-",
            "facts": {},
            "state": "open",
            "tries": 0,
            "next_at": now if asks(detail) else None,
            "found_at": now,
            "updated_at": now,
        }
        async with self.till.database.write(self.provider) as session:
            await session.execute(insert(table_of(Difference)), [row | fields])
        return str(row["id"])

    async def of_order(self, detail: DifferenceDetail, order: OrderRecord, day: date, **fields: Any) -> str:
        own = {"out_trade_no": order.out_trade_no, "order_id": order.id}
        return await self.difference(detail, day, **(own | fields))

    async def of_refund(
        self, detail: DifferenceDetail, refund: RefundRecord, day: date, **fields: Any
    ) -> str:
        own = {
            "out_trade_no": refund.out_trade_no,
            "out_refund_no": refund.out_refund_no,
            "order_id": refund.order_id,
            "refund_id": refund.id,
        }
        return await self.difference(detail, day, **(own | fields))

    async def read(self, difference_id: str) -> Difference:
        query = select(Difference).where(
            Difference.provider_id == self.scope.provider_id, Difference.id == difference_id
        )
        async with self.till.database.read(self.provider) as session:
            return (await session.scalars(query)).one()

    async def asked(self, difference_id: str) -> Difference:
        """Have everything asked that is due, and return what became of one difference."""
        await self.healing.run_due()
        return await self.read(difference_id)


def doubting(till: Till) -> DoubtDesk:
    desk = build_desk(till)
    services = (till.database, till.clock, till.keyring, till.wechat)
    return DoubtDesk(desk, healing_of(till, desk, Budget(till.clock), "w1", *services))


def healing_of(
    till: Till, desk: RefundDesk, budget: Budget, worker_id: str, *services: Any
) -> DifferenceHealing:
    """Return another worker over the same rows."""
    services = services or (till.database, till.clock, till.keyring, till.wechat)
    return DifferenceHealing(
        *services,
        till.adoption,
        desk.service.outside,
        budget=budget,
        jitter=lambda: 0.5,
        worker_id=worker_id,
    )
