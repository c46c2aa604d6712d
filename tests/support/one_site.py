"""One application for many tests: making its routes takes longer than most tests of pages.

Each test has services of its own. The application is made once for each set of settings that it reads while
it is made, over stand-ins that hand everything on to the services of the test under way.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from inspect import iscoroutinefunction
from typing import Any, cast

from litestar import Litestar

from spapp.asgi import create_app
from spapp.wiring import Services
from spcore.settings import Secret, Settings

_free: dict[Settings, list[_Site]] = defaultdict(list)


def served(services: Services) -> Litestar:
    """Return an application that serves these services, and is free for others once it has closed them."""
    key = replace(services.settings, database_url=Secret("sqlite+aiosqlite:///none"))
    free = _free[key].pop() if _free[key] else _Site(key, services)
    free.services = services
    return free.app


class _Site:
    def __init__(self, key: Settings, services: Services) -> None:
        self._key = key
        self.services = services
        self.is_made = False
        self.app = create_app(services.settings, cast("Services", _Present(self)))
        self.is_made = True

    async def close(self) -> None:
        """What the application calls at its end."""
        await self.services.close()
        _free[self._key].append(self)


class _Present:
    """The services of the present test; while the application is made, their stand-ins."""

    def __init__(self, site: _Site) -> None:
        self._site = site

    async def close(self) -> None:
        await self._site.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._site.services, name) if self._site.is_made else _StandIn(self._site, name)


class _StandIn:
    """Is whatever the present test's services have under `name`, for whoever asks it anything."""

    def __init__(self, site: _Site, name: str) -> None:
        object.__setattr__(self, "_site", site)
        object.__setattr__(self, "_name", name)

    @property
    def __class__(self) -> Any:
        return type(_real(self))

    def __getattr__(self, name: str) -> Any:
        found = getattr(_real(self), name)
        if not callable(found):
            return found
        if iscoroutinefunction(found):

            async def later(*args: Any, **named: Any) -> Any:
                return await getattr(_real(self), name)(*args, **named)

            return later

        def at_once(*args: Any, **named: Any) -> Any:
            return getattr(_real(self), name)(*args, **named)

        return at_once


def _real(stand_in: _StandIn) -> Any:
    site: _Site = object.__getattribute__(stand_in, "_site")
    return getattr(site.services, object.__getattribute__(stand_in, "_name"))
