"""What callers may ask of orders, once their words were checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sptenants.orders.records import OrderRecord
from wechatpay.gateway import TradeType
from wechatpay.identifiers import AppId, OpenId
from wechatpay.money import Fen

DEFAULT_EXPIRES_IN_S = 1800
MIN_EXPIRES_IN_S = 60
MAX_EXPIRES_IN_S = 604_800

Source = Literal["api_key", "miniprogram"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    """An order as a merchant's server wants it. `expires_in_s` is seconds from now."""

    merchant_order_no: str
    amount: Fen
    description: str
    trade_type: TradeType = TradeType.JSAPI
    currency: str = "CNY"
    sub_appid: AppId | None = None
    openid: OpenId | None = None
    expires_in_s: int = DEFAULT_EXPIRES_IN_S
    attach: str | None = None
    profit_sharing: bool = False
    metadata: dict[str, str] = field(default_factory=dict)

    def fingerprints(self) -> dict[str, str]:
        """Return a digest of every field that makes two calls the same, by its name in the API (2.1)."""
        fields: dict[str, Any] = {
            "amount": self.amount.value,
            "currency": self.currency,
            "description": self.description,
            "trade_type": self.trade_type.value,
            "sub_appid": self.sub_appid.text if self.sub_appid else None,
            "openid": self.openid.text if self.openid else None,
            "expires_in": self.expires_in_s,
            "attach": self.attach,
            "profit_sharing": self.profit_sharing,
            "metadata": self.metadata,
        }
        return {name: digest(value) for name, value in fields.items()}


@dataclass(frozen=True, slots=True)
class PricedOrder:
    """An order as a mini-program may want it: pieces of something on the price list, never an amount (M2)."""

    price_code: str
    quantity: int


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The header of a POST: 1 to 255 visible ASCII characters, valid for one tenant and route."""

    route: str
    key: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class Placed:
    """What came of asking for an order.

    `outcome`: `created` now, `repeated` (it existed), `unknown` (WeChat's answer is not known yet; the order
    stays `submitting` and healing decides). `replayed`: an Idempotency-Key was seen before.
    """

    order: OrderRecord
    outcome: Literal["created", "repeated", "unknown"]
    pay_params: dict[str, str] | None = field(default=None, repr=False)
    code_url: str | None = None
    replayed: bool = False


def digest(value: object) -> str:
    """Return the SHA-256, in hex, of a plain JSON value in one canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def differing_fields(stored: dict[str, Any], asked: dict[str, str]) -> Sequence[str]:
    """Return the names of the fields that differ, in the order of the API."""
    return [name for name, value in asked.items() if stored.get(name) != value]
