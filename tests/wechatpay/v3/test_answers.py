"""What an answer of API v3 decides, and what stays open (G02-G05, G08, G13, N09; wechatpay-v3 1.8, 1.9)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.v3_counterpart import (
    NUMBER,
    PAID,
    PREPAY,
    PUBLIC_KEY_ID,
    V3Counterpart,
    new_order,
    partner,
    signed_headers,
)

from wechatpay.errors import (
    BadAnswerSignature,
    EchoMismatch,
    InvalidRequest,
    Refused,
    UnknownOutcome,
    WechatPayError,
)
from wechatpay.gateway import Gateway, NewRefund
from wechatpay.identifiers import OutRefundNo
from wechatpay.money import Fen
from wechatpay.v3 import document
from wechatpay.v3.codes import port_code

REFUND = NewRefund(
    OutRefundNo("R1"),
    NUMBER,
    None,
    Fen(30),
    Fen(100),
    None,
    "https://pay.example.com/notify/wechat/k7/v3/refund",
)


async def fails(
    gateway: Gateway, operation: str = "place", kind: type[WechatPayError] = WechatPayError
) -> Any:
    """Make one call that must fail so."""
    calls: dict[str, Callable[[], Any]] = {
        "place": lambda: gateway.place(partner(), new_order()),
        "query": lambda: gateway.query(partner(), NUMBER),
        "close": lambda: gateway.close(partner(), NUMBER),
        "refund": lambda: gateway.refund(partner(), None, REFUND),  # type: ignore[arg-type]
        "query_refund": lambda: gateway.query_refund(partner(), OutRefundNo("R1")),
    }
    with pytest.raises(kind) as failure:
        await calls[operation]()
    assert failure.value.call is not None
    return failure.value


@pytest.mark.parametrize("name", ["timestamp", "nonce", "serial", "signature"])
@pytest.mark.parametrize("operation", ["place", "close"])
async def test_G05_a_success_without_its_headers_is_none(
    gateway: Gateway, wechat: V3Counterpart, name: str, operation: str
) -> None:
    wechat.tells(200, {"prepay_id": PREPAY})
    wechat.headers = {f"wechatpay-{name}": None}
    failure = await fails(gateway, operation, BadAnswerSignature)
    assert (failure.fault, failure.reason) == ("missing_header", "bad_signature")
    assert failure.call.serial is None


async def test_G05_an_answer_changed_on_its_way_is_none(gateway: Gateway, wechat: V3Counterpart) -> None:
    wechat.tampering = lambda body: body.replace(b"wx20", b"wx21")
    failure = await fails(gateway, kind=BadAnswerSignature)
    assert (failure.fault, failure.serial) == ("bad_signature", PUBLIC_KEY_ID)


async def test_G05_an_empty_answer_that_is_not_signed_closes_nothing(
    gateway: Gateway, wechat: V3Counterpart
) -> None:
    wechat.tells(204, None)
    wechat.headers = dict(signed_headers(b"x"))
    assert (await fails(gateway, "close", BadAnswerSignature)).fault == "bad_signature"


async def test_K03_an_answer_by_an_unknown_certificate_names_it(
    gateway: Gateway, wechat: V3Counterpart
) -> None:
    wechat.headers = {"wechatpay-serial": "0A" * 20}
    failure = await fails(gateway, kind=BadAnswerSignature)
    assert (failure.fault, failure.serial) == ("unknown_serial", "0A" * 20)


async def test_N10_a_probe_in_an_answer_leaves_the_outcome_open(
    gateway: Gateway, wechat: V3Counterpart
) -> None:
    wechat.headers = {"wechatpay-signature": "WECHATPAY/SIGNTEST/" + "A" * 325}
    assert (await fails(gateway, kind=BadAnswerSignature)).fault == "probe"


async def test_an_answer_of_another_time_is_a_replay(gateway: Gateway, wechat: V3Counterpart) -> None:
    wechat.headers = {"wechatpay-timestamp": "1795218900"}
    assert (await fails(gateway, kind=BadAnswerSignature)).fault == "stale_timestamp"


@pytest.mark.parametrize(
    ("operation", "code", "status", "known_as", "definitive"),
    [
        ("query", "ORDER_NOT_EXIST", 404, "ORDERNOTEXIST", True),
        ("query", "ORDERNOTEXIST", 404, "ORDERNOTEXIST", True),
        ("query", "RESOURCE_NOT_EXISTS", 404, "ORDERNOTEXIST", True),
        ("place", "ORDER_PAID", 400, "ORDERPAID", False),
        ("place", "ORDERPAID", 400, "ORDERPAID", False),
        ("place", "ORDER_CLOSED", 400, "ORDERCLOSED", False),
        ("place", "PARAM_ERROR", 400, "PARAM_ERROR", True),
        ("place", "APPID_MCHID_NOT_MATCH", 400, "APPID_MCHID_NOT_MATCH", True),
        ("place", "SIGN_ERROR", 401, "SIGNERROR", True),
        ("place", "NO_AUTH", 403, "NOAUTH", True),
        ("place", "NOAUTH", 403, "NOAUTH", True),
        ("place", "RULE_LIMIT", 403, "RULELIMIT", True),
        ("place", "FREQUENCY_LIMITED", 429, "FREQUENCY_LIMITED", False),
        ("place", "RATELIMIT_EXCEEDED", 429, "FREQUENCY_LIMITED", False),
        ("place", "OPENID_MISMATCH", 500, "OPENID_MISMATCH", True),
        ("place", "A_CODE_OF_NEXT_YEAR", 400, "A_CODE_OF_NEXT_YEAR", False),
        ("close", "ORDER_PAID", 400, "ORDERPAID", False),
        ("refund", "NOT_ENOUGH", 403, "NOTENOUGH", False),
        ("refund", "SIGN_ERROR", 401, "SIGNERROR", False),
        ("refund", "USER_ACCOUNT_ABNORMAL", 403, "USER_ACCOUNT_ABNORMAL", True),
        ("refund", "RESOURCE_NOT_EXISTS", 404, "ORDERNOTEXIST", True),
        ("query_refund", "RESOURCE_NOT_EXISTS", 404, "REFUNDNOTEXIST", True),
    ],
)
async def test_a_refusal_is_read_without_a_signature_in_the_port_s_spelling(
    gateway: Gateway,
    wechat: V3Counterpart,
    operation: str,
    code: str,
    status: int,
    known_as: str,
    definitive: bool,
) -> None:
    wechat.tells(status, {"code": code, "message": "说明", "detail": {"field": "/x", "issue": "y"}})
    refusal = await fails(gateway, operation, Refused)
    assert (refusal.code, refusal.level, refusal.definitive) == (known_as, "result", definitive)
    assert (refusal.call.err_code, refusal.call.err_message) == (code, "说明")
    assert (refusal.call.http_status, refusal.call.serial) == (status, None)
    assert refusal.call.request_id == "08F7A1-268435461"


@pytest.mark.parametrize(
    ("operation", "status", "code", "message"),
    [
        pytest.param("place", 500, "SYSTEM_ERROR", "系统错误", id="G03"),
        pytest.param("place", 500, "BANK_ERROR", "银行系统异常", id="bank"),
        pytest.param("place", 503, "SERVICE_UNAVAILABLE", "", id="overload"),
        pytest.param("place", 500, "A_CODE_OF_NEXT_YEAR", "", id="unheard of"),
        pytest.param("place", 403, "OUT_TRADE_NO_USED", "商户订单号重复", id="number used"),
        pytest.param("place", 400, "INVALID_REQUEST", "商户订单号重复", id="re-entry with other values"),
        pytest.param("refund", 429, "FREQUENCY_LIMITED", "频率超限", id="R3: may be taken on"),
        pytest.param("refund", 429, "ANOTHER_CODE", "", id="R3: any 429"),
        pytest.param("refund", 500, "BIZ_ERR_NEED_RETRY", "", id="F06"),
        pytest.param(
            "refund", 400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致", id="first request"
        ),
        pytest.param("query_refund", 500, "SYSTEM_ERROR", "", id="query"),
    ],
)
async def test_what_may_have_taken_effect_stays_open(
    gateway: Gateway, wechat: V3Counterpart, operation: str, status: int, code: str, message: str
) -> None:
    wechat.tells(status, {"code": code, "message": message})
    failure = await fails(gateway, operation, UnknownOutcome)
    assert failure.reason == code
    assert failure.call.err_code == code


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b"<html>bad gateway of somebody else's</html>"),
        (403, b""),
        (404, b""),
        (405, b""),
        (400, b'{"message":"no code"}'),
        (400, b'{"code":17}'),
        (400, b'{"code":"lower case"}'),
        (400, b'[{"code":"PARAM_ERROR"}]'),
        (400, b'{"code":"PARAM_ERROR","code":"ORDERPAID"}'),
        (404, b'{"code":"ORDERNOTEXIST","message":"' + b"x" * 20_000 + b'"}'),
        (400, b"[" * 9_000),
        (302, b'{"code":"PARAM_ERROR"}'),
        (202, b'{"trade_state":"USERPAYING"}'),
        (502, b""),
    ],
)
async def test_G08_an_answer_that_nobody_can_read_decides_nothing(
    gateway: Gateway, wechat: V3Counterpart, status: int, body: bytes
) -> None:
    wechat.tells(status, body)
    failure = await fails(gateway, "query", UnknownOutcome)
    assert failure.reason == f"http_{status}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"x"',
        b'{"prepay_id":NaN}',
        b'{"prepay_id":1.5}',
        b'{"prepay_id":"a","prepay_id":"b"}',
        b'{"a":' * 9 + b"1" + b"}" * 9,
        b"{" * 30_000,
        b'{"a":"' + b"x" * 70_000 + b'"}',
        b'{"a":' + b"9" * 5000 + b"}",
        '{"prepay_id":"\u00e9"}'.encode("latin-1"),
    ],
)
async def test_G08_a_signed_answer_that_is_no_document_leaves_it_open(
    gateway: Gateway, wechat: V3Counterpart, body: bytes
) -> None:
    wechat.tells(200, body)
    assert (await fails(gateway, kind=UnknownOutcome)).reason == "malformed"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sp_mchid", "1900000101"),
        ("sub_mchid", "1900000110"),
        ("sub_mchid", None),
        ("sp_appid", "wx8888888888888889"),
        ("sub_appid", "wxd678efh567hg6998"),
        ("out_trade_no", "T20261121000002"),
    ],
)
async def test_G13_a_signed_answer_about_somebody_else_is_none(
    gateway: Gateway, wechat: V3Counterpart, name: str, value: str | None
) -> None:
    wechat.tells(200, {key: told for key, told in {**PAID, name: value}.items() if told is not None})
    failure = await fails(gateway, "query", EchoMismatch)
    assert failure.field == name
    assert failure.call.serial == PUBLIC_KEY_ID


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"transaction_id": None}, "transaction_id"),
        ({"transaction_id": 4200001234202611210000000001}, ""),
        ({"amount": None}, "amount.total"),
        ({"amount": {"payer_total": 100}}, "amount.total"),
        ({"amount": {"total": "100"}}, "amount.total"),
        ({"amount": {"total": True}}, "amount.total"),
        ({"amount": {"total": -1}}, "amount.total"),
        ({"amount": {"total": 1_000_000_000}}, "amount.total"),
        ({"amount": {"total": 100, "payer_total": 101}}, "amount.payer_total"),
        ({"amount": [100]}, "amount"),
        ({"success_time": None}, "success_time"),
        ({"success_time": "2026-11-21 08:00:30"}, "success_time"),
        ({"success_time": "2026-11-21T08:00:30"}, "success_time"),
        ({"success_time": "2026-13-21T08:00:30+08:00"}, "success_time"),
        ({"success_time": 1795219200}, "success_time"),
        ({"trade_state": "PAID"}, "trade_state"),
        ({"trade_state": None}, "trade_state"),
        ({"trade_type": "TELEPATHY"}, "trade_type"),
        ({"payer": {"sp_openid": "no openid!"}}, "payer.sp_openid"),
        ({"bank_type": "<script>"}, "bank_type"),
    ],
)
async def test_M1_a_paid_order_must_say_how_much_when_and_under_which_number(
    gateway: Gateway, wechat: V3Counterpart, changes: dict[str, Any], missing: str
) -> None:
    document = {name: value for name, value in {**PAID, **changes}.items() if value is not None}
    wechat.tells(200, document)
    failure = await fails(gateway, "query", UnknownOutcome)
    assert failure.reason == (f"answer_without_{missing}" if missing else "malformed")
    assert failure.call.serial == PUBLIC_KEY_ID


@pytest.mark.parametrize("answer", [{}, {"prepay_id": ""}, {"prepay_id": 7}, {"prepay_id": "a&b"}])
async def test_an_order_without_its_prepay_id_is_open(
    gateway: Gateway, wechat: V3Counterpart, answer: dict[str, Any]
) -> None:
    wechat.tells(200, answer)
    assert (await fails(gateway, kind=UnknownOutcome)).reason == "answer_without_prepay_id"


async def test_C6_a_record_holds_no_signature_and_no_openid(gateway: Gateway, wechat: V3Counterpart) -> None:
    quoted = wechat.requests
    message = "签名错误，签名串 oUpF8uMuAJO_M2pxb1Q9zNjWeS6o " + "QUJDREVGR0hJSktMTU5PUA" * 4
    wechat.tells(401, {"code": "SIGN_ERROR", "message": message})
    failure = await fails(gateway, kind=Refused)
    told = f"{failure} {failure.message} {failure.call!r}"
    assert "oUpF8uMu" not in told
    assert "QUJDREVG" not in told
    assert quoted[-1].headers["authorization"] not in told


@pytest.mark.parametrize(
    ("operation", "code", "known_as"),
    [
        ("v3.close", "RESOURCE_NOT_EXISTS", "ORDERNOTEXIST"),
        ("v3.certificates", "RESOURCE_NOT_EXISTS", "RESOURCE_NOT_EXISTS"),
        ("v3.prepay", "MCH_NOT_EXISTS", "MCHID_NOT_EXIST"),
        ("v3.prepay", "OUT_TRADE_NO_USED", "OUT_TRADE_NO_USED"),
    ],
)
def test_codes_have_one_spelling_at_the_port(operation: str, code: str, known_as: str) -> None:
    assert port_code(operation, code) == known_as


# --- documents ---------------------------------------------------------------------------------------------


def test_what_is_sent_is_compact_and_holds_nothing_empty() -> None:
    built = document.build({"a": "中", "b": None, "c": "", "d": {"e": None}, "f": {"g": 0, "h": False}})
    assert built == '{"a":"中","f":{"g":0,"h":false}}'.encode()


@pytest.mark.parametrize("text", ["😀", "a\nb", "\x00", "\ud800"])
def test_what_wechat_cannot_read_is_never_sent(text: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        document.build({"scene": {"name": text}})
    assert refusal.value.field == "name"


def test_a_document_of_eight_levels_is_read() -> None:
    deep = json.loads('{"a":' * 8 + "1" + "}" * 8)
    assert document.parse(json.dumps(deep).encode()) == deep
