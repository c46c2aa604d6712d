"""What the dry run of a list shows."""

from __future__ import annotations

from dataclasses import dataclass

from spapp.console.frame.words import Chip
from spapp.web.i18n import N_
from spcore.errors import Text
from sptenants.onboarding.batch import Outcome, Plan, PlannedRow
from sptenants.onboarding.sheet import COLUMNS

OUTCOME = {
    Outcome.NEW: Chip("info", N_("新增")),
    Outcome.CHANGED: Chip("wait", N_("修改")),
    Outcome.UNCHANGED: Chip("mute", N_("无变化")),
    Outcome.ERROR: Chip("bad", N_("有错误")),
}
MOST_SHOWN = 500
"""Rows of one outcome beyond that are counted and not listed."""


@dataclass(frozen=True, slots=True)
class RowView:
    planned: PlannedRow

    @property
    def chip(self) -> Chip:
        return OUTCOME[self.planned.outcome]

    @property
    def faults(self) -> tuple[tuple[str | None, Text], ...]:
        """What is wrong, with the header of the column it is about."""
        return tuple(
            (COLUMNS.get(fault.pointer.removeprefix("#/")), fault.text) for fault in self.planned.faults
        )

    @property
    def differences(self) -> tuple[tuple[str, str, str], ...]:
        return tuple((COLUMNS[d.field], d.before, d.after) for d in self.planned.differences)


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan with what is worth reading first: errors, then what changes."""

    plan: Plan

    @property
    def rows(self) -> tuple[RowView, ...]:
        order = (Outcome.ERROR, Outcome.CHANGED, Outcome.NEW)
        shown = [row for outcome in order for row in self.plan.rows if row.outcome is outcome]
        return tuple(RowView(row) for row in shown[:MOST_SHOWN])

    @property
    def hidden(self) -> int:
        """How many rows are not listed, besides those without changes."""
        listed = sum(row.outcome is not Outcome.UNCHANGED for row in self.plan.rows)
        return max(0, listed - MOST_SHOWN)

    @property
    def counts(self) -> tuple[tuple[Chip, int], ...]:
        return tuple((OUTCOME[outcome], count) for outcome, count in self.plan.counts.items())
