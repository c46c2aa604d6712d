"""The migrations build what the models say, and the walls stand in the database itself."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from spapp import migrations, revisions
from spapp.resources import resource
from spapp.revisions import head
from spcore.db.engine import Database


async def test_models_and_migrations_agree(database_url: str) -> None:
    assert await migrations.database_differences(database_url) == []


async def test_a_migrated_database_is_at_the_head_this_program_knows(database: Database) -> None:
    assert await database.migration_head() == head()


@pytest.mark.parametrize("again", [1, 2])
async def test_upgrading_again_changes_nothing(database_url: str, again: int) -> None:
    for _ in range(again):
        assert await migrations.upgrade_database(database_url) == head()


async def test_D10_a_revision_that_fails_leaves_nothing_behind_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, newest = tmp_path / "migrations", head()
    shutil.copytree(resource("migrations"), folder)
    for module in (migrations, revisions):
        monkeypatch.setattr(module, "resource", lambda _name: folder)
    broken = folder / "versions" / "9999_broken.py"
    broken.write_text(
        f'revision, down_revision = "9999", "{newest}"\n'
        "from alembic import op\n"
        'def upgrade():\n    op.execute("CREATE TABLE half (id TEXT)")\n    op.execute("NOT SQL")\n'
    )
    url = f"sqlite+aiosqlite:///{tmp_path}/half.db"

    with pytest.raises(DBAPIError):
        await migrations.upgrade_database(url)

    with sqlite3.connect(tmp_path / "half.db") as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (newest,)
        assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'half'").fetchall() == []
    connection.close()
    broken.write_text(broken.read_text().replace("NOT SQL", "CREATE TABLE whole (id TEXT)"))
    assert await migrations.upgrade_database(url) == "9999"


async def test_D10_orders_of_an_earlier_release_survive_the_rebuilt_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite cannot alter a CHECK: rows, indexes, triggers and the children's foreign keys have to stay."""
    earlier = tmp_path / "earlier"
    shutil.copytree(resource("migrations"), earlier)
    for revision in (earlier / "versions").glob("*.py"):
        if revision.name >= "0005":
            revision.unlink()
    url = f"sqlite+aiosqlite:///{tmp_path}/old.db"
    with monkeypatch.context() as older:
        for module in (migrations, revisions):
            older.setattr(module, "resource", lambda _name: earlier)
        assert await migrations.upgrade_database(url) == "0004"
    with sqlite3.connect(tmp_path / "old.db") as connection:
        connection.executescript(_EARLIER_ROWS)
        before = _parts_of_orders(connection)
    connection.close()

    await migrations.upgrade_database(url)

    with sqlite3.connect(tmp_path / "old.db") as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        assert connection.execute("SELECT id, status, amount FROM orders").fetchall() == [
            ("ord_order1", "pending", 5)
        ]
        assert before <= _parts_of_orders(connection)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        listed = connection.execute("SELECT id, kind, order_id, state FROM anomalies").fetchall()
        assert listed == [("ano_order1", "amount_mismatch", "ord_order1", "open")]
        connection.execute("UPDATE orders SET status = 'revoked' WHERE id = 'ord_order1'")
        for refused in (
            "UPDATE orders SET status = 'pending'",
            "UPDATE orders SET status = 'gone'",
            "UPDATE orders SET tenant_id = 'x'",
            "DELETE FROM orders",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(refused)
    connection.close()
    assert await migrations.database_differences(url) == []


def _parts_of_orders(connection: sqlite3.Connection) -> set[str]:
    named = "SELECT name FROM sqlite_master WHERE tbl_name = 'orders' AND sql IS NOT NULL"
    return {name for (name,) in connection.execute(named)}


_EARLIER_ROWS = """
INSERT INTO service_providers (id, mode, kind, name, mch_id, appid, api_version, sign_type, status, route_key,
  key_epoch, created_at, updated_at)
VALUES ('p', 'test', 'ordinary', 'P', '1900000109', 'wx8888888888888888', 'v2', 'MD5', 'active', 'rp', 1,
  '2026-11-21', '2026-11-21');
INSERT INTO tenants (provider_id, id, sub_mch_id, name, status, route_key, server_per_second,
  session_per_second, created_at, updated_at)
VALUES ('p', 't', '1600000021', 'T', 'live', 'rt', 200, 20, '2026-11-21', '2026-11-21');
INSERT INTO orders (provider_id, tenant_id, id, merchant_order_no, status, anomaly, amount, refunded_amount,
  refunding_amount, currency, description, trade_type, source, created_by, metadata, profit_sharing,
  fingerprint, fingerprints, created_at, updated_at, expires_at, event_sequence, checks, state_since)
VALUES ('p', 't', 'ord_order1', 'T1', 'pending', 'amount_mismatch', 5, 0, 0, 'CNY', 'tea', 'NATIVE',
  'api_key', 'k', '{}', 0, 'f', '{}', '2026-11-21', '2026-11-21', '2026-11-21', 0, 0, '2026-11-21');
INSERT INTO order_timeline (provider_id, tenant_id, id, order_id, at, kind, outcome, meta)
VALUES ('p', 't', 'n', 'ord_order1', '2026-11-21', 'gateway.call', 'ok', '{}');
"""
