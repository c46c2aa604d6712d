"""The way to WeChat's hosts: bounded in time, in bytes and in connections.

Works on httpx's transport layer, below its client: that layer follows no redirect, reads no
proxy variable, keeps no cookie and writes no log line with our query string in it.
Source: failure catalogue G01, G02, G06, G08, G10-G12; architecture decision 5.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

import httpx

from wechatpay import reading
from wechatpay.errors import NotSent, WechatPayError
from wechatpay.reading import Limits
from wechatpay.v3 import document

MAX_ANSWER_BYTES = 1024 * 1024
CALLERS_FAULTS = frozenset({"OPENID_MISMATCH", "INVALID_TRANSACTIONID"})
"""Codes that API v3 answers with status 500 although what was asked is at fault (wechatpay-v3 1.9)."""

_FILE_FOLLOWS = 200
_MAX_REFUSAL_BYTES = 16 * 1024
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_KEEPALIVE_S = 30.0
_HEADERS = MappingProxyType(
    {
        "User-Agent": "wxsp-wechatpay",
        # A compressed answer could unpack to any size; WeChat never needs to compress these.
        "Accept-Encoding": "identity",
    }
)


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What a host answered, whatever its status. Header names are lower case.

    `elapsed_ms` is wall time since the call began, over all hosts tried; `host` is the one that answered.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    elapsed_ms: int
    host: str

    @property
    def told_code(self) -> str | None:
        """The code of a refusal by API v3, None for any other answer: whoever writes one is up."""
        if self.status < 400 or len(self.body) > _MAX_REFUSAL_BYTES:
            return None
        try:
            code = document.parse(self.body).get("code")
        except document.MalformedJson:
            return None
        return code if isinstance(code, str) and _CODE.fullmatch(code) else None

    @property
    def blames_caller(self) -> bool:
        """Whether this is a refusal of what was asked, for all its status 500 (wechatpay-v3 1.9)."""
        return self.told_code in CALLERS_FAULTS


@dataclass(frozen=True, slots=True)
class Streamed:
    """A file on its way. `head` has no body while status 200 promises one: that comes as `pieces`, bytes as
    sent, and reading them raises UnknownOutcome. Any other answer is whole in `head`."""

    head: RawAnswer
    pieces: AsyncIterator[bytes]


class Line(Protocol):
    """What carries a signed question to a gateway: a Transport, or something around one."""

    async def post_xml(
        self, path: str, body: bytes, *, deadline_s: float | None = None, repeatable: bool = True
    ) -> RawAnswer:
        """Post one XML document. See Transport.post_xml."""
        ...


class JsonLine(Protocol):
    """What carries a signed question of API v3 to a gateway: a Transport, or something around one."""

    async def send_json(
        self,
        method: str,
        target: str,
        body: bytes,
        *,
        auth: httpx.Auth,
        headers: Mapping[str, str] = MappingProxyType({}),
        deadline_s: float | None = None,
        repeatable: bool = True,
    ) -> RawAnswer:
        """Send one request. See Transport.send_json."""
        ...


class StreamLine(Protocol):
    """What carries a signed question whose answer is a file: a Transport, or something around one."""

    def stream(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        headers: Mapping[str, str],
        auth: httpx.Auth | None = None,
        limits: Limits = Limits(),  # noqa: B008 (immutable)
    ) -> AbstractAsyncContextManager[Streamed]:
        """Send one request and read its answer as it comes. See Transport.stream."""
        ...


@dataclass(slots=True)
class _Lane:
    """One small pool. httpx pools search their lists linearly and collapse when they are large."""

    http: httpx.AsyncHTTPTransport
    in_flight: int = 0


@dataclass(frozen=True, slots=True)
class _Asked:
    """Where one request goes, and who signs it."""

    method: str
    host: str
    path: str
    auth: httpx.Auth | None

    def request(self, parts: dict[str, Any]) -> httpx.Request:
        """Return the request as it is sent, signed last of all."""
        request = httpx.Request(self.method, self.host + self.path, **parts)
        # One step only: no signature depends on an answer.
        return request if self.auth is None else next(self.auth.sync_auth_flow(request))


@dataclass(slots=True)
class _Attempt:
    """What is known about one request while it is under way."""

    transport: Transport
    sent: bool = False

    async def trace(self, event: str, _info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            self.transport.connections_opened += 1
        elif event == "http11.send_request_headers.started":
            self.sent = True


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file whose first byte may be taken."""

    head: RawAnswer
    response: httpx.Response
    lane: _Lane


_Outcome: TypeAlias = RawAnswer | _Opened | WechatPayError


class Transport:
    """Connections to one gateway (and its backup host) for one provider.

    Times are seconds. `deadline_s` covers a whole call with fail-over, connecting and the last
    byte of the answer; the two others are per operation. `pool_size` connections make a pool;
    pools are added under load up to `pools`. After a connect failure or a 5xx the backup host is
    used for `cool_down_s`, then the main host is tried again.

    `verify` takes an SSLContext with own trust anchors. There is no way to switch checking off:
    False and lax contexts raise ValueError (G11). `connections_opened` counts TCP connections
    since start, and stands still in steady state.
    """

    def __init__(
        self,
        base_url: str,
        backup_url: str | None = None,
        *,
        verify: ssl.SSLContext | bool = True,
        pool_size: int = 8,
        pools: int = 16,
        connect_timeout: float = 5.0,
        read_timeout: float = 10.0,
        deadline_s: float = 15.0,
        cool_down_s: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hosts = tuple(_base(url) for url in (base_url, backup_url) if url is not None)
        self._ssl = _checked_context(verify)
        self._pool_size = pool_size
        self._max_lanes = pools
        self._timeouts = {
            "connect": connect_timeout,
            "read": read_timeout,
            "write": read_timeout,
            "pool": connect_timeout,
        }
        self._deadline_s = deadline_s
        self._cool_down_s = cool_down_s
        self._monotonic = monotonic
        self._main_rests_until = float("-inf")
        self._lanes: list[_Lane] = []
        self.connections_opened = 0

    @property
    def hosts(self) -> tuple[str, ...]:
        """The gateway's own addresses, the main one first."""
        return self._hosts

    @property
    def idle(self) -> bool:
        """Whether no call is under way."""
        return not any(lane.in_flight for lane in self._lanes)

    async def post_xml(
        self, path: str, body: bytes, *, deadline_s: float | None = None, repeatable: bool = True
    ) -> RawAnswer:
        """Post one XML document; the same bytes go to the backup host when the main one fails.

        `deadline_s` replaces the transport's own for a call that WeChat answers late, and then
        bounds the reading as well. A call that may not be repeated byte for byte
        (`repeatable=False`, wechatpay-v2 1.10) goes to the backup host only when nothing of it left.
        Raises NotSent("untrusted") for a host whose certificate does not check, NotSent with another
        reason when nothing left, UnknownOutcome("timeout" | "cut" | "oversized" | "encoded") otherwise.
        """
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        parts = {"headers": headers, "content": body}
        return await self._call("POST", path, parts, deadline_s, repeatable=repeatable)

    async def send_json(
        self,
        method: str,
        target: str,
        body: bytes,
        *,
        auth: httpx.Auth,
        headers: Mapping[str, str] = MappingProxyType({}),
        deadline_s: float | None = None,
        repeatable: bool = True,
    ) -> RawAnswer:
        """Send one request of API v3; `target` is the path with its query, `body` JSON or nothing.

        `auth` signs anew for every host that is tried, so that no nonce is used twice and a late one is
        signed with its own time. The rest is as for post_xml, but for an answer 500 whose code blames the
        caller: that one is final, however unlucky its status (wechatpay-v3 1.9).
        """
        accepted = {"Accept": "application/json", **headers}
        if body:
            accepted["Content-Type"] = "application/json"
        parts = {"headers": accepted, "content": body}
        return await self._call(method, target, parts, deadline_s, repeatable=repeatable, auth=auth)

    async def get_json(self, path: str, params: Mapping[str, str]) -> RawAnswer:
        """Get what should be a JSON document; reading it is the caller's. Raises as post_xml."""
        return await self._get(path, {"Accept": "application/json"}, params)

    async def get_text(self, path: str) -> RawAnswer:
        """Get a text document. Raises as post_xml."""
        return await self._get(path, {"Accept": "text/plain, */*"}, {})

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        headers: Mapping[str, str],
        auth: httpx.Auth | None = None,
        limits: Limits = Limits(),  # noqa: B008 (immutable)
    ) -> AsyncIterator[Streamed]:
        """Send one request whose answer is a file of any size, and hand that out as it comes.

        The request must be one that may be repeated: it goes to the backup host like the others, but only
        before the first byte of a file is there. No answer in a packing of its own (`Content-Encoding`), and
        no redirect, is followed. Raises as post_xml; so does reading the pieces.
        """
        started = self._monotonic()
        timeouts = {**self._timeouts, "read": limits.idle_s}
        parts = {"headers": headers, "content": body, "extensions": {"timeout": timeouts}}

        async def open_at(host: str) -> _Outcome:
            remaining = limits.deadline_s - (self._monotonic() - started)
            return await self._try(_Asked(method, host, target, auth), parts, started, remaining, whole=False)

        outcome = await self._over_hosts(open_at, repeatable=True)
        if not isinstance(outcome, _Opened):
            yield Streamed(_result(outcome), _no_pieces())
            return
        ends_at = started + limits.deadline_s
        pieces = reading.pieces(outcome.response, limits, ends_at, self._monotonic)
        try:
            yield Streamed(outcome.head, pieces)
        finally:
            outcome.lane.in_flight -= 1
            await pieces.aclose()
            await outcome.response.aclose()

    async def aclose(self) -> None:
        """Close all connections. Calls under way are cut."""
        lanes, self._lanes = self._lanes, []
        for lane in lanes:
            await lane.http.aclose()

    async def _get(self, path: str, headers: Mapping[str, str], params: Mapping[str, str]) -> RawAnswer:
        parts = {"headers": headers, "params": dict(params)}
        return await self._call("GET", path, parts, None, repeatable=True)

    async def _call(
        self,
        method: str,
        path: str,
        parts: dict[str, Any],
        deadline_s: float | None,
        *,
        repeatable: bool,
        auth: httpx.Auth | None = None,
    ) -> RawAnswer:
        """Try the hosts in turn within one deadline."""
        started = self._monotonic()
        timeouts = self._timeouts if deadline_s is None else {**self._timeouts, "read": deadline_s}
        within_s = self._deadline_s if deadline_s is None else deadline_s
        parts = {**parts, "extensions": {"timeout": timeouts}}

        async def ask_at(host: str) -> _Outcome:
            remaining = within_s - (self._monotonic() - started)
            return await self._try(_Asked(method, host, path, auth), parts, started, remaining, whole=True)

        return _result(await self._over_hosts(ask_at, repeatable=repeatable))

    async def _over_hosts(
        self, attempt: Callable[[str], Awaitable[_Outcome]], *, repeatable: bool
    ) -> _Outcome:
        """The outcome reported is the most alarming one: once a host may have acted on the request, a later
        host that could not be reached does not make it "not sent"."""
        worst: _Outcome | None = None
        for host in self._hosts_in_turn():
            outcome = await attempt(host)
            if not _calls_for_another_host(outcome, repeatable=repeatable):
                return outcome
            if host == self._hosts[0]:
                self._main_rests_until = self._monotonic() + self._cool_down_s
            if worst is None or isinstance(worst, NotSent):
                worst = outcome
        return worst or NotSent("no host")

    def _hosts_in_turn(self) -> tuple[str, ...]:
        if self._monotonic() < self._main_rests_until:
            return self._hosts[::-1]
        return self._hosts

    async def _try(
        self, asked: _Asked, parts: dict[str, Any], started: float, remaining: float, *, whole: bool
    ) -> _Outcome:
        """One request to one host; unless `whole`, a file is left to be read. Errors are returned, not raised
        inside an `except` block: httpx's hold the request, and must not ride along as context."""
        attempt = _Attempt(self)
        parts = {
            **parts,
            "headers": {**_HEADERS, **parts["headers"]},
            "extensions": {**parts["extensions"], "trace": attempt.trace},
        }
        request = asked.request(parts)
        lane = self._least_busy_lane()
        lane.in_flight += 1
        body, left_open = b"", False
        try:
            async with asyncio.timeout(remaining), AsyncExitStack() as closing:
                response = await lane.http.handle_async_request(request)
                closing.push_async_callback(response.aclose)
                if whole or response.status_code != _FILE_FOLLOWS:
                    body = await reading.bounded_body(response, MAX_ANSWER_BYTES)
                else:
                    reading.check_encoding(response)
                    closing.pop_all()
                    left_open = True
        except reading.FAILURES as error:
            return reading.meaning(error, sent=attempt.sent)
        finally:
            lane.in_flight -= not left_open
        elapsed_ms = round((self._monotonic() - started) * 1000)
        headers = MappingProxyType({name.lower(): value for name, value in response.headers.items()})
        answer = RawAnswer(response.status_code, headers, body, elapsed_ms, asked.host)
        return _Opened(answer, response, lane) if left_open else answer

    def _least_busy_lane(self) -> _Lane:
        """The emptiest pool; the earliest among equals, so that few calls share few connections."""
        lane = min(self._lanes, key=lambda lane: lane.in_flight, default=None)
        if lane is None or (lane.in_flight >= self._pool_size and len(self._lanes) < self._max_lanes):
            limits = httpx.Limits(
                max_connections=self._pool_size,
                max_keepalive_connections=self._pool_size,
                keepalive_expiry=_KEEPALIVE_S,
            )
            lane = _Lane(httpx.AsyncHTTPTransport(verify=self._ssl, trust_env=False, limits=limits))
            self._lanes.append(lane)
        return lane


def _base(url: str) -> str:
    parsed = httpx.URL(url)
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.query or parsed.userinfo:
        raise ValueError("a gateway address is http(s)://host[:port][/path] and nothing more")
    return str(parsed).rstrip("/")


def _checked_context(verify: ssl.SSLContext | bool) -> ssl.SSLContext:
    if verify is False:
        raise ValueError("TLS verification cannot be switched off")
    if isinstance(verify, ssl.SSLContext):
        if verify.verify_mode is not ssl.CERT_REQUIRED or not verify.check_hostname:
            raise ValueError("the SSL context must check the certificate and the host name")
        return verify
    return _public_context()


@cache
def _public_context() -> ssl.SSLContext:
    """The public trust anchors, loaded once: they take a megabyte and hold nothing of a provider."""
    context = httpx.create_ssl_context(trust_env=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _calls_for_another_host(outcome: _Outcome, *, repeatable: bool) -> bool:
    if isinstance(outcome, RawAnswer):
        return repeatable and outcome.status >= 500 and not outcome.blames_caller
    return isinstance(outcome, NotSent)


def _result(outcome: _Outcome) -> RawAnswer:
    if isinstance(outcome, WechatPayError):
        raise outcome
    return outcome.head if isinstance(outcome, _Opened) else outcome


async def _no_pieces() -> AsyncIterator[bytes]:
    """The file of an answer that has none."""
    none: tuple[bytes, ...] = ()
    for piece in none:
        yield piece
