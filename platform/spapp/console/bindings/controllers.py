"""The routes of the binding pages."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.console.bindings.desk import Bound, binding_desk
from spapp.console.frame.places import CONSOLE, MAY_ONBOARD, provider_place
from sptenants.registry.access import access

_ONE = "/{binding_id:str}"
_CHANGES = access("console", *MAY_ONBOARD)


class ConsoleBindings(Controller):
    path = "/console/bindings"
    opt = CONSOLE
    dependencies = {"place": provider_place, "binding_desk": binding_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/")
    async def bindings(self, binding_desk: Bound) -> Response[str]:
        return await binding_desk.show_list()

    @get(_ONE)
    async def binding(self, binding_id: FromPath[str], binding_desk: Bound) -> Response[str]:
        return await binding_desk.show(await binding_desk.view(binding_id))

    @post(f"{_ONE}/check", status_code=200, opt=_CHANGES)
    async def check(self, binding_id: FromPath[str], binding_desk: Bound) -> Response[Any]:
        return await binding_desk.check(binding_id)

    @post(f"{_ONE}/edit", status_code=200, opt=_CHANGES)
    async def rename(self, binding_id: FromPath[str], binding_desk: Bound) -> Response[Any]:
        return await binding_desk.rename(binding_id)

    @post(f"{_ONE}/secret", status_code=200, opt=_CHANGES)
    async def replace_secret(self, binding_id: FromPath[str], binding_desk: Bound) -> Response[Any]:
        return await binding_desk.replace_secret(binding_id)

    @post(f"{_ONE}/remove", status_code=200, opt=_CHANGES)
    async def remove(self, binding_id: FromPath[str], binding_desk: Bound) -> Response[Any]:
        return await binding_desk.remove(binding_id)
