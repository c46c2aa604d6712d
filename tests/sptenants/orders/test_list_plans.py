"""How PostgreSQL answers the lists of orders: by an index, in every tab and scope, however many there are."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.conftest import HeldClock
from tests.support.databases import postgres_url
from tests.support.explained import Node, explained, nodes, sent
from tests.support.many_orders import add_orders, sum_anew
from tests.support.shop import Shop, fill

from spcore.db.engine import Database
from spcore.db.keyset import encode_cursor
from spcore.db.scope import PlatformScope
from spcore.ids import least_id
from sptenants.orders import figures
from sptenants.orders import reader as reader_module
from sptenants.orders.filters import OrderFilter, ReadScope, Tab
from sptenants.orders.reader import OrderReader
from sptenants.webhooks.models import DeliveryState
from sptenants.webhooks.of_orders import in_state

MANY = 30_000
LOOKS_AT = 1000
EVERY_S = 20.0
"""About a week of orders."""
HALF_A_WEEK = timedelta(days=3, minutes=7)
_COUNTS_ORDERS = re.compile(r"count\([^)]*\)[^()]*?FROM orders\b", re.DOTALL)


@pytest.fixture
def database_url() -> str:
    return postgres_url()


@pytest.fixture
async def shop(database: Database, database_url: str, clock: HeldClock) -> Shop:
    filled = await fill(database, clock.now(), plain_orders=1)
    await add_orders(database_url, filled, MANY, clock.now(), EVERY_S)
    await sum_anew(database_url, database, clock)
    return filled


def looked_at(node: Node) -> float:
    """Return how many rows of its table a node of a plan looked at."""
    rows: float = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return rows * node["Actual Loops"]


async def test_T_every_list_is_answered_by_an_index_and_looks_at_few_rows(
    database: Database,
    database_url: str,
    clock: HeldClock,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As far below the number of orders here as the real limit is below that of a large installation.
    monkeypatch.setattr(reader_module, "LOOKS_AT", LOOKS_AT)
    for limit in ("COUNT_CAP", "LIVE_CAP", "LOOKS_AT"):
        monkeypatch.setattr(figures, limit, LOOKS_AT)
    reader = OrderReader(database, clock)
    now = clock.now()
    tenant, provider = shop.tenants["晨曦咖啡"], shop.providers[0]
    deep = encode_cursor(least_id("ord", now - timedelta(days=5)))
    midnight = now.replace(hour=16, minute=0) - timedelta(days=1)
    scopes: tuple[ReadScope, ...] = (tenant, provider, PlatformScope("test"))
    asked = [OrderFilter(tab=tab) for tab in Tab]
    asked += [
        OrderFilter(tab=tab, created_from=midnight - timedelta(days=2), created_to=midnight) for tab in Tab
    ]
    asked += [
        OrderFilter(number="B4711"),
        OrderFilter(number=f"42000027{4711:020d}"),
        OrderFilter(amount_from=100_000_000),
        OrderFilter(also=in_state(DeliveryState.FAILED)),
        OrderFilter(tenant_id=tenant.tenant_id, tab=Tab.CLOSED),
        OrderFilter(tenant_id=tenant.tenant_id, amount_from=100_000_000),
    ]
    counted = [
        OrderFilter(),
        OrderFilter(created_from=midnight),
        OrderFilter(created_from=now - HALF_A_WEEK),  # not a whole hour: the sums know nothing of it
        OrderFilter(amount_from=80_000),
    ]
    with sent(database) as statements:
        for scope in scopes:
            for wanted in asked:
                await reader.list(scope, wanted, 20)
                await reader.list(scope, wanted, 20, deep)
            for wanted in counted:
                await reader.tabs(scope, wanted)
                for tab in Tab:
                    await reader.figures(scope, replace(wanted, tab=tab))

    about_orders = [statement for statement, _values in statements if "FROM orders" in statement]
    assert len(about_orders) > 100
    assert not any("OFFSET" in statement for statement in about_orders)
    # What is counted is always a part that was cut off before.
    assert not any(_COUNTS_ORDERS.search(statement) for statement in about_orders)
    for statement, plan in await explained(database_url, statements):
        for node in nodes(plan):
            assert not node["Node Type"].startswith("Gather"), statement
            if node.get("Relation Name") != "orders":
                continue
            assert node["Node Type"] != "Seq Scan", statement
            # The way by all orders' ids is fine for a tenant who has a good part of them.
            assert looked_at(node) <= 8 * LOOKS_AT, f"{looked_at(node)} rows: {statement}"


async def test_T_what_the_sums_know_costs_a_page_next_to_nothing(
    database: Database, database_url: str, clock: HeldClock, shop: Shop
) -> None:
    reader = OrderReader(database, clock)
    wanted = OrderFilter(created_from=clock.now().replace(hour=16, minute=0) - timedelta(days=6))
    with sent(database) as statements:
        counts = await reader.tabs(shop.providers[0], wanted)
        for tab in (Tab.ALL, Tab.PAID):
            assert (await reader.figures(shop.providers[0], replace(wanted, tab=tab))).as_of == clock.now()
    assert counts[Tab.ALL].value > 20 * LOOKS_AT
    # Four hundred orders were refunded and six hundred closed: too few to leave them to the sums.
    few = sum(counts[tab].value for tab in (Tab.UNPAID, Tab.REFUNDED, Tab.CLOSED, Tab.ATTENTION))
    looked = sum(
        looked_at(node)
        for _statement, plan in await explained(database_url, statements)
        for node in nodes(plan)
        if node.get("Relation Name") == "orders"
    )
    assert looked < few + 50
