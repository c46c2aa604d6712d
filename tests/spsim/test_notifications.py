"""Payment notifications: content, schedule, faults (wechatpay-v2 5.1, 5.2; catalogue N, B, Z)."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest
from tests.support.simulated import (
    BAKERY,
    COFFEE_APP,
    FAIL,
    KEY,
    OTHER_KEY,
    PAYER,
    SUCCESS,
    Desk,
    Receiver,
    asking,
    merchant_order,
    order,
    signature,
)

from spsim.clock import RETRY_GAPS_S


async def pay(desk: Desk, receiver: Receiver, number: str = "T000001", **changes: str) -> dict[str, Any]:
    await desk.create(order(number, notify_url=receiver.url, **changes))
    return dict(await desk.control("pay", out_trade_no=number))


def verifies(message: dict[str, str], key: str = KEY, sign_type: str = "MD5") -> bool:
    return message.get("sign") == signature(message, key, sign_type)


async def test_a_payment_is_notified_at_once_and_completely(desk: Desk, receiver: Receiver) -> None:
    """The fields are those of vector T6."""
    paid = await pay(desk, receiver)
    attempts = await desk.attempts(1)
    (message,) = receiver.messages
    assert verifies(message)
    expected = {
        "return_code": "SUCCESS",
        "return_msg": "OK",
        "appid": "wx8888888888888888",
        "mch_id": "1900000109",
        "sub_appid": "wx3f8c21d0b7e6a91c",
        "sub_mch_id": "1600000021",
        "result_code": "SUCCESS",
        "is_subscribe": "N",
        "sub_openid": PAYER,
        "sub_is_subscribe": "N",
        "trade_type": "JSAPI",
        "bank_type": "OTHERS",
        "total_fee": "1280",
        "fee_type": "CNY",
        "cash_fee": "1280",
        "transaction_id": paid["transaction_id"],
        "out_trade_no": "T000001",
        "attach": "t=7&p=01",
        "time_end": paid["time_end"],
    }
    assert {name: value for name, value in message.items() if name in expected} == expected
    assert message.keys() - expected.keys() == {"openid", "nonce_str", "sign"}
    assert attempts[0]["ok"]
    assert (attempts[0]["http_status"], attempts[0]["answer"]) == (200, SUCCESS)
    assert receiver.headers[0]["content-type"] == "text/xml"
    assert (await desk.ledger())["notifications"][0]["state"] == "delivered"


async def test_a_query_agrees_with_the_notification(desk: Desk, receiver: Receiver) -> None:
    await pay(desk, receiver)
    await desk.attempts(1)
    queried = await desk.call("/pay/orderquery", asking("T000001", sub_appid=COFFEE_APP))
    told = receiver.messages[0]
    for name in told.keys() - {"nonce_str", "sign"}:
        assert queried[name] == told[name]


async def test_notifications_are_signed_with_the_orders_type(desk: Desk, receiver: Receiver) -> None:
    await pay(desk, receiver, sign_type="HMAC-SHA256")
    await desk.attempts(1)
    assert verifies(receiver.messages[0], sign_type="HMAC-SHA256")


async def test_a_plain_merchant_is_notified_without_sub_fields(desk: Desk, receiver: Receiver) -> None:
    await desk.create(merchant_order(notify_url=receiver.url), OTHER_KEY)
    await desk.control("pay", out_trade_no="M0000001")
    await desk.attempts(1)
    (message,) = receiver.messages
    assert verifies(message, OTHER_KEY)
    assert message["openid"] == "oMerchantUser_1"
    assert not [name for name in message if name.startswith("sub_")]


@pytest.mark.parametrize(
    ("status", "answer"),
    [(200, FAIL), (500, SUCCESS), (302, SUCCESS), (200, "SUCCESS"), (200, ""), (200, "<xml><a/></xml>")],
)
async def test_only_200_with_success_counts_as_received(
    desk: Desk, receiver: Receiver, status: int, answer: str
) -> None:
    receiver.answers = lambda number: (status, answer, 0) if number == 1 else (200, SUCCESS, 0)
    await pay(desk, receiver)
    first = (await desk.attempts(1))[0]
    assert (first["ok"], first["http_status"], first["answer"]) == (False, status, answer)
    assert len(receiver.bodies) == 1, "a redirect is not followed, a refusal not repeated at once"
    await desk.control("clock", advance_s=14)
    await asyncio.sleep(0.05)
    assert len(receiver.bodies) == 1
    await desk.control("clock", advance_s=1)
    assert (await desk.attempts(2))[1]["ok"]


async def test_an_unreachable_url_is_recorded_and_tried_again(desk: Desk) -> None:
    await desk.create(order("T000001"))
    await desk.control("clock", retry_gaps_s=[0.01])
    await desk.control("pay", out_trade_no="T000001")
    attempts = await desk.attempts(2)
    assert [(a["http_status"], a["answer"], a["error"]) for a in attempts] == [
        (None, None, "ConnectError")
    ] * 2
    assert (await desk.ledger())["notifications"][0]["state"] == "exhausted"


async def test_an_endless_no_is_told_sixteen_times_on_the_official_schedule(
    desk: Desk, receiver: Receiver
) -> None:
    receiver.answers = lambda _number: (200, FAIL, 0)
    await pay(desk, receiver)
    for sent, gap in enumerate(RETRY_GAPS_S, start=1):
        assert len(await desk.attempts(sent)) == sent
        await desk.control("clock", advance_s=gap)
    assert len(await desk.attempts(16)) == 16
    await desk.control("clock", advance_s=86_400)
    assert (await desk.ledger())["notifications"][0]["state"] == "exhausted"
    assert len(receiver.bodies) == 16
    assert sum(RETRY_GAPS_S) == 86_640


async def test_the_schedule_can_be_compressed(desk: Desk, receiver: Receiver) -> None:
    receiver.answers = lambda number: (200, SUCCESS if number == 4 else FAIL, 0)
    clock = await desk.control("clock", compress=1000)
    assert clock["retry_gaps_s"][:4] == [0.015, 0.015, 0.03, 0.18]
    await pay(desk, receiver)
    assert [attempt["ok"] for attempt in await desk.attempts(4)] == [False, False, False, True]


async def test_Z02_a_duplicate_goes_out_at_the_same_time(desk: Desk, receiver: Receiver) -> None:
    receiver.answers = lambda _number: (200, SUCCESS, 0.2)
    await desk.fault("notify", "duplicate", n=5)
    await pay(desk, receiver)
    await desk.attempts(5)
    assert receiver.together == 5
    assert len(set(receiver.bodies)) == 1


async def test_a_lost_notification_comes_with_the_schedule(desk: Desk, receiver: Receiver) -> None:
    await desk.fault("notify", "lose", times=2)
    await desk.control("clock", retry_gaps_s=[0.01, 0.01, 0.01])
    await pay(desk, receiver)
    attempts = await desk.attempts(3)
    assert [attempt["error"] for attempt in attempts] == ["lost by a fault", "lost by a fault", None]
    assert len(receiver.bodies) == 1


async def test_a_later_payment_can_be_notified_first(desk: Desk, receiver: Receiver) -> None:
    await desk.fault("notify", "reorder")
    await pay(desk, receiver, "T000001")
    await pay(desk, receiver, "T000002")
    await desk.attempts(2)
    assert [message["out_trade_no"] for message in receiver.messages] == ["T000002", "T000001"]


async def test_a_held_back_notification_goes_out_alone_in_the_end(desk: Desk, receiver: Receiver) -> None:
    await desk.fault("notify", "reorder", max_wait_ms=20)
    await pay(desk, receiver)
    assert (await desk.attempts(1))[0]["ok"]


async def test_notifications_can_be_stopped_until_further_notice(desk: Desk, receiver: Receiver) -> None:
    await desk.fault("notify", "stop")
    await pay(desk, receiver)
    await desk.control("clock", advance_s=3600)
    await asyncio.sleep(0.1)
    assert receiver.bodies == []
    await desk.http.delete("/_sim/faults")
    assert (await desk.attempts(1))[0]["ok"]


async def test_a_notification_can_be_delayed(desk: Desk, receiver: Receiver) -> None:
    await desk.fault("notify", "delay", ms=100)
    await pay(desk, receiver)
    attempt = (await desk.attempts(1))[0]
    paid = (await desk.ledger())["payments"][0]
    waited = datetime.fromisoformat(attempt["at"]) - datetime.fromisoformat(paid["paid_at"])
    assert attempt["ok"]
    assert waited.total_seconds() >= 0.1


@pytest.mark.parametrize("kind", ["wrong_signature", "missing_signature"])
async def test_N01_N02_a_spoiled_signature_does_not_verify(desk: Desk, receiver: Receiver, kind: str) -> None:
    await desk.fault("notify", kind)
    await pay(desk, receiver)
    await desk.attempts(1)
    assert not verifies(receiver.messages[0])
    assert ("sign" in receiver.messages[0]) == (kind == "wrong_signature")


@pytest.mark.parametrize(
    ("kind", "params", "changed"),
    [
        ("wrong_amount", {}, {"total_fee": "1281", "cash_fee": "1281"}),
        ("wrong_amount", {"total_fee": 1}, {"total_fee": "1", "cash_fee": "1"}),
        ("other_tenant", {}, {"sub_mch_id": BAKERY}),
        ("other_tenant", {"sub_mch_id": "1600000099"}, {"sub_mch_id": "1600000099"}),
        ("extra_field", {"name": "promotion", "value": "a&b"}, {"promotion": "a&b"}),
        ("empty_field", {"name": "device_info"}, {"device_info": ""}),
        (
            "set_fields",
            {"fields": {"trade_type": "NATIVE", "attach": ""}},
            {"trade_type": "NATIVE", "attach": ""},
        ),
    ],
)
async def test_B01_B02_B03_B07_spoiled_content_is_rightly_signed(
    desk: Desk, receiver: Receiver, kind: str, params: dict[str, Any], changed: dict[str, str]
) -> None:
    await desk.fault("notify", kind, **params)
    paid = await pay(desk, receiver)
    await desk.attempts(1)
    (message,) = receiver.messages
    assert verifies(message)
    assert {name: message[name] for name in changed} == changed
    assert message["transaction_id"] == paid["transaction_id"]
    assert (await desk.ledger())["payments"][0]["total_fee"] == 1280


async def test_N17_a_notification_can_be_sent_again_elsewhere_and_changed(
    desk: Desk, receiver: Receiver
) -> None:
    await pay(desk, receiver)
    await desk.attempts(1)
    async with Receiver().listening() as other:
        sent = await desk.control("notify/T000001", url=other.url, copies=3, fields={"attach": "x"})
    assert [attempt["ok"] for attempt in sent["attempts"]] == [True] * 3
    assert {message["attach"] for message in other.messages} == {"x"}
    assert verifies(other.messages[0])
    again = await desk.http.post("/_sim/notify/T000001")
    assert again.json()["attempts"][0]["ok"]
    assert len(receiver.bodies) == 2


async def test_notifying_again_is_refused_when_there_is_nothing_to_notify(desk: Desk) -> None:
    assert await desk.refused("notify/T000001") == (404, "ORDERNOTEXIST")
    await desk.create(order("T000001"))
    assert await desk.refused("notify/T000001") == (409, "NOTPAY")
    assert await desk.refused("notify/T000001", copies=0) == (400, "BAD_REQUEST")
    assert await desk.refused("notify/T000001", url="/relative") == (400, "BAD_REQUEST")
    await desk.create(merchant_order("T000001"), OTHER_KEY)
    assert await desk.refused("notify/T000001") == (409, "AMBIGUOUS")
    assert await desk.refused("pay", out_trade_no="T000001") == (409, "AMBIGUOUS")
    await desk.control("pay", out_trade_no="T000001", mch_id="1900000109")


async def test_an_answer_after_five_seconds_is_none(
    desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spsim.notifier.ANSWER_WITHIN_S", 0.05)
    receiver.answers = lambda _number: (200, SUCCESS, 0.3)
    await pay(desk, receiver)
    attempt = (await desk.attempts(1))[0]
    assert (attempt["ok"], attempt["error"]) == (False, "no answer within 0.05 s")
