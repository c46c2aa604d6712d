"""What can go wrong around a v3 call: transport, errors, and answers signed wrongly (catalogue G, Z01)."""

from __future__ import annotations

import time

import httpx
import pytest
from tests.support.simulated import COFFEE, MCH_ID, Receiver
from tests.support.simulated_v3 import PARTNER, V3Desk, asking, native, prepay

from spsim.v3 import paths

JSAPI = paths.PREPAY["jsapi"]
BY_NUMBER = paths.BY_NUMBER


async def made(v3: V3Desk) -> bool:
    """Tell whether the call had its effect."""
    return bool((await v3.ledger())["orders"])


@pytest.mark.parametrize(
    "kind",
    [
        "wrong_answer_signature",
        "missing_answer_signature",
        "signature_probe",
        "unknown_serial",
        "stale_timestamp",
    ],
)
async def test_an_answer_that_must_not_be_believed_hides_an_order_that_was_made(
    v3: V3Desk, kind: str
) -> None:
    await v3.fault(JSAPI, kind)
    answer = await v3.send("POST", JSAPI, prepay())
    assert answer.status_code == 200
    assert not v3.verifies(answer)
    assert await made(v3)
    match kind:
        case "signature_probe":
            assert answer.headers["wechatpay-signature"].startswith("WECHATPAY/SIGNTEST/")
            assert len(answer.headers["wechatpay-signature"]) == 344
        case "unknown_serial":
            serial = answer.headers["wechatpay-serial"]
            assert len(serial) == 40
            assert serial not in v3.wechat
        case "stale_timestamp":
            assert int(answer.headers["wechatpay-timestamp"]) < time.time() - 590
        case "missing_answer_signature":
            assert not [name for name in answer.headers if name.startswith("wechatpay")]
        case _:
            assert len(answer.headers["wechatpay-signature"]) == 344
    assert v3.verifies(await v3.send("POST", JSAPI, prepay()))


async def test_a_stale_timestamp_is_as_old_as_asked_for_and_rightly_signed(v3: V3Desk) -> None:
    await v3.fault(JSAPI, "stale_timestamp", seconds=250)
    answer = await v3.send("POST", JSAPI, prepay())
    assert v3.verifies(answer)
    assert int(answer.headers["wechatpay-timestamp"]) < time.time() - 245


@pytest.mark.parametrize(
    ("kind", "params", "error", "effect"),
    [
        ("error_without_effect", {}, (500, "SYSTEM_ERROR"), False),
        ("error_with_effect", {}, (500, "SYSTEM_ERROR"), True),
        ("error_with_effect", {"err_code": "BANK_ERROR"}, (500, "BANK_ERROR"), True),
        ("error_without_effect", {"err_code": "RULE_LIMIT"}, (403, "RULE_LIMIT"), False),
        ("error_without_effect", {"err_code": "NEW_CODE"}, (400, "NEW_CODE"), False),
        ("error_without_effect", {"err_code": "X", "status": 503}, (503, "X"), False),
        ("http_429", {}, (429, "FREQUENCY_LIMITED"), False),
        ("http_429", {"with_effect": True}, (429, "FREQUENCY_LIMITED"), True),
        ("http_500", {}, (500, "SYSTEM_ERROR"), False),
        ("http_500", {"with_effect": True}, (500, "SYSTEM_ERROR"), True),
        ("frequency_limited", {}, (429, "FREQUENCY_LIMITED"), False),
    ],
)
async def test_errors_come_unsigned_with_or_without_the_effect(
    v3: V3Desk, kind: str, params: dict[str, object], error: tuple[int, str], effect: bool
) -> None:
    await v3.fault(JSAPI, kind, **params)
    assert (await v3.declined())[:2] == error
    assert await made(v3) == effect
    await v3.place()


@pytest.mark.parametrize(
    ("kind", "params", "effect"),
    [
        ("drop_before_effect", {}, False),
        ("drop_answer_after_effect", {}, True),
        ("stop", {}, False),
    ],
)
async def test_a_connection_can_be_cut(
    v3: V3Desk, kind: str, params: dict[str, object], effect: bool
) -> None:
    await v3.fault(JSAPI, kind, **params)
    with pytest.raises(httpx.RemoteProtocolError):
        await v3.send("POST", JSAPI, prepay())
    assert await made(v3) == effect


async def test_a_proxy_answers_instead_before_or_after_the_effect(v3: V3Desk) -> None:
    await v3.fault(JSAPI, "http_502_html")
    await v3.fault(JSAPI, "http_502_html", with_effect=True)
    await v3.fault(JSAPI, "redirect", location="https://elsewhere.invalid/v3")
    for status, effect in ((502, False), (502, True), (302, True)):
        answer = await v3.send("POST", JSAPI, prepay())
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html")
        assert await made(v3) == effect


async def test_empty_slow_and_endless_answers_keep_their_signature_headers(v3: V3Desk) -> None:
    await v3.fault(JSAPI, "empty_body")
    empty = await v3.send("POST", JSAPI, prepay())
    assert (empty.status_code, empty.content, v3.verifies(empty)) == (200, b"", False)
    await v3.fault(JSAPI, "slow_drip", interval_ms=2)
    assert v3.verifies(await v3.send("POST", JSAPI, prepay()))
    await v3.fault(JSAPI, "oversized_body", bytes=3_000_000)
    huge = await v3.send("POST", JSAPI, prepay())
    assert len(huge.content) > 3_000_000
    assert huge.json().keys() == {"prepay_id"}
    assert "wechatpay-signature" in huge.headers
    await v3.fault(JSAPI, "delay", ms=150, when="before")
    started = time.monotonic()
    assert v3.verifies(await v3.send("POST", JSAPI, prepay()))
    assert time.monotonic() - started >= 0.15


async def test_a_fault_is_of_the_template_whatever_the_number(v3: V3Desk) -> None:
    await v3.place()
    await v3.place("native", native("T000002"))
    await v3.fault(BY_NUMBER, "http_500")
    assert (await v3.fails("GET", asking("T000002")))[0] == 500
    assert (await v3.query("T000002"))["trade_state"] == "NOTPAY"
    await v3.fault(paths.CLOSE, "drop_answer_after_effect")
    body = {"sp_mchid": MCH_ID, "sub_mchid": COFFEE}
    with pytest.raises(httpx.RemoteProtocolError):
        await v3.send("POST", f"{PARTNER}/out-trade-no/T000002/close", body)
    assert (await v3.query("T000002"))["trade_state"] == "CLOSED"


async def test_G05_an_answer_about_another_order_is_rightly_signed(v3: V3Desk) -> None:
    await v3.place()
    await v3.place("native", native("T000002"))
    await v3.fault(BY_NUMBER, "echo_other_order")
    told = await v3.query("T000002")
    assert (told["out_trade_no"], told["sub_mchid"]) != ("T000002", COFFEE)
    assert told["out_trade_no"] == "T0007-20261121_000001"


async def test_Z01_the_notification_can_come_before_the_answer(v3: V3Desk, receiver: Receiver) -> None:
    await v3.fault(JSAPI, "pay_before_answer")
    body = prepay("T000001", notify_url=receiver.url)
    assert (await v3.ask("POST", JSAPI, body))["prepay_id"]
    assert len(receiver.bodies) == 1
    assert (await v3.query("T000001"))["trade_state"] == "SUCCESS"


async def test_a_204_can_be_spoiled_too(v3: V3Desk) -> None:
    await v3.place()
    await v3.fault(paths.CLOSE, "wrong_answer_signature")
    body = {"sp_mchid": MCH_ID, "sub_mchid": COFFEE}
    answer = await v3.send("POST", f"{PARTNER}/out-trade-no/T0007-20261121_000001/close", body)
    assert (answer.status_code, answer.content, v3.verifies(answer)) == (204, b"", False)
    again = await v3.send("POST", f"{PARTNER}/out-trade-no/T0007-20261121_000001/close", body)
    assert (again.status_code, again.content, v3.verifies(again)) == (204, b"", True)
    await v3.fault(paths.CLOSE, "oversized_body", bytes=100_000)
    huge = await v3.send("POST", f"{PARTNER}/out-trade-no/T0007-20261121_000001/close", body)
    assert (huge.status_code, len(huge.content) >= 100_000) == (200, True)
