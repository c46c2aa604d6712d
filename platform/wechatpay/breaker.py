"""A circuit breaker around one line to a gateway: a host that is down is left alone for a while.

While it is open nothing is sent and every call fails at once, so that a dead gateway costs no
waiting and no retry storm; one call at a time finds out whether the host is back. Nobody has to
reset anything. Source: failure catalogue G06, G07.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import MappingProxyType
from typing import TypeVar

import httpx

from wechatpay.errors import NotSent, UnknownOutcome, WechatPayError
from wechatpay.reading import Limits
from wechatpay.transport import JsonLine, Line, RawAnswer, Streamed, StreamLine

T = TypeVar("T")

FAILURES_TO_OPEN = 10
REST_S = 5.0

_UNREACHED = frozenset({"connect", "connect_timeout", "untrusted"})
_LOST = frozenset({"timeout", "cut"})


class Breaker:
    """Opens after `failures` failures in a row, lets one probe through after `rest_s` seconds.

    Only what tells about the host's health counts: a refusal is health, our own shortage of
    connections is neither. `monotonic` is in seconds.
    """

    def __init__(
        self,
        *,
        failures: int = FAILURES_TO_OPEN,
        rest_s: float = REST_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = failures
        self._rest_s = rest_s
        self._monotonic = monotonic
        self._failures = 0
        self._open_until: float | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether calls fail without being sent, but for a probe."""
        return self._open_until is not None

    def enter(self) -> bool:
        """Begin a call; true when it is the probe. Raises NotSent("circuit_open")."""
        if self._open_until is None:
            return False
        if self._probing or self._monotonic() < self._open_until:
            raise NotSent("circuit_open")
        self._probing = True
        return True

    def leave(self, *, healthy: bool | None, probe: bool) -> None:
        """End a call that `enter` began. `healthy` is None for one that tells nothing of the host."""
        if probe:
            self._probing = False
        if healthy:
            self._failures = 0
            self._open_until = None
        # A call from before the opening must not prolong it.
        elif healthy is False and (probe or not self.is_open):
            self._failures += 1
            if self._failures >= self._limit:
                self._open_until = self._monotonic() + self._rest_s


class GuardedLine:
    """A line of API v2 behind a breaker."""

    def __init__(self, line: Line, breaker: Breaker) -> None:
        self._line = line
        self._breaker = breaker

    async def post_xml(
        self, path: str, body: bytes, *, deadline_s: float | None = None, repeatable: bool = True
    ) -> RawAnswer:
        """See Line.post_xml. Also raises NotSent("circuit_open"), at once."""
        return await _guarded(
            self._breaker,
            lambda: self._line.post_xml(path, body, deadline_s=deadline_s, repeatable=repeatable),
            _itself,
        )


class GuardedJsonLine:
    """A line of API v3 behind a breaker."""

    def __init__(self, line: JsonLine, breaker: Breaker) -> None:
        self._line = line
        self._breaker = breaker

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
        """See JsonLine.send_json. Also raises NotSent("circuit_open"), at once."""
        return await _guarded(
            self._breaker,
            lambda: self._line.send_json(
                method,
                target,
                body,
                auth=auth,
                headers=headers,
                deadline_s=deadline_s,
                repeatable=repeatable,
            ),
            _itself,
        )


class GuardedStreamLine:
    """A line of files behind a breaker, which learns from how an answer begins: while a long file is on its
    way, other calls must not wait for its end to hear that the host is well."""

    def __init__(self, line: StreamLine, breaker: Breaker) -> None:
        self._line = line
        self._breaker = breaker

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
        """See StreamLine.stream. Also raises NotSent("circuit_open"), at once."""
        sent = self._line.stream(method, target, body, headers=headers, auth=auth, limits=limits)
        async with AsyncExitStack() as opened:
            yield await _guarded(
                self._breaker, lambda: opened.enter_async_context(sent), lambda begun: begun.head
            )


async def _guarded(breaker: Breaker, call: Callable[[], Awaitable[T]], head: Callable[[T], RawAnswer]) -> T:
    probe = breaker.enter()
    healthy: bool | None = None
    try:
        answer = await call()
        told = head(answer)
        # API v3 refuses with statuses that elsewhere mean a host in trouble.
        healthy = told.status < 500 or told.told_code is not None
    except WechatPayError as error:
        healthy = False if _is_failure(error) else None
        raise
    finally:
        breaker.leave(healthy=healthy, probe=probe)
    return answer


def _itself(answer: RawAnswer) -> RawAnswer:
    return answer


def _is_failure(error: WechatPayError) -> bool:
    if isinstance(error, NotSent):
        return error.reason in _UNREACHED
    return isinstance(error, UnknownOutcome) and error.reason in _LOST
