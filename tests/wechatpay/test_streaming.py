"""Files on their way: bounded in time and bytes, from one host, whole or not at all (G02, G06, G08, G10)."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.support.loopback import Received, always, http, loopback
from tests.support.v3_counterpart import MCH, NOW, own_key, read_request

from wechatpay.breaker import FAILURES_TO_OPEN, Breaker, GuardedStreamLine
from wechatpay.errors import NotSent, UnknownOutcome
from wechatpay.identifiers import MchId
from wechatpay.reading import Limits
from wechatpay.transport import StreamLine, Transport
from wechatpay.v3.auth import MerchantAuth

FILE = bytes(range(256)) * 2000
GOOD = http(FILE, headers=("Request-ID: 42",))
TARGET = "/v3/billdownload/file?token=a%2Bb"


@asynccontextmanager
async def transport_to(url: str, backup: str | None = None, **settings: object) -> AsyncIterator[Transport]:
    transport = Transport(url, backup, **settings)  # type: ignore[arg-type]
    try:
        yield transport
    finally:
        await transport.aclose()


async def stops_early(line: StreamLine) -> None:
    """Take one piece and fail with it."""
    async with line.stream("GET", TARGET, headers={}) as streamed:
        await anext(streamed.pieces)
        raise LookupError


async def download(line: StreamLine, limits: Limits | None = None) -> tuple[int, bytes]:
    """Fetch one file; return the status and what came."""
    async with line.stream("GET", TARGET, headers={"Accept": "*/*"}, limits=limits or Limits()) as streamed:
        received = b"".join([piece async for piece in streamed.pieces])
        return streamed.head.status, received or streamed.head.body


async def fails(line: StreamLine, limits: Limits | None = None) -> str:
    """Fetch one file that does not come; return the reason."""
    with pytest.raises((NotSent, UnknownOutcome)) as failure:
        await download(line, limits)
    assert failure.value.__cause__ is None
    assert failure.value.__context__ is None
    return str(failure.value.reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_file_comes_in_pieces_as_it_was_sent_and_frees_its_connection() -> None:
    async with loopback(always(GOOD)) as host, transport_to(host.url) as transport:
        async with transport.stream("GET", TARGET, headers={"Accept": "*/*"}) as streamed:
            assert not transport.idle
            assert (streamed.head.status, streamed.head.body) == (200, b"")
            assert streamed.head.headers["request-id"] == "42"
            pieces = [piece async for piece in streamed.pieces]
        assert b"".join(pieces) == FILE
        assert max(len(piece) for piece in pieces) <= 64 * 1024
        assert transport.idle
        assert (await download(transport)) == (200, FILE)
        assert transport.connections_opened == 1
    assert host.received[0].target == TARGET
    assert host.received[0].headers["accept-encoding"] == "identity"


async def test_who_stops_early_leaves_no_connection_behind() -> None:
    async with (
        loopback(always(GOOD)) as host,
        transport_to(host.url, pool_size=1, pools=1, connect_timeout=1.0) as transport,
    ):
        for _ in range(3):
            with pytest.raises(LookupError):
                await stops_early(transport)
            assert transport.idle
        assert (await download(transport))[0] == 200


async def test_G06_a_drip_ends_at_the_deadline_of_the_whole_file() -> None:
    async def drip(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with loopback(drip) as host, transport_to(host.url) as transport:
        started = time.monotonic()
        assert await fails(transport, Limits(idle_s=5.0, deadline_s=0.4)) == "timeout"
        assert 0.4 <= time.monotonic() - started < 3
        assert transport.idle


async def test_G06_a_silence_within_a_file_ends_it() -> None:
    async def pause(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD[:-1])
        await asyncio.Event().wait()

    async with loopback(pause) as host, transport_to(host.url) as transport:
        assert await fails(transport, Limits(idle_s=0.2)) == "timeout"


async def test_G06_what_the_reader_does_meanwhile_counts_but_is_not_interrupted() -> None:
    done = False

    async def slowly(line: StreamLine) -> None:
        nonlocal done
        async with line.stream("GET", TARGET, headers={}, limits=Limits(deadline_s=0.3)) as streamed:
            async for _piece in streamed.pieces:
                await asyncio.sleep(0.4)
                done = True

    async with loopback(always(http(FILE * 4))) as host, transport_to(host.url) as transport:
        with pytest.raises(UnknownOutcome, match="timeout"):
            await slowly(transport)
    assert done


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "unannounced"])
async def test_G08_a_file_beyond_the_limit_is_cut_off(announced: bool) -> None:
    sent = 0

    async def flood(_request: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        head = b"Content-Length: 209715200" if announced else b"Connection: close"
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        for _ in range(3200):
            writer.write(b"A" * 65536)
            await writer.drain()
            sent += 65536

    async with loopback(flood) as host, transport_to(host.url) as transport:
        assert await fails(transport, Limits(max_bytes=1_000_000)) == "oversized"
    assert sent < 20_000_000


async def test_G08_a_packing_nobody_asked_for_is_not_opened() -> None:
    packed = http(gzip.compress(b"\0" * 1000), headers=("Content-Encoding: gzip",))
    async with loopback(always(packed)) as host, transport_to(host.url) as transport:
        assert await fails(transport) == "encoded"
        assert transport.idle


async def test_G08_no_redirect_is_followed() -> None:
    async with loopback(always(GOOD)) as trap:
        answer = http(b"", status="302 Found", headers=(f"Location: {trap.url}/x",))
        async with loopback(always(answer)) as host, transport_to(host.url) as transport:
            assert (await download(transport))[0] == 302
        assert trap.received == []


async def test_an_answer_that_is_no_file_is_whole_at_once() -> None:
    refusal = http(b'{"code":"NO_AUTH"}', status="403 Forbidden")
    async with loopback(always(refusal)) as host, transport_to(host.url) as transport:
        async with transport.stream("GET", TARGET, headers={}) as streamed:
            assert (streamed.head.body, streamed.head.told_code) == (b'{"code":"NO_AUTH"}', "NO_AUTH")
            assert [piece async for piece in streamed.pieces] == []
        assert transport.idle


async def test_G02_a_file_cut_at_any_byte_is_never_whole() -> None:
    answer, cut_at = http(b"`1,`2"), 0

    async def cut(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(answer[:cut_at])
        await writer.drain()
        writer.close()

    async with loopback(cut) as host, transport_to(host.url) as transport:
        for cut_at in range(len(answer)):  # noqa: B007 (the server above reads it)
            assert await fails(transport) == "cut"


async def test_G10_the_backup_host_is_asked_with_a_signature_of_its_own() -> None:
    auth = MerchantAuth(MchId(MCH), own_key(), lambda: NOW)
    async with (
        loopback(always(http(b"", status="502 Bad"))) as main,
        loopback(always(GOOD)) as backup,
        transport_to(main.url, backup.url) as transport,
    ):
        async with transport.stream("GET", TARGET, headers={}, auth=auth) as streamed:
            assert streamed.head.host == backup.url
        first, second = read_request(main.received[0]), read_request(backup.received[0])
    assert first.target == second.target == TARGET
    assert first.authorization["nonce_str"] != second.authorization["nonce_str"]


async def test_G10_once_a_byte_was_handed_out_no_other_host_is_asked() -> None:
    async def cut(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD[:1000])
        await writer.drain()
        writer.close()

    async with (
        loopback(cut) as main,
        loopback(always(GOOD)) as backup,
        transport_to(main.url, backup.url) as transport,
    ):
        assert await fails(transport) == "cut"
        assert backup.received == []


async def test_G01_a_host_that_is_not_there_was_sent_nothing() -> None:
    async with transport_to(f"http://127.0.0.1:{free_port()}") as transport:
        assert await fails(transport) == "connect"


async def test_G07_a_dead_host_opens_the_breaker_that_other_calls_share() -> None:
    breaker = Breaker()
    async with transport_to(f"http://127.0.0.1:{free_port()}") as transport:
        line = GuardedStreamLine(transport, breaker)
        for _ in range(FAILURES_TO_OPEN):
            assert await fails(line) == "connect"
        assert breaker.is_open
        assert await fails(line) == "circuit_open"


async def test_G07_a_file_under_way_holds_no_probe() -> None:
    now = 0.0
    breaker = Breaker(failures=1, monotonic=lambda: now)
    async with transport_to(f"http://127.0.0.1:{free_port()}") as dead:
        await fails(GuardedStreamLine(dead, breaker))
    now = 10.0
    async with loopback(always(GOOD)) as host, transport_to(host.url) as transport:
        line = GuardedStreamLine(transport, breaker)
        async with line.stream("GET", TARGET, headers={}):
            assert not breaker.is_open
            assert (await download(line))[0] == 200


async def test_G07_a_refusal_opens_no_breaker() -> None:
    breaker = Breaker(failures=1)
    refusal = http(b'{"code":"SYSTEM_ERROR"}', status="500 X")
    async with loopback(always(refusal)) as host, transport_to(host.url) as transport:
        line = GuardedStreamLine(transport, breaker)
        assert (await download(line))[0] == 500
        assert not breaker.is_open
        host.answering = always(http(b"<html/>", status="502 X"))
        assert (await download(line))[0] == 502
        assert breaker.is_open


async def test_a_cancelled_download_frees_its_connection() -> None:
    async def pause(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD[:-1])
        await asyncio.Event().wait()

    async with loopback(pause) as host, transport_to(host.url) as transport:
        task = asyncio.create_task(download(transport))
        await host.until_received(1)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert transport.idle
