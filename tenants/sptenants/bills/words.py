"""Bills in words for people: states, kinds, and of every problem what it means and what comes next.

Read by pages, API and command line alike (console-and-api-design section 6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spcore.errors import Text
from sptenants.bills.planning import CHINA
from sptenants.bills.records import BillRecord
from sptenants.bills.states import BillState, OwnProblem, Problem, problem_of
from wechatpay.bills import Account, BillKind, BillProblem, HashCheck

STATE_WORDS: Mapping[BillState, Text] = {
    BillState.WAITING: Text("未出账", "Waiting"),
    BillState.DOWNLOADED: Text("已下载", "Downloaded"),
    BillState.BALANCED: Text("已对平", "Balanced"),
    BillState.DIFFERENT: Text("有差异", "Different"),
    BillState.FAILED: Text("下载失败", "Failed"),
}
KIND_WORDS: Mapping[BillKind, Text] = {
    BillKind.TRADE: Text("交易账单", "Trade bill"),
    BillKind.FUND: Text("资金账单", "Fund bill"),
}
ACCOUNT_WORDS: Mapping[Account, Text] = {
    Account.BASIC: Text("基本账户", "Basic account"),
    Account.OPERATION: Text("运营账户", "Operation account"),
    Account.FEES: Text("手续费账户", "Fees account"),
    Account.DEPOSIT: Text("保证金账户", "Deposit account"),
}
HASH_WORDS: Mapping[HashCheck, Text] = {
    HashCheck.TEXT: Text("与微信给出的哈希一致", "As WeChat's hash says"),
    HashCheck.FILE: Text("与微信给出的哈希一致（下载的文件）", "As WeChat's hash of the file says"),
    HashCheck.UNTOLD: Text("微信未给出哈希（API v2）", "WeChat gives no hash (API v2)"),
}


@dataclass(frozen=True, slots=True)
class ProblemWords:
    """`title` names it, `meaning` says why, `next` what the platform does by itself, `action` what a person
    can do."""

    title: Text
    meaning: Text
    next: Text
    action: Text


def problem_words(bill: BillRecord) -> ProblemWords | None:
    """Return what is in a bill's way in words; None when nothing is."""
    problem = problem_of(bill.problem)
    if problem is None:
        return None
    title, meaning, action = _PROBLEMS[problem]
    meaning = _with_facts(problem, meaning, bill.problem_facts or {})
    return ProblemWords(title, meaning, _next(bill, problem), action)


def _next(bill: BillRecord, problem: Problem) -> Text:
    if bill.next_at is not None:
        at = _moment(bill.next_at)
        return Text(f"系统会在 {at} 再次下载。", f"It is fetched again at {at}.")
    if problem in _IN_THE_FILE:
        return Text("账单照常核对。", "The bill is compared all the same.")
    if bill.is_loaded:
        return Text(
            "此前下载的账单继续有效，不会再自动下载。",
            "The file that was fetched before still counts; no other is fetched by itself.",
        )
    return Text("不会再自动下载。", "It is not fetched again by itself.")


def _with_facts(problem: Problem, meaning: Text, facts: Mapping[str, Any]) -> Text:
    match problem:
        case OwnProblem.PROVIDER_NOT_READY if "message" in facts:
            return Text(facts["message"], facts["en"])
        case OwnProblem.MALFORMED if "line" in facts:
            line = facts["line"]
            return Text(f"{meaning.zh}（第 {line} 行）", f"{meaning.en} (line {line})")
        case OwnProblem.SUMMARY_MISMATCH if "sums" in facts:
            zh = "、".join(_SUMS.get(name, Text(name, name)).zh for name in facts["sums"])
            en = ", ".join(_SUMS.get(name, Text(name, name)).en for name in facts["sums"])
            return Text(f"{meaning.zh}（{zh}）", f"{meaning.en} ({en})")
        case OwnProblem.BALANCE_MISMATCH if "line" in facts:
            line, flow_no = facts["line"], facts["flow_no"]
            return Text(
                f"{meaning.zh}（第 {line} 笔，资金流水单号 {flow_no}）",
                f"{meaning.en} (entry {line}, flow number {flow_no})",
            )
    said = " ".join(str(facts[name]) for name in ("code", "message") if facts.get(name))
    return Text(f"{meaning.zh}（{said}）", f"{meaning.en} ({said})") if said else meaning


def _moment(at: datetime) -> str:
    return at.astimezone(CHINA).strftime("%m-%d %H:%M")


_IN_THE_FILE = frozenset({OwnProblem.SUMMARY_MISMATCH, OwnProblem.BALANCE_MISMATCH})
_SUMS = {
    "lines": Text("总笔数", "count"),
    "settled": Text("应结订单总金额", "settled sum"),
    "refunded": Text("退款总金额", "refund sum"),
    "fee": Text("手续费总金额", "fee sum"),
    "total": Text("订单总金额", "order sum"),
    "refund_applied": Text("申请退款总金额", "requested refund sum"),
    "income_lines": Text("收入笔数", "income count"),
    "income": Text("收入金额", "income sum"),
    "expense_lines": Text("支出笔数", "expense count"),
    "expense": Text("支出金额", "expense sum"),
}
_NOTHING_TO_DO = Text("无需处理。", "Nothing has to be done.")
_LATER = Text("通常无需处理，也可以稍后重新下载。", "Usually nothing; or fetch it again later.")
_FETCH_AGAIN = Text(
    "可以立即重新下载；一直失败请检查本机到微信支付的网络。",
    "Fetch it again now; if it keeps failing, check the network between this host and WeChat Pay.",
)
_PROBLEMS: Mapping[Problem, tuple[Text, Text, Text]] = {
    BillProblem.NOT_READY: (
        Text("未出账", "Not made yet"),
        Text(
            "微信还没有生成这天的账单，通常次日 10 点后可以下载",
            "WeChat has not made this day's bill yet; it is usually there after 10:00 of the next day",
        ),
        _NOTHING_TO_DO,
    ),
    BillProblem.TOO_OLD: (
        Text("日期超出范围", "Out of range"),
        Text(
            "微信只提供最近三个月、已经结束的日期的账单",
            "WeChat serves days that are over and not older than three months",
        ),
        Text(
            "更早的账单请在微信支付商户平台申请；当天的账单请次日再下载。",
            "Apply for older bills on WeChat Pay's merchant platform; fetch today's bill tomorrow.",
        ),
    ),
    BillProblem.NO_PERMISSION: (
        Text("没有权限", "No permission"),
        Text(
            "微信不允许该商户号下载这份账单：没有开通下载权限，或特约商户号不属于该服务商",
            "WeChat does not let this number have the bill: the permission is missing, or the sub-merchant is"
            " not this provider's",
        ),
        Text(
            "在微信支付商户平台开通账单下载权限并核对商户号，再重新下载。",
            "Open the bill permission on WeChat Pay's merchant platform, check the numbers, fetch again.",
        ),
    ),
    BillProblem.HASH_MISMATCH: (
        Text("哈希不一致", "Hash mismatch"),
        Text(
            "下载的内容与微信给出的哈希不一致，文件已丢弃",
            "What was fetched is not what WeChat's hash is of, and was thrown away",
        ),
        _FETCH_AGAIN,
    ),
    BillProblem.INCOMPLETE: (
        Text("文件不完整", "Incomplete file"),
        Text(
            "下载中断或压缩文件损坏，文件已丢弃",
            "The download broke off or cannot be unpacked, and was thrown away",
        ),
        _FETCH_AGAIN,
    ),
    BillProblem.TOO_LARGE: (
        Text("文件过大", "Too large"),
        Text("账单大于本平台能接收的大小", "The bill is larger than this platform takes"),
        Text(
            "改为按特约商户分别下载账单。",
            "Have the bills of sub-merchants fetched one by one instead.",
        ),
    ),
    BillProblem.THROTTLED: (
        Text("请求过于频繁", "Throttled"),
        Text("微信限制了该商户号的请求频率", "WeChat limits how often this number may ask"),
        _LATER,
    ),
    BillProblem.REFUSED: (
        Text("微信拒绝", "Refused"),
        Text("微信拒绝了下载请求", "WeChat refused the request"),
        Text(
            "按错误码处理后重新下载；接入体检会指出配置问题。",
            "Act on the code, then fetch again; the doctor names wrong settings.",
        ),
    ),
    BillProblem.UNREACHABLE: (
        Text("微信无应答", "No usable answer"),
        Text("没有得到微信可信的应答", "WeChat gave no answer that can be believed"),
        _FETCH_AGAIN,
    ),
    BillProblem.NOT_OFFERED: (
        Text("接口不提供", "Not offered"),
        Text(
            "API v2 不提供特约商户的资金账单，需要 APIv3",
            "API v2 has no fund bills of sub-merchants; they take API v3",
        ),
        Text("把服务商切换到 APIv3 后重新下载。", "Move the provider to API v3, then fetch again."),
    ),
    OwnProblem.MALFORMED: (
        Text("格式无法识别", "Unreadable"),
        Text("账单的格式无法识别，没有读入任何一行", "The file cannot be read; none of its lines count"),
        Text(
            "保留原始文件并联系平台维护人员；微信更正后可重新下载。",
            "Keep the file and tell whoever runs the platform; fetch again once WeChat has mended it.",
        ),
    ),
    OwnProblem.SUMMARY_MISMATCH: (
        Text("汇总不一致", "Summary differs"),
        Text(
            "账单末尾的汇总与逐行相加的结果不同",
            "The summary at the end of the bill is not the sum of its lines",
        ),
        Text(
            "重新下载一次；仍不一致请联系微信支付客服。",
            "Fetch it once more; if it stays so, ask WeChat Pay's support.",
        ),
    ),
    OwnProblem.BALANCE_MISMATCH: (
        Text("余额不连续", "Balance does not add up"),
        Text(
            "有一笔流水的账户结余与上一笔相加后不符",
            "The balance of an entry is not the one before it plus its amount",
        ),
        Text(
            "重新下载一次；仍不连续请在微信支付商户平台核对这笔流水。",
            "Fetch it once more; if it stays so, check that entry on WeChat Pay's merchant platform.",
        ),
    ),
    OwnProblem.PROVIDER_NOT_READY: (
        Text("密钥或证书未就绪", "Key or certificate missing"),
        Text(
            "该服务商缺少下载账单所需的密钥或证书", "The provider lacks a key or certificate that this takes"
        ),
        Text("补齐密钥或证书后重新下载。", "Set the key or certificate, then fetch again."),
    ),
}
