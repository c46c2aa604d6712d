"""Webhooks from the outbox to a receiver: a database, a clock in hand, and merchants' servers with real TLS.

Receivers listen on the loopback under public-looking addresses: names and addresses are looked up and checked
as always, and only the last step, the dialling, leads to the loopback.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

import httpcore
import pytest
from sqlalchemy import select
from standardwebhooks import Webhook
from tests.conftest import HeldClock
from tests.support.house import MASTER_KEY, House, build_house
from tests.support.loopback import Loopback, Received, http, loopback
from tests.support.tls_host import authority

from spcore.audit.actor import Actor
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.outbox.models import OutboxMessage
from spcore.outbox.runner import OutboxRunner
from spcore.outbox.writer import enqueue
from spcore.vault import Vault
from sptenants.webhooks.connecting import Connector
from sptenants.webhooks.deliverer import Deliverer
from sptenants.webhooks.endpoints import NewEndpoint
from sptenants.webhooks.fanout import FanOut
from sptenants.webhooks.models import Delivery, DeliveryAttempt
from sptenants.webhooks.reader import WebhookReader
from sptenants.webhooks.schedule import HOLDS_BACK
from sptenants.webhooks.sender import Sender
from sptenants.webhooks.service import Webhooks

OWN_HOST = "pay.example.org"
BY = Actor("api_key", "key_1", "server")
_addresses = (f"93.184.216.{number}" for number in count(1))


class Network:
    """Names, their addresses, and who listens there. `looked_up` and `dialled` tell what was done."""

    def __init__(self) -> None:
        self.names: dict[str, list[Sequence[str]]] = {}
        self.listening: dict[str, int] = {}
        self.looked_up: list[str] = []
        self.dialled: list[tuple[str, int]] = []

    @property
    def connector(self) -> Connector:
        return Connector(self.resolve, self.dial)

    def lead(self, host: str, *answers: Sequence[str]) -> None:
        """Let a name have these addresses; several answers come in turn, the last one for ever."""
        self.names[host] = list(answers)

    async def resolve(self, host: str) -> Sequence[str]:
        self.looked_up.append(host)
        answers = self.names.get(host, [()])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def dial(self, address: str, port: int) -> httpcore.AsyncNetworkStream:
        self.dialled.append((address, port))
        if address not in self.listening:
            raise httpcore.ConnectError(f"nobody listens on {address}")
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self.listening[address], timeout=5)


@dataclass
class Shop:
    """A merchant's server: it verifies with the published package and remembers what it accepted."""

    host: str
    clock: HeldClock
    network: Network
    secret: str = ""
    statuses: list[int] = field(default_factory=list)
    """What to answer, in turn; 200 afterwards."""
    fails: Callable[[Any], bool] = lambda _document: False
    """Which documents are answered with 503 instead."""
    headers: tuple[str, ...] = ()
    answer: str = "ok"
    pause: asyncio.Event | None = None
    """While it is not set, requests wait."""
    got: list[dict[str, Any]] = field(default_factory=list)
    """Documents accepted with 2xx, in their order."""
    seen: list[str] = field(default_factory=list)
    """webhook-id of every request, in their order."""
    bodies: defaultdict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    signatures: list[str] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0

    @property
    def url(self) -> str:
        return f"https://{self.host}/hook?shop=1"

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.pause is not None:
                await self.pause.wait()
        finally:
            self._at_once -= 1
        event_id = request.headers["webhook-id"]
        document = Webhook(self.secret).verify(request.body, request.headers)
        self.seen.append(event_id)
        self.bodies[event_id].add(request.body)
        self.signatures.append(request.headers["webhook-signature"])
        status = self.statuses.pop(0) if self.statuses else 503 if self.fails(document) else 200
        if 200 <= status < 300:
            self.got.append(document)
        writer.write(http(self.answer.encode(), f"{status} X", self.headers))


@dataclass
class PostOffice:
    database: Database
    clock: HeldClock
    house: House
    network: Network
    vault: Vault
    reader: WebhookReader
    webhooks: Webhooks
    outbox: OutboxRunner
    deliverer: Deliverer
    sequences: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    @property
    def scope(self) -> TenantScope:
        return self.house.tenants[0]

    def another(
        self, worker_id: str = "w2", *, database: Database | None = None, vault: Vault | None = None
    ) -> Deliverer:
        """Another worker process."""
        sender = Sender(authority().trusting(), self.network.connector, own_host=OWN_HOST)
        return Deliverer(
            database or self.database,
            self.clock,
            vault or self.vault,
            sender,
            worker_id=worker_id,
            jitter=lambda: 0.5,
        )

    async def event(
        self,
        subject: str = "thing_1",
        kind: str = "payment.succeeded",
        *,
        scope: TenantScope | None = None,
        payload: dict[str, Any] | None = None,
    ) -> str:
        """Let something happen; returns the event's id."""
        scope = scope or self.scope
        self.sequences[scope.tenant_id, subject] += 1
        async with self.database.write(scope) as session:
            return await enqueue(
                session,
                scope,
                type=kind,
                subject=subject,
                sequence=self.sequences[scope.tenant_id, subject],
                payload=payload or {"id": subject, "object": "order"},
                now=self.clock.now(),
            )

    async def happen(self, *events: tuple[str, str], scope: TenantScope | None = None) -> None:
        for subject, kind in events:
            await self.event(subject, kind, scope=scope)

    async def fan_out(self) -> None:
        while await self.outbox.run_once(100):
            pass

    async def work(self) -> int:
        """Hand on and deliver everything that is due now."""
        await self.fan_out()
        return await self.deliverer.drain()

    async def work_until(self, moment: datetime) -> None:
        """Let time pass from one moment at which something may happen to the next, and work at each."""
        await self.work()
        while (following := await self._following()) is not None and following <= moment:
            self.clock.moment = following
            await self.work()
        self.clock.moment = moment

    async def _following(self) -> datetime | None:
        """Return when the next delivery is due, or no longer held back."""
        rows = [row for row in await self.deliveries() if row.due_at is not None]
        moments = [row.due_at for row in rows]
        moments += [row.first_attempt_at + HOLDS_BACK for row in rows if row.first_attempt_at is not None]
        return min((at for at in moments if at is not None and at > self.clock.now()), default=None)

    async def deliveries(self, scope: TenantScope | None = None) -> list[Delivery]:
        scope = scope or self.scope
        query = select(Delivery).where(Delivery.tenant_id == scope.tenant_id).order_by(Delivery.id)
        async with self.database.read(scope) as session:
            return list(await session.scalars(query))

    async def delivery(self) -> Delivery:
        (only,) = await self.deliveries()
        return only

    async def attempts(self) -> list[DeliveryAttempt]:
        query = select(DeliveryAttempt).where(DeliveryAttempt.tenant_id == self.scope.tenant_id)
        async with self.database.read(self.scope) as session:
            return list(await session.scalars(query.order_by(DeliveryAttempt.id)))

    async def events(self) -> list[OutboxMessage]:
        query = select(OutboxMessage).where(OutboxMessage.tenant_id == self.scope.tenant_id)
        async with self.database.read(self.scope) as session:
            return list(await session.scalars(query.order_by(OutboxMessage.id)))

    @asynccontextmanager
    async def shop(
        self, host: str = "shop.example.com", *, scope: TenantScope | None = None, **endpoint: Any
    ) -> AsyncIterator[Shop]:
        """A merchant's server that listens, with an endpoint that leads to it."""
        shop = Shop(host, self.clock, self.network)
        made = await self.register(shop.url, scope=scope, **endpoint)
        shop.secret = made.secret
        async with self.listening(host, shop):
            yield shop

    @asynccontextmanager
    async def listening(self, host: str, answering: Any) -> AsyncIterator[Loopback]:
        """Let something answer under a name, at a public-looking address and with a certificate."""
        address = next(_addresses)
        async with loopback(answering, authority().serving(host)) as running:
            self.network.lead(host, [address])
            self.network.listening[address] = running.port
            yield running
            del self.network.listening[address]

    async def register(self, url: str, *, scope: TenantScope | None = None, **endpoint: Any) -> NewEndpoint:
        return await self.webhooks.create(scope or self.scope, BY, url, **endpoint)


@asynccontextmanager
async def post_office(
    database: Database, clock: HeldClock, monkeypatch: pytest.MonkeyPatch, house: House | None = None
) -> AsyncIterator[PostOffice]:
    """Open the post office. The published verifier gets the test's time, or it would find all of it stale."""

    class Held(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return clock.now().astimezone(tz)

    monkeypatch.setattr("standardwebhooks.webhooks.datetime", Held)
    network, vault, reader = Network(), Vault([MASTER_KEY]), WebhookReader(database)
    sender = Sender(authority().trusting(), network.connector, own_host=OWN_HOST)
    office = PostOffice(
        database=database,
        clock=clock,
        house=house or await build_house(database),
        network=network,
        vault=vault,
        reader=reader,
        webhooks=Webhooks(database, vault, clock, reader, own_host=OWN_HOST),
        outbox=OutboxRunner(database, clock, {}, "w1", default=FanOut(database, clock)),
        deliverer=Deliverer(database, clock, vault, sender, worker_id="w1", jitter=lambda: 0.5),
    )
    yield office
    await office.deliverer.stop(0)


async def until(reached: Callable[[], bool]) -> None:
    """Wait for something that other tasks do, ten seconds at most."""
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110 - what is waited for knows nothing of the test
            await asyncio.sleep(0.01)
