"""Providers and tenants as the platform's pages show them."""

from __future__ import annotations

from dataclasses import dataclass

from spapp.console.frame.words import MODE, TENANT, Chip
from spapp.console.operations.views import CertificateLine
from spapp.console.service_providers.form import KINDS
from spapp.web.i18n import N_
from spcore.providers.profile import ProviderProfile
from sptenants.orders.sums import Sums
from sptenants.registry.providers import ProviderRow
from sptenants.registry.reader import TenantRow
from wechatpay.credentials import ProviderKind

PROVIDERS = "/admin/service-providers"
TENANTS = "/admin/tenants"
_STATES = {"active": Chip("ok", N_("正常")), "suspended": Chip("bad", N_("已暂停"))}


@dataclass(frozen=True, slots=True)
class ProviderView:
    row: ProviderRow
    sums: Sums
    certificate: CertificateLine

    @property
    def provider(self) -> ProviderProfile:
        return self.row.provider

    @property
    def url(self) -> str:
        return f"{PROVIDERS}/{self.row.id}"

    @property
    def chip(self) -> Chip:
        return _STATES[self.provider.status]

    @property
    def is_active(self) -> bool:
        return self.provider.status == "active"

    @property
    def mode_word(self) -> str:
        return MODE[self.provider.mode]

    @property
    def kind_word(self) -> str:
        return KINDS[ProviderKind(self.provider.kind)]


@dataclass(frozen=True, slots=True)
class TenantLine:
    row: TenantRow
    sums: Sums

    @property
    def url(self) -> str:
        return f"{TENANTS}/{self.row.id}"

    @property
    def chip(self) -> Chip:
        return TENANT[self.row.status]

    @property
    def mode_word(self) -> str:
        return MODE[self.row.mode]
