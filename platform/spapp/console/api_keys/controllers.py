"""The routes of the key pages: owners keep keys, operators see them; merchants keep those of their tenant."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.console.api_keys.desk import Keys, key_desk
from spapp.console.frame.places import MAY_ONBOARD, MERCHANT, OWNERS, merchant_place, provider_place
from sptenants.registry.access import access

_OWNER = access("console", *OWNERS)
"""Not operators: a key with the right to refund would give them what their role leaves out."""


class ConsoleKeys(Controller):
    path = "/console/api-keys"
    opt = access("console", *MAY_ONBOARD)
    dependencies = {"place": provider_place, "key_desk": key_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/")
    async def keys(self, key_desk: Keys) -> Response[str]:
        return await key_desk.show_list()

    @get("/new", opt=_OWNER)
    async def form(self, key_desk: Keys) -> Response[str]:
        return await key_desk.show_form()

    @post("/new", status_code=200, opt=_OWNER)
    async def create(self, key_desk: Keys) -> Response[Any]:
        return await key_desk.create()

    @post("/{key_id:str}/revoke", status_code=200, opt=_OWNER)
    async def revoke(self, key_id: FromPath[str], key_desk: Keys) -> Response[Any]:
        return await key_desk.revoke(key_id)


class MerchantKeys(Controller):
    path = "/m/api-keys"
    opt = MERCHANT
    dependencies = {"place": merchant_place, "key_desk": key_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/")
    async def keys(self, key_desk: Keys) -> Response[str]:
        return await key_desk.show_list()

    @get("/new")
    async def form(self, key_desk: Keys) -> Response[str]:
        return await key_desk.show_form()

    @post("/new", status_code=200)
    async def create(self, key_desk: Keys) -> Response[Any]:
        return await key_desk.create()

    @post("/{key_id:str}/revoke", status_code=200)
    async def revoke_key(self, key_id: FromPath[str], key_desk: Keys) -> Response[Any]:
        return await key_desk.revoke(key_id)
