"""What order list and order page show, made out of the read models; the same for all three areas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from spapp.console.frame.explained import Explained, explained
from spapp.console.frame.qr import qr_code
from spapp.console.frame.words import (
    ATTEMPT,
    BINDING_KIND,
    MODE,
    SOURCE,
    TRADE_TYPE,
    Chip,
    notify_chip,
    order_chips,
)
from spapp.console.frame.workplace import Notice, Rights, Workplace
from spapp.console.orders.billed import BillFact
from spapp.console.orders.figures import counted
from spapp.console.orders.query import OrderQuery
from spapp.console.orders.story import TimelineLine, as_text, timeline_lines
from spapp.console.orders.words import DELIVERY, tried
from spapp.console.refunds.views import RefundLine, refundable
from spapp.web.i18n import N_, Language, said, translated
from spapp.web.pages import mask_openid, money
from spcore.errors import Text
from sptenants.orders.figures import Count
from sptenants.orders.filters import Tab
from sptenants.orders.reader import OrderDetail, OrderRow
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import OrderStatus
from sptenants.refunds.records import RefundRecord
from sptenants.webhooks.models import DeliveryState
from sptenants.webhooks.of_orders import OrderDelivery, Progress
from wechatpay.money import Fen

_TABS = {
    Tab.ALL: N_("全部"),
    Tab.PAID: N_("支付成功"),
    Tab.UNPAID: N_("待支付"),
    Tab.REFUNDED: N_("有退款"),
    Tab.CLOSED: N_("已关闭"),
    Tab.ATTENTION: N_("需处理"),
}
TIMELINE_FILTERS = (
    ("all", N_("全部")),
    ("gateway", N_("网关")),
    ("notify", N_("通知")),
    ("webhook", N_("Webhook")),
    ("refund", N_("退款")),
    ("manual", N_("人工")),
)
_TIMELINE_HEADING = Text("时间线（新的在前，北京时间）", "Timeline (newest first, Beijing time)")
_FAILING = (DeliveryState.RETRYING, DeliveryState.FAILED)
CODE_URL_LIVES = timedelta(hours=2)
H5_URL_LIVES = timedelta(minutes=5)
"""Counted from the answer to the order (wechatpay-v2 2.6)."""

_ANOMALY_NOTES = {
    "amount_mismatch": Text(
        "微信侧的支付金额与订单金额不同，订单没有因此变为已支付。请与微信支付账单核对后联系商户处理。",
        "The amount paid at WeChat differs from the order, which was therefore not marked as paid. Compare it"
        " with the bill of WeChat Pay and settle it with the merchant.",
    ),
    "identity_mismatch": Text(
        "微信侧返回的商户号或 AppID 与下单时不同，订单没有因此变为已支付。请核对商户配置。",
        "WeChat named another merchant number or app than the order was made with, which was therefore not"
        " marked as paid. Check the merchant's configuration.",
    ),
    "double_payment": Text(
        "同一订单收到了第二笔微信支付。请确认后把多付的一笔退给付款用户。",
        "A second WeChat payment arrived for this order. Check it and give the payer the second one back.",
    ),
    "missing_there": Text(
        "微信侧的账单里没有这笔付款，查单也说没有付款，订单状态没有改动。请先停止发货，凭商户单号到微信支付商户平台核对。",
        "WeChat's bill does not have this payment, and WeChat calls the order unpaid; nothing was changed."
        " Hold the delivery and look the number up on WeChat Pay's merchant platform.",
    ),
    "late_payment": Text(
        "订单关闭后才收到付款。请与商户确认继续履约，还是退款给付款用户。",
        "The payment arrived after the order was closed. Ask the merchant whether to deliver or to refund.",
    ),
}
_CLOSE_NOTE = Text(
    "已请求关单：微信要求下单满 5 分钟后才能关闭，到时会自动完成。",
    "Closing was asked for. WeChat allows it five minutes after the order was made.",
)
_UNCLEAR_NOTE = Text(
    "微信侧是否已受理尚不明确，系统正在自动查单，结果以查单为准；不要重复下单。",
    "Whether WeChat took the order is not known yet. It is being asked, and its answer decides; do not order"
    " again.",
)


@dataclass(frozen=True, slots=True)
class TabLink:
    word: str
    url: str
    active: bool
    count: str


@dataclass(frozen=True, slots=True)
class OrderLine:
    url: str
    amount: Fen
    chips: tuple[Chip, ...]
    description: str
    merchant_order_no: str
    provider_name: str
    mode_word: str
    tenant_name: str
    sub_mch_id: str | None
    appid: str | None
    app_word: str
    notify: Chip | None
    webhook: Chip | None
    webhook_tried: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Number:
    word: str
    value: str | None


def tab_links(query: OrderQuery, counts: dict[Tab, Count]) -> tuple[TabLink, ...]:
    return tuple(
        TabLink(word, query.url(tab=tab), tab is query.tab, counted(counts[tab]))
        for tab, word in _TABS.items()
    )


def order_lines(
    query: OrderQuery, rows: Sequence[OrderRow], sent: Mapping[str, Progress]
) -> tuple[OrderLine, ...]:
    """Return the lines of a list; `sent` says how far webhooks are, by order id."""
    return tuple(_line(query, row, sent.get(row.id)) for row in rows)


def _line(query: OrderQuery, row: OrderRow, sent: Progress | None) -> OrderLine:
    order = row.order
    return OrderLine(
        url=f"{query.base}/{order.id}",
        amount=order.amount,
        chips=order_chips(order, query.now),
        description=order.description,
        merchant_order_no=order.merchant_order_no,
        provider_name=row.provider_name,
        mode_word=MODE[order.mode],
        tenant_name=row.tenant_name,
        sub_mch_id=row.sub_mch_id,
        appid=order.sub_appid,
        app_word=BINDING_KIND[row.app_kind] if row.app_kind else TRADE_TYPE[order.trade_type],
        notify=notify_chip(order),
        webhook=DELIVERY[sent.state] if sent else None,
        webhook_tried=tried(sent) if sent else "",
        created_at=order.created_at,
    )


# --- one order ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AttemptLine:
    number: int
    out_trade_no: str
    trade_word: str
    amount: Fen
    chip: Chip
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Cashier:
    """What the payer can still be shown: a QR code for NATIVE, a link for H5. `until` is when it dies."""

    until: datetime
    qr: Markup | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class OrderView:
    """One order as `orders/detail.html` shows it."""

    place: Workplace
    detail: OrderDetail
    refunded: tuple[RefundRecord, ...]
    sent: tuple[OrderDelivery, ...] = ()
    """Deliveries of its events to the merchant's server, newest first."""
    said: Notice | None = None
    """What an action that was just asked for came to."""
    bills: tuple[BillFact, ...] = ()
    """What WeChat's bills have of it; nothing of an order that was never paid."""

    @property
    def order(self) -> OrderRecord:
        return self.detail.order

    @property
    def rights(self) -> Rights:
        return self.place.rights

    @property
    def url(self) -> str:
        return f"{self.place.orders}/{self.order.id}"

    @property
    def chips(self) -> tuple[Chip, ...]:
        return order_chips(self.order, self.place.now)

    @property
    def trade_word(self) -> str:
        return TRADE_TYPE[self.order.trade_type]

    @property
    def source_word(self) -> str:
        return SOURCE[self.order.source]

    @property
    def mode_word(self) -> str:
        return MODE[self.order.mode]

    @property
    def numbers(self) -> tuple[Number, ...]:
        return (
            Number(N_("商户订单号"), self.order.merchant_order_no),
            Number(N_("商户单号"), self.order.out_trade_no),
            Number(N_("微信支付订单号"), self.order.transaction_id),
        )

    @property
    def tenant_name(self) -> str:
        return self.detail.tenant.name

    @property
    def sub_mch_id(self) -> str | None:
        return self.detail.tenant.sub_mch_id

    @property
    def tenant_url(self) -> str | None:
        return f"/console/tenants/{self.order.tenant_id}" if self.rights.tenant_page else None

    @property
    def provider_name(self) -> str | None:
        return self.detail.provider.name if self.rights.sees_provider else None

    @property
    def mch_id(self) -> str:
        return self.detail.provider.mch_id

    @property
    def may_sync(self) -> bool:
        return self.rights.sync and self.order.out_trade_no is not None

    @property
    def may_close(self) -> bool:
        return self.rights.close and self.order.is_open and self.order.close_requested_at is None

    @property
    def may_replace(self) -> bool:
        """Whether another attempt can be asked for: a service provider's owners and operators do."""
        if self.rights.tenant_page and self.may_close:
            return self.order.status is not OrderStatus.SUBMITTING and self.place.now < self.order.expires_at
        return False

    @property
    def may_resend(self) -> bool:
        return self.rights.onboard and bool(self.sent)

    @property
    def refundable(self) -> Fen:
        return refundable(self.order)

    @property
    def may_refund(self) -> bool:
        return self.rights.refund and self.refundable.value > 0

    @property
    def refunds(self) -> tuple[RefundLine, ...]:
        return tuple(RefundLine.of(refund, self.place) for refund in self.refunded)

    @property
    def attempts(self) -> tuple[AttemptLine, ...]:
        """The attempts, newest first, when there were several."""
        if len(self.detail.attempts) < 2:
            return ()
        return tuple(
            AttemptLine(
                number=attempt.number,
                out_trade_no=attempt.out_trade_no,
                trade_word=TRADE_TYPE[attempt.trade_type],
                amount=attempt.amount,
                chip=ATTEMPT[attempt.state],
                created_at=attempt.created_at,
            )
            for attempt in self.detail.attempts
        )

    @property
    def cashier(self) -> Cashier | None:
        attempt = next(
            (each for each in self.detail.attempts if each.out_trade_no == self.order.out_trade_no), None
        )
        if attempt is None or attempt.prepay_at is None or not self.order.is_payable(self.place.now):
            return None
        if attempt.code_url is not None:
            made = Cashier(attempt.prepay_at + CODE_URL_LIVES, qr=qr_code(attempt.code_url))
        elif attempt.h5_url is not None:
            made = Cashier(attempt.prepay_at + H5_URL_LIVES, link=attempt.h5_url)
        else:
            return None
        return made if made.until > self.place.now else None

    @property
    def work_url(self) -> str:
        """The work list, narrowed to this order."""
        return f"{self.place.base}/anomalies?status=all&order={self.order.id}"

    @property
    def notes(self) -> tuple[Notice, ...]:
        notes: list[Notice] = []
        order = self.order
        if order.anomaly is not None:
            notes.append(Notice("bad", _ANOMALY_NOTES[order.anomaly]))
        elif self.detail.attention:
            notes.append(Notice("wait", _UNCLEAR_NOTE))
        if order.status is OrderStatus.FAILED and order.failure:
            words = " · ".join(
                str(order.failure[key]) for key in ("code", "message") if order.failure.get(key)
            )
            notes.append(Notice("bad", Text(f"微信支付拒绝了下单：{words}", f"WeChat Pay refused: {words}")))
        if order.is_open and order.close_requested_at is not None:
            notes.append(Notice("info", _CLOSE_NOTE))
        if failing := [each for each in self.sent if each.state in _FAILING]:
            notes.append(Notice("wait", _undelivered(max(each.attempts for each in failing))))
        healed = (entry for entry in self.detail.timeline if entry.kind == "order.healed")
        notes += [Notice("info", _joined(entry.title, entry.meta)) for entry in healed]
        return tuple(notes)

    def text(self, language: Language) -> str:
        """Return the order and its timeline for a ticket: no signature, and no whole openid."""

        def say(text: Text | str) -> str:
            return said(translated(text) if isinstance(text, str) else text, language)

        order = self.order
        facts = [
            (say(N_("支付订单")), order.id),
            (say(N_("金额")), money(order.amount)),
            (say(N_("状态")), " · ".join(say(chip.word) for chip in self.chips)),
            *((say(number.word), number.value) for number in self.numbers if number.value),
            (say(N_("特约商户")), f"{self.tenant_name} {self.sub_mch_id or ''}".strip()),
            ("AppID", order.sub_appid or "—"),
            (say(N_("付款用户")), mask_openid(order.openid) if order.openid else "—"),
        ]
        lines = [(line.at, say(line.title), say(line.meta)) for line in self.timeline]
        return as_text(facts, say(_TIMELINE_HEADING), lines)

    @property
    def explained(self) -> Explained | None:
        """What WeChat's code means, as long as the order is what it is because of it."""
        return explained(self.order.failure) if self.order.status is OrderStatus.FAILED else None

    @property
    def timeline(self) -> tuple[TimelineLine, ...]:
        open_ids = {each.id for each in self.sent if each.state is not DeliveryState.DELIVERED}
        return timeline_lines(
            self.detail.timeline,
            webhooks=f"{self.place.base}/webhooks" if self.rights.refund_pages else None,
            resendable=open_ids if self.rights.onboard else set(),
        )


def _joined(title: Text, meta: Text) -> Text:
    return Text(
        f"{title.zh}，{meta.zh.replace(' · ', '，')}。", f"{title.en} ({meta.en.replace(' · ', ', ')})."
    )


def _undelivered(times: int) -> Text:
    return Text(
        f"商户 Webhook 已失败 {times} 次；资金状态不受影响。",
        f"The merchant's webhook failed {times} times; the money is not touched by it.",
    )
