"""What order list and order page show, made out of the read models; the same for all three areas."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from spapp.console.query import OrderQuery
from spapp.console.words import MODE, SOURCE, TRADE_TYPE, Chip, Tone, notify_chip, order_chips
from spapp.web.i18n import N_
from spapp.web.pages import money
from spcore.errors import Text
from sptenants.orders.figures import Count, Figures
from sptenants.orders.filters import Tab
from sptenants.orders.reader import OrderDetail, OrderRow
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import OrderStatus
from sptenants.orders.timeline import Entry
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
    ("manual", N_("人工")),
)
_ICONS = {
    "order.created": "receipt",
    "gateway.call": "arrow-up-right",
    "pay_params.issued": "device-mobile",
    "notify.received": "bell",
    "operator.action": "user",
}
_STATUS_ICONS = {"ok": "circle-check", "bad": "alert-triangle", "wait": "clock", "mute": "ban"}

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
    "late_payment": Text(
        "订单关闭后才收到付款。请与商户确认继续履约，还是退款给付款用户。",
        "The payment arrived after the order was closed. Ask the merchant whether to deliver or to refund.",
    ),
}
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
class Figure:
    """One cell of the strip; `direction` is `up` or `dn` for a change against the day before."""

    word: str
    value: str
    note: Text
    direction: str = ""
    alarming: bool = False
    hint: str | None = None


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
    trade_word: str
    notify: Chip | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    tone: Tone
    text: Text


@dataclass(frozen=True, slots=True)
class TimelineLine:
    at: datetime
    group: str
    tone: str
    icon: str
    title: Text
    meta: Text
    raw: str


@dataclass(frozen=True, slots=True)
class Number:
    word: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Rights:
    """What the reader of an order page may do with it, state aside."""

    sync: bool = False
    close: bool = False
    tenant_page: bool = False
    sees_provider: bool = False


def tab_links(query: OrderQuery, counts: dict[Tab, Count]) -> tuple[TabLink, ...]:
    return tuple(
        TabLink(word, query.url(tab=tab), tab is query.tab, counted(counts[tab]))
        for tab, word in _TABS.items()
    )


def counted(count: Count) -> str:
    """Return the count as shown: exact up to the cap, `≈ 10,000+` above it."""
    return f"≈ {count.value:,}+" if count.capped else f"{count.value:,}"


def order_lines(query: OrderQuery, rows: Sequence[OrderRow]) -> tuple[OrderLine, ...]:
    return tuple(_line(query, row) for row in rows)


def _line(query: OrderQuery, row: OrderRow) -> OrderLine:
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
        trade_word=TRADE_TYPE[order.trade_type],
        notify=notify_chip(order),
        created_at=order.created_at,
    )


# --- figures -----------------------------------------------------------------------------------------


def figure_strip(now: Figures, before: Figures | None, created: Count) -> tuple[Figure, ...]:
    """Return the five cells; `before` is the day before up to the same time, when the list shows today."""
    average = Fen(now.paid_amount.value // now.paid_count) if now.paid_count else None
    made = counted(created)
    return (
        _changed(
            N_("成功金额"),
            money(now.paid_amount),
            Text(f"平均每笔 {money(average)}", f"{money(average)} on average")
            if average
            else Text("还没有成功的支付", "No payment yet"),
            _relative(now.paid_amount.value, before.paid_amount.value) if before else None,
        ),
        _changed(
            N_("成功笔数"),
            f"{now.paid_count:,}",
            Text(f"共创建 {made} 笔订单", f"of {made} orders made"),
            _relative(now.paid_count, before.paid_count) if before else None,
        ),
        Figure(
            N_("支付成功率"),
            _percent(now.success_per_10000),
            Text(f"{now.paid_of:,} 笔可统计", f"{now.paid_of:,} orders counted"),
            hint=N_("已支付订单 ÷ 取得预支付的订单，创建不足 30 分钟的订单不计入"),
        ),
        Figure(
            N_("退款金额"),
            money(now.refunded_amount),
            Text("所选订单的累计退款", "refunded of these orders"),
        ),
        Figure(
            N_("需要处理"),
            f"{now.attention:,}",
            Text("状态待核实，或金额、身份异常", "unclear state, amount or identity")
            if now.attention
            else Text("没有需要处理的订单", "Nothing needs a look"),
            alarming=now.attention > 0,
        ),
    )


def _changed(word: str, value: str, otherwise: Text, change: int | None) -> Figure:
    """Show the change in tenths of a percent against the day before, else what there is to say without."""
    if change is None:
        return Figure(word, value, otherwise)
    size = f"{abs(change) // 10}.{abs(change) % 10}%"
    arrow, direction = ("↑", "up") if change > 0 else ("↓", "dn") if change < 0 else ("→", "")
    return Figure(
        word,
        value,
        Text(f"{arrow} {size} 较昨日同时段", f"{arrow} {size} on yesterday by now"),
        direction=direction,
    )


def _relative(now: int, before: int) -> int | None:
    return (now - before) * 1000 // before if before else None


def _percent(per_10000: int | None) -> str:
    if per_10000 is None:
        return "—"
    tenths = (per_10000 + 5) // 10
    return f"{tenths // 10}.{tenths % 10}%"


# --- one order ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OrderView:
    """One order as `orders/detail.html` shows it."""

    url: str
    detail: OrderDetail
    rights: Rights
    now: datetime
    said: Notice | None = None
    """What an action that was just asked for came to."""

    @property
    def order(self) -> OrderRecord:
        return self.detail.order

    @property
    def chips(self) -> tuple[Chip, ...]:
        return order_chips(self.order, self.now)

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
    def notes(self) -> tuple[Notice, ...]:
        notes = [self.said] if self.said else []
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
            notes.append(
                Notice(
                    "info",
                    Text(
                        "已请求关单：微信要求下单满 5 分钟后才能关闭，到时会自动完成。",
                        "Closing was asked for. WeChat allows it five minutes after the order was made.",
                    ),
                )
            )
        return tuple(notes)

    @property
    def timeline(self) -> tuple[TimelineLine, ...]:
        return tuple(_entry(entry) for entry in self.detail.timeline)


def _entry(entry: Entry) -> TimelineLine:
    return TimelineLine(
        at=entry.at,
        group=entry.group,
        tone=entry.outcome,
        icon=_ICONS.get(entry.kind) or _STATUS_ICONS.get(entry.outcome, "info-circle"),
        title=entry.title,
        meta=entry.meta,
        raw=json.dumps(entry.raw, ensure_ascii=False, indent=2, sort_keys=True),
    )
