"""The doctor's pages: what was found about a provider and about a sub-merchant. One desk a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from spapp.console.frame.places import provider_scope
from spapp.console.frame.words import TENANT, Chip
from spapp.console.frame.workplace import PAGE_SIZE, Notice, Work, Workplace
from spapp.web.i18n import N_
from spcore.db.scope import ProviderScope
from spcore.errors import InvalidInput, Text
from sptenants.doctor.rows import DoctorReport, DoctorRow, Level
from sptenants.doctor.service import Doctor
from sptenants.registry.reader import TenantFilter, TenantReader, TenantRow

LEVEL = {
    Level.PASS: Chip("ok", N_("通过")),
    Level.WARN: Chip("wait", N_("警告")),
    Level.FAIL: Chip("bad", N_("失败")),
    Level.UNCHECKED: Chip("mute", N_("未检查")),
}
_BASE = "/console/doctor"


@dataclass(frozen=True, slots=True)
class TenantLine:
    """A sub-merchant with what the doctor says of it."""

    row: TenantRow
    level: Level
    failing: DoctorRow | None

    @property
    def url(self) -> str:
        return f"/console/tenants/{self.row.id}/doctor"

    @property
    def state(self) -> Chip:
        return TENANT[self.row.status]

    @property
    def chip(self) -> Chip:
        return LEVEL[self.level]


@dataclass(frozen=True, slots=True)
class DoctorDesk:
    place: Workplace
    doctor: Doctor
    tenants: TenantReader

    @property
    def scope(self) -> ProviderScope:
        return provider_scope(self.place.staff)

    async def show_provider(self, notice: Notice | None = None) -> Response[str]:
        """Show the provider's own rows and its sub-merchants, newest first."""
        cursor = self.place.request.query_params.get("cursor") or None
        try:
            found = await self.tenants.list(self.scope, TenantFilter(), PAGE_SIZE, cursor)
        except InvalidInput:
            cursor = None  # not a cursor of ours: the first page is the most useful answer to a person
            found = await self.tenants.list(self.scope, TenantFilter(), PAGE_SIZE)
        ids = [row.id for row in found.rows]
        levels = await self.doctor.worst_of(self.scope, ids)
        failing = await self.doctor.failing(self.scope, ids)
        lines = [
            TenantLine(row, levels.get(row.id, Level.UNCHECKED), failing.get(row.id)) for row in found.rows
        ]
        return await self.place.show(
            "doctor/provider.html",
            current=_BASE,
            notice=notice,
            report=await self.doctor.last(self.scope, None),
            lines=lines,
            may_run=self.place.rights.onboard,
            run_url=_BASE,
            first_url=_BASE if cursor else None,
            next_url=f"{_BASE}?{urlencode({'cursor': found.next_cursor})}" if found.next_cursor else None,
        )

    async def show_tenant(self, tenant_id: str, notice: Notice | None = None) -> Response[str]:
        """Show one sub-merchant's rows. Raises NotFound."""
        detail = await self.tenants.detail(self.scope, tenant_id)
        return await self.place.show(
            "doctor/tenant.html",
            current="/console/tenants",
            notice=notice,
            report=await self.doctor.last(self.scope, tenant_id),
            tenant=detail.tenant,
            may_run=self.place.rights.onboard,
            run_url=f"/console/tenants/{tenant_id}/doctor",
        )

    async def run_provider(self) -> Response[Any]:
        """Examine the provider now."""

        async def do() -> Notice:
            return _told(await self._run(None))

        return await self.place.act(_BASE, do, self.show_provider)

    async def run_tenant(self, tenant_id: str) -> Response[Any]:
        """Examine a sub-merchant now. Raises NotFound."""
        await self.tenants.detail(self.scope, tenant_id)

        async def do() -> Notice:
            return _told(await self._run(tenant_id))

        async def shown(notice: Notice | None) -> Response[str]:
            return await self.show_tenant(tenant_id, notice)

        return await self.place.act(f"/console/tenants/{tenant_id}/doctor", do, shown)

    async def _run(self, tenant_id: str | None) -> DoctorReport:
        return await self.doctor.run(self.scope, tenant_id, self.place.staff.actor, facts=self.place.facts)


def _told(report: DoctorReport) -> Notice:
    if report.failed:
        count = len(report.failed)
        return Notice("bad", Text(f"体检完成，{count} 项未通过。", f"Done: {count} items failed."))
    return Notice("ok", Text("体检完成，没有未通过的项目。", "Done: nothing failed."))


def _provide(
    place: Work, doctor: NamedDependency[Doctor], tenant_reader: NamedDependency[TenantReader]
) -> DoctorDesk:
    return DoctorDesk(place, doctor, tenant_reader)


doctor_desk = Provide(_provide, sync_to_thread=False)
Examining = NamedDependency[SkipValidation[DoctorDesk]]
