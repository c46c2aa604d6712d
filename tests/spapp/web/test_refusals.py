"""Refused calls are counted, never one write a call, and never under an invented name (T04, Y3, M2, Q01)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from tests.conftest import HeldClock
from tests.support.counting import counted
from tests.support.databases import sqlite_url
from tests.support.one_site import served
from tests.support.shop import Shop, fill
from tests.support.visitor import PUBLIC_URL, site_environment

from spapp.refusals import journal
from spapp.refusals.journal import OTHER, RefusalJournal
from spapp.refusals.models import Refusal
from spapp.refusals.reader import RefusalFilter, refusals, refusals_by_day
from spapp.refusals.reasons import Reason
from spapp.wiring import Services, build
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, PlatformScope
from spcore.ids import new_id
from spcore.settings import Settings
from sptenants.orders.sums import day_of
from sptenants.registry.errors import Unauthenticated


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path)


@pytest.fixture
def services(database_url: str, clock: HeldClock) -> Services:
    return build(Settings.from_env(site_environment(database_url)), clock)


@pytest.fixture
async def client(services: Services) -> AsyncIterator[AsyncTestClient[Litestar]]:
    async with AsyncTestClient(served(services), base_url=PUBLIC_URL) as opened:
        yield opened


async def stored(database: Database) -> Sequence[Refusal]:
    async with database.read(DoorScope()) as session:
        return (await session.scalars(select(Refusal).order_by(Refusal.reason, Refusal.route))).all()


async def test_T04_a_flood_of_wrong_keys_costs_one_write(
    client: AsyncTestClient[Litestar], services: Services, clock: HeldClock
) -> None:
    for number in range(50):
        key = {"authorization": f"Bearer wsk_test_{number:032d}"}
        answer = await client.get("/v1/orders", headers=key)
        assert answer.status_code == 401
    with counted(services.database) as cost:
        assert await services.refusal_journal.flush() == 1
    assert (cost.commits, len(cost.statements)) == (1, 1)

    (row,) = await stored(services.database)
    assert (row.reason, row.route, row.tenant_id, row.seen) == (Reason.WRONG_KEY, "GET /v1/orders", "", 50)
    assert row.day == day_of(clock.now())
    assert row.last_request_id == answer.headers["request-id"]


async def test_counts_of_a_day_add_up_and_the_last_call_is_named(
    client: AsyncTestClient[Litestar], services: Services, clock: HeldClock
) -> None:
    await client.get("/v1/orders")
    await services.refusal_journal.flush()
    clock.advance(minutes=5)
    last = await client.get("/v1/orders")
    await services.refusal_journal.flush()

    (row,) = await stored(services.database)
    assert row.seen == 2
    assert row.last_at - row.first_at == timedelta(minutes=5)
    assert row.last_request_id == last.headers["request-id"]
    assert await services.refusal_journal.flush() == 0


@pytest.mark.parametrize("path", ["/v1/nowhere", "/healthz", "/.env", "/wp-login.php"])
async def test_noise_of_the_internet_is_not_counted(
    client: AsyncTestClient[Litestar], services: Services, path: str
) -> None:
    await client.get(path)
    assert await services.refusal_journal.flush() == 0


async def test_Y3_an_unknown_tenant_is_told_from_a_missing_object(
    client: AsyncTestClient[Litestar], services: Services
) -> None:
    nobody = new_id("ten")
    await client.post(f"/v1/mini/{nobody}/sessions", json={"sub_appid": "wx3f8c21d0b7e6a91c", "code": "c"})
    await services.refusal_journal.flush()

    (row,) = await stored(services.database)
    assert (row.reason, row.tenant_id) == (Reason.UNKNOWN_TENANT, "")
    assert nobody not in row.route


async def test_O13_a_tenant_that_is_not_live_is_named(
    client: AsyncTestClient[Litestar], services: Services, clock: HeldClock
) -> None:
    shop: Shop = await fill(services.database, clock.now(), plain_orders=1)
    tenant_id = shop.tenants["阿婆生煎"].tenant_id
    before = len(await stored(services.database))
    body = {"sub_appid": "wx3f8c21d0b7e6a91c", "code": "c"}
    await client.post(f"/v1/mini/{tenant_id}/sessions", json=body)
    await services.refusal_journal.flush()

    rows = [row for row in await stored(services.database) if row.tenant_id == tenant_id]
    assert len(await stored(services.database)) == before + 1
    assert [row.reason for row in rows] == [Reason.TENANT_NOT_LIVE]
    async with services.database.read(PlatformScope("test")) as session:
        today = day_of(clock.now())
        found = await refusals(session, RefusalFilter(today, today, Reason.TENANT_NOT_LIVE, tenant_id))
        of_other = await refusals(
            session, RefusalFilter(today, today, provider_id=shop.providers[1].provider_id)
        )
        by_day = await refusals_by_day(session, RefusalFilter(today, today, tenant_id=tenant_id))
    assert [(row.tenant_name, row.seen) for row in found] == [("阿婆生煎", 1)]
    assert tenant_id not in {row.tenant_id for row in of_other}
    assert by_day == {(today, "tenant_not_live"): 1}


async def test_Q01_kinds_are_capped_and_the_rest_counts_as_one(
    database: Database, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MOST_KINDS", 3)
    counting = RefusalJournal(database, clock)
    for number in range(10):
        counting.note(_request(f"/v1/made-up-{number}"), Unauthenticated())
    assert await counting.flush() == 4

    rows = {row.route: row.seen for row in await stored(database)}
    assert rows[OTHER] == 7
    assert sum(rows.values()) == 10


async def test_what_could_not_be_written_is_written_later(
    database: Database, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = RefusalJournal(database, clock)
    counting.note(_request("/v1/orders"), Unauthenticated())

    def down(*_given: object) -> None:
        raise OperationalError("INSERT", {}, Exception("gone"))

    with monkeypatch.context() as broken:
        broken.setattr(database, "write", down)
        with pytest.raises(OperationalError):
            await counting.flush()
    counting.note(_request("/v1/orders"), Unauthenticated())
    await counting.flush()

    (row,) = await stored(database)
    assert row.seen == 2


async def test_the_last_counts_are_written_when_the_program_stops(
    database: Database, clock: HeldClock
) -> None:
    counting = RefusalJournal(database, clock)
    counting.start()
    counting.note(_request("/v1/orders"), Unauthenticated())
    await counting.stop()

    assert [row.seen for row in await stored(database)] == [1]


def _request(path: str) -> Any:
    """As much of a request as counting looks at."""

    class Request:
        method = "GET"
        path_params: dict[str, str] = {}  # noqa: RUF012 - nothing changes it
        headers: dict[str, str] = {}  # noqa: RUF012 - nothing changes it
        scope = {  # noqa: RUF012 - nothing changes it
            "path": path,
            "path_template": path,
            "state": {"request_id": "req_1", "peer": "203.0.113.9"},
        }

    return Request()
