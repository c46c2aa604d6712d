"""Fixtures that every part shares: a held clock and a real database."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from tests.support.databases import databases_made, drop_databases_since, postgres_url, sqlite_url

from spcore.db.engine import Database


def pytest_collection_finish() -> None:
    """What was imported lives to the end; looking through it again and again is a third of a page's test."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """A command that a test runs in this process configures the logs of everything that comes after it."""
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    yield
    if structlog.is_configured():
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.raiseExceptions = raising
        structlog.contextvars.clear_contextvars()
        structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _no_database_left() -> Iterator[None]:
    """Thousands of tests would otherwise fill the disk; what a wider fixture made stays for the others."""
    mark = databases_made()
    yield
    drop_databases_since(mark)


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
