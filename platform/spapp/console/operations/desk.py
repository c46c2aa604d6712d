"""What the platform's people see of the installation, and what they may set going again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from sqlalchemy import select

from spapp.accounts.models import WorkerHeartbeat
from spapp.console.frame.looking import write_down
from spapp.console.frame.places import PLATFORM_SCOPE
from spapp.console.frame.workplace import Notice, Work, Workplace
from spapp.console.operations.expiry import expiry_board
from spapp.console.operations.queues import hurry_event, queue_states, stuck_events
from spapp.console.operations.views import CheckView, WorkerView, setting_lines
from spapp.console.webhooks.views import DeliveryLine
from spapp.health import Health
from spcore.db.scope import DoorScope, TenantScope
from spcore.errors import InvalidInput, Text
from spcore.settings import Settings
from sptenants.registry.providers import ServiceProviders
from sptenants.webhooks.models import DeliveryState
from sptenants.webhooks.reader import DeliveryFilter, WebhookReader
from sptenants.webhooks.service import Webhooks

_DEAD_SHOWN = 20
_DEAD_FOR = timedelta(days=7)
_WORKERS_SHOWN = 50
_PROVIDERS_A_PAGE = 50
_RETRIED = Text("已安排重试。", "It is being tried again.")


@dataclass(frozen=True, slots=True)
class OperationsDesk:
    place: Workplace
    health: Health
    webhooks: Webhooks
    webhook_reader: WebhookReader
    service_providers: ServiceProviders
    settings: Settings

    async def show_health(self) -> Response[str]:
        """Answer with every condition for taking money, and the workers' heartbeats."""
        checks = [CheckView(check) for check in await self.health.checks()]
        query = select(WorkerHeartbeat).order_by(WorkerHeartbeat.at.desc()).limit(_WORKERS_SHOWN)
        async with self.place.database.read(DoorScope()) as session:
            rows = (await session.scalars(query)).all()
        return await self.place.show(
            "operations/health.html",
            current="/admin/health",
            checks=checks,
            is_ready=all(view.check.ok for view in checks),
            open_breakers=self.health.open_breakers,
            workers=[WorkerView(row.worker_id, row.started_at, row.at, self.place.now) for row in rows],
        )

    async def show_jobs(self, said: Notice | None = None) -> Response[str]:
        """Answer with every queue and what stands still in them; the look is written down (rule Y4)."""
        wanted = DeliveryFilter(state=DeliveryState.FAILED, created_from=self.place.now - _DEAD_FOR)
        dead = await self.webhook_reader.deliveries(PLATFORM_SCOPE, wanted, _DEAD_SHOWN)
        stuck = await stuck_events(self.place.database, PLATFORM_SCOPE)
        await write_down(self.place, "jobs.listed", "job", {"rows": len(dead.rows) + len(stuck)})
        return await self.place.show(
            "operations/jobs.html",
            current="/admin/jobs",
            said=said,
            queues=await queue_states(self.place.database, self.place.now),
            dead=[(row.tenant_id, DeliveryLine(row, "")) for row in dead.rows],
            has_more=dead.has_more,
            stuck=stuck,
            may_retry=self.place.rights.own,
        )

    async def retry_delivery(self, delivery_id: str) -> Response[Any]:
        """Send a delivery again that was given up; audited in both chains. Raises NotFound."""
        found = (await self.webhook_reader.delivery(PLATFORM_SCOPE, delivery_id)).delivery
        scope = TenantScope(found.provider_id, found.tenant_id)

        async def done() -> Notice:
            await self.webhooks.resend(scope, self.place.staff.actor, delivery_id, self.place.facts)
            await self._note("job.retried", "delivery", delivery_id, found.tenant_id)
            return Notice("ok", _RETRIED)

        return await self.place.act("/admin/jobs", done, self.show_jobs)

    async def retry_event(self, event_id: str) -> Response[Any]:
        """Hand an event on now that kept failing. Raises NotFound."""

        async def done() -> Notice:
            tenant_id = await hurry_event(self.place.database, PLATFORM_SCOPE, event_id, self.place.now)
            await self._note("job.retried", "event", event_id, tenant_id)
            return Notice("ok", _RETRIED)

        return await self.place.act("/admin/jobs", done, self.show_jobs)

    async def show_certificates(self) -> Response[str]:
        """Answer with the certificates of a page of providers, those that end first on top."""
        cursor = self.place.request.query_params.get("cursor") or None
        try:
            found = await self.service_providers.list(PLATFORM_SCOPE, None, _PROVIDERS_A_PAGE, cursor)
        except InvalidInput:
            cursor = None  # not a cursor of ours: the first page is the most useful answer to a person
            found = await self.service_providers.list(PLATFORM_SCOPE, None, _PROVIDERS_A_PAGE)
        await write_down(self.place, "certificates.listed", "provider", {"rows": len(found.rows)})
        providers = [row.provider for row in found.rows]
        return await self.place.show(
            "operations/certificates.html",
            current="/admin/certificates",
            lines=await expiry_board(self.place.database, PLATFORM_SCOPE, providers, self.place.now),
            first_url="/admin/certificates" if cursor else None,
            next_url=f"/admin/certificates?cursor={found.next_cursor}" if found.next_cursor else None,
        )

    async def show_settings(self) -> Response[str]:
        return await self.place.show(
            "operations/settings.html", current="/admin/settings", lines=setting_lines(self.settings)
        )

    async def _note(self, action: str, kind: str, object_id: str, tenant_id: str) -> None:
        await write_down(self.place, action, kind, {}, object_id, tenant_id)


Operations = NamedDependency[SkipValidation[OperationsDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_operations_desk(
    place: Work,
    health: NamedDependency[SkipValidation[Health]],
    webhooks: NamedDependency[Webhooks],
    webhook_reader: NamedDependency[WebhookReader],
    service_providers: NamedDependency[ServiceProviders],
    settings: NamedDependency[SkipValidation[Settings]],
) -> OperationsDesk:
    return OperationsDesk(place, health, webhooks, webhook_reader, service_providers, settings)


operations_desk = Provide(_provide_operations_desk, sync_to_thread=False)
