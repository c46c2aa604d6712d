"""Routes by which a service provider's server examines its sub-merchants and lets them go live."""

from __future__ import annotations

from typing import Any, Literal

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from spcore.settings import Settings
from sptenants.doctor.service import Doctor
from sptenants.golive.schemas import Diagnostics, GoLiveWish
from sptenants.golive.service import GoLive
from sptenants.registry.access import RequestFacts, access
from sptenants.registry.door import ProviderCaller
from sptenants.registry.reader import TenantReader
from sptenants.registry.rights import Right
from sptenants.registry.schemas import TenantShown

_READS = access("api", "provider_key", right=Right.ORDERS_READ)
_CHANGES = access("api", "provider_key", right=Right.TENANTS_WRITE)


class GoLiveController(Controller):
    path = "/v1/tenants/{tenant_id:str}"
    tags = ("tenants",)

    @get("/diagnostics", opt=_READS, summary="最近一次接入体检的结果")
    async def diagnostics(
        self,
        tenant_id: FromPath[str],
        provider_caller: NamedDependency[ProviderCaller],
        doctor: NamedDependency[Doctor],
        language: NamedDependency[Literal["zh", "en"]],
    ) -> Diagnostics:
        return Diagnostics.of(await doctor.last(provider_caller.scope, tenant_id), language)

    @post("/diagnostics", opt=_CHANGES, status_code=200, summary="立即运行接入体检")
    async def examine(
        self,
        request: Request[Any, Any, Any],
        tenant_id: FromPath[str],
        provider_caller: NamedDependency[ProviderCaller],
        doctor: NamedDependency[Doctor],
        language: NamedDependency[Literal["zh", "en"]],
    ) -> Diagnostics:
        facts = RequestFacts.of(request)
        report = await doctor.run(provider_caller.scope, tenant_id, provider_caller.actor, facts=facts)
        return Diagnostics.of(report, language)

    @post("/go-live", opt=_CHANGES, status_code=200, summary="特约商户上线")
    async def go_live(
        self,
        request: Request[Any, Any, Any],
        tenant_id: FromPath[str],
        data: JSONBody[GoLiveWish],
        provider_caller: NamedDependency[ProviderCaller],
        golive: NamedDependency[GoLive],
        tenant_reader: NamedDependency[TenantReader],
        settings: NamedDependency[Settings],
    ) -> TenantShown:
        await golive.go_live(
            provider_caller.scope,
            tenant_id,
            provider_caller.actor,
            override_reason=(data.override_reason or "").strip() or None,
            facts=RequestFacts.of(request),
        )
        detail = await tenant_reader.detail(provider_caller.scope, tenant_id)
        return TenantShown.of(detail, settings.public_url)
