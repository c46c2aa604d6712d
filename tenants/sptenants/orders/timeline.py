"""What happened to an order, in words: kinds, titles and meta lines (console-and-api-design section 4).

`row`s are written in the transaction of the change they tell of; `Entry` turns them into both languages.
Meta holds facts by name: never a signature, a key or a whole openid (rule C6 a).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from spcore.errors import Text
from spcore.ids import new_id
from sptenants.orders.models import TimelineEntry
from sptenants.orders.records import OrderRecord, mask_openid
from sptenants.orders.refund_words import moved_words as refund_moved_words
from sptenants.orders.refund_words import requested_words as refund_requested_words
from sptenants.orders.webhook_words import webhook_words
from wechatpay.call import CallRecord

Outcome = Literal["ok", "info", "wait", "bad", "mute"]
Language = Literal["zh", "en"]
Group = Literal["order", "gateway", "notify", "webhook", "refund", "manual"]

STATUS_WORDS = {
    "created": Text("已创建", "created"),
    "submitting": Text("提交中", "submitting"),
    "pending": Text("待支付", "awaiting payment"),
    "closing": Text("关闭中", "closing"),
    "paid": Text("支付成功", "paid"),
    "closed": Text("已关闭", "closed"),
    "failed": Text("下单失败", "failed"),
    "revoked": Text("已撤销", "reversed"),
}
_CAUSES = {
    "gateway": Text("微信应答", "WeChat's answer"),
    "notify": Text("通知", "notification"),
    "query": Text("查单", "query"),
    "operator": Text("人工", "a person"),
    "expired": Text("到期", "expiry"),
    "replaced": Text("更换下单尝试", "another attempt"),
}
_OPERATIONS = {
    "unifiedorder": Text("下单", "create order"),
    "orderquery": Text("查单", "query order"),
    "closeorder": Text("关单", "close order"),
    "refund": Text("申请退款", "request refund"),
    "refundquery": Text("查询退款", "query refund"),
    "micropay": Text("付款码收款", "charge payment code"),
    "reverse": Text("撤销", "reverse"),
    "v3.prepay": Text("下单", "create order"),
    "v3.query": Text("查单", "query order"),
    "v3.close": Text("关单", "close order"),
    "v3.refund": Text("申请退款", "request refund"),
    "v3.refund_query": Text("查询退款", "query refund"),
}
SOURCES = {
    "api_key": Text("API 密钥", "API key"),
    "miniprogram": Text("小程序会话", "mini-program session"),
    "console": Text("控制台", "console"),
    "adopted": Text("按微信侧记录补录", "rebuilt from WeChat's records"),
    "trial": Text("接入试付", "trial payment"),
}
_ACTIONS = {
    "sync": Text("手动查单", "asked WeChat"),
    "close": Text("请求关单", "asked to close"),
    "sync_refund": Text("手动查询退款", "asked WeChat about a refund"),
    "replace": Text("更换下单尝试", "asked for another attempt"),
}
ANOMALY_WORDS = {
    "amount_mismatch": Text("金额不符", "amount differs"),
    "identity_mismatch": Text("身份不符", "identity differs"),
    "double_payment": Text("重复支付", "paid twice"),
    "late_payment": Text("关闭后到账", "paid after it was closed"),
    "missing_there": Text("微信侧没有这笔付款", "WeChat does not have this payment"),
    "silent_callback": Text("通知未到", "no notification came"),
    "unknown_order": Text("订单缺失", "order not found here"),
    "refund_abnormal": Text("退款异常", "refund did not reach the payer"),
    "refund_short": Text("余额不足，退款未成", "balance too low for a refund"),
    "refund_outside": Text("在微信侧退款", "refunded at WeChat's own console"),
    "refund_mismatch": Text("退款内容不符", "refund differs"),
    "refund_stuck": Text("退款迟迟未完成", "refund takes too long"),
    "binding_drift": Text("AppID 绑定失效", "app no longer bound at WeChat"),
}
WRONG_WORDS = {
    "lost_notification": Text("通知未到，由查单确认", "no notification came; a query confirmed it"),
    "lost_answer": Text("下单应答丢失，由查单确认", "the answer was lost; a query settled it"),
    "overdue_close": Text("逾期未支付，已自动关单", "unpaid and overdue; closed automatically"),
    "late_payment": Text("关闭后到账，由查单发现", "paid after it was closed; a query found it"),
    "unknown_order": Text("订单缺失，已按微信侧记录补录", "missing here; rebuilt from WeChat's records"),
    "lost_refund_answer": Text(
        "退款应答丢失，由查询确认", "the refund's answer was lost; a query settled it"
    ),
    "lost_refund_notification": Text(
        "退款通知未到，由查询确认", "no refund notification came; a query confirmed it"
    ),
    "lost_refund": Text("退款缺失，已按微信侧记录补录", "refund missing here; rebuilt from WeChat's records"),
    "refund_outside": Text("在微信侧退款，已补录", "refunded at WeChat's own console; recorded here"),
}
_OUTCOME_OF: dict[str, Outcome] = {"paid": "ok", "pending": "wait", "failed": "bad"}
_GROUPS: dict[str, Group] = {
    "gateway": "gateway",
    "notify": "notify",
    "webhook": "webhook",
    "refund": "refund",
    "operator": "manual",
    "anomaly": "manual",
}
_OUTCOMES: dict[str, Outcome] = {"ok": "ok", "wait": "wait", "bad": "bad", "mute": "mute"}


@dataclass(frozen=True, slots=True)
class Note:
    """One entry about to be written."""

    kind: str
    outcome: Outcome
    meta: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry for people. `group` is the filter it falls under; `raw` are its facts by name."""

    at: datetime
    kind: str
    group: Group
    outcome: Outcome
    title: Text
    meta: Text
    raw: dict[str, Any]


def rows(
    provider_id: str, tenant_id: str, order_id: str, now: datetime, notes: Sequence[Note]
) -> list[dict[str, Any]]:
    """Return table rows for what happens at one moment; their ids keep the order of `notes`."""
    return [
        {
            "provider_id": provider_id,
            "tenant_id": tenant_id,
            "id": new_id("tle", now),
            "order_id": order_id,
            "at": now,
            "kind": note.kind,
            "outcome": note.outcome,
            "meta": note.meta,
        }
        for note in notes
    ]


def call(record: CallRecord, *, error: str | None = None, prepay_id: str | None = None) -> Note:
    """A call to WeChat and what came of it; `error` is a short token when it did not succeed."""
    meta: dict[str, Any] = {
        "operation": record.operation,
        "http_status": record.http_status,
        "elapsed_ms": record.elapsed_ms,
        "wechat_request_id": record.request_id,
        "return_code": record.return_code,
        "result_code": record.result_code,
        "err_code": record.err_code,
        "err_message": record.err_message if error else None,
        "error": error,
        "prepay_id": f"{prepay_id[:10]}…" if prepay_id else None,
    }
    return Note("gateway.call", "bad" if error else "ok", {k: v for k, v in meta.items() if v is not None})


def moved(before: str, after: str, cause: str, **facts: Any) -> Note:
    """A change of state; `cause` is `gateway`, `notify`, `query`, `operator` or `expired`."""
    outcome = _OUTCOME_OF.get(after, "mute")
    return Note("order.status_changed", outcome, {"from": before, "to": after, "cause": cause, **facts})


def anomaly(kind: str, cause: str, **facts: Any) -> Note:
    """Money truth and intent differ; the state did not change because of it."""
    return Note("order.status_changed", "bad", {"anomaly": kind, "cause": cause, **facts})


def settled(kind: str, by: str, note: str) -> Note:
    """An anomaly is off the work list; `by` is a person's or key's name, or `system`."""
    return Note("anomaly.resolved", "ok", {"anomaly": kind, "by": by, "note": note})


def healed(wrong: str, *, took_s: int, queries: int, refund_id: str | None = None) -> Note:
    """The platform put something right by itself, `took_s` seconds after it went wrong."""
    meta = {"wrong": wrong, "took_s": took_s, "queries": queries, "refund_id": refund_id}
    return Note("order.healed", "ok", {name: value for name, value in meta.items() if value is not None})


def params_issued(sign_type: str, sub_appid: str | None, openid: str | None, source: str) -> Note:
    meta = {"sign_type": sign_type, "sub_appid": sub_appid, "openid": mask_openid(openid), "source": source}
    return Note("pay_params.issued", "info", meta)


def acted(name: str, action: str, note: str | None) -> Note:
    """A person or key did something by hand."""
    return Note("operator.action", "info", {"actor": name, "action": action, "note": note})


def entries(order: OrderRecord, written: Sequence[TimelineEntry]) -> tuple[Entry, ...]:
    """Return the whole timeline, newest first. Its first entry comes from the order itself."""
    newest_first = sorted(written, key=lambda row: (row.at, row.id), reverse=True)
    return (*(_entry(row) for row in newest_first), _created(order))


def _created(order: OrderRecord) -> Entry:
    source = SOURCES[order.source]
    payer = mask_openid(order.openid) or ""
    raw = {"source": order.source, "created_by": order.created_by, "openid": mask_openid(order.openid)}
    return Entry(
        at=order.created_at,
        kind="order.created",
        group="order",
        outcome="info",
        title=Text("创建订单", "Order created"),
        meta=_line([f"{source.zh} {order.created_by}", payer], [f"{source.en} {order.created_by}", payer]),
        raw=raw,
    )


def _entry(row: TimelineEntry) -> Entry:
    title, meta = _WORDS[row.kind](row.meta)
    return Entry(
        at=row.at,
        kind=row.kind,
        group=_GROUPS.get(row.kind.partition(".")[0], "order"),
        outcome=_OUTCOMES.get(row.outcome, "info"),
        title=title,
        meta=meta,
        raw=row.meta,
    )


def _line(zh: Sequence[object], en: Sequence[object] | None = None) -> Text:
    def join(parts: Sequence[object]) -> str:
        return " · ".join(str(part) for part in parts if part)

    return Text(join(zh), join(zh if en is None else en))


def _call_words(meta: dict[str, Any]) -> tuple[Text, Text]:
    operation = _OPERATIONS[meta["operation"]]
    status = f" · HTTP {meta['http_status']}" if "http_status" in meta else ""
    tail = f"{status} · {meta['elapsed_ms']} ms"
    title = Text(f"调用微信{operation.zh}{tail}", f"WeChat call: {operation.en}{tail}")
    code = meta.get("err_code") or meta.get("error")
    parts = [code, meta.get("err_message"), meta.get("prepay_id")]
    request_id = meta.get("wechat_request_id")
    return title, _line([*parts, request_id and f"Request-ID {request_id}"])


def _params_words(meta: dict[str, Any]) -> tuple[Text, Text]:
    by_phone = meta["source"] == "miniprogram"
    title = (
        Text("小程序已取支付参数", "The mini-program took the payment parameters")
        if by_phone
        else Text("已签发支付参数", "Payment parameters signed")
    )
    return title, _line([meta["sign_type"], meta.get("sub_appid"), meta.get("openid")])


def _notify_words(meta: dict[str, Any]) -> tuple[Text, Text]:
    key = meta.get("key_version")
    of_refund = meta.get("about") == "refund"
    verified = (
        Text(f"解密成功（密钥 v{key}）", f"decrypted (key v{key})")
        if of_refund
        else Text(f"验签通过（密钥 v{key}）", f"signature right (key v{key})")
    )
    results = {
        "processed": Text("已处理", "processed"),
        "duplicate": Text("重复", "duplicate"),
        "mismatch": Text("内容不符", "content differs"),
        "deferred": Text("待查单确认", "to be confirmed by a query"),
    }
    result = results[meta["result"]]
    title = (
        Text("收到微信退款通知", "WeChat refund notification received")
        if of_refund
        else Text("收到微信支付通知", "WeChat payment notification received")
    )
    number = meta.get("out_refund_no") if of_refund else meta.get("transaction_id")
    return title, _line([verified.zh, result.zh, number], [verified.en, result.en, number])


def _moved_words(meta: dict[str, Any]) -> tuple[Text, Text]:
    cause = _CAUSES[meta["cause"]]
    fields = ", ".join(meta.get("fields", ()))
    if "anomaly" in meta:
        what = ANOMALY_WORDS[meta["anomaly"]]
        title = Text(f"需核实：{what.zh}", f"Needs a look: {what.en}")
        return title, _line([cause.zh, fields], [cause.en, fields])
    before, after = STATUS_WORDS[meta["from"]], STATUS_WORDS[meta["to"]]
    title = Text(f"状态变更：{before.zh} → {after.zh}", f"Status: {before.en} → {after.en}")
    late = meta.get("late")
    checked = meta.get("amount_checked")
    return title, _line(
        [cause.zh, checked and "金额一致", late and "关闭后到账", meta.get("code")],
        [cause.en, checked and "amount agrees", late and "after it was closed", meta.get("code")],
    )


def _settled_words(meta: dict[str, Any]) -> tuple[Text, Text]:
    what = ANOMALY_WORDS[meta["anomaly"]]
    by_itself = meta["by"] == "system"
    who = Text("系统", "the system") if by_itself else Text(meta["by"], meta["by"])
    title = Text(f"已核实：{what.zh}", f"Settled: {what.en}")
    return title, _line([who.zh, meta["note"]], [who.en, meta["note"]])


def _healed_words(meta: dict[str, Any]) -> tuple[Text, Text]:
    what = WRONG_WORDS[meta["wrong"]]
    title = Text(f"已自愈：{what.zh}", f"Put right: {what.en}")
    took, queries = _duration(meta["took_s"]), meta["queries"]
    return title, _line(
        [f"用时 {took.zh}", f"查询 {queries} 次"], [f"after {took.en}", f"queries: {queries}"]
    )


def _duration(seconds: int) -> Text:
    """Return a span of seconds in the two largest units that say something."""
    minutes, s = divmod(seconds, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    units = ((days, "天", "d"), (h, "小时", "h"), (m, "分", "min"), (s, "秒", "s"))
    told = [unit for unit in units if unit[0]][:2] or [units[-1]]
    return Text(
        " ".join(f"{n} {zh}" for n, zh, _ in told),
        " ".join(f"{n} {en}" for n, _, en in told),
    )


def _action_words(meta: dict[str, Any]) -> tuple[Text, Text]:
    action = _ACTIONS[meta["action"]]
    title = Text(f"{meta['actor']} {action.zh}", f"{meta['actor']} {action.en}")
    return title, _line([meta.get("note")])


_WORDS = {
    "gateway.call": _call_words,
    "pay_params.issued": _params_words,
    "notify.received": _notify_words,
    "order.status_changed": _moved_words,
    "operator.action": _action_words,
    "anomaly.resolved": _settled_words,
    "order.healed": _healed_words,
    "refund.requested": refund_requested_words,
    "refund.status_changed": refund_moved_words,
    "webhook.attempt": webhook_words,
}
