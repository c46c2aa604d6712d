"""Orders summed over whole Shanghai hours and days: what overviews and analytics are made of.

The rows are kept by `summing.py`. They say of each order what was known at the moment that is returned with
them; whoever shows them says it too. Days are kept for ever, hours for `HOURS_KEPT`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.providers.models import Provider
from sptenants.orders.filters import ReadScope
from sptenants.orders.models import OrderSum, OrderSumsMark
from wechatpay.money import Fen

CHINA = timezone(timedelta(hours=8))
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
HOURS_KEPT = 3 * DAY
"""Hours of today and of this many days before it are kept."""
YOUNG = timedelta(minutes=30)
"""Orders younger than this are left out of the success rate (console-and-api-design section 5)."""

_AMOUNTS = frozenset({"paid_amount", "refunded_amount"})
NOTHING = Fen(0)

COUNTED = (
    "created",
    "paid_count",
    "paid_amount",
    "settled_of",
    "settled_paid",
    "refunded_count",
    "refunded_amount",
    "failed",
    "closed",
    "attention",
)
"""The columns of a sum, in the order of the fields of `Sums`."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over orders by the moment they were created.

    `settled_of` are the orders that became payable, young ones left out; `settled_paid` those of them
    that were paid. `refunded_amount` is what was refunded of these orders at any time since.
    """

    created: int = 0
    paid_count: int = 0
    paid_amount: Fen = NOTHING
    settled_of: int = 0
    settled_paid: int = 0
    refunded_count: int = 0
    refunded_amount: Fen = NOTHING
    failed: int = 0
    closed: int = 0
    attention: int = 0

    @classmethod
    def of(cls, row: Sequence[Any]) -> Sums:
        """Read the columns of COUNTED as a database sums them: None for nothing, Decimal for large ones."""
        numbers = [int(value or 0) for value in row]
        return cls(
            **{
                name: Fen(number) if name in _AMOUNTS else number  # type: ignore[arg-type]
                for name, number in zip(COUNTED, numbers, strict=True)
            }
        )

    @property
    def success_per_10000(self) -> int | None:
        """The success rate in hundredths of a percent; None when there is nothing to take it of."""
        return self.settled_paid * 10_000 // self.settled_of if self.settled_of else None

    @property
    def refunded_per_10000(self) -> int | None:
        """Refunded of the paid amount, in hundredths of a percent."""
        paid = self.paid_amount.value
        return self.refunded_amount.value * 10_000 // paid if paid else None


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a scope is summed; None does not narrow. `mode` is `test` or `live`."""

    provider_id: str | None = None
    tenant_id: str | None = None
    sub_appid: str | None = None
    mode: str | None = None


WHOLE = Part()


async def sums(
    session: AsyncSession,
    scope: ReadScope,
    begin: datetime,
    end: datetime,
    *,
    provider_id: str | None = None,
    tenant_id: str | None = None,
    part: Part = WHOLE,
) -> tuple[Sums, datetime | None]:
    """Return the sums over orders created in `[begin, end)`, and the moment up to which they are right.

    Both ends are whole hours, and whole days where the hours are no longer kept; an end in the future is
    fine. The moment is None before anything was summed. Raises ValueError for ends that no row knows.
    """
    known_at = await as_of(session)
    if provider_id is not None or tenant_id is not None:
        part = replace(part, provider_id=provider_id, tenant_id=tenant_id)
    pieces = [_piece(span, first, last) for span, first, last in _pieces(begin, end, known_at)]
    query = select(*_columns()).where(*_within(scope, part), or_(*pieces))
    return Sums.of((await session.execute(query)).one()), known_at


async def by_day(
    session: AsyncSession, scope: ReadScope, first: date, last: date, part: Part = WHOLE
) -> Mapping[date, Sums]:
    """Return the sums of every Shanghai day from `first` to `last`, both included; empty days are zeros."""
    query = (
        select(OrderSum.begin, *_columns())
        .where(*_within(scope, part), _days(first, last))
        .group_by(OrderSum.begin)
    )
    found = {begin.astimezone(CHINA).date(): Sums.of(row) for begin, *row in await session.execute(query)}
    days = (first + DAY * n for n in range((last - first).days + 1))
    return {day: found.get(day, Sums()) for day in days}


Owner: TypeAlias = Literal["provider", "tenant"]


async def by_owner(
    session: AsyncSession,
    scope: ReadScope,
    owner: Owner,
    days: Sequence[date],
    part: Part = WHOLE,
    *,
    limit: int | None = None,
) -> Mapping[str, Sums]:
    """Return the sums over `days` by provider or tenant id, most paid first, at most `limit` of them."""
    column = OrderSum.provider_id if owner == "provider" else OrderSum.tenant_id
    query = (
        select(column, *_columns())
        .where(
            *_within(scope, part),
            OrderSum.span == "day",
            OrderSum.begin.in_([midnight(day) for day in days]),
        )
        .group_by(column)
        .order_by(func.sum(OrderSum.paid_amount).desc(), column)
        .limit(limit)
    )
    return {owner_id: Sums.of(row) for owner_id, *row in await session.execute(query)}


async def as_of(session: AsyncSession) -> datetime | None:
    """Return up to which moment changes of orders are in the sums; None before the first run."""
    moment: datetime | None = await session.scalar(select(OrderSumsMark.at))
    return moment


def midnight(day: date) -> datetime:
    """Return when a Shanghai day begins."""
    return datetime.combine(day, time(), CHINA)


def day_of(at: datetime) -> date:
    """Return the Shanghai day of a moment."""
    return at.astimezone(CHINA).date()


def hours_kept_from(at: datetime) -> datetime:
    """Return since when hours are kept, as seen at a moment: a midnight."""
    return midnight(day_of(at)) - HOURS_KEPT


def _pieces(
    begin: datetime, end: datetime, known_at: datetime | None
) -> list[tuple[str, datetime, datetime]]:
    """Cut a span of time into whole days and the hours that are left at both ends."""
    for at in (begin, end):
        if at.minute or at.second or at.microsecond:
            raise ValueError(f"sums are kept by the hour, not for {at.isoformat()}")
    last = max(midnight(day_of(end)), begin)
    first = midnight(day_of(begin))
    first = first if first == begin else first + DAY
    if first > last:
        pieces = [("hour", begin, end)]
    else:
        pieces = [("hour", begin, first), ("day", first, last), ("hour", last, end)]
    pieces = [piece for piece in pieces if piece[1] < piece[2]]
    for span, start, _stop in pieces:
        if span == "hour" and known_at is not None and start < hours_kept_from(known_at):
            raise ValueError(f"the hours since {start.isoformat()} are no longer kept")
    return pieces or [("hour", begin, begin)]


def _piece(span: str, first: datetime, last: datetime) -> ColumnElement[bool]:
    return and_(OrderSum.span == span, OrderSum.begin >= first, OrderSum.begin < last)


def _days(first: date, last: date) -> ColumnElement[bool]:
    return _piece("day", midnight(first), midnight(last + DAY))


def _columns() -> list[ColumnElement[Any]]:
    return [func.sum(getattr(OrderSum, name)) for name in COUNTED]


def _within(scope: ReadScope, part: Part) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    match scope:
        case TenantScope():
            conditions = [
                OrderSum.provider_id == scope.provider_id,
                OrderSum.tenant_id == scope.tenant_id,
            ]
        case ProviderScope():
            conditions = [OrderSum.provider_id == scope.provider_id]
        case PlatformScope():
            pass
    equal = {
        OrderSum.provider_id: part.provider_id,
        OrderSum.tenant_id: part.tenant_id,
        OrderSum.sub_appid: part.sub_appid,
    }
    conditions += [column == value for column, value in equal.items() if value is not None]
    if part.mode is not None:
        of_mode = select(Provider.id).where(Provider.mode == part.mode)
        if not isinstance(scope, PlatformScope):
            of_mode = of_mode.where(Provider.id == scope.provider_id)
        conditions.append(OrderSum.provider_id.in_(of_mode))
    return conditions
