"""Routes by which a service provider's server keeps its tenants (contract section 5)."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Controller, Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.status_codes import HTTP_201_CREATED

from spcore.errors import Fault, InvalidInput, Text
from spcore.settings import Settings
from sptenants.registry.access import RequestFacts, access
from sptenants.registry.binding_changes import NewBinding
from sptenants.registry.door import ProviderCaller
from sptenants.registry.reader import TenantFilter, TenantReader
from sptenants.registry.rights import Right
from sptenants.registry.rules import TenantStatus
from sptenants.registry.schemas import AddBinding, Binding, CreateTenant, TenantList, TenantShown
from sptenants.registry.service import Registry
from sptenants.registry.tenants import NewTenant

_READS = access("api", "provider_key", right=Right.ORDERS_READ)
_CHANGES = access("api", "provider_key", right=Right.TENANTS_WRITE)


class TenantController(Controller):
    path = "/v1/tenants"
    tags = ("tenants",)

    @get(opt=_READS, summary="特约商户列表")
    async def index(
        self,
        request: Request[Any, Any, Any],
        provider_caller: NamedDependency[ProviderCaller],
        tenant_reader: NamedDependency[TenantReader],
        status: FromQuery[TenantStatus | None] = None,
        q: FromQuery[str | None] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
        cursor: FromQuery[str | None] = None,
    ) -> TenantList:
        _refuse_unknown(request, "status", "q", "limit", "cursor")
        wanted = TenantFilter(status=status, q=q)
        return TenantList.of(await tenant_reader.list(provider_caller.scope, wanted, limit, cursor))

    @post(opt=_CHANGES, summary="新增特约商户（草稿）")
    async def create(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[CreateTenant],
        provider_caller: NamedDependency[ProviderCaller],
        registry: NamedDependency[Registry],
        tenant_reader: NamedDependency[TenantReader],
        settings: NamedDependency[Settings],
    ) -> Response[TenantShown]:
        new = NewTenant(data.name, data.sub_mch_id, data.particulars)
        made = await registry.create_tenant(provider_caller, new, RequestFacts.of(request))
        detail = await tenant_reader.detail(provider_caller.scope, made.id)
        return Response(
            TenantShown.of(detail, settings.public_url),
            status_code=HTTP_201_CREATED,
            headers={"Location": f"/v1/tenants/{made.id}"},
        )

    @get("/{tenant_id:str}", opt=_READS, summary="特约商户详情")
    async def show(
        self,
        tenant_id: FromPath[str],
        provider_caller: NamedDependency[ProviderCaller],
        tenant_reader: NamedDependency[TenantReader],
        settings: NamedDependency[Settings],
    ) -> TenantShown:
        return TenantShown.of(
            await tenant_reader.detail(provider_caller.scope, tenant_id), settings.public_url
        )

    @post("/{tenant_id:str}/bindings", opt=_CHANGES, summary="绑定 AppID，最多五个")
    async def bind(
        self,
        request: Request[Any, Any, Any],
        tenant_id: FromPath[str],
        data: JSONBody[AddBinding],
        provider_caller: NamedDependency[ProviderCaller],
        registry: NamedDependency[Registry],
    ) -> Binding:
        new = NewBinding(data.sub_appid, data.kind, data.owner, data.app_secret, data.name)
        return Binding.of(
            await registry.add_binding(provider_caller, tenant_id, new, RequestFacts.of(request))
        )

    @delete("/{tenant_id:str}/bindings/{binding_id:str}", opt=_CHANGES, summary="解绑 AppID")
    async def unbind(
        self,
        request: Request[Any, Any, Any],
        tenant_id: FromPath[str],
        binding_id: FromPath[str],
        provider_caller: NamedDependency[ProviderCaller],
        registry: NamedDependency[Registry],
    ) -> None:
        await registry.remove_binding(provider_caller, tenant_id, binding_id, RequestFacts.of(request))


def _refuse_unknown(request: Request[Any, Any, Any], *known: str) -> None:
    """A misspelt filter that is ignored shows everything, which looks like an answer."""
    unknown = sorted(set(request.query_params) - set(known))
    text = Text(
        f"没有这个查询参数；可用：{'、'.join(known)}。",
        f"is no parameter here; there are: {', '.join(known)}.",
    )
    if unknown:
        raise InvalidInput(*(Fault(f"#/{name[:64]}", "unknown_field", text) for name in unknown))
