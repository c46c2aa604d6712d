"""The tenant list, one tenant's page by tabs, and what its owner does to it. One desk a request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect

from spapp.console.api_keys.desk import KeyDesk, Keys
from spapp.console.frame.callers import provider_caller
from spapp.console.frame.faults import faults_by_field
from spapp.console.frame.places import provider_scope
from spapp.console.frame.workplace import PAGE_SIZE, Work, Workplace, refused
from spapp.console.tenants.form import MAX_REASON, MoveForm, RateForm, SettingsForm
from spapp.console.tenants.query import STATUSES, TABS, TenantQuery, TenantTab
from spapp.console.tenants.trail import SHOWN, last_acts
from spapp.console.tenants.views import TENANTS, Address, Part, TenantLine, TenantView
from spapp.console.webhooks.desk import Hooks, WebhookDesk
from spapp.web.i18n import N_
from spcore.db.scope import ProviderScope, TenantScope
from spcore.errors import DomainError, InvalidInput, NotFound
from spcore.settings import Settings
from sptenants.doctor.service import Doctor
from sptenants.onboarding.attention import failing_tenants
from sptenants.onboarding.links import OnboardingLinks
from sptenants.onboarding.service import Onboarding
from sptenants.onboarding.tasks import tasks
from sptenants.orders.sums import day_of
from sptenants.orders.volumes import paid_since
from sptenants.reconciliation.rates import AgreedRates
from sptenants.registry.models import MAX_BINDINGS, MAX_DIRECTORIES
from sptenants.registry.notify_paths import notify_urls
from sptenants.registry.reader import TenantDetail, TenantFilter, TenantReader, TenantRow
from sptenants.registry.service import Registry
from wechatpay.money import Fen

_VOLUME_SPAN = timedelta(days=7)
_ADDRESS_WORDS = {"payment": N_("支付通知"), "refund": N_("退款通知")}


@dataclass(frozen=True, slots=True)
class TenantDesk:
    place: Workplace
    reader: TenantReader
    registry: Registry
    onboarding: Onboarding
    links: OnboardingLinks
    doctor: Doctor
    webhooks: WebhookDesk
    keys: KeyDesk
    agreed_rates: AgreedRates
    settings: Settings

    @property
    def scope(self) -> ProviderScope:
        return provider_scope(self.place.staff)

    # --- list ----------------------------------------------------------------------------------------

    async def show_list(self) -> Response[str]:
        """Answer with the list that the address bar asks for."""
        query = TenantQuery.parse(TENANTS, self.place.request.query_params, self.place.now)
        failing = await failing_tenants(self.place.database, self.scope)
        wanted = query.to_filter(failing)
        try:
            found = await self.reader.list(self.scope, wanted, PAGE_SIZE, query.cursor)
        except InvalidInput as refusal:
            query = query.first_page(*(fault.text for fault in refusal.faults))
            found = await self.reader.list(self.scope, wanted, PAGE_SIZE)
        return await self.place.show(
            "tenants/list.html",
            current=TENANTS,
            query=query,
            tabs=await self._tabs(query, failing),
            lines=await self._lines(list(found.rows)),
            max_bindings=MAX_BINDINGS,
            may_onboard=self.place.rights.onboard,
            next_url=query.next_url(found.next_cursor),
        )

    async def _tabs(self, query: TenantQuery, failing: frozenset[str]) -> list[tuple[str, str, bool, str]]:
        """Return word, address, whether it is the present one, and the count; 已关闭 only where there are."""
        counts = await self.reader.counts(self.scope)
        numbers = {
            tab: sum(counts.values() if tab is TenantTab.ALL else (counts.get(one, 0) for one in statuses))
            for tab, statuses in STATUSES.items()
        }
        numbers[TenantTab.ATTENTION] = await self.reader.count(self.scope, TenantFilter(among=failing))
        return [
            (word, query.url(tab=tab), tab is query.tab, f"{numbers[tab]:,}")
            for tab, word in TABS.items()
            if tab is not TenantTab.CLOSED or numbers[tab] or tab is query.tab
        ]

    async def _lines(self, rows: list[TenantRow]) -> list[TenantLine]:
        ids = [row.id for row in rows]
        paid = await paid_since(self.place.database, self.scope, ids, self.place.now - _VOLUME_SPAN)
        levels = await self.doctor.worst_of(self.scope, ids)
        failed = await self.doctor.failing(self.scope, ids)
        return [
            TenantLine(row, paid.get(row.id, Fen(0)), levels.get(row.id), failed.get(row.id)) for row in rows
        ]

    # --- one tenant ----------------------------------------------------------------------------------

    async def view(self, tenant_id: str, part: Part = Part.OVERVIEW) -> TenantView:
        """Read one tenant. Raises NotFound, also for somebody else's (Y3)."""
        dossier = await self.onboarding.dossier(self.scope, tenant_id)
        return TenantView(
            dossier=dossier,
            part=part,
            report=await self.doctor.last(self.scope, tenant_id),
            tasks=tasks(dossier, self.settings.public_url),
            rights=self.place.rights,
            link=await self.links.current(self.scope, tenant_id),
        )

    async def show(self, tenant_id: str) -> Response[str]:
        """Answer with the tab that the address bar asks for."""
        given = self.place.request.query_params.get("tab")
        part = Part(given) if given in set(Part) else Part.OVERVIEW
        return await self.show_view(await self.view(tenant_id, part))

    async def show_view(self, view: TenantView) -> Response[str]:
        detail = view.detail
        return await self.place.show(
            f"tenants/{view.part.value.replace('-', '_')}.html",
            current=TENANTS,
            view=view,
            tenant=detail.tenant,
            provider=detail.provider,
            max_bindings=MAX_BINDINGS,
            max_directories=MAX_DIRECTORIES,
            **await self._more(view),
        )

    async def _more(self, view: TenantView) -> dict[str, Any]:
        """Return what only one of the tabs shows."""
        detail, tenant_id = view.detail, view.detail.tenant.id
        match view.part:
            case Part.OVERVIEW:
                since = self.place.now - _VOLUME_SPAN
                paid = await paid_since(self.place.database, self.scope, [tenant_id], since)
                return {
                    "paid_amount": paid.get(tenant_id, Fen(0)),
                    "addresses": _addresses(detail, self.settings.public_url),
                    "settings": view.settings or SettingsForm.of(detail),
                    "max_reason": MAX_REASON,
                    "rates": await self.agreed_rates.history(self._tenant(view)),
                    "today": day_of(self.place.now),
                }
            case Part.WEBHOOKS:
                return {"endpoints": await self.webhooks.of_tenant(tenant_id)}
            case Part.API_KEYS:
                return {"keys": await self.keys.of_tenant(tenant_id)}
            case Part.LOG:
                return {
                    "acts": await last_acts(self.place.database, self.scope, tenant_id),
                    "audit_shown": SHOWN,
                }
            case _:
                return {}

    # --- changes -------------------------------------------------------------------------------------

    async def move(self, tenant_id: str) -> Response[Any]:
        """Suspend, resume or close a tenant. Raises NotFound."""
        view = await self.view(tenant_id)
        form = MoveForm.read(await self.place.request.form())
        faults = form.check(view.detail.tenant)
        refusal: DomainError | None = None
        if not faults:
            try:
                await self.registry.set_status(
                    await provider_caller(self.place),
                    tenant_id,
                    form.to,
                    reason=form.reason,
                    facts=self.place.facts,
                )
            except NotFound:
                raise
            except DomainError as raised:
                refusal, faults = raised, {"form": raised.text}
        if not faults:
            return Redirect(view.url, status_code=303)
        again = replace(await self.view(tenant_id), move=replace(form, faults=faults))
        return refused(await self.show_view(again), refusal)

    async def change_settings(self, tenant_id: str) -> Response[Any]:
        """Set a tenant's limits and policies. Raises NotFound."""
        view = await self.view(tenant_id)
        form = SettingsForm.read(await self.place.request.form())
        try:
            await self.registry.amend_tenant(
                await provider_caller(self.place), tenant_id, form.wanted, self.place.facts
            )
        except NotFound:
            raise
        except DomainError as refusal:
            again = replace(view, settings=replace(form, faults=faults_by_field(refusal)))
            return refused(await self.show_view(again), refusal)
        return Redirect(view.url, status_code=303)

    async def agree_rate(self, tenant_id: str) -> Response[Any]:
        """Agree upon a fee rate from a day on. Raises NotFound."""
        view = await self.view(tenant_id)
        form = RateForm.read(await self.place.request.form())
        try:
            day, rate = form.values()
            await self.agreed_rates.set(
                self._tenant(view), day, rate, self.place.staff.actor, self.place.facts
            )
        except DomainError as refusal:
            again = replace(view, rate=replace(form, faults=faults_by_field(refusal)))
            return refused(await self.show_view(again), refusal)
        return Redirect(view.url, status_code=303)

    def _tenant(self, view: TenantView) -> TenantScope:
        return TenantScope(self.scope.provider_id, view.detail.tenant.id)


Tenants = NamedDependency[SkipValidation[TenantDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_tenant_desk(
    place: Work,
    tenant_reader: NamedDependency[TenantReader],
    registry: NamedDependency[Registry],
    onboarding: NamedDependency[Onboarding],
    onboarding_links: NamedDependency[OnboardingLinks],
    doctor: NamedDependency[Doctor],
    webhook_desk: Hooks,
    key_desk: Keys,
    agreed_rates: NamedDependency[AgreedRates],
    settings: NamedDependency[SkipValidation[Settings]],
) -> TenantDesk:
    return TenantDesk(
        place,
        tenant_reader,
        registry,
        onboarding,
        onboarding_links,
        doctor,
        webhook_desk,
        key_desk,
        agreed_rates,
        settings,
    )


tenant_desk = Provide(_provide_tenant_desk, sync_to_thread=False)


def _addresses(detail: TenantDetail, public_url: str) -> tuple[Address, ...]:
    """Return the addresses of the API version that this provider's new orders are made with."""
    urls = notify_urls(public_url, detail.tenant.route_key)[detail.provider.api_version]
    return tuple(Address(_ADDRESS_WORDS[kind], url) for kind, url in urls.items() if kind in _ADDRESS_WORDS)
