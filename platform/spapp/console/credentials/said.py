"""What pages say once a key was changed, and what the other owners are told."""

from __future__ import annotations

from collections.abc import Mapping

from spcore.errors import Text
from spcore.providers.models import KeyKind

NAMES: Mapping[KeyKind, Text] = {
    KeyKind.API_V2: Text("API v2 密钥", "the API v2 key"),
    KeyKind.API_V3: Text("APIv3 密钥", "the API v3 key"),
    KeyKind.CLIENT_CERTIFICATE: Text("API 证书", "the API certificate"),
    KeyKind.WECHATPAY_PUBLIC_KEY: Text("微信支付公钥", "a WeChat Pay public key"),
    KeyKind.PLATFORM_CERTIFICATE: Text("平台证书", "a platform certificate"),
}
CHANGED: Mapping[str, Text] = {
    "promoted": Text(
        "新的已启用，从现在起使用；被替换的在过渡期内仍然有效。",
        "The new one is in use from now on; the one it replaced still counts for its overlap.",
    ),
    "rolled_back": Text(
        "已退回上一个版本，从现在起使用。", "The version before is in use again from now on."
    ),
    "retired": Text("已停用。", "It was retired."),
    "restored": Text("已恢复使用。", "It is in use again."),
    "discarded": Text("候选已丢弃，没有任何影响。", "The candidate was given up; nothing else changed."),
}
_TOLD: Mapping[str, tuple[str, str]] = {
    "handed_in": ("录入了候选", "handed in a candidate for"),
    "promoted": ("更换了", "replaced"),
    "rolled_back": ("退回了上一个版本的", "went back to the version before of"),
    "retired": ("停用了一个版本的", "retired a version of"),
    "restored": ("恢复使用了一个版本的", "took back a version of"),
}


def told(change: str, kind: KeyKind) -> Text:
    """Return what the other owners read after the person's name."""
    zh, en = _TOLD[change]
    return Text(f"{zh} {NAMES[kind].zh}", f"{en} {NAMES[kind].en}")
