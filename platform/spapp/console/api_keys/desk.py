"""The key pages of an area: the list, making a key and ending one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from spapp.console.api_keys.form import OWN, KeyForm
from spapp.console.api_keys.query import TABS, KeyQuery, KeyTab
from spapp.console.api_keys.views import KeyLine, right_choices
from spapp.console.frame.choices import tenant_choices
from spapp.console.frame.faults import faults_by_field
from spapp.console.frame.fresh import require_fresh
from spapp.console.frame.telling import tell_others
from spapp.console.frame.workplace import PAGE_SIZE, Notice, Work, Workplace, refused
from spcore.db.scope import ProviderScope, TenantScope
from spcore.errors import DomainError, InvalidInput, NotFound, Text
from sptenants.registry.api_keys import IssuedKey
from sptenants.registry.errors import Forbidden
from sptenants.registry.key_service import ApiKeys, KeyFilter, KeyRow

_ENDED_BEFORE = Text("这个密钥此前已经吊销。", "This key had been revoked before.")
_REVOKED = Text(
    "已吊销：使用它的请求从现在起会被拒绝。", "Revoked: requests with it are refused from now on."
)


@dataclass(frozen=True, slots=True)
class KeyDesk:
    place: Workplace
    keys: ApiKeys

    @property
    def base(self) -> str:
        return f"{self.place.base}/api-keys"

    @property
    def scope(self) -> ProviderScope | TenantScope:
        scope = self.place.scope
        if isinstance(scope, ProviderScope | TenantScope):
            return scope
        raise RuntimeError("the platform's area has no key pages")

    async def show_list(self, said: Notice | None = None) -> Response[str]:
        """Answer with the list that the address bar asks for."""
        query = KeyQuery.parse(self.base, self.place.request.query_params, self.place.now)
        try:
            found = await self.keys.list(self.scope, query.to_filter(), PAGE_SIZE, query.cursor)
        except InvalidInput as refusal:
            query = query.first_page(*(fault.text for fault in refusal.faults))
            found = await self.keys.list(self.scope, query.to_filter(), PAGE_SIZE)
        of_provider = isinstance(self.scope, ProviderScope)
        return await self.place.show(
            "api_keys/list.html",
            current=self.base,
            query=query,
            said=said,
            tabs=[
                (word, query.url(tab=tab), tab is query.tab)
                for tab, word in TABS.items()
                if of_provider or tab is not KeyTab.OWN
            ],
            lines=[self.line(row) for row in found.rows],
            may_create=self.place.rights.own,
            shows_owner=of_provider,
            next_url=query.next_url(found.next_cursor),
            **await self._choices(query.tenant),
        )

    def line(self, row: KeyRow) -> KeyLine:
        return KeyLine(row, self.base, self.place.rights.own)

    async def of_tenant(self, tenant_id: str) -> list[KeyLine]:
        """Return the newest keys of one tenant, for its page."""
        found = await self.keys.list(self.scope, KeyFilter(tenant_id=tenant_id), PAGE_SIZE)
        return [self.line(row) for row in found.rows]

    async def show_form(self, form: KeyForm | None = None) -> Response[str]:
        """Answer with the form. Raises Forbidden for whoever may not make keys."""
        self.place.require(self.place.rights.own)
        wanted = self.place.request.query_params.get("tenant", "")
        form = form or KeyForm(owner=self._only_owner or wanted)
        return await self.place.show(
            "api_keys/form.html",
            current=self.base,
            form=form,
            own=OWN,
            of_provider=self._only_owner is None,
            choices=right_choices(form.rights, of_provider=self._only_owner is None),
            asks_code=self.place.staff.has_second_factor,
            **await self._choices(None),
        )

    async def create(self) -> Response[Any]:
        """Make the key and show it this once, or the form again with what was wrong.

        The answer is not a redirect: what is shown is stored nowhere. Sending the form again is refused, the
        name is taken then.
        """
        self.place.require(self.place.rights.own)
        sent = await self.place.request.form()
        form = KeyForm.read(sent)
        if self._only_owner is not None:
            form = replace(form, owner=self._only_owner)
        try:
            limits = form.limits()
            await self.keys.check(self.scope, form.tenant_id, form.name, self.place.staff.actor, limits)
            await require_fresh(self.place, sent, "api_key")
            made = await self.keys.create(
                self.scope,
                form.tenant_id,
                form.name,
                self.place.staff.actor,
                limits=limits,
                facts=self.place.facts,
            )
        except (NotFound, Forbidden):
            raise
        except DomainError as refusal:
            shown = await self.show_form(replace(form, faults=faults_by_field(refusal)))
            return refused(shown, refusal)
        await tell_others(self.place, Text(f"创建了 API 密钥 {form.name}", f"made the API key {form.name}"))
        return await self._show_made(made)

    async def revoke(self, key_id: str) -> Response[Any]:
        """End a key; one that has ended stays so. Raises NotFound, and Forbidden."""
        row = await self.keys.key(self.scope, key_id)
        self.place.require(self.place.rights.own)

        async def done() -> Notice:
            if row.revoked_at is not None:
                return Notice("info", _ENDED_BEFORE)
            await self.keys.revoke(self.scope, key_id, self.place.staff.actor, self.place.facts)
            return Notice("ok", _REVOKED)

        return await self.place.act(self.base, done, self.show_list)

    async def _show_made(self, made: IssuedKey) -> Response[str]:
        row = await self.keys.key(self.scope, made.id)
        return await self.place.show(
            "api_keys/made.html",
            current=self.base,
            line=self.line(row),
            secret=made.secret,
            list_url=self.base,
        )

    @property
    def _only_owner(self) -> str | None:
        """A merchant makes keys of their own tenant and chooses nothing."""
        return self.scope.tenant_id if isinstance(self.scope, TenantScope) else None

    async def _choices(self, chosen: str | None) -> dict[str, Any]:
        if not isinstance(self.scope, ProviderScope):
            return {"tenants": None, "providers": None}
        tenants = await tenant_choices(
            self.place.database, self.scope, chosen=chosen, provider_id=self.scope.provider_id
        )
        return {"tenants": tenants.options, "tenant_word": tenants.chosen, "providers": None}


Keys = NamedDependency[SkipValidation[KeyDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_key_desk(place: Work, api_keys: NamedDependency[ApiKeys]) -> KeyDesk:
    return KeyDesk(place, api_keys)


key_desk = Provide(_provide_key_desk, sync_to_thread=False)
