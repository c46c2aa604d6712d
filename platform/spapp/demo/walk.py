"""One payment, step by step, printed as it happens: the journey of the seeds (acceptance 5.2, 5.4)."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

import click

from spapp.demo.clients import DemoFailed, Platform, Shop, WeChat
from spapp.demo.courier import HEARD
from wechatpay.money import Fen

_POLL_S = 0.1
_TRIES = 150


async def walk(platform: Platform, wechat: WeChat, shop: Shop) -> str:
    """Drive one mini-program payment through everything and return the order's id. Raises DemoFailed."""
    code, words, fen = shop.prices[0]
    openid = f"o{secrets.token_urlsafe(30)[:27]}"
    mini = f"/v1/mini/{shop.tenant_id}"
    _say(0, f"{shop.name} 的顾客用小程序买一份{words}", f"a customer of {shop.name} buys in its mini-program")

    login_code = await wechat.login_code(shop.mini_program, openid)
    session = await platform.call(
        "POST", f"{mini}/sessions", "", {"sub_appid": shop.mini_program, "code": login_code}
    )
    token = str(session["token"])
    _say(1, f"wx.login 得到 code {login_code[:6]}…，换成会话 wst_…", f"login, until {session['expires_at']}")

    order = await platform.call("POST", f"{mini}/orders", token, {"price_code": code, "quantity": 1})
    order_id, number = str(order["id"]), str(order["out_trade_no"])
    _require(order["amount"] == fen, "the price list decides the amount", order)
    _say(2, f"下单 {order_id}，金额 ¥{Fen(fen).yuan} 由价目表决定", "ordered; the price list decides")

    params = order["pay_params"]
    prepay_id = str(params["package"]).removeprefix("prepay_id=")
    _say(3, f"统一下单成功，商户单号 {number}，prepay_id {prepay_id[:10]}…", "unifiedorder, verified")

    paid = await wechat.pay(
        prepay_id=prepay_id, openid=openid, outcome="success", pay_params=params, appid=shop.mini_program
    )
    _say(4, "手机核对 paySign，顾客确认付款", f"the phone checked paySign and paid: {paid['transaction_id']}")

    seen = await _until_paid(platform, f"{mini}/orders/{order_id}", token)
    answers = await _notified(wechat, number)
    _say(5, f"支付通知验签通过，第 {answers} 次送达即答复 SUCCESS", "notification verified, acknowledged")
    _say(6, f"支付成功 paid {order_id}", f"transaction {seen['transaction_id']}")

    asked = await platform.call("GET", f"/v1/orders/{order_id}", shop.key)
    events = (await platform.call("GET", "/v1/events", shop.key))["data"]
    told = [e for e in events if e["type"] == "payment.succeeded" and e["data"]["id"] == order_id]
    _require(asked["status"] == "paid" and len(told) == 1, "the merchant's server sees it once", told)
    await _heard(platform, shop, told[0])
    _say(7, "商户服务器收到 Webhook payment.succeeded，签名核对无误", "the merchant's server heard of it")

    refund = await platform.call("POST", f"/v1/orders/{order_id}/refunds", shop.key, _refund(fen))
    _say(8, f"退款 {refund['id']}，退回 ¥{Fen(refund['amount']).yuan}，双向证书", "refunded over mutual TLS")
    await _until_refunded(platform, shop, str(refund["id"]))
    events = (await platform.call("GET", f"/v1/events?order_id={order_id}", shop.key))["data"]
    await _heard(platform, shop, next(e for e in events if e["type"] == "refund.succeeded"))
    _say(9, "退款成功 refunded，商户服务器收到 refund.succeeded", "WeChat confirmed, the server heard")

    await _require_equal_books(platform, wechat, shop, order_id, number)
    _say(10, "与微信账本逐项核对一致：付款与退款的单号、金额", "both ledgers agree: payment and refund")
    return order_id


async def _require_equal_books(
    platform: Platform, wechat: WeChat, shop: Shop, order_id: str, number: str
) -> None:
    asked = await platform.call("GET", f"/v1/orders/{order_id}", shop.key)
    books = await wechat.ledger(number)
    paid = [p for p in books["payments"] if p["out_trade_no"] == number]
    returned = [r for r in books["refunds"] if r["out_trade_no"] == number]
    equal = (
        len(paid) == 1
        and paid[0]["total_fee"] == asked["amount"]
        and paid[0]["transaction_id"] == asked["transaction_id"]
        and sum(r["amount"] for r in returned) == asked["refunded_amount"]
    )
    _require(equal, "both ledgers agree", books)


def _refund(fen: int) -> dict[str, Any]:
    return {
        "merchant_refund_no": f"R{secrets.token_hex(6).upper()}",
        "amount": max(1, fen // 4),
        "reason": "少了一份糖",
    }


async def _heard(platform: Platform, shop: Shop, event: dict[str, Any]) -> None:
    """Wait until the shop's own server heard of the event and found its signature right."""
    for _ in range(_TRIES):
        lines = HEARD.read_text(encoding="utf-8").splitlines() if HEARD.exists() else []
        if any(said["id"] == event["id"] and said["verified"] for said in map(json.loads, lines)):
            return
        await asyncio.sleep(_POLL_S)
    tried = await platform.call("GET", f"/v1/deliveries?event_id={event['id']}", shop.key)
    raise DemoFailed(f"Webhook 没有送达 no webhook arrived: {tried}")


async def _until_refunded(platform: Platform, shop: Shop, refund_id: str) -> None:
    for _ in range(_TRIES):
        refund = await platform.call("GET", f"/v1/refunds/{refund_id}", shop.key)
        if refund["status"] == "succeeded":
            return
        await asyncio.sleep(_POLL_S)
    raise DemoFailed(f"退款没有完成 the refund did not finish: {refund['status']}")


async def _until_paid(platform: Platform, path: str, token: str) -> dict[str, Any]:
    for _ in range(_TRIES):
        order = await platform.call("GET", path, token)
        if order["status"] == "paid":
            return order
        await asyncio.sleep(_POLL_S)
    raise DemoFailed("支付通知没有到达 no notification confirmed the payment")


async def _notified(wechat: WeChat, number: str) -> int:
    """Return which delivery of the notification was acknowledged."""
    for _ in range(_TRIES):
        for notification in (await wechat.ledger(number))["notifications"]:
            for position, attempt in enumerate(notification["attempts"], start=1):
                if attempt["ok"]:
                    return position
        await asyncio.sleep(_POLL_S)
    raise DemoFailed("支付通知没有被确认 no notification was acknowledged")


def _require(holds: bool, what: str, found: Any) -> None:
    if not holds:
        raise DemoFailed(f"不一致 does not hold: {what}: {found}")


def _say(step: int, zh: str, en: str) -> None:
    mark = "▶" if step == 0 else f"{step}."
    click.echo(f"  {mark} {zh} · {en}")
