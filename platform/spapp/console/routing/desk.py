"""The page of refusals: notifications, calls of the API, and messages at addresses of nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from spapp.console.analytics.words import REFUSAL
from spapp.console.frame.looking import place_choices, write_down
from spapp.console.frame.words import Chip
from spapp.console.frame.workplace import PAGE_SIZE, Work, Workplace
from spapp.console.notifies.words import RESULT, reason_text
from spapp.console.routing.query import TABS, RoutingQuery, RoutingTab
from spapp.refusals.reader import refusals
from spcore.errors import InvalidInput, Text
from sptenants.analytics.refused import (
    RefusedNotification,
    RefusedResult,
    refused_notifications,
    strays,
)


@dataclass(frozen=True, slots=True)
class _Found:
    query: RoutingQuery
    rows: Sequence[Any]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class NotifyLine:
    """One refused notification as its line shows it."""

    row: RefusedNotification
    chip: Chip
    reason: Text | None


@dataclass(frozen=True, slots=True)
class RoutingDesk:
    place: Workplace

    @property
    def base(self) -> str:
        return f"{self.place.base}/routing"

    async def show(self) -> Response[str]:
        """Answer with the refusals of the tab; the look is written down first."""
        place = self.place
        asked = RoutingQuery.parse(self.base, place.request.query_params, place.now)
        try:
            found = await self._read(asked)
        except InvalidInput as refusal:
            found = await self._read(asked.first_page(*(fault.text for fault in refusal.faults)))
        query = found.query
        await write_down(
            place,
            "routing.viewed",
            "refusal",
            {"tab": query.tab.value, "filter": query.as_facts(), "rows": len(found.rows)},
        )
        return await place.show(
            "routing/list.html",
            current=self.base,
            query=query,
            tabs=[
                (word, query.url(tab=tab, result=None, reason=None), tab is query.tab)
                for tab, word in TABS.items()
            ],
            rows=found.rows,
            next_url=query.next_url(found.next_cursor),
            notify_words={result: RESULT[result.value] for result in RefusedResult},
            refusal_words=REFUSAL,
            **await place_choices(place, query),
        )

    async def _read(self, query: RoutingQuery) -> _Found:
        async with self.place.database.read(self.place.scope) as session:
            if query.tab is RoutingTab.CALLS:
                return _Found(query, await refusals(session, query.calls()))
            if query.tab is RoutingTab.STRAYS:
                return _Found(query, await strays(session))
            cut = query.cut(self.place.scope)
            page = await refused_notifications(session, cut, query.result, PAGE_SIZE, query.cursor)
            lines = [NotifyLine(row, RESULT[row.result.value], reason_text(row.reason)) for row in page.rows]
            return _Found(query, lines, page.next_cursor)


Desk = NamedDependency[SkipValidation[RoutingDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_routing_desk(place: Work) -> RoutingDesk:
    return RoutingDesk(place)


routing_desk = Provide(_provide_routing_desk, sync_to_thread=False)
