"""A till on each kind of database, and one that is told by API v3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.databases import sqlite_url
from tests.support.mail_v3 import Mail, open_mail
from tests.support.till import Till, build_till

from spcore.clock import Clock
from spcore.db.engine import Database


@pytest.fixture
async def till(database: Database, clock: Clock) -> Till:
    return await build_till(database, clock)


@pytest.fixture
async def mail(database: Database, clock: Clock) -> Mail:
    return await open_mail(database, clock)


@pytest.fixture
async def quick_mail(tmp_path: Path, clock: Clock) -> AsyncIterator[Mail]:
    """The same on SQLite alone, for what no database decides."""
    database = Database(sqlite_url(tmp_path))
    yield await open_mail(database, clock)
    await database.close()
