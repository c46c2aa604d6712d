"""The routes of the audit log: one chain for a provider, all of them for the platform."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.console.audit_log.desk import AuditPages, audit_desk
from spapp.console.frame.choices import tenant_choices
from spapp.console.frame.looking import place_choices, write_down
from spapp.console.frame.places import ADMIN, CONSOLE, platform_place, provider_place, provider_scope
from spapp.console.frame.workplace import Work


class ConsoleAuditLog(Controller):
    """What happened at one provider, and who of the platform looked."""

    path = "/console/audit-log"
    opt = CONSOLE
    dependencies = {"place": provider_place, "audit_desk": audit_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def acts(self, place: Work, audit_desk: AuditPages) -> Response[str]:
        shown, scope = await audit_desk.read_list(), provider_scope(place.staff)
        tenants = await tenant_choices(
            place.database, scope, chosen=shown.query.tenant, provider_id=scope.provider_id
        )
        return await audit_desk.show_list(
            shown, tenants=tenants.options, tenant_word=tenants.chosen, providers=None
        )

    @get("/{act_id:str}")
    async def act(self, act_id: FromPath[str], audit_desk: AuditPages) -> Response[str]:
        return await audit_desk.show_act(await audit_desk.view(act_id))


class AdminAudit(Controller):
    """Every chain. Looking at what people of providers did is itself written down (rule Y4)."""

    path = "/admin/audit"
    opt = ADMIN
    dependencies = {"place": platform_place, "audit_desk": audit_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def acts(self, place: Work, audit_desk: AuditPages) -> Response[str]:
        shown = await audit_desk.read_list()
        looked = {"filter": shown.query.as_facts(), "rows": len(shown.page.rows)}
        await write_down(place, "audit.listed", "audit_log", looked)
        return await audit_desk.show_list(
            shown,
            check=await audit_desk.last_check(),
            may_check=True,
            **await place_choices(place, shown.query),
        )

    @post("/check", status_code=303)
    async def check(self, audit_desk: AuditPages) -> Response[Any]:
        return await audit_desk.check()

    @get("/{act_id:str}")
    async def act(self, act_id: FromPath[str], place: Work, audit_desk: AuditPages) -> Response[str]:
        view = await audit_desk.view(act_id)
        await write_down(place, "audit.viewed", "audit_log", {"rows": 1}, act_id, view.act.tenant_id)
        return await audit_desk.show_act(view)
