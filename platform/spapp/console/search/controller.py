"""`/search`: one address for everybody; what it finds is what the person's role may see."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.response import Redirect

from spapp.console.frame.looking import write_down
from spapp.console.frame.places import any_place
from spapp.console.frame.workplace import Work
from spapp.console.search.views import groups_of, url_of
from spapp.web.guards import STAFF_ROLES
from spcore.db.scope import PlatformScope
from sptenants.registry.access import access
from sptenants.search.reader import MAX_LENGTH, MOST, Found, SearchReader


class SearchPage(Controller):
    path = "/search"
    opt = access("console", *sorted(STAFF_ROLES))
    dependencies = {"place": any_place}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def search(self, place: Work, search_reader: NamedDependency[SearchReader]) -> Response[Any]:
        """Lead to the one thing that is called exactly so, or list what there is."""
        typed = place.request.query_params.get("q", "").strip()
        usable = 0 < len(typed) <= MAX_LENGTH and "\0" not in typed
        found = await search_reader.search(place.scope, typed) if usable else Found((), exact=False)
        if usable and isinstance(place.scope, PlatformScope):
            await write_down(place, "search.made", "search", {"q": typed, "rows": len(found.hits)})
        if found.exact and len(found.hits) == 1:
            return Redirect(url_of(place, found.hits[0]), status_code=303)
        return await place.show(
            "search/page.html",
            current="/search",
            typed=typed[:MAX_LENGTH] if "\0" not in typed else "",
            searched=typed[:MAX_LENGTH] if "\0" not in typed else "",
            usable=usable,
            groups=groups_of(place, found.hits),
            exact=found.exact,
            most=MOST,
            finds_tenants=place.rights.tenant_page or place.rights.sees_provider,
        )
