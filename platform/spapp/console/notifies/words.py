"""Results and reasons of notifications in words; whoever shows the journal's rows uses these."""

from __future__ import annotations

from spapp.console.frame.words import Chip
from spapp.web.i18n import N_
from spcore.errors import Text
from sptenants.anomalies.words import words_of
from sptenants.orders.disputes import AnomalyKind

KIND = {"payment": N_("支付通知"), "refund": N_("退款通知"), "security": N_("测试通知")}
RESULT = {
    "processed": Chip("ok", N_("已处理")),
    "duplicate": Chip("mute", N_("重复")),
    "rejected": Chip("bad", N_("验签失败")),
    "unmatched": Chip("wait", N_("未匹配")),
    "mismatch": Chip("bad", N_("不一致")),
    "deferred": Chip("wait", N_("待查单")),
}
_MEANING = {
    "processed": Text(
        "验签和核对都通过，已生效。", "Genuine and in agreement with the order; it took effect."
    ),
    "duplicate": Text(
        "内容此前已经生效，没有重复入账。", "It had taken effect before; nothing was booked twice."
    ),
    "rejected": Text(
        "不能证明是微信支付发出的，没有处理。",
        "Nothing proves that WeChat Pay sent it; it was not processed.",
    ),
    "unmatched": Text(
        "验签通过，但找不到对应的订单。", "It is genuine, but no order of this sub-merchant fits."
    ),
    "mismatch": Text(
        "验签通过，但内容与订单不一致，没有改变订单。",
        "It is genuine but does not agree with the order, which was left as it is.",
    ),
    "deferred": Text("验签通过，以微信查单结果为准。", "It is genuine; WeChat's answer to a query decides."),
}
_REASON = {
    "too_large": Text("报文超过 64 KiB", "the body is larger than 64 KiB"),
    "not_utf8": Text("报文不是 UTF-8 编码", "the body is not UTF-8"),
    "doctype": Text("报文带有 DOCTYPE 声明", "the body declares a document type"),
    "malformed": Text("报文格式或某个字段的格式不对", "the body or one of its fields is malformed"),
    "duplicate_field": Text("同一字段出现两次", "a field occurs twice"),
    "return_fail": Text("微信标明通信失败", "WeChat itself calls the message void"),
    "missing_sign": Text("没有签名", "it has no signature"),
    "missing_field": Text("缺少必需的字段", "a mandatory field is missing"),
    "sign_type_mismatch": Text(
        "签名方式与订单记录不同", "it names another signature type than the order has"
    ),
    "bad_signature": Text("签名不正确", "the signature is wrong"),
    "undecryptable": Text("密文不能用现有密钥解开", "no key of ours opens it"),
    "query_string": Text("通知地址带了参数", "the address had a query string"),
    "not_in_use": Text("该地址不接收这类通知", "nothing of ours asks for messages of this kind"),
    "unknown_order": Text("本商户没有这个商户单号", "this sub-merchant has no such out trade number"),
    "other_merchant": Text("是另一个商户的收款", "it is about another merchant's payment"),
    "result_code": Text("通知没有说支付成功", "it does not say that money was paid"),
    "ambiguous_text": Text(
        "含有可拼接的文字，需查单确认", "its text could have been cut differently, so a query decides"
    ),
    "adopted": Text("按微信侧记录补录了订单", "the order was rebuilt from WeChat's record"),
    "confirmed_by_query": Text("已由查单确认", "confirmed by a query"),
    "not_confirmed": Text("查询微信没有得到确认", "a query of WeChat did not confirm it"),
    "to_be_queried": Text("等待查询微信", "WeChat is still to be asked"),
    "missing_header": Text(
        "缺少签名请求头，或其格式不对", "a header of its signature is missing or malformed"
    ),
    "signature_type": Text("签名类型不是 SHA256-RSA2048", "its signature is of another type"),
    "stale_timestamp": Text("时间戳与收到时相差 5 分钟以上", "its time was five minutes or more off"),
    "unknown_serial": Text(
        "没有它所用的微信支付公钥或平台证书", "it names a key of WeChat's that is not known"
    ),
    "probe": Text("微信的签名探测，按验签失败应答", "WeChat's probe of our checks, refused as it should be"),
    "provider_not_ready": Text(
        "缺少可用的密钥，无法验签或解密", "a key that is needed to read it is missing"
    ),
    "id_reused": Text("通知编号与另一条内容不同的通知相同", "another message came under the same id"),
    "api_version": Text("与下单所用的 API 版本不同", "it came by another API than the order was made with"),
    "to_be_applied": Text("等待处理", "it is still to be applied"),
    "unknown_echo": Text("不是本平台发起的测试", "nobody here asked for this test"),
}


def meaning_of(result: str) -> Text:
    """Return what a result means, as a sentence."""
    return _MEANING[result]


def reason_text(reason: str | None) -> Text | None:
    """Return why, without a full stop; fields that disagree are named as they stand in the message."""
    if reason is None:
        return None
    if reason in _REASON:
        return _REASON[reason]
    if reason in set(AnomalyKind):
        return words_of(AnomalyKind(reason)).title
    fields = reason.replace(",", "、")
    return Text(f"与订单不一致的字段：{fields}", f"it differs from the order in {reason.replace(',', ', ')}")
