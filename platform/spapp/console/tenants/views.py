"""What the tenant list and one tenant's page show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from spapp.console.bindings.views import LEVEL, BindingLine
from spapp.console.frame.words import TENANT, Chip
from spapp.console.frame.workplace import Notice, Rights
from spapp.console.onboarding.views import STEP_WORDS
from spapp.console.tenants.form import Move, MoveForm, RateForm, SettingsForm, moves_of
from spapp.web.i18n import N_
from spcore.errors import Text
from sptenants.doctor.rows import DoctorReport, DoctorRow, Level
from sptenants.onboarding.links import LinkRecord
from sptenants.onboarding.records import Dossier
from sptenants.onboarding.tasks import Task
from sptenants.registry.reader import TenantDetail, TenantRow
from sptenants.registry.rules import TenantStatus
from wechatpay.money import Fen

TENANTS = "/console/tenants"
_BEING_TAKEN_IN = frozenset({TenantStatus.DRAFT, TenantStatus.ONBOARDING, TenantStatus.READY})


class Part(StrEnum):
    """The tabs of a tenant's page, as the address names them."""

    OVERVIEW = "overview"
    BINDINGS = "bindings"
    DIRECTORIES = "directories"
    WEBHOOKS = "webhooks"
    API_KEYS = "api-keys"
    KIT = "kit"
    DOCTOR = "doctor"
    LOG = "log"


PARTS = {
    Part.OVERVIEW: N_("概况"),
    Part.BINDINGS: N_("AppID"),
    Part.DIRECTORIES: N_("支付目录"),
    Part.WEBHOOKS: N_("Webhook"),
    Part.API_KEYS: N_("API 密钥"),
    Part.KIT: N_("接入包"),
    Part.DOCTOR: N_("体检"),
    Part.LOG: N_("操作日志"),
}
_REPAIR = {
    "sub_mch": ("onboard/2", N_("检查特约商户号")),
    "binding": ("?tab=bindings", N_("检查 AppID")),
    "directory": ("onboard/4", N_("填写支付目录")),
    "miniprogram": ("onboard/5", N_("查看 request 域名")),
    "notify": ("onboard/5", N_("查看通知地址")),
    "webhook": ("?tab=webhooks", N_("检查 Webhook")),
    "trial": ("onboard/7", N_("重新试付")),
}
"""Where a failed item is put right, by the first word of its code."""


@dataclass(frozen=True, slots=True)
class TenantLine:
    """A line of the list."""

    row: TenantRow
    paid_amount: Fen
    level: Level | None
    failed: DoctorRow | None

    @property
    def url(self) -> str:
        return f"{TENANTS}/{self.row.id}"

    @property
    def chip(self) -> Chip:
        return TENANT[self.row.status]

    @property
    def doctor_chip(self) -> Chip | None:
        return None if self.level is None else LEVEL[self.level]


@dataclass(frozen=True, slots=True)
class Repair:
    """The one button of a banner."""

    url: str
    word: str


@dataclass(frozen=True, slots=True)
class Address:
    word: str
    url: str


@dataclass(frozen=True, slots=True)
class TenantView:
    """One tenant as `tenants/page.html` shows it, whatever the tab."""

    dossier: Dossier
    part: Part
    report: DoctorReport
    tasks: Sequence[Task]
    rights: Rights
    link: LinkRecord | None
    said: Notice | None = None
    move: MoveForm = field(default_factory=MoveForm)
    settings: SettingsForm | None = None
    rate: RateForm = field(default_factory=RateForm)

    @property
    def detail(self) -> TenantDetail:
        return self.dossier.detail

    @property
    def url(self) -> str:
        return f"{TENANTS}/{self.detail.tenant.id}"

    @property
    def chip(self) -> Chip:
        return TENANT[self.detail.tenant.status]

    @property
    def tabs(self) -> tuple[tuple[str, str, bool], ...]:
        return tuple(
            (word, self.url if part is Part.OVERVIEW else f"{self.url}?tab={part.value}", part is self.part)
            for part, word in PARTS.items()
        )

    @property
    def bindings(self) -> tuple[BindingLine, ...]:
        return tuple(BindingLine(row) for row in self.detail.bindings)

    @property
    def may_go_on(self) -> bool:
        """Whether the wizard is what comes next, and the person may use it."""
        return self.rights.onboard and self.detail.tenant.status in _BEING_TAKEN_IN

    @property
    def next_word(self) -> str:
        return STEP_WORDS[self.dossier.next_step]

    @property
    def failed(self) -> DoctorRow | None:
        """The first red row; its cause stands above the page."""
        return self.report.failed[0] if self.report.failed else None

    @property
    def repair(self) -> Repair | None:
        """Where the failed item is put right; nothing for items of the service provider as a whole."""
        if self.failed is None:
            return None
        known = _REPAIR.get(self.failed.code.partition(".")[0])
        if known is None:
            return Repair(f"{self.url}?tab={Part.DOCTOR.value}", N_("查看体检"))
        where, word = known
        if not self.rights.onboard and where.startswith("onboard"):
            return None
        return Repair(f"{self.url}{where}" if where.startswith("?") else f"{self.url}/{where}", word)

    @property
    def moves(self) -> tuple[Move, ...]:
        """What the person may do to the tenant's life."""
        return moves_of(self.detail.tenant) if self.rights.own else ()

    @property
    def contact(self) -> Mapping[str, str]:
        return self.detail.contact_hint

    @property
    def form_faults(self) -> Mapping[str, Text]:
        return self.move.faults or self.rate.faults or (self.settings.faults if self.settings else {})
