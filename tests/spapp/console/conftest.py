"""The lived-in installation behind the real application.

Pages are the same on both databases, so most tests take SQLite; `test_on_postgresql.py` walks through every
page where row-level security stands behind it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from litestar.testing import AsyncTestClient
from tests.conftest import HeldClock
from tests.support.databases import sqlite_url
from tests.support.lived_in import move_in
from tests.support.money_desk import MoneyDesk, open_money_desk
from tests.support.phone import Phone
from tests.support.shop import Shop
from tests.support.till import build_till
from tests.support.visitor import PUBLIC_URL, Visitor, site

from spcore.db.engine import Database


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path)


@pytest.fixture
async def shop(database_url: str, clock: HeldClock) -> Shop:
    return await move_in(database_url, clock.now(), plain_orders=30)


@pytest.fixture
async def visitor(database_url: str, clock: HeldClock) -> AsyncIterator[Visitor]:
    async with AsyncTestClient(site(database_url, clock), base_url=PUBLIC_URL) as client:
        yield Visitor(client)


@pytest.fixture
async def money(database: Database, database_url: str, clock: HeldClock) -> AsyncIterator[MoneyDesk]:
    async with open_money_desk(await build_till(database, clock), database_url, clock) as desk:
        yield desk


@pytest.fixture
def owners_phone(money: MoneyDesk, clock: HeldClock) -> Phone:
    return Phone(money.visitor, clock)
