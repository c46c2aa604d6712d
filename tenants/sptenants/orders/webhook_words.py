"""Words for what the timeline says of webhooks (console-and-api-design section 4)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from spcore.errors import Text

_CHINA = timezone(timedelta(hours=8))
OUTCOMES = {
    "http_error": Text("应答非 2xx", "the answer was not 2xx"),
    "timeout": Text("超时", "timeout"),
    "unresolved": Text("域名无法解析", "the name has no address"),
    "not_public": Text("地址不在公网", "the address is not public"),
    "connect": Text("无法连接", "no connection"),
    "tls": Text("证书或 TLS 错误", "certificate or TLS error"),
    "cut": Text("连接中断", "the connection was cut"),
    "bad_answer": Text("应答无法识别", "the answer is no HTTP"),
    "endpoint_disabled": Text("端点已停用", "the endpoint is disabled"),
    "not_signed": Text("密钥无法打开", "the secret cannot be opened here"),
}


def webhook_words(meta: dict[str, Any]) -> tuple[Text, Text]:
    """Return title and meta line of a `webhook.attempt`."""
    number, outcome, status = meta["number"], meta["outcome"], meta.get("http_status")
    tail = f" · HTTP {status}" if status is not None else ""
    if outcome == "delivered":
        title = Text(f"Webhook 第 {number} 次投递成功{tail}", f"Webhook delivered, attempt {number}{tail}")
        what = Text("", "")
    else:
        title = Text(f"Webhook 第 {number} 次投递失败{tail}", f"Webhook attempt {number} failed{tail}")
        what = OUTCOMES[outcome]
    zh = [what.zh, meta["event_type"], meta["host"], f"{meta['elapsed_ms']} ms"]
    en = [what.en, meta["event_type"], meta["host"], f"{meta['elapsed_ms']} ms"]
    if "next_at" in meta:
        at = datetime.fromisoformat(meta["next_at"]).astimezone(_CHINA).strftime("%m-%d %H:%M:%S")
        zh.append(f"下次 {at}")
        en.append(f"next {at}")
    elif outcome != "delivered":
        zh.append("不再重试")
        en.append("given up")
    return title, Text(" · ".join(part for part in zh if part), " · ".join(part for part in en if part))
