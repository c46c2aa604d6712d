"""One request to one receiver, over real HTTP and TLS: refused, bounded, believed (W01-W05, W14)."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.support.loopback import Answering, Loopback, Received, always, http, loopback
from tests.support.post_office import OWN_HOST, Network
from tests.support.tls_host import Authority, authority

from sptenants.webhooks.connecting import Connector, SystemResolver
from sptenants.webhooks.sender import Answer, Outcome, Sender

HOST, ADDRESS = "shop.example.com", "93.184.216.34"
URL = f"https://{HOST}/hook?a=1"
HEADERS = {"webhook-id": "evt_1"}


@pytest.fixture
def network() -> Network:
    made = Network()
    made.lead(HOST, [ADDRESS])
    return made


def sender(network: Network, **options: Any) -> Sender:
    options = {"deadline_s": 5.0, "excerpt_s": 0.3} | options
    return Sender(authority().trusting(), network.connector, own_host=OWN_HOST, **options)


@asynccontextmanager
async def receiver(
    network: Network, answering: Answering, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Loopback]:
    async with loopback(answering, tls or authority().serving(HOST)) as running:
        network.listening[ADDRESS] = running.port
        yield running


async def post(network: Network, answering: Answering, **options: Any) -> Answer:
    async with receiver(network, answering):
        return await sender(network, **options).post(URL, HEADERS, b"{}")


async def test_a_request_is_a_plain_post_over_tls_to_the_name(network: Network) -> None:
    async with receiver(network, always(http(b"thanks"))) as running:
        answer = await sender(network).post(URL, HEADERS, b'{"a":1}')
    assert (answer.outcome, answer.http_status, answer.excerpt) == (Outcome.DELIVERED, 200, "thanks")
    (request,) = running.received
    assert (request.method, request.target, request.body) == ("POST", "/hook?a=1", b'{"a":1}')
    assert request.headers == {
        "host": HOST,
        "content-length": "7",
        "content-type": "application/json",
        "user-agent": "wxsp-webhooks/1",
        "accept-encoding": "identity",
        "connection": "close",
        "webhook-id": "evt_1",
    }
    assert network.dialled == [(ADDRESS, 443)]


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.8"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["0.0.0.0"],
        ["224.0.0.1"],
        [ADDRESS, "10.0.0.8"],
        ["10.0.0.8", ADDRESS],
    ],
    ids="+".join,
)
async def test_W01_a_name_that_leads_to_a_private_address_is_not_called(
    network: Network, addresses: list[str]
) -> None:
    network.lead(HOST, addresses)
    async with receiver(network, always(http(b""))) as running:
        network.listening |= dict.fromkeys(addresses, running.port)
        answer = await sender(network).post(URL, HEADERS, b"{}")
        assert running.connections == 0
    assert (answer.outcome, answer.http_status) == (Outcome.NOT_PUBLIC, None)
    assert network.dialled == []


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example.com/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://2130706433/",
        "https://shop.example.com:22/",
        f"https://{OWN_HOST}/",
    ],
)
async def test_W01_W04_an_address_that_should_not_have_been_saved_is_not_called_either(
    network: Network, url: str
) -> None:
    answer = await sender(network).post(url, HEADERS, b"{}")
    assert answer.outcome is Outcome.NOT_PUBLIC
    assert (network.looked_up, network.dialled) == ([], [])


async def test_W02_rebinding_a_name_between_check_and_connect_gains_nothing(network: Network) -> None:
    network.lead(HOST, [ADDRESS], ["127.0.0.1"])
    async with receiver(network, always(http(b""))) as running:
        network.listening["127.0.0.1"] = running.port
        first = await sender(network).post(URL, HEADERS, b"{}")
        assert (first.outcome, network.looked_up, network.dialled) == (
            Outcome.DELIVERED,
            [HOST],
            [(ADDRESS, 443)],
        )
        second = await sender(network).post(URL, HEADERS, b"{}")
    assert second.outcome is Outcome.NOT_PUBLIC
    assert network.dialled == [(ADDRESS, 443)]


async def test_another_address_of_the_name_is_tried_when_the_first_does_not_answer(network: Network) -> None:
    network.lead(HOST, ["93.184.216.99", ADDRESS])
    assert (await post(network, always(http(b"")))).outcome is Outcome.DELIVERED
    assert network.dialled == [("93.184.216.99", 443), (ADDRESS, 443)]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_W03_a_redirect_is_not_followed(network: Network, status: str) -> None:
    answering = always(http(b"", status, ("Location: http://169.254.169.254/latest/meta-data/",)))
    async with receiver(network, answering) as running:
        answer = await sender(network).post(URL, HEADERS, b"{}")
        assert running.connections == 1
    assert (answer.outcome, answer.http_status) == (Outcome.HTTP_ERROR, int(status[:3]))
    assert (network.looked_up, network.dialled) == ([HOST], [(ADDRESS, 443)])


async def test_a_proxy_in_the_environment_is_not_used(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await post(network, always(http(b"")))).outcome is Outcome.DELIVERED


async def test_TLS_asks_for_the_name_and_trusts_nobody_else(network: Network) -> None:
    answering = always(http(b""))
    for context in (authority().serving("other.example.com"), Authority().serving(HOST)):
        async with receiver(network, answering, context) as running:
            answer = await sender(network).post(URL, HEADERS, b"{}")
        assert (answer.outcome, running.received) == (Outcome.TLS, [])


def test_a_context_that_checks_nothing_is_refused(network: Network) -> None:
    lax = ssl.create_default_context()
    lax.check_hostname = False
    with pytest.raises(ValueError, match="host name"):
        Sender(lax, network.connector)


def raw(*parts: bytes, pause_s: float = 0.0, endless: bool = False, close: bool = False) -> Answering:
    """Send these bytes one after the other, the last one for ever if asked to."""

    async def send(_request: Received, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
        while endless:
            writer.write(parts[-1])
            await writer.drain()
            await asyncio.sleep(pause_s)
        if close:
            writer.close()

    return send


OK_LINE = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answering", "outcome", "status"),
    [
        pytest.param(raw(b"H", endless=True, pause_s=0.05), Outcome.TIMEOUT, None, id="slowloris"),
        pytest.param(
            raw(b"HTTP/1.1 500 ", b"x" * 4096, endless=True),
            Outcome.BAD_ANSWER,
            None,
            id="endless first line",
        ),
        pytest.param(
            raw(b"HTTP/1.1 500 X\r\n", b"A: b\r\n" * 500, endless=True),
            Outcome.HTTP_ERROR,
            500,
            id="endless headers",
        ),
        pytest.param(
            raw(b"HTTP/1.1 500 X\r\n\r\n", b"x" * 4096, endless=True),
            Outcome.HTTP_ERROR,
            500,
            id="endless body",
        ),
        pytest.param(
            raw(OK_LINE + b"Content-Length: 1000000000\r\n\r\n", b"x" * 4096, endless=True),
            Outcome.DELIVERED,
            200,
            id="a gigabyte",
        ),
        pytest.param(
            raw(OK_LINE + b"Content-Length: 100\r\n\r\n", b"x", endless=True, pause_s=0.1),
            Outcome.DELIVERED,
            200,
            id="body drips",
        ),
        pytest.param(raw(b"", pause_s=30), Outcome.TIMEOUT, None, id="silence"),
    ],
)
async def test_W05_a_malicious_receiver_is_bounded_in_time_and_bytes(
    network: Network, answering: Answering, outcome: Outcome, status: int | None
) -> None:
    async with asyncio.timeout(5):
        answer = await post(network, answering, deadline_s=0.6)
    assert (answer.outcome, answer.http_status) == (outcome, status)
    assert len((answer.excerpt or "").encode()) <= 1024


async def test_W05_a_packed_answer_is_not_unpacked(network: Network) -> None:
    bomb = gzip.compress(b"\0" * 10_000_000)
    answer = await post(network, always(http(bomb, headers=("Content-Encoding: gzip",))))
    assert (answer.outcome, answer.excerpt) == (Outcome.DELIVERED, None)


async def test_W05_the_excerpt_is_short_text_that_any_database_takes(network: Network) -> None:
    answer = await post(network, always(http(b"\0<script>\xff" + "咖啡".encode() * 1000, "500 X")))
    assert answer.excerpt is not None
    assert len(answer.excerpt.encode()) <= 1024
    assert "\0" not in answer.excerpt
    assert answer.excerpt.startswith("�<script>�咖啡")
    assert "script" not in repr(answer)


@pytest.mark.parametrize(
    ("answering", "outcome", "status"),
    [
        pytest.param(raw(OK_LINE, close=True), Outcome.DELIVERED, 200, id="closes after the status line"),
        pytest.param(
            raw(OK_LINE + b"Content-Length: 100\r\n\r\nshort", close=True),
            Outcome.DELIVERED,
            200,
            id="closes within the body",
        ),
        pytest.param(raw(b"HTTP/1.0 204 No\r\n\r\n", close=True), Outcome.DELIVERED, 204, id="HTTP 1.0"),
        pytest.param(
            raw(OK_LINE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\ngarbage", close=True),
            Outcome.DELIVERED,
            200,
            id="chunks are garbage",
        ),
        pytest.param(
            raw(OK_LINE + b"bad header\r\n\r\n", close=True), Outcome.DELIVERED, 200, id="header is garbage"
        ),
        pytest.param(
            raw(b"HTTP/1.1 100 Continue\r\n\r\n" + OK_LINE + b"Content-Length: 0\r\n\r\n"),
            Outcome.DELIVERED,
            200,
            id="interim answer first",
        ),
        pytest.param(raw(b"HTTP/1.1 500\r\n", close=True), Outcome.HTTP_ERROR, 500, id="no reason"),
        pytest.param(raw(b"HTTP/1.1 20", close=True), Outcome.CUT, None, id="half a status line"),
        pytest.param(raw(b"SSH-2.0-OpenSSH\r\n", close=True), Outcome.BAD_ANSWER, None, id="no HTTP"),
        pytest.param(raw(b"", close=True), Outcome.CUT, None, id="closes without a word"),
    ],
)
async def test_W14_the_status_line_decides(
    network: Network, answering: Answering, outcome: Outcome, status: int | None
) -> None:
    answer = await post(network, answering)
    assert (answer.outcome, answer.http_status) == (outcome, status)


@pytest.mark.parametrize(
    ("prepare", "outcome"),
    [
        pytest.param(lambda network: network.lead(HOST, []), Outcome.UNRESOLVED, id="no address"),
        pytest.param(
            lambda network: network.lead(HOST, ["93.184.216.99"]), Outcome.CONNECT, id="nobody there"
        ),
    ],
)
async def test_what_cannot_be_reached_is_named(
    network: Network, prepare: Callable[[Network], None], outcome: Outcome
) -> None:
    prepare(network)
    assert (await post(network, always(http(b"")))).outcome is outcome


async def test_a_look_up_that_hangs_ends_with_the_deadline(network: Network) -> None:
    async def hang(_host: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    slow = Sender(authority().trusting(), Connector(hang, network.dial), deadline_s=0.05)
    assert (await slow.post(URL, HEADERS, b"{}")).outcome is Outcome.TIMEOUT


async def test_the_system_resolver_gives_addresses_as_text_and_none_for_nonsense() -> None:
    resolve = SystemResolver()
    first, second = await asyncio.gather(resolve("127.0.0.1"), resolve("127.0.0.1"))
    assert first == second == ("127.0.0.1",)
    assert await resolve("not a name") == ()
