"""Saving the filter of a list under a name, and the page on which people tidy up what they saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect

from spapp.console.frame.faults import faults_by_field
from spapp.console.frame.forms import field
from spapp.console.frame.list_query import ListQuery
from spapp.console.frame.workplace import Work, Workplace, refused
from spapp.console.orders.query import OrderQuery
from spapp.console.refunds.query import RefundQuery
from spapp.console.saved_views.service import MAX_NAME, ListName, SavedViews, View
from spapp.console.saved_views.shelf import filter_part
from spapp.web.i18n import N_
from spcore.errors import InvalidInput, NotFound, Text

_WORDS: dict[ListName, str] = {"orders": N_("支付订单"), "refunds": N_("退款")}


@dataclass(frozen=True, slots=True)
class Group:
    """The views of one list with their addresses."""

    word: str
    views: tuple[tuple[View, str], ...]


@dataclass(frozen=True, slots=True)
class Typed:
    """What a refused form held: `id` is the view to rename, empty when one was to be saved."""

    id: str
    list: ListName
    name: str
    query: str
    faults: Mapping[str, Text]


@dataclass(frozen=True, slots=True)
class ViewsDesk:
    place: Workplace
    saved_views: SavedViews

    @property
    def base(self) -> str:
        return f"{self.place.base}/views"

    async def show(self, typed: Typed | None = None) -> Response[str]:
        """Answer with the page; `typed` is a form that was refused."""
        views = await self.saved_views.of(self.place.staff)
        groups = [
            Group(word, tuple((view, self._url(view)) for view in views if view.list == name))
            for name, word in _WORDS.items()
        ]
        return await self.place.show(
            "saved_views/page.html",
            current=self.base,
            base=self.base,
            orders_url=self.place.orders,
            groups=[group for group in groups if group.views],
            typed=typed,
            max_name=MAX_NAME,
        )

    async def save(self) -> Response[Any]:
        """Save the filter of a list and lead back to it. Raises NotFound for a list that is none."""
        form = await self.place.request.form()
        list_, name = self._list(field(form, "list")), field(form, "name")
        # Read and written anew, so that only what the list understands is kept.
        query = filter_part(self._read(list_, field(form, "query")))
        try:
            await self.saved_views.save(self.place.staff, list_, name, query)
        except InvalidInput as refusal:
            return refused(await self.show(Typed("", list_, name, query, faults_by_field(refusal))))
        return Redirect(f"{self._list_url(list_)}?{query}", status_code=303)

    async def rename(self) -> Response[Any]:
        """Rename a view. Raises NotFound, also for somebody else's."""
        form = await self.place.request.form()
        view_id, name = field(form, "view"), field(form, "name")
        try:
            await self.saved_views.rename(self.place.staff, view_id, name)
        except InvalidInput as refusal:
            views = await self.saved_views.of(self.place.staff)
            view = next((view for view in views if view.id == view_id), None)
            if view is None:
                raise NotFound from refusal
            typed = Typed(view.id, view.list, name, view.query, faults_by_field(refusal))
            return refused(await self.show(typed))
        return Redirect(self.base, status_code=303)

    async def remove(self) -> Response[Any]:
        """Delete a view. Raises NotFound, also for somebody else's."""
        await self.saved_views.remove(self.place.staff, field(await self.place.request.form(), "view"))
        return Redirect(self.base, status_code=303)

    def _list(self, name: str) -> ListName:
        if name not in _WORDS or (name == "refunds" and not self.place.rights.refund_pages):
            raise NotFound
        return name

    def _list_url(self, list_: ListName) -> str:
        return self.place.orders if list_ == "orders" else f"{self.place.base}/refunds"

    def _url(self, view: View) -> str:
        return f"{self._list_url(view.list)}?{view.query}"

    def _read(self, list_: ListName, query: str) -> ListQuery:
        given, now = dict(parse_qsl(query)), self.place.now
        base = self._list_url(list_)
        return (
            OrderQuery.parse(base, given, now) if list_ == "orders" else RefundQuery.parse(base, given, now)
        )


Views = NamedDependency[SkipValidation[ViewsDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_views_desk(place: Work, saved_views: NamedDependency[SavedViews]) -> ViewsDesk:
    return ViewsDesk(place, saved_views)


views_desk = Provide(_provide_views_desk, sync_to_thread=False)
