"""What each anomaly means and what to do about it: one wording for the console and the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spcore.errors import Text
from sptenants.orders.disputes import AnomalyKind
from sptenants.orders.timeline import ANOMALY_WORDS

K = AnomalyKind


@dataclass(frozen=True, slots=True)
class AnomalyWords:
    """`title` names it, `meaning` says what happened, `action` what a person should do."""

    title: Text
    meaning: Text
    action: Text


def words_of(kind: AnomalyKind) -> AnomalyWords:
    """Return the words of a kind; every kind has some."""
    meaning, action = _EXPLAINED[kind]
    return AnomalyWords(ANOMALY_WORDS[kind.value], meaning, action)


_EXPLAINED: Mapping[AnomalyKind, tuple[Text, Text]] = {
    K.AMOUNT_MISMATCH: (
        Text(
            "微信侧收到的金额或币种与订单不同，订单没有记为已支付。",
            "WeChat received another amount or currency than the order's, so the order is not marked paid.",
        ),
        Text(
            "核对微信支付商户平台的这笔交易：钱款有误就在微信侧退款，再写明处理结果。",
            "Check this payment on WeChat Pay's merchant platform, refund it there if it is wrong, and note"
            " what was done.",
        ),
    ),
    K.IDENTITY_MISMATCH: (
        Text(
            "签名正确，但商户号、AppID 或支付方式与订单不同，订单没有记为已支付。",
            "The signature is right, but merchant number, AppID or way to pay differ from the order's, so it"
            " is not marked paid.",
        ),
        Text(
            "查看不一致的字段：多为通知地址填错或重放；确认钱款归属后写明处理结果。",
            "See which fields differ: mostly a wrong notify address or a replay. Find out whose money it is"
            " and note what was done.",
        ),
    ),
    K.DOUBLE_PAYMENT: (
        Text(
            "同一订单收到了第二笔付款，订单仍按第一笔记账。",
            "The order was paid a second time; it stays booked with the first payment.",
        ),
        Text(
            "退回多付的一笔；已另行补偿付款人时，写明后标记为已处理。",
            "Refund the second payment; if the payer was compensated otherwise, say so and resolve it.",
        ),
    ),
    K.LATE_PAYMENT: (
        Text(
            "订单关闭或下单失败之后才确认到账，已记为支付成功。",
            "The money was confirmed after the order had been closed or failed; it is booked as paid.",
        ),
        Text(
            "与商户确认是否仍要发货：不再履约就退款，继续履约则直接标记为已处理。",
            "Ask the merchant whether it still delivers: if not, refund; if so, resolve it.",
        ),
    ),
    K.MISSING_THERE: (
        Text(
            "本平台记为已支付，微信的账单里没有这笔，查单也说没有付款；订单状态没有改动。",
            "Our books have it as paid; it is missing in WeChat's bill and WeChat calls it unpaid. The order"
            " was not changed.",
        ),
        Text(
            "先停止发货，再凭商户单号到微信支付商户平台核对，并查看付款是凭哪条通知入账的；写明处理结果。",
            "Hold the delivery, look the number up on WeChat Pay's merchant platform, see by which"
            " notification it was booked, and note what was found.",
        ),
    ),
    K.SILENT_CALLBACK: (
        Text(
            "付款由查单确认，十分钟内没有收到微信的支付通知；订单不受影响。",
            "A query found the payment, and no notification came within ten minutes; the order is right.",
        ),
        Text(
            "检查通知地址能否从公网访问：证书、防火墙、登录拦截、反向代理。通知随后到达会自动标记。",
            "Check that the notify address can be reached from outside: certificate, firewall, login wall,"
            " proxy. It settles by itself when the notification comes.",
        ),
    ),
    K.UNKNOWN_ORDER: (
        Text(
            "收到签名正确的支付通知，但本平台没有这个商户单号，多见于数据库恢复之后。",
            "A genuine notification names a number that is not in our books, mostly after a restore.",
        ),
        Text(
            "系统会向微信查单并自动补录；一直没有成功时，核对单号后手动补录。",
            "The platform asks WeChat and rebuilds the order by itself; if that keeps failing, check the"
            " number and adopt it by hand.",
        ),
    ),
    K.REFUND_ABNORMAL: (
        Text(
            "微信已扣出退款，但没有退到付款人账户，多因银行卡作废或冻结。",
            "WeChat took the refund but could not deliver it, mostly because the payer's card is void.",
        ),
        Text(
            "在微信支付商户平台的交易中心对这笔退款做异常处理，改退到其他账户。",
            "Settle this refund on WeChat Pay's merchant platform: send it to another account.",
        ),
    ),
    K.REFUND_SHORT: (
        Text(
            "商户余额不足，退款未能提交；系统会用同一退款单号继续重试。",
            "The merchant's balance is too low; the same refund is tried again by itself.",
        ),
        Text(
            "请商户充值，或改用可用余额退款；余额足够后会自动完成。",
            "Have the merchant top up its balance; the refund then completes by itself.",
        ),
    ),
    K.REFUND_OUTSIDE: (
        Text(
            "这笔退款是在微信支付商户平台发起的，不是由本平台提交，已补记在订单上。",
            "This refund was made on WeChat Pay's merchant platform and is now recorded on the order.",
        ),
        Text(
            "确认是本商户人员所为后标记为已处理；否则请立即检查商户平台账号安全。",
            "Resolve it if the merchant's own staff made it; otherwise secure that account at once.",
        ),
    ),
    K.REFUND_MISMATCH: (
        Text(
            "微信侧的退款与本平台的记录不一致，退款没有记为成功。",
            "WeChat's word about the refund differs from ours, so it is not marked as succeeded.",
        ),
        Text(
            "按退款单号核对微信支付商户平台的金额与订单，写明处理结果。",
            "Compare amount and order by the refund's number on WeChat Pay's merchant platform and note what"
            " was found.",
        ),
    ),
    K.REFUND_STUCK: (
        Text(
            "退款超过十天仍没有结果，系统会继续查询。",
            "The refund has had no result for ten days; the platform keeps asking.",
        ),
        Text(
            "带上退款单号联系微信支付客服；得到结果后会自动标记。",
            "Contact WeChat Pay's support with the refund's number; it settles by itself with the result.",
        ),
    ),
    K.BINDING_DRIFT: (
        Text(
            "这个 AppID 原来可以下单，现在微信答复它没有绑定到该特约商户，本平台已停用这个绑定。",
            "Orders with this appid worked, and now WeChat says that it is not bound to the sub-merchant; the"
            " binding is out of use here.",
        ),
        Text(
            "在微信支付服务商平台的开发配置中重新添加该 AppID，再运行接入体检；通过后会自动标记。",
            "Add the appid again in WeChat's provider console and run the doctor; it settles by itself then.",
        ),
    ),
}
