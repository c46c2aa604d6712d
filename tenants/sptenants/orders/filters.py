"""Which orders to show: scope and filter as SQL conditions.

Every list works for one tenant, for a provider with all its tenants, and for the platform; the scope of the
transaction decides, the filter only narrows (rule Y4).

Lists stay as quick with millions of orders as with a few. What an index answers in the order of the list is
an *entry*: a tab is one entry or several, such as one for each state. Everything that no index knows is
looked at row by row, and never at more than `LOOKS_AT` rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, literal_column, or_, select, true
from sqlalchemy.orm import aliased

from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.ids import least_id
from sptenants.orders.models import Attempt, Order
from sptenants.orders.records import UNCLEAR_AFTER
from sptenants.orders.states import OPEN, OrderStatus

ReadScope = TenantScope | ProviderScope | PlatformScope

LOOKS_AT = 10_000
"""How many orders one page, one count or one sum looks at."""

Also = Callable[[ReadScope, Any], ColumnElement[bool]]
"""A condition that a room above knows: made for a scope and for the columns `tenant_id` and `id`."""

_NO_FEN: ColumnElement[int] = literal_column("0")


class Tab(StrEnum):
    """The tabs of the order list (console-and-api-design section 4)."""

    ALL = "all"
    PAID = "paid"
    UNPAID = "unpaid"
    REFUNDED = "refunded"
    CLOSED = "closed"
    ATTENTION = "attention"


_STATUSES = {
    Tab.PAID: (OrderStatus.PAID,),
    Tab.UNPAID: tuple(sorted(OPEN)),
    Tab.CLOSED: (OrderStatus.CLOSED, OrderStatus.FAILED, OrderStatus.REVOKED),
}


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """What to show. Times are aware and half-open `[created_from, created_to)`; amounts are fen, inclusive.

    Times count to the millisecond, as ids know them.

    `number` finds exactly, by our id or by any of the order numbers, those of earlier attempts among them.
    """

    tab: Tab = Tab.ALL
    status: OrderStatus | None = None
    provider_id: str | None = None
    tenant_id: str | None = None
    sub_appid: str | None = None
    trade_type: str | None = None
    merchant_order_no: str | None = None
    number: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    amount_from: int | None = None
    amount_to: int | None = None
    also: Also | None = field(default=None, repr=False)

    @property
    def is_plain(self) -> bool:
        """Whether it names nothing but a tab, a span of time and whose orders are meant."""
        named = (self.status, self.merchant_order_no, self.number, *self._looked_at)
        return all(value is None for value in named)

    @property
    def is_known_to_indexes(self) -> bool:
        """Whether no row has to be looked at to know that it is meant."""
        return all(value is None for value in self._looked_at)

    @property
    def _looked_at(self) -> tuple[object, ...]:
        return (self.sub_appid, self.trade_type, self.amount_from, self.amount_to, self.also)


def within(scope: ReadScope, model: Any = Order) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that keep a query on orders to the scope; the guard insists on them."""
    match scope:
        case TenantScope():
            return (model.provider_id == scope.provider_id, model.tenant_id == scope.tenant_id)
        case ProviderScope():
            return (model.provider_id == scope.provider_id,)
        case PlatformScope():
            return ()


def named(wanted: OrderFilter) -> list[ColumnElement[bool]]:
    """Return what holds for every entry: whose orders, and of which time.

    An order's id says when it was made, so that a span of time is a stretch of the list. `created_at` is left
    out of it: it says the same once more, and PostgreSQL, which takes the two for independent, would expect
    so few orders that it reads and sorts the whole span instead of the newest of it.
    """
    equal = {
        Order.provider_id: wanted.provider_id,
        Order.tenant_id: wanted.tenant_id,
        Order.merchant_order_no: wanted.merchant_order_no,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if (begin := wanted.created_from) is not None:
        conditions.append(Order.id >= least_id("ord", begin))
    if (end := wanted.created_to) is not None:
        conditions.append(Order.id < least_id("ord", end))
    return conditions


def entries(scope: ReadScope, wanted: OrderFilter, now: datetime) -> list[ColumnElement[bool]]:
    """Return the entries of tab, state and number; together they are what is meant, each with its index.

    Those of a number may overlap, the others do not. States and zeros stand in the SQL as they are: only so
    does PostgreSQL see that a partial index fits.
    """
    found = _entries_of(wanted.tab, now)
    if wanted.status is not None:
        found = [and_(entry, _is(wanted.status)) for entry in found]
    if wanted.number is not None:
        found = [and_(entry, number) for entry in found for number in _numbered(scope, wanted.number)]
    return found


def _entries_of(tab: Tab, now: datetime) -> list[ColumnElement[bool]]:
    if tab in _STATUSES:
        return [_is(status) for status in _STATUSES[tab]]
    if tab is Tab.ATTENTION:
        return [Order.anomaly.is_not(None), and_(_unclear(now), Order.anomaly.is_(None))]
    return [in_tab(tab, now)]


def _numbered(scope: ReadScope, number: str) -> list[ColumnElement[bool]]:
    columns = (Order.id, Order.merchant_order_no, Order.out_trade_no, Order.transaction_id)
    earlier = select(Attempt.order_id).where(*within(scope, Attempt), Attempt.out_trade_no == number)
    return [*(column == number for column in columns), Order.id.in_(earlier)]


def looked_at(scope: ReadScope, wanted: OrderFilter, columns: Any) -> list[ColumnElement[bool]]:
    """Return what no index knows, as conditions on `columns`, which are an order's under other names."""
    equal = {columns.sub_appid: wanted.sub_appid, columns.trade_type: wanted.trade_type}
    conditions = [column == value for column, value in equal.items() if value is not None]
    if wanted.amount_from is not None:
        conditions.append(columns.amount >= wanted.amount_from)
    if wanted.amount_to is not None:
        conditions.append(columns.amount <= wanted.amount_to)
    if wanted.also is not None:
        conditions.append(wanted.also(scope, columns))
    return conditions


def failed_with(code: str) -> Also:
    """Return the condition that WeChat refused the order with this code."""

    def condition(scope: ReadScope, order: Any) -> ColumnElement[bool]:
        refused = aliased(Order)
        return exists(
            select(refused.id).where(
                *within(scope, refused),
                refused.tenant_id == order.tenant_id,
                refused.id == order.id,
                refused.failure["code"].as_string() == code,
            )
        )

    return condition


def together(*conditions: Also | None) -> Also | None:
    """Return the condition that all of these hold; None when there is none."""
    named = [condition for condition in conditions if condition is not None]
    if len(named) < 2:
        return named[0] if named else None
    return lambda scope, order: and_(*(condition(scope, order) for condition in named))


def in_tab(tab: Tab, now: datetime, columns: Any = Order) -> ColumnElement[bool]:
    """Return the condition of a tab on orders, or on `columns` that are an order's under other names."""
    if tab in _STATUSES:
        return or_(*(_is(status, columns) for status in _STATUSES[tab]))
    if tab is Tab.REFUNDED:
        return or_(columns.refunded_amount > _NO_FEN, columns.refunding_amount > _NO_FEN)
    if tab is Tab.ATTENTION:
        return or_(columns.anomaly.is_not(None), _unclear(now, columns))
    return true()


def _unclear(now: datetime, columns: Any = Order) -> ColumnElement[bool]:
    return and_(_is(OrderStatus.SUBMITTING, columns), columns.state_since < now - UNCLEAR_AFTER)


def _is(status: OrderStatus, columns: Any = Order) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = columns.status == literal_column(f"'{status.value}'")
    return condition
