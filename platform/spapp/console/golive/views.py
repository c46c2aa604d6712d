"""What the pages of going live show: slots with their trials, conditions, and who may do what."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from markupsafe import Markup

from spapp.console.frame.places import provider_scope
from spapp.console.frame.qr import qr_code
from spapp.console.frame.words import BINDING, BINDING_KIND, Chip
from spapp.console.frame.workplace import Workplace
from spapp.web.i18n import N_
from spcore.db.scope import TenantScope
from spcore.errors import Text
from sptenants.doctor.rows import DoctorReport
from sptenants.doctor.service import Doctor
from sptenants.golive.records import Cashier, Certificate, Condition, Lamp, LampState, Trial
from sptenants.golive.service import GoLive
from sptenants.registry.caller import TenantProfile
from sptenants.registry.ledger import BindingStatus
from sptenants.registry.reader import BindingRow, TenantReader

LAMP: dict[LampState, Chip] = {
    "ok": Chip("ok", N_("完成")),
    "wait": Chip("wait", N_("等待")),
    "bad": Chip("bad", N_("未通过")),
    "none": Chip("mute", N_("不适用")),
}
TRIAL = {
    "open": Chip("wait", N_("进行中")),
    "passed": Chip("ok", N_("已通过")),
    "stopped": Chip("mute", N_("已放弃")),
}


@dataclass(frozen=True, slots=True)
class LampView:
    lamp: Lamp

    @property
    def chip(self) -> Chip:
        return LAMP[self.lamp.state]


@dataclass(frozen=True, slots=True)
class TrialView:
    """One trial; `phone_url` is the simulator's phone, which pays in test mode."""

    trial: Trial
    base: str
    qr: Markup | None = None
    phone_url: str | None = None

    @property
    def url(self) -> str:
        return f"{self.base}/trials/{self.trial.id}"

    @property
    def chip(self) -> Chip:
        return TRIAL[self.trial.state]

    @property
    def lamps(self) -> tuple[LampView, ...]:
        return tuple(LampView(lamp) for lamp in self.trial.lamps)

    @property
    def certificate_url(self) -> str | None:
        number = self.trial.certificate_id
        return f"{self.base}/certificates/{number}" if number else None


@dataclass(frozen=True, slots=True)
class SlotView:
    """One bound app with its newest trial and its newest certificate."""

    binding: BindingRow
    trial: TrialView | None
    certificate: Certificate | None
    base: str

    @property
    def chip(self) -> Chip:
        return BINDING[self.binding.status]

    @property
    def kind_word(self) -> str:
        return BINDING_KIND[self.binding.kind]

    @property
    def certificate_url(self) -> str | None:
        return f"{self.base}/certificates/{self.certificate.id}" if self.certificate else None

    @property
    def may_begin(self) -> bool:
        """Whether a trial makes sense: not while one is open, not for a slot out of use."""
        running = self.trial is not None and self.trial.trial.is_open
        return not running and self.binding.status != BindingStatus.DISABLED


@dataclass(frozen=True, slots=True)
class GoLiveView:
    """Everything that `golive/panel.html` shows. `refusal` and `reason` are of a form that was refused."""

    tenant: TenantProfile
    base: str
    slots: tuple[SlotView, ...]
    conditions: tuple[Condition, ...]
    report: DoctorReport
    may_try: bool
    may_overrule: bool
    refusal: Text | None = None
    reason: str = ""

    @property
    def is_live(self) -> bool:
        return self.tenant.status == "live"

    @property
    def can_go_live(self) -> bool:
        return self.tenant.status in {"draft", "onboarding", "ready"}

    @property
    def missing(self) -> tuple[Condition, ...]:
        return tuple(condition for condition in self.conditions if not condition.met)


async def golive_view(
    place: Workplace,
    golive: GoLive,
    doctor: Doctor,
    tenant_id: str,
    *,
    refusal: Text | None = None,
    reason: str = "",
) -> GoLiveView:
    """Read what the panel shows, for the wizard's last step and the page of its own. Raises NotFound."""
    scope = provider_scope(place.staff)
    reader = TenantReader(place.database)
    await reader.detail(scope, tenant_id)
    of, base = TenantScope(scope.provider_id, tenant_id), f"/console/tenants/{tenant_id}"
    trials = {trial.binding_id: trial for trial in await golive.trials(of)}
    certificates: dict[str, Certificate] = {}
    for certificate in await golive.certificates(of):
        certificates.setdefault(certificate.binding_id, certificate)
    # Looking at the trials may have certified one, and with it confirmed its binding.
    detail = await reader.detail(scope, tenant_id)
    slots = tuple(
        SlotView(
            binding,
            TrialView(trials[binding.id], base) if binding.id in trials else None,
            certificates.get(binding.id),
            base,
        )
        for binding in detail.bindings
    )
    return GoLiveView(
        tenant=detail.tenant,
        base=base,
        slots=slots,
        conditions=await golive.conditions(scope, tenant_id),
        report=await doctor.last(scope, tenant_id),
        may_try=place.rights.onboard,
        may_overrule=place.rights.own,
        refusal=refusal,
        reason=reason,
    )


def trial_view(trial: Trial, cashier: Cashier | None, simulator_url: str | None) -> TrialView:
    """Return a trial with what pays it. `simulator_url` is given in test mode alone."""
    base = f"/console/tenants/{trial.tenant_id}"
    if cashier is None:
        return TrialView(trial, base)
    scanned = urlencode({"code_url": cashier.code_url})
    phone = f"{simulator_url}/_sim/phone/scan?{scanned}" if simulator_url else None
    return TrialView(trial, base, qr_code(cashier.code_url), phone)
