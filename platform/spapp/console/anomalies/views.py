"""What the work list and one thing on it show, made out of the read models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spapp.console.frame.words import ANOMALY_OPEN, ANOMALY_RESOLVED, Chip
from spapp.console.frame.workplace import Notice, Rights, Workplace
from spapp.web.i18n import N_
from spcore.errors import Text
from sptenants.anomalies.records import AnomalyRecord
from sptenants.anomalies.words import AnomalyWords, words_of
from sptenants.orders.disputes import BY_SYSTEM, AnomalyKind
from wechatpay.money import Fen

_FACTS = {
    "transaction_id": N_("微信支付订单号"),
    "out_trade_no": N_("商户单号"),
    "out_refund_no": N_("退款单号"),
    "fields": N_("不一致的字段"),
    "code": N_("微信错误码"),
    "trade_state": N_("微信侧状态"),
    "refund_status": N_("微信侧退款状态"),
}
"""Facts that are shown as they are, in this order. Amounts are shown as money, times as times; whatever is
named nowhere here, such as the service provider's own numbers, is not for pages."""
_AMOUNTS = {
    "expected": N_("订单金额"),
    "total": N_("支付金额"),
    "refunded": N_("已退金额"),
}


@dataclass(frozen=True, slots=True)
class Fact:
    word: str
    text: str


@dataclass(frozen=True, slots=True)
class AnomalyView:
    """One thing on the work list, as a line of it and as `anomalies/detail.html` show it."""

    place: Workplace
    anomaly: AnomalyRecord
    said: Notice | None = None
    note: str = ""
    """What was typed into the form that was refused."""
    asks_code: bool = False
    """Whether giving the second payment back asks for a current code of the authenticator."""

    @property
    def rights(self) -> Rights:
        return self.place.rights

    @property
    def url(self) -> str:
        return f"{self.place.base}/anomalies/{self.anomaly.id}"

    @property
    def order_url(self) -> str | None:
        return f"{self.place.orders}/{self.anomaly.order_id}" if self.anomaly.order_id else None

    @property
    def refund_url(self) -> str | None:
        shown = self.anomaly.refund_id is not None and self.rights.refund_pages
        return f"{self.place.base}/refunds/{self.anomaly.refund_id}" if shown else None

    @property
    def words(self) -> AnomalyWords:
        return words_of(self.anomaly.kind)

    @property
    def title(self) -> Text:
        return title_of(self.anomaly.kind)

    @property
    def chip(self) -> Chip:
        return ANOMALY_OPEN if self.anomaly.is_open else ANOMALY_RESOLVED

    @property
    def amount(self) -> Fen | None:
        return self.anomaly.amount

    @property
    def facts(self) -> tuple[Fact, ...]:
        facts = self.anomaly.facts
        return tuple(Fact(word, _plain(facts[name])) for name, word in _FACTS.items() if facts.get(name))

    @property
    def amounts(self) -> tuple[tuple[str, Fen], ...]:
        facts = self.anomaly.facts
        return tuple((word, Fen(facts[name])) for name, word in _AMOUNTS.items() if _is_fen(facts.get(name)))

    @property
    def resolved_by(self) -> str | None:
        """Name of whoever settled it; None when it settled by itself."""
        return None if self.anomaly.resolved_by == BY_SYSTEM else self.anomaly.resolved_by

    @property
    def may_resolve(self) -> bool:
        return self.rights.resolve and self.anomaly.is_open

    @property
    def may_give_back(self) -> bool:
        """Whether the second payment can be refunded from here."""
        return (
            self.rights.approve and self.anomaly.is_open and self.anomaly.kind is AnomalyKind.DOUBLE_PAYMENT
        )


def title_of(kind: AnomalyKind) -> Text:
    """Return the name of a kind as a heading: it begins with a capital, unlike inside a sentence."""
    title = words_of(kind).title
    return Text(title.zh, title.en[:1].upper() + title.en[1:])


def _is_fen(value: object) -> bool:
    return type(value) is int and value >= 0


def _plain(value: Any) -> str:
    return "、".join(str(each) for each in value) if isinstance(value, list) else str(value)
