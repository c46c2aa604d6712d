"""Beginning and ending a visit, and stating why one looks."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from spapp.accounts.errors import SecondFactorRefused, TooManyAttempts
from spapp.accounts.service import Staff
from spapp.accounts.visits import LASTS, LONGEST_REASON, SHORTEST_REASON, Visits, check_reason
from spapp.console.frame.forms import field, visitor
from spapp.console.frame.fresh import require_fresh
from spapp.console.frame.places import ADMIN, ADMIN_CHANGES, platform_place
from spapp.console.frame.workplace import Work, Workplace, refused
from spapp.web.cookies import BrowserCookies
from spapp.web.guards import STAFF_ROLES, WHILE_VISITING
from spapp.web.pages import AnyRequest
from spapp.web.redirects import own_path
from spcore.errors import DomainError, InvalidInput, Text
from sptenants.registry.access import access


class VisitPages(Controller):
    """The platform's side: from the list of service providers into the console of one."""

    path = "/admin"
    opt = ADMIN_CHANGES
    dependencies = {"place": platform_place}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/service-providers/{provider_id:str}/visit")
    async def form(
        self, provider_id: FromPath[str], place: Work, visits: NamedDependency[Visits]
    ) -> Response[str]:
        return await _form(place, provider_id, await visits.provider_name(provider_id))

    @post("/service-providers/{provider_id:str}/visit", status_code=200)
    async def begin(
        self,
        provider_id: FromPath[str],
        place: Work,
        visits: NamedDependency[Visits],
        browser_cookies: NamedDependency[BrowserCookies],
    ) -> Response[Any]:
        """Enter. The reason is asked before the code is used up; raises NotFound for no such provider."""
        name = await visits.provider_name(provider_id)
        form, token = await place.request.form(), browser_cookies.token(place.request) or ""
        reason = field(form, "reason")
        try:
            check_reason(reason)
            await require_fresh(place, form, "visit")
        except InvalidInput as refusal:
            return await _form(place, provider_id, name, reason, {"reason": refusal.faults[0].text})
        except (SecondFactorRefused, TooManyAttempts) as refusal:
            return await _form(place, provider_id, name, reason, {"code": refusal.text}, refusal)
        opened = await visits.begin(place.staff, token, provider_id, reason, visitor(place.request))
        return Redirect("/console", status_code=303, cookies=[browser_cookies.session(opened.token)])

    @post("/look-reason", status_code=303, opt=ADMIN)
    async def state_reason(
        self,
        place: Work,
        visits: NamedDependency[Visits],
        browser_cookies: NamedDependency[BrowserCookies],
    ) -> Redirect:
        """Keep the reason for this session's looks; an empty one makes them routine again."""
        form, token = await place.request.form(), browser_cookies.token(place.request) or ""
        await visits.state_reason(place.staff, token, field(form, "reason"), visitor(place.request))
        return Redirect(own_path(field(form, "next"), "/admin"), status_code=303)


class VisitEnd(Controller):
    """The way out stands on every page of a visit."""

    path = "/visit"
    opt = access("console", *sorted(STAFF_ROLES)) | WHILE_VISITING
    include_in_schema = False

    @post("/end", status_code=303)
    async def end(
        self,
        request: AnyRequest,
        staff: NamedDependency[Staff],
        visits: NamedDependency[Visits],
        browser_cookies: NamedDependency[BrowserCookies],
    ) -> Redirect:
        """Go back to the platform; a visit that ended by itself meanwhile leads there too."""
        if staff.visit is None:
            return Redirect("/", status_code=303)
        opened = await visits.end(staff, browser_cookies.token(request) or "", visitor(request))
        return Redirect("/", status_code=303, cookies=[browser_cookies.session(opened.token)])


async def _form(
    place: Workplace,
    provider_id: str,
    name: str,
    reason: str = "",
    faults: dict[str, Text] | None = None,
    refusal: DomainError | None = None,
) -> Response[str]:
    answer = await place.show(
        "visits/form.html",
        provider_id=provider_id,
        name=name,
        reason=reason,
        asks_code=place.staff.has_second_factor,
        faults=faults or {},
        minutes=int(LASTS.total_seconds() // 60),
        shortest=SHORTEST_REASON,
        longest=LONGEST_REASON,
        current="/admin/service-providers",
    )
    return refused(answer, refusal) if faults else answer
