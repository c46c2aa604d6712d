"""The tour that is walked where row-level security stands behind the pages leaves none of them out."""

from __future__ import annotations

import re

from tests.conftest import HeldClock
from tests.support import tour
from tests.support.shop import Shop
from tests.support.visitor import site

from spapp.web import guards
from spapp.web.guards import PAGE_AREAS


def test_every_page_is_on_the_tour(database_url: str, clock: HeldClock, shop: Shop) -> None:
    stops = [*tour.of_provider(shop), *tour.of_merchant(shop), *tour.of_platform(shop)]
    walked = {path.partition("?")[0] for path, _words in stops}
    pages = {
        route.path
        for route in guards.routes(site(database_url, clock))
        if route.area in PAGE_AREAS and route.method == "GET"
    }
    left_out = {page for page in pages if not any(_is_at(path, page) for path in walked)}
    assert left_out == set(tour.NO_STOPS)


def _is_at(path: str, page: str) -> bool:
    """Whether the address is one of this page: routes name ids, days, a price's code, kinds of keys."""
    named = r"(?:[a-z]+_[0-9A-Z]{26}|latte|[0-9]{4}-[0-9]{2}-[0-9]{2}|[a-z0-9-]*(?:-key|certificate))"
    return re.fullmatch(re.sub(r"\{\w+\}", named, page), path) is not None
