"""What each difference means, why it probably is there and what to do: one wording for pages and API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spcore.errors import Text
from sptenants.reconciliation.cause_words import CAUSE_TITLES, CAUSES
from sptenants.reconciliation.causes import CauseCode
from sptenants.reconciliation.records import DifferenceRecord
from sptenants.reconciliation.states import (
    DifferenceDetail,
    DifferenceKind,
    DifferenceState,
    Resolution,
    StatementState,
    Suspended,
)

D = DifferenceDetail

KIND_WORDS: Mapping[DifferenceKind, Text] = {
    DifferenceKind.MISSING_HERE: Text("微信有我方无", "At WeChat, not here"),
    DifferenceKind.MISSING_THERE: Text("我方有微信无", "Here, not at WeChat"),
    DifferenceKind.AMOUNT: Text("金额不符", "Amounts differ"),
    DifferenceKind.STATE: Text("状态不符", "States differ"),
    DifferenceKind.REFUND: Text("退款不符", "Refunds differ"),
    DifferenceKind.FEE: Text("手续费不符", "Fees differ"),
}
STATE_WORDS: Mapping[DifferenceState, Text] = {
    DifferenceState.OPEN: Text("待处理", "Open"),
    DifferenceState.RESOLVED: Text("已处理", "Resolved"),
}
RESOLUTION_WORDS: Mapping[Resolution, Text] = {
    Resolution.HEALED: Text("向微信查询后已一致", "Settled by asking WeChat"),
    Resolution.NEXT_BILL: Text("后来的账单已一致", "A later bill agrees"),
    Resolution.PERSON: Text("人工处理", "Closed by a person"),
}
STATEMENT_WORDS: Mapping[StatementState, Text] = {
    StatementState.OPEN: Text("核对中", "Being compared"),
    StatementState.BALANCED: Text("已对平", "Balanced"),
    StatementState.DIFFERENT: Text("有差异", "Differs"),
}
SUSPENDED_WORDS: Mapping[Suspended, Text] = {
    Suspended.MIDNIGHT: Text(
        "临近零点的交易，可能在相邻一天的账单中，等待那天的账单。",
        "So close to midnight that the neighbouring day's bill may have it; that bill is waited for.",
    ),
    Suspended.REFUND_SETTLING: Text(
        "微信已受理、还没有最终结果的退款，最多等待十天。",
        "A refund that WeChat accepted and that has no result yet; ten days are given.",
    ),
}


@dataclass(frozen=True, slots=True)
class DetailWords:
    """`title` names it, `meaning` says what differs, `action` what a person should do."""

    title: Text
    meaning: Text
    action: Text


@dataclass(frozen=True, slots=True)
class Explained:
    """A difference in words. `cause` is the probable one; `action` follows from it where it is known."""

    title: Text
    meaning: Text
    cause: Text
    action: Text


def words_of(detail: DifferenceDetail) -> DetailWords:
    """Return the words of a detail; every one has some."""
    return _DETAILS[detail]


def explain(difference: DifferenceRecord) -> Explained:
    """Return a difference in words, with the cause that was written down for it."""
    words = words_of(difference.detail)
    code = _code(difference.cause)
    if code is None:
        return Explained(words.title, words.meaning, _NOT_LOOKED, words.action)
    sentence, action = CAUSES[code]
    return Explained(words.title, words.meaning, sentence(difference.cause_facts), action or words.action)


def cause_title(code: str | None) -> Text:
    """Return the few words that a list shows for a probable cause."""
    known = _code(code)
    return CAUSE_TITLES[known] if known is not None else Text("尚未查明", "Not known yet")


def _code(cause: str | None) -> CauseCode | None:
    return CauseCode(cause) if cause is not None else None


_NOT_LOOKED = Text(
    "原因还没有查明；能向微信查询的会自动查询。",
    "Nobody has looked yet; where WeChat can be asked, it is asked by itself.",
)

_DETAILS: Mapping[DifferenceDetail, DetailWords] = {
    D.PAYMENT_UNKNOWN: DetailWords(
        Text("账单中的收款，我方没有", "A payment that we do not have"),
        Text(
            "账单中有一笔收款，本平台没有这个商户订单号。",
            "The bill has a payment under a number that is not in our books.",
        ),
        Text(
            "系统会向微信查单并补录；补录不了的，先查明由哪个系统下单，再写明处理结果。",
            "WeChat is asked and the order rebuilt by itself; where that fails, find out which system made it"
            " and note the result.",
        ),
    ),
    D.UNKNOWN_SUB_MERCHANT: DetailWords(
        Text("未接入的特约商户", "A sub-merchant that is not here"),
        Text(
            "账单中有不属于任何已接入商户的特约商户号的交易。",
            "The bill has a line of a sub-merchant number that belongs to no tenant here.",
        ),
        Text(
            "该特约商户在其他系统收款则写明即可；应由本平台收款的，请先接入。",
            "If that sub-merchant takes payments elsewhere, say so; otherwise take it in here.",
        ),
    ),
    D.OTHER_PROVIDER: DetailWords(
        Text("其他服务商的交易", "A line of another provider"),
        Text(
            "账单中出现了别的商户号的交易，商户不会看到它。",
            "The bill has a line of another merchant number; no merchant is shown it.",
        ),
        Text(
            "带上账单日期联系微信支付核实这份账单，再写明结果。",
            "Ask WeChat Pay about the bill of this day, then note the answer.",
        ),
    ),
    D.OTHER_TENANT: DetailWords(
        Text("特约商户不一致", "Under another sub-merchant"),
        Text(
            "商户单号是我方的，账单却记在另一个特约商户名下。",
            "The number is ours, but the bill has it under another sub-merchant.",
        ),
        Text(
            "在微信支付商户平台核对这笔交易的收款方，确认钱款归属后写明处理结果。",
            "Check on WeChat Pay's platform who received the money, settle it, and note the result.",
        ),
    ),
    D.REPEATED_LINE: DetailWords(
        Text("账单中重复出现", "Twice in the bill"),
        Text("同一笔收款或退款在账单中出现了两次。", "The same payment or refund stands in the bill twice."),
        Text(
            "重新下载账单；仍然重复时与资金账单核对是否多结算，再写明结果。",
            "Fetch the bill again; if it is still there twice, compare with the fund bill, then note it.",
        ),
    ),
    D.PAYMENT_ABSENT: DetailWords(
        Text("我方已收款，账单没有", "Paid here, in no bill"),
        Text(
            "订单在本平台为已支付，当天和相邻一天的账单中都没有。",
            "The order is paid here, and neither its day's bill nor the neighbouring one has it.",
        ),
        Text(
            "先不要发货或结算；系统会向微信查单，查不到时联系微信支付核实。",
            "Hold delivery and settlement. WeChat is asked by itself; if it does not know the payment, ask"
            " its support.",
        ),
    ),
    D.AMOUNT: DetailWords(
        Text("收款金额不同", "Another amount"),
        Text(
            "同一笔收款，账单的订单金额与我方不同。",
            "The bill's amount of this payment is not the one of our books.",
        ),
        Text(
            "以微信侧的实际收款为准核对订单：少收的补收，多收的退还，再写明结果。",
            "Go by what WeChat really received: collect what is missing or refund what is too much, and note"
            " the result.",
        ),
    ),
    D.TRANSACTION: DetailWords(
        Text("微信订单号不同", "Another transaction"),
        Text(
            "同一商户单号对应了另一笔微信订单，可能付了两次。",
            "The same number stands for another transaction of WeChat's; it may be paid twice.",
        ),
        Text(
            "核对付款人是否付了两次，多付的一笔退还后写明结果。",
            "Check whether it was paid twice; refund the second payment and note the result.",
        ),
    ),
    D.STATE: DetailWords(
        Text("收付状态不同", "Another state"),
        Text(
            "账单显示已付而我方未付，或账单显示已撤销而我方已付。",
            "Paid by the bill and not here, or reversed by the bill and paid here.",
        ),
        Text(
            "系统会向微信查单并更正；仍不一致时与商户确认是否履约或退款。",
            "WeChat is asked and our books put right; if it stays, ask the merchant whether to deliver or to"
            " refund.",
        ),
    ),
    D.REFUND_UNKNOWN: DetailWords(
        Text("账单中的退款，我方没有", "A refund that we do not have"),
        Text("账单中有一笔退款，本平台没有这个退款单号。", "The bill has a refund that is not in our books."),
        Text(
            "系统会查询并补录；请确认是本商户人员在商户平台发起的。",
            "It is asked for and recorded by itself; make sure that the merchant's own staff made it.",
        ),
    ),
    D.REFUND_ABSENT: DetailWords(
        Text("我方已退款，账单没有", "Refunded here, in no bill"),
        Text(
            "退款在本平台已受理，账单中没有。", "The refund was accepted by our books, and the bill has none."
        ),
        Text(
            "系统会按退款单号查询；微信没有受理的，请重新退款。",
            "WeChat is asked by the refund's number; if it never accepted it, refund again.",
        ),
    ),
    D.REFUND_AMOUNT: DetailWords(
        Text("退款金额不同", "Another refund amount"),
        Text(
            "同一笔退款，账单的申请退款金额与我方不同。",
            "The bill's amount of this refund is not the one of our books.",
        ),
        Text(
            "按退款单号在微信支付商户平台核对实退金额，再写明结果。",
            "Check the refund's amount on WeChat Pay's platform and note the result.",
        ),
    ),
    D.REFUND_STATE: DetailWords(
        Text("退款结果不同", "Another refund result"),
        Text(
            "同一笔退款，账单的结果与我方不同。",
            "The bill's result of this refund is not the one of our books.",
        ),
        Text(
            "系统会按退款单号查询并更正；退到零钱失败的请在商户平台处理。",
            "WeChat is asked and our books put right; settle what could not be delivered on its platform.",
        ),
    ),
    D.FEE: DetailWords(
        Text("手续费计算不符", "Fee not by its rate"),
        Text(
            "这一行的手续费与该行的费率乘金额对不上。",
            "The fee of this line is not what its own rate makes of its amount.",
        ),
        Text(
            "带上微信订单号联系微信支付核对手续费。",
            "Ask WeChat Pay about the fee, with the transaction's number.",
        ),
    ),
    D.RATE: DetailWords(
        Text("费率与约定不同", "Not the agreed rate"),
        Text(
            "该商户当天的账单费率与约定费率不同，同一费率合并为一条。",
            "The rate of this tenant's lines is not the agreed one; lines of one rate are one difference.",
        ),
        Text(
            "费率确有调整的，在商户页更新约定费率；否则联系微信支付核对。",
            "If the rate was changed, set it on the tenant's page; otherwise ask WeChat Pay.",
        ),
    ),
}
