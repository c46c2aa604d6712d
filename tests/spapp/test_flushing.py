"""What is counted in memory is written every few seconds and once more at the end."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from spapp.flushing import Flushing


class Counter:
    """Fails as often as it is told, then writes."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.tries = 0
        self.tried = asyncio.Event()

    async def flush(self) -> int:
        self.tries += 1
        self.tried.set()
        if self.tries <= self.failures:
            raise ConnectionError("no database")
        return 1


async def test_it_writes_again_after_a_failure_and_once_more_at_the_end() -> None:
    counter = Counter(failures=1)
    flushing = Flushing("uses", counter.flush, 0.01)
    with capture_logs() as logs:
        flushing.start()
        while counter.tries < 2:
            counter.tried.clear()
            await asyncio.wait_for(counter.tried.wait(), 5)
        tries = counter.tries
        await flushing.stop()
    assert counter.tries > tries
    assert logs == [
        {"event": "flushing.not_written", "log_level": "warning", "what": "uses", "error": "ConnectionError"}
    ]


async def test_the_end_waits_for_no_interval_and_may_come_before_the_beginning() -> None:
    counter = Counter()
    flushing = Flushing("uses", counter.flush, 3600)
    flushing.start()
    await asyncio.wait_for(flushing.stop(), 5)
    assert counter.tries == 1
    await Flushing("never started", counter.flush, 3600).stop()
    assert counter.tries == 1
