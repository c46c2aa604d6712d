"""The worker's loop (failure catalogue D06, D11) and what it tidies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select
from tests.conftest import HeldClock
from tests.support.databases import sqlite_url
from tests.support.house import build_house
from tests.support.visitor import site_environment

from spapp import housekeeping, worker
from spapp.timetable import BATCH, Entry
from spapp.wiring import Services, build
from spapp.worker import EmbeddedWorker, Worker, run_due
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope
from spcore.settings import Settings
from sptenants.orders.models import IdempotencyRecord
from sptenants.sessions.models import MiniSession


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_env(site_environment(sqlite_url(tmp_path)))


@pytest.fixture
async def services(settings: Settings, clock: HeldClock) -> AsyncIterator[Services]:
    built = build(settings, clock)
    yield built
    await built.close()


async def run_until(reached: Callable[[], bool], worker: Worker) -> None:
    """Let the worker run until something is reached, then stop it and wait for its end."""
    running = asyncio.create_task(worker.run())
    await until(reached)
    worker.stop()
    await asyncio.wait_for(running, timeout=5)


async def test_work_is_repeated_at_its_pace_and_at_once_while_there_is_a_full_batch() -> None:
    runs = {"slow": 0, "busy": 0}

    async def slow() -> int:
        runs["slow"] += 1
        return 0

    async def busy() -> int:
        runs["busy"] += 1
        return BATCH if runs["busy"] < 50 else 0

    worker = Worker([Entry("slow", 60.0, slow), Entry("busy", 60.0, busy)])
    await run_until(lambda: runs["busy"] == 50, worker)
    assert runs == {"slow": 1, "busy": 50}


async def test_D06_work_that_fails_is_tried_again_and_holds_up_nothing_else() -> None:
    runs = {"failing": 0, "other": 0}

    async def failing() -> int:
        runs["failing"] += 1
        raise ConnectionRefusedError

    async def other() -> int:
        runs["other"] += 1
        return 0

    worker = Worker([Entry("failing", 0.01, failing), Entry("other", 0.01, other)])
    await run_until(lambda: min(runs.values()) > 2, worker)
    assert min(runs.values()) > 2


async def test_D11_work_under_way_is_finished_after_a_stop() -> None:
    begun, finished = asyncio.Event(), []

    async def long() -> int:
        begun.set()
        await asyncio.sleep(0.3)
        finished.append(True)
        return 0

    await run_until(begun.is_set, Worker([Entry("long", 60.0, long)]))
    assert finished == [True]


async def test_D11_what_was_set_going_is_ended_together_with_the_work() -> None:
    begun, ended = asyncio.Event(), []

    async def work() -> int:
        begun.set()
        return 0

    async def finish() -> None:
        ended.append(True)

    await run_until(begun.is_set, Worker([Entry("work", 60.0, work)], finish))
    assert ended == [True]


async def test_D11_work_that_does_not_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "DRAIN_S", 0.1)

    begun, ended = asyncio.Event(), []

    async def endless() -> int:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)
        return 0

    await run_until(begun.is_set, Worker([Entry("endless", 60.0, endless)]))
    assert ended == [True]


async def test_one_of_two_embedded_workers_works_and_the_other_takes_over(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "RETRY_S", 0.05)
    working: list[str] = []
    pair = {}
    for name in ("one", "two"):

        async def note(name: str = name) -> int:
            working.append(name)
            return 0

        monkeypatch.setattr(worker, "entries", lambda *_, note=note: (Entry("note", 0.01, note),))
        pair[name] = EmbeddedWorker(services)
    for embedded in pair.values():
        embedded.start()
    await until(lambda: len(working) > 20)
    (holder,) = set(working)
    (other,) = pair.keys() - {holder}
    await pair[holder].stop()
    await until(lambda: working[-1] == other)
    await pair[other].stop()


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)


async def test_everything_due_is_done_once_and_counted(services: Services) -> None:
    done = await run_due(services)
    assert {"outbox", "webhooks", "healing"} <= done.keys()
    assert set(done.values()) == {0}


async def test_what_an_entry_only_sets_going_is_done_to_its_end_on_request(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [3, 1]

    async def to_its_end() -> int:
        return left.pop(0) if left else 0

    async def set_going() -> int:
        raise AssertionError("nobody would wait for it")

    entry = Entry("webhooks", 1.0, set_going, is_due_work=True, to_its_end=to_its_end)
    monkeypatch.setattr(worker, "entries", lambda *_: (entry,))
    assert await run_due(services) == {"webhooks": 4}


async def test_sessions_and_answers_that_are_over_are_deleted_for_every_tenant(
    database: Database, clock: HeldClock
) -> None:
    house = await build_house(database)
    now = clock.now()
    for number, scope in enumerate(house.tenants):
        owner = {"provider_id": scope.provider_id, "tenant_id": scope.tenant_id}
        async with database.write(scope) as session:
            for age in (timedelta(hours=1), timedelta(hours=3)):
                values = owner | {
                    "token_hash": f"{number}-{age}",
                    "sub_appid": "wx0000000000000001",
                    "openid": "oX",
                    "session_key_sealed": None,
                    "created_at": now - age,
                    "expires_at": now - age + timedelta(hours=2),
                }
                await session.execute(insert(table_of(MiniSession)).values(values))
            for age in (timedelta(hours=25), timedelta(hours=49)):
                values = owner | {
                    "route": "POST /v1/orders",
                    "key": f"{age}",
                    "request_hash": "x",
                    "order_id": "ord_x",
                    "created_at": now - age,
                }
                await session.execute(insert(table_of(IdempotencyRecord)).values(values))

    await housekeeping.tidy(database, clock)

    async with database.read(PlatformScope("test")) as session:
        for table in (MiniSession, IdempotencyRecord):
            left = select(table.tenant_id, func.count()).group_by(table.tenant_id)
            counts = {row[0]: row[1] for row in (await session.execute(left)).all()}
            assert counts == {scope.tenant_id: 1 for scope in house.tenants}
