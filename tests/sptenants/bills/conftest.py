"""A till for bills on each kind of database."""

from __future__ import annotations

import pytest
from tests.support.bill_till import BillTill, build_bill_till

from spcore.clock import Clock
from spcore.db.engine import Database


@pytest.fixture
async def till(database: Database, clock: Clock) -> BillTill:
    return await build_bill_till(database, clock)
