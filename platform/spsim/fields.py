"""The request tables of the simulated v2 calls: names, limits, duties (wechatpay-v2 2.2 and 4)."""

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
    """One POST path and every field it knows; any other field is refused.

    At least one of `one_of` must be sent. A call that needs a `certificate` is served on the TLS port only.
    A `report` is about all sub-merchants unless it names one, and about one that may not collect too.
    """

    path: str
    fields: dict[str, Field]
    one_of: tuple[str, ...] = ()
    certificate: bool = False
    report: bool = False


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

_EITHER_NUMBER: Final = {
    "transaction_id": Field("微信订单号", 32),
    "out_trade_no": Field("商户订单号", 32),
}

ORDERQUERY: Final = Endpoint("/pay/orderquery", {**COMMON, **_EITHER_NUMBER}, tuple(_EITHER_NUMBER))

CLOSEORDER: Final = Endpoint(
    "/pay/closeorder",
    {**COMMON, "out_trade_no": Field("商户订单号", 32, required=True)},
)

MICROPAY: Final = Endpoint(
    "/pay/micropay",
    {
        **COMMON,
        "device_info": Field("设备号", 32),
        "version": Field("接口版本号", 32),
        "body": Field("商品描述", 127, required=True),
        "detail": Field("商品详情", 6000),
        "attach": Field("附加数据", 127),
        "out_trade_no": Field("商户订单号", 32, required=True),
        "total_fee": Field("订单金额", 11, required=True),
        "fee_type": Field("货币类型", 16),
        "spbill_create_ip": Field("终端IP", 64, required=True),
        "goods_tag": Field("订单优惠标记", 32),
        "limit_pay": Field("指定支付方式", 32),
        "time_start": Field("交易起始时间", 14),
        "time_expire": Field("交易结束时间", 14),
        "receipt": Field("电子发票入口开放标识", 8),
        "auth_code": Field("付款码", 128, required=True),
        "profit_sharing": Field("是否需要分账", 16),
        "scene_info": Field("场景信息", 256),
        "deposit": Field("是否押金支付", 1),
    },
)

REVERSE: Final = Endpoint(
    "/secapi/pay/reverse", {**COMMON, **_EITHER_NUMBER}, tuple(_EITHER_NUMBER), certificate=True
)

AUTHCODETOOPENID: Final = Endpoint(
    "/tools/authcodetoopenid",
    {
        **{name: field for name, field in COMMON.items() if name != "sign_type"},
        "auth_code": Field("付款码", 128, required=True),
    },
)
"""MD5 only: it has no `sign_type` (wechatpay-v2 4.3)."""

REFUND: Final = Endpoint(
    "/secapi/pay/refund",
    {
        **COMMON,
        **_EITHER_NUMBER,
        "device_info": Field("设备号", 32),
        "out_refund_no": Field("商户退款单号", 64, required=True),
        "total_fee": Field("订单金额", 11, required=True),
        "refund_fee": Field("退款金额", 11, required=True),
        "refund_fee_type": Field("货币种类", 8),
        "refund_desc": Field("退款原因", 80),
        "refund_account": Field("退款资金来源", 30),
        "notify_url": Field("退款结果通知url", 256),
        "op_user_id": Field("操作员", 32),
        "detail": Field("商品详情", 6000),
    },
    tuple(_EITHER_NUMBER),
    certificate=True,
)

REFUNDQUERY: Final = Endpoint(
    "/pay/refundquery",
    {
        **COMMON,
        **_EITHER_NUMBER,
        "device_info": Field("设备号", 32),
        "refund_id": Field("微信退款单号", 32),
        "out_refund_no": Field("商户退款单号", 64),
        "offset": Field("偏移量", 11),
    },
    ("refund_id", "out_refund_no", *_EITHER_NUMBER),
)

_BILL: Final = {
    **COMMON,
    "bill_date": Field("对账单日期", 8, required=True),
    "tar_type": Field("压缩账单", 8),
}

DOWNLOADBILL: Final = Endpoint(
    "/pay/downloadbill",
    {**_BILL, "device_info": Field("设备号", 32), "bill_type": Field("账单类型", 16)},
    report=True,
)

DOWNLOADFUNDFLOW: Final = Endpoint(
    "/pay/downloadfundflow",
    {
        **{name: field for name, field in _BILL.items() if not name.startswith("sub_")},
        "account_type": Field("资金账户类型", 16, required=True),
    },
    certificate=True,
    report=True,
)
"""About the caller's own account: it names no sub-merchant (wechatpay-v2 4.9)."""

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
