"""Routes by which a merchant's server makes and reads refunds (contract section 5)."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from spcore.db.keyset import Page
from sptenants.orders.controller import idempotency_key
from sptenants.orders.errors import WechatUnavailable
from sptenants.orders.intake import read_nothing
from sptenants.refunds import intake
from sptenants.refunds.errors import key_missing
from sptenants.refunds.openapi import ListRefundsOperation, RequestRefundOperation
from sptenants.refunds.reader import RefundReader, RefundRow
from sptenants.refunds.schemas import RefundList, RefundObject, to_object
from sptenants.refunds.service import RefundService
from sptenants.registry.access import RequestFacts, access
from sptenants.registry.caller import Caller
from sptenants.registry.rights import Right

_AnyRequest = Request[Any, Any, Any]
_READS = access("api", "tenant_key", "provider_key", right=Right.ORDERS_READ)
_CHANGES = access("api", "tenant_key", "provider_key", right=Right.REFUNDS_WRITE)
_STATUS_OF = {"created": 201, "repeated": 200, "unknown": 202}


class OrderRefundController(Controller):
    path = "/v1/orders/{order_id:str}/refunds"
    tags = ("refunds",)

    @post(opt=_CHANGES, summary="退款", operation_class=RequestRefundOperation)
    async def create(
        self,
        request: _AnyRequest,
        order_id: FromPath[str],
        caller: NamedDependency[Caller],
        refunds: NamedDependency[RefundService],
    ) -> Response[RefundObject]:
        wanted = intake.read_refund(await request.json())
        content = wanted.content(order_id) | {"no": wanted.merchant_refund_no}
        key = idempotency_key(request, "POST /v1/orders/{order_id}/refunds", content)
        if key is None and wanted.merchant_refund_no is None:
            raise key_missing()
        facts = RequestFacts.of(request)
        refunded = await refunds.request(caller.scope, order_id, wanted, caller.actor, key=key, facts=facts)
        headers = {"Location": f"/v1/refunds/{refunded.refund.id}"}
        if refunded.replayed:
            headers["Idempotent-Replay"] = "true"
        return Response(to_object(refunded.refund), status_code=_STATUS_OF[refunded.outcome], headers=headers)

    @post(
        "/sync",
        opt=_CHANGES,
        status_code=200,
        summary="向微信核对该订单的全部退款，补录在微信侧发起的",
    )
    async def sync(
        self,
        request: _AnyRequest,
        order_id: FromPath[str],
        caller: NamedDependency[Caller],
        refunds: NamedDependency[RefundService],
        refund_reader: NamedDependency[RefundReader],
    ) -> RefundList:
        read_nothing(await request.json())
        looked = await refunds.look_outside(caller.scope, order_id)
        if not looked.answered:
            raise WechatUnavailable
        known = await refund_reader.of_order(caller.scope, order_id)
        return RefundList(data=[to_object(refund) for refund in known], next_cursor=None, has_more=False)


class RefundController(Controller):
    path = "/v1/refunds"
    tags = ("refunds",)

    @get(opt=_READS, summary="退款列表，新的在前", operation_class=ListRefundsOperation)
    async def index(
        self,
        request: _AnyRequest,
        caller: NamedDependency[Caller],
        refund_reader: NamedDependency[RefundReader],
    ) -> RefundList:
        wanted, limit, cursor = intake.read_list_query(list(request.query_params.multi_items()))
        page: Page[RefundRow] = await refund_reader.list(caller.scope, wanted, limit, cursor)
        return RefundList(
            data=[to_object(row.refund) for row in page.rows],
            next_cursor=page.next_cursor,
            has_more=page.has_more,
        )

    @get("/{refund_id:str}", opt=_READS, summary="查看退款")
    async def show(
        self,
        refund_id: FromPath[str],
        caller: NamedDependency[Caller],
        refund_reader: NamedDependency[RefundReader],
    ) -> RefundObject:
        return to_object(await refund_reader.record(caller.scope, refund_id))

    @post("/{refund_id:str}/sync", opt=_CHANGES, status_code=200, summary="向微信查询退款")
    async def sync(
        self,
        request: _AnyRequest,
        refund_id: FromPath[str],
        caller: NamedDependency[Caller],
        refunds: NamedDependency[RefundService],
    ) -> RefundObject:
        read_nothing(await request.json())
        return to_object(await refunds.sync(caller.scope, refund_id, caller.actor))
