"""The outermost layer: every request passes it first and every answer last, errors and unknown paths too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from spapp.web import metrics
from spapp.web.cookies import BrowserCookies
from spapp.web.csrf import STATE_NEW
from spapp.web.headers import security_headers
from spapp.web.peers import Network, peer_address
from spapp.web.problems import BodyTooSlow
from spcore.ids import new_id

API_VERSION = "2026-11-21"
BODY_DEADLINE_S = 15.0
STATE_IN_FLIGHT = "in_flight"
"""Name in the request's state of how many others were being worked on when it came."""

_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})

_log = structlog.get_logger("wxsp.access")


@dataclass(frozen=True, slots=True)
class OuterSettings:
    public_url: str
    trusted_proxies: Sequence[Network]


class Outermost:
    """Gives each request its id and the caller's address, each answer its headers, and the log its line."""

    def __init__(self, app: ASGIApp, settings: OuterSettings) -> None:
        self._app = app
        self._https = settings.public_url.startswith("https://")
        self._trusted = tuple(settings.trusted_proxies)
        self._cookies = BrowserCookies.under(settings.public_url)
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            raise RuntimeError("there are HTTP routes only")
        started = time.perf_counter()
        state: dict[str, Any] = dict(scope.get("state") or {})
        scope["state"] = state
        state["request_id"] = new_id("req")
        state["peer"] = self._peer(scope)
        state[STATE_IN_FLIGHT] = self._in_flight
        self._in_flight += 1
        # HEAD is GET without its body, and has no handlers of its own (RFC 9110 section 9.3.2).
        is_head = scope["method"] == "HEAD"
        inner: HTTPScope = {**scope, "method": "GET"} if is_head else scope
        answer = _Answer(send, self._headers(scope, state), lambda: self._late_headers(state), is_head)
        try:
            await self._app(inner, _with_deadline(receive), answer.send)
        finally:
            self._in_flight -= 1
            _note(scope, inner, answer.status, time.perf_counter() - started)

    def _peer(self, scope: HTTPScope) -> str:
        client = scope.get("client")
        forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        return peer_address(client[0] if client else None, forwarded.decode("latin-1"), self._trusted)

    def _headers(self, scope: HTTPScope, state: dict[str, Any]) -> dict[str, str]:
        headers = security_headers(scope["path"], https=self._https)
        headers["request-id"] = state["request_id"]
        if scope["path"].startswith("/v1/"):
            headers["api-version"] = API_VERSION
        return headers

    def _late_headers(self, state: dict[str, Any]) -> list[tuple[bytes, bytes]]:
        """What handlers left in the request's state for us to send."""
        late = [(name.encode(), str(value).encode()) for name, value in state.get("rate_limit", {}).items()]
        if token := state.get(STATE_NEW):
            late.append(self._cookies.csrf(token).to_encoded_header())
        return late


class _Answer:
    def __init__(self, send: Send, headers: dict[str, str], late: Any, is_head: bool) -> None:
        self._send = send
        self._headers = headers
        self._late = late
        self._is_head = is_head
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = list(message.get("headers", []))
            names = {name.lower() for name, _ in given}
            ours = [(name.encode(), value.encode()) for name, value in self._headers.items()]
            message["headers"] = [*given, *(h for h in ours if h[0] not in names), *self._late()]
        if message["type"] == "http.response.body" and self._is_head:
            message["body"] = b""
        await self._send(message)


def _with_deadline(receive: Receive) -> Receive:
    """Give the whole body a deadline; afterwards waiting for the client to go away has none."""
    deadline = asyncio.get_running_loop().time() + BODY_DEADLINE_S
    complete = False

    async def bounded() -> Any:
        nonlocal complete
        if complete:
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise BodyTooSlow() from None
        complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return bounded


def _note(scope: HTTPScope, inner: HTTPScope, status: int, took_s: float) -> None:
    """One line and one measurement a request, by route and never by path: paths hold ids and route keys.

    `inner` is what the application was given; it has written the route there.
    """
    route = str(inner.get("path_template") or "unmatched")
    # Callers invent methods, and every new label is kept for as long as the process lives.
    method = scope["method"] if scope["method"] in _METHODS else "other"
    metrics.HTTP_REQUESTS.labels(method, route, str(status)).inc()
    metrics.HTTP_DURATION.labels(method, route).observe(took_s)
    _log.info(
        "request.done",
        request_id=scope["state"]["request_id"],
        method=method,
        route=route,
        status=status,
        ms=round(took_s * 1000, 1),
    )
