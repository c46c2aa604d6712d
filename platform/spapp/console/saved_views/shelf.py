"""The saved views of a list, as they stand above it."""

from __future__ import annotations

from dataclasses import dataclass

from spapp.console.frame.list_query import ListQuery
from spapp.console.frame.workplace import Workplace
from spapp.console.saved_views.service import MAX_NAME, ListName, SavedViews


@dataclass(frozen=True, slots=True)
class ViewLink:
    name: str
    url: str
    active: bool


@dataclass(frozen=True, slots=True)
class Shelf:
    """`query` is the present filter, to be saved; empty when the list shows everything anyway."""

    list: ListName
    url: str
    links: tuple[ViewLink, ...]
    query: str
    max_name: int = MAX_NAME


async def shelf_of(place: Workplace, saved_views: SavedViews, list_: ListName, query: ListQuery) -> Shelf:
    """Return what a list shows of the person's views."""
    now = filter_part(query)
    links = [
        ViewLink(view.name, f"{query.base}?{view.query}", view.query == now)
        for view in await saved_views.of(place.staff, list_)
    ]
    return Shelf(list_, f"{place.base}/views", tuple(links), now)


def filter_part(query: ListQuery) -> str:
    """Return what the list's address says of its filter, without the place in the list."""
    return query.url().partition("?")[2]
