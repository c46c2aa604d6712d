"""Logs: one JSON object a line, no secret in any of them (A02), nothing a terminal would obey (A05)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from spcore import logs
from spcore.redaction import mask_openid, redact, redact_text
from spcore.settings import Secret

Written = Callable[[], str]
Start = Callable[[str], Written]

OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
SIGN = "9A0A8659F005D6984697E2CA0A9CF3B7"
HMAC = "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6"


@pytest.fixture
def start(capsys: pytest.CaptureFixture[str]) -> Start:
    """Configure the logs as a process does when it starts, and give what it wrote since the last look."""

    def configure(level: str) -> Written:
        logs.configure(level)
        return lambda: capsys.readouterr().err

    return configure


def _lines(written: Written) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written().splitlines()]


def test_a_line_carries_time_level_event_and_the_requests_ids_first(start: Start) -> None:
    written = start("info")
    structlog.contextvars.bind_contextvars(request_id="req_1", tenant_id="ten_1")
    structlog.get_logger("x").info("order.placed", amount=100, order_id="ord_1")
    (line,) = _lines(written)
    assert list(line) == ["ts", "level", "event", "request_id", "tenant_id", "order_id", "amount"]
    assert (line["level"], line["event"], line["amount"]) == ("info", "order.placed", 100)
    assert line["ts"].endswith("Z")


def test_the_standard_librarys_messages_take_the_same_form(start: Start) -> None:
    written = start("info")
    logging.getLogger("granian").warning("worker %s gone", 3)
    (line,) = _lines(written)
    assert (line["event"], line["level"]) == ("worker 3 gone", "warning")


@pytest.mark.parametrize("level", ["debug", "info"])
def test_A02_what_libraries_tell_of_addresses_below_warning_is_not_written(start: Start, level: str) -> None:
    written = start(level)
    for name in ("httpx", "httpcore.connection", "sqlalchemy.engine.Engine"):
        logging.getLogger(name).info("GET https://api.weixin.qq.com/sns/jscode2session?secret=canary")
    assert written() == ""


def test_a_level_below_the_configured_one_is_not_written(start: Start) -> None:
    written = start("warning")
    structlog.get_logger("x").info("quiet")
    structlog.get_logger("x").warning("loud")
    assert [line["event"] for line in _lines(written)] == ["loud"]


CANARIES: list[dict[str, Any]] = [
    {"api_v2_key": "canary"},
    {"Authorization": "Bearer canary"},
    {"session_key": "canary"},
    {"sign": "canary"},
    {"paySign": "canary"},
    {"password": "canary"},
    {"token": "canary"},
    {"payload": {"deep": [{"app_secret": "canary"}]}},
    {"payload": ({"key": "canary"},)},
    {"body": b"canary"},
    {"text": "authorization: Bearer canary.canary"},
    {"text": "made wsk_live_canary1234 and whsec_canary+/= and wst_canary and wpk_test_canary"},
    {"url": "https://api.weixin.qq.com/sns/jscode2session?appid=wx1&secret=canary&js_code=canary2"},
    {"url": "postgresql+asyncpg://wxsp:canary@db/wxsp"},
    {"text": "{'session_key': 'canary', 'openid': 'x'}"},
    {"text": '{"api_v3_key":"canary"}'},
    {"text": "<xml><sign><![CDATA[canary]]></sign></xml>"},
    {"text": "-----BEGIN RSA PRIVATE KEY-----\ncanary\ncanary\n-----END RSA PRIVATE KEY-----"},
    {"text": "-----BEGIN PRIVATE KEY-----\ncanary cut off"},
    {"settings": Secret("canary")},
]


@pytest.mark.parametrize("fields", CANARIES, ids=lambda fields: next(iter(fields)))
def test_A02_no_secret_reaches_the_log(start: Start, fields: dict[str, Any]) -> None:
    written = start("info")
    structlog.get_logger("x").info("something", **fields)
    logging.getLogger("x").info("said %s", fields.get("text", ""), extra=fields)
    text = json.dumps(_lines(written))
    assert text.count("something") == 1
    assert "canary" not in text


def test_A02_an_exceptions_text_is_redacted_too(start: Start) -> None:
    written = start("info")
    try:
        raise ValueError("refused secret=canary for " + OPENID)
    except ValueError:
        structlog.get_logger("x").exception("failed")
        logging.getLogger("x").exception("failed")
    both = _lines(written)
    assert len(both) == 2
    for line in both:
        assert "ValueError: refused secret=" in line["exception"]
        assert "canary" not in line["exception"]
        assert OPENID not in line["exception"]


@pytest.mark.parametrize("digest", [SIGN, HMAC, HMAC.lower()])
def test_C6_a_signature_is_hidden_wherever_it_stands(start: Start, digest: str) -> None:
    written = start("info")
    structlog.get_logger("x").info("something", note=f"got {digest}.", many=[digest])
    assert digest not in json.dumps(_lines(written))


def test_A05_control_characters_in_peoples_data_stay_escaped(start: Start) -> None:
    written = start("info")
    structlog.get_logger("x").info("something", name='a\nb\r{"level":"x"}\x1b[31m\x9b31m\u202eevil\u2028')
    text = written()
    assert text.count("\n") == 1
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text)["name"].startswith("a\nb\r")


def test_D08_a_log_that_cannot_be_written_stops_nobody(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    start("info")

    class Full:
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(logging.getLogger().handlers[0], "stream", Full())
    structlog.get_logger("x").error("payment.applied", order_id="ord_1")


def test_ordinary_values_are_left_as_they_are() -> None:
    value = {
        "order_id": "ord_01JD3K8W7Q4M6X0B2T9V5H1CZN",
        "route_key": "r-1",
        "amount": 1280,
        "secret_version": 2,
        "fingerprint": "0a1b2c3d4e5f6071",
        "transaction_id": "4200001234202611211234567890",
        "name": "A&B 咖啡 key to success",
        "at": None,
    }
    assert redact(value) == value


def test_an_openid_is_masked_by_name_and_by_shape() -> None:
    assert mask_openid(OPENID) == "oUpF8****eS6o"
    assert mask_openid("short") == "****"
    assert redact({"sub_openid": "anything-goes"}) == {"sub_openid": "anyth****goes"}
    assert redact_text(f"payer {OPENID}!") == "payer oUpF8****eS6o!"


def test_redaction_does_not_change_what_it_was_given() -> None:
    given = {"list": [{"password": "canary"}]}
    redact(given)
    assert given == {"list": [{"password": "canary"}]}
