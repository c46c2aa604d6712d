"""What is known of a sub-merchant that is being taken in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from spcore.db.scope import TenantScope
from sptenants.onboarding.steps import Facts, Saved, Step, StepState, first_open, states
from sptenants.registry.particulars import Particulars
from sptenants.registry.reader import TenantDetail
from sptenants.registry.wechat_side import Directory, Tick
from wechatpay.credentials import ProviderKind


@dataclass(frozen=True, slots=True)
class Dossier:
    """One tenant, its steps, and what people said was done on WeChat's side."""

    detail: TenantDetail
    saved: Mapping[Step, Saved]
    directories: Sequence[Directory]
    ticks: Mapping[str, Tick]

    @property
    def scope(self) -> TenantScope:
        return TenantScope(self.detail.provider.id, self.detail.tenant.id)

    @property
    def facts(self) -> Facts:
        tenant = self.detail.tenant
        return Facts(
            status=tenant.status,
            sub_mch_id=tenant.sub_mch_id,
            plain=self.detail.provider.kind == ProviderKind.MERCHANT,
            bindings=self.detail.bindings,
            directories=self.directories,
            saved=self.saved,
        )

    @property
    def steps(self) -> tuple[StepState, ...]:
        return states(self.facts)

    @property
    def next_step(self) -> Step:
        return first_open(self.steps)


@dataclass(frozen=True, slots=True)
class FormContent:
    """What the forms of a tenant's steps begin with; personal data, for whoever may change it."""

    particulars: Particulars = field(repr=False)
    drafts: Mapping[Step, Mapping[str, str]] = field(repr=False)
