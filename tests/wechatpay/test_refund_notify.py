"""The refund notification of v2: a hint that opens with the key, and so do splices (N11, X01-X08).

Acceptance pain 20: a refund callback that nobody can decrypt.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from tests.support.v2_counter_desk import encrypted
from tests.support.v2_counterpart import SECRET, xml
from wechatpy.pay import WeChatPay

from wechatpay.credentials import V2Key
from wechatpay.errors import NotificationRejected
from wechatpay.gateway import RefundStatus
from wechatpay.identifiers import OutRefundNo, OutTradeNo, RefundId, SubMchId, TransactionId
from wechatpay.money import Fen
from wechatpay.v2.refund_notify import decrypt, read_refund

KEY, OLD_KEY = V2Key(3, SECRET), V2Key(2, "B" * 32)
OUTER = {
    "return_code": "SUCCESS",
    "appid": "wx1111aaaa2222bbbb",
    "mch_id": "1900000109",
    "sub_appid": "wx3333cccc4444dddd",
    "sub_mch_id": "1900000200",
    "nonce_str": "Zz9Yy8Xx7Ww6Vv5Uu4Tt3Ss2Rr1Qq0Pp",
}
INNER = {
    "out_refund_no": "R0007-20261121_000001",
    "out_trade_no": "T0007-20261121_000001",
    "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS",
    "refund_fee": "1",
    "refund_id": "50300001232026112100000000001",
    "refund_recv_accout": "支付用户零钱",
    "refund_request_source": "API",
    "refund_status": "SUCCESS",
    "settlement_refund_fee": "1",
    "settlement_total_fee": "1",
    "success_time": "2026-11-21 20:55:10",
    "total_fee": "1",
    "transaction_id": "4200001234202611210123456789",
}
# The vectors R1 of wechatpay-v2 5.3, made and checked by three other implementations.
SHORT = (
    "wIdxTGL9MhmegpI/paMAWU1na7+RkxlGpSD6//FEW1Dgb/7ZBParnhvpSNl49jPiTiaSFPNTKiDxtg3aYmcPfbwSXrwRo5zkMQNOEx+n"
    "uRvlAy0V60YQTxsYC36UCp1RuszHQqbUyhlzUgqTppopNw=="
)
FULL = (
    "aRUWyroq4M5APm6t6+JW1UZueGW7NHa3KvN5V/7SNdzR3Hao9pq1PKowNjMDL5q80s2t8h4wDQ1RwphbsLn7Z0wk5grLACRgnswyE5HE"
    "Q9wOZWaFZgwgWK9JXddGiEd40dx2qPaatTyqMDYzAy+avDgrC6x8hoAdtW8MHVAsdbPxjj7gTyXczrebLvgxLNmOgieal+K+CdAQaQ8c"
    "j8Ve3eV9uIncRJ+oG4G4qIJpoxOzgCVVwJ5VNXiC1Oio2l4GMjs8hNg2h0tXAs2Irb4KqWjklYZT9FE2KCD/29vGkVWWSwEOSF9gOmdn"
    "efP5iBvVMSOP4fqDqdUcq9O9dqhO0A0Zq7nflg5qOK/n5VuY7AFlhldCT26fZvP4cooxRuMrIQPmWfydQSG3xGSzUdPAtHqNl9LXaU+H"
    "R0F8DaTz8XliAkdrMWSJURHSb9HPDBjPqC7CoKh96vAqiE0fD6hhuVcPmd6ZEjOYiodD3bBw4xCnbfIAFYaTDUxedR38c4RLGK2GS9Xl"
    "JYUObKqYg94tl02DXQmwhXbnRiQQcAZBXX7isakETIknL3McqDosiiAhew1R2QjKeNF85XBA+zBWAScmaB8fmmJIqmf0Ab7KvAJAFLVh"
    "lp4iyWDDuuucTNTtORnYwOevO1UwzQmULUlKiTMoQheDdOiyZPBFCN+FkmqkaAlDo5YoT13QrV0KNU+lGH2O04jqClwZnWHVieRFgiwK"
    "Fty2/xGstWykjJDkVdxyvM3qAt6UldGzIvqi34TeoTcjOF5blJJLrU6BD1DfITmT1gmNwhWkx6m4em97KdkeWiA5WJK6cU2gniNdDY01"
    "of/bHxRWm5ycBllPitqy+NKNgwLRDvOzoYFpbBXz9BnWMh7nypI8qNNoyspom0qObk6JO0bWlty81R8tOfQvNWklXMg5mrKz6wXelx7h"
    "UFyYssjaIYxzHyBxTSaK1oKcJ4pl1lUpjBs7SPUJZEWCMcHis0PSyTMz8enJXy2XB1dui8j5KjZaAxVjlG2eTMII8IXhpW9Bd6Ja1ncU"
    "vualo6MUGfMjeWYuXqTWpgD1Vb4="
)


def document(**changes: str | None) -> bytes:
    """The plaintext of a notification, one element a line; None leaves one out."""
    values = {name: value for name, value in {**INNER, **changes}.items() if value is not None}
    lines = [f"<{name}><![CDATA[{value}]]></{name}>" for name, value in values.items()]
    return "\n".join(["<root>", *lines, "</root>"]).encode()


def message(req_info: str | None, **changes: str | None) -> bytes:
    values = {**OUTER, "req_info": req_info, **changes}
    return xml({name: value for name, value in values.items() if value is not None})


def cut_short(req_info: str) -> str:
    return base64.b64encode(base64.b64decode(req_info)[:-16]).decode()


def rejected(body: bytes, keys: tuple[V2Key, ...] = (KEY,)) -> tuple[str, str | None]:
    with pytest.raises(NotificationRejected) as rejection:
        read_refund(body, keys)
    return rejection.value.reason, rejection.value.field


def test_R1_the_short_vector_opens() -> None:
    assert decrypt(SHORT, KEY) == (
        b"<root><out_refund_no><![CDATA[R1]]></out_refund_no>"
        b"<refund_status><![CDATA[SUCCESS]]></refund_status></root>"
    )


def test_R1_the_full_vector_is_read_whole() -> None:
    assert decrypt(FULL, KEY) == document()
    hint = read_refund(message(FULL), [KEY])
    assert hint.out_refund_no == OutRefundNo("R0007-20261121_000001")
    assert hint.out_trade_no == OutTradeNo("T0007-20261121_000001")
    assert hint.refund_id == RefundId("50300001232026112100000000001")
    assert hint.transaction_id == TransactionId("4200001234202611210123456789")
    assert (hint.refund_fee, hint.total_fee) == (Fen(1), Fen(1))
    assert (hint.status, hint.source) == (RefundStatus.SUCCESS, "API")
    assert hint.success_at == datetime(2026, 11, 21, 12, 55, 10, tzinfo=UTC)
    assert hint.sub_mch_id == SubMchId("1900000200")
    assert hint.key_version == 3


def test_wechatpy_reads_the_same() -> None:
    client = WeChatPay(OUTER["appid"], SECRET, OUTER["mch_id"])
    theirs = client.parse_refund_notify_result(message(FULL).decode())
    ours = read_refund(message(FULL), [KEY])
    assert (theirs["refund_id"], theirs["refund_fee"]) == (ours.refund_id.text, ours.refund_fee.value)
    assert theirs["refund_status"] == ours.status


def test_a_plain_merchant_s_notification_has_no_sub_fields() -> None:
    hint = read_refund(message(FULL, sub_appid=None, sub_mch_id=None), [KEY])
    assert (hint.sub_mch_id, hint.sub_appid) == (None, None)


def test_F10_a_refund_made_in_wechat_s_console_says_so() -> None:
    sealed = encrypted(document(refund_request_source="VENDOR_PLATFORM"), SECRET)
    assert read_refund(message(sealed), [KEY]).source == "VENDOR_PLATFORM"


def test_a_refund_that_failed_has_no_time_and_may_have_no_source() -> None:
    sealed = encrypted(
        document(refund_status="REFUNDCLOSE", success_time="", refund_request_source=None), SECRET
    )
    hint = read_refund(message(sealed), [KEY])
    assert (hint.status, hint.success_at, hint.source) == (RefundStatus.REFUNDCLOSE, None, "")


def test_K01_a_retiring_key_still_opens_and_says_which_it_was() -> None:
    old = encrypted(document(), OLD_KEY.secret)
    assert read_refund(message(old), [KEY, OLD_KEY]).key_version == 2
    assert rejected(message(old)) == ("undecryptable", "req_info")


def test_no_wrong_key_ever_opens_a_notification() -> None:
    for n in range(600):  # one in 256 gives a padding that looks right
        assert decrypt(FULL, V2Key(1, f"{n:032d}")) is None


def _blocks(req_info: str) -> list[bytes]:
    sealed = base64.b64decode(req_info)
    return [sealed[at : at + 16] for at in range(0, len(sealed), 16)]


def test_N11_blocks_of_two_notifications_make_a_third_that_opens_and_is_only_a_hint() -> None:
    """A refund of 8.88 yuan that failed becomes one that succeeded, without anybody knowing the key."""
    failed = document(refund_fee="888", total_fee="888", refund_status="REFUNDCLOSE")
    small = document(refund_fee="100", total_fee="888", refund_status="SUCCESS")
    cut = failed.index(b"REFUNDCLOSE") // 16
    assert failed.index(b"REFUNDCLOSE") == small.index(b"SUCCESS")
    head, tail = _blocks(encrypted(failed, SECRET)), _blocks(encrypted(small, SECRET))
    spliced = base64.b64encode(b"".join(head[:cut] + tail[cut:])).decode()
    assert spliced not in {encrypted(failed, SECRET), encrypted(small, SECRET)}
    hint = read_refund(message(spliced), [KEY])
    assert (hint.refund_fee, hint.status) == (Fen(888), RefundStatus.SUCCESS)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(message(None), ("missing_field", "req_info"), id="no content"),
        pytest.param(message(FULL, return_code=None), ("missing_field", "return_code"), id="no code"),
        pytest.param(message(None, return_code="FAIL"), ("return_fail", None), id="void"),
        pytest.param(message(FULL, return_code="MAYBE"), ("malformed", "return_code"), id="odd code"),
        pytest.param(message(FULL, mch_id=None), ("missing_field", "mch_id"), id="no mch_id"),
        pytest.param(message(FULL, mch_id="1 OR 1"), ("malformed", "mch_id"), id="odd mch_id"),
        pytest.param(message("A" * 8196), ("too_large", "req_info"), id="more than 8 KiB"),
        pytest.param(message("x" * 70_000), ("too_large", None), id="X08: more than 64 KiB"),
        pytest.param(message("not base64!"), ("malformed", "req_info"), id="no base64"),
        pytest.param(message("YWJj"), ("malformed", "req_info"), id="no whole block"),
        pytest.param(message("支付"), ("malformed", "req_info"), id="not ASCII"),
        pytest.param(message(cut_short(FULL)), ("undecryptable", "req_info"), id="last block missing"),
        pytest.param(b"<!DOCTYPE xml>" + message(FULL), ("doctype", None), id="X01: a document type outside"),
        pytest.param(b"\xff\xfe", ("not_utf8", None), id="X07: no UTF-8"),
        pytest.param(b"", ("malformed", None), id="nothing"),
        pytest.param(
            message(FULL).replace(b"<nonce_str>", b"<mch_id>1900000109</mch_id><nonce_str>"),
            ("duplicate_field", "mch_id"),
            id="X03: twice outside",
        ),
        pytest.param(message(FULL, Appid="x"), ("malformed", "name"), id="C6 e: odd name"),
    ],
)
def test_a_malformed_notification_is_rejected(body: bytes, expected: tuple[str, str | None]) -> None:
    assert rejected(body) == expected


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        pytest.param(b"<!DOCTYPE root>" + document(), ("doctype", None), id="X01: a document type inside"),
        pytest.param(
            b'<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><root><a>&e;</a></root>',
            ("doctype", None),
            id="X01: an entity inside",
        ),
        pytest.param(
            document().replace(b"<refund_fee>", b"<refund_fee>100</refund_fee><refund_fee>"),
            ("duplicate_field", "refund_fee"),
            id="X03: an amount twice",
        ),
        pytest.param(document().replace(b"root>", b"xml>"), ("malformed", None), id="another root"),
        pytest.param(b"<root>\xff</root>", ("not_utf8", None), id="no UTF-8 inside"),
        pytest.param(document(refund_fee="1.00"), ("malformed", "refund_fee"), id="M1: yuan"),
        pytest.param(document(total_fee="１"), ("malformed", "total_fee"), id="M1: full-width"),
        pytest.param(document(refund_status="DONE"), ("malformed", "refund_status"), id="unheard-of state"),
        pytest.param(document(success_time="20261121205510"), ("malformed", "success_time"), id="time"),
        pytest.param(document(out_refund_no="R&1"), ("malformed", "out_refund_no"), id="number"),
        *(
            pytest.param(document(**{name: None}), ("missing_field", name), id=f"no {name}")
            for name in ("out_refund_no", "out_trade_no", "refund_id", "transaction_id")
        ),
        *(
            pytest.param(document(**{name: None}), ("missing_field", name), id=f"no {name}")
            for name in ("refund_fee", "total_fee", "refund_status")
        ),
    ],
)
def test_what_is_inside_is_held_to_the_same_rules(plain: bytes, expected: tuple[str, str | None]) -> None:
    assert rejected(message(encrypted(plain, SECRET))) == expected


def test_A02_no_key_is_in_a_hint_or_a_rejection() -> None:
    assert SECRET not in repr(read_refund(message(FULL), [KEY]))
    with pytest.raises(NotificationRejected) as rejection:
        read_refund(message(FULL), [OLD_KEY])
    assert OLD_KEY.secret not in repr(rejection.value)
