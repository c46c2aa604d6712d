"""A task that writes down what a web process counted in memory: every few seconds, and once at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

_log = structlog.get_logger("wxsp.flushing")


class Flushing:
    """`flush` keeps what it could not write, so that the next time tries it again."""

    def __init__(self, name: str, flush: Callable[[], Awaitable[int]], every_s: float) -> None:
        self._name = name
        self._flush = flush
        self._every_s = every_s
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Write down what was counted since, and end."""
        self._stop.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        stopping = False
        while not stopping:
            stopping = await self._stopped_within(self._every_s)
            try:
                await self._flush()
            except Exception as error:
                _log.warning("flushing.not_written", what=self._name, error=type(error).__name__)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True
