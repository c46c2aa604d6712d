"""The seven steps of taking a sub-merchant in, and how far each is: derived from what there is.

Source: console-and-api-design section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from sptenants.registry.reader import BindingRow
from sptenants.registry.rules import AppKind, TenantStatus
from sptenants.registry.wechat_side import Directory


class Step(IntEnum):
    PARTICULARS = 1
    NUMBER = 2
    BINDINGS = 3
    DIRECTORIES = 4
    NOTIFY = 5
    DOCTOR = 6
    GO_LIVE = 7


_PAST_WIZARD = frozenset({TenantStatus.LIVE, TenantStatus.SUSPENDED, TenantStatus.CLOSED})
_CHECKED = _PAST_WIZARD | {TenantStatus.READY}


@dataclass(frozen=True, slots=True)
class Saved:
    """What is written down of a step: when it was last saved, and when it was found to be done."""

    saved_at: datetime
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class StepState:
    step: Step
    done: bool
    skipped: bool
    """Whether there is nothing to do at it: payment directories without an official account."""
    saved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the steps are derived from. `plain` is a merchant of its own, which has no number to fill in."""

    status: str
    sub_mch_id: str | None
    plain: bool
    bindings: Sequence[BindingRow]
    directories: Sequence[Directory]
    saved: Mapping[Step, Saved]

    @property
    def needs_directories(self) -> bool:
        return any(row.kind == AppKind.OFFICIAL_ACCOUNT for row in self.bindings)

    @property
    def has_miniprogram(self) -> bool:
        return any(row.kind == AppKind.MINIPROGRAM for row in self.bindings)


def states(facts: Facts) -> tuple[StepState, ...]:
    """Return every step in its order."""
    return tuple(
        StepState(
            step=step,
            done=_is_done(step, facts),
            skipped=step is Step.DIRECTORIES and not facts.needs_directories,
            saved_at=facts.saved[step].saved_at if step in facts.saved else None,
        )
        for step in Step
    )


def first_open(shown: Sequence[StepState]) -> Step:
    """Return the step to go on with; the last one when nothing is open."""
    return next((state.step for state in shown if not state.done), Step.GO_LIVE)


def _is_done(step: Step, facts: Facts) -> bool:
    saved = facts.saved.get(step)
    match step:
        case Step.PARTICULARS:
            return True
        case Step.NUMBER:
            # A number that came by import or API was never tried here; the doctor tries it in any case.
            known = facts.plain or facts.sub_mch_id is not None
            return known and (saved is None or saved.done_at is not None)
        case Step.BINDINGS:
            return bool(facts.bindings) and all(row.status != "invalid" for row in facts.bindings)
        case Step.DIRECTORIES:
            confirmed = bool(facts.directories) and all(row.confirmed_at for row in facts.directories)
            return confirmed or (bool(facts.bindings) and not facts.needs_directories)
        case Step.NOTIFY:
            return facts.status in _CHECKED or (saved is not None and saved.done_at is not None)
        case Step.DOCTOR:
            return facts.status in _CHECKED
        case Step.GO_LIVE:
            return facts.status in _PAST_WIZARD
