"""What the pages of bills show, made out of the read models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from spapp.console.bills.words import ACCOUNT, BILL, HASH, HASH_WRONG, KIND, PROBLEMS, ProblemWords
from spapp.console.frame.words import Chip
from spapp.console.frame.workplace import Workplace
from spapp.web.i18n import N_
from spapp.web.pages import fee, signed_money
from sptenants.bills.records import BillRecord, DayOfBills
from sptenants.bills.states import problem_of
from sptenants.reconciliation.records import ProviderDay
from wechatpay.bills import Account, BillKind, BillProblem

MOST_STUCK = 2
_SUMS = {
    BillKind.TRADE: (
        ("lines", N_("笔数")),
        ("total", N_("订单总金额")),
        ("settled", N_("应结订单总金额")),
        ("refund_applied", N_("申请退款总金额")),
        ("refunded", N_("退款总金额")),
        ("fee", N_("手续费总金额")),
    ),
    BillKind.FUND: (
        ("lines", N_("流水笔数")),
        ("income", N_("收入金额")),
        ("expense", N_("支出金额")),
    ),
}
"""The summary line's columns by kind of bill, with their words."""


@dataclass(frozen=True, slots=True)
class Sum:
    """One column of the summary line: what the bill says, and what its lines add up to."""

    word: str
    told: str | None
    counted: str | None

    @property
    def agrees(self) -> bool:
        """A column that an older layout has not is not compared."""
        return self.told is None or self.told == self.counted


@dataclass(frozen=True, slots=True)
class BillView:
    """One bill, as a chip of the list and as the page of its day show it."""

    place: Workplace
    bill: BillRecord

    @property
    def url(self) -> str:
        """The page of its day."""
        return f"{self.place.base}/bills/{self.bill.day}"

    @property
    def fetch_url(self) -> str | None:
        return f"{self.url}/{self.bill.id}/fetch" if self.place.rights.fetch_bills else None

    @property
    def file_url(self) -> str | None:
        """Where the file as WeChat sent it is to be had; the service provider's own people alone may."""
        here = self.bill.edition > 0 and not self.bill.empty and not self.place.rights.sees_provider
        return f"{self.url}/{self.bill.id}/download" if here and self.place.rights.export else None

    @property
    def kind(self) -> str:
        return KIND[self.bill.kind]

    @property
    def account(self) -> str | None:
        return ACCOUNT[self.bill.account] if self.bill.account else None

    @property
    def chip(self) -> Chip:
        return BILL[self.bill.state]

    @property
    def hash_chip(self) -> Chip | None:
        """How the file was checked; None while there is none."""
        if self.bill.problem == BillProblem.HASH_MISMATCH:
            return HASH_WRONG
        return HASH[self.bill.hash_check] if self.bill.hash_check else None

    @property
    def problem(self) -> ProblemWords | None:
        found = problem_of(self.bill.problem)
        return None if found is None else PROBLEMS[found]

    @property
    def said(self) -> str | None:
        """WeChat's own words about the refusal, or where the file is at fault."""
        facts = self.bill.problem_facts or {}
        told = (facts.get("code"), facts.get("message"), facts.get("reason"))
        words = " ".join(str(each) for each in told if each)
        return words or None

    @property
    def sums(self) -> tuple[Sum, ...]:
        summary = self.bill.summary or {}
        told, counted = summary.get("told") or {}, summary.get("counted") or {}
        return tuple(
            Sum(word, _shown(name, told.get(name)), _shown(name, counted.get(name)))
            for name, word in _SUMS[self.bill.kind]
            if name in told or name in counted
        )


@dataclass(frozen=True, slots=True)
class DayView:
    """A day of one service provider, as a line of the list shows it."""

    place: Workplace
    day: date
    bills: tuple[BillView, ...]
    sums: ProviderDay | None

    @property
    def url(self) -> str:
        """The platform's people see one service provider's day at a time."""
        if self.place.rights.sees_provider:
            return f"{self.place.base}/bills/{self.day}?provider={self.provider_id}"
        return f"{self.place.base}/bills/{self.day}"

    @property
    def provider_id(self) -> str:
        return self.bills[0].bill.provider_id

    @property
    def provider_name(self) -> str:
        return self.bills[0].bill.provider.name

    @property
    def trade(self) -> BillView | None:
        return self._whole(BillKind.TRADE, None)

    @property
    def fund(self) -> BillView | None:
        return self._whole(BillKind.FUND, Account.BASIC)

    @property
    def others(self) -> int:
        """Bills beside those two: of sub-merchants and of other accounts."""
        return len(self.bills) - sum(view is not None for view in (self.trade, self.fund))

    @property
    def lines(self) -> int | None:
        return self.trade.bill.lines if self.trade is not None and self.trade.bill.edition else None

    @property
    def stuck(self) -> tuple[BillView, ...]:
        """Bills with something in their way, as many as a line has room for."""
        return tuple(view for view in self.bills if view.problem is not None)[:MOST_STUCK]

    def _whole(self, kind: BillKind, account: Account | None) -> BillView | None:
        return next(
            (
                view
                for view in self.bills
                if (view.bill.kind, view.bill.account, view.bill.sub_mch_id) == (kind, account, None)
            ),
            None,
        )


def day_views(
    place: Workplace, days: Sequence[DayOfBills], sums: Mapping[tuple[str, date], ProviderDay]
) -> Iterator[DayView]:
    """Yield the lines of the list: one for each day, and each service provider that has bills of it."""
    for day in days:
        for provider_id, bills in groupby(day.bills, lambda bill: bill.provider_id):
            views = tuple(BillView(place, bill) for bill in bills)
            yield DayView(place, day.day, views, sums.get((provider_id, day.day)))


def _shown(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if name == "lines":
        return f"{value:,}"
    return fee(value) if name == "fee" else signed_money(value)
