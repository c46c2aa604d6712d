"""The way of a call of API v3: fail-over, breaker, a signature for every host (G01, G02, G07, G10)."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
from tests.support.loopback import Received, http, loopback
from tests.support.v3_counterpart import MCH, NOW, V3Counterpart, own_key, read_request

from wechatpay.breaker import FAILURES_TO_OPEN, Breaker, GuardedJsonLine
from wechatpay.errors import NotSent, UnknownOutcome
from wechatpay.identifiers import MchId
from wechatpay.transport import JsonLine, RawAnswer, Transport
from wechatpay.v3.auth import MerchantAuth

TARGET = "/v3/pay/transactions/out-trade-no/T%7C1?mchid=1900000100"


class Ticking:
    """A clock that moves on by a second each time somebody looks."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


async def send(line: JsonLine, *, repeatable: bool = True) -> RawAnswer:
    auth = MerchantAuth(MchId(MCH), own_key(), Ticking())
    return await line.send_json("GET", TARGET, b"", auth=auth, repeatable=repeatable)


def telling(status: int, code: str | None) -> Callable[[Received, asyncio.StreamWriter], object]:
    """Answer so to every request."""

    async def answer(_request: Received, writer: asyncio.StreamWriter) -> None:
        body = b"" if code is None else json.dumps({"code": code, "message": "x"}).encode()
        writer.write(http(body, status=f"{status} X"))

    return answer


@asynccontextmanager
async def two_hosts(
    status: int, code: str | None
) -> AsyncIterator[tuple[Transport, list[Received], V3Counterpart]]:
    backup = V3Counterpart()
    answering = telling(status, code)
    async with loopback(answering) as one, loopback(backup) as other:  # type: ignore[arg-type]
        transport = Transport(one.url, other.url, read_timeout=1.0, deadline_s=2.0)
        yield transport, one.received, backup
        await transport.aclose()


async def test_G10_the_backup_host_gets_a_signature_of_its_own() -> None:
    async with two_hosts(502, None) as (transport, first, backup):
        assert (await send(transport)).status == 200
    [one], [other] = first, backup.requests
    mine = read_request(one)
    assert mine.target == other.target == TARGET
    assert mine.authorization["nonce_str"] != other.authorization["nonce_str"]
    assert int(other.authorization["timestamp"]) == int(mine.authorization["timestamp"]) + 1


@pytest.mark.parametrize(
    ("status", "code", "elsewhere"),
    [
        (500, "SYSTEM_ERROR", True),
        (500, None, True),
        (503, "SERVICE_UNAVAILABLE", True),
        (500, "OPENID_MISMATCH", False),
        (500, "INVALID_TRANSACTIONID", False),
        (429, "FREQUENCY_LIMITED", False),
        (404, "ORDERNOTEXIST", False),
        (401, "SIGN_ERROR", False),
    ],
)
async def test_G10_only_a_host_in_trouble_is_left_for_the_other(
    status: int, code: str | None, elsewhere: bool
) -> None:
    async with two_hosts(status, code) as (transport, _first, backup):
        answer = await send(transport)
    assert (len(backup.requests), answer.status) == ((1, 200) if elsewhere else (0, status))


async def test_G02_what_may_not_be_repeated_is_heard_by_one_host() -> None:
    async with two_hosts(502, None) as (transport, _first, backup):
        assert (await send(transport, repeatable=False)).status == 502
    assert backup.requests == []


@pytest.mark.parametrize(
    ("status", "code", "opens"),
    [
        (502, None, True),
        (500, None, True),
        (500, "SYSTEM_ERROR", False),
        (500, "OPENID_MISMATCH", False),
        (404, None, False),
        (401, "SIGN_ERROR", False),
    ],
)
async def test_G07_a_refusal_by_a_host_that_is_up_opens_no_breaker(
    status: int, code: str | None, opens: bool
) -> None:
    breaker = Breaker()
    async with loopback(telling(status, code)) as host:  # type: ignore[arg-type]
        transport = Transport(host.url)
        line = GuardedJsonLine(transport, breaker)
        for _ in range(FAILURES_TO_OPEN):
            assert (await send(line)).status == status
        await transport.aclose()
    assert breaker.is_open is opens
    if opens:
        with pytest.raises(NotSent, match="circuit_open"):
            await send(line)


async def test_G01_an_unreachable_host_was_sent_nothing() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    breaker, transport = Breaker(), Transport(f"http://127.0.0.1:{port}")
    with pytest.raises(NotSent, match="connect"):
        await send(GuardedJsonLine(transport, breaker))
    await transport.aclose()


async def test_G02_a_cut_connection_leaves_it_open_and_shows_nothing() -> None:
    async def cut(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with loopback(cut) as host:
        transport = Transport(host.url)
        with pytest.raises(UnknownOutcome) as failure:
            await send(transport)
        await transport.aclose()
    assert failure.value.__cause__ is None
    assert failure.value.__context__ is None


async def test_a_document_is_sent_byte_for_byte() -> None:
    wechat = V3Counterpart()
    async with loopback(wechat) as host:
        transport = Transport(host.url)
        body = '{"a":"中 é","b":{"c":1}}'.encode()
        auth = MerchantAuth(MchId(MCH), own_key(), lambda: NOW)
        headers = {"Wechatpay-Serial": "PUB_KEY_ID_0119000000012026112100111101000000"}
        await transport.send_json("POST", "/v3/x", body, auth=auth, headers=headers)
        await transport.aclose()
    assert wechat.last.body == body
    assert wechat.last.headers["wechatpay-serial"] == headers["Wechatpay-Serial"]
    assert wechat.last.headers["content-type"] == "application/json"
