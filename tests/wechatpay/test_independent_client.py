"""The independent package wechatpy asks the same as we do, field by field, and reads the same answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.loopback import Loopback
from tests.support.v2_counter_desk import TRANSACTION
from tests.support.v2_counterpart import NUMBER, SECRET, Counterpart, new_order, partner
from wechatpy.pay import WeChatPay

from wechatpay.credentials import ClientCertificate, SignType
from wechatpay.gateway import Gateway, NewRefund, TradeType
from wechatpay.identifiers import AuthCode, OutRefundNo, TransactionId
from wechatpay.money import Fen

CODE = AuthCode("134567890123456789")
US = partner(SignType.MD5, sub_appid=None)
REFUND = NewRefund(
    OutRefundNo("R0007-20261121_000001"),
    NUMBER,
    TransactionId(TRANSACTION),
    Fen(300),
    Fen(1280),
    "洒了一半",
    "https://pay.example.com/notify/wechat/k7/v2/refund",
)
# What wechatpy adds on its own: defaults of the protocol, and words for the oldest merchants.
THEIRS = {"nonce_str", "sign", "fee_type", "refund_fee_type", "op_user_id", "refund_account"}
OURS = {"nonce_str", "sign", "sign_type", "time_start", "time_expire"}


@pytest.fixture
def independent(host: Loopback) -> Iterator[WeChatPay]:
    identity = US.identity()
    client = WeChatPay(
        identity["appid"], SECRET, identity["mch_id"], sub_mch_id=identity["sub_mch_id"], timeout=5
    )
    client.API_BASE_URL = f"{host.url}/"
    client._http.trust_env = False
    yield client
    client._http.close()


@pytest.fixture
async def sold(gateway: Gateway, wechat: Counterpart) -> None:
    wechat.sign_type = SignType.MD5
    await gateway.charge(US, sale(), CODE)
    wechat.requests.clear()


def sale() -> Any:
    return new_order(trade_type=TradeType.MICROPAY, openid=None, amount=Fen(1280))


def same_questions(wechat: Counterpart) -> None:
    ours, theirs = wechat.requests
    assert {name: value for name, value in ours.items() if name not in OURS} == {
        name: value for name, value in theirs.items() if name not in THEIRS
    }


async def test_both_charge_a_payment_code_alike(
    gateway: Gateway, wechat: Counterpart, independent: WeChatPay
) -> None:
    wechat.sign_type = SignType.MD5
    state = await gateway.charge(US, sale(), CODE)
    wechat.desk.charged.clear()
    made = await asyncio.to_thread(
        independent.micropay.create,
        "小张南山店-超市",
        1280,
        CODE.text,
        client_ip="203.0.113.9",
        out_trade_no=NUMBER.text,
        attach="ord_01JD",
    )
    same_questions(wechat)
    assert state.transaction_id is not None
    assert (made["transaction_id"], made["total_fee"]) == (state.transaction_id.text, "1280")
    assert independent.check_signature(dict(made))


@pytest.mark.usefixtures("sold")
async def test_both_reverse_alike(
    gateway: Gateway, wechat: Counterpart, independent: WeChatPay, certificate: ClientCertificate
) -> None:
    wechat.desk.recalls = 2
    ours = await gateway.reverse(US, certificate, NUMBER)
    theirs = await asyncio.to_thread(independent.order.reverse, out_trade_no=NUMBER.text)
    same_questions(wechat)
    assert (ours.again, theirs["recall"]) == (True, "Y")


@pytest.mark.usefixtures("sold")
async def test_both_refund_alike(
    gateway: Gateway, wechat: Counterpart, independent: WeChatPay, certificate: ClientCertificate
) -> None:
    ours = await gateway.refund(US, certificate, REFUND)
    theirs = await asyncio.to_thread(
        independent.refund.apply,
        1280,
        300,
        REFUND.out_refund_no.text,
        transaction_id=TRANSACTION,
        refund_desc="洒了一半",
        notify_url=REFUND.notify_url,
    )
    same_questions(wechat)
    assert theirs["refund_id"] == ours.refund_id.text
    assert independent.check_signature(dict(theirs))


@pytest.mark.usefixtures("sold")
async def test_both_ask_for_a_refund_alike(
    gateway: Gateway, wechat: Counterpart, independent: WeChatPay, certificate: ClientCertificate
) -> None:
    await gateway.refund(US, certificate, REFUND)
    wechat.requests.clear()
    ours = await gateway.query_refund(US, REFUND.out_refund_no)
    theirs = await asyncio.to_thread(independent.refund.query, out_refund_no=REFUND.out_refund_no.text)
    same_questions(wechat)
    assert (theirs["refund_status_0"], theirs["refund_fee_0"]) == (ours.status, "300")
