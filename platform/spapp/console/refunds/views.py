"""What refund list, refund page and the refunds of an order show, made out of the read models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from spapp.console.frame.explained import Explained, explained
from spapp.console.frame.words import REFUND_SOURCE, Chip, refund_chip
from spapp.console.frame.workplace import Notice, Rights, Workplace
from spcore.errors import Text
from sptenants.orders.errors import failure_text
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import OrderStatus
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.states import Approval, Purpose, RefundStatus
from wechatpay.money import Fen

_STATE_NOTES: dict[RefundStatus, Notice] = {
    RefundStatus.SUBMITTING: Notice(
        "wait",
        Text(
            "微信侧是否已受理尚不明确，系统会用同一退款单号自动查询，结果以查询为准；不要再发起一笔。",
            "Whether WeChat took this refund is not known yet. It is being asked under the same number, and"
            " its answer decides; do not make another one.",
        ),
    ),
    RefundStatus.PROCESSING: Notice(
        "info",
        Text(
            "微信支付已受理。退到零钱一般 20 分钟内到账，退到银行卡 1 至 3 个工作日。",
            "WeChat Pay has accepted it. Money reaches a WeChat balance within 20 minutes as a rule, a bank"
            " card in one to three working days.",
        ),
    ),
    RefundStatus.CLOSED: Notice(
        "bad",
        Text(
            "微信支付关闭了这笔退款，钱没有退出，金额已可再次退款。请确认原因后重新发起。",
            "WeChat Pay closed this refund; no money left, and the amount can be refunded again. Find out why"
            " and make a new one.",
        ),
    ),
    RefundStatus.ABNORMAL: Notice(
        "bad",
        Text(
            "钱已从商户账户扣出，但没有退到付款用户（常见原因：银行卡已注销或冻结）。请在微信支付商户平台的"
            "交易中心处理这笔退款，处理结果会自动同步；不要再发起一笔。",
            "The money left the merchant's account but did not reach the payer, often because a bank card was"
            " closed or frozen. Settle it in the trade centre of the WeChat Pay merchant platform; the result"
            " shows up here by itself. Do not make another refund.",
        ),
    ),
}
_SHORT_NOTE = Notice(
    "bad",
    Text(
        "商户账户可用余额不足。请充值或等待新的收款，系统会自动用同一退款单号重试。",
        "The merchant's balance does not cover it. Top it up or wait for new payments; the refund is repeated"
        " by itself under the same number.",
    ),
)
_WAITS_NOTE = Notice(
    "info",
    Text(
        "金额超过限额，须由另一位服务商管理员或财务批准后才会提交微信支付；金额已预留。",
        "Above the limit: another owner or finance member has to approve it before it is sent to WeChat Pay."
        " The amount is reserved.",
    ),
)
_OWN_NOTE = Text(
    "这笔退款由你发起，须由另一位管理员或财务批准。",
    "You asked for this refund yourself; somebody else has to approve it.",
)
_OUTSIDE_NOTE = Notice(
    "info",
    Text(
        "这笔退款不是从本平台发起的，由查询微信支付发现并补录。",
        "This refund was not made here; it was found by asking WeChat Pay and written down.",
    ),
)


def refundable(order: OrderRecord) -> Fen:
    """Return what can still be given back: nothing before it is paid, nothing twice (rule M4)."""
    if order.status is not OrderStatus.PAID:
        return Fen(0)
    return order.amount - order.refunded_amount - order.refunding_amount


@dataclass(frozen=True, slots=True)
class RefundLine:
    """One refund on its order's page; `url` is None where the area has no page for it."""

    id: str
    url: str | None
    amount: Fen
    chip: Chip
    reason: str | None
    who: str
    source_word: str
    out_refund_no: str
    duplicate: bool
    created_at: datetime

    @classmethod
    def of(cls, refund: RefundRecord, place: Workplace) -> RefundLine:
        return cls(
            id=refund.id,
            url=f"{place.base}/refunds/{refund.id}" if place.rights.refund_pages else None,
            amount=refund.amount,
            chip=refund_chip(refund),
            reason=refund.reason,
            who="" if refund.source in ("wechat", "policy") else refund.created_by,
            source_word=REFUND_SOURCE[refund.source],
            out_refund_no=refund.out_refund_no,
            duplicate=refund.purpose is Purpose.DUPLICATE,
            created_at=refund.created_at,
        )


@dataclass(frozen=True, slots=True)
class Typed:
    """What a form of the page held when it was refused, to be shown again."""

    form: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class RefundView:
    """One refund as `refunds/detail.html` shows it, with the order it belongs to."""

    place: Workplace
    refund: RefundRecord
    order: OrderRecord
    tenant_name: str
    sub_mch_id: str | None
    said: Notice | None = None
    typed: Typed | None = None

    @property
    def rights(self) -> Rights:
        return self.place.rights

    @property
    def url(self) -> str:
        return f"{self.place.base}/refunds/{self.refund.id}"

    @property
    def order_url(self) -> str:
        return f"{self.place.orders}/{self.refund.order_id}"

    @property
    def line(self) -> RefundLine:
        return RefundLine.of(self.refund, self.place)

    @property
    def explained(self) -> Explained | None:
        """WeChat's code in plain words, as long as it is the reason that no money moved."""
        over = self.refund.status is RefundStatus.SUCCEEDED
        return None if over else explained(self.refund.failure)

    @property
    def may_sync(self) -> bool:
        sent = self.refund.status is not RefundStatus.REQUESTED
        return self.rights.sync and sent and not self.refund.is_final

    @property
    def may_decide(self) -> bool:
        """Whether this very person may say yes or no: never to their own refund (F07)."""
        return self._waits and self.rights.approve and not self._is_own

    @property
    def asks_code(self) -> bool:
        return self.place.staff.has_second_factor

    @property
    def notes(self) -> tuple[Notice, ...]:
        notes: list[Notice] = []
        refund = self.refund
        if self._waits:
            notes.append(_WAITS_NOTE)
            if self.rights.approve and self._is_own:
                notes.append(Notice("wait", _OWN_NOTE))
        elif refund.short and not refund.is_final:
            notes.append(_SHORT_NOTE)
        elif refund.status in _STATE_NOTES:
            notes.append(_STATE_NOTES[refund.status])
        if refund.approval is Approval.DECLINED:
            text = Text(
                f"{refund.approved_by} 没有批准这笔退款，没有退款，金额已可再次退款。",
                f"{refund.approved_by} declined it; nothing was refunded, and the amount is free again.",
            )
            notes.append(Notice("wait", text))
        elif refund.failure and self.explained is None and refund.status is not RefundStatus.SUCCEEDED:
            notes.append(Notice("bad", failure_text(refund.failure)))
        if refund.source == "wechat":
            notes.append(_OUTSIDE_NOTE)
        return tuple(notes)

    @property
    def _waits(self) -> bool:
        return self.refund.approval is Approval.WAITING

    @property
    def _is_own(self) -> bool:
        return self.refund.created_by_id == self.place.staff.person_id
