"""The payer behind a mini-program request, or a refusal before the handler runs."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import FromPath

from sptenants.registry.caller import Payer
from sptenants.registry.guards import bearer_token
from sptenants.sessions.service import CurrentSession, Sessions


async def provide_payer(
    request: Request[Any, Any, Any], tenant_id: FromPath[str], sessions: NamedDependency[Sessions]
) -> Payer:
    """Dependency `payer` of routes below `/v1/mini/{tenant_id:str}`. Raises what `Sessions.payer` raises."""
    return await sessions.payer(bearer_token(request), tenant_id)


async def provide_current_session(
    request: Request[Any, Any, Any], tenant_id: FromPath[str], sessions: NamedDependency[Sessions]
) -> CurrentSession:
    """Dependency `current_session`, for asking how long it lasts."""
    return await sessions.current(bearer_token(request), tenant_id)
