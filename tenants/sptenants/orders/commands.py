"""What callers may ask of orders, once their words were checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sptenants.orders.records import OrderRecord
from wechatpay.gateway import H5Scene, TradeType
from wechatpay.identifiers import AppId, AuthCode, OpenId
from wechatpay.money import Fen

DEFAULT_EXPIRES_IN_S = 1800
MIN_EXPIRES_IN_S = 60
MAX_EXPIRES_IN_S = 604_800

Source = Literal["api_key", "miniprogram", "trial"]

TERMS = ("amount", "trade_type", "sub_appid", "openid", "payer_ip", "h5_info")
"""What another attempt may change, by its name in the API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    """An order as a merchant's server wants it. `expires_in_s` is seconds from now.

    `payer_ip` is the address of the phone and `scene` where the payment starts, both of H5 alone;
    `auth_code` is the code on the payer's screen, of MICROPAY alone.
    """

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
    payer_ip: str | None = None
    scene: H5Scene | None = None
    auth_code: AuthCode | None = None

    def fingerprints(self) -> dict[str, str]:
        """Return a digest of every field that makes two calls the same, by its name in the API (2.1).

        Never of `auth_code`: eighteen digits can be found from a digest, and the same order with a fresh
        code must be known for the same order, so that it is not charged twice.
        """
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
        if self.payer_ip is not None:
            fields["payer_ip"] = self.payer_ip
        if self.scene is not None:
            fields["h5_info"] = [self.scene.type.value, self.scene.address, self.scene.name]
        return {name: digest(value) for name, value in fields.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class NextAttempt:
    """What another attempt at an order changes. None leaves it as it is, where the way to pay allows that."""

    amount: Fen | None = None
    trade_type: TradeType | None = None
    sub_appid: AppId | None = None
    openid: OpenId | None = None
    payer_ip: str | None = None
    scene: H5Scene | None = None
    auth_code: AuthCode | None = None

    def content(self) -> dict[str, Any]:
        """Return what makes two calls the same, as plain values; never the code (see PlaceOrder)."""
        scene = self.scene
        return {
            "amount": self.amount.value if self.amount else None,
            "trade_type": self.trade_type.value if self.trade_type else None,
            "sub_appid": self.sub_appid.text if self.sub_appid else None,
            "openid": self.openid.text if self.openid else None,
            "payer_ip": self.payer_ip,
            "h5_info": [scene.type.value, scene.address, scene.name] if scene else None,
        }

    def over(self, order: OrderRecord) -> PlaceOrder:
        """Return the order as it would be asked for with these changes.

        The payer stays with JSAPI alone, and with the app he belongs to.
        """
        trade_type = self.trade_type or TradeType(order.trade_type)
        app = self.sub_appid.text if self.sub_appid else order.sub_appid
        same_payer = trade_type is TradeType.JSAPI and app == order.sub_appid and order.openid is not None
        return PlaceOrder(
            merchant_order_no=order.merchant_order_no,
            amount=self.amount or order.amount,
            description=order.description,
            trade_type=trade_type,
            currency=order.currency,
            sub_appid=AppId(app) if app else None,
            openid=self.openid or (OpenId(order.openid) if same_payer and order.openid else None),
            attach=order.attach,
            profit_sharing=order.profit_sharing,
            metadata=order.metadata,
            payer_ip=self.payer_ip,
            scene=self.scene,
            auth_code=self.auth_code,
        )


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
    h5_url: str | None = None
    replayed: bool = False


def digest(value: object) -> str:
    """Return the SHA-256, in hex, of a plain JSON value in one canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def differing_fields(stored: dict[str, Any], asked: dict[str, str]) -> Sequence[str]:
    """Return the names of the fields that differ, in the order of the API, then those left out now."""
    return [name for name in asked | stored if stored.get(name) != asked.get(name)]
