"""The journal's pages: the list, one notification, and applying one anew. One desk a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from sqlalchemy import select

from spapp.console.frame.choices import tenant_choices
from spapp.console.frame.forms import field
from spapp.console.frame.fresh import require_fresh
from spapp.console.frame.places import provider_scope
from spapp.console.frame.telling import tell_others
from spapp.console.frame.workplace import PAGE_SIZE, Notice, Work, Workplace, refused
from spapp.console.notifies.export import as_text
from spapp.console.notifies.query import TABS, NotifyQuery
from spapp.console.notifies.views import NotifyLine, NotifyView, PreviewView
from spapp.console.notifies.words import KIND, meaning_of
from spapp.web.i18n import N_
from spcore.audit.writer import Act, record
from spcore.errors import DomainError, InvalidInput, NotFound, Text
from spcore.providers.models import Provider
from spcore.settings import Settings
from sptenants.notify.contents import Contents
from sptenants.notify.errors import MAX_REASON, reason_given
from sptenants.notify.journal import Finding
from sptenants.notify.reader import NotificationReader
from sptenants.notify.records import NotificationRecord
from sptenants.notify.replay import Replays
from sptenants.registry.errors import Forbidden
from sptenants.registry.models import Tenant
from sptenants.registry.notify_paths import notify_urls

_MOST_ADDRESSES = 5


@dataclass(frozen=True, slots=True)
class Address:
    """Where WeChat sends a sub-merchant's notifications."""

    tenant_name: str
    payment: str
    refund: str


@dataclass(frozen=True, slots=True)
class NotifyDesk:
    place: Workplace
    reader: NotificationReader
    replays: Replays
    contents: Contents
    public_url: str
    current: str
    """The menu's page: in the platform's area notifications have none of their own."""

    @property
    def base(self) -> str:
        return f"{self.place.base}/notifies"

    async def show_list(self) -> Response[str]:
        """Answer with the list that the address bar asks for; a foreign cursor leads to the first page."""
        query = NotifyQuery.parse(self.base, self.place.request.query_params, self.place.now)
        try:
            found = await self.reader.list(self.place.scope, query.to_filter(), PAGE_SIZE, query.cursor)
        except InvalidInput as refusal:
            query = query.first_page(*(fault.text for fault in refusal.faults))
            found = await self.reader.list(self.place.scope, query.to_filter(), PAGE_SIZE)
        scope = provider_scope(self.place.staff)
        tenants = await tenant_choices(
            self.place.database, scope, chosen=query.tenant, provider_id=scope.provider_id
        )
        return await self.place.show(
            "notifies/list.html",
            heading=N_("支付通知"),
            current=self.current,
            query=query,
            tabs=[(word, query.url(tab=tab), tab is query.tab) for tab, word in TABS.items()],
            kinds=KIND,
            lines=[NotifyLine.of(row, self.place) for row in found.rows],
            addresses=() if found.rows else await self._addresses(query.tenant),
            next_url=query.next_url(found.next_cursor),
            tenants=tenants.options,
            tenant_word=tenants.chosen,
            providers=None,
        )

    async def show_notification(self, notification_id: str) -> Response[str]:
        """Answer with one notification. Raises NotFound, also for somebody else's (rule Y3)."""
        return await self.show(await self.read(notification_id))

    async def read(self, notification_id: str) -> NotificationRecord:
        return await self.reader.record(self.place.scope, notification_id)

    async def show(
        self,
        record: NotificationRecord,
        said: Notice | None = None,
        preview: PreviewView | None = None,
        reason: str = "",
    ) -> Response[str]:
        """Answer with the part for the drawer when htmx asks, else with the whole page.

        What was encrypted is for the people of the provider; the platform's see what was sent.
        """
        inside = None if self.place.base == "/admin" else await self.contents.of(record)
        return await self.place.show_detail(
            "notifies/detail.html",
            "notifies/page.html",
            view=NotifyView(self.place, record, said, preview, reason, inside),
            row=record.row,
            max_reason=MAX_REASON,
            heading=N_("支付通知"),
            list_url=self.current,
            current=self.current,
        )

    async def preview(self, notification_id: str) -> Response[str]:
        """Show what a replay would do now, without doing it. Raises NotFound and Forbidden."""
        kept = await self.read(notification_id)
        self.place.require(self.place.rights.onboard)
        try:
            shown = await self._preview(kept)
        except DomainError as refusal:
            return refused(await self.show(kept, Notice("bad", refusal.text)), refusal)
        return await self.show(kept, preview=shown)

    async def apply(self, notification_id: str) -> Response[Any]:
        """Let the message take effect, with a reason and a fresh code. Raises NotFound and Forbidden."""
        kept = await self.read(notification_id)
        self.place.require(self.place.rights.onboard)
        form = await self.place.request.form()
        reason = field(form, "reason").strip()

        async def done() -> Notice:
            reason_given(reason)
            await require_fresh(self.place, form, "replay")
            scope, actor = kept.scope, self.place.staff.actor
            replayed = await self.replays.apply(scope, notification_id, actor, reason, self.place.facts)
            await tell_others(self.place, _REPLAYED)
            return _told(replayed)

        async def shown(notice: Notice | None) -> Response[str]:
            if notice is None or notice.tone != "bad":
                return await self.show(await self.read(notification_id), notice)
            return await self.show(kept, notice, await self._preview_or_none(kept), reason)

        return await self.place.act(f"{self.base}/{notification_id}", done, shown)

    async def export(self, notification_id: str) -> Response[str]:
        """Answer with a text for support; audited before it leaves. Raises NotFound and Forbidden."""
        kept = await self.read(notification_id)
        self.place.require(self.place.rights.sync)
        facts = self.place.facts
        act = Act(
            actor=self.place.staff.actor,
            action="notification.exported",
            object_kind="notification",
            object_id=notification_id,
            tenant_id=kept.scope.tenant_id,
            request_id=facts.request_id,
            peer=facts.peer,
        )
        async with self.place.database.write(kept.scope) as session:
            await record(session, kept.scope.provider_id, act, self.place.now)
        return Response(
            as_text(NotifyView(self.place, kept)),
            media_type="text/plain; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{notification_id}.txt"',
                "Cache-Control": "no-store",
            },
        )

    async def _preview(self, kept: NotificationRecord) -> PreviewView:
        return PreviewView(await self.replays.preview(kept.scope, kept.row.id), kept.row.kind)

    async def _preview_or_none(self, kept: NotificationRecord) -> PreviewView | None:
        try:
            return await self._preview(kept)
        except (NotFound, Forbidden):
            raise
        except DomainError:
            return None

    async def _addresses(self, tenant_id: str | None) -> tuple[Address, ...]:
        """Return where notifications are expected, for a list that is empty because none came."""
        scope = provider_scope(self.place.staff)
        query = (
            select(Tenant.name, Tenant.route_key, Provider.api_version)
            .join(Provider, Provider.id == Tenant.provider_id)
            .where(Tenant.provider_id == scope.provider_id)
            .order_by(Tenant.id.desc())
            .limit(_MOST_ADDRESSES)
        )
        if tenant_id is not None:
            query = query.where(Tenant.id == tenant_id)
        async with self.place.database.read(scope) as session:
            rows = (await session.execute(query)).all()
        urls = [(name, notify_urls(self.public_url, route_key)[version]) for name, route_key, version in rows]
        return tuple(Address(name, each["payment"], each["refund"]) for name, each in urls)


Journal = NamedDependency[SkipValidation[NotifyDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_notify_desk(
    place: Work,
    notifications: NamedDependency[NotificationReader],
    replays: NamedDependency[Replays],
    notify_contents: NamedDependency[Contents],
    settings: NamedDependency[Settings],
) -> NotifyDesk:
    current = "/admin/routing" if place.base == "/admin" else f"{place.base}/notifies"
    return NotifyDesk(place, notifications, replays, notify_contents, settings.public_url, current)


notify_desk = Provide(_provide_notify_desk, sync_to_thread=False)


_REPLAYED = Text("重新处理了一条支付通知", "replayed a notification")


def _told(finding: Finding) -> Notice:
    meaning = meaning_of(finding.result)
    done = finding.result in ("processed", "duplicate")
    return Notice("ok" if done else "wait", Text(f"已重新处理：{meaning.zh}", f"Replayed. {meaning.en}"))
