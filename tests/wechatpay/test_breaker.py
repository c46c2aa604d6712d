"""The circuit breaker: a dead gateway is left alone and found again by itself (G06, G07)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import MappingProxyType

import pytest

from wechatpay.breaker import Breaker, GuardedLine
from wechatpay.errors import NotSent, UnknownOutcome, WechatPayError
from wechatpay.transport import RawAnswer

PATH, BODY = "/pay/orderquery", b"<xml/>"


class Host:
    """Does with a call whatever a test asks; counts those that arrived."""

    def __init__(self, outcome: RawAnswer | WechatPayError) -> None:
        self.outcome = outcome
        self.calls = 0
        self.gate: asyncio.Event | None = None

    async def post_xml(
        self, path: str, body: bytes, *, deadline_s: float | None = None, repeatable: bool = True
    ) -> RawAnswer:
        assert (path, body, deadline_s, repeatable) == (PATH, BODY, None, True)
        self.calls += 1
        outcome = self.outcome
        if self.gate is not None:
            async with asyncio.timeout(5):
                await self.gate.wait()
        if isinstance(outcome, WechatPayError):
            raise type(outcome)(outcome.reason)  # type: ignore[attr-defined,call-arg]
        return outcome


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def answer(status: int) -> RawAnswer:
    return RawAnswer(status, MappingProxyType({}), b"<xml/>", 1, "http://127.0.0.1")


DOWN = NotSent("connect")
FAILURES = [
    NotSent("connect"),
    NotSent("connect_timeout"),
    NotSent("untrusted"),
    UnknownOutcome("timeout"),
    UnknownOutcome("cut"),
    answer(502),
]


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def breaker(time: Time) -> Breaker:
    return Breaker(failures=3, rest_s=5.0, monotonic=time)


async def fails(line: GuardedLine) -> str:
    """Make one call; return how it failed, "" when it did not."""
    try:
        answered = await line.post_xml(PATH, BODY)
    except WechatPayError as error:
        return str(error.reason)  # type: ignore[attr-defined]
    return "" if answered.status < 500 else f"http_{answered.status}"


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
async def test_G07_after_some_failures_in_a_row_nothing_is_sent(
    breaker: Breaker, failure: RawAnswer | WechatPayError
) -> None:
    host = Host(failure)
    line = GuardedLine(host, breaker)
    for _ in range(3):
        assert not breaker.is_open
        assert await fails(line) not in {"", "circuit_open"}
    assert breaker.is_open
    assert [await fails(line) for _ in range(100)] == ["circuit_open"] * 100
    assert host.calls == 3


async def test_a_success_in_between_starts_the_count_anew(breaker: Breaker) -> None:
    host = Host(DOWN)
    line = GuardedLine(host, breaker)
    for outcome in (DOWN, DOWN, answer(200), DOWN, DOWN):
        host.outcome = outcome
        await fails(line)
    assert not breaker.is_open


@pytest.mark.parametrize(
    "outcome",
    [answer(200), answer(400), NotSent("busy"), NotSent("no_authority"), UnknownOutcome("oversized")],
    ids=repr,
)
async def test_what_says_nothing_bad_of_the_host_never_opens_it(
    breaker: Breaker, outcome: RawAnswer | WechatPayError
) -> None:
    line = GuardedLine(Host(outcome), breaker)
    for _ in range(10):
        await fails(line)
    assert not breaker.is_open


async def test_G07_thirty_minutes_down_cost_one_call_a_rest_and_end_without_help(
    breaker: Breaker, time: Time
) -> None:
    host = Host(DOWN)
    line = GuardedLine(host, breaker)
    for _ in range(30 * 60):
        time.now += 1.0
        for _ in range(10):
            await fails(line)
    assert host.calls <= 3 + 30 * 60 / 5
    host.outcome = answer(200)
    time.now += 5.0
    assert [await fails(line) for _ in range(100)] == [""] * 100
    assert not breaker.is_open


async def test_only_one_call_at_a_time_finds_out_whether_the_host_is_back(
    breaker: Breaker, time: Time
) -> None:
    host = Host(DOWN)
    line = GuardedLine(host, breaker)
    for _ in range(3):
        await fails(line)
    time.now += 5.0
    host.outcome, host.gate, host.calls = answer(200), asyncio.Event(), 0
    probe = asyncio.create_task(fails(line))
    await asyncio.sleep(0)
    assert [await fails(line) for _ in range(5)] == ["circuit_open"] * 5
    host.gate.set()
    assert await probe == ""
    assert host.calls == 1
    assert await fails(line) == ""


async def test_a_probe_that_fails_makes_it_rest_again(breaker: Breaker, time: Time) -> None:
    host = Host(DOWN)
    line = GuardedLine(host, breaker)
    for _ in range(3):
        await fails(line)
    time.now += 5.0
    assert await fails(line) == "connect"
    time.now += 4.9
    assert await fails(line) == "circuit_open"
    time.now += 0.1
    host.outcome = answer(200)
    assert await fails(line) == ""


@pytest.mark.parametrize("ends", ["cancelled", "busy"])
async def test_a_probe_that_finds_nothing_out_makes_room_for_the_next(
    breaker: Breaker, time: Time, ends: str
) -> None:
    host = Host(DOWN)
    line = GuardedLine(host, breaker)
    for _ in range(3):
        await fails(line)
    time.now += 5.0
    if ends == "busy":
        host.outcome = NotSent("busy")
        assert await fails(line) == "busy"
    else:
        host.gate = asyncio.Event()
        probe = asyncio.create_task(fails(line))
        await asyncio.sleep(0)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        host.gate = None
    assert breaker.is_open
    host.outcome = answer(200)
    assert await fails(line) == ""
    assert not breaker.is_open


async def test_calls_from_before_the_opening_do_not_prolong_it(breaker: Breaker, time: Time) -> None:
    host = Host(DOWN)
    line = GuardedLine(host, breaker)
    host.gate = late = asyncio.Event()
    slow = [asyncio.create_task(fails(line)) for _ in range(3)]
    await asyncio.sleep(0)
    host.gate = None
    for _ in range(3):
        await fails(line)
    assert breaker.is_open
    time.now += 4.0
    late.set()
    assert await asyncio.gather(*slow) == ["connect"] * 3
    time.now += 1.0
    host.outcome = answer(200)
    assert await fails(line) == ""


def test_a_default_breaker_forgives_a_hiccup() -> None:
    breaker = Breaker()
    leave: Callable[[], None] = lambda: breaker.leave(healthy=False, probe=breaker.enter())  # noqa: E731
    for _ in range(9):
        leave()
    assert not breaker.is_open
    leave()
    assert breaker.is_open
