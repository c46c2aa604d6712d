"""The migrations build what the models say, and the walls stand in the database itself."""

from __future__ import annotations

import pytest

from spapp import migrations
from spcore.db.engine import Database


async def test_models_and_migrations_agree(database_url: str) -> None:
    assert await migrations.database_differences(database_url) == []


async def test_a_migrated_database_is_at_the_head_this_program_knows(database: Database) -> None:
    assert await database.migration_head() == migrations.head()


@pytest.mark.parametrize("again", [1, 2])
async def test_upgrading_again_changes_nothing(database_url: str, again: int) -> None:
    for _ in range(again):
        assert await migrations.upgrade_database(database_url) == migrations.head()
