"""What the kernel's tests share: a vault, and a house of one provider in a real database."""

from __future__ import annotations

import pytest
from tests.support.databases import postgres_url
from tests.support.house import MASTER_KEY, House, build_house

from spcore.db.engine import Database
from spcore.vault import Vault


@pytest.fixture
def vault() -> Vault:
    return Vault([MASTER_KEY])


@pytest.fixture
async def house(database: Database) -> House:
    return await build_house(database)


@pytest.fixture
def postgres() -> str:
    """The URL of an empty, migrated PostgreSQL database, for walls that SQLite does not have."""
    return postgres_url()
