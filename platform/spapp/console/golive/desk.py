"""Trial payments and going live, as pages. One desk a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect

from spapp.console.frame.forms import field
from spapp.console.frame.places import provider_scope
from spapp.console.frame.workplace import Notice, Work, Workplace, refused
from spapp.console.golive.views import golive_view, trial_view
from spapp.web.pages import page
from spcore.db.scope import ProviderScope, TenantScope
from spcore.errors import DomainError, NotFound, Text
from spcore.settings import Settings
from sptenants.doctor.service import Doctor
from sptenants.golive.records import Trial
from sptenants.golive.service import GoLive
from sptenants.registry.errors import Forbidden
from sptenants.registry.reader import TenantReader

MAX_REASON = 200
_TENANTS = "/console/tenants"
_REASON_TOO_LONG = Text(
    f"原因不超过 {MAX_REASON} 个字。", f"The reason may have {MAX_REASON} characters at most."
)
_NO_REASON = Text("请写明跳过未满足条件的原因。", "Say why what is missing is overruled.")
_OWNERS_ONLY = Text("只有服务商管理员可以跳过未满足的条件。", "Only an owner may overrule what is missing.")
_NO_SUCH_BINDING = Text(
    "该特约商户没有绑定这个 AppID，请重新选择。", "This sub-merchant has no such app binding; choose one."
)
_GIVEN_BACK = Text("已提交退款，等待微信确认。", "The refund was sent; WeChat confirms it soon.")


@dataclass(frozen=True, slots=True)
class GoLiveDesk:
    place: Workplace
    golive: GoLive
    doctor: Doctor
    tenants: TenantReader
    settings: Settings

    @property
    def scope(self) -> ProviderScope:
        return provider_scope(self.place.staff)

    # --- going live ----------------------------------------------------------------------------------

    async def show(self, tenant_id: str, refusal: Text | None = None, reason: str = "") -> Response[str]:
        """Show what is missing and the trials. Raises NotFound."""
        view = await golive_view(
            self.place, self.golive, self.doctor, tenant_id, refusal=refusal, reason=reason
        )
        return await self.place.show("golive/page.html", current=_TENANTS, golive=view, tenant=view.tenant)

    async def go_live(self, tenant_id: str) -> Response[Any]:
        """Let a sub-merchant take money, or say what is missing. Raises NotFound."""
        form = await self.place.request.form()
        reason = field(form, "reason").strip()
        overrule = field(form, "overrule") == "yes"
        try:
            if overrule:
                self._may_overrule(reason)
            await self.golive.go_live(
                self.scope,
                tenant_id,
                self.place.staff.actor,
                override_reason=reason if overrule else None,
                facts=self.place.facts,
            )
        except (NotFound, Forbidden):
            raise
        except DomainError as refusal:
            return refused(await self.show(tenant_id, refusal.text, reason), refusal)
        return Redirect(f"{_TENANTS}/{tenant_id}", status_code=303)

    def _may_overrule(self, reason: str) -> None:
        if not self.place.rights.own:
            raise Forbidden(_OWNERS_ONLY)
        if not reason or len(reason) > MAX_REASON:
            raise DomainError(_NO_REASON if not reason else _REASON_TOO_LONG)

    # --- trials --------------------------------------------------------------------------------------

    async def begin(self, tenant_id: str) -> Response[Any]:
        """Begin a trial of a bound app and lead to its page."""
        form = await self.place.request.form()
        scope = await self._tenant(tenant_id)
        try:
            trial = await self.golive.begin_trial(
                scope, field(form, "binding_id"), self.place.staff.actor, facts=self.place.facts
            )
        except NotFound:  # the tenant is there: it is the binding that is not, or is somebody else's
            return refused(await self.show(tenant_id, _NO_SUCH_BINDING))
        except DomainError as refusal:
            return refused(await self.show(tenant_id, refusal.text), refusal)
        return Redirect(_url(trial), status_code=303)

    async def show_trial(self, tenant_id: str, trial_id: str, notice: Notice | None = None) -> Response[str]:
        """Show a trial with its lamps; htmx asks for the lamps alone, every two seconds."""
        scope = await self._tenant(tenant_id)
        trial = await self.golive.trial(scope, trial_id)
        detail = await self.tenants.detail(self.scope, tenant_id)
        simulator = self.settings.simulator_url if detail.provider.mode == "test" else None
        view = trial_view(trial, await self.golive.cashier(scope, trial), simulator)
        shown: dict[str, Any] = {"view": view, "may_try": self.place.rights.onboard, "notice": notice}
        if self.place.wants_part:
            token = self.place.staff.csrf_token
            return page(self.place.request, "golive/lamps.html", csrf_token=token, **shown)
        return await self.place.show("golive/trial.html", current=_TENANTS, tenant=detail.tenant, **shown)

    async def refund(self, tenant_id: str, trial_id: str) -> Response[Any]:
        """Give the fen back."""
        scope = await self._tenant(tenant_id)
        trial = await self.golive.trial(scope, trial_id)

        async def do() -> Notice:
            await self.golive.refund_trial(scope, trial_id, self.place.staff.actor, facts=self.place.facts)
            return Notice("ok", _GIVEN_BACK)

        async def shown(notice: Notice | None) -> Response[str]:
            return await self.show_trial(tenant_id, trial_id, notice)

        return await self.place.act(_url(trial), do, shown)

    async def stop(self, tenant_id: str, trial_id: str) -> Response[Any]:
        """Give a trial up and lead back to the panel."""
        scope = await self._tenant(tenant_id)
        await self.golive.stop_trial(scope, trial_id, self.place.staff.actor, facts=self.place.facts)
        return Redirect(f"{_TENANTS}/{tenant_id}/go-live", status_code=303)

    async def show_certificate(self, tenant_id: str, certificate_id: str) -> Response[str]:
        """Show what a trial proved, fit for printing."""
        scope = await self._tenant(tenant_id)
        certificate = await self.golive.certificate(scope, certificate_id)
        detail = await self.tenants.detail(self.scope, tenant_id)
        return await self.place.show(
            "golive/certificate.html",
            current=_TENANTS,
            certificate=certificate,
            tenant=detail.tenant,
            steps=[
                (step["code"], step["state"], datetime.fromisoformat(step["at"]) if step["at"] else None)
                for step in certificate.evidence["steps"]
            ],
        )

    async def _tenant(self, tenant_id: str) -> TenantScope:
        """Return the scope of a tenant of this provider's. Raises NotFound."""
        await self.tenants.detail(self.scope, tenant_id)
        return TenantScope(self.scope.provider_id, tenant_id)


def _url(trial: Trial) -> str:
    return f"{_TENANTS}/{trial.tenant_id}/trials/{trial.id}"


def _provide(
    place: Work,
    golive: NamedDependency[GoLive],
    doctor: NamedDependency[Doctor],
    tenant_reader: NamedDependency[TenantReader],
    settings: NamedDependency[SkipValidation[Settings]],
) -> GoLiveDesk:
    return GoLiveDesk(place, golive, doctor, tenant_reader, settings)


golive_desk = Provide(_provide, sync_to_thread=False)
GoingLive = NamedDependency[SkipValidation[GoLiveDesk]]
