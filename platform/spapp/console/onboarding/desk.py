"""The wizard: one step shown, its form taken, and what it comes to. One desk a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect

from spapp.console.frame.callers import provider_caller
from spapp.console.frame.forms import field
from spapp.console.frame.places import provider_scope
from spapp.console.frame.workplace import Notice, Work, Workplace, refused
from spapp.console.golive.views import golive_view
from spapp.console.onboarding.form import StepForm, faults_of, opened, read
from spapp.console.onboarding.views import TEMPLATES, WizardView, step_url
from spapp.web.pages import page
from spcore.db.scope import ProviderScope, TenantScope
from spcore.errors import DomainError, Fault, InvalidInput, NotFound, Text
from spcore.settings import Settings
from sptenants.doctor.rows import DoctorRow, Level
from sptenants.doctor.service import Doctor
from sptenants.golive.service import GoLive
from sptenants.onboarding.links import OnboardingLinks
from sptenants.onboarding.service import Onboarding
from sptenants.onboarding.steps import Step
from sptenants.onboarding.tasks import tasks
from sptenants.registry.errors import Forbidden
from sptenants.registry.models import MAX_BINDINGS
from sptenants.registry.notify_paths import notify_urls
from sptenants.registry.particulars import MAX_NOTE, MAX_SHORT_NAME
from sptenants.registry.rules import MAX_NAME
from sptenants.registry.service import Registry
from sptenants.webhooks.endpoints import NewEndpoint
from sptenants.webhooks.reader import WebhookReader
from sptenants.webhooks.service import Webhooks

LIST = "/console/tenants"

_TEST_SENT = Text(
    "已发送测试事件，结果见该端点的投递记录。", "A test event is on its way; see the endpoint's deliveries."
)
_STILL_FAILING = Text(
    "还有未通过的项目：请按下面的说明处理，再重新检查。",
    "Some checks fail still: settle them as described below, then check again.",
)
_NO_SUCH_STEP = Text("接入没有这一步，请刷新页面。", "is no step of onboarding; load the page again.")
_NO_SUCH_TASK = Text("没有这项待办，请刷新页面。", "is no task here; load the page again.")
_NOT_CHECKED = Text("还没有体检：请先开始体检。", "Nothing was checked yet: run the doctor first.")


@dataclass(frozen=True, slots=True)
class WizardDesk:
    place: Workplace
    onboarding: Onboarding
    links: OnboardingLinks
    registry: Registry
    doctor: Doctor
    golive: GoLive
    webhooks: Webhooks
    webhook_reader: WebhookReader
    settings: Settings

    @property
    def scope(self) -> ProviderScope:
        return provider_scope(self.place.staff)

    # --- showing -------------------------------------------------------------------------------------

    async def show_new(self, form: StepForm | None = None) -> Response[str]:
        """Answer with the empty first step."""
        shown = await self.place.show(
            "onboarding/new.html",
            current=LIST,
            form=form or StepForm(),
            max_name=MAX_NAME,
            max_short_name=MAX_SHORT_NAME,
            max_note=MAX_NOTE,
        )
        return refused(shown) if form is not None else shown

    async def go_on(self, tenant_id: str) -> Redirect:
        """Lead to the first open step. Raises NotFound."""
        dossier = await self.onboarding.dossier(self.scope, tenant_id)
        return Redirect(step_url(tenant_id, dossier.next_step), status_code=303)

    async def show(
        self,
        tenant_id: str,
        step: Step,
        form: StepForm | None = None,
        said: Notice | None = None,
        *,
        fresh_link: str | None = None,
        made_endpoint: NewEndpoint | None = None,
    ) -> Response[str]:
        """Answer with one step. Raises NotFound, also for somebody else's tenant (Y3)."""
        dossier = await self.onboarding.dossier(self.scope, tenant_id)
        if form is None:
            form = opened(step, dossier, await self.onboarding.form_content(dossier.scope))
        view = WizardView(
            dossier=dossier,
            step=step,
            form=form,
            tasks=tasks(dossier, self.settings.public_url),
            rights=self.place.rights,
            link=await self.links.current(self.scope, tenant_id),
            said=said,
            fresh_link=fresh_link,
        )
        return await self.place.show(
            TEMPLATES[step],
            current=LIST,
            view=view,
            form=form,
            tenant=dossier.detail.tenant,
            max_name=MAX_NAME,
            max_short_name=MAX_SHORT_NAME,
            max_note=MAX_NOTE,
            max_bindings=MAX_BINDINGS,
            **await self._more(view, made_endpoint),
        )

    async def _more(self, view: WizardView, made: NewEndpoint | None) -> dict[str, Any]:
        """Return what only one of the steps shows."""
        detail, scope = view.dossier.detail, view.dossier.scope
        match view.step:
            case Step.NOTIFY:
                urls = notify_urls(self.settings.public_url, detail.tenant.route_key)
                return {
                    "addresses": list(urls[detail.provider.api_version].values()),
                    "endpoints": await self.webhook_reader.endpoints(scope),
                    "made_endpoint": made,
                }
            case Step.DOCTOR:
                return {"report": await self.doctor.last(self.scope, detail.tenant.id)}
            case Step.GO_LIVE:
                return {"golive": await golive_view(self.place, self.golive, self.doctor, detail.tenant.id)}
            case _:
                return {}

    # --- taking forms --------------------------------------------------------------------------------

    async def begin(self) -> Response[Any]:
        """Make a draft out of the first step, and go on with the second one."""
        form = read(Step.PARTICULARS, await self.place.request.form())
        caller = await provider_caller(self.place)
        try:
            made = await self.onboarding.begin(caller, form.text("name"), form.particulars, self.place.facts)
        except DomainError as refusal:
            return await self.show_new(form.refused(refusal))
        return Redirect(step_url(made.id, Step.NUMBER), status_code=303)

    async def describe(self, tenant_id: str) -> Response[Any]:
        """Take step 1."""

        async def save(form: StepForm, _sent: Any) -> None:
            caller = await provider_caller(self.place)
            await self.onboarding.describe(
                caller, tenant_id, form.text("name"), form.particulars, self.place.facts
            )

        return await self._take(tenant_id, Step.PARTICULARS, save)

    async def number(self, tenant_id: str) -> Response[Any]:
        """Take step 2: store the number, then ask WeChat whether it belongs to the service provider."""

        async def save(form: StepForm, sent: Any) -> Notice | None:
            caller, typed = await provider_caller(self.place), form.text("sub_mch_id")
            dossier = await self.onboarding.dossier(self.scope, tenant_id)
            if not dossier.facts.plain:
                await self.onboarding.number(caller, tenant_id, typed, self.place.facts)
                if field(sent, "act") != "next":
                    return None
                found = await self.doctor.probe_relation(self.scope, typed)
                if found.level is Level.FAIL:
                    return _as_notice(found)
            await self.onboarding.finish(caller, tenant_id, Step.NUMBER, self.place.facts)
            return None

        return await self._take(tenant_id, Step.NUMBER, save)

    async def bindings(self, tenant_id: str) -> Response[Any]:
        """Take step 3: bind one more appid, or go on."""
        sent = await self.place.request.form()
        if field(sent, "act") != "add":
            return await self._take(tenant_id, Step.BINDINGS, self._finishing(tenant_id, Step.BINDINGS))

        async def add(form: StepForm, sent: Any) -> Notice | None:
            secret = field(sent, "app_secret")
            caller = await provider_caller(self.place)
            await self.onboarding.dossier(self.scope, tenant_id)
            if secret and (found := await self._probe_secret(form, secret)) is not None:
                return found
            await self.registry.add_binding(caller, tenant_id, form.binding(secret), self.place.facts)
            await self.onboarding.drop_draft(caller, tenant_id, Step.BINDINGS)
            return None

        return await self._take(tenant_id, Step.BINDINGS, add)

    async def _probe_secret(self, form: StepForm, secret: str) -> Notice | None:
        """Say what is wrong about an AppSecret; nothing for a form that is refused for other reasons."""
        if form.binding(secret).faults():
            return None
        found = await self.doctor.probe_secret(self.scope, form.text("sub_appid"), secret)
        return _as_notice(found) if found.level is Level.FAIL else None

    async def directories(self, tenant_id: str) -> Response[Any]:
        """Take step 4."""

        async def save(form: StepForm, sent: Any) -> None:
            caller = await provider_caller(self.place)
            confirmed = field(sent, "confirmed") == "yes"
            await self.onboarding.directories(
                caller, tenant_id, form.directories, confirmed=confirmed, facts=self.place.facts
            )
            if field(sent, "act") == "next":
                await self.onboarding.finish(caller, tenant_id, Step.DIRECTORIES, self.place.facts)

        return await self._take(tenant_id, Step.DIRECTORIES, save)

    async def notify(self, tenant_id: str) -> Response[Any]:
        """Take step 5: add an endpoint, try one, or go on."""
        sent = await self.place.request.form()
        dossier = await self.onboarding.dossier(self.scope, tenant_id)
        act, staff = field(sent, "act"), self.place.staff
        if act == "add":
            form = read(Step.NOTIFY, sent)
            try:
                made = await self.webhooks.create(
                    dossier.scope, staff.actor, form.text("webhook_url"), facts=self.place.facts
                )
            except DomainError as refusal:
                faults = {
                    ("webhook_url" if name == "url" else name): text
                    for name, text in faults_of(refusal).items()
                }
                return refused(await self.show(tenant_id, Step.NOTIFY, replace(form, faults=faults)))
            return await self.show(tenant_id, Step.NOTIFY, made_endpoint=made)
        if act == "test":
            try:
                await self.webhooks.test(
                    dossier.scope, staff.actor, field(sent, "endpoint"), self.place.facts
                )
            except NotFound:
                raise
            except DomainError as refusal:
                shown = await self.show(tenant_id, Step.NOTIFY, said=Notice("bad", refusal.text))
                return refused(shown)
            return await self.show(tenant_id, Step.NOTIFY, said=Notice("ok", _TEST_SENT))
        return await self._take(tenant_id, Step.NOTIFY, self._finishing(tenant_id, Step.NOTIFY))

    async def examine(self, tenant_id: str) -> Response[Any]:
        """Take step 6: run the doctor, or go on when nothing is red."""
        sent = await self.place.request.form()
        if field(sent, "act") == "run":
            await self.doctor.run(self.scope, tenant_id, self.place.staff.actor, facts=self.place.facts)
            return Redirect(step_url(tenant_id, Step.DOCTOR), status_code=303)
        report = await self.doctor.last(self.scope, tenant_id)
        if report.ran_at is None or report.failed:
            text = _NOT_CHECKED if report.ran_at is None else _STILL_FAILING
            return refused(await self.show(tenant_id, Step.DOCTOR, said=Notice("bad", text)))
        return await self._take(tenant_id, Step.DOCTOR, self._finishing(tenant_id, Step.DOCTOR))

    def _finishing(self, tenant_id: str, step: Step) -> Callable[[StepForm, Any], Awaitable[None]]:
        async def finish(_form: StepForm, _sent: Any) -> None:
            await self.onboarding.finish(await provider_caller(self.place), tenant_id, step, self.place.facts)

        return finish

    async def _take(
        self,
        tenant_id: str,
        step: Step,
        save: Callable[[StepForm, Any], Awaitable[Notice | None]],
    ) -> Response[Any]:
        """Save a step and lead on, to the next step or back to this one; show it again when refused."""
        sent = await self.place.request.form()
        form = read(step, sent)
        try:
            wrong = await save(form, sent)
        except (NotFound, Forbidden):
            raise
        except DomainError as refusal:
            return refused(await self.show(tenant_id, step, form.refused(refusal)), refusal)
        if wrong is not None:
            return refused(await self.show(tenant_id, step, form, wrong))
        if field(sent, "act") != "next":
            return Redirect(step_url(tenant_id, step), status_code=303)
        dossier = await self.onboarding.dossier(self.scope, tenant_id)
        following = next(
            (state.step for state in dossier.steps if state.step > step and not state.skipped), step
        )
        return Redirect(step_url(tenant_id, following), status_code=303)

    # --- beside the steps ----------------------------------------------------------------------------

    async def keep_draft(self, tenant_id: str) -> Response[str]:
        """Keep what is typed; the answer is the line that says when."""
        sent = await self.place.request.form()
        given = field(sent, "step")
        if given not in {str(step.value) for step in Step}:
            await self.onboarding.dossier(self.scope, tenant_id)  # somebody else's is missing, not wrong
            raise InvalidInput(Fault("#/step", "unknown_value", _NO_SUCH_STEP))
        step = Step(int(given))
        form = read(step, sent)
        await self.onboarding.keep_draft(await provider_caller(self.place), tenant_id, step, form.values)
        return page(self.place.request, "onboarding/saved.html", saved_at=self.place.now, auto=True)

    async def tick(self, tenant_id: str) -> Response[Any]:
        """Take the person's word for something that was done on WeChat's side."""
        sent = await self.place.request.form()
        dossier = await self.onboarding.dossier(self.scope, tenant_id)
        known = {task.code: task for task in tasks(dossier, self.settings.public_url)}
        task = known.get(field(sent, "code"))
        if task is None:
            raise InvalidInput(Fault("#/code", "unknown_value", _NO_SUCH_TASK))
        await self.onboarding.tick(
            await provider_caller(self.place),
            tenant_id,
            task,
            done=field(sent, "done") == "yes",
            facts=self.place.facts,
        )
        given = field(sent, "step")
        step = Step(int(given)) if given in {str(one.value) for one in Step} else dossier.next_step
        return Redirect(step_url(tenant_id, step), status_code=303)

    async def issue_link(self, tenant_id: str) -> Response[str]:
        """Make the merchant's link and show it, this once."""
        made = await self.links.issue(await provider_caller(self.place), tenant_id, self.place.facts)
        step = (await self.onboarding.dossier(self.scope, tenant_id)).next_step
        url = f"{self.settings.public_url}/o/{made.token}"
        return await self.show(tenant_id, step, fresh_link=url)

    async def revoke_link(self, tenant_id: str) -> Redirect:
        """Take the merchant's link back."""
        await self.links.revoke(await provider_caller(self.place), tenant_id, self.place.facts)
        return await self.go_on(tenant_id)

    def own(self, tenant_id: str) -> TenantScope:
        return TenantScope(self.scope.provider_id, tenant_id)


def _as_notice(found: DoctorRow) -> Notice:
    """Say what was found and what to do about it."""
    parts = [text for text in (found.cause, found.repair) if text is not None]
    return Notice("bad", Text("".join(text.zh for text in parts), " ".join(text.en for text in parts)))


Wizard = NamedDependency[SkipValidation[WizardDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_wizard_desk(
    place: Work,
    onboarding: NamedDependency[Onboarding],
    onboarding_links: NamedDependency[OnboardingLinks],
    registry: NamedDependency[Registry],
    doctor: NamedDependency[Doctor],
    golive: NamedDependency[GoLive],
    webhooks: NamedDependency[Webhooks],
    webhook_reader: NamedDependency[WebhookReader],
    settings: NamedDependency[SkipValidation[Settings]],
) -> WizardDesk:
    return WizardDesk(
        place, onboarding, onboarding_links, registry, doctor, golive, webhooks, webhook_reader, settings
    )


wizard_desk = Provide(_provide_wizard_desk, sync_to_thread=False)
