"""Healing as a worker would do it some minutes from now, without waiting for them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from tests.support.installation import Installation

from spapp.wiring import build
from spapp.worker import run_due
from spcore.settings import Settings


class LaterClock:
    """The time it will be in some minutes."""

    def __init__(self, minutes: int) -> None:
        self._ahead = timedelta(minutes=minutes)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead


def healed(house: Installation, minutes: int) -> dict[str, int]:
    """Do everything that will be due in so many minutes, and return how much of each kind there was."""

    async def work() -> dict[str, int]:
        services = build(Settings.from_env(house.env), LaterClock(minutes))
        try:
            return await run_due(services)
        finally:
            await services.close()

    return asyncio.run(work())
