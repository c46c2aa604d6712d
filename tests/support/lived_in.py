"""The lived-in installation for each test; on SQLite filled once in a test process and copied.

Filling it writes some thousand rows; most tests only look at them.
"""

from __future__ import annotations

import shutil
from copy import deepcopy
from datetime import datetime
from pathlib import Path

from tests.support.databases import sqlite_url
from tests.support.scratch import scratch_folder
from tests.support.shop import Shop, fill

from spcore.db.engine import Database

_TEMPLATES: dict[tuple[datetime, int], tuple[Path, Shop]] = {}


async def move_in(database_url: str, now: datetime, plain_orders: int) -> Shop:
    """Fill an empty database that nobody has opened yet, and say where things are."""
    if not database_url.startswith("sqlite"):
        return await _fill(database_url, now, plain_orders)
    wanted = now, plain_orders
    if wanted not in _TEMPLATES:
        _TEMPLATES[wanted] = await _filled(now, plain_orders)
    template, shop = _TEMPLATES[wanted]
    shutil.copyfile(template, database_url.partition("///")[2])
    return deepcopy(shop)


async def _filled(now: datetime, plain_orders: int) -> tuple[Path, Shop]:
    folder = scratch_folder("lived-in")
    return folder / "wxsp.db", await _fill(sqlite_url(folder), now, plain_orders)


async def _fill(database_url: str, now: datetime, plain_orders: int) -> Shop:
    database = Database(database_url)
    try:
        return await fill(database, now, plain_orders=plain_orders)
    finally:
        await database.close()
