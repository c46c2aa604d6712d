"""States, kinds and problems of bills in words (console-and-api-design section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spapp.console.frame.words import Chip
from spapp.web.i18n import N_
from spcore.errors import Text
from sptenants.bills.states import BillState, OwnProblem, Problem
from wechatpay.bills import Account, BillKind, BillProblem, HashCheck

BILL = {
    BillState.WAITING: Chip("wait", N_("未出账")),
    BillState.DOWNLOADED: Chip("info", N_("已下载")),
    BillState.BALANCED: Chip("ok", N_("已对平")),
    BillState.DIFFERENT: Chip("bad", N_("有差异")),
    BillState.FAILED: Chip("bad", N_("下载失败")),
}
KIND = {BillKind.TRADE: N_("交易账单"), BillKind.FUND: N_("资金账单")}
ACCOUNT = {
    Account.BASIC: N_("基本账户"),
    Account.OPERATION: N_("运营账户"),
    Account.FEES: N_("手续费账户"),
    Account.DEPOSIT: N_("保证金账户"),
}
HASH = {
    HashCheck.TEXT: Chip("ok", N_("哈希一致")),
    HashCheck.FILE: Chip("ok", N_("哈希一致（按原文件）")),
    HashCheck.UNTOLD: Chip("mute", N_("微信未提供哈希")),
}
HASH_WRONG = Chip("bad", N_("哈希不一致"))


@dataclass(frozen=True, slots=True)
class ProblemWords:
    """`title` for a list; `cause` and `action` in sentences."""

    title: Text
    cause: Text
    action: Text


_BY_ITSELF = Text("系统会自动重试，无需处理。", "It is tried again by itself.")
_FETCH_AGAIN = Text("更正后按“重新下载”。", "Put it right, then fetch it again.")

PROBLEMS: Mapping[Problem, ProblemWords] = {
    BillProblem.NOT_READY: ProblemWords(
        Text("微信还在生成", "Not ready yet"),
        Text(
            "微信还没有生成这份账单，通常次日 10 点后出账。",
            "WeChat is still making it; mostly it is there after 10:00.",
        ),
        _BY_ITSELF,
    ),
    BillProblem.TOO_OLD: ProblemWords(
        Text("日期不提供", "No such date"),
        Text(
            "微信只提供近三个月、已经结束的日期的账单。",
            "WeChat serves the last three months only, and days that are over.",
        ),
        Text(
            "更早的账单请在微信支付商户平台下载。", "Download older ones from WeChat Pay's merchant platform."
        ),
    ),
    BillProblem.NO_PERMISSION: ProblemWords(
        Text("没有权限", "Not permitted"),
        Text(
            "商户号没有这份账单的权限，或特约商户号不属于本服务商。",
            "The number may not have this bill, or the sub-merchant is not this provider's.",
        ),
        Text(
            "在微信支付商户平台的产品中心开通后，按“重新下载”。",
            "Enable it in the product centre of WeChat Pay's platform, then fetch it again.",
        ),
    ),
    BillProblem.HASH_MISMATCH: ProblemWords(
        Text("哈希不一致", "Wrong hash"),
        Text(
            "下载到的内容与微信告知的 SHA-1 不一致，已丢弃。",
            "What came is not what WeChat told the SHA-1 of; it was thrown away.",
        ),
        Text(
            "系统会重新下载；一直不一致时，检查网络中的代理是否改动了内容。",
            "It is fetched again; if it goes on, see whether a proxy on the way changes it.",
        ),
    ),
    BillProblem.INCOMPLETE: ProblemWords(
        Text("文件不完整", "Incomplete"),
        Text(
            "文件没有下载完整，或不能解压，已丢弃。",
            "The file ended early or cannot be unpacked; it was thrown away.",
        ),
        _BY_ITSELF,
    ),
    BillProblem.TOO_LARGE: ProblemWords(
        Text("文件过大", "Too large"),
        Text("账单超过了允许的大小。", "The bill is larger than allowed."),
        Text("联系平台管理员。", "Ask the platform's administrator."),
    ),
    BillProblem.THROTTLED: ProblemWords(
        Text("请求过于频繁", "Throttled"),
        Text("微信限制了请求次数。", "WeChat limits how often it may be asked."),
        _BY_ITSELF,
    ),
    BillProblem.REFUSED: ProblemWords(
        Text("微信拒绝", "Refused"),
        Text("微信拒绝了这次请求。", "WeChat refused the request."),
        _FETCH_AGAIN,
    ),
    BillProblem.UNREACHABLE: ProblemWords(
        Text("连接不到微信", "Unreachable"),
        Text("没有得到微信的可用应答。", "No usable answer came from WeChat."),
        _BY_ITSELF,
    ),
    BillProblem.NOT_OFFERED: ProblemWords(
        Text("接口不提供", "Not offered"),
        Text("当前使用的接口版本没有这种账单。", "The API version in use has no such bill."),
        Text("切换到 APIv3 后按“重新下载”。", "Switch to API v3, then fetch it again."),
    ),
    OwnProblem.MALFORMED: ProblemWords(
        Text("无法读取", "Unreadable"),
        Text(
            "文件不是可以识别的账单格式，没有计入任何一行。",
            "The file is no bill that can be read; no line of it counts.",
        ),
        Text(
            "系统会重新下载；一直如此时，请下载文件查看。",
            "It is fetched again; if it goes on, look at the file itself.",
        ),
    ),
    OwnProblem.SUMMARY_MISMATCH: ProblemWords(
        Text("汇总行不符", "Summary differs"),
        Text("账单的汇总行与各行合计不一致。", "The bill's summary line is not the sum of its lines."),
        Text(
            "系统会重新下载；一直如此时，请联系微信支付。",
            "It is fetched again; if it goes on, ask WeChat Pay.",
        ),
    ),
    OwnProblem.BALANCE_MISMATCH: ProblemWords(
        Text("余额不连续", "Balance breaks"),
        Text(
            "资金账单中有一行的余额接不上前一行。",
            "A line of the fund bill does not go on from the balance before it.",
        ),
        Text(
            "按业务单号在微信支付商户平台核对这一行。",
            "Look the line up on WeChat Pay's platform by its number.",
        ),
    ),
    OwnProblem.PROVIDER_NOT_READY: ProblemWords(
        Text("缺少密钥或证书", "Key missing"),
        Text(
            "服务商还没有录入请求这份账单所需的密钥或证书。",
            "The provider lacks the key or certificate that asking for it needs.",
        ),
        Text(
            "在“证书与密钥”中录入后按“重新下载”。",
            "Enter it under certificates and keys, then fetch it again.",
        ),
    ),
}
"""Every problem; a test finds those that are missing."""
