"""The walls inside PostgreSQL, met by plain SQL of the program's own role, without the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from tests.support.databases import ROLE, admin_dsn
from tests.support.house import House, build_house

from spapp.models import metadata
from spcore.db.base import owner_columns
from spcore.db.engine import Database

OWNED = sorted(name for name, table in metadata.tables.items() if owner_columns(table) is not None)


@pytest.fixture
async def houses(postgres: str) -> tuple[House, House]:
    database = Database(postgres)
    built = await build_house(database, number=1), await build_house(database, number=2)
    await database.close()
    return built


@pytest.fixture
async def role(postgres: str, houses: tuple[House, House]) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection of the program's role, in a transaction, with no scope bound."""
    connection = await asyncpg.connect(**{**admin_dsn(postgres), "user": ROLE})
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


async def bind(connection: asyncpg.Connection[Any], **settings: str) -> None:
    for name in ("tenant_id", "provider_id", "reach"):
        await connection.execute("SELECT set_config($1, $2, true)", f"wxsp.{name}", settings.get(name, ""))


async def test_T07_row_level_security_is_forced_on_every_owned_table(
    role: asyncpg.Connection[Any],
) -> None:
    walled = await role.fetch("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity")
    assert sorted(row["relname"] for row in walled) == OWNED


async def test_T07_the_programs_role_cannot_pass_the_walls(role: asyncpg.Connection[Any]) -> None:
    row = await role.fetchrow("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
    assert tuple(row) == (False, False)


@pytest.mark.parametrize("table", ["tenants", "service_providers"])
async def test_T08_without_a_scope_nothing_is_there(role: asyncpg.Connection[Any], table: str) -> None:
    assert await role.fetch(f"SELECT * FROM {table}") == []
    await bind(role)  # what a pooled connection shows after its first transaction
    assert await role.fetch(f"SELECT * FROM {table}") == []


async def test_T01_a_tenant_meets_its_own_row_and_its_own_provider(
    role: asyncpg.Connection[Any], houses: tuple[House, House]
) -> None:
    mine = houses[0].tenants[0]
    await bind(role, tenant_id=mine.tenant_id, provider_id=mine.provider_id)
    assert [row["id"] for row in await role.fetch("SELECT id FROM tenants")] == [mine.tenant_id]
    assert [row["id"] for row in await role.fetch("SELECT id FROM service_providers")] == [mine.provider_id]


async def test_T01_a_provider_meets_its_own_tenants_only(
    role: asyncpg.Connection[Any], houses: tuple[House, House]
) -> None:
    await bind(role, provider_id=houses[0].provider.provider_id)
    seen = {row["id"] for row in await role.fetch("SELECT id FROM tenants")}
    assert seen == {scope.tenant_id for scope in houses[0].tenants}


async def test_T01_a_neighbours_rows_cannot_be_changed_or_removed(
    role: asyncpg.Connection[Any], houses: tuple[House, House]
) -> None:
    mine, neighbour = houses[0].tenants
    await bind(role, tenant_id=mine.tenant_id, provider_id=mine.provider_id)
    changed = await role.execute("UPDATE tenants SET status = 'closed' WHERE id = $1", neighbour.tenant_id)
    removed = await role.execute("DELETE FROM tenants WHERE id = $1", neighbour.tenant_id)
    assert (changed, removed) == ("UPDATE 0", "DELETE 0")


async def test_T01_a_row_cannot_be_inserted_for_a_neighbour(
    role: asyncpg.Connection[Any], houses: tuple[House, House]
) -> None:
    mine, neighbour = houses[0].tenants
    await bind(role, tenant_id=mine.tenant_id, provider_id=mine.provider_id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await role.execute(
            "INSERT INTO outbox (provider_id, tenant_id, id, type, subject, sequence, payload, created_at,"
            " due_at, attempts) VALUES ($1, $2, 'evt_1', 't', 's', 1, '{}', now(), now(), 0)",
            neighbour.provider_id,
            neighbour.tenant_id,
        )


@pytest.mark.parametrize(
    ("reach", "readable"), [("platform", 4), ("worker", 4), ("door", 4), ("import", 4), ("elsewhere", 0)]
)
async def test_a_wide_reach_reads_the_rows_of_every_owner(
    role: asyncpg.Connection[Any], reach: str, readable: int
) -> None:
    await bind(role, reach=reach)
    assert len(await role.fetch("SELECT id FROM tenants")) == readable


@pytest.mark.parametrize("reach", ["platform", "worker", "door"])
async def test_a_reading_reach_changes_nobody(role: asyncpg.Connection[Any], reach: str) -> None:
    await bind(role, reach=reach)
    assert await role.execute("UPDATE tenants SET status = 'closed'") == "UPDATE 0"


@pytest.mark.parametrize("reach", ["platform", "worker"])
async def test_no_wide_reach_reads_the_keys_of_providers(role: asyncpg.Connection[Any], reach: str) -> None:
    policies = await role.fetch("SELECT qual FROM pg_policies WHERE tablename = 'provider_keys'")
    assert policies
    assert not [row for row in policies if reach in row["qual"]]
