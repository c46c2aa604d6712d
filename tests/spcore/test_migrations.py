"""The migrations build what the models say, and the walls stand in the database itself."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from spapp import migrations
from spapp.resources import resource
from spcore.db.engine import Database


async def test_models_and_migrations_agree(database_url: str) -> None:
    assert await migrations.database_differences(database_url) == []


async def test_a_migrated_database_is_at_the_head_this_program_knows(database: Database) -> None:
    assert await database.migration_head() == migrations.head()


@pytest.mark.parametrize("again", [1, 2])
async def test_upgrading_again_changes_nothing(database_url: str, again: int) -> None:
    for _ in range(again):
        assert await migrations.upgrade_database(database_url) == migrations.head()


async def test_D10_a_revision_that_fails_leaves_nothing_behind_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(resource("migrations"), folder)
    monkeypatch.setattr(migrations, "resource", lambda _name: folder)
    broken = folder / "versions" / "9999_broken.py"
    head = migrations.head()
    broken.write_text(
        f'revision, down_revision = "9999", "{head}"\n'
        "from alembic import op\n"
        'def upgrade():\n    op.execute("CREATE TABLE half (id TEXT)")\n    op.execute("NOT SQL")\n'
    )
    url = f"sqlite+aiosqlite:///{tmp_path}/half.db"

    with pytest.raises(DBAPIError):
        await migrations.upgrade_database(url)

    with sqlite3.connect(tmp_path / "half.db") as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (head,)
        assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'half'").fetchall() == []
    connection.close()
    broken.write_text(broken.read_text().replace("NOT SQL", "CREATE TABLE whole (id TEXT)"))
    assert await migrations.upgrade_database(url) == "9999"
