"""What the doctor says: one row an item, the same in console, command line and API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spcore.errors import Text


class Level(StrEnum):
    """`unchecked` is neither good nor bad: nothing that could tell was asked, or nothing could be asked."""

    PASS = "pass"  # noqa: S105 - a level
    WARN = "warn"
    FAIL = "fail"
    UNCHECKED = "unchecked"


_BADNESS = (Level.PASS, Level.UNCHECKED, Level.WARN, Level.FAIL)


def worst_level(levels: Iterable[Level]) -> Level:
    """Return the worst of them; nothing at all is `unchecked`."""
    return max(levels, key=_BADNESS.index, default=Level.UNCHECKED)


@dataclass(frozen=True, slots=True)
class DoctorRow:
    """One item as people read it. `cause` and `repair` are there whenever `level` is not `pass`.

    `who` must act: `provider`, `merchant`, `developer`, `wechat` or `platform`. `evidence_id` names the run
    whose calls prove it; `binding_id` the app it is about, for items that every app has.
    """

    code: str
    level: Level
    title: Text
    cause: Text | None
    repair: Text | None
    who: str
    checked_at: datetime | None
    evidence_id: str | None
    binding_id: str | None = None
    about: str | None = None
    """What tells equal items apart for people: the appid of the binding."""


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """All rows of one subject, and when the last whole run was; None as long as there was none."""

    rows: tuple[DoctorRow, ...]
    ran_at: datetime | None

    @property
    def worst(self) -> Level:
        return worst_level(row.level for row in self.rows)

    @property
    def failed(self) -> tuple[DoctorRow, ...]:
        """The red rows, first things first."""
        return tuple(row for row in self.rows if row.level is Level.FAIL)

    def count(self, level: Level) -> int:
        return sum(row.level == level for row in self.rows)
