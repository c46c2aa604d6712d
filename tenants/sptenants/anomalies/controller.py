"""Routes of the work list and of the heal log."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from sptenants.anomalies import intake
from sptenants.anomalies.openapi import (
    ListAnomaliesOperation,
    ListHealsOperation,
    ResolveAnomalyOperation,
)
from sptenants.anomalies.schemas import (
    AnomalyList,
    AnomalyObject,
    HealList,
    anomaly_object,
    heal_object,
)
from sptenants.anomalies.service import Anomalies
from sptenants.orders.timeline import Language
from sptenants.registry.access import RequestFacts, access
from sptenants.registry.caller import Caller
from sptenants.registry.rights import Right

_AnyRequest = Request[Any, Any, Any]
_READS = access("api", "tenant_key", "provider_key", right=Right.ORDERS_READ)
_CHANGES = access("api", "tenant_key", "provider_key", right=Right.ORDERS_WRITE)


class AnomalyController(Controller):
    path = "/v1/anomalies"
    tags = ("anomalies",)

    @get(opt=_READS, summary="需核实事项，新的在前", operation_class=ListAnomaliesOperation)
    async def index(
        self,
        request: _AnyRequest,
        caller: NamedDependency[Caller],
        anomalies: NamedDependency[Anomalies],
        language: NamedDependency[Language],
    ) -> AnomalyList:
        wanted, limit, cursor = intake.read_anomalies_query(list(request.query_params.multi_items()))
        page = await anomalies.list(caller.scope, wanted, limit, cursor)
        return AnomalyList(
            data=[anomaly_object(anomaly, language) for anomaly in page.rows],
            next_cursor=page.next_cursor,
            has_more=page.has_more,
        )

    @get("/{anomaly_id:str}", opt=_READS, summary="查看需核实事项")
    async def show(
        self,
        anomaly_id: FromPath[str],
        caller: NamedDependency[Caller],
        anomalies: NamedDependency[Anomalies],
        language: NamedDependency[Language],
    ) -> AnomalyObject:
        return anomaly_object(await anomalies.record(caller.scope, anomaly_id), language)

    @post(
        "/{anomaly_id:str}/resolve",
        opt=_CHANGES,
        status_code=200,
        summary="标记为已处理，须写明处理结果",
        operation_class=ResolveAnomalyOperation,
    )
    async def resolve(
        self,
        request: _AnyRequest,
        anomaly_id: FromPath[str],
        caller: NamedDependency[Caller],
        anomalies: NamedDependency[Anomalies],
        language: NamedDependency[Language],
    ) -> AnomalyObject:
        note = intake.read_resolution(await request.json())
        facts = RequestFacts.of(request)
        resolved = await anomalies.resolve(caller.scope, anomaly_id, caller.actor, note, facts)
        return anomaly_object(resolved, language)


class HealController(Controller):
    path = "/v1/heals"
    tags = ("anomalies",)

    @get(opt=_READS, summary="自愈记录，新的在前", operation_class=ListHealsOperation)
    async def index(
        self, request: _AnyRequest, caller: NamedDependency[Caller], anomalies: NamedDependency[Anomalies]
    ) -> HealList:
        wanted, limit, cursor = intake.read_heals_query(list(request.query_params.multi_items()))
        page = await anomalies.heals(caller.scope, wanted, limit, cursor)
        return HealList(
            data=[heal_object(heal) for heal in page.rows],
            next_cursor=page.next_cursor,
            has_more=page.has_more,
        )
