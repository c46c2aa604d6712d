"""What callers send is read strictly: O01, O02, X11; every fault is named, in one answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spcore.errors import InvalidInput
from sptenants.orders import intake
from wechatpay.gateway import TradeType
from wechatpay.money import Fen

BODY: dict[str, Any] = {
    "merchant_order_no": "T1",
    "amount": 12800,
    "description": "拿铁双人套餐",
    "sub_appid": "wx3f8c21d0b7e6a91c",
    "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
}


def faults_of(body: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refusal:
        intake.read_order(body)
    assert all(fault.text.zh and fault.text.en for fault in refusal.value.faults)
    return [(fault.pointer, fault.code) for fault in refusal.value.faults]


def test_a_right_body_is_read_with_its_defaults() -> None:
    order = intake.read_order(BODY)
    assert order.amount == Fen(12800)
    assert order.trade_type is TradeType.JSAPI
    assert (order.expires_in_s, order.currency, order.profit_sharing) == (1800, "CNY", False)


@pytest.mark.parametrize(
    "text",
    [
        "0", "-1", "1.5", "1e3", "1.0", '"100"', '"１００"', '"1_000"', '" 10"', '"+10"', '"٣"', "true",
        "null", "1000000000", "1000000000000000000", "[1]", "{}", '""',
    ],
)  # fmt: skip
def test_O02_what_is_not_a_whole_number_of_fen_is_refused(text: str) -> None:
    assert [pointer for pointer, _code in faults_of(BODY | {"amount": json.loads(text)})] == ["#/amount"]


@pytest.mark.parametrize("amount", [1, 999_999_999])
def test_the_smallest_and_the_largest_amount_are_taken(amount: int) -> None:
    assert intake.read_order(BODY | {"amount": amount}).amount == Fen(amount)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("merchant_order_no", ""),
        ("merchant_order_no", "a" * 65),
        ("merchant_order_no", "带空格 1"),
        ("merchant_order_no", 5),
        ("currency", "USD"),
        ("currency", []),
        ("description", 7),
        ("trade_type", "jsapi"),
        ("trade_type", []),
        ("sub_appid", "wx1"),
        ("sub_appid", {}),
        ("openid", "has space"),
        ("openid", 1),
        ("expires_in", 59),
        ("expires_in", 604_801),
        ("expires_in", True),
        ("attach", "a" * 1025),
        ("attach", "nul\0"),
        ("attach", 3),
        ("profit_sharing", "true"),
        ("profit_sharing", 1),
        ("metadata", []),
        ("metadata", {"k": 1}),
        ("metadata", {"k": "nul\0"}),
        ("metadata", {"": "v"}),
        ("metadata", {str(n): "v" for n in range(21)}),
        ("notify_url", "https://evil.example"),
        ("sub_mch_id", "1600000021"),
        ("tenant_id", "ten_1"),
    ],
)
def test_a_wrong_or_unknown_field_is_named(name: str, value: object) -> None:
    assert [pointer for pointer, _code in faults_of(BODY | {name: value})] == [f"#/{name}"]


@pytest.mark.parametrize("missing", ["merchant_order_no", "amount", "description"])
def test_a_missing_field_is_named(missing: str) -> None:
    body = {name: value for name, value in BODY.items() if name != missing}
    assert faults_of(body) == [(f"#/{missing}", "missing")]


def test_all_faults_come_in_one_answer() -> None:
    body = {"amount": True, "description": 1, "x/y": 1}
    assert {pointer for pointer, _code in faults_of(body)} == {
        "#/merchant_order_no",
        "#/amount",
        "#/description",
        "#/x~1y",
    }


@pytest.mark.parametrize("body", [None, [], "text", 1])
def test_a_body_that_is_no_object_is_refused(body: object) -> None:
    assert ("#", "invalid_type") in faults_of(body)


@pytest.mark.parametrize("name", ["amount", "total_fee", "price", "cash_fee", "money", "amount_fen", "fee"])
def test_O01_a_client_that_names_an_amount_is_told_so(name: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        intake.read_priced_order({"price_code": "latte", "quantity": 1, name: 1})
    (fault,) = refusal.value.faults
    assert fault.pointer == f"#/{name}"
    assert "小程序不能指定金额" in fault.text.zh


@pytest.mark.parametrize("quantity", [0, -1, 1.0, True, "2", 10_000, None])
def test_a_quantity_is_a_whole_number_from_one(quantity: object) -> None:
    with pytest.raises(InvalidInput) as refusal:
        intake.read_priced_order({"price_code": "latte", "quantity": quantity})
    assert refusal.value.faults[0].pointer == "#/quantity"


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ([("limit", "0")], "#/limit"),
        ([("limit", "101")], "#/limit"),
        ([("limit", "１")], "#/limit"),
        ([("status", "PAID")], "#/status"),
        ([("created_from", "2026-11-21T00:00:00")], "#/created_from"),
        ([("created_to", "yesterday")], "#/created_to"),
        ([("tenant", "ten_1")], "#/tenant"),
        ([("limit", "1"), ("limit", "2")], "#/limit"),
    ],
)
def test_a_wrong_or_unknown_parameter_is_named(query: list[tuple[str, str]], pointer: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        intake.read_list_query(query)
    assert [fault.pointer for fault in refusal.value.faults] == [pointer]


def test_an_idempotency_key_is_visible_ascii_of_at_most_255_characters() -> None:
    assert intake.read_key(None) is None
    assert intake.read_key("k" * 255) == "k" * 255
    for wrong in ("", "k" * 256, "blank inside", "键"):
        with pytest.raises(InvalidInput):
            intake.read_key(wrong)
