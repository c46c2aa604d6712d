"""A till on each kind of database."""

from __future__ import annotations

import pytest
from tests.support.till import Till, build_till

from spcore.clock import Clock
from spcore.db.engine import Database


@pytest.fixture
async def till(database: Database, clock: Clock) -> Till:
    return await build_till(database, clock)
