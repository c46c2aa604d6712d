"""Commands that work with services: over a prepared database, closed in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from spapp.cli.common import refuse, refuse_error, settings
from spapp.startup import StartRefused, prepare
from spapp.wiring import Services, build
from spcore.errors import DomainError
from spcore.settings import Settings

T = TypeVar("T")


def run(work: Callable[[Services], Awaitable[T]]) -> T:
    """Return what `work` returns; a refusal becomes a message (`refuse_error`) and exit code 1."""
    found = settings()
    try:
        return asyncio.run(_run(found, work))
    except DomainError as error:
        refuse_error(error)
    except StartRefused as error:
        refuse(error.text)


async def _run(found: Settings, work: Callable[[Services], Awaitable[T]]) -> T:
    await prepare(found)
    services = build(found)
    try:
        return await work(services)
    finally:
        await services.close()
