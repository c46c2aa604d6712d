"""Reading what a host sends back, bounded in bytes and in time, and what it means when that fails.

Source: failure catalogue G01, G02, G06, G08.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass

import httpx

from wechatpay.errors import NotSent, UnknownOutcome, WechatPayError

FAILURES = (UnknownOutcome, TimeoutError, httpx.TransportError, OSError)
"""What sending and reading may raise."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is taken, and how long that may last: `idle_s` seconds without a byte, `deadline_s`
    seconds in all, from the request to the last byte."""

    max_bytes: int = 4 * 1024**3
    idle_s: float = 60.0
    deadline_s: float = 30 * 60.0


def meaning(error: BaseException, *, sent: bool) -> WechatPayError:
    """One of FAILURES as what it says of the call; a new exception, since httpx's hold the request with its
    query and body."""
    if isinstance(error, UnknownOutcome):
        return UnknownOutcome(error.reason)
    if isinstance(error, httpx.PoolTimeout):
        return NotSent("busy")
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return UnknownOutcome("timeout") if sent else NotSent("connect_timeout")
    if sent:
        return UnknownOutcome("cut")
    return NotSent("untrusted" if _is_distrust(error) else "connect")


def _is_distrust(error: BaseException) -> bool:
    """Whether a certificate that did not check is what lies at the bottom of this."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def check_encoding(response: httpx.Response) -> None:
    """Raises UnknownOutcome for a body that would have to be unpacked before anybody has looked at it."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnknownOutcome("encoded")


async def bounded_body(response: httpx.Response, max_bytes: int) -> bytes:
    """The body as sent, at most `max_bytes` of it. Raises UnknownOutcome beyond that."""
    check_encoding(response)
    received = bytearray()
    async for chunk in response.aiter_raw():
        received += chunk
        if len(received) > max_bytes:
            raise UnknownOutcome("oversized")
    return bytes(received)


async def pieces(
    response: httpx.Response, limits: Limits, ends_at: float, monotonic: Callable[[], float]
) -> AsyncGenerator[bytes, None]:
    """The body as sent, as it comes; `ends_at` is when all of it must be there.

    What the reader does with a piece takes of that time, but is not interrupted. Raises
    UnknownOutcome("timeout" | "cut" | "oversized").
    """
    announced = response.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limits.max_bytes:
        raise UnknownOutcome("oversized")
    received = 0
    raw = response.aiter_raw()
    while (piece := await _next(raw, min(limits.idle_s, ends_at - monotonic()))) is not None:
        received += len(piece)
        if received > limits.max_bytes:
            raise UnknownOutcome("oversized")
        yield piece


async def _next(raw: AsyncIterator[bytes], within_s: float) -> bytes | None:
    """The next piece, None at the end."""
    try:
        async with asyncio.timeout(within_s):
            return await anext(raw, None)
    except FAILURES as error:
        failure = meaning(error, sent=True)
    # Outside of the block, so that httpx's exception does not ride along as context.
    raise failure
