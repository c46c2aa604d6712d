"""A post office on each kind of database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.conftest import HeldClock
from tests.support.post_office import PostOffice, post_office

from spcore.db.engine import Database


@pytest.fixture
async def office(
    database: Database, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PostOffice]:
    async with post_office(database, clock, monkeypatch) as opened:
        yield opened
