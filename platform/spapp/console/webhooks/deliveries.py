"""One delivery: what was sent, what came back, and sending it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from spapp.console.frame.workplace import Notice, Work, Workplace
from spapp.console.webhooks.views import DeliveryView
from spcore.db.scope import TenantScope
from spcore.errors import NotFound, Text
from sptenants.webhooks.reader import DeliveryDetail, WebhookReader
from sptenants.webhooks.service import Webhooks

_RESENT = Text("已安排重发，几秒后刷新查看结果。", "It is being sent again; reload in a few seconds.")


@dataclass(frozen=True, slots=True)
class DeliveryDesk:
    place: Workplace
    webhooks: Webhooks
    reader: WebhookReader

    @property
    def base(self) -> str:
        return f"{self.place.base}/webhooks"

    async def show_delivery(
        self, endpoint_id: str, delivery_id: str, said: Notice | None = None
    ) -> Response[str]:
        """Answer with one delivery of the endpoint.

        Raises NotFound, also for somebody else's, and for a delivery that went to another endpoint (Y3).
        """
        detail = await self._detail(endpoint_id, delivery_id)
        body = await self.reader.sent_body(_own_scope(detail), detail.delivery.event_id)
        view = DeliveryView(detail, body, self.base, self.place.orders, self.place.rights, said)
        return await self.place.show_detail(
            "webhooks/delivery.html",
            "webhooks/delivery_page.html",
            view=view,
            delivery=detail.delivery,
            endpoint=detail.endpoint,
            list_url=self.base,
            current=self.base,
        )

    async def resend(self, endpoint_id: str, delivery_id: str) -> Response[Any]:
        """Send it again, or now if it waits. Raises NotFound, Forbidden."""
        detail = await self._detail(endpoint_id, delivery_id)
        self.place.require(self.place.rights.onboard)

        async def done() -> Notice:
            actor, facts = self.place.staff.actor, self.place.facts
            await self.webhooks.resend(_own_scope(detail), actor, delivery_id, facts)
            return Notice("ok", _RESENT)

        async def shown(notice: Notice | None) -> Response[str]:
            return await self.show_delivery(endpoint_id, delivery_id, notice)

        return await self.place.act(f"{self.base}/{endpoint_id}/deliveries/{delivery_id}", done, shown)

    async def _detail(self, endpoint_id: str, delivery_id: str) -> DeliveryDetail:
        found = await self.reader.delivery(self.place.scope, delivery_id)
        if found.endpoint.id != endpoint_id:
            raise NotFound
        return found


Deliveries = NamedDependency[SkipValidation[DeliveryDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_delivery_desk(
    place: Work,
    webhooks: NamedDependency[Webhooks],
    webhook_reader: NamedDependency[WebhookReader],
) -> DeliveryDesk:
    return DeliveryDesk(place, webhooks, webhook_reader)


delivery_desk = Provide(_provide_delivery_desk, sync_to_thread=False)


def _own_scope(detail: DeliveryDetail) -> TenantScope:
    return TenantScope(detail.delivery.provider_id, detail.delivery.tenant_id)
