"""How PostgreSQL answers the lists of orders: by an index, in every tab and scope, however many there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import event
from tests.conftest import HeldClock
from tests.support.databases import admin_dsn, postgres_url
from tests.support.many_orders import add_orders
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
_COUNTS_ORDERS = re.compile(r"count\([^)]*\)[^()]*?FROM orders\b", re.DOTALL)


@pytest.fixture
def database_url() -> str:
    return postgres_url()


@pytest.fixture
async def shop(database: Database, database_url: str, clock: HeldClock) -> Shop:
    filled = await fill(database, clock.now(), plain_orders=1)
    await add_orders(database_url, filled, MANY, clock.now(), EVERY_S)
    return filled


@contextmanager
def sent(database: Database) -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
    """Collect every statement with its values as the driver gets them."""
    found: list[tuple[str, tuple[Any, ...]]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _ctx: Any, _many: bool) -> None:
        if "orders" in statement:
            found.append((statement, tuple(parameters)))

    for engine in database.engines:
        event.listen(engine, "before_cursor_execute", note)
    yield found
    for engine in database.engines:
        event.remove(engine, "before_cursor_execute", note)


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every node of a plan."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from scans(below)


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
    ]
    with sent(database) as statements:
        for scope in scopes:
            for wanted in asked:
                await reader.list(scope, wanted, 20)
                await reader.list(scope, wanted, 20, deep)
            await reader.tabs(scope, OrderFilter())
            await reader.figures(scope, OrderFilter())
            await reader.figures(scope, OrderFilter(created_from=midnight))

    assert len(statements) > 100
    assert not any("OFFSET" in statement for statement, _values in statements)
    # What is counted is always a part that was cut off before.
    assert not any(_COUNTS_ORDERS.search(statement) for statement, _values in statements)
    admin = await asyncpg.connect(**admin_dsn(database_url))
    try:
        for statement, values in dict.fromkeys(statements):
            found = await admin.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
            for node in scans(json.loads(found)[0]["Plan"]):
                if node.get("Relation Name") != "orders":
                    continue
                assert node["Node Type"] != "Seq Scan", statement
                looked = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
                # The way by all orders' ids is fine for a tenant who has a good part of them.
                assert looked <= 8 * LOOKS_AT, f"{looked} rows: {statement}"
    finally:
        await admin.close()
