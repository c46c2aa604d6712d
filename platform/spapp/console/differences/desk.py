"""The list of differences of an area, one of them, and what a person does about it. One desk a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from spapp.console.differences.query import TABS, DifferenceQuery
from spapp.console.differences.views import DifferenceView
from spapp.console.frame.forms import field
from spapp.console.frame.workplace import PAGE_SIZE, Notice, Work, Workplace
from spapp.web.i18n import N_
from spcore.db.keyset import Page
from spcore.db.scope import ProviderScope
from spcore.errors import InvalidInput, Text
from sptenants.reconciliation.closing import Differences
from sptenants.reconciliation.errors import MAX_NOTE
from sptenants.reconciliation.reader import DifferenceReader
from sptenants.reconciliation.records import DifferenceRecord
from sptenants.reconciliation.words import KIND_WORDS

_CLOSED = Text("已标记为已处理，处理说明已记入操作日志。", "Closed; the note is in the audit log.")
_ASKED = Text(
    "已安排再问一次微信，结果会出现在这里，通常不到一分钟。",
    "WeChat is being asked once more; the result appears here, mostly within a minute.",
)


@dataclass(frozen=True, slots=True)
class DifferenceList:
    """Everything the list shows, read before anything is rendered."""

    query: DifferenceQuery
    page: Page[DifferenceRecord]


@dataclass(frozen=True, slots=True)
class DifferenceDesk:
    place: Workplace
    differences: Differences
    reader: DifferenceReader

    @property
    def base(self) -> str:
        return f"{self.place.base}/differences"

    async def read_list(self) -> DifferenceList:
        """Read the list that the address bar asks for; a cursor that is not ours leads to the first page."""
        query = DifferenceQuery.parse(self.base, self.place.request.query_params, self.place.now)
        try:
            found = await self.reader.list(self.place.scope, query.to_filter(), PAGE_SIZE, query.cursor)
        except InvalidInput as refusal:
            query = query.first_page(*(fault.text for fault in refusal.faults))
            found = await self.reader.list(self.place.scope, query.to_filter(), PAGE_SIZE)
        return DifferenceList(query, found)

    async def show_list(self, shown: DifferenceList, **choices: Any) -> Response[str]:
        """Answer with the list. `choices` are the options of the tenant and provider filters."""
        query = shown.query
        return await self.place.show(
            "differences/list.html",
            heading=N_("对账差异"),
            current=self.base,
            place=self.place,
            query=query,
            filter=query.url().partition("?")[2],
            tabs=[(word, query.url(tab=tab), tab is query.tab) for tab, word in TABS.items()],
            kinds=KIND_WORDS.items(),
            rows=[DifferenceView(self.place, difference) for difference in shown.page.rows],
            next_url=query.next_url(shown.page.next_cursor),
            **({"tenants": None, "providers": None} | choices),
        )

    async def view(self, difference_id: str, said: Notice | None = None, note: str = "") -> DifferenceView:
        """Read one difference. Raises NotFound, also for somebody else's (rule Y3)."""
        return DifferenceView(self.place, await self._record(difference_id), said, note)

    async def show_difference(self, view: DifferenceView) -> Response[str]:
        """Answer with the part for the drawer when htmx asks, else with the whole page."""
        return await self.place.show_detail(
            "differences/detail.html",
            "differences/page.html",
            view=view,
            difference=view.difference,
            max_note=MAX_NOTE,
            heading=N_("对账差异"),
            list_url=self.base,
            current=self.base,
        )

    async def close(self, difference_id: str) -> Response[Any]:
        """Take it off the list, with a note of what was done. Raises NotFound."""
        scope = _own_scope(await self._record(difference_id))
        note = field(await self.place.request.form(), "note").strip()

        async def done() -> Notice:
            await self.differences.close(scope, difference_id, self.place.staff.actor, note, self.place.facts)
            return Notice("ok", _CLOSED)

        return await self._act(difference_id, done, note)

    async def ask_again(self, difference_id: str) -> Response[Any]:
        """Have WeChat asked at once. Raises NotFound."""
        scope = _own_scope(await self._record(difference_id))

        async def done() -> Notice:
            await self.differences.ask_again(scope, difference_id, self.place.staff.actor, self.place.facts)
            return Notice("info", _ASKED)

        return await self._act(difference_id, done)

    async def _record(self, difference_id: str) -> DifferenceRecord:
        return await self.reader.record(self.place.scope, difference_id)

    async def _act(
        self, difference_id: str, done: Callable[[], Awaitable[Notice]], note: str = ""
    ) -> Response[Any]:
        async def shown(notice: Notice | None) -> Response[str]:
            kept = note if notice is not None and notice.tone == "bad" else ""
            return await self.show_difference(await self.view(difference_id, notice, kept))

        return await self.place.act(f"{self.base}/{difference_id}", done, shown)


Differing = NamedDependency[SkipValidation[DifferenceDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_difference_desk(
    place: Work,
    differences: NamedDependency[Differences],
    difference_reader: NamedDependency[DifferenceReader],
) -> DifferenceDesk:
    return DifferenceDesk(place, differences, difference_reader)


def _own_scope(difference: DifferenceRecord) -> ProviderScope:
    return ProviderScope(difference.provider_id)


difference_desk = Provide(_provide_difference_desk, sync_to_thread=False)
