"""The loop that runs the timetable, as a program of its own or inside the web process."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import socket
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy.engine import make_url

from spapp.timetable import BATCH, Entry, entries
from spapp.wiring import Services
from spcore.settings import Settings

DRAIN_S = 18.0
"""How long work under way may take to finish after a stop; leases of what is cut run out by themselves."""
RETRY_S = 5.0

_log = structlog.get_logger("wxsp.worker")


class Worker:
    """Runs every entry at its own pace, so that a slow one holds up none of the others.

    `finish` ends what entries set going and did not wait for; it begins with the stop.
    """

    def __init__(
        self, timetable: Sequence[Entry], finish: Callable[[], Coroutine[Any, Any, None]] | None = None
    ) -> None:
        self._timetable = tuple(timetable)
        self._finish = finish
        self._stop = asyncio.Event()

    @classmethod
    def of(cls, services: Services) -> Worker:
        return cls(entries(services, new_worker_id()), services.deliverer.stop)

    def stop(self) -> None:
        """Begin nothing new; `run` returns when what is under way has finished."""
        self._stop.set()

    async def run(self) -> None:
        """Work until `stop`; then finish within DRAIN_S (failure catalogue D11)."""
        tasks = [asyncio.create_task(self._repeat(entry), name=entry.name) for entry in self._timetable]
        await self._stop.wait()
        if self._finish is not None:
            tasks.append(asyncio.create_task(self._finish(), name="finish"))
        _done, late = await asyncio.wait(tasks, timeout=DRAIN_S)
        for task in late:
            _log.warning("worker.cut", entry=task.get_name())
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _repeat(self, entry: Entry) -> None:
        while not self._stop.is_set():
            if await _try(entry) < BATCH:
                # Spread, so that workers started together do not ask together for ever.
                await self.stopped_within(entry.every_s * (0.9 + 0.2 * secrets.SystemRandom().random()))

    async def stopped_within(self, seconds: float) -> bool:
        """Wait at most `seconds` for a stop, and say whether it came."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True


async def run_due(services: Services) -> dict[str, int]:
    """Do everything that is due now, once, and return how much of each kind there was."""
    done: dict[str, int] = {}
    for entry in entries(services, new_worker_id()):
        if entry.is_due_work:
            done[entry.name] = 0
            while (count := await (entry.to_its_end or entry.run)()) > 0:
                done[entry.name] += count
    return done


class EmbeddedWorker:
    """The worker inside a web process. Of several processes over one SQLite file one runs it.

    They settle it by a lock on a file beside the database; when its holder dies, another takes over.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._worker = Worker.of(services)
        self._lock_path = _lock_path(services.settings)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self._worker.stop()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not _lock(descriptor):
                if await self._worker.stopped_within(RETRY_S):
                    return
            await self._worker.run()
        finally:
            os.close(descriptor)


async def _try(entry: Entry) -> int:
    """Run an entry; what it raises is logged and tried again at its next time (failure catalogue D06)."""
    try:
        return await entry.run()
    except Exception as error:
        _log.error("worker.failed", entry=entry.name, error=type(error).__name__, exc_info=error)
        return 0


def new_worker_id() -> str:
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_path(settings: Settings) -> Path:
    database = make_url(settings.database_url.reveal()).database or "wxsp"
    return Path(f"{database}.worker.lock")
