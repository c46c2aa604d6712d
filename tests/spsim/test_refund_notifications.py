"""Refund notifications: content, encryption, schedule, faults (wechatpay-v2 5.3; catalogue N11, Z11)."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from tests.support.simulated import (
    APPID,
    BAKERY,
    BAKERY_APP,
    COFFEE,
    COFFEE_APP,
    FAIL,
    KEY,
    MCH_ID,
    OTHER_KEY,
    SUCCESS,
    Desk,
    Receiver,
    asking,
    order,
)
from tests.support.simulated_money import REFUND, REFUNDQUERY, refunding
from wechatpy.pay import WeChatPay

from spsim.refund_messages import seal

_AES_VECTOR = (
    "wIdxTGL9MhmegpI/paMAWU1na7+RkxlGpSD6//FEW1Dgb/7ZBParnhvpSNl49jPiTiaSFPNTKiDxtg3aYmcPfbwSXrwRo5zkMQNOEx"
    "+nuRvlAy0V60YQTxsYC36UCp1RuszHQqbUyhlzUgqTppopNw=="
)


def opened(body: bytes, key: str = KEY) -> Any:
    """Open a notification with wechatpy."""
    return WeChatPay(APPID, key, MCH_ID).parse_refund_notify_result(body)


async def refunded(
    secure: Desk, receiver: Receiver, number: str = "R000001", amount: int = 500, **changes: str
) -> dict[str, str]:
    """Pay an order of the number once, and refund some of it; the receiver is told."""
    if not (await secure.ledger(out_trade_no="T000001"))["orders"]:
        await secure.create(order("T000001"))
        await secure.fault("notify", "stop")
        await secure.control("pay", out_trade_no="T000001")
    params = refunding(number, amount=amount, **({"notify_url": receiver.url} | changes))
    answer = await secure.call(REFUND, params)
    assert answer.get("result_code") == "SUCCESS", answer
    return answer


async def told(desk: Desk, count: int) -> list[Any]:
    """Wait for that many attempts to notify of refunds."""
    async with asyncio.timeout(10):
        while True:
            entries = (await desk.ledger())["notifications"]
            found = [sent for entry in entries if entry["kind"] == "refund" for sent in entry["attempts"]]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.01)


def test_R1_a_message_is_encrypted_as_the_vector_says() -> None:
    plain = (
        b"<root><out_refund_no><![CDATA[R1]]></out_refund_no>"
        b"<refund_status><![CDATA[SUCCESS]]></refund_status></root>"
    )
    assert base64.b64encode(seal(plain, KEY)).decode() == _AES_VECTOR


async def test_a_refund_is_notified_completely_when_it_ends(secure: Desk, receiver: Receiver) -> None:
    """The fields are those of vector R1."""
    answer = await refunded(secure, receiver)
    attempts = await told(secure, 1)
    (outer,) = receiver.messages
    known = {"return_code": "SUCCESS", "appid": APPID, "mch_id": MCH_ID, "sub_mch_id": COFFEE}
    known["sub_appid"] = COFFEE_APP
    assert {name: outer[name] for name in known} == known
    assert outer.keys() - known.keys() == {"nonce_str", "req_info"}
    inner = opened(receiver.bodies[0])
    expected = {
        "transaction_id": answer["transaction_id"],
        "out_trade_no": "T000001",
        "refund_id": answer["refund_id"],
        "out_refund_no": "R000001",
        "total_fee": 1280,
        "settlement_total_fee": 1280,
        "refund_fee": 500,
        "settlement_refund_fee": 500,
        "refund_status": "SUCCESS",
        "refund_recv_accout": "支付用户零钱",
        "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS",
        "refund_request_source": "API",
    }
    assert {name: inner[name] for name in expected} == expected
    queried = await secure.call(REFUNDQUERY, asking("", out_refund_no="R000001"))
    assert inner["success_time"] == queried["refund_success_time_0"]
    assert (attempts[0]["ok"], attempts[0]["answer"]) == (True, SUCCESS)


async def test_every_end_of_a_refund_is_notified(secure: Desk, receiver: Receiver) -> None:
    await secure.control("settlement", auto=False)
    await refunded(secure, receiver)
    await secure.control("refunds/R000001", status="CHANGE")
    await told(secure, 1)
    await secure.control("refunds/R000001", status="REFUNDCLOSE")
    await told(secure, 2)
    messages = [opened(body) for body in receiver.bodies]
    assert [message["refund_status"] for message in messages] == ["CHANGE", "REFUNDCLOSE"]
    assert not any("success_time" in message for message in messages)
    entries = [entry for entry in (await secure.ledger())["notifications"] if entry["kind"] == "refund"]
    assert [entry["refund_status"] for entry in entries] == ["CHANGE", "REFUNDCLOSE"]
    assert len({entry["refund_id"] for entry in entries}) == 1


async def test_a_refund_without_an_address_is_not_notified(secure: Desk, receiver: Receiver) -> None:
    await refunded(secure, receiver, notify_url="")
    await secure.control("clock", advance_s=1)
    kinds = [entry["kind"] for entry in (await secure.ledger())["notifications"]]
    assert kinds == ["payment"]


async def test_refund_notifications_follow_the_schedule(secure: Desk, receiver: Receiver) -> None:
    receiver.answers = lambda number: (200, SUCCESS if number == 3 else FAIL, 0)
    await secure.control("clock", retry_gaps_s=[0.01, 0.01, 0.01])
    await refunded(secure, receiver)
    assert [attempt["ok"] for attempt in await told(secure, 3)] == [False, False, True]


async def test_F10_a_refund_in_the_console_is_told_where_the_last_one_was(
    secure: Desk, receiver: Receiver
) -> None:
    await refunded(secure, receiver)
    await told(secure, 1)
    await secure.create(order("B00001", sub_mch_id=BAKERY, sub_appid=BAKERY_APP, sub_openid="oBaker"))
    await secure.control("pay", out_trade_no="B00001")
    other = await secure.control("refunds", out_trade_no="B00001", amount=1)
    assert other["notify_url"] is None, "another sub-merchant has another address"
    made = await secure.control("refunds", out_trade_no="T000001", amount=7)
    assert made["notify_url"] == receiver.url
    await told(secure, 2)
    inner = opened(receiver.bodies[1])
    assert (inner["refund_request_source"], inner["refund_fee"]) == ("VENDOR_PLATFORM", 7)
    assert inner["out_refund_no"] == made["out_refund_no"]


async def test_Z11_a_refund_can_be_notified_before_its_own_answer(secure: Desk, receiver: Receiver) -> None:
    await secure.create(order("T000001"))
    await secure.control("pay", out_trade_no="T000001")
    await secure.fault(REFUND, "settle_before_answer", ms=200)
    call = asyncio.create_task(refunded(secure, receiver))
    await told(secure, 1)
    assert opened(receiver.bodies[0])["refund_status"] == "SUCCESS"
    assert not call.done()
    assert (await call)["out_refund_no"] == "R000001"


async def test_N11_a_message_spliced_of_two_opens_and_lies(secure: Desk, receiver: Receiver) -> None:
    await refunded(secure, receiver, "R000001", amount=100)
    await told(secure, 1)
    await secure.fault("notify_refund", "spliced")
    await refunded(secure, receiver, "R000002", amount=900)
    await told(secure, 2)
    genuine, spliced = (opened(body) for body in receiver.bodies)
    assert spliced["out_refund_no"] == "R000002"
    assert spliced["settlement_refund_fee"] == genuine["settlement_refund_fee"] == 100
    asked = asking("", out_refund_no="R000002")
    assert (await secure.call(REFUNDQUERY, asked))["refund_fee_0"] == "900"


async def test_a_splice_needs_another_refund(secure: Desk, receiver: Receiver) -> None:
    await secure.fault("notify_refund", "spliced")
    await refunded(secure, receiver)
    await told(secure, 1)
    assert opened(receiver.bodies[0])["refund_fee"] == 500


@pytest.mark.parametrize(
    ("kind", "params", "changed"),
    [
        ("wrong_amount", {}, {"refund_fee": 501, "settlement_refund_fee": 501}),
        ("wrong_amount", {"refund_fee": 1}, {"refund_fee": 1}),
        ("extra_field", {"name": "cash_refund_fee", "value": "500"}, {"cash_refund_fee": "500"}),
        ("empty_field", {"name": "success_time"}, {"success_time": None}),
        ("set_fields", {"fields": {"refund_status": "CHANGE"}}, {"refund_status": "CHANGE"}),
    ],
)
async def test_spoiled_content_is_rightly_encrypted(
    secure: Desk, receiver: Receiver, kind: str, params: dict[str, Any], changed: dict[str, Any]
) -> None:
    await secure.fault("notify_refund", kind, **params)
    await refunded(secure, receiver)
    await told(secure, 1)
    inner = opened(receiver.bodies[0])
    assert {name: inner[name] for name in changed} == changed
    assert inner["out_refund_no"] == "R000001"
    assert (await secure.ledger())["refunds"][0]["amount"] == 500


async def test_another_key_does_not_open_the_message(secure: Desk, receiver: Receiver) -> None:
    await secure.fault("notify_refund", "wrong_signature")
    await refunded(secure, receiver)
    await told(secure, 1)
    for key in (KEY, OTHER_KEY):
        with pytest.raises(Exception, match=r"padding|invalid|codec|not well-formed|syntax"):
            opened(receiver.bodies[0], key)


async def test_a_message_may_lack_its_content_or_name_another_tenant(
    secure: Desk, receiver: Receiver
) -> None:
    await secure.fault("notify_refund", "missing_signature")
    await secure.fault("notify_refund", "other_tenant")
    await refunded(secure, receiver, "R000001", amount=1)
    await told(secure, 1)
    await refunded(secure, receiver, "R000002", amount=1)
    await told(secure, 2)
    assert "req_info" not in receiver.messages[0]
    assert receiver.messages[1]["sub_mch_id"] == BAKERY
    assert opened(receiver.bodies[1])["out_refund_no"] == "R000002"


async def test_refund_notifications_are_lost_doubled_and_stopped_apart_from_payments(
    secure: Desk, receiver: Receiver
) -> None:
    await secure.control("clock", retry_gaps_s=[0.01, 0.01])
    await secure.fault("notify_refund", "lose")
    await secure.fault("notify_refund", "duplicate", n=3)
    await secure.fault("notify_refund", "stop")
    await refunded(secure, receiver, "R000001", amount=1)
    sent = await told(secure, 4)
    assert [attempt["error"] for attempt in sent] == ["lost by a fault", None, None, None]
    await refunded(secure, receiver, "R000002", amount=1)
    await secure.control("clock", advance_s=1)
    await asyncio.sleep(0.1)
    assert len(receiver.bodies) == 3
    await secure.http.delete("/_sim/faults")
    await told(secure, 5)


async def test_a_refund_can_be_notified_before_its_payment(secure: Desk, receiver: Receiver) -> None:
    await secure.fault("notify", "reorder")
    await secure.create(order("T000001", notify_url=receiver.url))
    await secure.control("pay", out_trade_no="T000001")
    await refunded(secure, receiver)
    await secure.attempts(2)
    assert ["req_info" in message for message in receiver.messages] == [True, False]


async def test_a_refund_notification_can_be_sent_again_elsewhere_and_changed(
    secure: Desk, receiver: Receiver
) -> None:
    await refunded(secure, receiver)
    await told(secure, 1)
    async with Receiver().listening() as other:
        sent = await secure.control(
            "notify/T000001",
            out_refund_no="R000001",
            url=other.url,
            copies=2,
            fields={"refund_status": "CHANGE"},
        )
    assert [attempt["ok"] for attempt in sent["attempts"]] == [True, True]
    assert opened(other.bodies[0])["refund_status"] == "CHANGE"
    await secure.control("notify/T000001", out_refund_no="R000001")
    assert len(receiver.bodies) == 2
    missing = await secure.refused("notify/T000001", out_refund_no="R000009")
    assert missing == (404, "REFUNDNOTEXIST")
    await refunded(secure, receiver, "R000002", amount=1, notify_url="")
    assert await secure.refused("notify/T000001", out_refund_no="R000002") == (409, "NOTPAY")
