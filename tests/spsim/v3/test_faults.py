"""What can be wrong with a notification of API v3, and the flood (wechatpay-v3 1.4; catalogue N, B, Z)."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from tests.support.simulated import BAKERY, MERCHANT, SUCCESS, Receiver, order
from tests.support.simulated_refunds_v3 import (
    NUMBER,
    attempts_of,
    envelope,
    inside,
    pay,
    refund,
    verified,
)
from tests.support.simulated_v3 import V3Desk

SIGNATURE = "wechatpay-signature"


@pytest.fixture(autouse=True)
def strict(v3: V3Desk, receiver: Receiver) -> None:
    """A merchant's server that refuses what does not verify, as it must."""

    def answer(number: int) -> tuple[int, str, float]:
        return (204 if verified(v3, receiver, number - 1) else 401), "", 0

    receiver.answers = answer


async def notified(v3: V3Desk, receiver: Receiver, count: int = 1) -> list[Any]:
    """Pay an order and wait until so many attempts were made; repetitions come at once."""
    await v3.control("clock", retry_gaps_s=[0.01])
    await pay(v3, notify_url=receiver.url)
    return await v3.attempts(count)


async def test_N10_a_probe_is_followed_by_the_genuine_one(v3: V3Desk, receiver: Receiver) -> None:
    await v3.fault("notify", "signature_probe")
    probe, genuine = await notified(v3, receiver, 2)
    assert receiver.headers[0][SIGNATURE].startswith("WECHATPAY/SIGNTEST/")
    assert 340 < len(receiver.headers[0][SIGNATURE]) < 350
    assert [probe["http_status"], genuine["http_status"]] == [401, 204]
    assert envelope(receiver, 0)["id"] == envelope(receiver, 1)["id"]
    entry = (await v3.ledger())["notifications"][0]
    assert (entry["state"], len(entry["attempts"])) == ("delivered", 2)


async def test_N10_who_accepts_a_probe_is_not_done_by_it(v3: V3Desk, receiver: Receiver) -> None:
    receiver.answers = lambda number: (200 if number == 1 else 500, "", 0)
    await v3.fault("notify", "signature_probe", text="abc")
    await v3.control("clock", retry_gaps_s=[])
    await pay(v3, notify_url=receiver.url)
    await v3.attempts(2)
    assert receiver.headers[0][SIGNATURE] == "WECHATPAY/SIGNTEST/abc"
    await asyncio.sleep(0.05)
    assert (await v3.ledger())["notifications"][0]["state"] == "exhausted"


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("wrong_signature", {}),
        ("missing_signature", {}),
        ("unknown_serial", {}),
        ("other_provider_key", {}),
        ("other_provider_key", {"mch_id": MERCHANT}),
        ("stale_timestamp", {"seconds": 301}),
        ("stale_timestamp", {"seconds": -301}),
        ("reserialised", {}),
        *(
            ("missing_header", {"name": f"Wechatpay-{name}"})
            for name in ("Timestamp", "Nonce", "Signature", "Serial", "Signature-Type")
        ),
    ],
)
async def test_N09_what_does_not_verify_is_refused_and_comes_again_right(
    v3: V3Desk, receiver: Receiver, kind: str, params: dict[str, Any]
) -> None:
    await v3.fault("notify", kind, **params)
    attempts = await notified(v3, receiver, 2)
    assert [attempt["http_status"] for attempt in attempts] == [401, 204]
    assert inside(receiver, 0) == inside(receiver, 1), "the content was genuine all the time"


async def test_N09_only_one_thing_is_wrong_at_a_time(v3: V3Desk, receiver: Receiver) -> None:
    for kind in ("unknown_serial", "other_provider_key", "stale_timestamp", "reserialised"):
        await v3.fault("notify", kind)
    await v3.control("clock", retry_gaps_s=[0.01] * 4)
    await pay(v3, notify_url=receiver.url)
    await v3.attempts(5)
    serials = [headers["wechatpay-serial"] for headers in receiver.headers]
    own = serials[-1]
    assert (len(serials[0]), serials[0] in v3.wechat, serials[1] in v3.wechat) == (40, False, False)
    assert serials[1] != own == serials[2] == serials[3]
    assert time.time() - int(receiver.headers[2]["wechatpay-timestamp"]) > 300
    loose = receiver.bodies[3]
    tight = json.dumps(json.loads(loose), ensure_ascii=False, separators=(",", ":")).encode()
    assert loose != tight
    receiver.bodies[3] = tight
    assert verified(v3, receiver, 3)


async def test_within_the_window_an_older_timestamp_is_right(v3: V3Desk, receiver: Receiver) -> None:
    await v3.fault("notify", "stale_timestamp", seconds=290)
    (attempt,) = await notified(v3, receiver)
    assert attempt["ok"]


@pytest.mark.parametrize(("absent", "names"), [(False, True), (True, False)])
async def test_empty_associated_data_is_genuine(
    v3: V3Desk, receiver: Receiver, absent: bool, names: bool
) -> None:
    """The pages of WeChat show it empty, so both must be read (wechatpay-v3 1.5)."""
    await v3.fault("notify", "empty_associated_data", absent=absent)
    (attempt,) = await notified(v3, receiver)
    assert attempt["ok"]
    resource = envelope(receiver)["resource"]
    assert ("associated_data" in resource) == names
    receiver.bodies[-1] = json.dumps({"resource": {"associated_data": ""} | resource}).encode()
    assert inside(receiver)["out_trade_no"] == NUMBER


async def test_a_message_under_another_v3_key_verifies_and_does_not_open(
    v3: V3Desk, receiver: Receiver
) -> None:
    await v3.fault("notify", "other_v3_key")
    (attempt,) = await notified(v3, receiver)
    assert attempt["ok"]
    with pytest.raises(InvalidTag):
        inside(receiver)


@pytest.mark.parametrize(
    ("kind", "params", "changed"),
    [
        ("wrong_amount", {}, {"amount": {"total": 1281, "payer_total": 1281}}),
        ("wrong_amount", {"total_fee": 1}, {"amount": {"total": 1, "payer_total": 1}}),
        ("other_tenant", {}, {"sub_mchid": BAKERY}),
        ("other_tenant", {"sub_mch_id": "1600000099"}, {"sub_mchid": "1600000099"}),
        ("extra_field", {"name": "future", "value": "1"}, {"future": "1"}),
        ("extra_field", {"name": "scene_info.device_id", "value": "1"}, {"scene_info": {"device_id": "1"}}),
        ("empty_field", {"name": "attach"}, {"attach": ""}),
        ("set_fields", {"fields": {"trade_state": "NOTPAY"}}, {"trade_state": "NOTPAY"}),
        ("set_fields", {"fields": {"amount.currency": "USD"}}, {"amount": {"currency": "USD"}}),
        ("set_fields", {"fields": {"amount.total": "7"}}, {"amount": {"total": 7}}),
        ("set_fields", {"fields": {"amount.total": 7.5}}, {"amount": {"total": 7.5}}),
    ],
)
async def test_B01_B02_B03_B07_spoiled_content_is_rightly_sealed_and_signed(
    v3: V3Desk, receiver: Receiver, kind: str, params: dict[str, Any], changed: dict[str, Any]
) -> None:
    await v3.fault("notify", kind, **params)
    (attempt,) = await notified(v3, receiver)
    assert attempt["ok"]
    content = inside(receiver)
    for name, value in changed.items():
        told = content[name]
        assert ({key: told[key] for key in value} if isinstance(value, dict) else told) == value
    assert content["out_trade_no"] == NUMBER
    assert (await v3.ledger())["payments"][0]["total_fee"] == 1280


@pytest.mark.parametrize(
    ("kind", "params", "amount"),
    [("wrong_amount", {}, 501), ("wrong_amount", {"refund_fee": 1}, 1), ("spliced", {}, 500)],
)
async def test_refund_notifications_are_spoiled_alike(
    v3: V3Desk, receiver: Receiver, kind: str, params: dict[str, Any], amount: int
) -> None:
    """Nothing can be spliced by v3: what is sealed is authenticated, so that kind changes nothing."""
    await v3.control("settlement", after_s=0)
    await v3.fault("notify_refund", kind, **params)
    await pay(v3)
    await refund(v3, notify_url=receiver.url)
    (attempt,) = await attempts_of(v3, "refund", 1)
    assert attempt["ok"]
    assert inside(receiver)["amount"]["refund"] == amount
    assert (await v3.ledger())["refunds"][0]["amount"] == 500


async def test_Z02_duplicates_are_signed_anew_and_keep_the_id(v3: V3Desk, receiver: Receiver) -> None:
    receiver.answers = lambda _number: (200, "", 0.2)
    await v3.fault("notify", "duplicate", n=5)
    await notified(v3, receiver, 5)
    assert receiver.together == 5
    assert len(set(receiver.bodies)) == 5
    assert len({envelope(receiver, index)["id"] for index in range(5)}) == 1
    assert all(verified(v3, receiver, index) for index in range(5))


async def test_N17_a_replay_is_the_same_bytes_and_headers(v3: V3Desk, receiver: Receiver) -> None:
    await v3.fault("notify", "replay", n=2, after_ms=20)
    await notified(v3, receiver, 3)
    assert len(set(receiver.bodies)) == 1
    assert len({headers[SIGNATURE] for headers in receiver.headers}) == 1


async def test_lost_delayed_reordered_and_stopped_as_by_v2(v3: V3Desk, receiver: Receiver) -> None:
    await v3.fault("notify", "lose")
    lost, came = await notified(v3, receiver, 2)
    assert (lost["error"], came["ok"]) == ("lost by a fault", True)
    await v3.fault("notify", "reorder")
    await pay(v3, "T0000002", notify_url=receiver.url)
    await pay(v3, "T0000003", notify_url=receiver.url)
    await v3.attempts(4)
    assert [inside(receiver, index)["out_trade_no"] for index in (-2, -1)] == ["T0000003", "T0000002"]
    await v3.fault("notify", "stop")
    await pay(v3, "T0000004", notify_url=receiver.url)
    await asyncio.sleep(0.05)
    assert len(receiver.bodies) == 3
    await v3.http.delete("/_sim/faults")
    await v3.attempts(5)


async def test_an_echo_has_faults_of_its_own(v3: V3Desk, receiver: Receiver) -> None:
    await v3.control("clock", retry_gaps_s=[0.01])
    await v3.fault("notify_echo", "unknown_serial")
    asked = {"echo_message": "1", "notify_url": receiver.url}
    await v3.ask("POST", "/v3/security/echo", asked, {"Wechatpay-Serial": next(iter(v3.wechat))})
    attempts = await attempts_of(v3, "echo", 2)
    assert [attempt["http_status"] for attempt in attempts] == [401, 204]
    await v3.fault("notify_echo", "stop")
    await v3.ask("POST", "/v3/security/echo", asked, {"Wechatpay-Serial": next(iter(v3.wechat))})
    await asyncio.sleep(0.05)
    assert len(receiver.bodies) == 2
    await v3.http.delete("/_sim/faults")
    await attempts_of(v3, "echo", 3)


async def test_kinds_of_v3_leave_v2_as_it_is(v3: V3Desk, receiver: Receiver) -> None:
    receiver.answers = lambda _number: (200, SUCCESS, 0)
    for kind in ("signature_probe", "unknown_serial"):
        await v3.fault("notify", kind)
    for number in ("T2000001", "T2000002"):
        await v3.create(order(number, notify_url=receiver.url))
        await v3.control("pay", out_trade_no=number)
    attempts = await v3.attempts(2)
    assert [attempt["ok"] for attempt in attempts] == [True, True]
    assert len({message["out_trade_no"] for message in receiver.messages}) == 2


async def test_a_notification_can_be_sent_again_elsewhere_and_changed(v3: V3Desk, receiver: Receiver) -> None:
    await notified(v3, receiver)
    async with Receiver().listening() as other:
        other.answers = lambda _number: (200, "", 0)
        changes = {"attach": "x", "amount.total": "7"}
        sent = await v3.control(f"notify/{NUMBER}", url=other.url, copies=3, fields=changes)
        assert [attempt["ok"] for attempt in sent["attempts"]] == [True] * 3
        assert all(verified(v3, other, index) for index in range(3))
        content = inside(other)
    assert (content["attach"], content["amount"]["total"]) == ("x", 7)
    assert envelope(other)["id"] == envelope(receiver)["id"]


async def test_a_flood_is_posted_evenly_and_told_about(v3: V3Desk, receiver: Receiver) -> None:
    await notified(v3, receiver)
    wanted = {"out_trade_no": NUMBER, "count": 40, "per_second": 50}
    told = await v3.control("v3/flood", **wanted)
    assert (told["sent"], told["answers"]) == (40, {"401": 40})
    assert told["seconds"] >= 39 / 50
    forged = receiver.headers[1:]
    assert len({headers["wechatpay-serial"] for headers in forged}) == 40
    assert all(len(headers["wechatpay-serial"]) == 40 for headers in forged)
    assert len((await v3.ledger())["notifications"][0]["attempts"]) == 1
    for wrong in ({"count": 0}, {"count": 10_001}, {"per_second": 0}, {"speed": 1}):
        assert await v3.refused("v3/flood", **(wanted | wrong)) == (400, "BAD_REQUEST")
    assert await v3.refused("v3/flood", out_trade_no="T9") == (404, "ORDERNOTEXIST")


async def test_nobody_at_the_notify_url_is_told_as_none(v3: V3Desk) -> None:
    await pay(v3)
    told = await v3.control("v3/flood", out_trade_no=NUMBER, count=2, per_second=1000)
    assert told["answers"] == {"none": 2}


async def test_a_misconfigured_v3_key_is_another_one(v3: V3Desk, receiver: Receiver) -> None:
    await v3.control("misconfigurations", kind="other_v3_key", mch_id=v3.own.mch_id)
    (attempt,) = await notified(v3, receiver)
    assert attempt["ok"]
    with pytest.raises(InvalidTag):
        inside(receiver)
