"""Raw ASGI answers, among them those that no well-behaved server gives: cut, dripped, endless."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Final

from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, Message, Receive, Scope, Send

ABORT: Final = "spsim.abort"
"""The ASGI extension by which :mod:`spsim.server` lets an application cut the connection: its `abort`."""

TLS: Final = "tls"
"""The standard ASGI extension that names the client's certificate chain in PEM."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. `headers` come on top of its type and length."""

    body: bytes
    status: int = 200
    content_type: str = "text/xml; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)

    def started(self, *, whole: bool) -> HTTPResponseStartEvent:
        """Return the event that begins it; only a `whole` one says how long it is."""
        headers = {"content-type": self.content_type} | self.headers
        # A 204 has no body to describe.
        if self.status == 204:
            del headers["content-type"]
        elif whole:
            headers["content-length"] = str(len(self.body))
        return _start(self.status, [(name.encode(), value.encode()) for name, value in headers.items()])


NO_CERTIFICATE: Final = Reply(
    b"<html><head><title>400 No required SSL certificate was sent</title></head>"
    b"<body><center><h1>400 Bad Request</h1>No required SSL certificate was sent</center></body></html>",
    400,
    "text/html",
)
"""What a path that needs a client certificate answers without one."""


def client_certificate(scope: Scope) -> str | None:
    """Return the certificate that the client showed in PEM; None on a connection without one."""
    chain = (scope.get("extensions") or {}).get(TLS, {}).get("client_cert_chain")
    return str(chain[0]) if isinstance(chain, list) and chain else None


async def read_body(receive: Receive, limit: int) -> bytes:
    """Return the request body, cut at `limit` + 1 bytes: enough to see that it is too long."""
    body = b""
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return body
        body += event["body"]
        if not event["more_body"] or len(body) > limit:
            return body[: limit + 1]


async def send_reply(send: Send, reply: Reply) -> None:
    """Answer with a whole body."""
    await send(reply.started(whole=True))
    await send(_chunk(reply.body, more=False))


async def send_body(
    send: Send,
    body: bytes,
    *,
    status: int = 200,
    content_type: str = "text/xml; charset=utf-8",
    location: str = "",
) -> None:
    """Answer with a whole body of this type, or lead to another `location`."""
    headers = {"location": location} if location else {}
    await send_reply(send, Reply(body, status, content_type, headers))


def dated(send: Send, date: str) -> Send:
    """Return a `send` that adds the time of the host to every answer, as WeChat's hosts do."""

    async def sending(event: Message) -> None:
        if event["type"] == "http.response.start":
            event["headers"] = [*event["headers"], (b"date", date.encode())]
        await send(event)

    return sending


async def cut(scope: Scope, send: Send) -> None:
    """Close the connection without an answer. A server that cannot do that answers 504 with nothing in it."""
    abort = (scope.get("extensions") or {}).get(ABORT, {}).get("abort")
    if callable(abort):
        abort()
    else:
        await send_body(send, b"", status=504)


async def drip(send: Send, reply: Reply, interval_s: float) -> None:
    """Answer one byte at a time (catalogue G06)."""
    await _stream(send, reply, _dripped(reply.body, interval_s))


async def flood(send: Send, reply: Reply, size: int) -> None:
    """Answer a body of about `size` bytes: the real one, padded before its end (catalogue G08).

    A 204 may have none, so it becomes a 200.
    """
    status = 200 if reply.status == 204 else reply.status
    await _stream(send, replace(reply, status=status), _padded(reply.body, size))


async def _stream(send: Send, reply: Reply, chunks: AsyncIterator[bytes]) -> None:
    await send(reply.started(whole=False))
    async for chunk in chunks:
        await send(_chunk(chunk, more=True))
    await send(_chunk(b"", more=False))


async def _dripped(body: bytes, interval_s: float) -> AsyncIterator[bytes]:
    for byte in body:
        yield bytes([byte])
        await asyncio.sleep(interval_s)


async def _padded(body: bytes, size: int) -> AsyncIterator[bytes]:
    # Blanks are harmless before `</xml>` and before the last brace of JSON.
    end = body.rfind(b"</xml>") if body.endswith(b"</xml>") else max(len(body) - 1, 0)
    head, tail = body[:end], body[end:]
    yield head
    padding = b" " * 65536
    for _ in range(max(size - len(body), 0) // len(padding) + 1):
        yield padding
    yield tail


def _start(status: int, headers: list[tuple[bytes, bytes]]) -> HTTPResponseStartEvent:
    return {"type": "http.response.start", "status": status, "headers": headers}


def _chunk(body: bytes, *, more: bool) -> HTTPResponseBodyEvent:
    return {"type": "http.response.body", "body": body, "more_body": more}
