"""The shops' own server of the demo: hears events, checks each signature, and notes what it heard."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h11
from standardwebhooks import Webhook, WebhookVerificationError

from spapp.demo.certificates import Pair

_READ = 64 * 1024


class ShopServer:
    """One https server for all shops on this machine.

    `secret_of` gives the secret of the endpoint at a path, None for a path that no shop has. What was heard
    is appended to `heard`, one JSON object a line: `path`, `id`, `type`, `subject`, `verified`.
    """

    def __init__(self, pair: Pair, secret_of: Callable[[str], str | None], heard: Path) -> None:
        self._context = _context(pair)
        self._secret_of = secret_of
        self._heard = heard
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Listen on a free port of this machine and return it."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            request, body = await _read(connection, reader)
            status = self._hear(request, body)
            answer = h11.Response(
                status_code=status, headers=[("content-length", "0"), ("connection", "close")]
            )
            for event in (answer, h11.EndOfMessage()):
                writer.write(connection.send(event) or b"")
            await writer.drain()
        except (h11.RemoteProtocolError, ConnectionError):
            return
        finally:
            writer.close()

    def _hear(self, request: h11.Request, body: bytes) -> int:
        path = request.target.decode()
        secret = self._secret_of(path)
        if secret is None:
            return 404
        headers = {name.decode(): value.decode() for name, value in request.headers}
        try:
            event: dict[str, Any] = Webhook(secret).verify(body, headers)
        except WebhookVerificationError:
            self._note({"path": path, "id": headers.get("webhook-id"), "verified": False})
            return 401
        said = {"path": path, "id": headers["webhook-id"], "type": event["type"], "verified": True}
        self._note(said | {"subject": event["data"].get("id")})
        return 204

    def _note(self, heard: dict[str, Any]) -> None:
        with self._heard.open("a", encoding="utf-8") as file:
            file.write(json.dumps(heard, ensure_ascii=False) + "\n")


async def _read(connection: h11.Connection, reader: asyncio.StreamReader) -> tuple[h11.Request, bytes]:
    """Return one request with its body. Raises h11.RemoteProtocolError for anything else."""
    request, body = None, bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            return request, bytes(body)
        else:
            raise h11.RemoteProtocolError("no request")


def _context(pair: Pair) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    # The ssl module reads a certificate from files only.
    with TemporaryDirectory() as folder:
        file = Path(folder, "server.pem")
        file.touch(mode=0o600)
        file.write_text(pair.certificate + pair.key, encoding="ascii")
        context.load_cert_chain(file)
    return context
