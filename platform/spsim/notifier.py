"""Delivery of notifications: at once, then on WeChat's schedule (wechatpay-v2 5, wechatpay-v3 3.4)."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import secrets
import sqlite3
import ssl
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, replace
from typing import Final

import httpx

from . import letters, refund_books
from .api_keys import V3
from .faults import NOTIFY, NOTIFY_ECHO, NOTIFY_REFUND, Fault, Faults
from .letters import Letter
from .refund_books import Refund
from .trades import Trade
from .world import World

ANSWER_WITHIN_S: Final = 5.0
"""WeChat takes a later answer for none."""
_ANSWER_LIMIT: Final = 64 * 1024
_SHORTEST_SLEEP_S: Final = 0.01

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST to a notify URL and what came back."""

    url: str
    http_status: int | None
    answer: str | None
    ok: bool
    error: str | None


class Notifier:
    """Sends what is due while it is `running`; `wake` makes it look again after anything changed.

    `transport` replaces the network, for a receiver in the same process.
    """

    def __init__(
        self, world: World, faults: Faults, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._world = world
        self._faults = faults
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._changed = asyncio.Event()
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._held: list[asyncio.Event] = []

    def wake(self) -> None:
        """Look for due notifications now."""
        self._changed.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver in the background; what is under way at the end is broken off and stays pending."""
        async with self.new_client() as self._client:
            loop = asyncio.create_task(self._loop())
            loop.add_done_callback(_log_failure)
            try:
                yield
            finally:
                tasks = [loop, *self._busy.values()]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def new_client(self) -> httpx.AsyncClient:
        """Return connections to notify URLs of their own: they share none with the deliveries."""
        return httpx.AsyncClient(
            transport=self._transport,
            verify=_trust_store(),
            trust_env=False,
            follow_redirects=False,
            timeout=ANSWER_WITHIN_S,
        )

    async def _loop(self) -> None:
        while True:
            self._changed.clear()
            wait_s = self._start_due()
            # Not wait_for: on Python 3.11 it may swallow the cancellation that ends this loop.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()

    async def settled(self, trade: Trade) -> None:
        """Wait until the order's first delivery is over, whatever its outcome."""
        self._start_due()
        sql = "SELECT id FROM notification WHERE trade_id = ?"
        tasks = [
            self._busy[row["id"]] for row in self._world.ledger.rows(sql, trade.id) if row["id"] in self._busy
        ]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def send_now(
        self,
        trade: Trade,
        refund: Refund | None = None,
        copies: int = 1,
        url: str | None = None,
        changes: dict[str, str] | None = None,
    ) -> list[Attempt]:
        """Send a notification at once, beside the schedule and untouched by faults.

        It is the order's own, or that of one of its refunds. `copies` go out at the same time, to `url` or
        where it always goes; `changes` are made before signing or encrypting. Raises LookupError when there
        is nothing to notify.
        """
        sql = "SELECT * FROM notification WHERE trade_id = ? AND refund_id IS ? ORDER BY id DESC"
        row = self._world.ledger.row(sql, trade.id, None if refund is None else refund.refund_id)
        if row is None:
            raise LookupError(f"there is nothing to notify about order {trade.out_trade_no}")
        written = letters.copies(self._world, row, copies, None, changes)
        sent = (replace(letter, url=url or letter.url) for letter in written)
        return list(await asyncio.gather(*(self._post(row["id"], letter) for letter in sent)))

    def _start_due(self) -> float | None:
        """Start every delivery that is due; return the seconds until the next one, if there is one."""
        refund_due_ms = refund_books.settle_due(self._world)
        waits = [] if refund_due_ms is None else [_sleep_s(refund_due_ms)]
        held = {path for path in (NOTIFY, NOTIFY_REFUND, NOTIFY_ECHO) if self._faults.holds(path)}
        now = self._world.clock.now_ms()
        for row in self._world.ledger.rows("SELECT * FROM notification WHERE state = 'pending'"):
            if row["id"] in self._busy or letters.fault_path(row) in held:
                continue
            due = self._due_at(row)
            if due <= now:
                self._start(row["id"], self._deliver(row))
            else:
                waits.append(_sleep_s(due - now))
        return min(waits, default=None)

    def _due_at(self, row: sqlite3.Row) -> int:
        if row["deliveries"] == 0:
            return int(row["created_at"])
        gaps = self._world.clock.gaps_ms()
        # A list shortened meanwhile leaves rows beyond its end: they are due, and then given up.
        index = row["deliveries"] - 1
        return int(row["last_at"]) + (gaps[index] if index < len(gaps) else 0)

    def _start(self, notification_id: int, delivery: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(delivery)
        self._busy[notification_id] = task

        def done(ended: asyncio.Task[None]) -> None:
            del self._busy[notification_id]
            _log_failure(ended)
            self.wake()

        task.add_done_callback(done)

    async def _deliver(self, row: sqlite3.Row) -> None:
        fault = self._faults.take(letters.fault_path(row))
        self._world.ledger.run(
            "UPDATE notification SET deliveries = deliveries + 1, last_at = ? WHERE id = ?",
            self._world.clock.now_ms(),
            row["id"],
        )
        try:
            attempts = await self._send(row, fault)
        except LookupError as nothing:
            self._record(row["id"], Attempt("", None, None, ok=False, error=str(nothing)), None)
            attempts = []
        self._finish(row["id"], acknowledged=any(attempt.ok for attempt in attempts))
        self._release_held(fault)

    async def _send(self, row: sqlite3.Row, fault: Fault | None) -> list[Attempt]:
        """Send one delivery as the fault would have it; of a probe only the genuine one after it counts.

        Raises LookupError when there is nothing to send.
        """
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.number("ms", 1000) / 1000)
        if fault is not None and fault.kind == "reorder":
            await self._wait_for_another(fault.number("max_wait_ms", 5000) / 1000)
        copies = fault.number("n", 2) if fault is not None and fault.kind == "duplicate" else 1
        written = letters.copies(self._world, row, copies, fault)
        if fault is not None and fault.kind == "lose":
            lost = Attempt(written[0].url, None, None, ok=False, error="lost by a fault")
            self._record(row["id"], lost, written[0])
            return [lost]
        attempts = await asyncio.gather(*(self._post(row["id"], letter) for letter in written))
        if fault is not None and fault.kind == "signature_probe" and written[0].api == V3:
            return [await self._post(row["id"], letters.write(self._world, row))]
        if fault is not None and fault.kind == "replay":
            attempts += await self._replay(row["id"], written[0], fault)
        return attempts

    async def _replay(self, notification_id: int, letter: Letter, fault: Fault) -> list[Attempt]:
        """Post the very same bytes and headers again (catalogue N17)."""
        attempts = []
        for _ in range(fault.number("n", 1)):
            await asyncio.sleep(fault.number("after_ms", 0) / 1000)
            attempts.append(await self._post(notification_id, letter))
        return attempts

    async def _wait_for_another(self, longest_s: float) -> None:
        """Hold this delivery back until another one has gone out."""
        overtaken = asyncio.Event()
        self._held.append(overtaken)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await overtaken.wait()
        self._held.remove(overtaken)

    def _release_held(self, fault: Fault | None) -> None:
        if fault is None or fault.kind != "reorder":
            for overtaken in self._held:
                overtaken.set()

    def _finish(self, notification_id: int, *, acknowledged: bool) -> None:
        row = self._world.ledger.row("SELECT deliveries FROM notification WHERE id = ?", notification_id)
        state = "pending"
        if acknowledged:
            state = "delivered"
        elif row is not None and row["deliveries"] > len(self._world.clock.gaps_ms()):
            state = "exhausted"
        self._world.ledger.run("UPDATE notification SET state = ? WHERE id = ?", state, notification_id)

    async def _post(self, notification_id: int, letter: Letter) -> Attempt:
        url = letter.url
        headers = {"User-Agent": "Mozilla/4.0", "Request-ID": secrets.token_hex(16), **letter.headers}
        status: int | None = None
        if self._client is None:
            raise RuntimeError("the notifier is not running: run the application's lifespan first")
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                async with self._client.stream("POST", url, content=letter.body, headers=headers) as response:
                    status = response.status_code
                    answer = await _read_limited(response)
            counts = letter.acknowledged_by(status, answer)
            attempt = Attempt(url, status, answer.decode("utf-8", "replace"), counts, None)
        except TimeoutError:
            attempt = Attempt(url, status, None, ok=False, error=f"no answer within {ANSWER_WITHIN_S:g} s")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            attempt = Attempt(url, status, None, ok=False, error=type(error).__name__)
        self._record(notification_id, attempt, letter)
        return attempt

    def _record(self, notification_id: int, attempt: Attempt, letter: Letter | None) -> None:
        self._world.ledger.insert(
            "INSERT INTO attempt (notification_id, at, url, body, headers, http_status, answer, ok, error)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            notification_id,
            self._world.clock.now_ms(),
            attempt.url,
            "" if letter is None else letter.body.decode(),
            None if letter is None else json.dumps(letter.headers),
            attempt.http_status,
            attempt.answer,
            int(attempt.ok),
            attempt.error,
        )
        _log.info(
            "notification",
            extra={"facts": {"http_status": attempt.http_status, "ok": attempt.ok, "error": attempt.error}},
        )


def _sleep_s(wait_ms: int) -> float:
    return max(wait_ms / 1000, _SHORTEST_SLEEP_S)


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("delivery failed", exc_info=task.exception())


@functools.cache
def _trust_store() -> ssl.SSLContext:
    """The trust store for https notify URLs; reading it takes longer than starting everything else."""
    return ssl.create_default_context()


async def _read_limited(response: httpx.Response) -> bytes:
    """Read an answer up to its limit; nobody may fill our memory."""
    answer = b""
    async for chunk in response.aiter_bytes():
        answer += chunk
        if len(answer) > _ANSWER_LIMIT:
            break
    return answer[:_ANSWER_LIMIT]
