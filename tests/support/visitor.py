"""A browser as far as forms and cookies go: it signs in through the real form and posts as browsers do."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping

from httpx import Response
from litestar import Litestar
from litestar.testing import AsyncTestClient
from tests.support.one_site import served
from tests.support.shop import PASSWORD

from spapp.wiring import build
from spcore.clock import Clock
from spcore.settings import Settings

PUBLIC_URL = "http://127.0.0.1:8000"
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def site_environment(database_url: str, public_url: str = PUBLIC_URL) -> dict[str, str]:
    """Return the variables of an installation that only serves pages."""
    return {
        "WXSP_DATABASE_URL": database_url,
        "WXSP_PUBLIC_URL": public_url,
        "WXSP_MASTER_KEY": b64encode(bytes(range(32))).decode(),
        "WXSP_EMBEDDED_WORKER": "0",
    }


def site(database_url: str, clock: Clock, **variables: str) -> Litestar:
    settings = Settings.from_env(site_environment(database_url) | variables)
    return served(build(settings, clock))


def without_address(text: str) -> str:
    """Return a page without the ids that differ from request to request: its own and the one asked for."""
    return re.sub(r"(?:req|ord|ten)_[0-9A-Z]{26}", "", text)


class Visitor:
    """`get` and `post` send what a Chromium would; `htmx` makes them requests for a part of a page."""

    def __init__(self, client: AsyncTestClient[Litestar]) -> None:
        self._client = client

    async def sign_in(self, email: str, password: str = PASSWORD, wanted: str = "") -> Response:
        self._client.cookies.clear()  # another person, another browser
        form = await self.get(f"/login?next={wanted}" if wanted else "/login")
        fields = {"email": email, "password": password, "next": wanted}
        return await self.post("/login", form.text, **fields)

    async def get(self, path: str, *, htmx: bool = False, language: str = "zh-CN") -> Response:
        headers = {"accept": "*/*" if htmx else "text/html", "accept-language": language}
        if htmx:
            headers["hx-request"] = "true"
        return await self._client.get(path, headers=headers, follow_redirects=False)

    async def post(
        self,
        path: str,
        page: str,
        *,
        htmx: bool = False,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        **fields: str,
    ) -> Response:
        """Post a form with the token found on `page`; `files` are name and content by field."""
        token = _TOKEN.search(page)
        body = fields | ({"csrf_token": token[1]} if token else {})
        headers = SAME_ORIGIN | {"accept": "*/*" if htmx else "text/html"}
        if htmx:
            headers["hx-request"] = "true"
        return await self._client.post(path, data=body, files=files, headers=headers, follow_redirects=False)
