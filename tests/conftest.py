"""Fixtures that every part shares: a held clock and a real database."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.databases import postgres_url, sqlite_url

from spcore.db.engine import Database


def pytest_collection_finish() -> None:
    """What was imported lives to the end; looking through it again and again is a third of a page's test."""
    gc.collect()
    gc.freeze()


class HeldClock:
    """A clock that stands still until a test moves it. Starts at 2026-11-21 20:50:00 +08:00."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 21, 12, 50, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def advance(self, **units: float) -> None:
        self.moment += timedelta(**units)


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty, migrated database; every test that asks for it runs on both kinds."""
    return sqlite_url(tmp_path) if request.param == "sqlite" else postgres_url()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    yield opened
    await opened.close()
