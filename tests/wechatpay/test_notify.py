"""The payment notification: genuine ones are read, all others refused (N01-N05, N07, N12, N16, C1-C6)."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.v2_counterpart import SECRET, signature, signed_xml, xml

from wechatpay.credentials import SignType, V2Key
from wechatpay.errors import NotificationRejected
from wechatpay.gateway import TradeType
from wechatpay.money import Fen
from wechatpay.payments import VerifiedPayment
from wechatpay.v2 import envelope, notify, signing

HMAC = SignType.HMAC_SHA256
KEY = V2Key(3, SECRET)
OLD_KEY = V2Key(2, "OLDOLDOLDOLDOLDOLDOLDOLDOLDOLD22")
FOREIGN_SECRET = "FOREIGNFOREIGNFOREIGNFOREIGN0001"
T6: dict[str, str] = next(
    vector["params"]
    for vector in json.loads(
        (Path(__file__).parents[1] / "vectors" / "wechatpay_v2.json").read_text(encoding="utf-8")
    )["positive"]
    if vector["id"] == "T6"
)
GENUINE = {**T6, "attach": "ord_01JD"}
MANDATORY = [
    "return_code",
    "result_code",
    "appid",
    "mch_id",
    "nonce_str",
    "openid",
    "trade_type",
    "bank_type",
    "total_fee",
    "cash_fee",
    "transaction_id",
    "out_trade_no",
    "time_end",
]


def accept(body: bytes, sign_type: SignType = HMAC, keys: tuple[V2Key, ...] = (KEY,)) -> VerifiedPayment:
    return notify.verify_payment(notify.read_payment(body), keys, sign_type)


def reason_of(body: bytes, sign_type: SignType = HMAC, keys: tuple[V2Key, ...] = (KEY,)) -> str:
    with pytest.raises(NotificationRejected) as refusal:
        accept(body, sign_type, keys)
    return refusal.value.reason


@pytest.mark.parametrize("sign_type", list(SignType))
def test_a_genuine_notification_is_read_with_all_its_types(sign_type: SignType) -> None:
    payment = accept(signed_xml(GENUINE, sign_type), sign_type)
    assert payment.succeeded
    assert payment.mch_id.text == "1900000109"
    assert payment.appid.text == "wx1111aaaa2222bbbb"
    assert payment.sub_mch_id is not None
    assert payment.sub_mch_id.text == "1900000200"
    assert payment.sub_appid is not None
    assert payment.sub_appid.text == "wx3333cccc4444dddd"
    assert payment.out_trade_no.text == "T0007-20261121_000001"
    assert payment.transaction_id.text == "4200001234202611210123456789"
    assert (payment.total_fee, payment.cash_fee, payment.fee_type) == (Fen(1), Fen(1), "CNY")
    assert payment.time_end == datetime(2026, 11, 21, 12, 51, 7, tzinfo=UTC)
    assert payment.trade_type is TradeType.JSAPI
    assert (payment.bank_type, payment.attach, payment.key_version) == ("OTHERS", "ord_01JD", 3)
    assert not payment.needs_query


def test_the_reference_s_own_notification_verifies_and_its_attach_asks_for_a_query() -> None:
    payment = accept(signed_xml(T6, HMAC))
    assert payment.attach == "t=7&p=01"
    assert payment.needs_query


def test_a_plain_merchant_s_notification_has_no_sub_fields() -> None:
    fields = {name: value for name, value in GENUINE.items() if not name.startswith("sub_")}
    payment = accept(signed_xml(fields, HMAC))
    assert (payment.sub_mch_id, payment.sub_appid, payment.sub_openid) == (None, None, None)


def test_M3_coupons_are_kept_apart_from_the_total() -> None:
    fields = {
        **GENUINE,
        "total_fee": "100",
        "cash_fee": "0",
        "coupon_fee": "100",
        "coupon_count": "1",
        "coupon_fee_0": "100",
        "settlement_total_fee": "90",
    }
    payment = accept(signed_xml(fields, HMAC))
    assert (payment.total_fee, payment.cash_fee, payment.coupon_fee) == (Fen(100), Fen(0), Fen(100))
    assert payment.settlement_total_fee == Fen(90)
    assert not payment.needs_query


def test_C2_new_short_fields_of_wechat_do_not_break_anything() -> None:
    payment = accept(signed_xml({**GENUINE, "brand_new_field": "x", "empty_new_field": ""}, HMAC))
    assert payment.raw["brand_new_field"] == "x"
    assert not payment.needs_query


@given(
    st.sampled_from(sorted(GENUINE)), st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=8)
)
def test_N01_any_changed_field_is_refused(name: str, value: str) -> None:
    forged = {**GENUINE, "sign": signature(GENUINE, HMAC)}
    if value == forged[name]:
        return
    assert reason_of(xml({**forged, name: value}))


def test_N01_any_removed_or_added_field_is_refused() -> None:
    sign = signature(GENUINE, HMAC)
    for name in GENUINE:
        rest = {field: value for field, value in GENUINE.items() if field != name}
        assert reason_of(xml({**rest, "sign": sign}))
    assert reason_of(xml({**GENUINE, "sub_is_vip": "Y", "sign": sign})) == "bad_signature"


@pytest.mark.parametrize("name", MANDATORY)
def test_N02_every_mandatory_field_is_missed(name: str) -> None:
    fields = {field: value for field, value in GENUINE.items() if field != name}
    with pytest.raises(NotificationRejected) as refusal:
        accept(signed_xml(fields, HMAC))
    assert (refusal.value.reason, refusal.value.field) == ("missing_field", name)


@pytest.mark.parametrize("sign", [None, ""])
def test_N02_trap_23_success_without_signature_is_forged(sign: str | None) -> None:
    fields = GENUINE if sign is None else {**GENUINE, "sign": sign}
    body = envelope.build(fields)
    assert reason_of(body) == "missing_sign"


def test_N02_no_pair_of_fields_is_ever_enough() -> None:
    for pair in itertools.combinations(GENUINE, 2):
        few = {name: GENUINE[name] for name in pair}
        assert reason_of(xml(few))
        assert reason_of(signed_xml(few, HMAC))


def test_sub_fields_need_the_sub_merchant() -> None:
    fields = {name: value for name, value in GENUINE.items() if name != "sub_mch_id"}
    with pytest.raises(NotificationRejected) as refusal:
        accept(signed_xml(fields, HMAC))
    assert (refusal.value.reason, refusal.value.field) == ("missing_field", "sub_mch_id")


@pytest.mark.parametrize(("ours", "theirs"), list(itertools.permutations(SignType, 2)))
def test_N03_C1_the_algorithm_is_ours_to_choose(ours: SignType, theirs: SignType) -> None:
    named = signed_xml({**GENUINE, "sign_type": theirs.value}, theirs)
    assert reason_of(named, ours) == "sign_type_mismatch"
    assert reason_of(signed_xml(GENUINE, theirs), ours) == "bad_signature"


@pytest.mark.parametrize("claimed", ["hmac-sha256", " HMAC-SHA256", "SHA1", "MD5"])
def test_N03_a_sign_type_that_is_not_exactly_ours_is_refused(claimed: str) -> None:
    body = envelope.build(
        {**GENUINE, "sign_type": claimed, "sign": signature({**GENUINE, "sign_type": claimed}, HMAC)}
    )
    assert reason_of(body) == "sign_type_mismatch"


def test_N03_our_sign_type_or_none_is_accepted() -> None:
    assert accept(signed_xml({**GENUINE, "sign_type": "HMAC-SHA256"}, HMAC))
    assert accept(signed_xml({**GENUINE, "sign_type": ""}, HMAC))


def test_N04_another_provider_s_key_is_refused() -> None:
    assert reason_of(signed_xml(GENUINE, HMAC, FOREIGN_SECRET)) == "bad_signature"


def test_N05_K01_an_older_key_counts_while_it_is_among_the_keys() -> None:
    old = signed_xml(GENUINE, HMAC, OLD_KEY.secret)
    assert accept(old, keys=(KEY, OLD_KEY)).key_version == 2
    assert reason_of(old, keys=(KEY,)) == "bad_signature"
    assert reason_of(old, keys=()) == "bad_signature"


@pytest.mark.parametrize(
    "spoil", [str.lower, lambda sign: sign * 2, lambda sign: sign[:-1], lambda sign: "签" + sign[1:]]
)
def test_N07_another_spelling_of_the_signature_is_refused(spoil: object) -> None:
    assert callable(spoil)
    sign = spoil(signature(GENUINE, HMAC))
    assert reason_of(xml({**GENUINE, "sign": sign})) == "bad_signature"


def test_X05_a_padded_signature_is_refused() -> None:
    body = envelope.build({**GENUINE, "sign": f" {signature(GENUINE, HMAC)} "})
    assert reason_of(body) == "bad_signature"


def test_N12_a_signed_failure_is_not_a_payment() -> None:
    payment = accept(signed_xml({**GENUINE, "result_code": "FAIL", "err_code": "SYSTEMERROR"}, HMAC))
    assert not payment.succeeded


def test_N12_a_void_message_says_so() -> None:
    assert reason_of(xml({"return_code": "FAIL", "return_msg": "签名错误"})) == "return_fail"
    assert reason_of(xml({**GENUINE, "return_code": "MAYBE"})) == "malformed"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("total_fee", "1.00"),
        ("total_fee", "01"),
        ("total_fee", "１"),
        ("total_fee", "-1"),
        ("cash_fee", "1 "),
        ("coupon_fee", "x"),
        ("mch_id", "19000001091"),
        ("sub_mch_id", "abc"),
        ("appid", "wx1"),
        ("out_trade_no", "T0007 20261121"),
        ("transaction_id", "42&00"),
        ("time_end", "20261121"),
        ("time_end", "20261121206007"),
        ("time_end", "2026112120517"),
        ("openid", "o=1"),
        ("trade_type", "BARTER"),
        ("bank_type", "A&B"),
        ("fee_type", "C N Y"),
        ("result_code", "OK OK"),
    ],
)
def test_C6_e_identity_and_money_fields_have_a_strict_form(name: str, value: str) -> None:
    fields = {**GENUINE, name: value}
    body = envelope.build({**fields, "sign": signature(fields, HMAC)})
    with pytest.raises(NotificationRejected) as refusal:
        accept(body)
    assert (refusal.value.reason, refusal.value.field) == ("malformed", name)


@pytest.mark.parametrize("name", ["Total_fee", "total-fee", "total.fee", "_x", "a" * 65])
def test_C6_e_field_names_have_a_strict_form(name: str) -> None:
    body = xml({**GENUINE, name: "1", "sign": signature({**GENUINE, name: "1"}, HMAC)})
    assert reason_of(body) == "malformed"


def test_N16_C6_f_the_attack_on_the_ambiguous_string_is_not_enough_to_be_paid() -> None:
    """Somebody chose a text of a message we sign and saw its signature: the string to sign of that
    message is cut into the fields of a notification, which then verifies under the provider's key."""
    chosen = "&".join(
        f"{name}={GENUINE[name]}" for name in sorted(GENUINE) if "attach" < name not in {"body", "zz"}
    )
    request = {
        "appid": GENUINE["appid"],
        "attach": f"x&{chosen}&zz=",
        "body": "coffee",
        "mch_id": GENUINE["mch_id"],
        "notify_url": "https://pay.example.com/n",
        "total_fee": "1",
    }
    seen = signature(request, HMAC)
    forged = {
        **GENUINE,
        "attach": "x",
        "zz": "&body=coffee&mch_id=1900000109&notify_url=https://pay.example.com/n&total_fee=1",
    }
    assert signing.sign_base(forged) == signing.sign_base(request)

    payment = accept(envelope.build({**forged, "sign": seen}))
    assert payment.succeeded
    assert payment.needs_query


@pytest.mark.parametrize(
    ("extra", "needs_query"),
    [
        ({"attach": "a&b=c"}, True),
        ({"return_msg": "O&K"}, True),
        ({"brand_new": "x" * 65}, True),
        ({"brand_new": "x" * 64}, False),
        ({"attach": "x" * 120}, False),
        ({"promotion_detail": '{"promotion_detail":[]}' + " " * 500}, False),
        ({"notify_url": "https://x"}, True),
        ({"body": "coffee"}, True),
        ({"coupon_id_0": "1" * 70}, False),
    ],
)
def test_C6_f_what_could_have_been_cut_otherwise_must_be_confirmed(
    extra: dict[str, str], needs_query: bool
) -> None:
    fields = {**GENUINE, **extra}
    body = envelope.build({**fields, "sign": signature(fields, HMAC)})
    assert accept(body).needs_query is needs_query


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"<!DOCTYPE xml><xml><a>1</a></xml>", "doctype", id="X01"),
        pytest.param(b"<xml><sign>1</sign><sign>2</sign></xml>", "duplicate_field", id="X03"),
        pytest.param("<xml/>".encode("utf-16"), "not_utf8", id="X07"),
        pytest.param(b"<xml>" + b" " * 65536 + b"</xml>", "too_large", id="X08"),
        pytest.param(b"", "malformed", id="empty"),
        pytest.param(b"return_code=SUCCESS", "malformed", id="not XML"),
    ],
)
def test_what_is_not_v2_xml_is_refused_by_its_reason(body: bytes, reason: str) -> None:
    assert reason_of(body) == reason


@pytest.mark.parametrize("where", ["<sign>", "</xml>"])
def test_X03_a_second_amount_before_or_after_the_signature_is_refused(where: str) -> None:
    body = signed_xml(GENUINE, HMAC).decode().replace(where, f"<total_fee>100</total_fee>{where}")
    assert reason_of(body.encode()) == "duplicate_field"


def test_X04_a_glued_amount_counts_only_as_what_was_signed() -> None:
    fields = {**GENUINE, "total_fee": "100"}
    body = signed_xml(fields, HMAC).decode()
    glued = body.replace("<total_fee>100<", "<total_fee>1<!-- -->00<")
    assert glued != body
    assert accept(glued.encode()).total_fee == Fen(100)
    forged = signed_xml(GENUINE, HMAC).decode().replace("<total_fee>1<", "<total_fee>1<!-- -->00<")
    assert reason_of(forged.encode()) == "bad_signature"


def test_C6_a_neither_signature_nor_payer_shows_in_any_repr() -> None:
    body = signed_xml(GENUINE, HMAC)
    fields = notify.read_payment(body)
    payment = notify.verify_payment(fields, [KEY], HMAC)
    assert "sign" not in payment.raw
    for shown in (repr(fields), repr(payment)):
        assert signature(GENUINE, HMAC) not in shown
        assert GENUINE["openid"] not in shown
        assert GENUINE["sub_openid"] not in shown


def test_the_order_number_can_be_read_before_the_signature() -> None:
    assert notify.read_payment(xml({**GENUINE, "sign": "A"})).out_trade_no.text == GENUINE["out_trade_no"]


def test_the_answers_to_wechat_are_the_contract_s_bytes() -> None:
    assert notify.ack() == (
        b"<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"
    )
    assert envelope.parse(notify.nack("签名错误")) == {"return_code": "FAIL", "return_msg": "签名错误"}
    assert len(envelope.parse(notify.nack("x" * 500))["return_msg"]) == 64


def test_wechatpy_reads_our_messages_as_genuine() -> None:
    """The independent package verifies what our own envelope and signing made."""
    from wechatpy.pay import WeChatPay

    fields = {**GENUINE, "sign": signing.sign(GENUINE, KEY, SignType.MD5)}
    client = WeChatPay(GENUINE["appid"], SECRET, GENUINE["mch_id"], GENUINE["sub_mch_id"])
    assert client.parse_payment_result(envelope.build(fields))["out_trade_no"] == GENUINE["out_trade_no"]
