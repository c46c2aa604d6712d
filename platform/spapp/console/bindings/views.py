"""Bindings as templates show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from spapp.console.frame.words import BINDING, BINDING_KIND, BINDING_OWNER, Chip
from spapp.console.frame.workplace import Notice, Rights
from spapp.web.i18n import N_
from spcore.errors import Text
from sptenants.doctor.rows import DoctorRow, Level
from sptenants.onboarding.tasks import Task
from sptenants.registry.binding_list import BoundRow
from sptenants.registry.ledger import LedgerEntry, LedgerEvent
from sptenants.registry.reader import BindingRow

LEVEL = {
    Level.PASS: Chip("ok", N_("通过")),
    Level.WARN: Chip("wait", N_("警告")),
    Level.FAIL: Chip("bad", N_("失败")),
    Level.UNCHECKED: Chip("mute", N_("未检查")),
}
EVENT = {
    LedgerEvent.DECLARED: Chip("info", N_("登记绑定")),
    LedgerEvent.CHANGED: Chip("info", N_("修改登记")),
    LedgerEvent.SECRET_REPLACED: Chip("info", N_("更换 AppSecret")),
    LedgerEvent.CONFIRMED: Chip("ok", N_("微信侧已确认")),
    LedgerEvent.REFUTED: Chip("bad", N_("微信侧不匹配")),
    LedgerEvent.DISABLED: Chip("mute", N_("停用")),
    LedgerEvent.ENABLED: Chip("info", N_("恢复使用")),
    LedgerEvent.REMOVED: Chip("mute", N_("解除绑定")),
}


@dataclass(frozen=True, slots=True)
class BindingLine:
    """One binding; of its secret only the last four characters and the fingerprint (S13)."""

    row: BindingRow

    @property
    def url(self) -> str:
        return f"/console/bindings/{self.row.id}"

    @property
    def kind_word(self) -> str:
        return BINDING_KIND[self.row.kind]

    @property
    def owner_word(self) -> str:
        return BINDING_OWNER[self.row.owner]

    @property
    def chip(self) -> Chip:
        return BINDING[self.row.status]

    @property
    def needs_secret(self) -> bool:
        """Only a mini-program's login goes through us."""
        return self.row.kind == "miniprogram"

    @property
    def secret_text(self) -> str:
        return f"••••••{self.row.secret_hint or '••'}"


@dataclass(frozen=True, slots=True)
class BoundLine:
    """One binding in the list over all tenants."""

    bound: BoundRow
    checked_at: datetime | None

    @property
    def line(self) -> BindingLine:
        return BindingLine(self.bound.binding)

    @property
    def tenant_url(self) -> str:
        return f"/console/tenants/{self.bound.tenant_id}?tab=bindings"


@dataclass(frozen=True, slots=True)
class AppGroup:
    """An appid with every tenant that uses it."""

    sub_appid: str
    lines: tuple[BoundLine, ...]


def grouped(lines: Sequence[BoundLine]) -> tuple[AppGroup, ...]:
    """Put neighbouring lines of one appid together; the list is in the order of appids."""
    return tuple(
        AppGroup(appid, tuple(rows))
        for appid, rows in groupby(lines, key=lambda line: line.bound.binding.sub_appid)
    )


@dataclass(frozen=True, slots=True)
class HistoryLine:
    entry: LedgerEntry

    @property
    def chip(self) -> Chip:
        return EVENT[self.entry.what]

    @property
    def code(self) -> str | None:
        """WeChat's own code, where the entry rests on one."""
        code = self.entry.facts.get("code")
        return code if isinstance(code, str) else None


@dataclass(frozen=True, slots=True)
class BindingView:
    """One binding with what was found, its history and what is to be done on WeChat's side."""

    bound: BoundRow
    rights: Rights
    findings: tuple[DoctorRow, ...]
    history: tuple[HistoryLine, ...]
    task: Task | None
    said: Notice | None = None
    faults: Mapping[str, Text] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)
    back: str = ""
    """Where to go after the binding is removed."""

    @property
    def line(self) -> BindingLine:
        return BindingLine(self.bound.binding)

    @property
    def url(self) -> str:
        return self.line.url

    def text(self, name: str) -> str:
        stored = {"name": self.bound.binding.name or "", "owner": self.bound.binding.owner}
        return self.typed.get(name, stored.get(name, ""))
