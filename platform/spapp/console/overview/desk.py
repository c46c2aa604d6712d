"""Reads what the first page of an area shows. One desk a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from sqlalchemy import select

from spapp.console.frame.charts import Chart, daily_chart, most
from spapp.console.frame.places import provider_scope
from spapp.console.frame.workplace import Work, Workplace
from spapp.console.overview.figures import Today, read_today, today_strip
from spapp.console.overview.reconciled import Reconciled, reconciled
from spapp.console.overview.steps import first_steps
from spapp.console.overview.todo import todo_list
from spapp.health import Health
from sptenants.analytics.attention import Attention, attention
from sptenants.analytics.cuts import Cut
from sptenants.analytics.failures import failure_reasons
from sptenants.analytics.queues import queues
from sptenants.analytics.ranking import provider_totals, tenant_ranking
from sptenants.doctor.rows import Level
from sptenants.doctor.service import Doctor
from sptenants.orders.sums import DAY, by_day, day_of
from sptenants.reconciliation.reader import DifferenceReader
from sptenants.registry.models import Tenant

DAYS_SHOWN = 14
MOST_RANKED = 8
MOST_EXAMINED = 200


@dataclass(frozen=True, slots=True)
class Overview:
    """What every area's first page begins with."""

    today: Today
    chart: Chart
    days: dict[Any, Any]
    waiting: Attention
    open_differences: int
    reconciled: Reconciled | None


@dataclass(frozen=True, slots=True)
class OverviewDesk:
    place: Workplace
    doctor: Doctor

    @property
    def cut(self) -> Cut:
        today = day_of(self.place.now)
        return Cut(self.place.scope, today - (DAYS_SHOWN - 1) * DAY, today)

    async def read(self) -> Overview:
        place, cut = self.place, self.cut
        open_differences = await DifferenceReader(place.database).open_count(place.scope)
        yesterday = await reconciled(place)
        async with place.database.read(place.scope) as session:
            days = dict(await by_day(session, place.scope, cut.first, cut.last))
            return Overview(
                today=await read_today(session, place.scope, place.now),
                chart=daily_chart(days),
                days=days,
                waiting=await attention(session, place.scope, place.now),
                open_differences=open_differences,
                reconciled=yesterday,
            )

    async def failing(self) -> int:
        """Count the sub-merchants of the provider with a failed row; of many, the newest are looked at."""
        place, scope = self.place, provider_scope(self.place.staff)
        query = (
            select(Tenant.id)
            .where(Tenant.provider_id == scope.provider_id, Tenant.status.not_in(("closed", "suspended")))
            .order_by(Tenant.id.desc())
            .limit(MOST_EXAMINED)
        )
        async with place.database.read(scope) as session:
            tenant_ids = list(await session.scalars(query))
        worst = await self.doctor.worst_of(scope, tenant_ids)
        return sum(level is Level.FAIL for level in worst.values())

    async def show(
        self, template: str, overview: Overview, *, failing: int = 0, **context: Any
    ) -> Response[str]:
        place = self.place
        return await place.show(
            template,
            current=place.base,
            figures=today_strip(overview.today),
            updated=overview.today.updated(place.now),
            is_stale=overview.today.is_stale(place.now),
            drawn=overview.chart,
            days=overview.days,
            reconciled=overview.reconciled,
            todo=todo_list(place, overview.waiting, failing, overview.open_differences),
            **context,
        )

    async def of_provider(self) -> Response[str]:
        """A service provider's own: with the ranking of its tenants and why orders fail."""
        place = self.place
        overview = await self.read()
        async with place.database.read(place.scope) as session:
            ranked = await tenant_ranking(session, self.cut, day_of(place.now), MOST_RANKED)
            reasons = await failure_reasons(session, self.cut)
            steps = await first_steps(session, provider_scope(place.staff))
        return await self.show(
            "overview/console.html",
            overview,
            failing=await self.failing(),
            ranked=ranked,
            ranked_most=most(row.sums.paid_amount.value for row in ranked),
            reasons=reasons,
            reasons_most=most(reason.count for reason in reasons),
            steps=steps,
        )

    async def of_merchant(self) -> Response[str]:
        return await self.show("overview/merchant.html", await self.read())

    async def of_platform(self, health: Health) -> Response[str]:
        """The platform's: totals by service provider, readiness, queues."""
        place, today = self.place, day_of(self.place.now)
        overview = await self.read()
        async with place.database.read(place.scope) as session:
            totals = await provider_totals(session, self.cut.on(today, today))
            waiting = await queues(session, place.now)
        return await self.show(
            "overview/admin.html",
            overview,
            totals=totals,
            totals_most=most(total.sums.paid_amount.value for total in totals),
            queues=waiting,
            checks=await health.checks(),
            open_breakers=health.open_breakers,
        )


Desk = NamedDependency[SkipValidation[OverviewDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_overview_desk(place: Work, doctor: NamedDependency[Doctor]) -> OverviewDesk:
    return OverviewDesk(place, doctor)


overview_desk = Provide(_provide_overview_desk, sync_to_thread=False)
