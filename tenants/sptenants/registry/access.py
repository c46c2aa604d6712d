"""What every route declares about itself, and what every request says about its origin.

A route without a declaration does not start (failure catalogue T05).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from litestar.connection import ASGIConnection

from sptenants.registry.rights import Right

Area = Literal["api", "mini", "console", "admin", "merchant", "notify", "public"]


def access(area: Area, *roles: str, right: Right | None = None) -> dict[str, Any]:
    """Return the `opt` of a route handler: its area, who may call it, and the right an API key needs for it.

    Roles are role codes of people, or `tenant_key`, `provider_key`, `mini_session`, `anyone`, `wechat`.
    """
    return {"area": area, "roles": roles, "right": right}


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """Set by the outermost middleware: the request's id and the caller's address behind trusted proxies."""

    request_id: str
    peer: str

    @classmethod
    def of(cls, connection: ASGIConnection[Any, Any, Any, Any]) -> RequestFacts:
        state = connection.scope["state"]
        return cls(request_id=state["request_id"], peer=state["peer"])
