"""The checks of every v3 call, in the gateway's order (wechatpay-v3 10, 1.1 to 1.3, 1.8)."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest
from tests.support.simulated import APPID, BAKERY, COFFEE, COFFEE_APP, MCH_ID, MERCHANT, MERCHANT_APP
from tests.support.simulated_v3 import (
    DIRECT,
    PARTNER,
    Identity,
    V3Desk,
    asking,
    direct,
    h5,
    native,
    prepay,
)

JSAPI = f"{PARTNER}/jsapi"
CERTIFICATES = "/v3/certificates"


async def test_a_right_call_is_answered_with_a_signature_over_its_bytes(v3: V3Desk) -> None:
    answer = await v3.send("POST", JSAPI, prepay())
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert v3.verifies(answer)
    assert len(answer.json()["prepay_id"]) == 36
    assert answer.json()["prepay_id"].startswith("wx20")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", JSAPI, 405),
        ("PUT", CERTIFICATES, 405),
        ("POST", CERTIFICATES, 405),
        ("GET", f"{PARTNER}/jsapi/", 404),
        ("GET", "/v3/pay/partner/transactions", 404),
        ("POST", "/v3/refund/domestic", 404),
        ("GET", "/v3/", 404),
        ("GET", "/v3/applyment4sub/applyment", 404),
    ],
)
async def test_a_wrong_method_or_path_is_answered_with_nothing(
    refusing: V3Desk, method: str, path: str, status: int
) -> None:
    answer = await refusing.http.request(method, path)
    assert (answer.status_code, answer.content) == (status, b"")
    assert not [name for name in answer.headers if name.startswith("wechatpay")]


async def test_a_call_without_user_agent_is_refused_before_its_signature_but_not_on_payment_paths(
    refusing: V3Desk,
) -> None:
    bare = {"User-Agent": "", "Authorization": "Bearer x"}
    assert await refusing.fails("GET", CERTIFICATES, headers=bare) == (400, "INVALID_REQUEST", "")
    assert (await refusing.fails("POST", JSAPI, prepay(), bare))[:2] == (401, "SIGN_ERROR")


def changed(header: str, old: str, new: str) -> str:
    assert old in header
    return header.replace(old, new, 1)


BROKEN = [
    pytest.param(lambda _header: "", id="none"),
    pytest.param(lambda _header: "Bearer x", id="bearer"),
    pytest.param(lambda header: changed(header, "SHA256-RSA2048", "SM2-WITH-SM3"), id="scheme"),
    pytest.param(lambda header: changed(header, " ", "  "), id="two spaces"),
    pytest.param(lambda header: changed(header, ",", ", "), id="space after comma"),
    pytest.param(lambda header: changed(header, "nonce_str", "nonce"), id="other name"),
    pytest.param(lambda header: header + ',mchid="1"', id="name twice"),
    pytest.param(lambda header: changed(header, ',serial_no="', ',x="'), id="missing"),
]


@pytest.mark.parametrize("spoil", BROKEN)
async def test_a_malformed_authorization_is_a_sign_error(refusing: V3Desk, spoil: Any) -> None:
    header = spoil(refusing.authorization("GET", CERTIFICATES))
    failed = await refusing.fails("GET", CERTIFICATES, headers={"Authorization": header})
    assert failed == (401, "SIGN_ERROR", "Authorization")


async def test_the_five_parts_come_in_any_order(v3: V3Desk) -> None:
    body = json.dumps(prepay()).encode()
    scheme, _, rest = v3.authorization("POST", JSAPI, body).partition(" ")
    turned = f"{scheme} {','.join(reversed(rest.split(',')))}"
    assert (await v3.ask("POST", JSAPI, body, {"Authorization": turned}))["prepay_id"]


@pytest.mark.parametrize(("offset", "status"), [(-299, 200), (298, 200), (-302, 401), (303, 401)])
async def test_a_timestamp_counts_for_five_minutes_both_ways(v3: V3Desk, offset: int, status: int) -> None:
    body = json.dumps(prepay()).encode()
    stamp = str(int(time.time()) + offset)
    header = v3.authorization("POST", JSAPI, body, timestamp=stamp)
    answer = await v3.send("POST", JSAPI, body, {"Authorization": header})
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["detail"]["field"] == "timestamp"


@pytest.mark.parametrize("stamp", ["", "now", "1795219200000", "-1795219200"])
async def test_a_timestamp_that_is_no_number_of_seconds_is_refused(refusing: V3Desk, stamp: str) -> None:
    header = refusing.authorization("GET", CERTIFICATES, timestamp=stamp)
    failed = await refusing.fails("GET", CERTIFICATES, headers={"Authorization": header})
    assert failed == (401, "SIGN_ERROR", "timestamp")


async def test_the_timestamp_is_checked_before_number_serial_and_signature(refusing: V3Desk) -> None:
    right = {"timestamp": str(int(time.time())), "mchid": MCH_ID, "serial_no": refusing.own.serial}
    wrong = {"timestamp": "1500000000", "mchid": "1900000999", "serial_no": "00", "signature": "x"}
    for field in (*right, "signature"):
        header = refusing.authorization("GET", CERTIFICATES, **wrong)
        failed = await refusing.fails("GET", CERTIFICATES, headers={"Authorization": header})
        assert failed == (401, "SIGN_ERROR", field)
        wrong |= {field: right.get(field, "")}


async def test_a_serial_of_another_merchant_is_refused(
    refusing: V3Desk, identities: dict[str, Identity]
) -> None:
    header = refusing.authorization("GET", CERTIFICATES, serial_no=identities[MERCHANT].serial)
    failed = await refusing.fails("GET", CERTIFICATES, headers={"Authorization": header})
    assert failed == (401, "SIGN_ERROR", "serial_no")


async def test_a_serial_is_upper_case_hex(refusing: V3Desk) -> None:
    header = refusing.authorization("GET", CERTIFICATES, serial_no=refusing.own.serial.lower())
    assert (await refusing.fails("GET", CERTIFICATES, headers={"Authorization": header}))[2] == "serial_no"


async def test_a_wrong_signature_comes_with_what_the_gateway_built(refusing: V3Desk) -> None:
    """66 bytes for this very call, as seen in the field (wechatpay-v3 1.8)."""
    header = refusing.authorization("GET", CERTIFICATES, signature="AAAA")
    answer = await refusing.send("GET", CERTIFICATES, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")
    information = answer.json()["detail"]["sign_information"]
    assert (information["method"], information["url"]) == ("GET", CERTIFICATES)
    assert information["sign_message_length"] == 66
    assert information["truncated_sign_message"].startswith("GET\n/v3/certificates\n")


async def test_a_request_is_named_for_support_but_by_payment_paths_not_to_strangers(
    refusing: V3Desk,
) -> None:
    unsigned = {"Authorization": ""}
    told = [
        await refusing.send("GET", CERTIFICATES, headers=unsigned),
        await refusing.send("GET", asking("T000001")),
        await refusing.send("GET", asking("T000001"), headers=unsigned),
    ]
    tails = [answer.headers.get("request-id", "none").rpartition("-")[2] for answer in told]
    assert tails == ["268443699", "268512771", "none"]


async def test_another_key_and_other_bytes_than_signed_are_refused(
    refusing: V3Desk, stranger: Identity
) -> None:
    body = json.dumps(prepay()).encode()
    forged = V3Desk(refusing.where, refusing.http, stranger)
    headers = [
        forged.authorization("POST", JSAPI, body, serial_no=refusing.own.serial),
        refusing.authorization("POST", JSAPI, body, signed=body + b" "),
        refusing.authorization("POST", f"{JSAPI}?", body),
        refusing.authorization("PUT", JSAPI, body),
    ]
    for header in headers:
        failed = await refusing.fails("POST", JSAPI, body, {"Authorization": header})
        assert failed == (401, "SIGN_ERROR", "signature")


async def test_the_query_is_part_of_what_is_signed(refusing: V3Desk) -> None:
    target = asking("T000001")
    header = refusing.authorization("GET", target.partition("?")[0])
    failed = await refusing.fails("GET", target, headers={"Authorization": header})
    assert failed == (401, "SIGN_ERROR", "signature")


async def test_a_number_is_signed_in_the_path_as_it_is_sent(v3: V3Desk) -> None:
    """Some clients send %7C, others a bare bar (wechatpay-v3 1.2)."""
    await v3.place("native", native("T|000*1"))
    for written in ("T|000*1", "T%7C000*1", "T%7c000%2A1"):
        target = asking(written)
        request = v3.http.build_request("GET", v3.where.url)
        url = httpx.URL(v3.where.url).copy_with(raw_path=target.encode())
        header = v3.authorization("GET", target)
        request = httpx.Request(
            "GET", url, headers={"Authorization": header, "Host": request.headers["host"]}
        )
        answer = await v3.http.send(request)
        assert answer.status_code == 200, answer.text
        assert answer.json()["out_trade_no"] == "T|000*1"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"x"', b"null", b'{"a":1,"a":2}', b'{"amount":NaN}', b"\xff{}", b"[" * 100_000],
    ids=["empty", "cut", "list", "text", "null", "twice", "nan", "not utf-8", "deep"],
)
async def test_a_body_that_is_no_json_object_is_a_parameter_error(refusing: V3Desk, body: bytes) -> None:
    assert (await refusing.fails("POST", JSAPI, body))[:2] == (400, "PARAM_ERROR")


@pytest.mark.parametrize("more", [b',"attach":"t=8"}', b',"amount":{"total":NaN}}'], ids=["twice", "nan"])
async def test_what_json_itself_leaves_open_is_refused(refusing: V3Desk, more: bytes) -> None:
    answer = await refusing.send("POST", JSAPI, json.dumps(prepay()).encode()[:-1] + more)
    assert answer.json()["message"] == "请求体不是有效的JSON"


async def test_a_body_of_another_type_is_refused(refusing: V3Desk) -> None:
    failed = await refusing.fails("POST", JSAPI, prepay(), {"Content-Type": "text/xml"})
    assert failed == (400, "PARAM_ERROR", "Content-Type")


def _amount(**amount: Any) -> dict[str, Any]:
    return prepay(amount=amount)


GOODS = {"merchant_goods_id": "1", "quantity": 1, "unit_price": 1}
WRONG: list[tuple[str, Any, str]] = [
    ("jsapi", prepay(total_fee=1), "/total_fee"),
    ("jsapi", prepay(mchid=MCH_ID), "/mchid"),
    ("jsapi", _amount(total=100, currency="CNY", refund=1), "/amount/refund"),
    ("jsapi", _amount(total=0), "/amount/total"),
    ("jsapi", _amount(total=-1), "/amount/total"),
    ("jsapi", _amount(total="100"), "/amount/total"),
    ("jsapi", _amount(total=1.0), "/amount/total"),
    ("jsapi", _amount(total=True), "/amount/total"),
    ("jsapi", _amount(total=100, currency="USD"), "/amount/currency"),
    ("jsapi", _amount(), "/amount/total"),
    ("jsapi", prepay(amount=None), "/amount"),
    ("jsapi", prepay() | {"attach": None}, "/attach"),
    ("jsapi", prepay(attach=""), "/attach"),
    ("jsapi", prepay(attach="x" * 129), "/attach"),
    ("jsapi", prepay(description="x" * 128), "/description"),
    ("jsapi", prepay(description="咖啡☕🥐"), "/description"),
    ("jsapi", prepay("T0001"), "/out_trade_no"),
    ("jsapi", prepay("x" * 33), "/out_trade_no"),
    ("jsapi", prepay("T000 001"), "/out_trade_no"),
    ("jsapi", prepay(notify_url=None), "/notify_url"),
    ("jsapi", prepay(notify_url="pay.example.com/notify"), "/notify_url"),
    ("jsapi", prepay(notify_url="ftp://pay.example.com/notify"), "/notify_url"),
    ("jsapi", prepay(notify_url="https://pay.example.com/notify?a=1"), "/notify_url"),
    ("jsapi", prepay(notify_url="https://pay.example.com/notify#a"), "/notify_url"),
    ("jsapi", prepay(notify_url="https://pay.example.com"), "/notify_url"),
    ("jsapi", prepay(notify_url="http://pay.example.com/notify"), "/notify_url"),
    ("jsapi", prepay(notify_url="http://8.8.8.8/notify"), "/notify_url"),
    ("jsapi", prepay(notify_url="https://pay.example.com/" + "x" * 232), "/notify_url"),
    ("jsapi", prepay(time_expire="20261121080030"), "/time_expire"),
    ("jsapi", prepay(time_expire="2026-11-21 08:00:30"), "/time_expire"),
    ("jsapi", prepay(time_expire="2026-02-30T08:00:30+08:00"), "/time_expire"),
    ("jsapi", prepay(time_expire="2020-11-21T08:00:30+08:00"), "/time_expire"),
    ("jsapi", prepay(payer=None), "/payer"),
    ("jsapi", prepay(payer={}), "/payer/sp_openid"),
    ("jsapi", prepay(payer={"openid": "o1"}), "/payer/openid"),
    ("jsapi", prepay(payer={"sub_openid": "o 1"}), "/payer/sub_openid"),
    ("jsapi", prepay(sub_appid=None), "/sub_appid"),
    ("jsapi", prepay(settle_info={"profit_sharing": "Y"}), "/settle_info/profit_sharing"),
    ("jsapi", prepay(limit_pay="no_credit"), "/limit_pay"),
    ("jsapi", prepay(limit_pay=["none"]), "/limit_pay/0"),
    ("jsapi", prepay(detail={"goods_detail": []}), "/detail/goods_detail"),
    ("jsapi", prepay(detail={"goods_detail": [GOODS, {}]}), "/detail/goods_detail/1/merchant_goods_id"),
    ("jsapi", prepay(scene_info={"payer_client_ip": "1.2.3"}), "/scene_info/payer_client_ip"),
    ("jsapi", prepay(scene_info={"device_id": "1"}), "/scene_info/payer_client_ip"),
    ("native", prepay(), "/payer"),
    ("app", prepay(), "/payer"),
    ("h5", native(), "/scene_info"),
    ("h5", h5(scene_info={"payer_client_ip": "203.0.113.9"}), "/scene_info/h5_info"),
    (
        "h5",
        h5(scene_info={"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Wap"}}),
        "/scene_info/payer_client_ip",
    ),
    ("h5", h5(scene_info={"payer_client_ip": "::1", "h5_info": {"type": "PC"}}), "/scene_info/h5_info/type"),
]


@pytest.mark.parametrize(
    ("kind", "body", "field"), WRONG, ids=[f"{i}{field}" for i, (_, _, field) in enumerate(WRONG)]
)
async def test_a_wrong_value_is_named(refusing: V3Desk, kind: str, body: Any, field: str) -> None:
    assert await refusing.declined(kind, body) == (400, "PARAM_ERROR", field)


@pytest.mark.parametrize(
    ("target", "field"),
    [
        (f"{PARTNER}/out-trade-no/T000001?sp_mchid={MCH_ID}", "sub_mchid"),
        (f"{PARTNER}/out-trade-no/T000001?sub_mchid={COFFEE}", "sp_mchid"),
        (f"{asking('T000001')}&x=1", "x"),
        (f"{asking('T000001')}&sub_mchid={COFFEE}", "query"),
        (asking("T1"), "out_trade_no"),
        (asking("T000001").replace(MCH_ID, MERCHANT), "sp_mchid"),
        ("/v3/certificates?algorithm_type=DSA", "algorithm_type"),
    ],
)
async def test_a_wrong_query_is_named(refusing: V3Desk, target: str, field: str) -> None:
    assert await refusing.fails("GET", target) == (400, "PARAM_ERROR", field)


async def test_the_body_names_the_caller_itself(refusing: V3Desk) -> None:
    failed = await refusing.declined(body=prepay(sp_mchid=MERCHANT))
    assert failed == (400, "PARAM_ERROR", "/sp_mchid")


async def test_each_family_of_paths_has_its_own_callers(v3: V3Desk, merchant: V3Desk) -> None:
    own = {"sp_mchid": MERCHANT, "sp_appid": MERCHANT_APP}
    assert await merchant.fails("POST", JSAPI, prepay(**own)) == (403, "NO_AUTH", "")
    foreign = direct(mchid=MCH_ID, appid=APPID)
    assert await v3.fails("POST", f"{DIRECT}/jsapi", foreign) == (403, "NO_AUTH", "")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"sub_mchid": "1600009999"}, (403, "NO_AUTH", "")),
        ({"sub_mchid": MCH_ID}, (400, "INVALID_REQUEST", "")),
        ({"sp_appid": COFFEE_APP}, (400, "APPID_MCHID_NOT_MATCH", "")),
        ({"sub_mchid": BAKERY}, (400, "APPID_MCHID_NOT_MATCH", "")),
        ({"sub_appid": "wx5555eeee6666ffff"}, (400, "PARAM_ERROR", "/sub_appid")),
    ],
)
async def test_relations_and_bindings_are_checked(
    refusing: V3Desk, changes: dict[str, str], error: tuple[int, str, str]
) -> None:
    assert await refusing.declined(body=prepay(**changes)) == error


async def test_an_openid_of_another_appid_is_refused(v3: V3Desk) -> None:
    await v3.place()
    mixed = prepay("T000002", payer={"sp_openid": "oSubUser_0000000000000000001"})
    assert await v3.declined(body=mixed) == (500, "OPENID_MISMATCH", "")


async def test_a_request_is_taken_twice_unless_a_rule_says_once(v3: V3Desk) -> None:
    body = json.dumps(prepay()).encode()
    header = {"Authorization": v3.authorization("POST", JSAPI, body)}
    for _ in range(2):
        assert (await v3.send("POST", JSAPI, body, header)).status_code == 200
    await v3.keys("rules", refuse_repeated_nonce=True)
    assert (await v3.send("POST", JSAPI, body, header)).status_code == 200
    assert await v3.fails("POST", JSAPI, body, header) == (401, "SIGN_ERROR", "nonce_str")


async def test_no_answer_and_no_log_line_shows_a_signature(
    v3: V3Desk, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", logger="spsim"):
        await v3.place()
        header = v3.authorization("GET", CERTIFICATES, signature="QUJDREVG")
        answer = await v3.send("GET", CERTIFICATES, headers={"Authorization": header})
    lines = " ".join(str(record.__dict__.get("facts")) for record in caplog.records)
    assert "401" in lines
    assert "QUJDREVG" not in lines + answer.text
