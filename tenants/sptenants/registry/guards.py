"""What route handlers ask for: a caller, or a refusal before the handler runs."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency

from sptenants.registry.access import RequestFacts
from sptenants.registry.caller import Caller
from sptenants.registry.door import Door, ProviderCaller
from sptenants.registry.rights import Use

_TENANT_HEADER = "tenant-id"


def bearer_token(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Return the token of the one Authorization header, empty when there is none or more than one.

    Two headers are refused and not chosen from: a proxy in front may have looked at the other one.
    """
    given = connection.headers.getall("authorization", [])
    if len(given) != 1:
        return ""
    scheme, _, token = given[0].partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def provide_caller(request: Request[Any, Any, Any], door: NamedDependency[Door]) -> Caller:
    """Dependency `caller`: the tenant of a tenant key, or of a provider key with `Tenant-Id`.

    Raises what `Door.by_api_key` raises.
    """
    header = request.headers.get(_TENANT_HEADER)
    return await door.by_api_key(bearer_token(request), header, _use(request))


async def provide_provider_caller(
    request: Request[Any, Any, Any], door: NamedDependency[Door]
) -> ProviderCaller:
    """Dependency `provider_caller`: the service provider of a provider key.

    Raises what `Door.provider_by_key` raises.
    """
    return await door.provider_by_key(bearer_token(request), _use(request))


def _use(request: Request[Any, Any, Any]) -> Use:
    """Return what the route declares to need; `spapp.web.guards` refuses to start where it says nothing."""
    return Use(request.route_handler.opt["right"], RequestFacts.of(request).peer)
