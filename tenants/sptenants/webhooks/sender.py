"""One request to one receiver: bounded in time and bytes, without redirects, proxies or cookies (W01-W05)."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

import httpcore

from spcore import egress
from spcore.egress import RefusedUrl, Target
from sptenants.webhooks.connecting import (
    AnswerTooLong,
    Connector,
    GuardedLine,
    NotPublic,
    Unresolvable,
)

DEADLINE_S = 15.0
"""For the whole request, from looking up the name to the status line (failure catalogue 2.5)."""
EXCERPT_S = 2.0
"""How much longer a receiver is listened to once its status is known: only the excerpt is missing then."""
EXCERPT_BYTES = 1024

_HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "wxsp-webhooks/1",
    # A compressed answer could unpack to any size; nothing here ever unpacks one.
    "Accept-Encoding": "identity",
    "Connection": "close",
}


class Outcome(StrEnum):
    """What came of an attempt, for merchants and their support."""

    DELIVERED = "delivered"
    HTTP_ERROR = "http_error"
    """A status other than 2xx, redirects included."""
    TIMEOUT = "timeout"
    UNRESOLVED = "unresolved"
    NOT_PUBLIC = "not_public"
    CONNECT = "connect"
    TLS = "tls"
    CUT = "cut"
    """The connection ended before a status line came."""
    BAD_ANSWER = "bad_answer"
    """What came was no HTTP answer."""
    ENDPOINT_DISABLED = "endpoint_disabled"
    """Nothing was sent: the endpoint is out of use."""
    NOT_SIGNED = "not_signed"
    """Nothing was sent: its secret could not be opened here, which is no fault of the receiver."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a receiver took a request. `excerpt` is its own text, at most 1 KiB; times are milliseconds."""

    outcome: Outcome
    elapsed_ms: int
    http_status: int | None = None
    retry_after: str | None = None
    excerpt: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class _Heard:
    """What is known of the answer while it comes in."""

    status: int | None = None
    retry_after: str | None = None
    excerpt: str | None = None


class Sender:
    """Posts documents to receivers. A connection for each one: the address is checked at every sending.

    `own_host` is the public name of this installation, which is never called. `tls` must check certificates
    and names; ValueError otherwise. Tests inject their own `connector`; no setting reaches it.
    """

    def __init__(
        self,
        tls: ssl.SSLContext,
        connector: Connector,
        *,
        own_host: str | None = None,
        deadline_s: float = DEADLINE_S,
        excerpt_s: float = EXCERPT_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if tls.verify_mode is not ssl.CERT_REQUIRED or not tls.check_hostname:
            raise ValueError("the SSL context must check the certificate and the host name")
        self._tls = tls
        self._connector = connector
        self._own_host = own_host
        self._deadline_s = deadline_s
        self._excerpt_s = excerpt_s
        self._monotonic = monotonic

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post `body` and say what came of it; a failure is an answer too, nothing is raised for it.

        The status line decides: once a 2xx has come in time, whatever else goes wrong does not matter (W14).
        """
        started = self._monotonic()
        line, heard = GuardedLine(self._connector), _Heard()
        try:
            target = egress.target_of(url, own_host=self._own_host)
            async with asyncio.timeout(self._deadline_s):
                await self._exchange(line, target, {**headers, **_HEADERS}, body, heard)
            failure = Outcome.BAD_ANSWER
        except (RefusedUrl, NotPublic):
            failure = Outcome.NOT_PUBLIC
        except Unresolvable:
            failure = Outcome.UNRESOLVED
        except (TimeoutError, httpcore.TimeoutException):
            failure = Outcome.TIMEOUT
        except httpcore.ConnectError as error:
            failure = Outcome.TLS if isinstance(error.__cause__, ssl.SSLError) else Outcome.CONNECT
        except AnswerTooLong:
            failure = Outcome.BAD_ANSWER
        except httpcore.ProtocolError:
            failure = Outcome.BAD_ANSWER if line.has_spoken else Outcome.CUT
        except (httpcore.NetworkError, OSError):
            failure = Outcome.CUT
        status = heard.status or line.status
        if status is not None and status >= 200:
            failure = Outcome.DELIVERED if status < 300 else Outcome.HTTP_ERROR
        elapsed_ms = round((self._monotonic() - started) * 1000)
        return Answer(failure, elapsed_ms, status, heard.retry_after, heard.excerpt)

    async def _exchange(
        self, line: GuardedLine, target: Target, headers: Mapping[str, str], body: bytes, heard: _Heard
    ) -> None:
        origin = httpcore.Origin(b"https", target.host.encode(), target.port)
        url = httpcore.URL(
            scheme=origin.scheme, host=origin.host, port=origin.port, target=target.path.encode()
        )
        lines = {"Host": target.host_header, "Content-Length": str(len(body)), **headers}
        request = httpcore.Request("POST", url, headers=list(lines.items()), content=body)
        async with httpcore.AsyncHTTPConnection(
            origin, ssl_context=self._tls, network_backend=line
        ) as connection:
            response = await connection.handle_async_request(request)
            heard.status = response.status
            fields = {name.lower(): value for name, value in response.headers}
            heard.retry_after = fields.get(b"retry-after", b"").decode("latin-1") or None
            if fields.get(b"content-encoding", b"identity").lower() == b"identity":
                await self._listen(response, heard)

    async def _listen(self, response: httpcore.Response, heard: _Heard) -> None:
        received = bytearray()
        with suppress(TimeoutError, AnswerTooLong, httpcore.NetworkError, httpcore.ProtocolError):
            async with asyncio.timeout(self._excerpt_s), aclosing(_chunks(response)) as chunks:
                async for chunk in chunks:
                    received += chunk
                    if len(received) >= EXCERPT_BYTES:
                        break
        heard.excerpt = _as_text(bytes(received[:EXCERPT_BYTES])) or None


def _chunks(response: httpcore.Response) -> AsyncGenerator[bytes, None]:
    return cast("AsyncGenerator[bytes, None]", response.aiter_stream())


def _as_text(received: bytes) -> str:
    """Return a stranger's bytes as text that any database takes, within EXCERPT_BYTES of UTF-8."""
    text = received.decode("utf-8", "replace").replace("\0", "\ufffd")
    return text.encode()[:EXCERPT_BYTES].decode("utf-8", "ignore")
