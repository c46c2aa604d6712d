"""The guard of every route: who may call it, and whether a form was ours (failure catalogue T05, S02, S11).

Routes say by `opt=access(area, *roles)` who may call them. For pages this guard is what enforces it. Routes
of the API are enforced by the dependency that yields their caller; `check_routes` refuses to start when a
route declares nothing or does not ask for that caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from litestar import Litestar, Request
from litestar.connection import ASGIConnection
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import HTTPRoute

from spapp.accounts.errors import SecondFactorNeeded
from spapp.accounts.models import Level
from spapp.accounts.service import Accounts, Staff, Visiting, Visitor, require_full
from spapp.accounts.visits import Visits
from spapp.web import csrf, json_body
from spapp.web.cookies import BrowserCookies
from spapp.web.middleware import STATE_IN_FLIGHT
from spapp.web.problems import Overloaded
from spcore.errors import DomainError, NotFound, Text
from sptenants.registry.access import RequestFacts
from sptenants.registry.errors import Forbidden
from sptenants.registry.rights import Right

PAGE_AREAS = frozenset({"console", "admin", "merchant"})
BEFORE_ENROLMENT = {"before_enrolment": True}
"""Added to the `opt` of pages that people see who still have to set up a second factor."""
WHILE_VISITING = {"while_visiting": True}
"""Added to the `opt` of what a visitor from the platform may do although it is more than looking."""

STAFF_ROLES = frozenset(
    {
        "platform_admin",
        "platform_auditor",
        "provider_owner",
        "provider_operator",
        "provider_finance",
        "provider_viewer",
        "merchant_user",
    }
)
CALLERS = {
    "tenant_key": frozenset({"caller"}),
    "provider_key": frozenset({"caller", "provider_caller"}),
    "mini_session": frozenset({"payer", "current_session"}),
}
"""Which dependency, asked for by a handler, proves that a role is checked."""
KEY_ROLES = frozenset({"tenant_key", "provider_key"})

MOST_IN_FLIGHT = 256
"""More requests than this at once would only wait for each other in one process."""

_ONLY_LOOKING = Text(
    "以平台身份查看时不能修改任何内容。请先退出查看。",
    "Nothing can be changed while visiting from the platform. Leave the visit first.",
)
_AREAS = PAGE_AREAS | {"api", "mini", "notify", "public"}
_OPEN_ROLES = frozenset({"anyone", "wechat"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class SignInNeeded(DomainError):
    """A page that only signed-in people see; the answer leads them to the sign-in form."""

    code = "unauthenticated"

    def __init__(self) -> None:
        super().__init__(Text("请先登录。", "Please sign in first."))


class UnguardedRoute(RuntimeError):
    """A route does not say, or does not check, who may call it. The program does not start."""


@dataclass(frozen=True, slots=True)
class RouteFacts:
    method: str
    path: str
    area: str
    roles: tuple[str, ...]
    right: str | None = None
    """What an API key needs for it; None where no key is taken."""


class Guard:
    """Put before every handler of the application."""

    def __init__(self, accounts: Accounts, visits: Visits, cookies: BrowserCookies) -> None:
        self._accounts = accounts
        self._visits = visits
        self._cookies = cookies

    async def __call__(
        self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
    ) -> None:
        request = cast("Request[Any, Any, Any]", connection)
        if "\0" in request.scope["path"]:
            raise NotFound()  # no id of ours has one, and PostgreSQL cannot be asked about it
        if request.method == "OPTIONS":
            # The framework adds these handlers itself, undeclared and with incomplete lists of methods.
            raise MethodNotAllowedException()
        area = handler.opt["area"]
        # Notifications are money: what others take away from each other is never taken from them (Q01).
        if area != "notify" and request.scope["state"][STATE_IN_FLIGHT] >= MOST_IN_FLIGHT:
            raise Overloaded()
        if area in {"api", "mini"}:
            await _require_strict_json(request)
            return
        if area not in PAGE_AREAS and area != "public":
            return
        staff = await self._accounts.session(self._cookies.token(request))
        request.scope["state"]["staff"] = staff
        if request.method not in _SAFE_METHODS:
            await csrf.check(request, self._cookies, staff)
        if area in PAGE_AREAS:
            _require_role(staff, handler.opt)
            if staff is not None and staff.visit is not None:
                await self._watch(request, staff, staff.visit, handler.opt)

    async def _watch(
        self, request: Request[Any, Any, Any], staff: Staff, visit: Visiting, opt: Mapping[str, Any]
    ) -> None:
        """Keep a visitor from the platform to looking, and write down at what, before it is shown (T09)."""
        if request.method not in _SAFE_METHODS:
            if not opt.get("while_visiting"):
                raise Forbidden(_ONLY_LOOKING)
            return
        facts = RequestFacts.of(request)
        query = f"?{request.url.query}" if request.url.query else ""
        visitor = Visitor(facts.peer, request.headers.get("user-agent", ""), facts.request_id)
        await self._visits.note_look(staff, visit, request.url.path + query, visitor)


def signed_in(connection: ASGIConnection[Any, Any, Any, Any]) -> Staff | None:
    """Return who is signed in, at whatever level, on routes of pages and on public ones."""
    staff: Staff | None = connection.scope["state"].get("staff")
    return staff


async def provide_staff(request: Request[Any, Any, Any]) -> Staff:
    """Dependency `staff`. Raises on public routes: SignInNeeded, or SecondFactorNeeded half-way."""
    staff = signed_in(request)
    if staff is None:
        raise SignInNeeded()
    if staff.level is Level.PASSWORD:
        raise SecondFactorNeeded()
    return staff


def routes(app: Litestar) -> Iterator[RouteFacts]:
    """Yield every HTTP route with what it declares; the automatic OPTIONS handlers are left out.

    Raises UnguardedRoute, naming the route, when a declaration is missing or not enforced.
    """
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            raise UnguardedRoute(f"{route.path}: only HTTP routes are allowed")
        for handler in route.route_handlers:
            for method in sorted(handler.http_methods - {"OPTIONS"}):
                yield _facts(method, route.path_format, handler)


def _facts(method: str, path: str, handler: HTTPRouteHandler) -> RouteFacts:
    where = f"{method} {path}"
    area, roles = handler.opt.get("area"), tuple(handler.opt.get("roles", ()))
    if area not in _AREAS or not roles:
        raise UnguardedRoute(f"{where}: declares no opt=access(area, roles)")
    if area in PAGE_AREAS:
        if not set(roles) <= STAFF_ROLES:
            raise UnguardedRoute(f"{where}: unknown roles {sorted(set(roles) - STAFF_ROLES)}")
        return RouteFacts(method, path, area, roles)
    asked_for = set(handler.parsed_fn_signature.parameters)
    right = handler.opt.get("right")
    if KEY_ROLES & set(roles) and right not in set(Right):
        raise UnguardedRoute(f"{where}: declares no right that a key needs for it")
    for role in roles:
        if role not in _OPEN_ROLES and not CALLERS.get(role, frozenset()) & asked_for:
            raise UnguardedRoute(f"{where}: declares {role}, but asks for no caller")
    return RouteFacts(method, path, area, roles, right)


def _require_role(staff: Staff | None, opt: Mapping[str, Any]) -> None:
    if staff is None:
        raise SignInNeeded()
    if not (staff.level is Level.ENROL and opt.get("before_enrolment")):
        require_full(staff)
    if staff.role not in opt["roles"]:
        raise Forbidden(Text("你的角色不能使用此页面。", "Your role may not use this page."))


async def _require_strict_json(request: Request[Any, Any, Any]) -> None:
    if request.method not in _SAFE_METHODS:
        json_body.check(await request.body())
