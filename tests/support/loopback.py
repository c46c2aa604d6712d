"""A small HTTP/1.1 server on the loopback that answers as badly as a test asks it to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in; header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Answering = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


def http(
    body: bytes, status: str = "200 OK", headers: tuple[str, ...] = (), length: int | None = None
) -> bytes:
    """A whole HTTP answer as bytes."""
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: text/xml",
        f"Content-Length: {len(body) if length is None else length}",
    ]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


@dataclass
class Loopback:
    """What arrived, and what to do with it. `answering` may be exchanged at any time."""

    answering: Answering
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    open_writers: set[asyncio.StreamWriter] = field(default_factory=set)
    arrival: asyncio.Condition = field(default_factory=asyncio.Condition)
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def until_received(self, count: int) -> None:
        """Wait until so many requests have come in, five seconds at most."""
        async with asyncio.timeout(5), self.arrival:
            await self.arrival.wait_for(lambda: len(self.received) >= count)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_writers.add(writer)
        try:
            while (request := await _read_request(reader)) is not None:
                async with self.arrival:
                    self.received.append(request)
                    self.arrival.notify_all()
                await self.answering(request, writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_writers.discard(writer)
            writer.close()


async def _read_request(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _version = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, target, headers, body)


def always(answer: bytes) -> Answering:
    """Send the same bytes to every request."""

    async def send(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return send


@asynccontextmanager
async def loopback(answering: Answering, tls: ssl.SSLContext | None = None) -> AsyncIterator[Loopback]:
    """A running server; on leaving, every connection is cut."""
    host = Loopback(answering, scheme="https" if tls else "http")
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(host.handle(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()
        for writer in set(host.open_writers):
            writer.transport.abort()
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await server.wait_closed()
