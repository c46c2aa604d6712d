"""The lived-in installation as a template: filled once in a test process, copied for each test.

Filling it writes some thousand rows; most tests only look at them.
"""

from __future__ import annotations

import shutil
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp

from tests.support.databases import sqlite_url
from tests.support.shop import Shop, fill

from spcore.db.engine import Database

_TEMPLATES: dict[tuple[datetime, int], tuple[Path, Shop]] = {}


async def move_in(database_file: Path, now: datetime, plain_orders: int) -> Shop:
    """Replace a SQLite file that nobody has opened yet by a filled one, and say where things are."""
    wanted = now, plain_orders
    if wanted not in _TEMPLATES:
        _TEMPLATES[wanted] = await _filled(now, plain_orders)
    template, shop = _TEMPLATES[wanted]
    shutil.copyfile(template, database_file)
    return deepcopy(shop)


async def _filled(now: datetime, plain_orders: int) -> tuple[Path, Shop]:
    folder = Path(mkdtemp(prefix="wxsp-lived-in-"))
    database = Database(sqlite_url(folder))
    try:
        return folder / "wxsp.db", await fill(database, now, plain_orders=plain_orders)
    finally:
        await database.close()
