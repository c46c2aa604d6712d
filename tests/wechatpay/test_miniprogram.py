"""Login of a mini-program user (wechatpay-v2 8.1)."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.loopback import Loopback, always, http, loopback

from wechatpay.errors import InvalidRequest, NotSent, UnknownOutcome, WechatPayError
from wechatpay.identifiers import AppId
from wechatpay.miniprogram import LoginRefused, MiniProgramLogin
from wechatpay.transport import Transport

APPID = AppId("wx3333cccc4444dddd")
SECRET = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
CODE = "0c1aBc_-"
SESSION_KEY = "tiihtNczf5v6AKRyjwEUhQ=="


def said(answer: object, status: str = "200 OK") -> bytes:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return http(text.encode(), status, ("Content-Type: text/plain",))


GOOD = said({"openid": "oSubUser_1", "session_key": SESSION_KEY, "unionid": "u1"})


@pytest.fixture
async def host() -> AsyncIterator[Loopback]:
    async with loopback(always(GOOD)) as host:
        yield host


@pytest.fixture
async def login(host: Loopback) -> AsyncIterator[MiniProgramLogin]:
    transport = Transport(host.url, read_timeout=2.0, deadline_s=10.0)
    yield MiniProgramLogin(transport)
    await transport.aclose()


async def test_a_code_becomes_an_openid(login: MiniProgramLogin, host: Loopback) -> None:
    result = await login.exchange(APPID, SECRET, CODE)
    assert (result.openid.text, result.session_key, result.unionid) == ("oSubUser_1", SESSION_KEY, "u1")
    assert (result.call.operation, result.call.http_status) == ("jscode2session", 200)
    [request] = host.received
    target = urlsplit(request.target)
    assert (request.method, target.path) == ("GET", "/sns/jscode2session")
    assert parse_qs(target.query) == {
        "appid": [APPID.text],
        "secret": [SECRET],
        "js_code": [CODE],
        "grant_type": ["authorization_code"],
    }


async def test_errcode_zero_is_success_and_unionid_is_optional(
    login: MiniProgramLogin, host: Loopback
) -> None:
    host.answering = always(said({"errcode": 0, "errmsg": "ok", "openid": "o1", "session_key": "k"}))
    assert (await login.exchange(APPID, SECRET, CODE)).unionid is None


@pytest.mark.parametrize(
    ("errcode", "retry"),
    [
        (-1, True),
        (40029, False),
        (40163, False),
        (45011, True),
        (40226, False),
        (40125, False),
        (99999, False),
    ],
)
async def test_refusals_come_with_both_languages(
    login: MiniProgramLogin, host: Loopback, errcode: int, retry: bool
) -> None:
    host.answering = always(said({"errcode": errcode, "errmsg": f"no, rid: {SECRET}"}))
    with pytest.raises(LoginRefused) as refusal:
        await login.exchange(APPID, SECRET, CODE)
    assert (refusal.value.errcode, refusal.value.retry) == (errcode, retry)
    assert refusal.value.zh
    assert refusal.value.en
    assert refusal.value.call is not None
    assert refusal.value.call.err_code == str(errcode)
    assert refusal.value.call.err_message == "no, rid: ***"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(said("<html/>"), "malformed", id="HTML"),
        pytest.param(said("[]"), "malformed", id="list"),
        pytest.param(said("[" * 30_000), "malformed", id="depth"),
        pytest.param(said('{"errcode": "0"}'), "malformed", id="errcode as text"),
        pytest.param(said({"session_key": "k"}), "malformed", id="no openid"),
        pytest.param(said({"openid": "o1"}), "malformed", id="no session key"),
        pytest.param(said({"openid": "o 1", "session_key": "k"}), "malformed", id="odd openid"),
        pytest.param(said({"openid": 1, "session_key": "k"}), "malformed", id="openid as number"),
        pytest.param(said({"openid": "o1", "session_key": "k", "unionid": 1}), "malformed", id="odd unionid"),
        pytest.param(said({"x": "y" * 70_000}), "oversized", id="70 kB"),
        pytest.param(http(b"\xff{}"), "malformed", id="not UTF-8"),
        pytest.param(said("", "302 Found"), "http_302", id="redirect"),
        pytest.param(said("", "500 Oops"), "http_500", id="500"),
    ],
)
async def test_what_is_no_answer_is_unknown(
    login: MiniProgramLogin, host: Loopback, answer: bytes, reason: str
) -> None:
    host.answering = always(answer)
    with pytest.raises(UnknownOutcome) as unknown:
        await login.exchange(APPID, SECRET, CODE)
    assert unknown.value.reason == reason
    assert unknown.value.call is not None


@pytest.mark.parametrize("code", ["", "a b", "a&secret=x", "x" * 129, "码"])
async def test_a_code_that_is_none_is_not_sent(login: MiniProgramLogin, host: Loopback, code: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await login.exchange(APPID, SECRET, code)
    assert refusal.value.field == "code"
    assert host.received == []


async def test_a_missing_secret_is_not_sent(login: MiniProgramLogin, host: Loopback) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        await login.exchange(APPID, "", CODE)
    assert refusal.value.field == "app_secret"
    assert host.received == []


@pytest.mark.parametrize("answer", [GOOD, said({"errcode": 40029}), said("{"), b"HTTP/1.1 ?\r\n\r\n"])
async def test_trap_49_the_secret_shows_in_no_log_and_no_error(
    login: MiniProgramLogin, host: Loopback, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    host.answering = always(answer)
    shown = ""
    with caplog.at_level(logging.DEBUG):
        try:
            shown = repr(await login.exchange(APPID, SECRET, CODE))
        except WechatPayError as error:
            shown = "".join(traceback.format_exception(error)) + repr((vars(error), error.__context__))
    assert host.received
    assert shown
    for text in (shown, caplog.text):
        assert SECRET not in text
        assert SESSION_KEY not in text


async def test_a_host_that_cannot_be_reached_is_not_sent() -> None:
    transport = Transport("http://nobody.invalid", connect_timeout=0.5)
    with pytest.raises(NotSent) as refusal:
        await MiniProgramLogin(transport).exchange(APPID, SECRET, CODE)
    assert refusal.value.call is not None
    await transport.aclose()
