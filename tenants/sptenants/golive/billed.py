"""Whether WeChat's bill has a trial: the last thing that can be seen of it, on the day after (B-11).

It is shown and proves nothing that going live waits for: the bill of a trial comes after its certificate.
"""

from __future__ import annotations

from collections.abc import Sequence

from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.errors import Text
from sptenants.bills.reader import Bookshelf
from sptenants.bills.records import LineRecord
from sptenants.golive.records import Lamp
from sptenants.orders.models import Order
from sptenants.orders.sums import DAY, day_of

_TITLE = Text("次日账单", "Next day's bill")


async def billed_lamp(database: Database, scope: TenantScope, order: Order) -> Lamp:
    """Return the lamp of a trial's order: lit as soon as a loaded trade bill has its payment."""
    if order.paid_at is None or order.out_trade_no is None:
        return Lamp("billed", _TITLE, "wait")
    paid_on = day_of(order.paid_at)
    # Around midnight the payment may stand in a neighbouring day's bill.
    days = [paid_on - DAY, paid_on, paid_on + DAY]
    return _lamp(await Bookshelf(database).lines_of_order(scope, order.out_trade_no, days))


def _lamp(lines: Sequence[LineRecord]) -> Lamp:
    payment = next((line for line in lines if not line.is_refund), None)
    if payment is None:
        note = Text(
            "付款次日 10 点后可见，不影响上线", "from 10:00 of the day after; going live does not wait"
        )
        return Lamp("billed", _TITLE, "wait", note=note)
    note = Text(
        f"{payment.day:%m-%d} 账单第 {payment.number:,} 行",
        f"line {payment.number:,} of the bill of {payment.day:%m-%d}",
    )
    return Lamp("billed", _TITLE, "ok", payment.at, note)
