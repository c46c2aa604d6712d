"""The routes of the webhook pages in the service provider's and in the merchant's area."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.console.frame.places import CONSOLE, MAY_ONBOARD, MERCHANT, merchant_place, provider_place
from spapp.console.webhooks.deliveries import Deliveries, delivery_desk
from spapp.console.webhooks.desk import Hooks, webhook_desk
from sptenants.registry.access import access

_ONE = "/{endpoint_id:str}"
_DELIVERY = "/{endpoint_id:str}/deliveries/{delivery_id:str}"


_DESKS = {"webhook_desk": webhook_desk, "delivery_desk": delivery_desk}


class WebhookPages(Controller):
    """Reading, the same in both areas; each says where it lies and for whom."""

    include_in_schema = False

    @get("/")
    async def endpoints(self, webhook_desk: Hooks) -> Response[str]:
        return await webhook_desk.show_list()

    @get(_ONE)
    async def endpoint(self, endpoint_id: FromPath[str], webhook_desk: Hooks) -> Response[str]:
        return await webhook_desk.show_endpoint(endpoint_id)

    @get(_DELIVERY)
    async def delivery(
        self, endpoint_id: FromPath[str], delivery_id: FromPath[str], delivery_desk: Deliveries
    ) -> Response[str]:
        return await delivery_desk.show_delivery(endpoint_id, delivery_id)


class WebhookChanges(Controller):
    """Changing and sending again, for whoever keeps webhooks in the area."""

    include_in_schema = False

    @get("/new")
    async def form(self, webhook_desk: Hooks) -> Response[str]:
        return await webhook_desk.show_new()

    @post("/new", status_code=200)
    async def create(self, webhook_desk: Hooks) -> Response[Any]:
        return await webhook_desk.create()

    @get(f"{_ONE}/edit")
    async def edit_form(self, endpoint_id: FromPath[str], webhook_desk: Hooks) -> Response[str]:
        return await webhook_desk.show_edit(endpoint_id)

    @post(f"{_ONE}/edit", status_code=200)
    async def edit(self, endpoint_id: FromPath[str], webhook_desk: Hooks) -> Response[Any]:
        return await webhook_desk.edit(endpoint_id)

    @get(f"{_ONE}/rotate")
    async def rotate_form(self, endpoint_id: FromPath[str], webhook_desk: Hooks) -> Response[str]:
        return await webhook_desk.show_rotate(endpoint_id)

    @post(f"{_ONE}/rotate", status_code=200)
    async def rotate(self, endpoint_id: FromPath[str], webhook_desk: Hooks) -> Response[Any]:
        return await webhook_desk.rotate(endpoint_id)

    @post(f"{_ONE}/test", status_code=200)
    async def test(self, endpoint_id: FromPath[str], webhook_desk: Hooks) -> Response[Any]:
        return await webhook_desk.test(endpoint_id)

    @post(f"{_ONE}/enable", status_code=200)
    async def enable(self, endpoint_id: FromPath[str], webhook_desk: Hooks) -> Response[Any]:
        return await webhook_desk.set_status(endpoint_id, "active")

    @post(f"{_ONE}/disable", status_code=200)
    async def disable(self, endpoint_id: FromPath[str], webhook_desk: Hooks) -> Response[Any]:
        return await webhook_desk.set_status(endpoint_id, "disabled")

    @post(f"{_ONE}/resend", status_code=200)
    async def resend_range(self, endpoint_id: FromPath[str], webhook_desk: Hooks) -> Response[Any]:
        return await webhook_desk.resend_range(endpoint_id)

    @post(f"{_ONE}/remove", status_code=200)
    async def remove(self, endpoint_id: FromPath[str], webhook_desk: Hooks) -> Response[Any]:
        return await webhook_desk.remove(endpoint_id)

    @post(f"{_DELIVERY}/resend", status_code=200)
    async def resend(
        self, endpoint_id: FromPath[str], delivery_id: FromPath[str], delivery_desk: Deliveries
    ) -> Response[Any]:
        return await delivery_desk.resend(endpoint_id, delivery_id)


class ConsoleWebhookPages(WebhookPages):
    path = "/console/webhooks"
    opt = CONSOLE
    dependencies = _DESKS | {"place": provider_place}


class ConsoleWebhookChanges(WebhookChanges):
    path = "/console/webhooks"
    opt = access("console", *MAY_ONBOARD)
    dependencies = _DESKS | {"place": provider_place}


class MerchantWebhookPages(WebhookPages):
    path = "/m/webhooks"
    opt = MERCHANT
    dependencies = _DESKS | {"place": merchant_place}


class MerchantWebhookChanges(WebhookChanges):
    path = "/m/webhooks"
    opt = MERCHANT
    dependencies = _DESKS | {"place": merchant_place}
