"""What the wizard shows, made out of the dossier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from spapp.console.bindings.views import BindingLine
from spapp.console.frame.workplace import Notice, Rights
from spapp.console.onboarding.form import StepForm
from spapp.web.i18n import N_
from sptenants.onboarding.links import LinkRecord
from sptenants.onboarding.records import Dossier
from sptenants.onboarding.steps import Step, StepState
from sptenants.onboarding.tasks import Task

STEP_WORDS = {
    Step.PARTICULARS: N_("商户信息"),
    Step.NUMBER: N_("特约商户号"),
    Step.BINDINGS: N_("绑定 AppID"),
    Step.DIRECTORIES: N_("支付目录"),
    Step.NOTIFY: N_("通知与 Webhook"),
    Step.DOCTOR: N_("接入体检"),
    Step.GO_LIVE: N_("上线"),
}
TEMPLATES = {
    Step.PARTICULARS: "onboarding/particulars.html",
    Step.NUMBER: "onboarding/number.html",
    Step.BINDINGS: "onboarding/bindings.html",
    Step.DIRECTORIES: "onboarding/directories.html",
    Step.NOTIFY: "onboarding/notify.html",
    Step.DOCTOR: "onboarding/doctor.html",
    Step.GO_LIVE: "onboarding/golive.html",
}


def step_url(tenant_id: str, step: Step) -> str:
    return f"/console/tenants/{tenant_id}/onboard/{step.value}"


@dataclass(frozen=True, slots=True)
class StepLink:
    """One circle of the line of steps; without an address it cannot be opened yet."""

    number: int
    word: str
    url: str | None
    current: bool
    done: bool
    skipped: bool


@dataclass(frozen=True, slots=True)
class WizardView:
    """One step of one tenant."""

    dossier: Dossier
    step: Step
    form: StepForm
    tasks: Sequence[Task]
    rights: Rights
    link: LinkRecord | None
    said: Notice | None = None
    fresh_link: str | None = field(default=None, repr=False)
    """The address of a one-time link that was just made."""

    @property
    def url(self) -> str:
        return step_url(self.dossier.detail.tenant.id, self.step)

    @property
    def base(self) -> str:
        return f"/console/tenants/{self.dossier.detail.tenant.id}/onboard"

    @property
    def state(self) -> StepState:
        return next(state for state in self.dossier.steps if state.step is self.step)

    @property
    def line(self) -> tuple[StepLink, ...]:
        tenant_id = self.dossier.detail.tenant.id
        return tuple(
            StepLink(
                number=state.step.value,
                word=STEP_WORDS[state.step],
                url=step_url(tenant_id, state.step),
                current=state.step is self.step,
                done=state.done,
                skipped=state.skipped,
            )
            for state in self.dossier.steps
        )

    @property
    def saved_at(self) -> datetime | None:
        return self.state.saved_at

    @property
    def previous(self) -> StepLink | None:
        shown = [one for one in self.line if one.number < self.step.value and not one.skipped]
        return shown[-1] if shown else None

    @property
    def next(self) -> StepLink | None:
        shown = [one for one in self.line if one.number > self.step.value and not one.skipped]
        return shown[0] if shown else None

    @property
    def tasks_here(self) -> tuple[Task, ...]:
        """What belongs to this step; at the last two whatever is still open."""
        if self.step >= Step.DOCTOR:
            return tuple(task for task in self.tasks if not task.done)
        return tuple(task for task in self.tasks if task.step is self.step)

    @property
    def open_tasks(self) -> int:
        return sum(not task.done for task in self.tasks)

    @property
    def bindings(self) -> tuple[BindingLine, ...]:
        return tuple(BindingLine(row) for row in self.dossier.detail.bindings)
