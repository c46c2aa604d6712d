"""What the platform's people see of providers and tenants, and what administrators change of them.

Looking across providers is written down (rule Y4); a change goes through the provider it is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect

from spapp.accounts.invitations import Invitations, Wanted
from spapp.accounts.models import Role
from spapp.console.credentials.views import Expiry
from spapp.console.frame.faults import faults_by_field
from spapp.console.frame.forms import field, visitor
from spapp.console.frame.list_query import ListQuery, QueryReader
from spapp.console.frame.looking import write_down
from spapp.console.frame.places import PLATFORM_SCOPE
from spapp.console.frame.words import MODE, TENANT
from spapp.console.frame.workplace import PAGE_SIZE, Notice, Work, Workplace, refused
from spapp.console.operations.views import CertificateLine
from spapp.console.service_providers.form import KINDS, ProviderForm
from spapp.console.service_providers.query import TenantQuery
from spapp.console.service_providers.views import PROVIDERS, TENANTS, ProviderView, TenantLine
from spapp.web.i18n import N_
from spcore.db.scope import ProviderScope
from spcore.errors import DomainError, InvalidInput, NotFound, Text
from spcore.providers.models import KeyKind
from spcore.providers.rotation import ProviderKeys
from spcore.settings import Settings
from sptenants.orders.sums import Owner, Sums, by_owner, day_of
from sptenants.registry.errors import Forbidden
from sptenants.registry.providers import MAX_REASON, ProviderRow, ServiceProviders
from sptenants.registry.reader import TenantReader
from wechatpay.credentials import SignType

_DAYS = 7


@dataclass(frozen=True, slots=True)
class ProvidersDesk:
    place: Workplace
    providers: ServiceProviders
    keys: ProviderKeys
    tenants: TenantReader
    invitations: Invitations
    settings: Settings

    # --- service providers ---------------------------------------------------------------------------

    async def show_providers(self) -> Response[str]:
        """Answer with the list of service providers; the look is written down."""
        reader = QueryReader(self.place.request.query_params)
        query = ListQuery(PROVIDERS, self.place.now, **ListQuery.common(reader))
        try:
            found = await self.providers.list(PLATFORM_SCOPE, query.q, PAGE_SIZE, query.cursor)
        except InvalidInput as refusal:
            query = query.first_page(*(fault.text for fault in refusal.faults))
            found = await self.providers.list(PLATFORM_SCOPE, query.q, PAGE_SIZE)
        looked = {"filter": query.as_facts(), "rows": len(found.rows)}
        await write_down(self.place, "providers.listed", "provider", looked)
        sums = await self._sums("provider")
        return await self.place.show(
            "service_providers/providers.html",
            current=PROVIDERS,
            query=query,
            views=[await self._view(row, sums) for row in found.rows],
            next_url=query.next_url(found.next_cursor),
            may_add=self.place.rights.own,
        )

    async def show_provider(
        self, provider_id: str, said: Notice | None = None, invited: str | None = None
    ) -> Response[str]:
        """Answer with one provider; the look is written down. Raises NotFound."""
        row = await self.providers.provider(PLATFORM_SCOPE, provider_id)
        await write_down(self.place, "provider.viewed", "provider", {"rows": 1}, provider_id)
        return await self.place.show(
            "service_providers/provider.html",
            current=PROVIDERS,
            view=await self._view(row, await self._sums("provider")),
            said=said,
            invited=invited,
            tenants_url=f"{TENANTS}?q={row.provider.mch_id}",
            may_change=self.place.rights.own,
            max_reason=MAX_REASON,
        )

    async def show_new(self, form: ProviderForm | None = None) -> Response[str]:
        return await self.place.show(
            "service_providers/new.html",
            current=PROVIDERS,
            form=form or ProviderForm(),
            modes=MODE,
            kinds=KINDS,
            sign_types=list(SignType),
        )

    async def create(self) -> Response[Any]:
        """Register a provider, or show the form again with what was wrong."""
        form = ProviderForm.read(await self.place.request.form())
        try:
            made = await self.providers.create(form.wanted(), self.place.staff.actor, self.place.facts)
        except DomainError as refusal:
            again = await self.show_new(replace(form, faults=faults_by_field(refusal)))
            return refused(again, refusal)
        return Redirect(f"{PROVIDERS}/{made}", status_code=303)

    async def set_status(self, provider_id: str, status: str) -> Response[Any]:
        """Suspend a provider or let it act again, with a reason. Raises NotFound."""
        reason = field(await self.place.request.form(), "reason")
        await self.providers.provider(PLATFORM_SCOPE, provider_id)

        async def done() -> Notice:
            actor, facts = self.place.staff.actor, self.place.facts
            await self.providers.set_status(provider_id, status, reason, actor, facts)
            return Notice("ok", _RESUMED if status == "active" else _SUSPENDED)

        async def shown(notice: Notice | None) -> Response[str]:
            return await self.show_provider(provider_id, notice)

        return await self.place.act(f"{PROVIDERS}/{provider_id}", done, shown)

    async def invite(self, provider_id: str) -> Response[Any]:
        """Invite an owner of the provider and show the link this once. Raises NotFound."""
        email = field(await self.place.request.form(), "email").strip()
        await self.providers.provider(PLATFORM_SCOPE, provider_id)
        wanted = Wanted(email, Role.PROVIDER_OWNER.value, provider_id=provider_id)
        try:
            made = await self.invitations.invite(self.place.staff, wanted, visitor(self.place.request))
        except (NotFound, Forbidden):
            raise
        except DomainError as refusal:
            shown = await self.show_provider(provider_id, Notice("bad", refusal.text))
            return refused(shown, refusal)
        link = f"{self.settings.public_url}/invite/{made.token}"
        return await self.show_provider(provider_id, invited=link)

    async def _view(self, row: ProviderRow, sums: Mapping[str, Sums]) -> ProviderView:
        versions = await self.keys.versions(ProviderScope(row.id))
        active = (key for key in versions if key.kind is KeyKind.CLIENT_CERTIFICATE and key.state == "active")
        current = next(active, None)
        until = current.not_after if current is not None else None
        expiry = Expiry(until, self.place.now) if until is not None else None
        line = CertificateLine(row.provider, current.label if current else None, expiry)
        return ProviderView(row, sums.get(row.id, Sums()), line)

    async def _sums(self, owner: Owner) -> Mapping[str, Sums]:
        """Return what was paid in the last seven Shanghai days, today included."""
        today = day_of(self.place.now)
        days = [today - timedelta(days=back) for back in range(_DAYS)]
        async with self.place.database.read(PLATFORM_SCOPE) as session:
            return await by_owner(session, PLATFORM_SCOPE, owner, days)

    # --- tenants -------------------------------------------------------------------------------------

    async def show_tenants(self) -> Response[str]:
        """Answer with the tenants of all providers; the look is written down."""
        query = TenantQuery.parse(TENANTS, self.place.request.query_params, self.place.now)
        try:
            found = await self.tenants.list(PLATFORM_SCOPE, query.to_filter(), PAGE_SIZE, query.cursor)
        except InvalidInput as refusal:
            query = query.first_page(*(fault.text for fault in refusal.faults))
            found = await self.tenants.list(PLATFORM_SCOPE, query.to_filter(), PAGE_SIZE)
        looked = {"filter": query.as_facts(), "rows": len(found.rows)}
        await write_down(self.place, "tenants.listed", "tenant", looked)
        sums = await self._sums("tenant")
        return await self.place.show(
            "service_providers/tenants.html",
            current=TENANTS,
            query=query,
            tabs=[
                (N_("全部"), query.url(status=None), query.status is None),
                *((chip.word, query.url(status=code), code == query.status) for code, chip in TENANT.items()),
            ],
            lines=[TenantLine(row, sums.get(row.id, Sums())) for row in found.rows],
            next_url=query.next_url(found.next_cursor),
        )

    async def show_tenant(self, tenant_id: str, said: Notice | None = None) -> Response[str]:
        """Answer with one tenant; the look is written down. Raises NotFound."""
        detail = await self.tenants.detail(PLATFORM_SCOPE, tenant_id)
        await write_down(self.place, "tenant.viewed", "tenant", {"rows": 1}, tenant_id, tenant_id)
        return await self.place.show(
            "service_providers/tenant.html",
            current=TENANTS,
            detail=detail,
            tenant=detail.tenant,
            provider=detail.provider,
            chip=TENANT[detail.tenant.status],
            mode_word=MODE[detail.provider.mode],
            url=f"{TENANTS}/{tenant_id}",
            provider_url=f"{PROVIDERS}/{detail.provider.id}",
            orders_url=f"{self.place.orders}?tenant={tenant_id}&range=30d",
            said=said,
            may_change=self.place.rights.own,
            max_reason=MAX_REASON,
        )

    async def set_tenant_status(self, tenant_id: str, status: str) -> Response[Any]:
        """Suspend a tenant or take it back, with a reason. Raises NotFound."""
        reason = field(await self.place.request.form(), "reason")
        provider_id = (await self.tenants.detail(PLATFORM_SCOPE, tenant_id)).provider.id

        async def done() -> Notice:
            actor, facts = self.place.staff.actor, self.place.facts
            await self.providers.set_tenant_status(provider_id, tenant_id, status, reason, actor, facts)
            return Notice("ok", _RESUMED if status == "live" else _SUSPENDED)

        async def shown(notice: Notice | None) -> Response[str]:
            return await self.show_tenant(tenant_id, notice)

        return await self.place.act(f"{TENANTS}/{tenant_id}", done, shown)


ProviderDesk = NamedDependency[SkipValidation[ProvidersDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_providers_desk(
    place: Work,
    service_providers: NamedDependency[ServiceProviders],
    provider_keys: NamedDependency[ProviderKeys],
    tenant_reader: NamedDependency[TenantReader],
    invitations: NamedDependency[Invitations],
    settings: NamedDependency[SkipValidation[Settings]],
) -> ProvidersDesk:
    return ProvidersDesk(place, service_providers, provider_keys, tenant_reader, invitations, settings)


providers_desk = Provide(_provide_providers_desk, sync_to_thread=False)

_SUSPENDED = Text(
    "已暂停：接口调用会被拒绝；已支付订单的支付通知仍照常处理。",
    "Suspended: calls are refused. Notifications of payments already made are still taken.",
)
_RESUMED = Text("已恢复。", "It may act again.")
