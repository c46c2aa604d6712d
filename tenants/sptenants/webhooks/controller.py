"""Routes by which a merchant's server keeps its endpoints and finds events it missed (contract section 5)."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_202_ACCEPTED

from sptenants.orders.schemas import moment
from sptenants.registry.access import RequestFacts, access
from sptenants.registry.caller import Caller
from sptenants.registry.rights import Right
from sptenants.webhooks import intake
from sptenants.webhooks.endpoints import EndpointChange, NewEndpoint
from sptenants.webhooks.models import DeliveryState
from sptenants.webhooks.openapi import ListDeliveriesOperation, ListEventsOperation
from sptenants.webhooks.reader import EventRow, WebhookReader
from sptenants.webhooks.schemas import (
    ChangeEndpoint,
    CreateEndpoint,
    DeliveryList,
    DeliveryObject,
    EndpointList,
    EndpointObject,
    EventList,
    EventObject,
    ResendDeliveries,
    ResendResult,
    to_delivery,
    to_endpoint,
)
from sptenants.webhooks.service import ResendRange, Webhooks

_AnyRequest = Request[Any, Any, Any]
_READS = access("api", "tenant_key", "provider_key", right=Right.ORDERS_READ)
_CHANGES = access("api", "tenant_key", "provider_key", right=Right.WEBHOOKS_WRITE)


class WebhookEndpointController(Controller):
    path = "/v1/webhook-endpoints"
    tags = ("webhooks",)

    @get(opt=_READS, summary="Webhook 端点列表")
    async def index(
        self, caller: NamedDependency[Caller], webhook_reader: NamedDependency[WebhookReader]
    ) -> EndpointList:
        found = await webhook_reader.endpoints(caller.scope)
        return EndpointList(data=[to_endpoint(record) for record in found])

    @post(opt=_CHANGES, summary="添加 Webhook 端点，密钥只返回这一次")
    async def create(
        self,
        request: _AnyRequest,
        data: JSONBody[CreateEndpoint],
        caller: NamedDependency[Caller],
        webhooks: NamedDependency[Webhooks],
        webhook_reader: NamedDependency[WebhookReader],
    ) -> Response[EndpointObject]:
        made = await webhooks.create(
            caller.scope,
            caller.actor,
            data.url,
            event_types=data.event_types,
            description=data.description,
            facts=RequestFacts.of(request),
        )
        shown = await _shown(caller, webhook_reader, made)
        return Response(shown, status_code=201, headers={"Location": f"/v1/webhook-endpoints/{made.id}"})

    @get("/{endpoint_id:str}", opt=_READS, summary="查看 Webhook 端点")
    async def show(
        self,
        endpoint_id: FromPath[str],
        caller: NamedDependency[Caller],
        webhook_reader: NamedDependency[WebhookReader],
    ) -> EndpointObject:
        return to_endpoint(await webhook_reader.endpoint(caller.scope, endpoint_id))

    @patch("/{endpoint_id:str}", opt=_CHANGES, summary="修改、停用或重新启用 Webhook 端点")
    async def alter(
        self,
        request: _AnyRequest,
        endpoint_id: FromPath[str],
        data: JSONBody[ChangeEndpoint],
        caller: NamedDependency[Caller],
        webhooks: NamedDependency[Webhooks],
        webhook_reader: NamedDependency[WebhookReader],
    ) -> EndpointObject:
        wanted = EndpointChange(msgspec.to_builtins(data))
        await webhooks.alter(caller.scope, caller.actor, endpoint_id, wanted, RequestFacts.of(request))
        return to_endpoint(await webhook_reader.endpoint(caller.scope, endpoint_id))

    @delete("/{endpoint_id:str}", opt=_CHANGES, summary="删除 Webhook 端点及其投递记录")
    async def remove(
        self,
        request: _AnyRequest,
        endpoint_id: FromPath[str],
        caller: NamedDependency[Caller],
        webhooks: NamedDependency[Webhooks],
    ) -> None:
        await webhooks.remove(caller.scope, caller.actor, endpoint_id, RequestFacts.of(request))

    @post(
        "/{endpoint_id:str}/rotate-secret",
        opt=_CHANGES,
        status_code=200,
        summary="更换密钥，旧密钥再同时签名 24 小时",
    )
    async def rotate_secret(
        self,
        request: _AnyRequest,
        endpoint_id: FromPath[str],
        caller: NamedDependency[Caller],
        webhooks: NamedDependency[Webhooks],
        webhook_reader: NamedDependency[WebhookReader],
    ) -> EndpointObject:
        made = await webhooks.rotate_secret(caller.scope, caller.actor, endpoint_id, RequestFacts.of(request))
        return await _shown(caller, webhook_reader, made)

    @post("/{endpoint_id:str}/test", opt=_CHANGES, status_code=HTTP_202_ACCEPTED, summary="发送测试事件")
    async def test(
        self,
        request: _AnyRequest,
        endpoint_id: FromPath[str],
        caller: NamedDependency[Caller],
        webhooks: NamedDependency[Webhooks],
        webhook_reader: NamedDependency[WebhookReader],
    ) -> EventObject:
        event_id = await webhooks.test(caller.scope, caller.actor, endpoint_id, RequestFacts.of(request))
        return _event(await webhook_reader.event(caller.scope, event_id))


class DeliveryController(Controller):
    path = "/v1/deliveries"
    tags = ("webhooks",)

    @get(opt=_READS, summary="投递列表，新的在前", operation_class=ListDeliveriesOperation)
    async def index(
        self,
        request: _AnyRequest,
        caller: NamedDependency[Caller],
        webhook_reader: NamedDependency[WebhookReader],
    ) -> DeliveryList:
        wanted, paging = intake.read_delivery_query(list(request.query_params.multi_items()))
        page = await webhook_reader.deliveries(caller.scope, wanted, *paging)
        return DeliveryList(
            data=[to_delivery(row) for row in page.rows],
            next_cursor=page.next_cursor,
            has_more=page.has_more,
        )

    @get("/{delivery_id:str}", opt=_READS, summary="查看投递及其全部尝试")
    async def show(
        self,
        delivery_id: FromPath[str],
        caller: NamedDependency[Caller],
        webhook_reader: NamedDependency[WebhookReader],
    ) -> DeliveryObject:
        found = await webhook_reader.delivery(caller.scope, delivery_id)
        return to_delivery(found.delivery, found.tried)

    @post("/{delivery_id:str}/resend", opt=_CHANGES, status_code=HTTP_202_ACCEPTED, summary="重发一次投递")
    async def resend(
        self,
        request: _AnyRequest,
        delivery_id: FromPath[str],
        caller: NamedDependency[Caller],
        webhooks: NamedDependency[Webhooks],
        webhook_reader: NamedDependency[WebhookReader],
    ) -> DeliveryObject:
        await webhooks.resend(caller.scope, caller.actor, delivery_id, RequestFacts.of(request))
        found = await webhook_reader.delivery(caller.scope, delivery_id)
        return to_delivery(found.delivery, found.tried)

    @post("/resend", opt=_CHANGES, status_code=HTTP_202_ACCEPTED, summary="重发一段时间内的投递")
    async def resend_range(
        self,
        request: _AnyRequest,
        data: JSONBody[ResendDeliveries],
        caller: NamedDependency[Caller],
        webhooks: NamedDependency[Webhooks],
    ) -> ResendResult:
        wanted = ResendRange(data.endpoint_id, DeliveryState(data.state), data.created_from, data.created_to)
        count = await webhooks.resend_range(caller.scope, caller.actor, wanted, RequestFacts.of(request))
        return ResendResult(count=count)


class EventController(Controller):
    path = "/v1/events"
    tags = ("events",)

    @get(opt=_READS, summary="事件列表，新的在前", operation_class=ListEventsOperation)
    async def index(
        self,
        request: _AnyRequest,
        caller: NamedDependency[Caller],
        webhook_reader: NamedDependency[WebhookReader],
    ) -> EventList:
        wanted, paging = intake.read_event_query(list(request.query_params.multi_items()))
        page = await webhook_reader.events(caller.scope, wanted, *paging)
        return EventList(
            data=[_event(row) for row in page.rows],
            next_cursor=page.next_cursor,
            has_more=page.has_more,
        )

    @get("/{event_id:str}", opt=_READS, summary="查看事件")
    async def show(
        self,
        event_id: FromPath[str],
        caller: NamedDependency[Caller],
        webhook_reader: NamedDependency[WebhookReader],
    ) -> EventObject:
        return _event(await webhook_reader.event(caller.scope, event_id))


async def _shown(caller: Caller, reader: WebhookReader, made: NewEndpoint) -> EndpointObject:
    return to_endpoint(await reader.endpoint(caller.scope, made.id), made.secret)


def _event(row: EventRow) -> EventObject:
    return EventObject(
        id=row.id, type=row.type, created_at=moment(row.created_at), sequence=row.sequence, data=row.data
    )
