"""Notifications by API v3: content, envelope, signature, schedule, keys (wechatpay-v3 3; catalogue K)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from tests.support.independent_v3 import private_pem
from tests.support.simulated import (
    APPID,
    COFFEE,
    COFFEE_APP,
    KEY,
    MCH_ID,
    MERCHANT,
    OTHER_KEY,
    PAYER,
    SUCCESS,
    Desk,
    Receiver,
    order,
    signature,
)
from tests.support.simulated_money import REFUND as V2_REFUND
from tests.support.simulated_money import Certificate, tls_desk_at
from tests.support.simulated_money import refunding as v2_refunding
from tests.support.simulated_refunds_v3 import (
    NUMBER,
    asking_refund,
    attempts_of,
    envelope,
    hold,
    inside,
    pay,
    refund,
    verified,
)
from tests.support.simulated_v3 import (
    OTHER_V3_KEY,
    V3_KEY,
    Identity,
    V3Desk,
    direct,
    document,
    native,
)
from wechatpy.pay import WeChatPay

from spsim.clock import RETRY_GAPS_S

ECHO = "/v3/security/echo"
CERTIFIED = {"verification": "certificate"}


@pytest.fixture(autouse=True)
def contented(receiver: Receiver) -> None:
    """By v3 an empty 200 is enough."""
    receiver.answers = lambda _number: (200, "", 0)


def refusing_first(receiver: Receiver, count: int) -> None:
    receiver.answers = lambda number: (500 if number <= count else 204, "", 0)


async def register(desk: Desk, own: dict[str, Identity], **changes: Any) -> None:
    await desk.control("providers", **document(own, **changes))


async def test_a_payment_is_notified_at_once_and_completely(v3: V3Desk, receiver: Receiver) -> None:
    """Envelope and content are those of vector H."""
    paid = await pay(v3, notify_url=receiver.url)
    (attempt,) = await v3.attempts(1)
    assert verified(v3, receiver)
    told = envelope(receiver)
    assert list(told) == ["id", "create_time", "resource_type", "event_type", "summary", "resource"]
    assert (told["event_type"], told["resource_type"]) == ("TRANSACTION.SUCCESS", "encrypt-resource")
    assert len(told["id"]) == 36
    assert told["create_time"].endswith("+08:00")
    resource = told["resource"]
    assert resource.keys() == {"original_type", "algorithm", "ciphertext", "associated_data", "nonce"}
    assert (resource["original_type"], resource["associated_data"]) == ("transaction", "transaction")
    assert (resource["algorithm"], len(resource["nonce"])) == ("AEAD_AES_256_GCM", 12)
    content = inside(receiver)
    expected = {
        "sp_appid": APPID,
        "sp_mchid": MCH_ID,
        "sub_appid": COFFEE_APP,
        "sub_mchid": COFFEE,
        "out_trade_no": NUMBER,
        "transaction_id": paid["transaction_id"],
        "trade_type": "JSAPI",
        "trade_state": "SUCCESS",
        "bank_type": "OTHERS",
        "attach": "t=7&p=01",
        "amount": {"total": 1280, "payer_total": 1280, "currency": "CNY", "payer_currency": "CNY"},
    }
    assert {name: content[name] for name in expected} == expected
    assert content["payer"]["sub_openid"] == PAYER
    assert content == await v3.query(NUMBER), "a query says the same"
    assert receiver.headers[0]["content-type"] == "application/json"
    assert (attempt["ok"], attempt["http_status"]) == (True, 200)
    assert attempt["headers"]["Wechatpay-Serial"] == receiver.headers[0]["wechatpay-serial"]
    (entry,) = (await v3.ledger())["notifications"]
    assert (entry["state"], entry["api_version"], entry["kind"]) == ("delivered", "v3", "payment")


@pytest.mark.parametrize(
    ("status", "answer", "ok"),
    [
        (200, "", True),
        (204, "", True),
        (200, '{"code":"FAIL","message":"the body is not looked at"}', True),
        (201, "", False),
        (302, "", False),
        (400, '{"code":"FAIL"}', False),
        (500, '{"code":"SUCCESS"}', False),
    ],
)
async def test_200_and_204_count_whatever_the_body(
    v3: V3Desk, receiver: Receiver, status: int, answer: str, ok: bool
) -> None:
    receiver.answers = lambda number: (status if number == 1 else 200, answer, 0)
    await pay(v3, notify_url=receiver.url)
    (attempt,) = await v3.attempts(1)
    assert (attempt["ok"], attempt["http_status"]) == (ok, status)


async def test_every_repetition_has_the_same_id_and_a_fresh_signature(v3: V3Desk, receiver: Receiver) -> None:
    refusing_first(receiver, 2)
    await v3.control("clock", retry_gaps_s=[0.01, 0.01, 0.01])
    await pay(v3, notify_url=receiver.url)
    assert [attempt["ok"] for attempt in await v3.attempts(3)] == [False, False, True]
    assert all(verified(v3, receiver, index) for index in range(3))
    for name in ("wechatpay-signature", "wechatpay-nonce"):
        assert len({headers[name] for headers in receiver.headers}) == 3
    envelopes = [envelope(receiver, index) for index in range(3)]
    assert len({told["id"] for told in envelopes}) == len({told["create_time"] for told in envelopes}) == 1
    assert len({told["resource"]["ciphertext"] for told in envelopes}) == 3


async def test_an_endless_no_is_told_sixteen_times_on_the_official_schedule(
    v3: V3Desk, receiver: Receiver
) -> None:
    refusing_first(receiver, 99)
    await pay(v3, notify_url=receiver.url)
    for sent, gap in enumerate(RETRY_GAPS_S, start=1):
        assert len(await v3.attempts(sent)) == sent
        await v3.control("clock", advance_s=gap)
    assert len(await v3.attempts(16)) == 16
    assert (await v3.ledger())["notifications"][0]["state"] == "exhausted"
    assert verified(v3, receiver), "the schedule is advanced, not the clock of signatures"


async def test_an_answer_after_five_seconds_is_none(
    v3: V3Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spsim.notifier.ANSWER_WITHIN_S", 0.05)
    receiver.answers = lambda _number: (200, "", 0.3)
    await pay(v3, notify_url=receiver.url)
    (attempt,) = await v3.attempts(1)
    assert (attempt["ok"], attempt["error"]) == (False, "no answer within 0.05 s")


async def test_a_plain_merchant_is_notified_without_partner_fields(
    merchant: V3Desk, receiver: Receiver
) -> None:
    body = direct(NUMBER, notify_url=receiver.url)
    await merchant.ask("POST", "/v3/pay/transactions/jsapi", body)
    await merchant.control("pay", out_trade_no=NUMBER, mch_id=MERCHANT)
    await merchant.attempts(1)
    assert verified(merchant, receiver)
    content = inside(receiver)
    assert (content["mchid"], content["payer"]) == (MERCHANT, {"openid": "oMerchantUser_1"})
    assert not {"sp_mchid", "sub_mchid", "sp_appid", "sub_appid"} & content.keys()


async def test_a_proxy_before_the_address_hands_the_headers_on(v3: V3Desk, receiver: Receiver) -> None:
    await v3.control("front", target=receiver.url)
    await pay(v3, notify_url=f"{v3.where.url}/notify/k7/v3/payment")
    (attempt,) = await v3.attempts(1)
    assert attempt["ok"]
    assert verified(v3, receiver)
    assert receiver.headers[0]["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("end", "event"),
    [("SUCCESS", "REFUND.SUCCESS"), ("ABNORMAL", "REFUND.ABNORMAL"), ("CLOSED", "REFUND.CLOSED")],
)
async def test_every_end_of_a_refund_is_notified(
    v3: V3Desk, receiver: Receiver, end: str, event: str
) -> None:
    await hold(v3)
    paid = await pay(v3)
    made = await refund(v3, notify_url=receiver.url)
    await v3.control("refunds/R000001", status=end)
    (attempt,) = await attempts_of(v3, "refund", 1)
    assert attempt["ok"]
    assert verified(v3, receiver)
    told = envelope(receiver)
    assert (told["event_type"], told["resource"]["original_type"]) == (event, "refund")
    content = inside(receiver)
    expected = {
        "sp_mchid": MCH_ID,
        "sub_mchid": COFFEE,
        "out_trade_no": NUMBER,
        "transaction_id": paid["transaction_id"],
        "out_refund_no": "R000001",
        "refund_id": made["refund_id"],
        "refund_status": end,
        "user_received_account": "支付用户零钱",
        "amount": {"total": 1280, "refund": 500, "payer_total": 1280, "payer_refund": 500},
    }
    assert {name: content[name] for name in expected} == expected
    assert content.keys() - expected.keys() == ({"success_time"} if end == "SUCCESS" else set())


async def test_a_refund_that_changes_twice_is_two_events(v3: V3Desk, receiver: Receiver) -> None:
    await hold(v3)
    await pay(v3)
    await refund(v3, notify_url=receiver.url)
    for count, end in enumerate(("ABNORMAL", "CLOSED"), start=1):
        await v3.control("refunds/R000001", status=end)
        await attempts_of(v3, "refund", count)
    assert envelope(receiver, 0)["id"] != envelope(receiver, 1)["id"]


async def test_a_refund_is_notified_by_the_generation_that_asked_for_it(
    v3: V3Desk, receiver: Receiver
) -> None:
    """wechatpay-v3 9; also for one made in WeChat's console, which is told as the last one was."""
    await v3.control("settlement", after_s=0)
    await v3.create(order(NUMBER))
    await v3.control("pay", out_trade_no=NUMBER)
    await refund(v3, amount=1, notify_url=receiver.url)
    await attempts_of(v3, "refund", 1)
    assert inside(receiver)["out_refund_no"] == "R000001"
    made = await v3.control("refunds", out_trade_no=NUMBER, amount=2)
    await attempts_of(v3, "refund", 2)
    assert inside(receiver)["out_refund_no"] == made["out_refund_no"]
    assert made["api_version"] == "v3"


async def test_an_echo_is_notified(v3: V3Desk, receiver: Receiver) -> None:
    serial = next(iter(v3.wechat))
    asked = {"echo_message": "在吗", "notify_url": receiver.url}
    assert await v3.ask("POST", ECHO, asked, {"Wechatpay-Serial": serial}) == {"echo_message": "在吗"}
    (attempt,) = await attempts_of(v3, "echo", 1)
    assert attempt["ok"]
    assert verified(v3, receiver)
    told = envelope(receiver)
    assert (told["event_type"], told["resource"]["original_type"]) == ("SECURITY_ECHO.SUCCESS", "security")
    assert inside(receiver) == {"echo_message": "在吗"}
    (entry,) = (await v3.ledger())["notifications"]
    assert (entry["mch_id"], entry["out_trade_no"], entry["state"]) == (MCH_ID, None, "delivered")
    assert (await v3.ledger(out_trade_no="T9"))["notifications"] == []


async def test_without_a_v3_key_nothing_is_sent(
    v3: V3Desk, receiver: Receiver, identities: dict[str, Identity]
) -> None:
    await v3.control("clock", retry_gaps_s=[0.01])
    await v3.place("native", native(NUMBER, notify_url=receiver.url))
    await register(v3, identities, api_v3_key=None)
    await v3.control("pay", out_trade_no=NUMBER)
    attempts = await v3.attempts(2)
    assert ["nothing is sent" in attempt["error"] for attempt in attempts] == [True, True]
    await asyncio.sleep(0.05)
    assert receiver.bodies == []
    assert (await v3.ledger())["notifications"][0]["state"] == "exhausted"


async def test_K04_the_share_decides_which_key_signs(
    v3: V3Desk, receiver: Receiver, identities: dict[str, Identity]
) -> None:
    await register(v3, identities, verification="both")
    await v3.learn()
    await pay(v3, notify_url=receiver.url)
    await v3.attempts(1)
    for percent, count in ((0, 20), (50, 60), (100, 20)):
        await v3.keys("share", percent=percent)
        await v3.control(f"notify/{NUMBER}", copies=count)
    assert all(verified(v3, receiver, index) for index in range(101))
    by_key = [headers["wechatpay-serial"].startswith("PUB_KEY_ID_") for headers in receiver.headers]
    assert not any(by_key[:21])
    assert 5 < sum(by_key[21:81]) < 55
    assert all(by_key[81:])


async def test_K03_a_rotated_certificate_signs_the_later_repetitions(
    v3: V3Desk, receiver: Receiver, identities: dict[str, Identity]
) -> None:
    await register(v3, identities, **CERTIFIED)
    refusing_first(receiver, 1)
    await pay(v3, notify_url=receiver.url)
    await v3.attempts(1)
    rotated = await v3.keys("rotate_certificate")
    await v3.control("clock", advance_s=15)
    await v3.attempts(2)
    first, second = (headers["wechatpay-serial"] for headers in receiver.headers)
    assert first != second == rotated["serial"]
    assert verified(v3, receiver)


@pytest.mark.parametrize("kept", [False, True])
async def test_K02_a_changed_v3_key_seals_repetitions_unless_the_old_one_is_kept(
    v3: V3Desk, receiver: Receiver, identities: dict[str, Identity], kept: bool
) -> None:
    refusing_first(receiver, 1)
    await v3.keys("rules", keep_old_v3_key_retries=kept)
    await pay(v3, notify_url=receiver.url)
    await v3.attempts(1)
    await register(v3, identities, api_v3_key=OTHER_V3_KEY)
    await v3.control("clock", advance_s=15)
    await v3.attempts(2)
    used, unused = (V3_KEY, OTHER_V3_KEY) if kept else (OTHER_V3_KEY, V3_KEY)
    assert inside(receiver, key=used)["out_trade_no"] == NUMBER
    with pytest.raises(InvalidTag):
        inside(receiver, key=unused)


@pytest.mark.parametrize("kept", [True, False])
async def test_K01_a_changed_v2_key_signs_repetitions_only_if_the_old_one_is_not_kept(
    v3: V3Desk, receiver: Receiver, identities: dict[str, Identity], kept: bool
) -> None:
    receiver.answers = lambda _number: (500, "", 0)
    await v3.keys("rules", keep_old_key_retries=kept)
    await v3.create(order(NUMBER, notify_url=receiver.url))
    await v3.control("pay", out_trade_no=NUMBER)
    await v3.attempts(1)
    await register(v3, identities, api_v2_key=OTHER_KEY)
    await v3.control("clock", advance_s=15)
    await v3.attempts(2)
    message = receiver.messages[-1]
    assert message["sign"] == signature(message, KEY if kept else OTHER_KEY)


async def test_a_v3_order_that_v2_refunds_is_told_about_it_by_v2(
    v3: V3Desk, receiver: Receiver, identities: dict[str, Identity], tmp_path: Path
) -> None:
    receiver.answers = lambda _number: (200, SUCCESS, 0)
    await v3.control("settlement", after_s=0)
    await pay(v3)
    own = identities[MCH_ID]
    files = tmp_path / "own.pem", tmp_path / "own.key"
    files[0].write_text(own.pem)
    files[1].write_text(private_pem(own))
    async with tls_desk_at(v3.where, Certificate(own.pem, str(files[0]), str(files[1]))) as secure:
        params = v2_refunding("R000001", NUMBER, amount=500, notify_url=receiver.url)
        assert (await secure.call(V2_REFUND, params))["result_code"] == "SUCCESS"
    await attempts_of(v3, "refund", 1)
    told = WeChatPay(APPID, KEY, MCH_ID).parse_refund_notify_result(receiver.bodies[0])
    assert (told["out_refund_no"], told["refund_status"]) == ("R000001", "SUCCESS")
    assert (await v3.ask("GET", asking_refund()))["status"] == "SUCCESS"
