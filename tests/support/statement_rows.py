"""Bills, differences, statements and lines as rows, for tests of what is read from them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import insert

from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, TenantScope
from spcore.ids import new_id
from sptenants.bills.models import Bill, BillLine
from sptenants.reconciliation.models import Difference, Statement
from sptenants.reconciliation.states import KIND_OF, DifferenceDetail, DifferenceState, Resolution

DAY = date(2026, 11, 20)
"""The day before the one on which the clock of tests begins."""


class Owner(Protocol):
    @property
    def scope(self) -> TenantScope: ...


class Books(Protocol):
    """A database with tenants in it: a till, or whatever else tests have."""

    @property
    def database(self) -> Database: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def callers(self) -> Sequence[Owner]: ...


def provider_of(till: Books, tenant: int = 0) -> ProviderScope:
    return ProviderScope(till.callers[tenant].scope.provider_id)


async def add_bill(till: Books, *, day: date = DAY, tenant: int = 0, **values: Any) -> str:
    """Store a loaded trade bill of the whole provider that a tenant has, and return its id."""
    scope, now, bill_id = provider_of(till, tenant), till.clock.now(), new_id("bil")
    row = {
        "id": bill_id,
        "provider_id": scope.provider_id,
        "tenant_id": None,
        "bill_date": day,
        "kind": "trade",
        "account": "",
        "sub_mch_id": "",
        "requested_by": "schedule",
        "state": "different",
        "edition": 1,
        "loaded_edition": 1,
        "lines": 1,
        "created_at": now,
        "updated_at": now,
    } | values
    async with till.database.write(scope) as session:
        await session.execute(insert(table_of(Bill)), [row])
    return bill_id


async def add_difference(
    till: Books,
    bill_id: str,
    detail: DifferenceDetail = DifferenceDetail.AMOUNT,
    *,
    tenant: int | None = 0,
    at: int = 0,
    day: date = DAY,
    **values: Any,
) -> str:
    """Store a difference; without a `tenant` it is the first provider's and of nobody. `at`: which tenant's
    provider has it."""
    scope, now, difference_id = provider_of(till, tenant or at), till.clock.now(), new_id("dif")
    row = {
        "id": difference_id,
        "provider_id": scope.provider_id,
        "tenant_id": None if tenant is None else till.callers[tenant].scope.tenant_id,
        "bill_id": bill_id,
        "bill_date": day,
        "kind": KIND_OF[detail].value,
        "detail": detail.value,
        "mark": difference_id,
        "ours": 12800,
        "theirs": 12700,
        "facts": {},
        "state": "open",
        "tries": 1,
        "next_at": now + timedelta(hours=2),
        "found_at": now,
        "updated_at": now,
    } | values
    if row["state"] == DifferenceState.RESOLVED.value:
        row = {"resolution": Resolution.NEXT_BILL.value, "resolved_by": "system", "resolved_at": now} | row
    async with till.database.write(scope) as session:
        await session.execute(insert(table_of(Difference)), [row])
    return difference_id


async def add_statement(till: Books, *, tenant: int = 0, day: date = DAY, **values: Any) -> str:
    """Store a balanced statement of two payments and a refund, and return its id."""
    scope, now, statement_id = till.callers[tenant].scope, till.clock.now(), new_id("sta")
    row = {
        "provider_id": scope.provider_id,
        "tenant_id": scope.tenant_id,
        "bill_date": day,
        "id": statement_id,
        "state": "balanced",
        "paid_count": 2,
        "paid_amount": 25600,
        "refunded_count": 1,
        "refunded_amount": 2000,
        "bill_paid_count": 2,
        "bill_paid_amount": 25600,
        "bill_refunded_count": 1,
        "bill_refunded_amount": 2000,
        "bill_settled_amount": 25600,
        "bill_fee": 141_600,
        "suspended_count": 0,
        "suspended_amount": 0,
        "differences": 0,
        "open_differences": 0,
        "proof": {"payments": {"ours": {"count": 2, "amount": 25600}}},
        "digest": "d" * 64,
        "event_sequence": 0,
        "made_at": now,
        "updated_at": now,
    } | values
    async with till.database.write(scope) as session:
        await session.execute(insert(table_of(Statement)), [row])
    return statement_id


async def add_line(
    till: Books, bill_id: str, number: int, *, tenant: int | None = 0, day: date = DAY, **values: Any
) -> None:
    """Store a line of a payment of 128 yuan; without a `tenant` it is of nobody."""
    scope = provider_of(till, tenant or 0)
    row = {
        "bill_id": bill_id,
        "edition": 1,
        "number": number,
        "provider_id": scope.provider_id,
        "tenant_id": None if tenant is None else till.callers[tenant].scope.tenant_id,
        "bill_date": day,
        "at": datetime(2026, 11, 20, 6, 32, 40, tzinfo=UTC),
        "mch_id": "1900000109",
        "sub_mch_id": "1612345678",
        "transaction_id": f"42000012342026112012345678{number:02d}",
        "out_trade_no": f"01JD3K8W7Q4M6X0B2T9V5H1C{number:02d}",
        "trade_type": "JSAPI",
        "state": "SUCCESS",
        "currency": "CNY",
        "total": 12800,
        "settled": 12800,
        "refund_amount": 0,
        "refund_applied": 0,
        "fee": 76_800,
        "rate": 6_000,
        "extra": {"appid": "wx1111aaaa2222bbbb", "payer": "oUpF8****jWeS", "description": "拿铁双人套餐"},
    } | values
    async with till.database.write(scope) as session:
        await session.execute(insert(table_of(BillLine)), [row])
