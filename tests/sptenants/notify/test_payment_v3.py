"""Payment notifications of API v3: genuine, fresh, about this order, once (N09, N10, B01-B09, I3)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

from tests.support.certificates import rsa_key
from tests.support.counting import counted
from tests.support.mail_v3 import Mail
from tests.support.till import FACTS, add_provider
from tests.support.till_v3 import OWN, PUBLIC_KEY_ID, V3_KEY, move
from tests.support.wechat_v3 import Sent

from sptenants.notify.answers import Answer
from sptenants.notify.journal import Incoming
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import OrderStatus

UNKNOWN_CERTIFICATE = "7F0F1E2D3C4B5A69788796A5B4C3D2E1F0A1B2C3"


async def untouched(mail: Mail, order: OrderRecord) -> bool:
    return await mail.till.order(order.id) == order


def code(answer: Answer) -> tuple[int, str, str]:
    assert not answer.settled
    told = json.loads(answer.body)
    return answer.status, told["code"], told["message"]


async def test_a_genuine_notification_pays_the_order_with_journal_event_and_timeline(mail: Mail) -> None:
    order = await mail.paid()
    answer = await mail.tell(mail.letter(order))
    assert (answer.status, answer.body, answer.settled) == (204, b"", True)
    paid = await mail.till.order(order.id)
    assert (paid.status, paid.paid_by, paid.anomaly) == (OrderStatus.PAID, "notify", None)
    assert await mail.results() == [("processed", None, "SUCCESS")]
    (row,) = await mail.till.journal()
    assert (row.version, row.serial, row.key_version) == ("v3", PUBLIC_KEY_ID, 1)
    assert row.headers["wechatpay-signature"], "it could not be judged again without"
    (event,) = await mail.till.events()
    assert event.type == "payment.succeeded"
    kinds = [entry.kind for entry in (await mail.till.detail(order.id)).timeline]
    assert kinds[:2] == ["order.status_changed", "notify.received"]
    assert mail.till.wechat.calls["orderquery"] == 0, "v3 needs no question"
    assert mail.watched.met == [
        ("wechatpay_public_key", PUBLIC_KEY_ID, False),
        ("api_v3_key", "1", False),
    ]


async def test_N09_whatever_is_wrong_with_headers_or_body_changes_nothing(mail: Mail) -> None:
    order = await mail.paid()
    sent, now = mail.letter(order), mail.till.clock.now()
    other = rsa_key("another provider's WeChat")
    pretty = json.dumps(json.loads(sent.body), indent=2, ensure_ascii=False).encode()
    wrong: dict[str, tuple[Sent, str]] = {
        "no serial": (sent.changed(serial=None), "missing_header"),
        "no timestamp": (sent.changed(timestamp=None), "missing_header"),
        "no nonce": (sent.changed(nonce=None), "missing_header"),
        "no signature": (sent.changed(signature=None), "missing_header"),
        "empty signature": (sent.changed(signature=""), "missing_header"),
        "two serials": (sent.changed(serial=f"{PUBLIC_KEY_ID}, {PUBLIC_KEY_ID}"), "missing_header"),
        "another type": (sent.changed(signature_type="WECHATPAY2-SM2-WITH-SM3"), "signature_type"),
        "300 s late": (mail.wechat.signed(sent.body, now - timedelta(seconds=300)), "stale_timestamp"),
        "300 s early": (mail.wechat.signed(sent.body, now + timedelta(seconds=300)), "stale_timestamp"),
        "another time": (sent.changed(timestamp=str(int(now.timestamp()) - 1)), "bad_signature"),
        "another nonce": (sent.changed(nonce="x" * 32), "bad_signature"),
        "another signature": (sent.changed(signature="A" * 344), "bad_signature"),
        "no base64": (sent.changed(signature="*" * 344), "bad_signature"),
        "a changed body": (replace(sent, body=sent.body.replace(b"EV-", b"EX-")), "bad_signature"),
        "re-serialised": (replace(sent, body=pretty), "bad_signature"),
        "an end of line": (replace(sent, body=sent.body + b"\n"), "bad_signature"),
        "no body": (replace(sent, body=b""), "bad_signature"),
        "unknown public key": (sent.changed(serial="PUB_KEY_ID_0999"), "unknown_serial"),
        "unknown certificate": (sent.changed(serial=UNKNOWN_CERTIFICATE), "unknown_serial"),
        "another provider's key": (
            mail.wechat.by(key=other).signed(sent.body, mail.till.clock.now()),
            "bad_signature",
        ),
        "the merchant's own key": (
            mail.wechat.by(key=OWN).signed(sent.body, mail.till.clock.now()),
            "bad_signature",
        ),
        "the merchant's own serial": (sent.changed(serial="5157F09E"), "unknown_serial"),
    }
    for name, (message, reason) in wrong.items():
        assert code(await mail.tell(message)) == (401, "FAIL", reason), name
    assert await untouched(mail, order)
    assert await mail.till.events() == []
    assert {row.result for row in await mail.till.journal()} == {"rejected"}
    assert mail.watched.met == []
    assert sorted(mail.watched.refused) == sorted(reason for _, reason in wrong.values())
    for seconds in (-299, 299):
        fresh = await mail.paid(f"T{seconds}")
        again = mail.wechat.signed(mail.letter(fresh).body, now + timedelta(seconds=seconds))
        assert (await mail.tell(again)).settled, seconds


async def test_N09_a_message_that_is_signed_and_no_notification_is_told_400(mail: Mail) -> None:
    order = await mail.paid()
    now = mail.till.clock.now()
    for body in (b"{}", b"[]", b"not json", b"\xff", b'{"id":"1","id":"1"}', b'{"id":NaN}'):
        assert code(await mail.tell(mail.wechat.signed(body, now)))[0] == 400, body
    assert await untouched(mail, order)


async def test_N10_a_probe_is_a_bad_signature_counted_apart_and_the_genuine_one_follows(mail: Mail) -> None:
    order = await mail.paid()
    sent = mail.letter(order)
    for value in ("WECHATPAY/SIGNTEST/" + "A" * 325, "WECHATPAY/SIGNTEST/abc"):
        answer = await mail.tell(sent.changed(signature=value))
        assert code(answer) == (401, "FAIL", "probe")
    assert await untouched(mail, order)
    assert await mail.desk.anomalies() == []
    assert mail.watched.refused == ["probe", "probe"]
    assert (await mail.tell(sent)).settled
    assert [row.result for row in await mail.till.journal()] == ["rejected", "processed"]


async def test_N04_another_providers_address_or_api_v3_key_is_refused(mail: Mail) -> None:
    order = await mail.paid()
    sent = mail.letter(order)
    (other,) = await add_provider(mail.till, number=2)
    mail.till.callers.append(other)
    assert not (await mail.tell(sent, tenant=2)).settled
    assert await mail.results(tenant=2) != []
    foreign = mail.wechat.by(secret="Z" * 32).payment(order.out_trade_no or "", mail.till.clock.now())
    assert code(await mail.tell(foreign)) == (500, "FAIL", "undecryptable")
    assert await untouched(mail, order)


async def test_B02_a_neighbour_tenants_payment_at_this_address_is_no_business_of_ours(mail: Mail) -> None:
    order = await mail.paid()
    assert code(await mail.tell(mail.letter(order), tenant=1)) == (404, "FAIL", "other_merchant")
    assert await untouched(mail, order)
    assert await mail.results(tenant=1) == [("unmatched", "other_merchant", "FAIL")]


IDENTITIES = {
    "mch_id": {"sp_mchid": "1900000999"},
    "sub_mch_id": {"sub_mchid": "1699999999"},
    "appid": {"sp_appid": "wx7777777777777777"},
    "sub_appid": {"sub_appid": "wx7777777777777777"},
    "fee_type": {
        "amount": {"total": 12800, "payer_total": 12800, "currency": "USD", "payer_currency": "USD"}
    },
    "total_fee": {"amount": {"total": 1, "payer_total": 1, "currency": "CNY", "payer_currency": "CNY"}},
    "trade_type": {"trade_type": "NATIVE"},
}


async def test_I3_B01_B05_every_identity_and_the_amount_must_be_the_orders(mail: Mail) -> None:
    order = await mail.paid()
    for field, changes in IDENTITIES.items():
        answer = await mail.tell(mail.letter(order, **changes))
        assert answer.settled, field  # on record now; no repetition can cure it (B09)
        row = (await mail.till.journal())[-1]
        assert (row.result, row.reason) == ("mismatch", field)
    paid = await mail.till.order(order.id)
    assert paid.status is OrderStatus.PENDING
    assert paid.anomaly in {"amount_mismatch", "identity_mismatch"}
    assert await mail.till.events() == []


async def test_N12_a_message_that_does_not_say_paid_pays_nothing(mail: Mail) -> None:
    order = await mail.paid()
    for state in ("NOTPAY", "CLOSED", "PAYERROR", "REFUND", "success"):
        answer = await mail.tell(mail.letter(order, trade_state=state))
        assert answer.settled, state
    assert {(row.result, row.reason) for row in await mail.till.journal()} == {("mismatch", "result_code")}
    assert await untouched(mail, order)


async def test_B05_a_second_payment_of_one_order_is_for_a_person(mail: Mail) -> None:
    order = await mail.paid()
    await mail.tell(mail.letter(order))
    again = mail.letter(order, transaction_id="4200009999202611210000000009")
    assert (await mail.tell(again)).settled
    assert await mail.results() == [("processed", None, "SUCCESS"), ("mismatch", "double_payment", "SUCCESS")]
    assert (await mail.till.order(order.id)).anomaly == "double_payment"


async def test_P12_money_for_a_closed_order_counts_and_is_flagged(mail: Mail) -> None:
    order = await mail.till.placed()
    await mail.till.run_healing(times=33, minutes=1)
    assert (await mail.till.order(order.id)).status is OrderStatus.CLOSED
    known = mail.till.wechat.books[order.out_trade_no or ""]
    known.state = type(known.state).NOTPAY
    mail.till.wechat.pay(order.out_trade_no or "", mail.till.clock.now())
    assert (await mail.tell(mail.letter(order))).settled
    paid = await mail.till.order(order.id)
    assert (paid.status, paid.anomaly) == (OrderStatus.PAID, "late_payment")


async def test_B06_a_lost_order_is_rebuilt_by_a_question_by_the_same_api(mail: Mail) -> None:
    order = await mail.paid()
    number = order.out_trade_no or ""
    mail.till.wechat.books["01JD3K8W7Q4M6X0B2T9V5H1CZN"] = mail.till.wechat.books.pop(number)
    unknown = mail.wechat.payment("01JD3K8W7Q4M6X0B2T9V5H1CZN", mail.till.clock.now())
    answer = await mail.tell(unknown)
    (row,) = await mail.till.journal()
    assert row.out_trade_no == "01JD3K8W7Q4M6X0B2T9V5H1CZN"
    assert (row.reason == "adopted") is answer.settled
    assert [each.kind for each in await mail.desk.anomalies()] == ["unknown_order"]
    assert mail.till.wechat.spoken["v2"] == 0


async def test_I3_an_order_made_by_the_other_api_is_left_alone(mail: Mail) -> None:
    await move(mail.till, "v2")
    old = await mail.paid("old")
    await move(mail.till, "v3")
    new = await mail.paid("new")
    assert (await mail.tell(mail.letter(old))).settled
    by_v2 = mail.till.wechat.notification(new.out_trade_no or "", await mail.till.signing_key())
    assert (await mail.till.tell(by_v2)).settled
    assert [row.reason for row in await mail.till.journal()] == ["api_version", "api_version"]
    for order in (old, new):
        left = await mail.till.order(order.id)
        assert (left.status, left.anomaly) == (OrderStatus.PENDING, "identity_mismatch")
    assert await mail.till.events() == []
    own = mail.till.wechat.notification(old.out_trade_no or "", await mail.till.signing_key())
    assert (await mail.till.tell(own)).settled
    assert (await mail.tell(mail.letter(new))).settled
    for order in (old, new):
        assert (await mail.till.order(order.id)).status is OrderStatus.PAID


async def test_B15_of_fifty_at_once_one_counts(mail: Mail) -> None:
    order = await mail.paid()
    letters = [mail.letter(order, name="EV-1") for _ in range(50)]
    answers = await asyncio.gather(*(mail.tell(sent) for sent in letters))
    assert all(answer.settled for answer in answers)
    (row,) = await mail.till.journal()
    assert (row.result, row.received) == ("processed", 50)
    assert len(await mail.till.events()) == 1


async def test_N09_a_captured_message_within_its_five_minutes_has_no_effect_again(mail: Mail) -> None:
    order = await mail.paid()
    sent = mail.letter(order)
    await mail.tell(sent)
    before = await mail.till.order(order.id)
    mail.till.clock.advance(seconds=299)
    assert (await mail.tell(sent)).settled
    assert await mail.till.order(order.id) == before
    (row,) = await mail.till.journal()
    assert (row.result, row.received) == ("processed", 2)
    mail.till.clock.advance(seconds=1)
    assert code(await mail.tell(sent)) == (401, "FAIL", "stale_timestamp")
    assert len(await mail.till.events()) == 1


async def test_another_content_under_a_known_id_is_judged_by_itself_and_kept_apart(mail: Mail) -> None:
    first, second = await mail.paid("A"), await mail.paid("B")
    await mail.tell(mail.letter(first, name="EV-1"))
    assert (await mail.tell(mail.letter(second, name="EV-1"))).settled
    assert (await mail.till.order(second.id)).status is OrderStatus.PAID
    forged = mail.letter(first, name="EV-1", amount=IDENTITIES["total_fee"]["amount"])
    assert (await mail.tell(forged)).settled
    rows = [(row.result, row.reason, row.out_trade_no) for row in await mail.till.journal()]
    assert rows == [
        ("processed", None, first.out_trade_no),
        ("processed", "id_reused", second.out_trade_no),
        ("mismatch", "total_fee", first.out_trade_no),
    ]


async def test_a_notification_costs_what_it_costs_by_v2(mail: Mail) -> None:
    warm, order = await mail.paid("warm"), await mail.paid()
    await mail.tell(mail.letter(warm))
    sent, loads = mail.letter(order), mail.till.keyring.loads
    with counted(mail.till.database) as cost:
        assert (await mail.tell(sent)).settled
    assert (cost.commits, len(cost.statements)) == (1, 7), cost.statements
    with counted(mail.till.database) as cost:
        assert (await mail.tell(sent)).settled
    assert (cost.commits, len(cost.statements)) == (1, 3), cost.statements
    with counted(mail.till.database) as cost:
        assert not (await mail.tell(sent.changed(nonce="x" * 32))).settled
    assert (cost.commits, len(cost.statements)) == (1, 2), cost.statements
    assert mail.till.keyring.loads == loads


async def test_an_address_of_nobody_keeps_only_a_count(mail: Mail) -> None:
    order = await mail.paid()
    sent = mail.letter(order)
    incoming = Incoming("v3", "payment", sent.body, sent.headers, FACTS)
    answer = await mail.till.notify.payment_v3("x" * 32, incoming)
    assert code(answer)[0] == 400
    provider = await mail.till.notify.payment_v3(mail.till.caller.provider.route_key, incoming)
    assert not provider.settled
    assert await untouched(mail, order)
    assert V3_KEY not in repr(incoming) + repr(mail.till.notify)
