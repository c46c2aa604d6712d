"""The words of probable causes: a few for lists, a sentence with its facts, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from spcore.errors import Text
from sptenants.orders.sums import CHINA
from sptenants.reconciliation.causes import CauseCode
from wechatpay.money import Fen

C = CauseCode
Facts = Mapping[str, Any]


def _plain(zh: str, en: str) -> Callable[[Facts], Text]:
    text = Text(zh, en)
    return lambda _facts: text


def _with(
    name: str, shown: Callable[[Any], str | None], known: Text, unknown: Text
) -> Callable[[Facts], Text]:
    """Return a sentence with one fact in the place of `{}`; without the fact, the other sentence."""

    def sentence(facts: Facts) -> Text:
        value = shown(facts.get(name))
        return unknown if value is None else Text(known.zh.format(value), known.en.format(value))

    return sentence


def _moment(value: Any) -> str | None:
    """Return a moment of the facts as Beijing sees it."""
    try:
        return f"{datetime.fromisoformat(value).astimezone(CHINA):%Y-%m-%d %H:%M:%S}"
    except (TypeError, ValueError):
        return None


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _yuan(value: Any) -> str | None:
    return f"¥{Fen(value).yuan}" if type(value) is int and value >= 0 else None


CAUSE_TITLES: Mapping[CauseCode, Text] = {
    C.LOST_NOTIFICATION: Text("没有收到通知", "No notification"),
    C.LATE_NOTIFICATION: Text("通知晚到", "Late notification"),
    C.REFUSED_NOTIFICATION: Text("通知被拒绝", "Notification refused"),
    C.RESTORED_BACKUP: Text("恢复备份后缺失", "Lost in a restore"),
    C.NOT_OUR_NUMBER: Text("其他系统下单", "Made by another system"),
    C.NUMBER_OF_ANOTHER_TENANT: Text("属于另一商户", "Of another tenant"),
    C.SUB_MERCHANT_NOT_ONBOARDED: Text("特约商户未接入", "Sub-merchant not here"),
    C.OTHER_PROVIDERS_BILL: Text("不是本服务商的账单行", "Not this provider's"),
    C.CLOSED_BEFORE_PAID: Text("关单后付款", "Paid after closing"),
    C.PAID_TWICE: Text("重复支付", "Paid twice"),
    C.REVERSED_AT_WECHAT: Text("付款码已撤销", "Reversed at WeChat"),
    C.REFUNDED_AT_WECHAT: Text("在商户平台退款", "Refunded at WeChat"),
    C.REFUND_SETTLING: Text("退款还在途中", "Refund under way"),
    C.REFUND_ENDED_OTHERWISE: Text("退款结果不同", "Refund ended otherwise"),
    C.MIDNIGHT: Text("跨零点", "Around midnight"),
    C.AMOUNT_DIFFERS_AT_WECHAT: Text("微信查单金额不同", "WeChat says another amount"),
    C.BILL_LINE_DIFFERS: Text("账单与查单不一致", "Bill against query"),
    C.BILL_LINE_MISSING: Text("账单漏行", "Left out of the bill"),
    C.MISSING_AT_WECHAT: Text("微信没有这笔", "Unknown at WeChat"),
    C.REPEATED_IN_BILL: Text("账单重复行", "Repeated in the bill"),
    C.OTHER_RATE: Text("费率不同", "Another rate"),
    C.FEE_NOT_BY_RATE: Text("手续费计算不符", "Fee not by its rate"),
    C.NO_ANSWER: Text("微信没有答复", "No answer"),
    C.UNEXPLAINED: Text("无法解释", "Unexplained"),
}

CAUSES: Mapping[CauseCode, tuple[Callable[[Facts], Text], Text | None]] = {
    C.LOST_NOTIFICATION: (
        _plain(
            "没有收到微信对这一笔的通知，由账单发现。",
            "No notification of it came; the bill is how it was found.",
        ),
        Text(
            "核对无误即可；经常发生时，检查通知地址能否从公网访问。",
            "Nothing if it is settled; if it happens often, check that the notify address can be reached.",
        ),
    ),
    C.LATE_NOTIFICATION: (
        _with(
            "received_at",
            _moment,
            Text(
                "微信的通知 {} 才到，已过账单日。", "WeChat's notification came at {}, after the bill's day."
            ),
            Text("微信的通知在账单日之后才到。", "WeChat's notification came after the bill's day."),
        ),
        Text("核对无误后写明处理结果。", "Check it and note the result."),
    ),
    C.REFUSED_NOTIFICATION: (
        _with(
            "received_at",
            _moment,
            Text("微信的通知 {} 到达，但没有通过检查。", "The notification came at {} and was not accepted."),
            Text("微信的通知到达过，但没有通过检查。", "A notification came and was not accepted."),
        ),
        Text(
            "打开这条通知查看被拒绝的原因，修正密钥或配置后重新处理。",
            "See at the notification why it was refused, put keys or settings right, and process it again.",
        ),
    ),
    C.RESTORED_BACKUP: (
        _plain(
            "单号出自本平台，记录却不在：多见于恢复备份之后。",
            "The number is ours and its record is gone, mostly after a backup was restored.",
        ),
        Text(
            "系统会向微信查单并补录，无需重复下单。",
            "WeChat is asked and the order rebuilt by itself; order nothing again.",
        ),
    ),
    C.NOT_OUR_NUMBER: (
        _plain(
            "单号不是本平台的格式，应由同一商户号下的其他系统下单。",
            "The number is not shaped like ours: another system under the same merchant number made it.",
        ),
        Text(
            "确认是哪个系统收的款，写明后关闭。", "Find out which system took the money, note it and close."
        ),
    ),
    C.NUMBER_OF_ANOTHER_TENANT: (
        _plain("这个单号在本平台属于另一个商户。", "The number belongs to another tenant in our books."),
        None,
    ),
    C.SUB_MERCHANT_NOT_ONBOARDED: (
        _plain("该特约商户号没有接入本平台。", "The sub-merchant number was never taken in here."),
        None,
    ),
    C.OTHER_PROVIDERS_BILL: (
        _plain("账单行的商户号不是本服务商的。", "The line's merchant number is not this provider's."),
        None,
    ),
    C.CLOSED_BEFORE_PAID: (
        _plain("我方订单当时已结束，付款随后才完成。", "Our order had ended when the payment was completed."),
        Text(
            "与商户确认继续履约还是退款，再写明结果。",
            "Settle with the merchant whether to deliver or refund, and note the result.",
        ),
    ),
    C.PAID_TWICE: (
        _plain(
            "同一单号下有两笔微信订单，付款人付了两次。",
            "Two transactions stand under one number: it was paid twice.",
        ),
        Text("退还多付的一笔，再写明结果。", "Refund the second payment and note the result."),
    ),
    C.REVERSED_AT_WECHAT: (
        _plain(
            "付款码支付在微信侧已撤销，我方仍为已支付。",
            "The payment code was reversed at WeChat, and the order is still paid here.",
        ),
        Text(
            "这笔钱没有收到：不要发货；已发货的联系商户追收。",
            "The money did not come: do not deliver; if it was delivered, collect it again.",
        ),
    ),
    C.REFUNDED_AT_WECHAT: (
        _plain(
            "退款在微信支付商户平台发起，不是由本平台提交。",
            "The refund was made on WeChat Pay's merchant platform, not here.",
        ),
        Text(
            "确认是本商户人员所为后写明；否则立即检查商户平台账号安全。",
            "Note it if the merchant's own staff made it; otherwise secure that account at once.",
        ),
    ),
    C.REFUND_SETTLING: (
        _plain("微信已受理退款，还没有最终结果。", "WeChat accepted the refund and has no result yet."),
        Text("等待结果即可，系统会继续查询。", "Wait; the platform keeps asking."),
    ),
    C.REFUND_ENDED_OTHERWISE: (
        _with(
            "status",
            _word,
            Text("微信查询的退款结果为 {}，与我方不同。", "WeChat answers {}, which is not our result."),
            Text("微信查询的退款结果与我方不同。", "WeChat answers another result than ours."),
        ),
        Text(
            "按退款单号在微信支付商户平台核实，再写明结果。",
            "Check it by the refund's number on WeChat Pay's platform and note the result.",
        ),
    ),
    C.MIDNIGHT: (
        _with(
            "at",
            _moment,
            Text("微信记的时间是 {}，属于相邻一天。", "WeChat's time is {}, which is a neighbouring day."),
            Text("微信把它记在相邻一天。", "WeChat puts it on a neighbouring day."),
        ),
        Text("核对相邻一天的账单有这一笔即可。", "See that the neighbouring day's bill has it."),
    ),
    C.AMOUNT_DIFFERS_AT_WECHAT: (
        _with(
            "amount",
            _yuan,
            Text("微信查单的金额是 {}，与账单一致。", "WeChat answers {}, as its bill says."),
            Text(
                "微信查单的金额与账单一致，与我方不同。", "WeChat's answer agrees with its bill, not with us."
            ),
        ),
        None,
    ),
    C.BILL_LINE_DIFFERS: (
        _plain(
            "微信查单与我方一致，账单这一行不同。",
            "WeChat's own answer agrees with our books; only the bill's line differs.",
        ),
        Text(
            "重新下载账单；仍不同时带上单号联系微信支付更正。",
            "Fetch the bill again; if it stays, ask WeChat Pay to correct it.",
        ),
    ),
    C.BILL_LINE_MISSING: (
        _plain(
            "微信查单确认这一天有这一笔，账单却漏了。",
            "WeChat's own answer has it on this day, and its bill has not.",
        ),
        Text(
            "重新下载账单；仍没有时带上单号联系微信支付。",
            "Fetch the bill again; if it is still missing, ask WeChat Pay with the number.",
        ),
    ),
    C.MISSING_AT_WECHAT: (
        _with(
            "trade_state",
            _word,
            Text("微信查单的结果是 {}，没有这笔交易的钱。", "WeChat answers {}: it has no such money."),
            Text("微信没有这笔交易的记录。", "WeChat has no record of it."),
        ),
        Text(
            "立即停止发货和结算，核对通知原文与密钥是否泄露。",
            "Stop delivery and settlement at once; check the notification's text and whether a key leaked.",
        ),
    ),
    C.REPEATED_IN_BILL: (
        _plain("微信的账单把同一笔写了两行。", "WeChat's bill has the same thing in two lines."),
        None,
    ),
    C.OTHER_RATE: (
        _plain("微信按另一个费率收取了手续费。", "WeChat charged another rate than the one agreed upon."),
        None,
    ),
    C.FEE_NOT_BY_RATE: (
        _plain(
            "手续费与该行费率算出的相差一分或更多。",
            "The fee is a fen or more away from what the line's rate makes.",
        ),
        None,
    ),
    C.NO_ANSWER: (
        _plain("微信暂时没有给出可信的答复。", "WeChat has given no usable answer so far."),
        Text(
            "系统会继续查询；一直没有答复时检查密钥和网络。",
            "The platform keeps asking; if it goes on, check keys and network.",
        ),
    ),
    C.UNEXPLAINED: (
        _plain("从现有记录看不出原因。", "What is on record does not explain it."),
        None,
    ),
}
"""Each cause's sentence, made of its facts, and the action that follows; None: the one of the difference."""
