"""What WeChat's bills say of an order: the lines that have it, and what they and our books differ in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from spapp.console.frame.workplace import Workplace
from spapp.web.pages import fee, signed_money
from spcore.db.scope import TenantScope
from spcore.errors import Text
from sptenants.bills.reader import Bookshelf
from sptenants.bills.records import LineRecord
from sptenants.orders.records import OrderRecord
from sptenants.orders.sums import DAY, day_of, midnight
from sptenants.reconciliation.reader import DifferenceReader
from sptenants.reconciliation.records import DifferenceFilter, DifferenceRecord
from sptenants.reconciliation.words import STATE_WORDS, cause_title, words_of
from sptenants.refunds.records import RefundRecord

READY_AFTER = timedelta(hours=10)
"""On the day after, in Beijing: WeChat's bills are there (wechatpay-v2 4.8)."""
_MOST_DIFFERENCES = 10


@dataclass(frozen=True, slots=True)
class BillFact:
    """One sentence with the page that tells more, where the person has one."""

    text: Text
    url: str | None = None
    alarming: bool = False


async def billed(
    place: Workplace, order: OrderRecord, refunds: Sequence[RefundRecord]
) -> tuple[BillFact, ...]:
    """Return what bills have of a paid order; nothing of one that was never paid.

    The lines are read as the order's own tenant, so that a neighbour's can never be among them (L05).
    """
    if order.paid_at is None or order.out_trade_no is None:
        return ()
    scope = TenantScope(order.provider_id, order.tenant_id)
    paid_on = day_of(order.paid_at)
    days = _days(paid_on, refunds)
    lines = await Bookshelf(place.database).lines_of_order(scope, order.out_trade_no, days)
    wanted = DifferenceFilter(order_id=order.id)
    found = await DifferenceReader(place.database).list(scope, wanted, _MOST_DIFFERENCES)
    facts = [_line(place, order, line) for line in lines]
    if not any(not line.is_refund for line in lines) and not found.rows:
        facts.insert(0, _not_yet(place, paid_on))
    return (*facts, *(_difference(place, difference) for difference in found.rows))


def _days(paid_on: date, refunds: Sequence[RefundRecord]) -> list[date]:
    """Return the days whose bills may have it: around midnight a neighbouring day's may."""
    own = {paid_on, *(day_of(refund.accepted_at) for refund in refunds if refund.accepted_at is not None)}
    return sorted({day + DAY * away for day in own for away in (-1, 0, 1)})


def _line(place: Workplace, order: OrderRecord, line: LineRecord) -> BillFact:
    amount = signed_money(line.refund_applied if line.is_refund else line.total)
    what = Text("退款", "Refund") if line.is_refund else Text("收款", "Payment")
    place_there, charged = f"{line.number:,}", fee(line.fee)
    text = Text(
        f"{what.zh} {amount} 已在 {line.day:%m-%d} 交易账单第 {place_there} 行 · 手续费 {charged}",
        f"{what.en} {amount}: line {place_there} of the bill of {line.day:%m-%d} · fee {charged}",
    )
    return BillFact(text, _statement_url(place, order.tenant_id, line.day))


def _not_yet(place: Workplace, paid_on: date) -> BillFact:
    if place.now < midnight(paid_on + DAY) + READY_AFTER:
        return BillFact(
            Text("次日 10 点后可核对账单", "The bill can be compared after 10:00 of the next day")
        )
    return BillFact(
        Text(
            f"{paid_on:%m-%d} 的账单还没有下载，或其中没有这笔收款",
            f"The bill of {paid_on:%m-%d} is not here yet, or does not have this payment",
        )
    )


def _difference(place: Workplace, difference: DifferenceRecord) -> BillFact:
    title, cause = words_of(difference.detail).title, cause_title(difference.cause)
    state = STATE_WORDS[difference.state]
    text = Text(
        f"对账差异（{state.zh}）：{title.zh} · {cause.zh}",
        f"Difference ({state.en.lower()}): {title.en} · {cause.en}",
    )
    if place.base == "/m":
        url: str | None = f"/m/bills/{difference.bill_date}"
    else:
        url = f"{place.base}/differences/{difference.id}"
    return BillFact(text, url, alarming=difference.is_open)


def _statement_url(place: Workplace, tenant_id: str, day: date) -> str | None:
    match place.base:
        case "/console":
            return f"/console/tenants/{tenant_id}/statements/{day}"
        case "/m":
            return f"/m/bills/{day}"
        case _:
            return None
