"""A little history, so that lists are not empty: orders and refunds in most states, made through the API."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

from spapp.demo.clients import DemoFailed, Platform, Shop, WeChat

PAID_PER_SHOP = 9
_AT_ONCE = 6


async def seed(platform: Platform, wechat: WeChat, shops: Sequence[Shop]) -> int:
    """Make the orders and return how many. Raises DemoFailed."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(shop: Shop, index: int) -> None:
        async with gate:
            await _order(platform, wechat, shop, index)

    each = PAID_PER_SHOP + 4
    try:
        async with asyncio.TaskGroup() as group:
            for index in range(each):
                for shop in shops:
                    group.create_task(one(shop, index))
    except* DemoFailed as failures:
        raise failures.exceptions[0] from None
    # Alone, because a fault takes whatever comes first.
    await _mismatch(platform, wechat, shops[0])
    for shop in shops:
        await _some_refunds(platform, shop)
    return each * len(shops) + 1


async def _order(platform: Platform, wechat: WeChat, shop: Shop, index: int) -> None:
    """The first ones are paid, by turns in the mini-program and by code; the rest stop on the way."""
    native = index % 3 == 2
    if index == PAID_PER_SHOP:
        await _place(platform, shop, index, openid=None)  # waits for its payer: `created`
        return
    order = await _place(platform, shop, index, openid=None if native else _openid(), native=native)
    if index < PAID_PER_SHOP:
        if native:
            await wechat.pay(code_url=order["code_url"], openid=_openid(), outcome="success")
        else:
            await wechat.pay(out_trade_no=order["out_trade_no"], outcome="success")
    elif index == PAID_PER_SHOP + 1:
        await platform.call("POST", f"/v1/orders/{order['id']}/close", shop.key)


async def _mismatch(platform: Platform, wechat: WeChat, shop: Shop) -> None:
    """One order whose notification names another amount: money is fine, but a person should look."""
    order = await _place(platform, shop, 99, openid=_openid())
    await wechat.fault("notify", "wrong_amount", times=1)
    await wechat.pay(out_trade_no=order["out_trade_no"], outcome="success")


async def _some_refunds(platform: Platform, shop: Shop) -> None:
    """One order given back whole, one in part."""
    paid = (await platform.call("GET", "/v1/orders?status=paid&limit=2", shop.key))["data"]
    for order, parts in zip(paid, (1, 3), strict=False):
        body = {
            "merchant_refund_no": f"R{secrets.token_hex(6).upper()}",
            "amount": order["amount"] // parts,
            "reason": "顾客取消" if parts == 1 else "部分商品缺货",
        }
        await platform.call("POST", f"/v1/orders/{order['id']}/refunds", shop.key, body)


async def _place(
    platform: Platform, shop: Shop, index: int, *, openid: str | None, native: bool = False
) -> dict[str, Any]:
    _code, words, fen = shop.prices[index % len(shop.prices)]
    quantity = 1 + index % 3
    body: dict[str, Any] = {
        "merchant_order_no": f"D{shop.sub_mch_id[-4:]}{index:03d}{secrets.token_hex(3).upper()}",
        "amount": fen * quantity,
        "description": f"{words} × {quantity}",
        "trade_type": "NATIVE" if native else "JSAPI",
    }
    if not native:
        body["sub_appid"] = shop.mini_program
    if openid is not None:
        body["openid"] = openid
    return await platform.call("POST", "/v1/orders", shop.key, body)


def _openid() -> str:
    return f"o{secrets.token_urlsafe(30)[:27]}"
