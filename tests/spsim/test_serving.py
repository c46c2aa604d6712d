"""The program itself: two ports, the certificate authority, books that stay, signals, logs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from litestar.types import Send
from tests.support.simulated import APPID, KEY, PROVIDERS, SECRET, Desk, order, read, signature, xml
from tests.support.simulated_money import Certificate, client_certificate

from spsim.app import create_app, create_simulator
from spsim.serve import running, serving
from spsim.server import Listener
from spsim.transport import send_body

ROOT = Path(__file__).parents[2]


async def test_the_tls_port_serves_everything_under_its_own_authority(desk: Desk) -> None:
    ca_pem = (await desk.http.get("/_sim/ca")).text
    assert ca_pem == desk.where.ca_pem
    trusting = ssl.create_default_context(cadata=ca_pem)
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    async with httpx.AsyncClient(base_url=desk.where.tls_url, verify=trusting, trust_env=False) as http:
        secure = Desk(desk.where, http)
        await secure.create()
    async with httpx.AsyncClient(base_url=desk.where.tls_url, trust_env=False) as stranger:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await stranger.get("/_sim/ca")


async def test_the_tls_port_takes_registered_client_certificates_and_no_others(
    desk: Desk, tmp_path: Path
) -> None:
    registered = client_certificate(tmp_path, "1900000109")
    stranger = client_certificate(tmp_path, "1900000110")
    await desk.control(
        "providers", providers=[{"mch_id": "1900000109", "appid": APPID, "client_cert_pem": registered.pem}]
    )

    async def status(shown: Certificate) -> int:
        context = ssl.create_default_context(cadata=desk.where.ca_pem)
        context.load_cert_chain(shown.cert_file, shown.key_file)
        async with httpx.AsyncClient(base_url=desk.where.tls_url, verify=context, trust_env=False) as http:
            return (await http.get("/_sim/ca")).status_code

    assert await status(registered) == 200
    with pytest.raises(httpx.TransportError):
        await status(stranger)


async def test_the_books_and_the_authority_stay_in_the_file(tmp_path: Path) -> None:
    database = tmp_path / "deep" / "books.db"
    certificate = client_certificate(tmp_path, "1900000109")
    async with serving(create_simulator(database)) as where, httpx.AsyncClient(trust_env=False) as http:
        document = {"providers": [{**PROVIDERS["providers"][0], "client_cert_pem": certificate.pem}]}
        desk = Desk(where, httpx.AsyncClient(base_url=where.url, trust_env=False))
        issued = (await http.post(f"{where.url}/_sim/providers", json=document)).json()
        first = await desk.create()
        await desk.http.aclose()
    assert database.stat().st_mode & 0o077 == 0
    async with serving(create_simulator(database)) as where:
        context = ssl.create_default_context(cadata=issued["ca_pem"])
        context.load_cert_chain(certificate.cert_file, certificate.key_file)
        async with httpx.AsyncClient(base_url=where.tls_url, verify=context, trust_env=False) as http:
            again = await Desk(where, http).create()
            assert again["prepay_id"] == first["prepay_id"]
            assert (await http.post("/_sim/providers", json=document)).json() == issued


async def test_the_application_alone_serves_without_a_network() -> None:
    app = create_app(clock=lambda: datetime(2026, 11, 21, 12, 50, tzinfo=UTC))
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sim") as http,
    ):
        await http.post("/_sim/providers", json=PROVIDERS)
        assert (await http.get("/_sim/clock")).json()["now"] == "2026-11-21T12:50:00.000+00:00"
        params = order()
        await http.post(
            "/_sim/faults", json={"path": "/pay/unifiedorder", "kind": "drop_answer_after_effect"}
        )
        lost = await http.post("/pay/unifiedorder", content=xml(params | {"sign": signature(params)}))
        assert (lost.status_code, lost.content) == (504, b"")
        answer = await http.post("/pay/unifiedorder", content=xml(params | {"sign": signature(params)}))
        assert read(answer.content)["prepay_id"].startswith("wx21205000")


async def test_a_notification_transport_replaces_the_network() -> None:
    sent: asyncio.Queue[httpx.Request] = asyncio.Queue()

    def receive(request: httpx.Request) -> httpx.Response:
        sent.put_nowait(request)
        return httpx.Response(200, text="<xml><return_code>SUCCESS</return_code></xml>")

    app = create_app(notify_transport=httpx.MockTransport(receive))
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sim") as http,
    ):
        await http.post("/_sim/providers", json=PROVIDERS)
        params = order(notify_url="https://pay.example.com/n/7/pay")
        await http.post("/pay/unifiedorder", content=xml(params | {"sign": signature(params)}))
        await http.post("/_sim/pay", json={"out_trade_no": params["out_trade_no"]})
        request = await asyncio.wait_for(sent.get(), 5)
    assert str(request.url) == "https://pay.example.com/n/7/pay"


def test_a_simulator_runs_in_the_background_of_a_plain_program() -> None:
    with running() as where, httpx.Client(base_url=where.url, trust_env=False) as http:
        assert http.get("/_sim/ledger").json()["orders"] == []


def test_a_taken_port_is_reported_to_whoever_starts_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address already in use"), running(port=taken.getsockname()[1]):
            pytest.fail("started on a taken port")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_logs_json_without_secrets_and_stops_on_a_signal(number: signal.Signals) -> None:
    port, tls_port = free_port(), free_port()
    code = f"from spsim.serve import run; run(port={port}, tls_port={tls_port})"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "platform"), "PYTHONWARNINGS": "error"}
    with subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env=environment
    ) as program:
        assert program.stderr is not None
        started = json.loads(program.stderr.readline())
        assert (started["event"], started["url"]) == ("started", f"http://127.0.0.1:{port}")
        with httpx.Client(base_url=started["url"], trust_env=False) as http:
            http.post("/_sim/providers", json=PROVIDERS).raise_for_status()
            params = order()
            http.post("/pay/unifiedorder", content=xml(params | {"sign": signature(params)}))
            http.get("/sns/jscode2session", params={"appid": APPID, "secret": SECRET, "js_code": "c"})
        program.send_signal(number)
        rest = program.stderr.read()
        assert program.wait(10) == 0
    lines = [json.loads(line) for line in rest.splitlines()]
    assert [line["event"] for line in lines] == ["call", "call", "stopped"]
    assert (lines[0]["path"], lines[0]["result_code"]) == ("/pay/unifiedorder", "SUCCESS")
    assert not [secret for secret in (KEY, SECRET, signature(params), params["sub_openid"]) if secret in rest]


async def talk(port: int, request: bytes) -> bytes:
    """Send bytes and return everything until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_the_server_keeps_connections_and_understands_http(desk: Desk) -> None:
    port = httpx.URL(desk.where.url).port or 0
    get = b"GET /_sim/ca HTTP/1.1\r\nHost: x\r\n"
    last = b"Connection: close\r\n\r\n"
    assert (await talk(port, get + b"\r\n" + get + last)).count(b"HTTP/1.1 200") == 2
    head = await talk(port, b"HEAD /_sim/none HTTP/1.1\r\nHost: x\r\n" + last)
    assert head.startswith(b"HTTP/1.1 404")
    assert head.endswith(b"\r\n\r\n")
    post = b"POST /_sim/clock HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
    assert (await talk(port, post + last + b"{}")).startswith(b"HTTP/1.1 400")
    assert await talk(port, b"nonsense\r\n\r\n") == b""


async def test_a_failing_application_closes_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(_scope: object, _receive: object, _send: object) -> None:
        raise ValueError("on purpose")

    listener = Listener(broken, "127.0.0.1", 0)
    await listener.start()
    assert await talk(listener.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    await listener.stop()
    assert "the application failed" in caplog.text


async def test_stopping_lets_an_answer_under_way_finish() -> None:
    entered = asyncio.Event()

    async def slow(_scope: object, _receive: object, send: Send) -> None:
        entered.set()
        await asyncio.sleep(0.1)
        await send_body(send, b"done")

    listener = Listener(slow, "127.0.0.1", 0)
    await listener.start()
    answer = asyncio.create_task(talk(listener.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
    await entered.wait()
    await listener.stop()
    assert (await answer).endswith(b"done")


async def test_what_was_answered_before_the_close_reaches_a_slow_reader() -> None:
    written, given_up = 0, asyncio.Event()

    async def until_the_reader_is_full(_scope: object, _receive: object, send: Send) -> None:
        nonlocal written
        await send({"type": "http.response.start", "status": 200, "headers": []})
        with contextlib.suppress(TimeoutError):
            while True:
                written += 10_000
                body = b"x" * 10_000
                await asyncio.wait_for(
                    send({"type": "http.response.body", "body": body, "more_body": True}), 0.3
                )
        given_up.set()

    listener = Listener(until_the_reader_is_full, "127.0.0.1", 0)
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, limit=1024)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await given_up.wait()
    received = await reader.read()
    assert received.count(b"x") == written
    writer.close()
    await writer.wait_closed()
    await listener.stop()
