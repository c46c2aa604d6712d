"""Probes: is the process alive, may it take money, and what it has measured (console-and-api-design 12)."""

from __future__ import annotations

import hmac
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import func, select

from spapp.accounts.models import WorkerHeartbeat
from spapp.revisions import head
from spapp.web import metrics
from spapp.wiring import Services
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, PlatformScope, ProviderScope
from spcore.errors import NotFound
from spcore.outbox.models import OutboxMessage
from spcore.providers.keys import key_context
from spcore.providers.models import Provider, ProviderKey
from spcore.settings import Settings
from spcore.vault import VaultError
from sptenants.bills.planning import yesterday
from sptenants.bills.reader import Bookshelf
from sptenants.bills.states import BillState
from sptenants.notify.models import Notification
from sptenants.orders.models import Order
from sptenants.orders.states import OrderStatus
from sptenants.reconciliation.reader import DifferenceReader
from sptenants.registry.access import RequestFacts, access
from sptenants.registry.errors import Unauthenticated
from sptenants.webhooks.deliverer import Deliverer

HEARTBEAT_STALE = timedelta(seconds=30)
BILLS_COUNTED = timedelta(days=6)
"""Bills of yesterday and of so many days before it are counted."""
_KINDS = frozenset({"payment", "refund"})


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of readiness; `detail` names what to look at, never a value."""

    name: str
    ok: bool
    detail: str


class Health:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._head = head()

    @property
    def open_breakers(self) -> int:
        """Lines to WeChat that this process leaves alone because it is down."""
        return self._services.gateways.open_breakers

    async def checks(self) -> tuple[Check, ...]:
        """Return every condition for taking money, each with its own outcome."""
        if not await self._database_answers():
            down = "database_unreachable"
            names = ("database", "migrations", "master_key", "worker")
            return tuple(Check(name, ok=False, detail=down) for name in names)
        return (
            Check("database", ok=True, detail="answers"),
            await self._migrations(),
            await self._master_key(),
            await self._worker(),
        )

    async def _database_answers(self) -> bool:
        try:
            await self._services.database.ping()
        except Exception:  # whatever the driver raises, the answer is the same
            return False
        return True

    async def _migrations(self) -> Check:
        ok = await self._services.database.migration_head() == self._head
        return Check("migrations", ok=ok, detail="at_head" if ok else "run_wxsp_db_upgrade")

    async def _master_key(self) -> Check:
        """Open one stored key. Before the first provider there is none, and nothing to be wrong about."""
        database = self._services.database
        async with database.read(DoorScope()) as session:
            provider_id = await session.scalar(select(Provider.id).order_by(Provider.id).limit(1))
        if provider_id is None:
            return Check("master_key", ok=True, detail="nothing_sealed_yet")
        mine = select(ProviderKey).where(ProviderKey.provider_id == provider_id).limit(1)
        async with database.read(ProviderScope(provider_id)) as session:
            key = await session.scalar(mine)
        if key is None:
            return Check("master_key", ok=True, detail="nothing_sealed_yet")
        try:
            self._services.vault.open(key.sealed, key_context(provider_id, key.kind, key.version))
        except VaultError as error:
            return Check("master_key", ok=False, detail=error.reason)
        return Check("master_key", ok=True, detail="opens")

    async def _worker(self) -> Check:
        async with self._services.database.read(DoorScope()) as session:
            last = await session.scalar(select(func.max(WorkerHeartbeat.at)))
        alive = last is not None and self._services.clock.now() - last <= HEARTBEAT_STALE
        return Check("worker", ok=alive, detail="beats" if alive else "no_heartbeat_for_30_s")


@get("/healthz", opt=access("public", "anyone"), include_in_schema=False)
async def healthz() -> dict[str, str]:
    return {"status": "alive"}


@get("/readyz", opt=access("public", "anyone"), include_in_schema=False)
async def readyz(health: NamedDependency[Health]) -> Response[dict[str, Any]]:
    checks = await health.checks()
    ready = all(check.ok for check in checks)
    body = {"ready": ready, "checks": [asdict(check) for check in checks]}
    return Response(body, status_code=200 if ready else 503)


@get("/metrics", opt=access("public", "anyone"), include_in_schema=False)
async def metrics_page(
    request: Request[Any, Any, Any],
    settings: NamedDependency[Settings],
    database: NamedDependency[Database],
    deliverer: NamedDependency[Deliverer],
    health: NamedDependency[Health],
    bookshelf: NamedDependency[Bookshelf],
    difference_reader: NamedDependency[DifferenceReader],
    clock: NamedDependency[Clock],
) -> Response[bytes]:
    """Figures of this web process, and of the database. Without a token set, for this machine only."""
    _require_reader(request, settings)
    await _count(database)
    metrics.OPEN_BREAKERS.set(health.open_breakers)
    backlog = await deliverer.backlog()
    metrics.WEBHOOK_BACKLOG.set(backlog.unfinished)
    metrics.WEBHOOK_OVERDUE.set(backlog.overdue_s)
    scope = PlatformScope("metrics")
    states = await bookshelf.states(scope, yesterday(clock.now()) - BILLS_COUNTED)
    for state in BillState:
        metrics.BILLS.labels(state.value).set(states.get(state, 0))
    metrics.BILL_DIFFERENCES.set(await difference_reader.open_count(scope))
    return Response(generate_latest(metrics.REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _require_reader(request: Request[Any, Any, Any], settings: Settings) -> None:
    if settings.metrics_token is None:
        if not ip_address(RequestFacts.of(request).peer).is_loopback:
            raise NotFound()
        return
    expected = f"Bearer {settings.metrics_token.reveal()}".encode()
    if not hmac.compare_digest(request.headers.get("authorization", "").encode(), expected):
        raise Unauthenticated()


async def _count(database: Database) -> None:
    """Fill the gauges that tell of stored rows. Counting statements, over indexes."""
    async with database.read(PlatformScope("metrics")) as session:
        by_status = (await session.execute(select(Order.status, func.count()).group_by(Order.status))).all()
        by_result = (
            await session.execute(
                select(Notification.kind, Notification.result, func.count()).group_by(
                    Notification.kind, Notification.result
                )
            )
        ).all()
        waiting = await session.scalar(
            select(func.count()).select_from(OutboxMessage).where(OutboxMessage.done_at.is_(None))
        )
    orders = {row.status: row[1] for row in by_status}
    for status in OrderStatus:
        metrics.ORDERS.labels(status.value).set(orders.get(status.value, 0))
    metrics.UNKNOWN_ORDERS.set(orders.get(OrderStatus.SUBMITTING.value, 0))
    notifies: Counter[tuple[str, str]] = Counter()
    for kind, result, count in by_result:
        # The kind comes from an address that anybody may invent; a label lives as long as the process.
        notifies[kind if kind in _KINDS else "other", result] += count
    for labels, count in notifies.items():
        metrics.NOTIFIES.labels(*labels).set(count)
    metrics.OUTBOX_BACKLOG.set(waiting or 0)
