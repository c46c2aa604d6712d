"""The audit pages of an area: the list, one act, and the check of the chains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect
from sqlalchemy import select

from spapp.accounts.models import AuditCheck
from spapp.audit_watch import AuditWatch
from spapp.console.audit_log.query import AuditQuery
from spapp.console.audit_log.views import ActView
from spapp.console.frame.forms import visitor
from spapp.console.frame.places import PLATFORM_SCOPE
from spapp.console.frame.words import ACTION
from spapp.console.frame.workplace import PAGE_SIZE, Work, Workplace
from spapp.web.i18n import N_
from spcore.audit.reader import AuditReader, AuditRecord, AuditScope
from spcore.db.keyset import Page
from spcore.db.scope import ProviderScope
from spcore.errors import InvalidInput
from sptenants.registry.models import Tenant

CHECK_REASONS = {
    "missing": N_("这一行缺失：被删除或移走"),
    "edited": N_("这一行的内容被修改过"),
    "unchained": N_("这一行没有接在前一行之后"),
    "tail_cut": N_("链尾被截断：之后的行不见了"),
    "head_changed": N_("链头与最后一行不一致"),
    "head_missing": N_("链头不见了"),
}


@dataclass(frozen=True, slots=True)
class AuditList:
    """Everything the list shows, read before anything is rendered."""

    query: AuditQuery
    page: Page[AuditRecord]


@dataclass(frozen=True, slots=True)
class AuditDesk:
    place: Workplace
    reader: AuditReader
    watch: AuditWatch

    @property
    def base(self) -> str:
        return "/admin/audit" if self.place.rights.sees_provider else "/console/audit-log"

    @property
    def scope(self) -> AuditScope:
        scope = self.place.scope
        return scope if isinstance(scope, ProviderScope) else PLATFORM_SCOPE

    async def read_list(self) -> AuditList:
        """Read the list that the address bar asks for; a cursor that is not ours leads to the first page."""
        query = AuditQuery.parse(self.base, self.place.request.query_params, self.place.now)
        try:
            found = await self.reader.list(self.scope, query.to_filter(), PAGE_SIZE, query.cursor)
        except InvalidInput as refusal:
            query = query.first_page(*(fault.text for fault in refusal.faults))
            found = await self.reader.list(self.scope, query.to_filter(), PAGE_SIZE)
        return AuditList(query, found)

    async def show_list(self, shown: AuditList, **context: Any) -> Response[str]:
        """Answer with the list. `context` are the options of the place filters, and the last check if any."""
        query, names = shown.query, await self._tenant_names(shown.page.rows)
        return await self.place.show(
            "audit_log/list.html",
            heading=N_("操作审计") if self.place.rights.sees_provider else N_("操作日志"),
            current=self.base,
            query=query,
            place=self.place,
            filter=query.url().partition("?")[2],
            actions=ACTION,
            rows=[
                ActView(self.place, act, self.base, names.get(act.tenant_id or "")) for act in shown.page.rows
            ],
            next_url=query.next_url(shown.page.next_cursor),
            **({"check": None, "may_check": False, "check_reasons": CHECK_REASONS} | context),
        )

    async def view(self, act_id: str) -> ActView:
        """Read one act. Raises NotFound, also for one of somebody else's chain (rule Y3)."""
        act = await self.reader.record(self.scope, act_id)
        names = await self._tenant_names([act])
        return ActView(self.place, act, self.base, names.get(act.tenant_id or ""))

    async def show_act(self, view: ActView) -> Response[str]:
        return await self.place.show_detail(
            "audit_log/detail.html",
            "audit_log/page.html",
            view=view,
            act=view.act,
            heading=N_("操作审计") if self.place.rights.sees_provider else N_("操作日志"),
            list_url=self.base,
            current=self.base,
        )

    async def last_check(self) -> AuditCheck | None:
        return await self.watch.last()

    async def check(self) -> Response[Any]:
        """Read every chain through, and show what was found on the list's page."""
        await self.watch.check(self.place.staff, visitor(self.place.request))
        return Redirect(self.base, status_code=303)

    async def _tenant_names(self, acts: Any) -> dict[str, str]:
        wanted = {act.tenant_id for act in acts if act.tenant_id is not None}
        if not wanted:
            return {}
        query = select(Tenant.id, Tenant.name).where(Tenant.id.in_(wanted))
        if isinstance(self.scope, ProviderScope):
            query = query.where(Tenant.provider_id == self.scope.provider_id)
        async with self.place.database.read(self.scope) as session:
            rows = await session.execute(query)
            return dict(rows.all())


AuditPages = NamedDependency[SkipValidation[AuditDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_audit_desk(
    place: Work, audit_reader: NamedDependency[AuditReader], audit_watch: NamedDependency[AuditWatch]
) -> AuditDesk:
    return AuditDesk(place, audit_reader, audit_watch)


audit_desk = Provide(_provide_audit_desk, sync_to_thread=False)
