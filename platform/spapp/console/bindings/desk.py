"""The binding list, one binding, and what a person does about it. One desk a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect

from spapp.console.bindings.query import TABS, BindingQuery
from spapp.console.bindings.views import LEVEL, BindingView, BoundLine, HistoryLine, grouped
from spapp.console.frame.callers import provider_caller
from spapp.console.frame.choices import tenant_choices
from spapp.console.frame.faults import faults_by_field
from spapp.console.frame.forms import field
from spapp.console.frame.places import provider_scope
from spapp.console.frame.workplace import PAGE_SIZE, Notice, Work, Workplace
from spapp.web.redirects import own_path
from spcore.db.scope import ProviderScope
from spcore.errors import Fault, InvalidInput, Text
from spcore.settings import Settings
from sptenants.doctor.rows import DoctorReport, DoctorRow, Level
from sptenants.doctor.service import Doctor
from sptenants.onboarding.service import Onboarding
from sptenants.onboarding.tasks import tasks
from sptenants.registry.binding_list import BindingReader, BoundRow
from sptenants.registry.errors import StateConflict
from sptenants.registry.ledger import history
from sptenants.registry.rules import AppKind
from sptenants.registry.service import Registry
from sptenants.registry.wechat_side import binding_tick

BASE = "/console/bindings"
_HISTORY = 20

_NOT_SAVED = Text("没有保存：请更正标出的内容。", "Nothing was saved: put right what is marked.")
_REFUSED = Text("微信不接受这个 AppSecret，请核对后重新填写。", "WeChat refuses this AppSecret; check it.")
_CHANGED = Text("已保存。", "Saved.")
_REPLACED = Text(
    "已更换 AppSecret：旧的已作废，新的从现在起使用。", "The AppSecret was replaced; the new one is in use."
)
_SAME = Text("与已保存的相同，没有变化。", "It is the one that is stored; nothing changed.")
_CHECKED = Text("已检查：结果见下面各项。", "Checked; the results stand below.")
_WRONG_NAME = Text(
    "没有解除绑定：请完整输入下面的 AppID 以确认。", "Nothing was removed: type the whole appid to confirm."
)


@dataclass(frozen=True, slots=True)
class BindingDesk:
    place: Workplace
    reader: BindingReader
    registry: Registry
    doctor: Doctor
    onboarding: Onboarding
    settings: Settings

    @property
    def scope(self) -> ProviderScope:
        return provider_scope(self.place.staff)

    async def show_list(self) -> Response[str]:
        """Answer with the list that the address bar asks for."""
        query = BindingQuery.parse(BASE, self.place.request.query_params, self.place.now)
        try:
            rows, following = await self.reader.list(self.scope, query.to_filter(), PAGE_SIZE, query.after)
        except InvalidInput as refusal:
            query = query.first_page(*(fault.text for fault in refusal.faults))
            rows, following = await self.reader.list(self.scope, query.to_filter(), PAGE_SIZE)
        counts = await self.reader.counts(self.scope)
        tenants = await tenant_choices(
            self.place.database, self.scope, chosen=query.tenant, provider_id=self.scope.provider_id
        )
        return await self.place.show(
            "bindings/list.html",
            current=BASE,
            query=query,
            tabs=[
                (word, query.url(tab=tab), tab is query.tab, counts.get(tab.value))
                for tab, word in TABS.items()
            ],
            kinds=list(AppKind),
            groups=grouped(await self._lines(rows)),
            shown=len(rows),
            next_url=query.following(following),
            tenants=tenants.options,
            tenant_word=tenants.chosen,
            providers=None,
        )

    async def _lines(self, rows: Sequence[BoundRow]) -> list[BoundLine]:
        reports = {
            tenant_id: await self.doctor.last(self.scope, tenant_id)
            for tenant_id in {row.tenant_id for row in rows}
        }
        return [BoundLine(row, _checked_at(_about(reports[row.tenant_id], row.binding.id))) for row in rows]

    async def view(
        self, binding_id: str, said: Notice | None = None, typed: dict[str, str] | None = None
    ) -> BindingView:
        """Read one binding. Raises NotFound, also for somebody else's (Y3)."""
        bound = await self.reader.one(self.scope, binding_id)
        dossier = await self.onboarding.dossier(self.scope, bound.tenant_id)
        found = {task.code: task for task in tasks(dossier, self.settings.public_url)}
        async with self.place.database.read(bound.scope) as session:
            entries = await history(session, bound.scope, binding_id=binding_id, limit=_HISTORY)
        back = own_path(
            self.place.request.query_params.get("back"), f"/console/tenants/{bound.tenant_id}?tab=bindings"
        )
        return BindingView(
            bound=bound,
            rights=self.place.rights,
            findings=_about(await self.doctor.last(self.scope, bound.tenant_id), binding_id),
            history=tuple(HistoryLine(entry) for entry in entries),
            task=found.get(binding_tick(binding_id)),
            said=said,
            typed=typed or {},
            back=back,
        )

    async def show(self, view: BindingView) -> Response[str]:
        """Answer with the part for the drawer when htmx asks, else with the whole page."""
        return await self.place.show_detail(
            "bindings/detail.html",
            "bindings/page.html",
            view=view,
            bound=view.bound,
            binding=view.bound.binding,
            levels=LEVEL,
            list_url=BASE,
            current=BASE,
        )

    async def check(self, binding_id: str) -> Response[Any]:
        """Ask WeChat again about the binding's tenant."""
        bound = await self.reader.one(self.scope, binding_id)

        async def done() -> Notice:
            await self.doctor.run(self.scope, bound.tenant_id, self.place.staff.actor, facts=self.place.facts)
            return Notice("info", _CHECKED)

        return await self._act(binding_id, done)

    async def rename(self, binding_id: str) -> Response[Any]:
        """Call the app something else, or correct whose it is."""
        bound = await self.reader.one(self.scope, binding_id)
        sent = await self.place.request.form()
        typed = {"name": field(sent, "name").strip(), "owner": field(sent, "owner")}

        async def done() -> Notice:
            await self.registry.amend_binding(
                await provider_caller(self.place),
                bound.tenant_id,
                binding_id,
                name=typed["name"] or None,
                owner=typed["owner"],
                facts=self.place.facts,
            )
            return Notice("ok", _CHANGED)

        return await self._act(binding_id, done, typed)

    async def replace_secret(self, binding_id: str) -> Response[Any]:
        """Store another AppSecret, after asking WeChat whether it is right."""
        bound = await self.reader.one(self.scope, binding_id)
        secret = field(await self.place.request.form(), "app_secret").strip()

        async def done() -> Notice:
            caller = await provider_caller(self.place)
            appid = bound.binding.sub_appid
            found = await self.doctor.probe_secret(self.scope, appid, secret) if secret else None
            if found is not None and found.level is Level.FAIL:
                raise InvalidInput(Fault("#/app_secret", "refused", found.cause or _REFUSED))
            changed = await self.registry.replace_secret(
                caller, bound.tenant_id, binding_id, secret, self.place.facts
            )
            return Notice("ok", _REPLACED) if changed else Notice("info", _SAME)

        return await self._act(binding_id, done)

    async def remove(self, binding_id: str) -> Response[Any]:
        """Unbind the appid, once it was typed for confirmation, and go back to where the person came from."""
        bound = await self.reader.one(self.scope, binding_id)
        sent = await self.place.request.form()
        if field(sent, "confirm").strip() != bound.binding.sub_appid:
            answer = await self.show(await self.view(binding_id, Notice("bad", _WRONG_NAME)))
            answer.status_code = 422
            return answer
        await self.registry.remove_binding(
            await provider_caller(self.place), bound.tenant_id, binding_id, self.place.facts
        )
        back = own_path(field(sent, "back"), f"/console/tenants/{bound.tenant_id}?tab=bindings")
        if self.place.wants_part:
            return Response(b"", status_code=204, headers={"HX-Redirect": back})
        return Redirect(back, status_code=303)

    async def _act(
        self, binding_id: str, done: Callable[[], Awaitable[Notice]], typed: dict[str, str] | None = None
    ) -> Response[Any]:
        """Do it and show the binding as it is then, or with what was wrong at the fields it is about."""
        faults: dict[str, Text] = {}

        async def tried() -> Notice:
            try:
                return await done()
            except InvalidInput as refusal:
                faults.update(faults_by_field(refusal))
                raise StateConflict(_NOT_SAVED) from None

        async def shown(notice: Notice | None) -> Response[str]:
            kept = typed if notice is not None and notice.tone == "bad" else None
            return await self.show(replace(await self.view(binding_id, notice, kept), faults=faults))

        return await self.place.act(f"{BASE}/{binding_id}", tried, shown)


def _about(report: DoctorReport, binding_id: str) -> tuple[DoctorRow, ...]:
    return tuple(row for row in report.rows if row.binding_id == binding_id)


def _checked_at(found: Sequence[DoctorRow]) -> datetime | None:
    return max((row.checked_at for row in found if row.checked_at is not None), default=None)


Bound = NamedDependency[SkipValidation[BindingDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_binding_desk(
    place: Work,
    binding_reader: NamedDependency[BindingReader],
    registry: NamedDependency[Registry],
    doctor: NamedDependency[Doctor],
    onboarding: NamedDependency[Onboarding],
    settings: NamedDependency[SkipValidation[Settings]],
) -> BindingDesk:
    return BindingDesk(place, binding_reader, registry, doctor, onboarding, settings)


binding_desk = Provide(_provide_binding_desk, sync_to_thread=False)
