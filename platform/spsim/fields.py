"""The request tables of the simulated v2 calls: names, limits, duties (wechatpay-v2 2.2, 4.4, 4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Field:
    """One request field: its Chinese title (the gateway's messages use it) and its limit in UTF-8 bytes."""

    title: str
    max_bytes: int
    required: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One POST path and every field it knows; any other field is refused."""

    path: str
    fields: dict[str, Field]


COMMON: Final = {
    "appid": Field("公众账号ID", 32, required=True),
    "mch_id": Field("商户号", 32, required=True),
    "sub_appid": Field("子商户公众账号ID", 32),
    "sub_mch_id": Field("子商户号", 32),
    "nonce_str": Field("随机字符串", 32, required=True),
    "sign": Field("签名", 64, required=True),
    "sign_type": Field("签名类型", 32),
}

UNIFIEDORDER: Final = Endpoint(
    "/pay/unifiedorder",
    {
        **COMMON,
        "device_info": Field("设备号", 32),
        "version": Field("接口版本号", 32),
        "body": Field("商品描述", 127, required=True),
        "detail": Field("商品详情", 6000),
        "attach": Field("附加数据", 127),
        "out_trade_no": Field("商户订单号", 32, required=True),
        "fee_type": Field("货币类型", 16),
        "total_fee": Field("总金额", 11, required=True),
        "spbill_create_ip": Field("终端IP", 64, required=True),
        "time_start": Field("交易起始时间", 14),
        "time_expire": Field("交易结束时间", 14),
        "goods_tag": Field("订单优惠标记", 32),
        "notify_url": Field("通知地址", 256, required=True),
        "trade_type": Field("交易类型", 16, required=True),
        "product_id": Field("商品ID", 32),
        "limit_pay": Field("指定支付方式", 32),
        "openid": Field("用户标识", 128),
        "sub_openid": Field("用户子标识", 128),
        "receipt": Field("电子发票入口开放标识", 8),
        "profit_sharing": Field("是否需要分账", 16),
        "scene_info": Field("场景信息", 256),
        "user_type": Field("用户证件类型", 32),
        "user_creid": Field("用户证件号", 32),
        "user_truename": Field("用户姓名", 64),
    },
)

ORDERQUERY: Final = Endpoint(
    "/pay/orderquery",
    {
        **COMMON,
        "transaction_id": Field("微信订单号", 32),
        "out_trade_no": Field("商户订单号", 32),
    },
)

CLOSEORDER: Final = Endpoint(
    "/pay/closeorder",
    {**COMMON, "out_trade_no": Field("商户订单号", 32, required=True)},
)

REENTRY: Final = (
    "appid",
    "mch_id",
    "sub_appid",
    "sub_mch_id",
    "openid",
    "sub_openid",
    "body",
    "detail",
    "attach",
    "total_fee",
    "fee_type",
    "trade_type",
    "product_id",
    "time_expire",
    "goods_tag",
    "limit_pay",
    "profit_sharing",
    "notify_url",
)
"""A repeated unifiedorder must agree in these; the strict set of wechatpay-v2 11.2."""
