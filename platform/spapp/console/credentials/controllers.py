"""The routes of the service provider's keys and certificates."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.console.credentials.changing import Changes, change_desk
from spapp.console.credentials.cockpit_desk import Cockpits, cockpit_desk
from spapp.console.credentials.desk import Credentials, credential_desk
from spapp.console.credentials.kinds import form_of, page_of
from spapp.console.credentials.version_desk import Versions, version_desk
from spapp.console.frame.places import CONSOLE, OWNERS, provider_place
from sptenants.registry.access import access

_OWNER = access("console", *OWNERS)


class CredentialPages(Controller):
    """What everybody of the provider sees, and the move between versions of WeChat's API."""

    path = "/console/credentials"
    opt = CONSOLE
    dependencies = {  # noqa: RUF012 - the framework reads it
        "place": provider_place,
        "credential_desk": credential_desk,
        "cockpit_desk": cockpit_desk,
        "version_desk": version_desk,
    }
    include_in_schema = False

    @get("/")
    async def show(self, credential_desk: Credentials) -> Response[str]:
        return await credential_desk.show()

    @get("/public-key")
    async def cockpit(self, cockpit_desk: Cockpits) -> Response[str]:
        return await cockpit_desk.show()

    @get("/api-version")
    async def version(self, version_desk: Versions) -> Response[str]:
        return await version_desk.show()

    @post("/api-version", status_code=200, opt=_OWNER)
    async def switch(self, version_desk: Versions) -> Response[Any]:
        return await version_desk.switch()

    @post("/api-version/check", status_code=200, opt=_OWNER)
    async def check(self, version_desk: Versions) -> Response[str]:
        return await version_desk.check()


class KeyPages(Controller):
    """Handing a key in, rehearsing it, putting it to use, taking it back: owners alone."""

    path = "/console/credentials/{key_kind:str}"
    opt = _OWNER
    dependencies = {"place": provider_place, "change_desk": change_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/")
    async def form(self, key_kind: FromPath[str], change_desk: Changes) -> Response[str]:
        return await change_desk.show_form(form_of(key_kind))

    @post("/", status_code=200)
    async def hand_in(self, key_kind: FromPath[str], change_desk: Changes) -> Response[Any]:
        return await change_desk.hand_in(form_of(key_kind))

    @get("/candidate")
    async def candidate(self, key_kind: FromPath[str], change_desk: Changes) -> Response[Any]:
        return await change_desk.show_candidate(form_of(key_kind))

    @post("/rehearse", status_code=200)
    async def rehearse(self, key_kind: FromPath[str], change_desk: Changes) -> Response[Any]:
        return await change_desk.rehearse(form_of(key_kind))

    @post("/promote", status_code=200)
    async def promote(self, key_kind: FromPath[str], change_desk: Changes) -> Response[Any]:
        return await change_desk.promote(form_of(key_kind))

    @post("/discard", status_code=200)
    async def discard(self, key_kind: FromPath[str], change_desk: Changes) -> Response[Any]:
        return await change_desk.discard(form_of(key_kind))

    @get("/roll-back")
    async def ask_roll_back(self, key_kind: FromPath[str], change_desk: Changes) -> Response[Any]:
        return await change_desk.show_roll_back(form_of(key_kind))

    @post("/roll-back", status_code=200)
    async def roll_back(self, key_kind: FromPath[str], change_desk: Changes) -> Response[Any]:
        return await change_desk.roll_back(form_of(key_kind))

    @get("/retire")
    async def ask_retire(self, key_kind: FromPath[str], change_desk: Changes) -> Response[Any]:
        return await change_desk.show_change(page_of(key_kind), "retire")

    @post("/retire", status_code=200)
    async def retire(self, key_kind: FromPath[str], change_desk: Changes) -> Response[Any]:
        return await change_desk.retire(page_of(key_kind))

    @get("/restore")
    async def ask_restore(self, key_kind: FromPath[str], change_desk: Changes) -> Response[Any]:
        return await change_desk.show_change(page_of(key_kind), "restore")

    @post("/restore", status_code=200)
    async def restore(self, key_kind: FromPath[str], change_desk: Changes) -> Response[Any]:
        return await change_desk.restore(page_of(key_kind))
