"""Everything the analysis shows, read in one transaction; the export reads single views of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from spapp.refusals.reader import RefusalFilter, refusals_by_day
from sptenants.analytics.cuts import Cut
from sptenants.analytics.delays import Delay, notify_delays
from sptenants.analytics.deliveries import EndpointRecord, endpoint_records
from sptenants.analytics.failures import FailureReason, failure_reasons
from sptenants.analytics.money_back import LargeRefund, large_refunds
from sptenants.analytics.ranking import Ranked, tenant_ranking
from sptenants.analytics.refused import refused_by_day
from sptenants.orders.sums import Sums, by_day, day_of, sums


@dataclass(frozen=True, slots=True)
class Analysis:
    """`refusals` counts by day and reason; notifications have the reasons of the journal."""

    total: Sums
    before: Sums
    """Of as many days right before."""
    as_of: datetime | None
    days: Mapping[date, Sums]
    failures: tuple[FailureReason, ...]
    ranking: tuple[Ranked, ...]
    delays: tuple[Delay, ...]
    large_refunds: tuple[LargeRefund, ...]
    refusals: Counter[tuple[date, str]]
    endpoints: tuple[EndpointRecord, ...]


async def analyse(session: AsyncSession, cut: Cut, before: Cut, now: datetime) -> Analysis:
    total, as_of = await sums(session, cut.scope, cut.begin, cut.end, part=cut.part)
    earlier, _ = await sums(session, cut.scope, before.begin, before.end, part=cut.part)
    return Analysis(
        total=total,
        before=earlier,
        as_of=as_of,
        days=await by_day(session, cut.scope, cut.first, cut.last, cut.part),
        failures=await failure_reasons(session, cut),
        ranking=await tenant_ranking(session, cut, day_of(now)),
        delays=await notify_delays(session, cut),
        large_refunds=await large_refunds(session, cut),
        refusals=await read_refusals(session, cut),
        endpoints=await endpoint_records(session, cut),
    )


async def read_refusals(session: AsyncSession, cut: Cut) -> Counter[tuple[date, str]]:
    """Count refusals of the API and of notifications together."""
    part = cut.part
    wanted = RefusalFilter(cut.first, cut.last, tenant_id=part.tenant_id, provider_id=part.provider_id)
    return await refusals_by_day(session, wanted) + await refused_by_day(session, cut)
