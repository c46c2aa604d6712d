"""The routes of the service provider's keys and certificates."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post

from spapp.console.credentials.desk import Credentials, credential_desk
from spapp.console.frame.places import CONSOLE, OWNERS, provider_place
from sptenants.registry.access import access

_OWNER = access("console", *OWNERS)


class CredentialPages(Controller):
    path = "/console/credentials"
    opt = CONSOLE
    dependencies = {"place": provider_place, "credential_desk": credential_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/")
    async def show(self, credential_desk: Credentials) -> Response[str]:
        return await credential_desk.show()

    @get("/api-v2-key", opt=_OWNER)
    async def key_form(self, credential_desk: Credentials) -> Response[str]:
        return await credential_desk.show_key_form()

    @post("/api-v2-key", status_code=200, opt=_OWNER)
    async def replace_key(self, credential_desk: Credentials) -> Response[Any]:
        return await credential_desk.replace_key()

    @get("/certificate", opt=_OWNER)
    async def certificate_form(self, credential_desk: Credentials) -> Response[str]:
        return await credential_desk.show_certificate_form()

    @post("/certificate", status_code=200, opt=_OWNER)
    async def replace_certificate(self, credential_desk: Credentials) -> Response[Any]:
        return await credential_desk.replace_certificate()
