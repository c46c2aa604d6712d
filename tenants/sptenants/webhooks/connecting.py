"""Reaching a stranger's server without being led astray: one look-up, every answer checked, no second one.

The connection goes to an address that was just checked, while TLS still asks for the name (W01, W02). What
the receiver sends is counted and cut off (W05).
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpcore

from spcore.egress import is_public

MAX_ANSWER_BYTES = 64 * 1024
CONNECT_TIMEOUT_S = 5.0

_LOOK_UPS = 64
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?\r?\n")

Resolver = Callable[[str], Awaitable[Sequence[str]]]
"""Gives all addresses of a host name as text, none when it has none."""
Dialer = Callable[[str, int], Awaitable[httpcore.AsyncNetworkStream]]
"""Opens a TCP connection to an address that was checked. Raises httpcore's connect errors."""


class Unresolvable(Exception):
    """The name has no address at this moment."""


class NotPublic(Exception):
    """The name leads to an address outside the public internet; nothing was sent there."""


class AnswerTooLong(Exception):
    """The receiver sent more than MAX_ANSWER_BYTES before its answer was complete."""


class SystemResolver:
    """The machine's own resolver, in threads of its own: a slow name server must not hold up other work.

    One name is looked up once at a time, however many deliveries wait for it.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOK_UPS, thread_name_prefix="webhook-dns")
        self._under_way: dict[str, asyncio.Future[Sequence[str]]] = {}

    async def __call__(self, host: str) -> Sequence[str]:
        looking = self._under_way.get(host)
        if looking is None:
            looking = asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host)
            self._under_way[host] = looking
            looking.add_done_callback(lambda _: self._under_way.pop(host, None))
        return await asyncio.shield(looking)


def _look_up(host: str) -> Sequence[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


async def dial(address: str, port: int) -> httpcore.AsyncNetworkStream:
    """Open a TCP connection. Raises httpcore.ConnectError, httpcore.ConnectTimeout."""
    return await httpcore.AnyIOBackend().connect_tcp(address, port, timeout=CONNECT_TIMEOUT_S)


@dataclass(frozen=True, slots=True)
class Connector:
    """How names become addresses, and addresses connections. The check between the two is not part of it, so
    that no connector, of a test or of a program, can leave it out.
    """

    resolve: Resolver = field(default_factory=SystemResolver)
    dial: Dialer = dial


class GuardedLine(httpcore.AsyncNetworkBackend):
    """The network of one request. Raises Unresolvable and NotPublic where a connection would be made."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._heard = bytearray()

    @property
    def status(self) -> int | None:
        """The status the receiver gave, once its first line is complete, whatever came after it (W14)."""
        found = _STATUS_LINE.match(self._heard)
        return int(found[1]) if found else None

    @property
    def has_spoken(self) -> bool:
        """Whether the receiver sent at least one whole line."""
        return b"\n" in self._heard

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the caller's deadline covers it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        del timeout, local_address, socket_options
        addresses = await self._connector.resolve(host)
        if not addresses:
            raise Unresolvable
        if not all(map(is_public, addresses)):
            raise NotPublic
        for address in addresses[:-1]:
            try:
                return _Counted(await self._connector.dial(address, port), self._heard)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return _Counted(await self._connector.dial(addresses[-1], port), self._heard)


class _Counted(httpcore.AsyncNetworkStream):
    """A stream that keeps what it has read. TLS reads below it, so that only plain text is counted."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, heard: bytearray) -> None:
        self._stream = stream
        self._heard = heard

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        room = MAX_ANSWER_BYTES - len(self._heard)
        if room <= 0:
            raise AnswerTooLong
        data = await self._stream.read(min(max_bytes, room), timeout)
        self._heard += data
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        secured = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        return _Counted(secured, self._heard)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
