"""Faults of the gateway's own answers (wechatpay-v2 11.4; catalogue G, Z01)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest
from tests.support.simulated import BAKERY, Desk, Receiver, asking, order, read, signature, xml

CREATE = "/pay/unifiedorder"
QUERY = "/pay/orderquery"


def body(params: dict[str, str]) -> bytes:
    return xml(params | {"sign": signature(params)})


async def orders(desk: Desk) -> int:
    return len((await desk.ledger())["orders"])


@pytest.mark.parametrize(
    ("kind", "effect"), [("drop_answer_after_effect", 1), ("drop_before_effect", 0), ("stop", 0)]
)
async def test_G02_the_connection_is_cut_without_an_answer(desk: Desk, kind: str, effect: int) -> None:
    await desk.fault(CREATE, kind)
    with pytest.raises(httpx.RemoteProtocolError):
        await desk.http.post(CREATE, content=body(order()))
    assert await orders(desk) == effect


async def test_stop_holds_until_cleared_and_the_others_are_used_up(desk: Desk) -> None:
    await desk.fault(CREATE, "stop")
    for _ in range(3):
        with pytest.raises(httpx.RemoteProtocolError):
            await desk.http.post(CREATE, content=body(order()))
    await desk.http.delete("/_sim/faults")
    await desk.fault(CREATE, "empty_body", times=2)
    assert [(await desk.http.post(CREATE, content=body(order()))).content for _ in range(2)] == [b"", b""]
    await desk.create()


@pytest.mark.parametrize(
    ("kind", "params", "code", "effect"),
    [
        ("error_without_effect", {}, "SYSTEMERROR", 0),
        ("error_with_effect", {}, "SYSTEMERROR", 1),
        ("frequency_limited", {}, "FREQUENCY_LIMITED", 0),
        ("error_without_effect", {"err_code": "NOAUTH"}, "NOAUTH", 0),
    ],
)
async def test_G03_G04_errors_with_and_without_effect_are_signed(
    desk: Desk, kind: str, params: dict[str, str], code: str, effect: int
) -> None:
    await desk.fault(CREATE, kind, **params)
    answer = await desk.call(CREATE, order())
    assert (answer["result_code"], answer["err_code"]) == ("FAIL", code)
    assert await orders(desk) == effect
    await desk.create()


@pytest.mark.parametrize("kind", ["wrong_answer_signature", "missing_answer_signature"])
async def test_G05_the_answers_signature_is_spoiled(desk: Desk, kind: str) -> None:
    await desk.fault(CREATE, kind)
    answer = await desk.raw(CREATE, body(order()))
    assert answer["result_code"] == "SUCCESS"
    assert answer.get("sign") != signature(answer)
    assert ("sign" in answer) == (kind == "wrong_answer_signature")
    assert await orders(desk) == 1


async def test_G13_the_answer_of_another_order_is_rightly_signed(desk: Desk) -> None:
    await desk.create(order("T000001"))
    await desk.create(order("T000002"))
    await desk.fault(QUERY, "echo_other_order")
    answer = await desk.call(QUERY, asking("T000001"))
    assert (answer["sub_mch_id"], answer["out_trade_no"]) == (BAKERY, "T000002")
    await desk.fault(CREATE, "echo_other_order")
    assert (await desk.create(order("T000003")))["sub_mch_id"] == BAKERY


@pytest.mark.parametrize(("params", "effect"), [({}, 0), ({"with_effect": True}, 1)])
async def test_G08_an_html_page_instead_of_an_answer(desk: Desk, params: dict[str, Any], effect: int) -> None:
    await desk.fault(CREATE, "http_502_html", **params)
    response = await desk.http.post(CREATE, content=body(order()))
    assert (response.status_code, response.headers["content-type"]) == (502, "text/html")
    assert b"<html>" in response.content
    assert await orders(desk) == effect


async def test_G08_a_redirect_instead_of_an_answer(desk: Desk) -> None:
    await desk.fault(CREATE, "redirect", location="http://127.0.0.1:9/trap")
    response = await desk.http.post(CREATE, content=body(order()))
    assert (response.status_code, response.headers["location"]) == (302, "http://127.0.0.1:9/trap")
    assert await orders(desk) == 0


async def test_G08_an_oversized_answer(desk: Desk) -> None:
    await desk.fault(CREATE, "oversized_body", bytes=3_000_000)
    response = await desk.http.post(CREATE, content=body(order()))
    assert len(response.content) >= 3_000_000
    assert read(response.content)["return_code"] == "SUCCESS"


async def test_G06_an_answer_that_drips(desk: Desk) -> None:
    await desk.fault(CREATE, "slow_drip", interval_ms=40)
    async with desk.http.stream("POST", CREATE, content=body(order())) as response:
        started = time.monotonic()
        received = 0
        async for chunk in response.aiter_raw():
            received += len(chunk)
            if received >= 5:
                break
    assert time.monotonic() - started > 0.1
    assert await orders(desk) == 1


@pytest.mark.parametrize(("when", "effect"), [("before", 0), ("after", 1)])
async def test_a_slow_call_takes_effect_before_or_after_its_delay(desk: Desk, when: str, effect: int) -> None:
    await desk.fault(CREATE, "delay", ms=400, when=when)
    call = asyncio.create_task(desk.call(CREATE, order()))
    await desk.faults_used()
    assert await orders(desk) == effect
    assert not call.done()
    assert (await call)["result_code"] == "SUCCESS"
    assert await orders(desk) == 1


async def test_Z01_the_notification_arrives_before_the_orders_own_answer(
    desk: Desk, receiver: Receiver
) -> None:
    await desk.fault(CREATE, "pay_before_answer", ms=200)
    call = asyncio.create_task(desk.create(order(notify_url=receiver.url)))
    await desk.attempts(1)
    assert receiver.messages[0]["result_code"] == "SUCCESS"
    assert not call.done()
    answer = await call
    assert answer["prepay_id"].startswith("wx")
    assert (await desk.call(QUERY, asking()))["trade_state"] == "SUCCESS"


@pytest.mark.parametrize("path", ["/pay/orderquery", "/pay/closeorder", "/sns/jscode2session"])
async def test_every_path_can_be_cut(desk: Desk, path: str) -> None:
    await desk.fault(path, "drop_before_effect")
    with pytest.raises(httpx.RemoteProtocolError):
        await desk.http.request("GET" if path.startswith("/sns") else "POST", path)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"path": "/pay/refund", "kind": "delay"},
        {"path": "notify", "kind": "spliced"},
        {"path": "/pay/micropay", "kind": "recall"},
        {"path": "notify", "kind": "slow_drip"},
        {"path": CREATE, "kind": "delay", "seconds": 3},
        {"path": CREATE, "kind": "delay", "ms": "3"},
        {"path": CREATE, "kind": "stop", "times": 0},
        {"path": CREATE, "kind": "stop", "times": True},
        {"path": ["notify"], "kind": "lose"},
        {"path": "notify", "kind": {}},
    ],
)
async def test_a_fault_that_does_not_exist_is_refused(refusing: Desk, document: dict[str, Any]) -> None:
    response = await refusing.http.post("/_sim/faults", json=document)
    assert (response.status_code, response.json()["error"]) == (400, "BAD_FAULT")
    assert (await refusing.http.get("/_sim/faults")).json() == {"faults": []}


async def test_faults_are_listed_with_what_is_left_of_them(desk: Desk) -> None:
    await desk.fault(QUERY, "delay", times=2, ms=0)
    await desk.fault("notify", "stop")
    await desk.call(QUERY, asking())
    listed = (await desk.http.get("/_sim/faults")).json()["faults"]
    assert [(entry["kind"], entry["times"]) for entry in listed] == [("delay", 1), ("stop", None)]
