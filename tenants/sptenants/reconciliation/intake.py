"""Reading what callers ask of daily statements: every fault is listed, with its place, in both languages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from spcore.errors import NotFound
from sptenants.orders.reading import Reader, limit_of, once, unknown_parameter
from sptenants.reconciliation.records import StatementFilter
from sptenants.reconciliation.states import StatementState

_QUERY = frozenset({"state", "from", "to", "limit", "cursor"})
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_statements_query(query: Sequence[tuple[str, str]]) -> tuple[StatementFilter, int, str | None]:
    """Read the parameters of `GET /v1/bills`: filter, limit, cursor. Raises InvalidInput."""
    reader = Reader(once(query))
    reader.only(_QUERY, unknown_parameter)
    state = reader.get("state")
    if state is not None and state not in set(StatementState):
        names = " ".join(StatementState)
        reader.fault("state", "invalid_value", f"应为其中之一：{names}。", f"must be one of {names}.")
        state = None
    first, last = _day(reader, "from"), _day(reader, "to")
    limit = limit_of(reader)
    reader.done()
    wanted = StatementFilter(state=StatementState(state) if state else None, first=first, last=last)
    return wanted, limit, reader.get("cursor")


def day_of_path(text: str) -> date:
    """Return the day that an address names, `2026-11-21`. Raises NotFound for everything else."""
    day = _parsed(text)
    if day is None:
        raise NotFound
    return day


def _day(reader: Reader, name: str) -> date | None:
    given = reader.get(name)
    if given is None:
        return None
    day = _parsed(given)
    if day is None:
        reader.fault(
            name,
            "invalid_format",
            "应为北京时间的日期，如 2026-11-21。",
            "must be a day of Beijing time, such as 2026-11-21.",
        )
    return day


def _parsed(text: str) -> date | None:
    # fromisoformat alone would take 20261121 and 2026-W47-6 too: one day has one address.
    if _DAY.fullmatch(text) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
