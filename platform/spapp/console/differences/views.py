"""What the list of differences and one of them show, made out of the read models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from spapp.console.frame.words import ANOMALY_OPEN, ANOMALY_RESOLVED, REFUND, Chip
from spapp.console.frame.workplace import Notice, Rights, Workplace
from spapp.console.statements.views import bill_payment_chip, bill_refund_chip
from spapp.web.i18n import N_, translated
from spapp.web.pages import fee, signed_money
from spcore.errors import Text
from sptenants.orders.states import OrderStatus
from sptenants.orders.timeline import STATUS_WORDS
from sptenants.reconciliation.causes import asks
from sptenants.reconciliation.records import DifferenceRecord
from sptenants.reconciliation.words import KIND_WORDS, RESOLUTION_WORDS, Explained, cause_title, explain
from sptenants.refunds.states import RefundStatus
from wechatpay.bills import Rate

Wording: TypeAlias = Callable[[str], Text]


def _same(value: str) -> Text:
    return Text(value, value)


def _refund_word(status: str) -> Text:
    return translated(REFUND[RefundStatus(status)].word) if status in set(RefundStatus) else _same(status)


def _order_word(status: str) -> Text:
    return STATUS_WORDS[OrderStatus(status)] if status in set(OrderStatus) else _same(status)


_FACTS = {
    "line": N_("账单行号"),
    "lines": N_("账单行数"),
    "mch_id": N_("账单中的商户号"),
    "sub_mch_id": N_("账单中的特约商户号"),
    "currency": N_("币种"),
    "refund_id": N_("微信支付退款单号"),
}
"""Facts that are shown as they are, in this order."""
_SIDES: tuple[tuple[str, str, Wording, str, Wording], ...] = (
    (N_("状态"), "status", _order_word, "state", lambda state: translated(bill_payment_chip(state).word)),
    (
        N_("退款状态"),
        "refund_status",
        _refund_word,
        "refund_state",
        lambda state: translated(bill_refund_chip(state).word),
    ),
    (N_("微信支付订单号"), "our_transaction_id", _same, "transaction_id", _same),
)
"""What else than the amount can be put side by side: its word, and for either side the fact that says it and
how that is said."""


@dataclass(frozen=True, slots=True)
class Side:
    """One line of what both sides say; None where a side has nothing."""

    word: str
    ours: Text | None
    theirs: Text | None

    @property
    def differs(self) -> bool:
        return self.ours != self.theirs


@dataclass(frozen=True, slots=True)
class Fact:
    word: str
    text: str


@dataclass(frozen=True, slots=True)
class DifferenceView:
    """One difference, as a line of the list and as `differences/detail.html` show it."""

    place: Workplace
    difference: DifferenceRecord
    said: Notice | None = None
    note: str = ""
    """What was typed into the form that was refused."""

    @property
    def rights(self) -> Rights:
        return self.place.rights

    @property
    def url(self) -> str:
        return f"{self.place.base}/differences/{self.difference.id}"

    @property
    def bill_url(self) -> str:
        return f"{self.place.base}/bills/{self.difference.bill_date}"

    @property
    def order_url(self) -> str | None:
        return f"{self.place.orders}/{self.difference.order_id}" if self.difference.order_id else None

    @property
    def refund_url(self) -> str | None:
        shown = self.difference.refund_id is not None and self.rights.refund_pages
        return f"{self.place.base}/refunds/{self.difference.refund_id}" if shown else None

    @property
    def notification_url(self) -> str | None:
        """The message that the cause was read from."""
        found = self.difference.cause_facts.get("notification_id")
        return f"{self.place.base}/notifies/{found}" if isinstance(found, str) else None

    @property
    def statement_url(self) -> str | None:
        shown = self.difference.tenant_id is not None and self.rights.tenant_page
        if not shown:
            return None
        return f"/console/tenants/{self.difference.tenant_id}/statements/{self.difference.bill_date}"

    @property
    def kind(self) -> Text:
        return KIND_WORDS[self.difference.kind]

    @property
    def words(self) -> Explained:
        return explain(self.difference)

    @property
    def cause(self) -> Text:
        return cause_title(self.difference.cause)

    @property
    def chip(self) -> Chip:
        return ANOMALY_OPEN if self.difference.is_open else ANOMALY_RESOLVED

    @property
    def ours(self) -> str | None:
        return self._amount(self.difference.ours)

    @property
    def theirs(self) -> str | None:
        return self._amount(self.difference.theirs)

    @property
    def gap(self) -> str:
        amount = self._amount(self.difference.gap)
        return f"+{amount}" if amount and self.difference.gap > 0 else str(amount)

    @property
    def sides(self) -> tuple[Side, ...]:
        """The amount first, then whatever else both sides say."""
        facts = self.difference.facts
        rest = (
            Side(word, _said(facts.get(ours), our_word), _said(facts.get(theirs), their_word))
            for word, ours, our_word, theirs, their_word in _SIDES
            if ours in facts or theirs in facts
        )
        amounts = (None if amount is None else _same(amount) for amount in (self.ours, self.theirs))
        return (Side(N_("手续费") if self.difference.is_fee else N_("金额"), *amounts), *rest)

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(self._facts())

    @property
    def resolution(self) -> Text | None:
        found = self.difference.resolution
        return RESOLUTION_WORDS[found] if found is not None else None

    @property
    def may_close(self) -> bool:
        return self.rights.reconcile and self.difference.is_open

    @property
    def may_ask(self) -> bool:
        """Whether WeChat can be asked about it at all, and by this person."""
        return self.may_close and asks(self.difference.detail)

    def _facts(self) -> Iterator[Fact]:
        facts = self.difference.facts
        for name, word in _FACTS.items():
            if (text := _plain(facts.get(name))) is not None:
                yield Fact(word, text)
        for name, word in (("rate", N_("账单费率")), ("agreed", N_("约定费率"))):
            if type(facts.get(name)) is int:
                yield Fact(word, Rate(facts[name]).text)

    def _amount(self, value: int | None) -> str | None:
        if value is None:
            return None
        return fee(value) if self.difference.is_fee else signed_money(value)


def _said(value: Any, word: Wording) -> Text | None:
    return word(value) if isinstance(value, str) and value else None


def _plain(value: Any) -> str | None:
    return None if value is None or isinstance(value, dict | list) else str(value)
