"""How many requests a second each tenant may make (contract section 3).

Counted in the memory of each web process, over one second windows; with several processes each takes its
share. Notifications from WeChat are never counted: they are money.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler

from sptenants.registry.access import RequestFacts
from sptenants.registry.caller import Caller
from sptenants.registry.door import Door, ProviderCaller
from sptenants.registry.errors import RateLimited
from sptenants.registry.guards import provide_caller, provide_provider_caller

DEFAULT_SERVER = 200
DEFAULT_SESSION = 20
STATE_HEADERS = "rate_limit"
"""Name in the request's state under which the middleware finds the headers to add."""

STATE_TENANT = "tenant_id"
"""Name in the request's state under which the tenant of a checked key is left."""

_REMEMBER_S = 60.0
_MOST_REMEMBERED = 10_000

AnyConnection = ASGIConnection[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class _Remembered:
    per_second: int
    until: float


class Limits:
    def __init__(self, door: Door, processes: int = 1) -> None:
        self._door = door
        self._processes = processes
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._sessions: dict[str, _Remembered] = {}

    def take(self, connection: AnyConnection, per_second: int, *key: str) -> None:
        """Count one request of `key`. Raises RateLimited; leaves the RateLimit headers either way."""
        item = RateLimitItemPerSecond(math.ceil(per_second / self._processes))
        allowed = self._limiter.hit(item, *key)
        window = self._limiter.get_window_stats(item, *key)
        wait_s = max(1, math.ceil(window.reset_time - time.time()))
        connection.scope["state"][STATE_HEADERS] = {
            "ratelimit-limit": item.amount,
            "ratelimit-remaining": window.remaining,
            "ratelimit-reset": wait_s,
        }
        if not allowed:
            raise RateLimited(wait_s)

    async def guard(self, connection: AnyConnection, handler: BaseRouteHandler) -> None:
        """Count what a mini-program's users send, by tenant and address, before anything is looked up."""
        if handler.opt["area"] != "mini":
            return
        tenant_id = str(connection.path_params.get("tenant_id", ""))
        per_second = await self._session_limit(tenant_id)
        self.take(connection, per_second, "mini", tenant_id, RequestFacts.of(connection).peer)

    async def _session_limit(self, tenant_id: str) -> int:
        """Return the tenant's own limit. Kept for a minute: the limit must not cost a query a request."""
        held = self._sessions.get(tenant_id)
        if held is not None and held.until > time.monotonic():
            return held.per_second
        found = await self._door.by_tenant_id(tenant_id)
        per_second = found[1].session_per_second if found else DEFAULT_SESSION
        if len(self._sessions) >= _MOST_REMEMBERED:
            self._sessions.clear()
        self._sessions[tenant_id] = _Remembered(per_second, time.monotonic() + _REMEMBER_S)
        return per_second


async def provide_limited_caller(
    request: Request[Any, Any, Any], door: NamedDependency[Door], limits: NamedDependency[Limits]
) -> Caller:
    """Dependency `caller`: the tenant behind a key, after its request was counted."""
    caller = await provide_caller(request, door)
    request.scope["state"][STATE_TENANT] = caller.tenant.id
    limits.take(request, caller.tenant.server_per_second, "server", caller.tenant.id)
    return caller


async def provide_limited_provider_caller(
    request: Request[Any, Any, Any], door: NamedDependency[Door], limits: NamedDependency[Limits]
) -> ProviderCaller:
    """Dependency `provider_caller`: the provider behind a key, after its request was counted."""
    caller = await provide_provider_caller(request, door)
    limits.take(request, DEFAULT_SERVER, "provider", caller.provider.id)
    return caller
