"""The words of an order's timeline for its refunds: titles and meta lines by kind of entry."""

from __future__ import annotations

from typing import Any

from spcore.errors import Text
from wechatpay.money import Fen

REFUND_STATUS_WORDS = {
    "requested": Text("待提交", "requested"),
    "submitting": Text("提交中", "submitting"),
    "processing": Text("退款中", "being refunded"),
    "succeeded": Text("退款成功", "refunded"),
    "rejected": Text("被拒绝", "refused"),
    "closed": Text("退款关闭", "closed"),
    "abnormal": Text("退款异常", "did not reach the payer"),
}
_CAUSES = {
    "gateway": Text("微信应答", "WeChat's answer"),
    "query": Text("查询退款", "refund query"),
    "notify": Text("退款通知", "refund notification"),
    "operator": Text("人工", "a person"),
}
_SOURCES = {
    "api_key": Text("API 密钥", "API key"),
    "console": Text("控制台", "console"),
    "policy": Text("自动退款策略", "refund policy"),
    "wechat": Text("在微信侧发起", "made at WeChat's own console"),
}
_WAITS = Text("待另一人批准", "waits for a second person")
_DUPLICATE = Text("退还重复支付", "gives back a second payment")


def requested_words(meta: dict[str, Any]) -> tuple[Text, Text]:
    """Title and meta line of `refund.requested`."""
    yuan = Fen(meta["amount"]).yuan
    title = Text(f"发起退款 ¥{yuan}", f"Refund of ¥{yuan} requested")
    source = _SOURCES[meta["source"]]
    number = meta.get("merchant_refund_no") or meta["out_refund_no"]
    by = "" if meta["source"] == "wechat" else f" {meta['by']}"
    extra = [_WAITS] if "waits" in meta else []
    extra += [_DUPLICATE] if meta["purpose"] == "duplicate" else []
    zh = [f"{source.zh}{by}", number, meta.get("reason"), *(text.zh for text in extra)]
    en = [f"{source.en}{by}", number, meta.get("reason"), *(text.en for text in extra)]
    return title, Text(_join(zh), _join(en))


def moved_words(meta: dict[str, Any]) -> tuple[Text, Text]:
    """Title and meta line of `refund.status_changed`."""
    yuan = Fen(meta["amount"]).yuan
    before, after = REFUND_STATUS_WORDS[meta["from"]], REFUND_STATUS_WORDS[meta["to"]]
    title = Text(f"退款 ¥{yuan}：{before.zh} → {after.zh}", f"Refund of ¥{yuan}: {before.en} → {after.en}")
    cause = _CAUSES[meta["cause"]]
    rest = [meta.get("by"), meta.get("code"), meta.get("recv_account"), meta.get("note")]
    return title, Text(_join([cause.zh, *rest]), _join([cause.en, *rest]))


def _join(parts: list[Any]) -> str:
    return " · ".join(str(part) for part in parts if part)
