"""The schemas of the four prepay calls, for service providers and for plain merchants (wechatpay-v3 2.2)."""

from __future__ import annotations

import re
from typing import Final

from .endpoint import Flag, Items, Object, Schema, Text, Whole

NUMBER: Final = re.compile(r"[0-9A-Za-z_\-|*]+")
OUT_TRADE_NO: Final = Text(32, least=6, required=True, pattern=NUMBER)
MCH_ID: Final = Text(32, required=True)

_GOODS: Final = Object(
    {
        "merchant_goods_id": Text(32, required=True),
        "wechatpay_goods_id": Text(32),
        "goods_name": Text(256),
        "quantity": Whole(1, required=True),
        "unit_price": Whole(0, required=True),
    }
)
_STORE: Final = Object(
    {"id": Text(32, required=True), "name": Text(256), "area_code": Text(32), "address": Text(512)}
)
_H5: Final[dict[str, Schema]] = {
    "type": Text(32, required=True, choices=("iOS", "Android", "Wap")),
    "app_name": Text(64),
    "app_url": Text(128),
    "bundle_id": Text(128),
    "package_name": Text(128),
}
_SCENE: Final[dict[str, Schema]] = {
    "payer_client_ip": Text(45, required=True),
    "device_id": Text(32),
    "store_info": _STORE,
}
_COMMON: Final[dict[str, Schema]] = {
    "description": Text(127, required=True),
    "out_trade_no": OUT_TRADE_NO,
    "time_expire": Text(64),
    "attach": Text(128),
    "notify_url": Text(255, required=True),
    "goods_tag": Text(32),
    "support_fapiao": Flag(),
    "limit_pay": Items(Text(32, choices=("no_balance", "no_credit", "no_debit", "balance_only")), 4),
    "settle_info": Object({"profit_sharing": Flag()}),
    "amount": Object(
        {"total": Whole(1, required=True), "currency": Text(16, choices=("CNY",))}, required=True
    ),
    "detail": Object({"cost_price": Whole(0), "invoice_id": Text(32), "goods_detail": Items(_GOODS, 6000)}),
}
_PARTNER: Final[dict[str, Schema]] = {
    "sp_appid": Text(32, required=True),
    "sp_mchid": MCH_ID,
    "sub_appid": Text(32),
    "sub_mchid": MCH_ID,
}
_DIRECT: Final[dict[str, Schema]] = {"appid": Text(32, required=True), "mchid": MCH_ID}
_IDENTITY: Final = Object(
    {"type": Text(32), "number": Text(1024, sealed=True), "name": Text(1024, sealed=True)}
)


def schema(trade_type: str, *, partner: bool) -> Object:
    """Return the body of a prepay; only JSAPI names a payer, only H5 must name a scene."""
    fields: dict[str, Schema] = {**(_PARTNER if partner else _DIRECT), **_COMMON}
    if trade_type == "JSAPI":
        users: dict[str, Schema] = (
            {"sp_openid": Text(128), "sub_openid": Text(128)}
            if partner
            else {"openid": Text(128, required=True)}
        )
        fields["payer"] = Object({**users, "identity": _IDENTITY}, required=True)
    h5 = trade_type == "MWEB"
    scene = {**_SCENE, "h5_info": Object(_H5, required=True)} if h5 else _SCENE
    fields["scene_info"] = Object(scene, required=h5)
    return Object(fields)
