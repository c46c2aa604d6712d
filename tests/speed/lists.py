"""How long the order list takes with few and with a great many orders, on PostgreSQL.

    python tests/speed/lists.py [FEW MANY]        default: 20000 2000000

Asks for what one page shows (list, tabs, figures), for the first page and for one far in the past, in the
three scopes, and prints the median and the 99th percentile of the time it takes, how many times as long it
takes with many, and how many pages of tables and indexes the database touched, which no other program on the
machine can disturb. Both installations take the same number of orders a day; the larger one is only older.
They are asked in turns, so that whatever else the machine does at the time slows both. Needs the development
dependencies.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.conftest import HeldClock
from tests.support.databases import postgres_url
from tests.support.explained import explained, pages_touched, sent
from tests.support.many_orders import add_orders, sum_anew
from tests.support.shop import fill

from spcore.db.engine import Database
from spcore.db.keyset import encode_cursor
from spcore.db.scope import PlatformScope
from spcore.ids import least_id
from sptenants.orders.filters import OrderFilter, ReadScope, Tab
from sptenants.orders.reader import OrderReader

EVERY_S = 8.64
"""Ten thousand orders a day."""
WARM_UP = 20
"""Rounds that do not count: until then statements are compiled and PostgreSQL chooses its plans anew."""
ROUNDS = 300
TABS = (Tab.ALL, Tab.PAID, Tab.ATTENTION)
ALLOWED = 1.5
"""How many times as long as with few a page may take with many."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one page asks for."""

    scope: str
    deep: bool
    tab: Tab

    @property
    def name(self) -> str:
        return f"{self.scope}, {'deep' if self.deep else 'first'} page, {self.tab.value}"


@dataclass(frozen=True, slots=True)
class Installation:
    """A number of orders, and where to look at them."""

    url: str
    database: Database
    reader: OrderReader
    scopes: Mapping[str, ReadScope]
    deep: str
    """A cursor nine tenths into the past."""

    async def look(self, page: Page) -> float:
        """Ask for what one page shows, and return the milliseconds it took."""
        wanted, own = OrderFilter(tab=page.tab), self.scopes[page.scope]
        began = time.perf_counter()
        await self.reader.list(own, wanted, 20, self.deep if page.deep else None)
        await self.reader.tabs(own, wanted)
        await self.reader.figures(own, wanted)
        return (time.perf_counter() - began) * 1000

    async def pages_touched(self, page: Page) -> int:
        """Ask once more, and return how many pages of the database that took."""
        with sent(self.database) as statements:
            await self.look(page)
        return sum(pages_touched(plan) for _statement, plan in await explained(self.url, statements))


async def build(url: str, database: Database, count: int) -> Installation:
    """Fill a migrated database."""
    clock = HeldClock()
    shop = await fill(database, clock.now(), plain_orders=1)
    began = time.perf_counter()
    await add_orders(url, shop, count, clock.now(), EVERY_S)
    await sum_anew(url, database, clock)
    print(f"{count:,} orders and their sums in {time.perf_counter() - began:.0f} s", flush=True)
    scopes: Mapping[str, ReadScope] = {
        "tenant": shop.tenants["晨曦咖啡"],
        "provider": shop.providers[0],
        "platform": PlatformScope("measuring"),
    }
    long_ago = clock.now() - timedelta(seconds=0.9 * count * EVERY_S)
    deep = encode_cursor(least_id("ord", long_ago))
    return Installation(url, database, OrderReader(database, clock), scopes, deep)


async def in_turns(page: Page, few: Installation, many: Installation) -> tuple[list[float], list[float]]:
    """Return the milliseconds of every round, sorted; each of the two is asked first every other time."""
    taken: dict[bool, list[float]] = {True: [], False: []}
    for number in range(WARM_UP + ROUNDS):
        for of_many in (number % 2 == 0, number % 2 == 1):
            took = await (many if of_many else few).look(page)
            if number >= WARM_UP:
                taken[of_many].append(took)
    return sorted(taken[False]), sorted(taken[True])


def of_hundred(times: Sequence[float], percent: int) -> float:
    """Return a percentile of sorted times."""
    return times[max(0, len(times) * percent // 100 - 1)]


async def measure(urls: Mapping[int, str]) -> None:
    """Build an installation of each size, and print a line for each question."""
    few, many = [await build(url, Database(url), count) for count, url in urls.items()]
    gc.collect()
    gc.freeze()  # or looking through all that the building left takes longer than a page, now and then
    small, large = (f"{count:,}" for count in urls)
    print(f"{'ms with':32}|{small:^17}|{large:^17}|{'ratio':^15}|{'pages touched':^15}")
    print(f"{'':32}|" + f"{'median':>8}{'p99':>8} |" * 2 + f"{'median':>7}{'p99':>7} |{'few':>7}{'many':>7}")
    worst = 0.0
    for page in [Page(scope, deep, tab) for scope in few.scopes for deep in (False, True) for tab in TABS]:
        times = await in_turns(page, few, many)
        (few_median, few_p99), (many_median, many_p99) = (
            (of_hundred(each, 50), of_hundred(each, 99)) for each in times
        )
        touched = await few.pages_touched(page), await many.pages_touched(page)
        print(
            f"{page.name:32}|{few_median:8.1f}{few_p99:8.1f} |{many_median:8.1f}{many_p99:8.1f} |"
            f"{many_median / few_median:7.2f}{many_p99 / few_p99:7.2f} |{touched[0]:7}{touched[1]:7}",
            flush=True,
        )
        worst = max(worst, many_p99 / few_p99)
    print(f"at worst {worst:.2f} times, {ALLOWED} are allowed")
    for installation in (few, many):
        await installation.database.close()


def main(few: int, many: int) -> None:
    """Make the databases and measure."""
    asyncio.run(measure({count: postgres_url() for count in (few, many)}))


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:3] or ("20000", "2000000")))
