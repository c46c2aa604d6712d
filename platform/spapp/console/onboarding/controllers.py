"""The routes of the wizard: one address a step, for whoever takes sub-merchants in."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from spapp.console.frame.places import MAY_ONBOARD, provider_place
from spapp.console.onboarding.desk import Wizard, wizard_desk
from spapp.web.pages import AnyRequest
from sptenants.onboarding.steps import Step
from sptenants.registry.access import access

_ONBOARD = "/{tenant_id:str}/onboard"


class WizardPages(Controller):
    path = "/console/tenants"
    opt = access("console", *MAY_ONBOARD)
    dependencies = {"place": provider_place, "wizard_desk": wizard_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/new")
    async def new(self, wizard_desk: Wizard) -> Response[str]:
        return await wizard_desk.show_new()

    @post("/new", status_code=200)
    async def begin(self, wizard_desk: Wizard) -> Response[Any]:
        return await wizard_desk.begin()

    @get(_ONBOARD)
    async def go_on(self, tenant_id: FromPath[str], wizard_desk: Wizard) -> Redirect:
        return await wizard_desk.go_on(tenant_id)

    @get([f"{_ONBOARD}/{step.value}" for step in Step])
    async def step(self, request: AnyRequest, tenant_id: FromPath[str], wizard_desk: Wizard) -> Response[str]:
        return await wizard_desk.show(tenant_id, Step(int(request.url.path.rpartition("/")[2])))

    @post(f"{_ONBOARD}/1", status_code=200)
    async def describe(self, tenant_id: FromPath[str], wizard_desk: Wizard) -> Response[Any]:
        return await wizard_desk.describe(tenant_id)

    @post(f"{_ONBOARD}/2", status_code=200)
    async def number(self, tenant_id: FromPath[str], wizard_desk: Wizard) -> Response[Any]:
        return await wizard_desk.number(tenant_id)

    @post(f"{_ONBOARD}/3", status_code=200)
    async def bindings(self, tenant_id: FromPath[str], wizard_desk: Wizard) -> Response[Any]:
        return await wizard_desk.bindings(tenant_id)

    @post(f"{_ONBOARD}/4", status_code=200)
    async def directories(self, tenant_id: FromPath[str], wizard_desk: Wizard) -> Response[Any]:
        return await wizard_desk.directories(tenant_id)

    @post(f"{_ONBOARD}/5", status_code=200)
    async def notify(self, tenant_id: FromPath[str], wizard_desk: Wizard) -> Response[Any]:
        return await wizard_desk.notify(tenant_id)

    @post(f"{_ONBOARD}/6", status_code=200)
    async def examine(self, tenant_id: FromPath[str], wizard_desk: Wizard) -> Response[Any]:
        return await wizard_desk.examine(tenant_id)

    @post(f"{_ONBOARD}/draft", status_code=200)
    async def keep_draft(self, tenant_id: FromPath[str], wizard_desk: Wizard) -> Response[str]:
        return await wizard_desk.keep_draft(tenant_id)

    @post(f"{_ONBOARD}/tick", status_code=200)
    async def tick(self, tenant_id: FromPath[str], wizard_desk: Wizard) -> Response[Any]:
        return await wizard_desk.tick(tenant_id)

    @post(f"{_ONBOARD}/link", status_code=200)
    async def issue_link(self, tenant_id: FromPath[str], wizard_desk: Wizard) -> Response[str]:
        return await wizard_desk.issue_link(tenant_id)

    @post(f"{_ONBOARD}/unlink", status_code=200)
    async def revoke_link(self, tenant_id: FromPath[str], wizard_desk: Wizard) -> Redirect:
        return await wizard_desk.revoke_link(tenant_id)
