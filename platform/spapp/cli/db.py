"""`wxsp db`: migrations."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import click

from spapp import migrations
from spapp.cli.common import as_json, refuse, settings, show


@click.group()
def db() -> None:
    """数据库迁移 migrations."""


@db.command()
@as_json
def upgrade(as_json: bool) -> None:
    """升级到最新版本 bring the database to the newest revision."""
    url = settings().database_url.reveal()
    try:
        revision = asyncio.run(migrations.upgrade_database(url))
    except OSError as error:
        refuse(f"无法连接数据库 the database cannot be reached: {type(error).__name__}")
    show({"revision": revision}, machine=as_json, human=f"已是最新版本 at {revision}")


@db.command()
@as_json
def check(as_json: bool) -> None:
    """模型与迁移是否一致 whether models and migrations agree, tried on a fresh database."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'check.db'}"
        differences = asyncio.run(_differences(url))
    found = [str(difference) for difference in differences]
    human = "\n".join(found) or "模型与迁移一致 models and migrations agree"
    show({"ok": not found, "differences": found}, machine=as_json, human=human)
    if found:
        raise SystemExit(1)


async def _differences(url: str) -> list[object]:
    await migrations.upgrade_database(url)
    return list(await migrations.database_differences(url))
