"""Bodies that arrive slowly (failure catalogue X09); sizes are tried over real sockets in the journeys."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from litestar import Litestar

from spapp.web import middleware


async def post(app: Litestar, pieces: list[bytes], pause_s: float) -> tuple[int, Any]:
    """Send an order piece by piece; the last piece says that more is to come."""
    sent: list[dict[str, Any]] = []
    waiting = list(pieces)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause_s)
        return {"type": "http.request", "body": waiting.pop(0) if waiting else b" ", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/orders",
        "raw_path": b"/v1/orders",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, send)  # type: ignore[arg-type]
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], json.loads(body)


async def test_X09_a_body_that_drips_is_given_up(app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BODY_DEADLINE_S", 0.2)
    status, problem = await asyncio.wait_for(post(app, [b"{"], pause_s=0.02), timeout=5)
    assert (status, problem["code"]) == (408, "request_timeout")
