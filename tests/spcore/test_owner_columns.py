"""Rule Y2 in the database itself: a row never changes its owner, and the audit log is only added to."""

from __future__ import annotations

import asyncpg
import pytest
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError
from tests.support.house import MOMENT, House
from tests.support.tampering import execute_unguarded

from spcore.audit.actor import SYSTEM
from spcore.audit.writer import Act, record
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.outbox.models import OutboxMessage
from spcore.outbox.writer import enqueue


@pytest.mark.parametrize("column", ["provider_id", "tenant_id"])
async def test_Y2_a_row_cannot_be_moved_to_another_owner(
    database: Database, database_url: str, house: House, column: str
) -> None:
    async with database.write(house.tenants[0]) as session:
        await enqueue(
            session, house.tenants[0], type="t", subject="ord_1", sequence=1, payload={}, now=MOMENT
        )
    with pytest.raises((DBAPIError, asyncpg.PostgresError), match="cannot change"):
        await execute_unguarded(database_url, f"UPDATE outbox SET {column} = 'else'")


async def test_Y2_a_child_cannot_point_into_another_providers_tenant(
    database: Database, house: House
) -> None:
    mine, neighbour = house.tenants
    row = {
        "id": "evt_1",
        "provider_id": "prv_of_somebody_else",
        "tenant_id": mine.tenant_id,
        "type": "t",
        "subject": "s",
        "sequence": 1,
        "payload": {},
        "created_at": MOMENT,
        "due_at": MOMENT,
        "attempts": 0,
    }
    assert neighbour.provider_id == mine.provider_id
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"):
        async with database.write(mine) as session:
            await session.execute(insert(table_of(OutboxMessage)), [row])


@pytest.mark.parametrize("sql", ["UPDATE audit_log SET reason = 'x'", "DELETE FROM audit_log"])
async def test_A01_audit_rows_are_only_ever_added(
    database: Database, database_url: str, house: House, sql: str
) -> None:
    async with database.write(house.provider) as session:
        await record(session, house.provider.provider_id, Act(SYSTEM, "a.b", "thing"), MOMENT)
    with pytest.raises((DBAPIError, asyncpg.PostgresError), match="append-only"):
        await execute_unguarded(database_url, sql)
