"""The fee rate that service provider and sub-merchant agreed upon: what a bill's fees are checked against.

A rate holds from its day on until the next one. The day is that of the bill, in Beijing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.audit import writer as audit
from spcore.audit.actor import Actor
from spcore.audit.writer import Act
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.errors import Fault, InvalidInput, Text
from sptenants.orders.sums import day_of
from sptenants.reconciliation.models import AgreedRate
from sptenants.registry.access import RequestFacts
from wechatpay.bills import Rate

MAX_RATE = Rate.parse("10.00%")
FURTHEST = timedelta(days=366)
"""A rate begins at most so long before or after today."""


@dataclass(frozen=True, slots=True)
class RateRecord:
    """One rate of a tenant's history."""

    from_date: date
    rate: Rate
    set_by: str
    created_at: datetime


class AgreedRates:
    """The agreed rates of tenants, one transaction a call. The caller knows that the tenant exists."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def set(
        self,
        scope: TenantScope,
        from_date: date,
        rate: Rate,
        by: Actor,
        facts: RequestFacts | None = None,
    ) -> bool:
        """Agree upon a rate from a day on, and say whether that is new; audited.

        A rate that begins on the same day is replaced. What was compared before stays as it is. Raises
        InvalidInput for a rate above MAX_RATE and for a day too far off.
        """
        now = self._clock.now()
        faults = [*rate_faults(rate.text, "#/rate")]
        if abs(from_date - day_of(now)) > FURTHEST:
            faults.append(Fault("#/from_date", "out_of_range", _DAY_RULE))
        if faults:
            raise InvalidInput(*faults)
        async with self._database.write(scope) as session:
            return await put(session, scope, RateRecord(from_date, rate, by.name, now), by, facts)

    async def history(self, scope: TenantScope) -> Sequence[RateRecord]:
        """Return all rates of a tenant, the latest first."""
        query = (
            select(AgreedRate)
            .where(AgreedRate.provider_id == scope.provider_id, AgreedRate.tenant_id == scope.tenant_id)
            .order_by(AgreedRate.from_date.desc())
        )
        async with self._database.read(scope) as session:
            rows = await session.scalars(query)
            return [RateRecord(row.from_date, Rate(row.rate), row.set_by, row.created_at) for row in rows]

    async def on(self, scope: TenantScope, day: date) -> Rate | None:
        """Return the rate of a day; None when nothing was agreed upon by then."""
        async with self._database.read(scope) as session:
            return await agreed_on(session, scope, day)


async def agreed_on(session: AsyncSession, scope: TenantScope, day: date) -> Rate | None:
    """Return a tenant's rate of a day, as `AgreedRates.on`."""
    value = await session.scalar(
        select(AgreedRate.rate)
        .where(
            AgreedRate.provider_id == scope.provider_id,
            AgreedRate.tenant_id == scope.tenant_id,
            AgreedRate.from_date <= day,
        )
        .order_by(AgreedRate.from_date.desc())
        .limit(1)
    )
    return None if value is None else Rate(value)


async def put(
    session: AsyncSession,
    scope: TenantScope,
    wanted: RateRecord,
    by: Actor,
    facts: RequestFacts | None = None,
) -> bool:
    """Write a rate down and say whether anything changed; with its audit row."""
    table = table_of(AgreedRate)
    before = await session.scalar(
        select(AgreedRate.rate).where(
            AgreedRate.provider_id == scope.provider_id,
            AgreedRate.tenant_id == scope.tenant_id,
            AgreedRate.from_date == wanted.from_date,
        )
    )
    if before == wanted.rate.value:
        return False
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values(
        provider_id=scope.provider_id,
        tenant_id=scope.tenant_id,
        from_date=wanted.from_date,
        rate=wanted.rate.value,
        set_by=wanted.set_by,
        created_at=wanted.created_at,
    )
    written = ("rate", "set_by", "created_at")
    statement = statement.on_conflict_do_update(
        index_elements=["tenant_id", "from_date"], set_={name: statement.excluded[name] for name in written}
    )
    await session.execute(statement)
    act = Act(
        actor=by,
        action="rate.agreed",
        object_kind="tenant",
        object_id=scope.tenant_id,
        tenant_id=scope.tenant_id,
        before=None if before is None else {"rate": Rate(before).text},
        after={"rate": wanted.rate.text, "from_date": wanted.from_date.isoformat()},
        request_id=facts.request_id if facts else None,
        peer=facts.peer if facts else None,
    )
    await audit.record(session, scope.provider_id, act, wanted.created_at)
    return True


async def put_from_today(
    session: AsyncSession, scope: TenantScope, rate: Rate, by: Actor, now: datetime
) -> bool:
    """Make a rate the one of today and later, unless it is already; say whether it was not."""
    today = day_of(now)
    if await agreed_on(session, scope, today) == rate:
        return False
    return await put(session, scope, RateRecord(today, rate, by.name, now), by)


def rate_faults(text: str, pointer: str) -> list[Fault]:
    """Return what is wrong with a rate as people write it: `0.60%`, at most 10 %."""
    try:
        rate = Rate.parse(text)
    except ValueError:
        return [Fault(pointer, "invalid_format", _RATE_RULE)]
    return [Fault(pointer, "out_of_range", _RATE_RULE)] if rate > MAX_RATE else []


_RATE_RULE = Text(
    "应写成 0.60% 的形式，最多四位小数，不超过 10.00%。",
    "must be written like 0.60%, with at most four decimals, and not above 10.00%.",
)
_DAY_RULE = Text("须在今天的前后一年之内。", "must be within a year of today.")
