"""The endpoint pages of an area: the list, one endpoint with its deliveries, and changes to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect

from spapp.console.frame.choices import tenant_choices
from spapp.console.frame.faults import faults_by_field
from spapp.console.frame.forms import field
from spapp.console.frame.fresh import require_fresh
from spapp.console.frame.telling import tell_others
from spapp.console.frame.workplace import PAGE_SIZE, Notice, Work, Workplace, refused
from spapp.console.webhooks.form import EndpointForm, RangeForm
from spapp.console.webhooks.query import ENDPOINT_TABS, DeliveryQuery, EndpointQuery
from spapp.console.webhooks.views import ANSWER_WORDS, DeliveryLine, EndpointView
from spcore.db.scope import ProviderScope, TenantScope
from spcore.errors import DomainError, Fault, InvalidInput, NotFound, Text
from sptenants.registry.errors import Forbidden
from sptenants.registry.reader import TenantReader
from sptenants.webhooks.endpoints import MAX_DESCRIPTION, EndpointChange, NewEndpoint
from sptenants.webhooks.event_types import EVENT_TYPES
from sptenants.webhooks.rates import Rates, rates_of
from sptenants.webhooks.reader import EndpointFilter, EndpointRow, WebhookReader
from sptenants.webhooks.records import EndpointRecord
from sptenants.webhooks.service import Webhooks


@dataclass(frozen=True, slots=True)
class WebhookDesk:
    place: Workplace
    webhooks: Webhooks
    reader: WebhookReader
    tenants: TenantReader

    @property
    def base(self) -> str:
        return f"{self.place.base}/webhooks"

    # --- list ----------------------------------------------------------------------------------------

    async def show_list(self) -> Response[str]:
        """Answer with the list that the address bar asks for."""
        query = EndpointQuery.parse(self.base, self.place.request.query_params, self.place.now)
        scope = self.place.scope
        try:
            found = await self.reader.endpoint_list(scope, query.to_filter(), PAGE_SIZE, query.cursor)
        except InvalidInput as refusal:
            query = query.first_page(*(fault.text for fault in refusal.faults))
            found = await self.reader.endpoint_list(scope, query.to_filter(), PAGE_SIZE)
        return await self.place.show(
            "webhooks/list.html",
            current=self.base,
            query=query,
            tabs=[(word, query.url(tab=tab), tab is query.tab) for tab, word in ENDPOINT_TABS.items()],
            views=await self._views(found.rows),
            may_add=self.place.rights.onboard,
            shows_tenant=isinstance(scope, ProviderScope),
            next_url=query.next_url(found.next_cursor),
            **await self._choices(query.tenant),
        )

    async def of_tenant(self, tenant_id: str) -> list[EndpointView]:
        """Return the endpoints of one tenant, for its page."""
        wanted = EndpointFilter(tenant_id=tenant_id)
        return await self._views((await self.reader.endpoint_list(self.place.scope, wanted, PAGE_SIZE)).rows)

    async def _views(self, rows: Any) -> list[EndpointView]:
        found: list[EndpointRow] = list(rows)
        endpoints = [row.endpoint for row in found]
        rates = await rates_of(self.place.database, self.place.scope, endpoints, self.place.now)
        rights = self.place.rights
        return [
            EndpointView(row.endpoint, row.tenant_name, rates[row.id], self.base, rights) for row in found
        ]

    # --- one endpoint --------------------------------------------------------------------------------

    async def show_endpoint(
        self,
        endpoint_id: str,
        said: Notice | None = None,
        form: RangeForm | None = None,
    ) -> Response[str]:
        """Answer with one endpoint and its deliveries. Raises NotFound, also for somebody else's (Y3)."""
        view = await self._view(endpoint_id, said)
        endpoint = view.endpoint
        query = DeliveryQuery.parse(view.url, self.place.request.query_params, self.place.now)
        scope, wanted = _own_scope(endpoint), query.to_filter(endpoint.id, endpoint.tenant_id)
        try:
            found = await self.reader.deliveries(scope, wanted, PAGE_SIZE, query.cursor)
        except InvalidInput as refusal:
            query = query.first_page(*(fault.text for fault in refusal.faults))
            found = await self.reader.deliveries(scope, wanted, PAGE_SIZE)
        return await self.place.show(
            "webhooks/page.html",
            current=self.base,
            list_url=self.base,
            view=view,
            endpoint=endpoint,
            query=query,
            lines=[DeliveryLine(row, view.url) for row in found.rows],
            next_url=query.next_url(found.next_cursor),
            types=EVENT_TYPES,
            answers=ANSWER_WORDS,
            form=form or RangeForm(),
            tenants=None,
            providers=None,
        )

    async def _view(self, endpoint_id: str, said: Notice | None = None) -> EndpointView:
        endpoint = await self.reader.endpoint(self.place.scope, endpoint_id)
        tenant = await self.tenants.detail(_own_scope(endpoint), endpoint.tenant_id)
        rates = await rates_of(self.place.database, _own_scope(endpoint), [endpoint], self.place.now)
        return EndpointView(
            endpoint,
            tenant.tenant.name,
            rates.get(endpoint_id, Rates()),
            self.base,
            self.place.rights,
            said,
        )

    async def test(self, endpoint_id: str) -> Response[Any]:
        """Send it an event that means nothing. Raises NotFound, Forbidden."""

        async def done(scope: TenantScope) -> Notice:
            await self.webhooks.test(scope, self.place.staff.actor, endpoint_id, self.place.facts)
            return Notice("ok", _TESTED)

        return await self._act(endpoint_id, done)

    async def set_status(self, endpoint_id: str, status: str) -> Response[Any]:
        """Take it out of use (`disabled`) or back (`active`). Raises NotFound, Forbidden."""

        async def done(scope: TenantScope) -> Notice:
            wanted = EndpointChange({"status": status})
            actor, facts = self.place.staff.actor, self.place.facts
            await self.webhooks.alter(scope, actor, endpoint_id, wanted, facts)
            return Notice("ok", _ACTIVE if status == "active" else _STOPPED)

        return await self._act(endpoint_id, done)

    async def resend_range(self, endpoint_id: str) -> Response[Any]:
        """Send what is finished again, by day. Raises NotFound, Forbidden."""
        form = RangeForm.read(await self.place.request.form())

        async def done(scope: TenantScope) -> Notice:
            wanted = form.wanted(endpoint_id)
            actor, facts = self.place.staff.actor, self.place.facts
            count = await self.webhooks.resend_range(scope, actor, wanted, facts)
            return Notice("ok" if count else "info", _resent(count))

        return await self._act(endpoint_id, done, form)

    async def remove(self, endpoint_id: str) -> Response[Any]:
        """Remove it with its deliveries, once that was ticked. Raises NotFound, Forbidden."""
        sure = field(await self.place.request.form(), "sure")
        endpoint = await self._changeable(endpoint_id)
        if sure != "yes":
            shown = await self.show_endpoint(endpoint_id, Notice("bad", _NOT_SURE))
            return refused(shown)
        scope = _own_scope(endpoint)
        await self.webhooks.remove(scope, self.place.staff.actor, endpoint_id, self.place.facts)
        return Redirect(self.base, status_code=303)

    async def _act(
        self,
        endpoint_id: str,
        do: Callable[[TenantScope], Awaitable[Notice]],
        form: RangeForm | None = None,
    ) -> Response[Any]:
        endpoint = await self._changeable(endpoint_id)

        async def done() -> Notice:
            return await do(_own_scope(endpoint))

        async def shown(notice: Notice | None) -> Response[str]:
            return await self.show_endpoint(endpoint_id, notice, form)

        return await self.place.act(f"{self.base}/{endpoint_id}", done, shown)

    async def _changeable(self, endpoint_id: str) -> EndpointRecord:
        endpoint = await self.reader.endpoint(self.place.scope, endpoint_id)
        self.place.require(self.place.rights.onboard)
        return endpoint

    # --- forms ---------------------------------------------------------------------------------------

    async def show_new(self, form: EndpointForm | None = None) -> Response[str]:
        """Answer with the form that adds an endpoint. Raises Forbidden."""
        self.place.require(self.place.rights.onboard)
        wanted = self.place.request.query_params.get("tenant", "")
        form = form or EndpointForm(tenant_id=self._only_tenant or wanted)
        return await self._show_form(form, f"{self.base}/new", None, asks_code=False)

    async def create(self) -> Response[Any]:
        """Add an endpoint and show its secret this once, or the form again. Raises Forbidden."""
        self.place.require(self.place.rights.onboard)
        form = EndpointForm.read(await self.place.request.form())
        form = replace(form, tenant_id=self._only_tenant or form.tenant_id)
        try:
            made = await self.webhooks.create(
                await self._named_tenant(form.tenant_id),
                self.place.staff.actor,
                form.url,
                event_types=form.wanted_types,
                description=form.wanted_description,
                facts=self.place.facts,
            )
        except Forbidden:
            raise
        except DomainError as refusal:
            again = await self.show_new(replace(form, faults=faults_by_field(refusal)))
            return refused(again, refusal)
        return await self._show_secret(made, rotated=False)

    async def show_edit(self, endpoint_id: str, form: EndpointForm | None = None) -> Response[str]:
        """Answer with the form that changes one. Raises NotFound, Forbidden."""
        endpoint = await self._changeable(endpoint_id)
        url = f"{self.base}/{endpoint_id}/edit"
        asks = self.place.staff.has_second_factor
        return await self._show_form(form or EndpointForm.of(endpoint), url, endpoint, asks_code=asks)

    async def edit(self, endpoint_id: str) -> Response[Any]:
        """Change address, types or description; another address asks for a current code (S12).

        Raises NotFound, Forbidden.
        """
        endpoint = await self._changeable(endpoint_id)
        sent = await self.place.request.form()
        form = EndpointForm.read(sent)
        try:
            if form.url != endpoint.url:
                await require_fresh(self.place, sent, "webhook_url")
            actor, facts = self.place.staff.actor, self.place.facts
            await self.webhooks.alter(_own_scope(endpoint), actor, endpoint_id, form.change(), facts)
        except (NotFound, Forbidden):
            raise
        except DomainError as refusal:
            again = await self.show_edit(endpoint_id, replace(form, faults=faults_by_field(refusal)))
            return refused(again, refusal)
        if form.url != endpoint.url:
            await tell_others(self.place, _MOVED)
        return Redirect(f"{self.base}/{endpoint_id}", status_code=303)

    async def show_rotate(self, endpoint_id: str, refusal: DomainError | None = None) -> Response[str]:
        """Say what changing the secret means. Raises NotFound, Forbidden."""
        endpoint = await self._changeable(endpoint_id)
        return await self.place.show(
            "webhooks/rotate.html",
            current=self.base,
            endpoint=endpoint,
            url=f"{self.base}/{endpoint_id}",
            faults=faults_by_field(refusal) if refusal else {},
            asks_code=self.place.staff.has_second_factor,
        )

    async def rotate(self, endpoint_id: str) -> Response[Any]:
        """Give it another secret and show that this once. Raises NotFound, Forbidden."""
        endpoint = await self._changeable(endpoint_id)
        try:
            await require_fresh(self.place, await self.place.request.form(), "webhook_secret")
        except DomainError as refusal:
            return refused(await self.show_rotate(endpoint_id, refusal), refusal)
        scope, actor = _own_scope(endpoint), self.place.staff.actor
        made = await self.webhooks.rotate_secret(scope, actor, endpoint_id, self.place.facts)
        await tell_others(self.place, _ROTATED)
        return await self._show_secret(made, rotated=True)

    async def _show_form(
        self, form: EndpointForm, url: str, endpoint: EndpointRecord | None, *, asks_code: bool
    ) -> Response[str]:
        return await self.place.show(
            "webhooks/form.html",
            current=self.base,
            form=form,
            url=url,
            endpoint=endpoint,
            back=self.base if endpoint is None else f"{self.base}/{endpoint.id}",
            types=EVENT_TYPES,
            max_description=MAX_DESCRIPTION,
            asks_code=asks_code,
            asks_tenant=endpoint is None and self._only_tenant is None,
            **await self._choices(None),
        )

    async def _show_secret(self, made: NewEndpoint, *, rotated: bool) -> Response[str]:
        return await self.place.show(
            "webhooks/secret.html",
            current=self.base,
            made=made,
            rotated=rotated,
            url=f"{self.base}/{made.id}",
        )

    @property
    def _only_tenant(self) -> str | None:
        scope = self.place.scope
        return scope.tenant_id if isinstance(scope, TenantScope) else None

    async def _named_tenant(self, tenant_id: str) -> TenantScope:
        """Return the tenant that the form names, if it is one of the scope. Raises InvalidInput."""
        try:
            found = await self.tenants.detail(self.place.scope, tenant_id)
        except NotFound:
            raise InvalidInput(Fault("#/tenant_id", "missing", _NO_TENANT)) from None
        return TenantScope(found.tenant.provider_id, found.tenant.id)

    async def _choices(self, chosen: str | None) -> dict[str, Any]:
        scope = self.place.scope
        if not isinstance(scope, ProviderScope):
            return {"tenants": None, "providers": None}
        tenants = await tenant_choices(
            self.place.database, scope, chosen=chosen, provider_id=scope.provider_id
        )
        return {"tenants": tenants.options, "tenant_word": tenants.chosen, "providers": None}


Hooks = NamedDependency[SkipValidation[WebhookDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_webhook_desk(
    place: Work,
    webhooks: NamedDependency[Webhooks],
    webhook_reader: NamedDependency[WebhookReader],
    tenant_reader: NamedDependency[TenantReader],
) -> WebhookDesk:
    return WebhookDesk(place, webhooks, webhook_reader, tenant_reader)


webhook_desk = Provide(_provide_webhook_desk, sync_to_thread=False)


def _own_scope(endpoint: EndpointRecord) -> TenantScope:
    return TenantScope(endpoint.provider_id, endpoint.tenant_id)


def _resent(count: int) -> Text:
    if count == 0:
        return Text("这段时间内没有这种状态的投递。", "There are no such deliveries in these days.")
    return Text(
        f"已安排重发 {count:,} 个投递，新事件仍然优先。",
        f"{count:,} deliveries are being sent again; fresh events still go first.",
    )


_TESTED = Text(
    "测试事件已排队，几秒后在下面的投递中查看结果。",
    "A test event is on its way; look at the deliveries below in a few seconds.",
)
_ACTIVE = Text(
    "已重新启用。停用期间放弃的投递可以按时间段重发。",
    "It is in use again. What was given up meanwhile can be sent again by day.",
)
_STOPPED = Text(
    "已停用：新事件不再发往此地址，未完成的投递已放弃，可在重新启用后重发。",
    "Disabled: no more events are sent there. Open deliveries were given up and can be sent again later.",
)
_NOT_SURE = Text("没有删除：请先勾选确认。", "Not removed: tick the box first.")
_NO_TENANT = Text("请选择特约商户。", "Choose a sub-merchant.")
_MOVED = Text("修改了 Webhook 地址", "changed the address of a webhook")
_ROTATED = Text("更换了 Webhook 密钥", "replaced the secret of a webhook")
