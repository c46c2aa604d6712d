"""Reading what callers send to the work list: every fault is listed, with its place, in both languages."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

from sptenants.anomalies.records import AnomalyFilter, HealFilter
from sptenants.orders.disputes import AnomalyKind
from sptenants.orders.heals import Wrong
from sptenants.orders.reading import (
    Reader,
    limit_of,
    moment_of,
    once,
    present,
    unknown_field,
    unknown_parameter,
)

_Word = TypeVar("_Word", bound=StrEnum)


class AnomalyState(StrEnum):
    """`state` of a filter."""

    OPEN = "open"
    RESOLVED = "resolved"


def read_anomalies_query(query: Sequence[tuple[str, str]]) -> tuple[AnomalyFilter, int, str | None]:
    """Read the parameters of `GET /v1/anomalies`: filter, limit, cursor. Raises InvalidInput."""
    reader = Reader(once(query))
    allowed = {"kind", "state", "order_id", "created_from", "created_to", "limit", "cursor"}
    reader.only(frozenset(allowed), unknown_parameter)
    kind, state = _word(reader, "kind", AnomalyKind), _word(reader, "state", AnomalyState)
    created_from, created_to = moment_of(reader, "created_from"), moment_of(reader, "created_to")
    limit = limit_of(reader)
    reader.done()
    wanted = AnomalyFilter(
        kind=kind,
        state=None if state is None else "open" if state is AnomalyState.OPEN else "resolved",
        order_id=reader.get("order_id"),
        created_from=created_from,
        created_to=created_to,
    )
    return wanted, limit, reader.get("cursor")


def read_heals_query(query: Sequence[tuple[str, str]]) -> tuple[HealFilter, int, str | None]:
    """Read the parameters of `GET /v1/heals`: filter, limit, cursor. Raises InvalidInput."""
    reader = Reader(once(query))
    allowed = {"wrong", "order_id", "created_from", "created_to", "limit", "cursor"}
    reader.only(frozenset(allowed), unknown_parameter)
    wrong = _word(reader, "wrong", Wrong)
    created_from, created_to = moment_of(reader, "created_from"), moment_of(reader, "created_to")
    limit = limit_of(reader)
    reader.done()
    wanted = HealFilter(
        wrong=wrong, order_id=reader.get("order_id"), created_from=created_from, created_to=created_to
    )
    return wanted, limit, reader.get("cursor")


def read_resolution(document: object) -> str:
    """Read the body `{"note"}`; its length is the service's rule. Raises InvalidInput."""
    reader = Reader(document)
    reader.only(frozenset({"note"}), unknown_field)
    note = reader.get("note", required=True)
    if note is not None and not isinstance(note, str):
        reader.fault("note", "invalid_type", "应为文本。", "must be text.")
    reader.done()
    return str(present(note))


def _word(reader: Reader, name: str, words: type[_Word]) -> _Word | None:
    given = reader.get(name)
    if given is None:
        return None
    try:
        return words(given)
    except ValueError:
        names = " ".join(words)
        reader.fault(name, "invalid_value", f"应为其中之一：{names}。", f"must be one of {names}.")
        return None
