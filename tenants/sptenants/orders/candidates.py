"""The orders that an index finds for a filter, newest first, and no more of them than are asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, Subquery, select, union, union_all
from sqlalchemy.orm import InstrumentedAttribute

from sptenants.orders.filters import OrderFilter, ReadScope, entries, named, within
from sptenants.orders.models import Order

Columns = tuple[InstrumentedAttribute[Any], ...]


def newest(
    scope: ReadScope,
    wanted: OrderFilter,
    now: datetime,
    most: int,
    columns: Columns,
    *,
    before: str | None = None,
) -> Subquery:
    """Return `columns` of the newest `most` orders that an index knows to be meant, as a table to ask.

    `before` is an id; only older orders follow. What no index knows is left to the caller (`looked_at`).
    Each entry is read in its own order and cut off, so that none is read to its end for the sake of another.
    """
    found = entries(scope, wanted, now)
    selects = [_entry(scope, wanted, entry, columns, before) for entry in found]
    if len(selects) == 1:
        return _newest(selects[0], most).subquery()
    cut = [select(_newest(part, most).subquery()) for part in selects]
    together = (union_all if wanted.number is None else union)(*cut).subquery()
    return select(together).order_by(together.c.id.desc()).limit(most).subquery()


def _entry(
    scope: ReadScope, wanted: OrderFilter, entry: Any, columns: Columns, before: str | None
) -> Select[Any]:
    query = select(*columns).where(*within(scope), *named(wanted), entry)
    return query if before is None else query.where(Order.id < before)


def _newest(query: Select[Any], most: int) -> Select[Any]:
    return query.order_by(Order.id.desc()).limit(most)
