"""Whether yesterday's books equal WeChat's bill, in one line for the first pages."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from spapp.console.frame.words import Tone
from spapp.console.frame.workplace import Workplace
from spapp.web.pages import signed_money
from spcore.db.scope import TenantScope
from spcore.errors import Text
from sptenants.bills.reader import Bookshelf
from sptenants.bills.records import BillFilter
from sptenants.bills.states import BillState
from sptenants.orders.sums import DAY, day_of
from sptenants.reconciliation.reader import StatementReader
from sptenants.reconciliation.records import ProviderDay
from sptenants.reconciliation.states import StatementState
from sptenants.reconciliation.words import STATEMENT_WORDS
from wechatpay.bills import BillKind

_TONES: dict[StatementState, Tone] = {
    StatementState.BALANCED: "ok",
    StatementState.DIFFERENT: "bad",
    StatementState.OPEN: "wait",
}


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Yesterday in Beijing: a word with its tone, what stands behind it, and the page that tells more."""

    day: date
    tone: Tone
    word: Text
    text: Text
    url: str


async def reconciled(place: Workplace) -> Reconciled | None:
    """Return how yesterday stands for the person's scope; None when nothing is known of it."""
    day = day_of(place.now) - DAY
    days = (await StatementReader(place.database).provider_days(place.scope, [day])).values()
    url = f"{place.base}/bills" if place.base == "/admin" else f"{place.base}/bills/{day}"
    if missing := await _missing(place, day):
        return Reconciled(day, *missing, url)
    if not days:
        return None
    state = _worst(days)
    return Reconciled(day, _TONES[state], STATEMENT_WORDS[state], _sums(state, days), url)


async def _missing(place: Workplace, day: date) -> tuple[Tone, Text, Text] | None:
    """Say which bills did not come; a merchant sees none of its provider's."""
    if isinstance(place.scope, TenantScope):
        return None
    shelf = Bookshelf(place.database)
    for state, tone, word, text in _NOT_HERE:
        wanted = BillFilter(first_day=day, last_day=day, kind=BillKind.TRADE, state=state)
        if (await shelf.days(place.scope, wanted, 1)).rows:
            return tone, word, text
    return None


def _worst(days: Collection[ProviderDay]) -> StatementState:
    states = {each.state for each in days}
    return next(state for state in _WORST_FIRST if state in states)


_WORST_FIRST = (StatementState.DIFFERENT, StatementState.OPEN, StatementState.BALANCED)
_NOT_HERE: tuple[tuple[BillState, Tone, Text, Text], ...] = (
    (
        BillState.FAILED,
        "bad",
        Text("下载失败", "Download failed"),
        Text(
            "昨日的交易账单没有下载成功，请查看原因。",
            "Yesterday's trade bill could not be fetched; see why.",
        ),
    ),
    (
        BillState.WAITING,
        "wait",
        Text("未出账", "Not ready"),
        Text(
            "昨日的交易账单还没有下载，系统会自动重试。",
            "Yesterday's trade bill is not here yet; it is tried again by itself.",
        ),
    ),
)


def _sums(state: StatementState, days: Collection[ProviderDay]) -> Text:
    net = sum(day.paid_amount - day.refunded_amount for day in days)
    of_bill = sum(day.bill_paid_amount - day.bill_refunded_amount for day in days)
    if state is StatementState.BALANCED:
        count = sum(day.paid_count + day.refunded_count for day in days)
        return Text(
            f"{count:,} 笔收退款，净额 {signed_money(net)}，与微信账单一致。",
            f"{count:,} payments and refunds, {signed_money(net)} net, equal to WeChat's bill.",
        )
    still_open = sum(day.open_differences for day in days)
    return Text(
        f"净额：我方 {signed_money(net)}，微信 {signed_money(of_bill)}；待处理差异 {still_open:,} 项。",
        f"Net: {signed_money(net)} here, {signed_money(of_bill)} at WeChat; {still_open:,} differences open.",
    )
