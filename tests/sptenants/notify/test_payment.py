"""Payment notifications: genuine, about this order, once (groups N, B, Z and rules C1-C6).

Acceptance pains 14 (repeated and parallel callbacks) and 17 (forged ones).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.support.till import FACTS, KEY, MINI, Till, add_provider

from spcore.db.base import table_of
from spcore.db.scope import DoorScope, ProviderScope
from spcore.providers.keys import put_key
from spcore.providers.models import KeyKind
from sptenants.notify import journal
from sptenants.notify.answers import Answer
from sptenants.notify.journal import Incoming
from sptenants.notify.models import StrayNotification
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import OrderStatus
from wechatpay.credentials import SignType, V2Key
from wechatpay.gateway import TradeType
from wechatpay.v2 import envelope, signing

SUCCESS = b"<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"
OTHER_KEY = "ZYXWVUTSRQPONMLKJIHGFEDCBA987654"


async def untouched(till: Till, order: OrderRecord, *, tenant: int = 0) -> bool:
    return await till.order(order.id, tenant=tenant) == order


async def results(till: Till, *, tenant: int = 0) -> list[tuple[str, str | None, str]]:
    return [(row.result, row.reason, row.answered) for row in await till.journal(tenant=tenant)]


def is_fail(answer: Answer) -> bool:
    return answer.status == 200 and envelope.parse(answer.body)["return_code"] == "FAIL"


async def test_a_genuine_notification_pays_the_order_with_journal_event_and_timeline(till: Till) -> None:
    order = await till.placed()
    answer = await till.tell(await till.paid_body(order))
    assert (answer.status, answer.body) == (200, SUCCESS)
    paid = await till.order(order.id)
    assert (paid.status, paid.paid_by, paid.anomaly) == (OrderStatus.PAID, "notify", None)
    assert paid.next_check_at is None
    assert await results(till) == [("processed", None, "SUCCESS")]
    (event,) = await till.events()
    assert (event.type, event.sequence, event.payload["status"]) == ("payment.succeeded", 1, "paid")
    assert "late" not in event.payload
    kinds = [entry.kind for entry in (await till.detail(order.id)).timeline]
    assert kinds[:2] == ["order.status_changed", "notify.received"]
    (row,) = await till.journal()
    assert (row.result, row.received, row.transaction_id) == ("processed", 1, paid.transaction_id)


# --- is it genuine? ----------------------------------------------------------------------------------------


async def test_N01_a_notification_changed_in_any_field_changes_nothing(till: Till) -> None:
    order = await till.placed()
    fields = envelope.parse(await till.paid_body(order))
    for name, value in fields.items():
        changed = value[:-1] + ("1" if value[-1] != "1" else "2")
        assert is_fail(await till.tell(envelope.build(fields | {name: changed}))), name
    assert is_fail(await till.tell(envelope.build(fields | {"extra": "field"})))
    assert await untouched(till, order)
    assert await till.events() == []
    assert {row.result for row in await till.journal()} == {"rejected"}


async def test_N02_a_notification_without_a_field_or_without_sign_changes_nothing(till: Till) -> None:
    order = await till.placed()
    fields = envelope.parse(await till.paid_body(order))
    for name in fields:
        rest = {other: value for other, value in fields.items() if other != name}
        assert is_fail(await till.tell(envelope.build(rest))), name
    for few in (
        {"return_code": "SUCCESS"},
        {"return_code": "SUCCESS", "out_trade_no": order.out_trade_no or ""},
    ):
        assert is_fail(await till.tell(envelope.build(few)))
    assert await untouched(till, order)


async def test_N03_C1_the_message_does_not_choose_the_algorithm(till: Till) -> None:
    order = await till.placed()
    genuine = envelope.parse(await till.paid_body(order))
    for claimed in ("MD5", "hmac-sha256", " HMAC-SHA256", "NONE"):
        fields = genuine | {"sign_type": claimed}
        for sign_type in SignType:
            forged = fields | {"sign": signing.sign(fields, V2Key(1, KEY), sign_type)}
            assert is_fail(await till.tell(envelope.build(forged))), (claimed, sign_type)
    assert await untouched(till, order)


async def test_N03_an_md5_signature_on_an_hmac_order_is_refused_and_the_reverse(
    till: Till,
) -> None:
    order = await till.placed()
    fields = envelope.parse(await till.paid_body(order))
    weaker = fields | {"sign": signing.sign(fields, V2Key(1, KEY), SignType.MD5)}
    assert is_fail(await till.tell(envelope.build(weaker)))
    assert await untouched(till, order)
    stated = fields | {"sign_type": "HMAC-SHA256"}
    stated["sign"] = signing.sign(stated, V2Key(1, KEY), SignType.HMAC_SHA256)
    assert (await till.tell(envelope.build(stated))).settled


async def test_C1_an_order_made_with_md5_is_verified_with_md5_whatever_is_configured_now(
    till: Till,
) -> None:
    old = replace(till.caller, provider=replace(till.caller.provider, sign_type="MD5"))
    till.callers[0] = old
    order = await till.placed()
    assert (await till.tell(await till.paid_body(order))).settled
    assert (await till.order(order.id)).status is OrderStatus.PAID


async def test_N04_another_providers_key_or_address_is_refused(till: Till) -> None:
    order = await till.placed()
    (other,) = await add_provider(till, number=2, key=OTHER_KEY)
    till.callers.append(other)
    assert order.out_trade_no is not None
    till.wechat.pay(order.out_trade_no, till.clock.now())
    foreign = till.wechat.notification(order.out_trade_no, V2Key(1, OTHER_KEY))
    genuine = till.wechat.notification(order.out_trade_no, V2Key(1, KEY))
    assert is_fail(await till.tell(foreign))
    assert is_fail(await till.tell(foreign, tenant=2))
    assert is_fail(await till.tell(genuine, tenant=2))
    assert await untouched(till, order)


@pytest.mark.parametrize(("hours", "accepted"), [(47, True), (49, False)])
async def test_N05_K01_the_key_before_verifies_during_the_overlap_only(
    till: Till, hours: int, accepted: bool
) -> None:
    order = await till.placed()
    body = await till.paid_body(order)
    scope = ProviderScope(till.scope.provider_id)
    async with till.database.write(scope) as session:
        await put_key(
            session,
            till.vault,
            provider_id=scope.provider_id,
            kind=KeyKind.API_V2,
            secret=OTHER_KEY.encode(),
            now=till.clock.now(),
        )
    till.clock.advance(hours=hours)
    assert (await till.tell(body)).settled is accepted
    assert ((await till.order(order.id)).status is OrderStatus.PAID) is accepted
    if accepted:
        assert (await till.journal())[0].key_version == 1


FORGED_HEADERS = [
    {name: value}
    for name in ("host", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "x-debug")
    for value in ("localhost", "127.0.0.1", "[::1]", "api.mch.weixin.qq.com")
]


async def test_N06_no_header_weakens_the_check(till: Till) -> None:
    assert len(FORGED_HEADERS) >= 20
    order = await till.placed()
    fields = envelope.parse(await till.paid_body(order))
    for place, headers in enumerate(FORGED_HEADERS):
        forged = envelope.build(fields | {"sign": f"{place:064X}"})
        assert is_fail(await till.tell(forged, headers=headers))
    assert await untouched(till, order)


async def test_N12_a_signed_failure_never_pays(till: Till) -> None:
    order = await till.placed()
    answer = await till.tell(await till.paid_body(order, result_code="FAIL"))
    assert answer.settled
    assert await untouched(till, order)
    assert await results(till) == [("mismatch", "result_code", "SUCCESS")]


async def test_N16_C6_a_signature_bent_out_of_one_text_field_never_pays_by_itself(till: Till) -> None:
    """The string to sign is ambiguous: fields hidden in another field's value keep the digest right."""
    order = await till.placed()
    genuine = envelope.parse(await till.paid_body(order))
    assert order.out_trade_no is not None
    known = till.wechat.books[order.out_trade_no]
    known.state = type(known.state).NOTPAY  # nothing was paid
    names = sorted(set(genuine) - {"sign", "attach"})
    hidden = "&".join(f"{name}={genuine[name]}" for name in ("bank_type", "cash_fee"))
    bent = {name: genuine[name] for name in names if name not in {"bank_type", "cash_fee"}}
    bent |= {"appid": genuine["appid"], "attach": f"x&{hidden}", "bank_type": "OTHERS", "cash_fee": "1"}
    bent["sign"] = signing.sign(bent, V2Key(1, KEY), SignType.HMAC_SHA256)
    assert is_fail(await till.tell(envelope.build(bent)))
    after = await till.order(order.id)
    assert after.status is OrderStatus.PENDING
    assert till.wechat.calls["orderquery"] == 1  # WeChat's own word decided
    assert await results(till) == [("rejected", "not_confirmed", "FAIL")]


async def test_C6_an_ambiguous_but_true_notification_is_confirmed_by_a_query(till: Till) -> None:
    order = await till.placed()
    body = await till.paid_body(order, attach="a&b")
    assert (await till.tell(body)).settled
    paid = await till.order(order.id)
    assert (paid.status, paid.paid_by) == (OrderStatus.PAID, "query")
    assert await results(till) == [("processed", "confirmed_by_query", "SUCCESS")]
    assert (await till.tell(body)).settled
    assert till.wechat.calls["orderquery"] == 1
    assert len(await till.events()) == 1


async def test_C6_without_a_clear_query_the_ambiguous_one_is_put_off_and_repeated(till: Till) -> None:
    order = await till.placed()
    body = await till.paid_body(order, attach="a&b")
    till.wechat.fail("orderquery", "timeout")
    assert is_fail(await till.tell(body))
    assert await untouched(till, order)
    assert await results(till) == [("deferred", "ambiguous_text", "FAIL")]
    assert (await till.tell(body)).settled
    assert (await till.order(order.id)).status is OrderStatus.PAID
    assert await results(till) == [("processed", "confirmed_by_query", "SUCCESS")]


NO_NOTIFICATIONS = (
    b"",
    b"not xml",
    b"<xml><a>1</a></xml>",
    b"<!DOCTYPE xml [<!ENTITY a 'b'>]><xml><a>&a;</a></xml>",
    b"<xml><sign>a</sign><sign>b</sign></xml>",
    b"\xff\xfe<xml/>",
    b"<xml><return_code>FAIL</return_code></xml>",
)


async def test_a_body_that_is_no_notification_is_journalled_and_refused(till: Till) -> None:
    for body in NO_NOTIFICATIONS:
        assert is_fail(await till.tell(body)), body
    journalled = await results(till)
    assert len(journalled) == len(NO_NOTIFICATIONS)
    assert all(result == "rejected" and reason and told == "FAIL" for result, reason, told in journalled)


# --- does it belong to this order? -------------------------------------------------------------------------


async def test_B01_B09_another_amount_is_an_anomaly_and_then_settled(till: Till) -> None:
    for amount in (1, 12799, 12801, 999_999):
        order = await till.placed(f"T{amount}")
        answer = await till.tell(await till.paid_body(order, amount=amount))
        assert answer.settled
        disputed = await till.order(order.id)
        assert (disputed.status, disputed.anomaly) == (OrderStatus.PENDING, "amount_mismatch")
        assert disputed.next_check_at is not None
    assert await results(till) == [("mismatch", "total_fee", "SUCCESS")] * 4
    assert await till.events() == []


async def test_M3_a_coupon_lowers_what_was_paid_in_cash_and_not_the_order(till: Till) -> None:
    order = await till.placed()
    coupon: dict[str, Any] = {
        "cash_fee": "12300",
        "coupon_fee": "500",
        "coupon_count": "1",
        "coupon_fee_0": "500",
    }
    assert (await till.tell(await till.paid_body(order, **coupon))).settled
    assert (await till.order(order.id)).status is OrderStatus.PAID


async def test_B02_a_notification_of_one_tenant_never_pays_an_order_of_another(till: Till) -> None:
    """The same key signs for both tenants; every pair, both addresses."""
    orders = [await till.placed("1"), await till.placed("1", tenant=1)]
    mch_ids = [caller.tenant.sub_mch_id or "" for caller in till.callers]
    for order in orders:
        assert order.out_trade_no is not None
        till.wechat.pay(order.out_trade_no, till.clock.now())
    for mine, theirs in permutations(range(2)):
        number = orders[mine].out_trade_no
        assert number is not None
        crossed = till.wechat.notification(number, V2Key(1, KEY), sub_mch_id=mch_ids[theirs])
        assert is_fail(await till.tell(crossed, tenant=theirs))  # unknown there: nothing is touched
        assert (await till.tell(crossed, tenant=mine)).settled  # recorded as an anomaly here
        after = await till.order(orders[mine].id, tenant=mine)
        assert (after.status, after.anomaly) == (OrderStatus.PENDING, "identity_mismatch")
        assert await till.events(tenant=mine) == []


ONE_OTHER_IDENTITY = (
    ("mch_id", "1900000199", "identity_mismatch"),
    ("appid", "wx" + "a" * 16, "identity_mismatch"),
    ("sub_appid", "wx" + "b" * 16, "identity_mismatch"),
    ("sub_appid", None, "identity_mismatch"),
    ("sub_mch_id", "1600009999", "identity_mismatch"),
    ("trade_type", "NATIVE", "identity_mismatch"),
    ("fee_type", "USD", "amount_mismatch"),
)


async def test_B03_one_other_identity_is_enough_to_refuse(till: Till) -> None:
    for place, (field, value, anomaly) in enumerate(ONE_OTHER_IDENTITY):
        order = await till.placed(f"T{place}")
        changes: dict[str, Any] = {field: value}
        assert (await till.tell(await till.paid_body(order, **changes))).settled
        after = await till.order(order.id)
        assert (after.status, after.anomaly) == (OrderStatus.PENDING, anomaly), field
        assert (await results(till))[-1] == ("mismatch", field, "SUCCESS")


async def test_an_absent_currency_is_cny_and_an_unasked_sub_appid_is_no_mismatch(till: Till) -> None:
    order = await till.placed(trade_type=TradeType.NATIVE, sub_appid=None, openid=None)
    assert (await till.tell(await till.paid_body(order, fee_type=None, sub_appid=MINI))).settled
    assert (await till.order(order.id)).status is OrderStatus.PAID


async def test_B04_N17_a_captured_notification_has_no_effect_on_another_order_or_tenant(till: Till) -> None:
    cheap, dear = await till.placed("cheap"), await till.placed("dear")
    body = await till.paid_body(cheap)
    assert (await till.tell(body)).settled
    assert is_fail(await till.tell(body, tenant=1))
    assert (await till.tell(body)).settled
    assert await untouched(till, dear)
    assert len(await till.events()) == 1


async def test_B05_a_second_payment_keeps_the_first_and_raises_an_anomaly(till: Till) -> None:
    order = await till.placed()
    await till.tell(await till.paid_body(order))
    first = await till.order(order.id)
    assert order.out_trade_no is not None
    second = till.wechat.notification(order.out_trade_no, V2Key(1, KEY), transaction_id="4200009999")
    assert (await till.tell(second)).settled
    after = await till.order(order.id)
    assert (after.transaction_id, after.anomaly) == (first.transaction_id, "double_payment")
    assert after.status is OrderStatus.PAID
    assert len(await till.events()) == 1


async def test_B06_an_unknown_order_is_kept_and_refused_so_that_wechat_repeats(till: Till) -> None:
    order = await till.placed()
    body = await till.paid_body(order)
    unknown = envelope.parse(body) | {"out_trade_no": "01JD3K8W7Q4M6X0B2T9V5H1CZN"}
    unknown["sign"] = signing.sign(unknown, V2Key(1, KEY), SignType.HMAC_SHA256)
    assert is_fail(await till.tell(envelope.build(unknown)))
    assert await results(till) == [("unmatched", "unknown_order", "FAIL")]


async def test_B07_unknown_fields_and_absent_optional_ones_are_accepted(till: Till) -> None:
    order = await till.placed()
    body = await till.paid_body(order, brand_new_field="x", attach=None)
    assert (await till.tell(body)).settled
    assert (await till.order(order.id)).status is OrderStatus.PAID


# --- races and repetition ----------------------------------------------------------------------------------


async def test_Z02_fifty_duplicates_at_once_make_one_transition(till: Till) -> None:
    order = await till.placed()
    body = await till.paid_body(order)
    answers = await asyncio.gather(*(till.tell(body) for _ in range(50)))
    assert all(answer.body == SUCCESS for answer in answers)
    (row,) = await till.journal()
    assert (row.result, row.received) == ("processed", 50)
    assert len(await till.events()) == 1
    told = [entry for entry in (await till.detail(order.id)).timeline if entry.kind == "notify.received"]
    assert len(told) == 1


async def test_Z02_differently_signed_repeats_at_once_make_one_transition(till: Till) -> None:
    order = await till.placed()
    bodies = [await till.paid_body(order)]
    assert order.out_trade_no is not None
    bodies += [till.wechat.notification(order.out_trade_no, V2Key(1, KEY)) for _ in range(19)]
    answers = await asyncio.gather(*(till.tell(body) for body in bodies))
    assert all(answer.settled for answer in answers)
    found = [row.result for row in await till.journal()]
    assert (found.count("processed"), found.count("duplicate")) == (1, 19)
    assert len(await till.events()) == 1


async def test_Z03_notification_and_query_at_once_make_one_transition(till: Till) -> None:
    order = await till.placed()
    body = await till.paid_body(order)
    till.clock.advance(seconds=61)
    await asyncio.gather(till.tell(body), till.healing.run_due(), till.tell(body))
    assert (await till.order(order.id)).status is OrderStatus.PAID
    assert [event.sequence for event in await till.events()] == [1]


async def test_a_message_that_was_refused_for_its_key_counts_once_the_key_is_there(till: Till) -> None:
    order = await till.placed()
    assert order.out_trade_no is not None
    till.wechat.pay(order.out_trade_no, till.clock.now())
    body = till.wechat.notification(order.out_trade_no, V2Key(2, OTHER_KEY))
    assert is_fail(await till.tell(body))
    scope = ProviderScope(till.scope.provider_id)
    async with till.database.write(scope) as session:
        await put_key(
            session,
            till.vault,
            provider_id=scope.provider_id,
            kind=KeyKind.API_V2,
            secret=OTHER_KEY.encode(),
            now=till.clock.now(),
        )
    assert (await till.tell(body)).settled
    assert await results(till) == [("processed", None, "SUCCESS")]


# --- addresses ---------------------------------------------------------------------------------------------


async def test_an_address_of_nobody_is_refused_and_only_counted(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MAX_STRAYS", 3)
    for number in range(5):
        incoming = Incoming("v2", "payment", f"<xml>{number}</xml>".encode(), {}, FACTS)
        assert is_fail(await till.notify.payment_v2("x" * 32, incoming))
        assert is_fail(await till.notify.payment_v2("x" * 32, incoming))
    strays = table_of(StrayNotification)
    async with till.database.read(DoorScope()) as session:
        kept = (await session.execute(select(strays.c.digest, strays.c.received))).all()
        assert await session.scalar(select(func.sum(strays.c.received))) == 10
    assert len(kept) == 4
    assert {row.digest: row.received for row in kept}["overflow"] == 4


async def test_the_providers_own_address_takes_no_payments(till: Till) -> None:
    order = await till.placed()
    body = await till.paid_body(order)
    incoming = Incoming("v2", "payment", body, {}, FACTS)
    assert is_fail(await till.notify.payment_v2(till.caller.provider.route_key, incoming))
    assert await untouched(till, order)


async def test_a_kind_that_is_not_in_use_is_journalled_and_refused(till: Till) -> None:
    incoming = Incoming("v2", "refund", b"<xml/>", {}, FACTS)
    answer = await till.notify.not_in_use(till.caller.tenant.route_key, incoming, "not_in_use")
    assert is_fail(answer)
    assert await results(till) == [("rejected", "not_in_use", "FAIL")]


async def test_only_harmless_headers_are_kept(till: Till) -> None:
    order = await till.placed()
    headers = {
        "content-type": "text/xml",
        "authorization": "Bearer x",
        "cookie": "y",
        "user-agent": "u" * 999,
    }
    await till.tell(await till.paid_body(order), headers=headers)
    (row,) = await till.journal()
    assert set(row.headers) == {"content-type", "user-agent"}
    assert len(row.headers["user-agent"]) == 256


async def test_a_plain_merchants_notification_has_no_sub_fields(till: Till) -> None:
    own = replace(
        till.caller,
        provider=replace(till.caller.provider, kind="merchant"),
        tenant=replace(till.caller.tenant, sub_mch_id=None),
    )
    till.callers[0] = own
    order = await till.placed()
    assert (await till.tell(await till.paid_body(order))).settled
    other = await till.placed("T2")
    assert (await till.tell(await till.paid_body(other, sub_mch_id="1600009999"))).settled
    assert (await till.order(other.id)).anomaly == "identity_mismatch"
