"""Orders by API v2 against WeChat's side (S2-05, S2-09, S2-10, S2-12)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.v2_counterpart import (
    NUMBER,
    OPENID,
    SECRET,
    Counterpart,
    all_credentials,
    merchant,
    new_order,
    partner,
)

from wechatpay.call import CallRecord
from wechatpay.credentials import Credentials
from wechatpay.errors import (
    InvalidRequest,
    Refused,
)
from wechatpay.gateway import Gateway, NewOrder, TradeState, TradeType
from wechatpay.identifiers import OpenId, OutTradeNo, PrepayId
from wechatpay.money import Fen

# What is sent


@pytest.mark.parametrize("credentials", all_credentials(), ids=repr)
async def test_S2_05_every_mode_sends_exactly_its_fields(
    gateway: Gateway, wechat: Counterpart, credentials: Credentials
) -> None:
    wechat.sign_type = credentials.sign_type
    prepay = await gateway.place(credentials, new_order(profit_sharing=True))
    assert prepay.prepay_id == PrepayId("wx21205000000001")
    assert prepay.code_url is None

    [sent] = wechat.requests
    payer = "sub_openid" if "sub_appid" in credentials.identity() else "openid"
    assert {name: sent.pop(name) for name in ("nonce_str", "sign")}
    assert sent == {
        **credentials.identity(),
        "sign_type": credentials.sign_type.value,
        "body": "小张南山店-超市",
        "attach": "ord_01JD",
        "out_trade_no": NUMBER.text,
        "total_fee": "1",
        "spbill_create_ip": "203.0.113.9",
        "time_start": "20261121205000",
        "time_expire": "20261121212000",
        "notify_url": "https://pay.example.com/notify/wechat/k7/v2/payment",
        "trade_type": "JSAPI",
        "profit_sharing": "Y",
        payer: OPENID,
    }


async def test_a_plain_merchant_sends_no_sub_field(gateway: Gateway, wechat: Counterpart) -> None:
    await gateway.place(merchant(), new_order())
    await gateway.query(merchant(), NUMBER)
    await gateway.close(merchant(), NUMBER)
    assert not [name for sent in wechat.requests for name in sent if name.startswith("sub_")]


async def test_native_sends_a_product_and_gets_a_code_url(gateway: Gateway, wechat: Counterpart) -> None:
    order = new_order(trade_type=TradeType.NATIVE)
    prepay = await gateway.place(partner(), order)
    assert prepay.code_url == "weixin://wxpay/bizpayurl/up?pr=NwY5Mz9&groupid=00"
    assert wechat.requests[0]["product_id"] == NUMBER.text
    assert "sub_openid" not in wechat.requests[0]


async def test_a_repetition_is_equal_but_for_nonce_and_signature(
    gateway: Gateway, wechat: Counterpart
) -> None:
    stored = json.dumps(new_order(profit_sharing=True).to_json())
    await gateway.place(partner(), new_order(profit_sharing=True))
    await gateway.place(partner(), NewOrder.from_json(json.loads(stored)))
    first, second = wechat.requests
    assert {name for name in first if first[name] != second[name]} == {"nonce_str", "sign"}
    assert first.keys() == second.keys()


@pytest.mark.parametrize("trade_type", [TradeType.JSAPI, TradeType.NATIVE])
def test_a_stored_order_reads_back_equal(trade_type: TradeType) -> None:
    order = new_order(
        trade_type=trade_type, product_id="latte", time_start=datetime(2026, 1, 1, 0, 0, 0, 5, UTC)
    )
    assert NewOrder.from_json(json.loads(json.dumps(order.to_json()))) == order


async def test_C6_d_a_shop_called_A_and_B_is_sent_in_full_width(
    gateway: Gateway, wechat: Counterpart
) -> None:
    await gateway.place(partner(), new_order(description="A&B=C 咖啡"))
    assert wechat.requests[0]["body"] == "A＆B＝C 咖啡"


async def test_S2_10_an_IPv6_payer_is_sent_as_it_is(gateway: Gateway, wechat: Counterpart) -> None:
    await gateway.place(partner(), new_order(payer_ip="2001:db8::9"))
    assert wechat.requests[0]["spbill_create_ip"] == "2001:db8::9"


def test_S2_09_a_description_of_127_bytes_is_accepted() -> None:
    assert new_order(description="米" * 42 + "x")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        pytest.param({"description": "米" * 42 + "xx"}, "description", id="128 bytes"),
        pytest.param({"description": "&" * 43}, "description", id="too long once neutralised"),
        pytest.param({"description": "拿铁😀"}, "description", id="emoji"),
        pytest.param({"description": "a\r\nb"}, "description", id="line end"),
        pytest.param({"description": " "}, "description", id="blank"),
        pytest.param({"amount": Fen(0)}, "amount", id="nothing to pay"),
        pytest.param({"amount": Fen(1_000_000_000)}, "amount", id="too much"),
        pytest.param({"attach": "t=7&p=01"}, "attach", id="N16: attach with separators"),
        pytest.param({"attach": "x" * 128}, "attach", id="long attach"),
        pytest.param({"notify_url": "https://pay.example.com/n?x=1"}, "notify_url", id="trap 46: query"),
        pytest.param({"notify_url": "https://pay.example.com/n#x"}, "notify_url", id="fragment"),
        pytest.param({"notify_url": "/n/7"}, "notify_url", id="relative"),
        pytest.param({"notify_url": "https://pay.example.com/通知"}, "notify_url", id="not ASCII"),
        pytest.param({"notify_url": "https://x.example/" + "n" * 240}, "notify_url", id="257 bytes"),
        pytest.param({"payer_ip": "localhost"}, "payer_ip", id="not an address"),
        pytest.param({"payer_ip": "1.2.3.4&a=b"}, "payer_ip", id="address with separators"),
        pytest.param({"openid": None}, "openid", id="JSAPI without payer"),
        pytest.param({"product_id": "a&b"}, "product_id", id="product with separator"),
        pytest.param({"time_start": datetime(2026, 11, 21, 12, 50)}, "time_start", id="naive time"),  # noqa: DTZ001
        pytest.param(
            {"time_expire": datetime(2026, 11, 21, 12, 50, tzinfo=UTC)}, "time_expire", id="expired"
        ),
    ],
)
def test_S2_09_what_wechat_would_refuse_is_refused_before_sending(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        new_order(**changes)
    assert refusal.value.field == field
    assert refusal.value.zh
    assert refusal.value.en


# What comes back


async def test_the_way_of_an_order_from_new_to_paid(gateway: Gateway, wechat: Counterpart) -> None:
    await gateway.place(partner(), new_order())
    state = await gateway.query(partner(), NUMBER)
    assert state.trade_state is TradeState.NOTPAY
    assert (state.transaction_id, state.total_fee, state.time_end) == (None, None, None)

    wechat.pay(NUMBER.text, cash_fee="0", coupon_fee="1", settlement_total_fee="1")
    state = await gateway.query(partner(), NUMBER)
    assert state.trade_state is TradeState.SUCCESS
    assert state.trade_state.was_paid
    assert state.transaction_id is not None
    assert state.transaction_id.text == "4200001234202611210123456789"
    assert (state.total_fee, state.cash_fee, state.coupon_fee) == (Fen(1), Fen(0), Fen(1))
    assert state.time_end == datetime(2026, 11, 21, 12, 51, 7, tzinfo=UTC)
    assert state.sub_openid == OpenId(OPENID)
    assert (state.trade_type, state.fee_type, state.attach) == (TradeType.JSAPI, "CNY", "ord_01JD")
    assert state.sub_mch_id is not None
    assert state.sub_mch_id.text == "1900000200"

    with pytest.raises(Refused) as refusal:
        await gateway.place(partner(), new_order())
    assert (refusal.value.code, refusal.value.definitive) == ("ORDERPAID", False)
    with pytest.raises(Refused) as refusal:
        await gateway.close(partner(), NUMBER)
    assert refusal.value.code == "ORDERPAID"


async def test_trap_29_refund_means_that_it_was_paid(gateway: Gateway, wechat: Counterpart) -> None:
    await gateway.place(partner(), new_order())
    wechat.pay(NUMBER.text)
    wechat.overrides = {"trade_state": "REFUND"}
    assert (await gateway.query(partner(), NUMBER)).trade_state.was_paid


async def test_closing_twice_succeeds_twice(gateway: Gateway, wechat: Counterpart) -> None:
    await gateway.place(partner(), new_order())
    assert not (await gateway.close(partner(), NUMBER)).already
    again = await gateway.close(partner(), NUMBER)
    assert again.already
    assert again.call.err_code == "ORDERCLOSED"


async def test_an_unknown_number_is_refused_by_name(gateway: Gateway) -> None:
    with pytest.raises(Refused) as refusal:
        await gateway.query(partner(), OutTradeNo("NOBODY-1"))
    assert refusal.value.code == "ORDERNOTEXIST"
    assert refusal.value.level == "result"


async def test_the_call_record_tells_what_happened_and_nothing_secret(
    gateway: Gateway, wechat: Counterpart
) -> None:
    prepay = await gateway.place(partner(), new_order())
    assert replace(prepay.call, elapsed_ms=0) == CallRecord(
        operation="unifiedorder",
        url_path="/pay/unifiedorder",
        http_status=200,
        elapsed_ms=0,
        request_id="08F7A1",
        return_code="SUCCESS",
        result_code="SUCCESS",
        err_code=None,
        err_message=None,
    )
    shown = repr(prepay)
    assert SECRET not in shown
    assert OPENID not in shown
    assert wechat.requests[0]["sign"] not in shown


def test_H5_is_called_MWEB_on_the_wire() -> None:
    assert TradeType.H5.wire == "MWEB"
    for trade_type in TradeType:
        assert TradeType.from_wire(trade_type.wire) is trade_type
