"""How long the order list takes with few and with a great many orders, on PostgreSQL.

    python tests/speed/lists.py [FEW MANY]        default: 20000 2000000

Prints the 99th percentile of what one page asks for (list, tabs, figures), for the first page and for one far
in the past, in the three scopes, and how many times as long it takes with many. Both installations take the
same number of orders a day; the larger one is only older. They are asked in turns, so that whatever else the
machine does at the time slows both. Needs the development dependencies.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.conftest import HeldClock
from tests.support.databases import postgres_url
from tests.support.many_orders import add_orders
from tests.support.shop import fill

from spcore.db.engine import Database
from spcore.db.keyset import encode_cursor
from spcore.db.scope import PlatformScope
from spcore.ids import least_id
from sptenants.orders.filters import OrderFilter, ReadScope, Tab
from sptenants.orders.reader import OrderReader
from sptenants.orders.summing import Summing

EVERY_S = 8.64
"""Ten thousand orders a day."""
ROUNDS = 100
TABS = (Tab.ALL, Tab.PAID, Tab.ATTENTION)


@dataclass(frozen=True, slots=True)
class Installation:
    """A number of orders, and where to look at them."""

    reader: OrderReader
    scopes: Mapping[str, ReadScope]
    deep: str
    """A cursor nine tenths into the past."""

    async def look(self, scope: str, tab: Tab, deep: bool) -> float:
        """Ask for what one page shows, and return the milliseconds it took."""
        wanted, own = OrderFilter(tab=tab), self.scopes[scope]
        began = time.perf_counter()
        await self.reader.list(own, wanted, 20, self.deep if deep else None)
        await self.reader.tabs(own, wanted)
        await self.reader.figures(own, wanted)
        return (time.perf_counter() - began) * 1000


async def build(url: str, database: Database, count: int) -> Installation:
    """Fill a migrated database."""
    clock = HeldClock()
    shop = await fill(database, clock.now(), plain_orders=1)
    began = time.perf_counter()
    await add_orders(url, shop, count, clock.now(), EVERY_S)
    summing = Summing(database, clock)
    while await summing.run():
        pass
    print(f"{count:,} orders and their sums in {time.perf_counter() - began:.0f} s", flush=True)
    scopes: Mapping[str, ReadScope] = {
        "tenant": shop.tenants["晨曦咖啡"],
        "provider": shop.providers[0],
        "platform": PlatformScope("measuring"),
    }
    long_ago = clock.now() - timedelta(seconds=0.9 * count * EVERY_S)
    return Installation(OrderReader(database, clock), scopes, encode_cursor(least_id("ord", long_ago)))


async def measure(urls: Mapping[int, str]) -> None:
    """Build an installation of each size, and print a line for each question."""
    databases = {count: Database(url) for count, url in urls.items()}
    few, many = [await build(urls[count], databases[count], count) for count in urls]
    small, large = urls
    print(f"{'p99 in ms':32} {small:>12,} {large:>12,}  ratio")
    for scope in few.scopes:
        for deep in (False, True):
            for tab in TABS:
                taken = [
                    (await few.look(scope, tab, deep), await many.look(scope, tab, deep))
                    for _ in range(ROUNDS)
                ]
                quick, slow = (sorted(times)[int(ROUNDS * 0.99) - 1] for times in zip(*taken, strict=True))
                name = f"{scope}, {'deep' if deep else 'first'} page, {tab.value}"
                print(f"{name:32} {quick:12.1f} {slow:12.1f}  {slow / quick:.2f}", flush=True)
    for database in databases.values():
        await database.close()


def main(few: int, many: int) -> None:
    """Make the databases and measure."""
    asyncio.run(measure({count: postgres_url() for count in (few, many)}))


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:3] or ("20000", "2000000")))
