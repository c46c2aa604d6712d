"""Row-level security of orders and their attempts, behind the back of the guard: who reads which rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from tests.conftest import HeldClock
from tests.support.databases import ROLE, admin_dsn, postgres_url
from tests.support.till import Till, add_provider, build_till

from spcore.db.engine import Database
from wechatpay.gateway import TradeType

NATIVE: dict[str, Any] = {"trade_type": TradeType.NATIVE, "sub_appid": None, "openid": None}
TABLES = ("orders", "order_attempts")


@pytest.fixture
def database_url() -> str:
    return postgres_url()


@pytest.fixture
async def till(database: Database, clock: HeldClock) -> Till:
    """Two tenants of a provider and one of another, each with an order."""
    built = await build_till(database, clock)
    built.callers += await add_provider(built, number=2, key="x" * 32)
    for tenant in range(3):
        await built.placed("same", tenant=tenant, **NATIVE)
    return built


@pytest.fixture
async def role(till: Till, database_url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(**admin_dsn(database_url) | {"user": ROLE})
    yield connection
    await connection.close()


async def readable(role: asyncpg.Connection[Any], table: str, **settings: str) -> set[str]:
    """Return whose rows there are, none of them twice."""
    async with role.transaction():
        for key, value in settings.items():
            await role.execute("SELECT set_config($1, $2, true)", f"wxsp.{key}", value)
        found = [row["tenant_id"] for row in await role.fetch(f"SELECT tenant_id FROM {table}")]
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize("table", TABLES)
async def test_T01_every_scope_reads_its_own_orders_and_no_others(
    till: Till, role: asyncpg.Connection[Any], table: str
) -> None:
    tenants = [caller.tenant.id for caller in till.callers]
    mine, other = till.callers[0].scope, till.callers[2].scope
    of_mine = {"provider_id": mine.provider_id}
    assert await readable(role, table) == set()
    assert await readable(role, table, **of_mine, tenant_id=mine.tenant_id) == {tenants[0]}
    assert await readable(role, table, **of_mine) == set(tenants[:2])
    assert await readable(role, table, provider_id=other.provider_id) == {tenants[2]}
    for wide in ("platform", "worker"):
        assert await readable(role, table, reach=wide) == set(tenants)
    for narrow in ("door", "import", "elsewhere", ""):
        assert await readable(role, table, reach=narrow) == set()


@pytest.mark.parametrize("table", TABLES)
async def test_T01_who_may_read_every_order_may_change_none(
    till: Till, role: asyncpg.Connection[Any], table: str
) -> None:
    for wide in ("platform", "worker"):
        async with role.transaction():
            await role.execute("SELECT set_config('wxsp.reach', $1, true)", wide)
            assert await role.execute(f"UPDATE {table} SET amount = amount") == "UPDATE 0"
