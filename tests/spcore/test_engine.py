"""Transactions: scopes do not leak between them, readers cannot write, writers do not lose updates."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from tests.support.house import MOMENT, House, build_house

from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.guard import GUARD_OPTION, ScopeViolation
from spcore.db.scope import DoorScope, TenantScope
from spcore.providers.models import Provider
from sptenants.prices.models import Price
from sptenants.registry.models import Tenant
from sptenants.sessions.models import MiniSession


def _price(scope: TenantScope, code: str) -> dict[str, Any]:
    return {
        "provider_id": scope.provider_id,
        "tenant_id": scope.tenant_id,
        "code": code,
        "name": code,
        "amount": 100,
        "max_quantity": 1,
        "updated_at": MOMENT,
    }


async def _add_price(database: Database, scope: TenantScope, code: str) -> None:
    async with database.write(scope) as session:
        await session.execute(insert(table_of(Price)), [_price(scope, code)])


async def _add_object(database: Database, scope: TenantScope, row: Price) -> None:
    async with database.write(scope) as session:
        session.add(row)


async def test_T07_a_thousand_interleaved_requests_of_20_tenants_on_two_connections_never_mix(
    database_url: str,
) -> None:
    database = Database(database_url, pool_size=2)
    house = await build_house(database, tenants=20)
    for scope in house.tenants:
        await _add_price(database, scope, scope.tenant_id)

    async def look(scope: TenantScope) -> None:
        async with database.read(scope) as session:
            named = await session.scalars(select(Price.code).where(Price.tenant_id == scope.tenant_id))
            await asyncio.sleep(0)
            assert named.all() == [scope.tenant_id]
            if database.dialect == "postgresql":
                # Behind the guard's back, even a query that forgets its tenant meets only that tenant's rows.
                everything = text("SELECT code FROM prices").execution_options(**{GUARD_OPTION: True})
                assert (await session.scalars(everything)).all() == [scope.tenant_id]

    for _round in range(10):
        await asyncio.gather(*(look(scope) for scope in house.tenants * 5))
    await database.close()


async def test_T07_a_pooled_connection_carries_no_scope_into_its_next_transaction(postgres: str) -> None:
    database = Database(postgres, pool_size=1)
    house = await build_house(database)
    settings = text(
        "SELECT current_setting('wxsp.tenant_id', true) AS tenant,"
        " current_setting('wxsp.provider_id', true) AS provider,"
        " current_setting('transaction_read_only') AS read_only,"
        " current_setting('max_parallel_workers_per_gather') AS processes"
    ).execution_options(**{GUARD_OPTION: True})
    async with database.read(house.tenants[0]) as session:
        bound = (await session.execute(settings)).one()
    assert bound == (house.tenants[0].tenant_id, house.provider.provider_id, "on", "0")
    with pytest.raises(ZeroDivisionError):
        async with database.write(house.tenants[0]):
            raise ZeroDivisionError
    async with database.write(DoorScope()) as session:
        left = (await session.execute(settings)).one()
    assert (left.tenant or "", left.provider or "", left.read_only) == ("", "", "off")
    assert left.processes != "0"
    await database.close()


@pytest.mark.parametrize("sql", ["SELECT * FROM prices", "DELETE FROM prices"])
async def test_T08_sql_text_is_not_executed_inside_a_scope(
    database: Database, house: House, sql: str
) -> None:
    async with database.write(house.tenants[0]) as session:
        with pytest.raises(ScopeViolation):
            await session.execute(text(sql))


async def test_T08_a_query_that_forgets_its_tenant_fails_instead_of_reading(
    database: Database, house: House
) -> None:
    await _add_price(database, house.tenants[1], "latte")
    async with database.read(house.tenants[0]) as session:
        with pytest.raises(ScopeViolation, match="prices is used without naming tenant_id"):
            await session.scalars(select(Price.code))


async def test_T08_the_orm_is_guarded_too(database: Database, house: House) -> None:
    mine, neighbour = house.tenants
    await _add_object(database, mine, Price(**_price(mine, "latte")))
    async with database.read(mine) as session:
        assert await session.get(Price, (mine.tenant_id, "latte")) is not None
        with pytest.raises(ScopeViolation):
            await session.get(Price, (neighbour.tenant_id, "latte"))
    with pytest.raises(ScopeViolation):
        await _add_object(database, mine, Price(**_price(neighbour, "latte")))


async def test_what_is_written_in_a_reading_transaction_is_refused_by_the_database(
    database: Database, house: House
) -> None:
    with pytest.raises(DBAPIError):
        await _write_while_reading(database, house.tenants[0])
    async with database.read(house.tenants[0]) as session:
        status = select(Tenant.status).where(Tenant.id == house.tenants[0].tenant_id)
        assert await session.scalar(status) == "live"


async def _write_while_reading(database: Database, scope: TenantScope) -> None:
    async with database.read(scope) as session:
        await session.execute(update(Tenant).where(Tenant.id == scope.tenant_id).values(status="closed"))


async def test_nothing_is_stored_when_the_block_fails(database: Database, house: House) -> None:
    scope = house.tenants[0]
    with pytest.raises(ZeroDivisionError):
        await _add_price_and_fail(database, scope)
    async with database.read(scope) as session:
        assert (
            await session.scalars(select(Price.code).where(Price.tenant_id == scope.tenant_id))
        ).all() == []


async def _add_price_and_fail(database: Database, scope: TenantScope) -> None:
    async with database.write(scope) as session:
        await session.execute(insert(table_of(Price)), [_price(scope, "latte")])
        raise ZeroDivisionError


async def test_Z08_Z09_two_processes_that_read_and_then_write_lose_nothing(database_url: str) -> None:
    one, other = Database(database_url), Database(database_url)
    house = await build_house(one)
    mine = Provider.id == house.provider.provider_id

    async def count_up(database: Database) -> None:
        async with database.write(house.provider) as session:
            epoch = await session.scalar(select(Provider.key_epoch).where(mine).with_for_update())
            await asyncio.sleep(0)
            assert epoch is not None
            await session.execute(update(Provider).where(mine).values(key_epoch=epoch + 1))

    await asyncio.gather(*(count_up(database) for _ in range(20) for database in (one, other)))
    async with one.read(house.provider) as session:
        assert await session.scalar(select(Provider.key_epoch).where(mine)) == 41
    await one.close()
    await other.close()


async def test_a_provider_sees_its_tenants_and_no_other_providers(database: Database) -> None:
    first, second = await build_house(database, number=1), await build_house(database, number=2)
    for house in (first, second):
        async with database.read(house.provider) as session:
            query = select(Tenant.id).where(Tenant.provider_id == house.provider.provider_id)
            assert set((await session.scalars(query)).all()) == {s.tenant_id for s in house.tenants}
    async with database.read(first.provider) as session:
        with pytest.raises(ScopeViolation):
            await session.scalars(select(Tenant.id).where(Tenant.provider_id == second.provider.provider_id))


async def test_ping_answers_and_an_unmigrated_database_has_no_head(database: Database, tmp_path: Any) -> None:
    await database.ping()
    fresh = Database(f"sqlite+aiosqlite:///{tmp_path}/fresh/wxsp.db")
    assert await fresh.migration_head() is None
    await fresh.close()


def test_a_new_sqlite_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    Database(f"sqlite+aiosqlite:///{tmp_path}/fresh/wxsp.db")

    assert (tmp_path / "fresh" / "wxsp.db").stat().st_mode & 0o777 == 0o600


async def test_a_commit_that_fails_stores_nothing_and_leaves_the_writer_usable(database: Database) -> None:
    """SQLite keeps the transaction of a failed COMMIT open; the pool must not hand it to the next writer."""
    house = await build_house(database)
    scope = house.tenants[0]

    def fail(_connection: Connection) -> None:
        raise OSError("no space left on device")

    for engine in database.engines:
        event.listen(engine, "commit", fail)
    try:
        with pytest.raises(OSError, match="no space"):
            await _add_price(database, scope, "lost")
    finally:
        for engine in database.engines:
            event.remove(engine, "commit", fail)
    await _add_price(database, scope, "kept")
    async with database.read(scope) as session:
        codes = await session.scalars(select(Price.code).where(Price.tenant_id == scope.tenant_id))
        assert list(codes) == ["kept"]


async def test_A02_an_error_of_the_database_does_not_carry_what_was_to_be_stored(
    database: Database, house: House
) -> None:
    tenant = house.tenants[0]
    row = {"provider_id": tenant.provider_id, "tenant_id": tenant.tenant_id}
    incomplete = row | {"token_hash": "canary-token", "openid": "canary-openid"}

    with pytest.raises(DBAPIError) as failure:
        async with database.write(tenant) as session:
            await session.execute(insert(table_of(MiniSession)), [incomplete])

    text_and_cause = f"{failure.value} {failure.value.statement}"
    assert "mini_sessions" in text_and_cause
    assert "canary" not in text_and_cause
