"""A small HTTP/1.1 server for the simulator: h11 over asyncio, one ASGI application on several ports.

A general server will not do here: faults need a connection that is cut without an answer, and the TLS port
asks for a client certificate without demanding one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from typing import Final
from urllib.parse import unquote

import h11
from litestar.types import (
    ASGIApp,
    HTTPDisconnectEvent,
    HTTPReceiveMessage,
    HTTPRequestEvent,
    Message,
    Scope,
)

from .transport import ABORT, TLS

_IDLE_S: Final = 75.0
_BODY_LIMIT: Final = 8 * 1024 * 1024
_GRACE_S: Final = 5.0
_FLUSH_S: Final = 5.0

_log = logging.getLogger(__name__)
_Events = h11.Request | h11.Data | h11.EndOfMessage | h11.ConnectionClosed


class _Closed(Exception):
    """The client went away, or sent something that is not HTTP."""


class Listener:
    """One listening port. `start` binds it (0: any free one), `stop` lets answers under way finish."""

    def __init__(self, app: ASGIApp, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], _Connection] = {}

    @property
    def port(self) -> int:
        """The port it is bound to."""
        if self._server is None:
            return self._port
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def start(self) -> None:
        """Bind and accept; raises OSError when the port is taken."""
        self._server = await asyncio.start_server(self._accept, self._host, self._port, ssl=self._tls)

    async def stop(self) -> None:
        """Accept no more, give answers under way five seconds, then close every connection."""
        if self._server is None:
            return
        self._server.close()
        busy = [task for task, connection in self._connections.items() if connection.busy]
        for connection in self._connections.values():
            connection.last = True
        if busy:
            await asyncio.wait(busy, timeout=_GRACE_S)
        left = list(self._connections)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A plain callback: a coroutine would be wrapped in a task that asyncio (3.11) cannot see cancelled.
        connection = _Connection(self._app, reader, writer, secure=self._tls is not None)
        task = asyncio.create_task(connection.run())
        self._connections[task] = connection
        task.add_done_callback(self._connections.pop)


class _Connection:
    """One client: requests one after another."""

    def __init__(
        self, app: ASGIApp, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, secure: bool
    ) -> None:
        self._app = app
        self._reader = reader
        self._writer = writer
        self._secure = secure
        self._http = h11.Connection(h11.SERVER)
        self.busy = False
        self.last = False

    def abort(self) -> None:
        """Close at once, without another byte."""
        self._writer.transport.abort()

    async def run(self) -> None:
        """Serve until the client leaves, is idle too long, or the connection is cut."""
        try:
            while await self._serve_one() and not self.last:
                self._http.start_next_cycle()
        except (_Closed, ConnectionError, TimeoutError, h11.LocalProtocolError):
            pass
        finally:
            await self._close()

    async def _close(self) -> None:
        """Send what is still buffered, then close; a client that does not take it is cut off."""
        self._writer.close()
        try:
            async with asyncio.timeout(_FLUSH_S):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            self.abort()

    async def _serve_one(self) -> bool:
        """Serve one request; tell whether the connection can take another."""
        request = await self._event(_IDLE_S)
        if not isinstance(request, h11.Request):
            raise _Closed
        self.busy = True
        body = await self._read_body()
        exchange = _Exchange(self._http, self._writer, body, head=request.method == b"HEAD")
        try:
            await self._app(self._scope(request), exchange.receive, exchange.send)
        except _Closed:
            raise
        except Exception:
            _log.exception("the application failed")
            raise _Closed from None
        finally:
            self.busy = False
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _read_body(self) -> bytes:
        body = b""
        while True:
            event = await self._event(_IDLE_S)
            if isinstance(event, h11.EndOfMessage):
                return body
            if not isinstance(event, h11.Data) or len(body) > _BODY_LIMIT:
                raise _Closed
            body += event.data

    async def _event(self, within_s: float) -> _Events:
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError:
                raise _Closed from None
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    await self._write(h11.InformationalResponse(status_code=100, headers=[]))
                async with asyncio.timeout(within_s):
                    self._http.receive_data(await self._reader.read(65536))
            elif isinstance(event, h11.Request | h11.Data | h11.EndOfMessage | h11.ConnectionClosed):
                return event
            else:
                raise _Closed

    async def _write(self, event: h11.InformationalResponse) -> None:
        self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()

    def _scope(self, request: h11.Request) -> Scope:
        path, _, query = request.target.partition(b"?")
        return {  # type: ignore[return-value]
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.http_version.decode(),
            "method": request.method.decode(),
            "scheme": "https" if self._secure else "http",
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(bytes(name), bytes(value)) for name, value in request.headers],
            "client": self._writer.get_extra_info("peername")[:2],
            "server": self._writer.get_extra_info("sockname")[:2],
            "state": {},
            "extensions": {ABORT: {"abort": self.abort}, **self._tls()},
        }

    def _tls(self) -> dict[str, dict[str, object]]:
        """Return the ASGI extension "tls" with the client's certificate, if there is one."""
        tls = self._writer.get_extra_info("ssl_object")
        der = None if tls is None else tls.getpeercert(binary_form=True)
        chain = [] if der is None else [ssl.DER_cert_to_PEM_cert(der)]
        return {} if tls is None else {TLS: {"client_cert_chain": chain}}


class _Exchange:
    """`receive` and `send` of one request."""

    def __init__(
        self, http: h11.Connection, writer: asyncio.StreamWriter, body: bytes, *, head: bool
    ) -> None:
        self._http = http
        self._writer = writer
        self._body: bytes | None = body
        self._head = head
        self._finished = asyncio.Event()

    async def receive(self) -> HTTPReceiveMessage:
        if self._body is not None:
            body, self._body = self._body, None
            return HTTPRequestEvent(type="http.request", body=body, more_body=False)
        await self._finished.wait()
        return HTTPDisconnectEvent(type="http.disconnect")

    async def send(self, message: Message) -> None:
        if self._writer.is_closing():
            raise _Closed
        data = b""
        if message["type"] == "http.response.start":
            data = (
                self._http.send(h11.Response(status_code=message["status"], headers=list(message["headers"])))
                or b""
            )
        elif message["type"] == "http.response.body":
            if message["body"] and not self._head:
                data = self._http.send(h11.Data(data=message["body"])) or b""
            if not message["more_body"]:
                data += self._http.send(h11.EndOfMessage()) or b""
                self._finished.set()
        self._writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
