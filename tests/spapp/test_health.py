"""Probes and figures (contract section 3)."""

from __future__ import annotations

import asyncio
import sqlite3
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from tests.conftest import HeldClock
from tests.support.databases import sqlite_url
from tests.support.house import build_house
from tests.support.visitor import site_environment

from spapp.asgi import create_app
from spapp.timetable import entries
from spapp.wiring import Services, build
from spcore.db.scope import ProviderScope
from spcore.providers.keys import put_key
from spcore.providers.models import KeyKind
from spcore.settings import Settings

V2_KEY = b"0123456789abcdefghijABCDEFGHIJ45"


def services_of(tmp_path: Path, clock: HeldClock, **more: str) -> Services:
    if not (tmp_path / "wxsp.db").exists():
        sqlite_url(tmp_path)
    env = site_environment(f"sqlite+aiosqlite:///{tmp_path}/wxsp.db") | more
    return build(Settings.from_env(env), clock)


@pytest.fixture
def services(tmp_path: Path, clock: HeldClock) -> Services:
    return services_of(tmp_path, clock)


@pytest.fixture
async def client(services: Services) -> AsyncIterator[AsyncTestClient[Litestar]]:
    async with AsyncTestClient(create_app(services.settings, services)) as opened:
        yield opened


async def beat(services: Services) -> None:
    await next(entry for entry in entries(services, "worker-1") if entry.name == "heartbeat").run()


async def readiness(client: AsyncTestClient[Litestar]) -> tuple[int, dict[str, bool]]:
    answer = await client.get("/readyz")
    body: dict[str, Any] = answer.json()
    assert body["ready"] is (answer.status_code == 200)
    return answer.status_code, {check["name"]: check["ok"] for check in body["checks"]}


async def test_ready_means_database_migrations_master_key_and_worker(
    client: AsyncTestClient[Litestar], services: Services, clock: HeldClock
) -> None:
    good = {"database": True, "migrations": True, "master_key": True, "worker": True}
    assert await readiness(client) == (503, good | {"worker": False})

    await beat(services)
    assert await readiness(client) == (200, good)

    clock.advance(seconds=31)
    assert await readiness(client) == (503, good | {"worker": False})
    assert (await client.get("/healthz")).json() == {"status": "alive"}


async def test_K08_a_master_key_that_opens_nothing_is_not_ready(
    services: Services, tmp_path: Path, clock: HeldClock
) -> None:
    house = await build_house(services.database)
    scope = ProviderScope(house.provider.provider_id)
    async with services.database.write(scope) as session:
        await put_key(
            session,
            services.vault,
            provider_id=scope.provider_id,
            kind=KeyKind.API_V2,
            secret=V2_KEY,
            now=clock.now(),
        )
    await beat(services)
    async with AsyncTestClient(create_app(services.settings, services)) as client:
        assert (await readiness(client))[0] == 200
    other = services_of(tmp_path, clock, WXSP_MASTER_KEY=b64encode(b"another key".ljust(32)).decode())

    async with AsyncTestClient(create_app(other.settings, other)) as client:
        status, checks = await readiness(client)

    assert (status, checks["master_key"]) == (503, False)


async def test_a_database_of_another_revision_is_not_ready(
    client: AsyncTestClient[Litestar], services: Services, tmp_path: Path
) -> None:
    await beat(services)
    with sqlite3.connect(tmp_path / "wxsp.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '0000'")
    status, checks = await readiness(client)
    assert (status, checks["migrations"]) == (503, False)


async def test_D06_without_a_database_nothing_is_ready_and_the_process_still_answers(
    client: AsyncTestClient[Litestar], services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down() -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(services.database, "ping", down)
    status, checks = await asyncio.wait_for(readiness(client), timeout=1)
    assert status == 503
    assert not any(checks.values())
    assert (await client.get("/healthz")).status_code == 200


async def test_figures_bear_the_agreed_names_and_no_identity(tmp_path: Path, clock: HeldClock) -> None:
    services = services_of(tmp_path, clock, WXSP_METRICS_TOKEN="let-me-see-it")
    async with AsyncTestClient(create_app(services.settings, services)) as client:
        await client.get("/v1/orders")
        said = (await client.get("/metrics", headers={"authorization": "Bearer let-me-see-it"})).text
    for name in (
        'wxsp_http_requests_total{method="GET",route="/v1/orders",status="401"}',
        "wxsp_http_request_duration_seconds_bucket",
        'wxsp_orders_total{status="paid"} 0.0',
        "wxsp_unknown_orders 0.0",
        "wxsp_outbox_backlog 0.0",
        'wxsp_bills{state="failed"} 0.0',
        "wxsp_bill_differences 0.0",
        "wxsp_open_breakers 0.0",
        "# TYPE wxsp_wechat_calls_total counter",
    ):
        assert name in said
    assert "ten_" not in said


@pytest.mark.parametrize(
    ("given", "status"),
    [("Bearer let-me-see-it", 200), ("Bearer let-me-see", 401), ("let-me-see-it", 401), ("", 401)],
)
async def test_figures_ask_for_the_token_when_one_is_set(
    tmp_path: Path, clock: HeldClock, given: str, status: int
) -> None:
    services = services_of(tmp_path, clock, WXSP_METRICS_TOKEN="let-me-see-it")
    async with AsyncTestClient(create_app(services.settings, services)) as client:
        answer = await client.get("/metrics", headers={"authorization": given} if given else {})
    assert answer.status_code == status


async def test_without_a_token_figures_are_for_this_machine_only(tmp_path: Path, clock: HeldClock) -> None:
    services = services_of(tmp_path, clock, WXSP_TRUSTED_PROXIES="0.0.0.0/0")
    async with AsyncTestClient(create_app(services.settings, services)) as client:
        for peer, status in (("127.0.0.1", 200), ("203.0.113.9", 404)):
            answer = await client.get("/metrics", headers={"x-forwarded-for": peer})
            assert answer.status_code == status
