"""Faults on the way to WeChat (G01, G02, G06, G08, G10-G12)."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.loopback import Received, always, http, loopback

from wechatpay.errors import NotSent, UnknownOutcome, WechatPayError
from wechatpay.transport import MAX_ANSWER_BYTES, RawAnswer, Transport

GOOD = http(b"<xml><a>1</a></xml>")
BODY = b"<xml><out_trade_no>T0007-20261121_000001</out_trade_no></xml>"


@asynccontextmanager
async def transport_to(url: str, backup: str | None = None, **settings: object) -> AsyncIterator[Transport]:
    options = {"connect_timeout": 5.0, "read_timeout": 5.0, "deadline_s": 10.0, **settings}
    transport = Transport(url, backup, **options)  # type: ignore[arg-type]
    try:
        yield transport
    finally:
        await transport.aclose()


async def post(transport: Transport) -> RawAnswer:
    return await transport.post_xml("/pay/orderquery", BODY)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_S2_11_a_good_answer_comes_back_whole() -> None:
    answering = always(http(b"<xml/>", headers=("Request-ID: 42",)))
    async with loopback(answering) as host, transport_to(host.url) as transport:
        answer = await post(transport)
    assert (answer.status, answer.body, answer.host) == (200, b"<xml/>", host.url)
    assert answer.headers["request-id"] == "42"
    assert answer.elapsed_ms >= 0
    [request] = host.received
    assert (request.method, request.target, request.body) == ("POST", "/pay/orderquery", BODY)
    assert request.headers["content-type"] == "text/xml; charset=utf-8"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"]


async def test_steady_state_opens_no_new_connection() -> None:
    async with loopback(always(GOOD)) as host, transport_to(host.url) as transport:
        await post(transport)
        opened = transport.connections_opened
        for _ in range(20):
            await post(transport)
        assert transport.connections_opened == opened == host.connections == 1


async def test_a_connection_that_the_host_closed_meanwhile_is_not_used() -> None:
    closed = asyncio.Event()

    async def answer_and_hang_up(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD)
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with loopback(answer_and_hang_up) as host, transport_to(host.url) as transport:
        assert (await post(transport)).status == 200
        await closed.wait()
        assert (await post(transport)).status == 200
        assert transport.connections_opened == 2


async def test_many_calls_at_once_spread_over_small_pools() -> None:
    release = asyncio.Event()

    async def hold(_request: Received, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(GOOD)

    async with loopback(hold) as host, transport_to(host.url, pool_size=2, pools=3) as transport:
        calls = [asyncio.create_task(post(transport)) for _ in range(6)]
        await host.until_received(6)
        release.set()
        await asyncio.gather(*calls)
        assert host.connections == 6
        await asyncio.gather(*(post(transport) for _ in range(6)))
        assert transport.connections_opened == 6


async def test_a_full_house_refuses_before_sending() -> None:
    async def never(_request: Received, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with (
        loopback(never) as host,
        transport_to(host.url, pool_size=1, pools=1, connect_timeout=1.0, read_timeout=2.0) as transport,
    ):
        first = asyncio.create_task(post(transport))
        await host.until_received(1)
        with pytest.raises(NotSent) as refusal:
            await post(transport)
        assert refusal.value.reason == "busy"
        with pytest.raises(UnknownOutcome):
            await first
    assert len(host.received) == 1


async def test_G01_nobody_listening_is_surely_not_sent() -> None:
    async with transport_to(f"http://127.0.0.1:{free_port()}") as transport:
        with pytest.raises(NotSent) as refusal:
            await post(transport)
    assert refusal.value.reason == "connect"


async def test_G01_an_unknown_host_name_is_surely_not_sent() -> None:
    async with transport_to("http://nobody.invalid") as transport:
        with pytest.raises(NotSent):
            await post(transport)


async def test_G02_silence_after_the_request_is_unknown() -> None:
    async def silent(_request: Received, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with loopback(silent) as host, transport_to(host.url, read_timeout=0.1) as transport:
        with pytest.raises(UnknownOutcome) as unknown:
            await post(transport)
    assert unknown.value.reason == "timeout"


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_G02_an_answer_cut_at_any_byte_is_unknown_and_never_sent_twice(reset: bool) -> None:
    cut_at = 0

    async def cut(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD[:cut_at])
        await writer.drain()
        if reset:
            writer.transport.abort()
        else:
            writer.close()

    async with loopback(cut) as host, transport_to(host.url) as transport:
        for cut_at in range(len(GOOD)):  # noqa: B007 (the server above reads it)
            before = len(host.received)
            with pytest.raises(UnknownOutcome) as unknown:
                await post(transport)
            assert unknown.value.reason == "cut"
            assert len(host.received) == before + 1


async def test_G06_a_drip_that_never_idles_ends_at_the_deadline() -> None:
    async def drip(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with loopback(drip) as host, transport_to(host.url, read_timeout=0.3, deadline_s=0.4) as transport:
        started = time.monotonic()
        with pytest.raises(UnknownOutcome) as unknown:
            await post(transport)
        assert unknown.value.reason == "timeout"
        assert 0.4 <= time.monotonic() - started < 1.5
        host.answering = always(GOOD)
        assert (await post(transport)).status == 200


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "unannounced"])
async def test_G08_a_huge_body_is_cut_off_early(announced: bool) -> None:
    chunk = b"A" * 65536
    sent = 0

    async def flood(_request: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        head = b"Content-Length: 209715200" if announced else b"Connection: close"
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        for _ in range(3200):
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)

    async with loopback(flood) as host, transport_to(host.url, deadline_s=5.0) as transport:
        tracemalloc.start()
        with pytest.raises(UnknownOutcome) as unknown:
            await post(transport)
        _now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert unknown.value.reason == "oversized"
    assert sent < 20 * MAX_ANSWER_BYTES
    assert peak < 16 * MAX_ANSWER_BYTES


async def test_G08_a_gzip_bomb_is_never_unpacked_and_blocks_no_connection() -> None:
    bomb = http(gzip.compress(b"\0" * 20_000_000), headers=("Content-Encoding: gzip",))
    async with (
        loopback(always(bomb)) as host,
        transport_to(host.url, pool_size=1, pools=1, connect_timeout=1.0) as transport,
    ):
        with pytest.raises(UnknownOutcome) as unknown:
            await post(transport)
        assert unknown.value.reason == "encoded"
        host.answering = always(GOOD)
        assert (await post(transport)).status == 200


async def test_G08_a_redirect_is_not_followed() -> None:
    async with loopback(always(GOOD)) as trap:
        answer = http(b"", status="302 Found", headers=(f"Location: {trap.url}/pay",))
        async with loopback(always(answer)) as host, transport_to(host.url) as transport:
            assert (await post(transport)).status == 302
        assert trap.received == []


async def test_G10_a_dead_main_host_is_left_with_the_same_bytes() -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    async with loopback(always(GOOD)) as backup, transport_to(dead, backup.url) as transport:
        assert (await post(transport)).host == backup.url
    assert [request.body for request in backup.received] == [BODY]


async def test_G10_the_main_host_is_returned_to_after_the_cool_down() -> None:
    now = 1000.0
    async with (
        loopback(always(http(b"", status="503 Busy"))) as main,
        loopback(always(GOOD)) as backup,
        transport_to(main.url, backup.url, cool_down_s=60, monotonic=lambda: now) as transport,
    ):
        assert (await post(transport)).host == backup.url
        main.answering = always(GOOD)
        now += 59
        assert (await post(transport)).host == backup.url
        now += 2
        assert (await post(transport)).host == main.url


async def test_G10_a_5xx_of_the_main_host_is_repeated_byte_for_byte_at_the_backup() -> None:
    async with (
        loopback(always(http(b"<html/>", status="502 Bad Gateway"))) as main,
        loopback(always(GOOD)) as backup,
        transport_to(main.url, backup.url) as transport,
    ):
        assert (await post(transport)).host == backup.url
    assert main.received[0].body == backup.received[0].body == BODY


async def test_G10_a_5xx_stays_unsettled_when_the_backup_cannot_be_reached() -> None:
    """The main host may have acted: "not sent" of the second host must not hide it."""
    dead = f"http://127.0.0.1:{free_port()}"
    async with (
        loopback(always(http(b"", status="500 Oops"))) as main,
        transport_to(main.url, dead) as transport,
    ):
        assert (await post(transport)).status == 500


async def test_G02_after_a_timeout_no_other_host_is_asked() -> None:
    async def silent(_request: Received, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with (
        loopback(silent) as main,
        loopback(always(GOOD)) as backup,
        transport_to(main.url, backup.url, read_timeout=0.1) as transport,
    ):
        with pytest.raises(UnknownOutcome):
            await post(transport)
    assert backup.received == []


async def test_G12_proxy_variables_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async with loopback(always(GOOD)) as trap, loopback(always(GOOD)) as host:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, trap.url)
        async with transport_to(host.url) as transport:
            await post(transport)
        assert trap.connections == 0
        assert host.connections == 1


def server_certificate(folder: Path, address: str, not_after: datetime) -> tuple[ssl.SSLContext, str]:
    """A self-signed server for `address`, and its certificate as an anchor."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(not_after)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "server.pem").write_bytes(pem + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context, pem.decode()


FAR = datetime(2090, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("address", "not_after", "trusted", "accepted"),
    [
        pytest.param("127.0.0.1", FAR, True, True, id="own anchor"),
        pytest.param("127.0.0.1", FAR, False, False, id="self-signed"),
        pytest.param("127.0.0.2", FAR, True, False, id="wrong host"),
        pytest.param("127.0.0.1", datetime(2021, 1, 1, tzinfo=UTC), True, False, id="expired"),
    ],
)
async def test_G11_only_a_trusted_certificate_of_this_host_gets_our_request(
    tmp_path: Path, address: str, not_after: datetime, trusted: bool, accepted: bool
) -> None:
    server, anchor = server_certificate(tmp_path, address, not_after)
    verify = ssl.create_default_context(cadata=anchor) if trusted else True
    async with loopback(always(GOOD), server) as host, transport_to(host.url, verify=verify) as transport:
        if accepted:
            assert (await post(transport)).status == 200
        else:
            with pytest.raises(NotSent):
                await post(transport)
    assert bool(host.received) is accepted


def test_G11_verification_cannot_be_switched_off() -> None:
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lax.check_hostname = False
    lax.verify_mode = ssl.CERT_NONE
    nameless = ssl.create_default_context()
    nameless.check_hostname = False
    for verify in (False, lax, nameless):
        with pytest.raises(ValueError, match=r"must check|cannot be switched off"):
            Transport("https://gateway.example.com", verify=verify)


@pytest.mark.parametrize(
    "url",
    ["ftp://x.example", "https://", "api.example.com", "https://a:b@x.example", "https://x.example?a=1"],
)
def test_a_gateway_address_is_scheme_host_and_path_only(url: str) -> None:
    with pytest.raises(ValueError, match="gateway address"):
        Transport(url)


async def test_errors_carry_no_trace_of_the_request() -> None:
    """httpx's exceptions hold the request; the query of a login holds the app secret."""

    async def cut(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with loopback(cut) as host, transport_to(host.url) as transport:
        with pytest.raises(WechatPayError) as failure:
            await transport.get_json("/sns/jscode2session", {"secret": "s3cr3t"})
    assert failure.value.__cause__ is None
    assert failure.value.__context__ is None
    assert "s3cr3t" not in repr(failure.value)


async def test_a_cancelled_call_frees_its_connection() -> None:
    async def silent(_request: Received, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with loopback(silent) as host, transport_to(host.url, pool_size=1, pools=1) as transport:
        call = asyncio.create_task(post(transport))
        await host.until_received(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        host.answering = always(GOOD)
        assert (await post(transport)).status == 200


async def test_G02_a_call_that_may_not_be_repeated_goes_to_one_host_that_heard_it() -> None:
    main, backup = loopback(always(http(b"", status="502 Bad"))), loopback(always(GOOD))
    async with main as one, backup as other, transport_to(one.url, other.url) as transport:
        answer = await transport.post_xml("/pay/micropay", BODY, repeatable=False)
    assert answer.status == 502
    assert (len(one.received), len(other.received)) == (1, 0)


async def test_G01_a_call_that_may_not_be_repeated_goes_on_when_nothing_left() -> None:
    async with (
        loopback(always(GOOD)) as backup,
        transport_to(f"http://127.0.0.1:{free_port()}", backup.url) as transport,
    ):
        assert (await transport.post_xml("/pay/micropay", BODY, repeatable=False)).status == 200


async def test_a_call_may_have_a_deadline_of_its_own() -> None:
    async def slowly(_request: Received, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(GOOD)

    async with (
        loopback(slowly) as host,
        transport_to(host.url, read_timeout=0.05, deadline_s=0.1) as transport,
    ):
        assert (await transport.post_xml("/pay/micropay", BODY, deadline_s=2.0)).status == 200
        for deadline_s in (None, 0.15):
            with pytest.raises(UnknownOutcome):
                await transport.post_xml("/pay/micropay", BODY, deadline_s=deadline_s)


async def test_a_transport_is_idle_once_its_calls_have_ended() -> None:
    gate = asyncio.Event()

    async def held(_request: Received, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(GOOD)

    async with loopback(held) as host, transport_to(host.url) as transport:
        assert transport.idle
        call = asyncio.create_task(post(transport))
        await host.until_received(1)
        assert not transport.idle
        gate.set()
        await call
        assert transport.idle
