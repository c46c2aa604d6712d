"""The routes of the journal: the service provider's, and the platform's for one notification."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.console.frame.looking import write_down
from spapp.console.frame.places import ADMIN, CONSOLE, MAY_ONBOARD, MAY_SYNC, platform_place, provider_place
from spapp.console.frame.workplace import Work
from spapp.console.notifies.desk import Journal, notify_desk
from sptenants.registry.access import access


class ConsoleNotifies(Controller):
    path = "/console/notifies"
    opt = CONSOLE
    dependencies = {"place": provider_place, "notify_desk": notify_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def notifies(self, notify_desk: Journal) -> Response[str]:
        return await notify_desk.show_list()

    @get("/{notification_id:str}")
    async def notification(self, notification_id: FromPath[str], notify_desk: Journal) -> Response[str]:
        return await notify_desk.show_notification(notification_id)

    @get("/{notification_id:str}/export", opt=access("console", *MAY_SYNC))
    async def export(self, notification_id: FromPath[str], notify_desk: Journal) -> Response[str]:
        return await notify_desk.export(notification_id)

    @post("/{notification_id:str}/replay", status_code=200, opt=access("console", *MAY_ONBOARD))
    async def preview(self, notification_id: FromPath[str], notify_desk: Journal) -> Response[str]:
        return await notify_desk.preview(notification_id)

    @post("/{notification_id:str}/replay/apply", status_code=200, opt=access("console", *MAY_ONBOARD))
    async def apply(self, notification_id: FromPath[str], notify_desk: Journal) -> Response[Any]:
        return await notify_desk.apply(notification_id)


class AdminNotifies(Controller):
    """Every look is audited (rule Y4)."""

    path = "/admin/notifies"
    opt = ADMIN
    dependencies = {"place": platform_place, "notify_desk": notify_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/{notification_id:str}")
    async def notification(
        self, notification_id: FromPath[str], place: Work, notify_desk: Journal
    ) -> Response[str]:
        kept = await notify_desk.read(notification_id)
        tenant_id = kept.scope.tenant_id
        await write_down(
            place, "notification.viewed", "notification", {"rows": 1}, notification_id, tenant_id
        )
        return await notify_desk.show(kept)
