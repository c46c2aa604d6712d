"""The routes of one-time links. Looking never uses a link up; every look and every tick is audited (B-18)."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation
from litestar.response import Redirect

from spapp.console.frame.forms import field
from spapp.web import csrf
from spapp.web.cookies import BrowserCookies
from spapp.web.guards import signed_in
from spapp.web.pages import AnyRequest, page
from spcore.errors import NotFound
from spcore.settings import Settings
from sptenants.onboarding.links import OnboardingLinks
from sptenants.onboarding.service import Onboarding
from sptenants.onboarding.tasks import tasks
from sptenants.registry.access import RequestFacts, access


class MerchantLinkPages(Controller):
    """What is shown is one tenant's tasks and nothing else of it, of its service provider or of us."""

    path = "/o/{token:str}"
    opt = access("public", "anyone")
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: AnyRequest,
        token: FromPath[str],
        onboarding: NamedDependency[Onboarding],
        onboarding_links: NamedDependency[OnboardingLinks],
        browser_cookies: NamedDependency[BrowserCookies],
        settings: NamedDependency[SkipValidation[Settings]],
    ) -> Response[str]:
        link = await onboarding_links.open(token, RequestFacts.of(request))
        dossier = await onboarding.dossier(link.scope, link.scope.tenant_id)
        shown = tasks(dossier, settings.public_url)
        return page(
            request,
            "merchant_link/page.html",
            csrf_token=csrf.token_for(request, browser_cookies, signed_in(request)),
            url=f"/o/{token}",
            tenant_name=dossier.detail.tenant.name,
            provider_name=dossier.detail.provider.name,
            expires_at=link.expires_at,
            open_tasks=[task for task in shown if not task.done],
            done_tasks=[task for task in shown if task.done],
        )

    @post("/tick", status_code=303)
    async def tick(
        self,
        request: AnyRequest,
        token: FromPath[str],
        onboarding: NamedDependency[Onboarding],
        onboarding_links: NamedDependency[OnboardingLinks],
        settings: NamedDependency[SkipValidation[Settings]],
    ) -> Redirect:
        """Take the word of whoever holds the link. Raises LinkGone, NotFound for what is not on the list."""
        form: Any = await request.form()
        link = await onboarding_links.scope_of(token)
        dossier = await onboarding.dossier(link.scope, link.scope.tenant_id)
        known = {task.code: task for task in tasks(dossier, settings.public_url)}
        task = known.get(field(form, "code"))
        if task is None:
            raise NotFound
        done = field(form, "done") == "yes"
        await onboarding_links.tick(token, task, done=done, facts=RequestFacts.of(request))
        return Redirect(f"/o/{token}", status_code=303)
