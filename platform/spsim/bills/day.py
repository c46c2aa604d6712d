"""Which day of Beijing time a bill is of, and whether there is one yet (wechatpay-v2 4.8, -v3 5.1, 5.6)."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum
from typing import Final

from spsim.world import World

from . import rules

BEIJING: Final = timezone(timedelta(hours=8))
_MONTHS: Final = 3


class Why(Enum):
    """Why a bill is refused."""

    NO_SUCH_DATE = "no_such_date"
    """Not a date, not over, or older than three months."""
    CREATING = "creating"
    EMPTY = "empty"
    """Nothing happened that day."""


class NoBill(Exception):
    """There is no bill for what was asked."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True, slots=True, order=True)
class Day:
    """A day in Beijing; `start` and `end` in milliseconds since 1970, the end is no part of it."""

    date: date

    @property
    def start(self) -> int:
        """The first millisecond."""
        return int(datetime.combine(self.date, time(), BEIJING).timestamp() * 1000)

    @property
    def end(self) -> int:
        """The first millisecond of the next day."""
        return self.moved(1).start

    def moved(self, days: int) -> Day:
        """Return the day so many days later."""
        return Day(self.date + timedelta(days=days))

    def has(self, at_ms: int) -> bool:
        """Tell whether a moment belongs to it."""
        return self.start <= at_ms < self.end


def day_of(at_ms: int) -> Day:
    """Return the day that a moment belongs to."""
    return Day(datetime.fromtimestamp(at_ms / 1000, BEIJING).date())


def read(text: str, form: str) -> Day:
    """Read a date written as `%Y%m%d` or `%Y-%m-%d`, strictly; raises NoBill."""
    try:
        found = datetime.strptime(text, form).replace(tzinfo=BEIJING).date()
    except ValueError:
        raise NoBill(Why.NO_SUCH_DATE) from None
    if found.strftime(form) != text:
        raise NoBill(Why.NO_SUCH_DATE)
    return Day(found)


def check_served(world: World, day: Day) -> None:
    """Check that bills of this day are served now; raises NoBill."""
    known, now = rules.of(world.ledger), world.clock.now_ms()
    today = day_of(now)
    if day > today or day.date < _months_before(today.date, _MONTHS):
        raise NoBill(Why.NO_SUCH_DATE)
    if day == today and not known.open_days:
        raise NoBill(Why.NO_SUCH_DATE)
    hour, minute = (int(part) for part in known.ready_at.split(":"))
    ready_ms = day.end + (hour * 60 + minute) * 60_000
    if rules.put_off(world.ledger) or (now < ready_ms and not known.open_days):
        raise NoBill(Why.CREATING)


def _months_before(day: date, months: int) -> date:
    """Return the same day some months before, the last of its month when that is shorter."""
    years, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = calendar.monthrange(years, month + 1)[1]
    return date(years, month + 1, min(day.day, last))
