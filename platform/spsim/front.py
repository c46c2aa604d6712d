"""What may stand before a notify address: a proxy that passes everything on, or what is found there instead.

The simulator's plain port takes the place of the platform's public address: whatever comes in below
`/notify/` goes to the address that `POST /_sim/front` named, or meets what it asked for.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlsplit

import httpx
from litestar.handlers import ASGIRouteHandler, asgi
from litestar.types import Receive, Scope, Send

from .control_input import Document, bad_request, choice, needed_text
from .transport import cut, read_body, send_body
from .wire import MAX_BODY

_KINDS: Final = ("pass", "redirect", "human_check", "page", "error", "slow", "cut")
_CHECK: Final = b"<!doctype html><html><title>Just a moment</title><body>Are you human</body></html>"
_PAGE: Final = b"<!doctype html><html><title>Welcome</title><body>It works</body></html>"
_HTML: Final = "text/html; charset=utf-8"


class Front:
    """The street door; it is open and leads nowhere until somebody says where."""

    def __init__(self) -> None:
        self._target = ""
        self._kind = "page"
        self._ms = 0

    def set(self, document: Document) -> Document:
        """Say what stands there. Raises ControlRefused."""
        target, kind = needed_text(document, "target"), choice(document, "kind", _KINDS, "pass")
        ms = document.get("ms", 0)
        if urlsplit(target).scheme not in {"http", "https"}:
            raise bad_request("target must be absolute")
        if type(ms) is not int or ms < 0:
            raise bad_request("ms must be a whole number of milliseconds")
        self._target, self._kind, self._ms = target.rstrip("/"), kind, ms
        return {"target": self._target, "kind": kind, "ms": ms}

    def handler(self) -> ASGIRouteHandler:
        """Return the handler of everything below `/notify/`."""

        @asgi("/notify", is_mount=True, copy_scope=True)
        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            body = await read_body(receive, MAX_BODY)
            match self._kind:
                case "redirect":
                    await send_body(send, b"", status=302, location="https://elsewhere.invalid/")
                case "human_check":
                    await send_body(send, _CHECK, status=403, content_type=_HTML)
                case "page":
                    await send_body(send, _PAGE, content_type=_HTML)
                case "error":
                    await send_body(send, b"bad gateway", status=502, content_type="text/plain")
                case "cut":
                    await cut(scope, send)
                case _:
                    await asyncio.sleep(self._ms / 1000)
                    await self._pass(scope, body, send)

        return handle

    async def _pass(self, scope: Scope, body: bytes, send: Send) -> None:
        url = f"{self._target}{_path(scope)}"
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
                answer = await client.post(url, content=body, headers=_passed_on(scope))
        except httpx.HTTPError:
            await send_body(send, b"bad gateway", status=502, content_type="text/plain")
            return
        content_type = answer.headers.get("content-type", "text/xml")
        await send_body(send, answer.content, status=answer.status_code, content_type=content_type)


def _passed_on(scope: Scope) -> dict[str, str]:
    """Return what a proxy must not take away: the kind of body, and the signature of API v3."""
    given = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    kept = {name: value for name, value in given.items() if name.startswith("wechatpay-")}
    return {"content-type": given.get("content-type", "text/xml")} | kept


def _path(scope: Scope) -> str:
    raw = scope.get("raw_path", b"")
    return raw.decode("latin-1") if isinstance(raw, bytes) else ""
