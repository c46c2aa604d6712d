"""Delivering: every endpoint has lanes of its own, so that one slow receiver delays nobody (W08, W13).

A worker claims one delivery at a time by lease, sends it with no transaction open (T3), stores what came of
it and takes the next of its lane. Whatever a killed worker held is due again when the lease ends, under the
same webhook-id (D04).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from secrets import SystemRandom

import structlog
from sqlalchemy import func, select

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import WorkerScope
from spcore.ids import new_ulid
from spcore.vault import Vault, VaultError
from sptenants.orders.schedule import Jitter, random_jitter
from sptenants.webhooks import parcels, repository
from sptenants.webhooks.endpoints import signing_secrets
from sptenants.webhooks.models import Delivery
from sptenants.webhooks.repository import Claimed, Lane
from sptenants.webhooks.sender import Answer, Outcome, Sender
from sptenants.webhooks.settling import Settling

Observe = Callable[[str, float], None]
"""Told of every attempt: its outcome and its seconds, for metrics."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many deliveries are under way at once, in one process.

    Deliveries that were asked for again go one at a time and `resent_turn` a second for each endpoint, beside
    the fresh ones and never instead of them (W13).
    """

    endpoint: int = 4
    tenant: int = 8
    fresh: int = 256
    resent: int = 16
    fresh_turn: int = 50
    resent_turn: int = 10


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: how many deliveries are not finished, and how long the longest is overdue (Q05)."""

    unfinished: int
    overdue_s: float


class Deliverer:
    """Sends what is due. One for each process; any number of processes may run one."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        vault: Vault,
        sender: Sender,
        *,
        limits: Limits | None = None,
        worker_id: str | None = None,
        jitter: Jitter = random_jitter,
        observe: Observe | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._vault = vault
        self._sender = sender
        self._limits = limits or Limits()
        self._worker_id = worker_id or f"webhooks-{new_ulid()}"
        self._settling = Settling(database, clock, jitter, self._worker_id)
        self._observe = observe
        self._tasks: dict[asyncio.Task[None], Lane] = {}
        self._handled = 0
        self._stopping = False

    async def run_once(self) -> int:
        """Start working on lanes in which something is due, and return how many workers were started.

        Does not wait for receivers: what was started goes on by itself.
        """
        if self._stopping:
            return 0
        async with self._database.read(WorkerScope()) as session:
            found = await repository.lanes(session, self._clock.now())
        SystemRandom().shuffle(found)  # when there is not room for all, nobody may be the last each time
        running = Running(list(self._tasks.values()), self._limits)
        started: Counter[Lane] = Counter()
        for width in range(self._limits.endpoint):  # a first worker for every lane before a second for any
            for lane in found:
                if lane.waiting > started[lane] and running.takes(lane, width):
                    self._start(lane)
                    started[lane] += 1
        return started.total()

    async def drain(self) -> int:
        """Deliver everything that is due now, waiting for the receivers, and return how many were tried."""
        before = self._handled
        while not self._stopping:
            last = self._handled
            await self.run_once()
            if self._tasks:
                await asyncio.wait(list(self._tasks))
            if self._handled == last:
                break
        return self._handled - before

    async def stop(self, within_s: float = 18.0) -> None:
        """Begin nothing new and let what is under way finish; what is cut is sent again after its lease."""
        self._stopping = True
        if not self._tasks:
            return
        _done, late = await asyncio.wait(list(self._tasks), timeout=within_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def backlog(self) -> Backlog:
        """Return depth and age of what is not finished, over all tenants."""
        now = self._clock.now()
        query = select(func.count(), func.min(Delivery.due_at)).where(Delivery.due_at.is_not(None))
        async with self._database.read(WorkerScope()) as session:
            unfinished, oldest = (await session.execute(query)).one()
        overdue = (now - oldest).total_seconds() if oldest is not None else 0.0
        return Backlog(unfinished, max(overdue, 0.0))

    def _start(self, lane: Lane) -> None:
        task = asyncio.create_task(self._work(lane))
        self._tasks[task] = lane
        task.add_done_callback(self._tasks.pop)

    async def _work(self, lane: Lane) -> None:
        """Take deliveries of a lane until there are no more, or until others may want the place."""
        for _ in range(self._limits.resent_turn if lane.resent else self._limits.fresh_turn):
            if self._stopping:
                return
            try:
                async with self._database.write(WorkerScope()) as session:
                    claimed = await repository.claim(session, lane, self._worker_id, self._clock.now())
                if claimed is None:
                    return
                self._handled += 1
                await self._deliver(claimed)
            except Exception:
                # One lane must not stop the others; a lease ends by itself, and the delivery is due again.
                _log.exception("webhook.failed", endpoint_id=lane.endpoint_id, tenant_id=lane.tenant_id)
                return

    async def _deliver(self, claimed: Claimed) -> None:
        endpoint, event = claimed.endpoint, claimed.event
        if endpoint.status != "active":
            answer = Answer(Outcome.ENDPOINT_DISABLED, 0)
        else:
            body, now = parcels.body_of(event), self._clock.now()
            try:
                signing = signing_secrets(self._vault, endpoint, now)
            except VaultError as error:
                # A person has to act (the master key is missing); the plan goes on meanwhile.
                _log.error("webhook.secret_does_not_open", endpoint_id=endpoint.id, reason=error.reason)
                answer = Answer(Outcome.NOT_SIGNED, 0)
            else:
                headers = parcels.headers_of(event.id, body, signing, now)
                answer = await self._sender.post(endpoint.url, headers, body)
        await self._settling.store(claimed, answer)
        if self._observe is not None:
            self._observe(answer.outcome.value, answer.elapsed_ms / 1000)


class Running:
    """Who is at work, and whether another worker may begin on a lane."""

    def __init__(self, lanes: list[Lane], limits: Limits) -> None:
        self._limits = limits
        self._endpoints: Counter[tuple[str, bool]] = Counter()
        self._tenants: Counter[str] = Counter()
        self._kinds: Counter[bool] = Counter()
        for lane in lanes:
            self._count(lane)

    def takes(self, lane: Lane, width: int) -> bool:
        """Count one more worker on `lane` and say so, or refuse: it may have `width` beside it at most."""
        busy = self._endpoints[lane.endpoint_id, lane.resent]
        if lane.resent:
            room = busy == 0 and self._kinds[True] < self._limits.resent
        else:
            room = (
                busy <= width
                and busy < self._limits.endpoint
                and self._tenants[lane.tenant_id] < self._limits.tenant
                and self._kinds[False] < self._limits.fresh
            )
        if room:
            self._count(lane)
        return room

    def _count(self, lane: Lane) -> None:
        self._endpoints[lane.endpoint_id, lane.resent] += 1
        self._kinds[lane.resent] += 1
        if not lane.resent:
            self._tenants[lane.tenant_id] += 1
