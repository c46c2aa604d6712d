"""Healing: every open order is looked at in time, whatever was lost on the way (failure catalogue 2.4).

Workers claim due orders by lease, so that any number of them may run and a killed one's orders are taken
over when its leases end. No row is ever dropped: what cannot be asked now is asked later (INV 10).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Select, func, or_, select

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope, WorkerScope
from spcore.errors import DomainError
from spcore.ids import new_ulid
from spcore.providers.keyring import Keyring
from sptenants.orders import repository
from sptenants.orders.budget import Budget
from sptenants.orders.drafting import LEASE
from sptenants.orders.line import Case, GatewayPicker, Line
from sptenants.orders.models import Order
from sptenants.orders.schedule import Jitter, random_jitter
from sptenants.orders.settling import Settler

_log = structlog.get_logger(__name__)

_AT_ONCE = 8
_RETRY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Due:
    provider_id: str
    tenant_id: str
    order_id: str

    @property
    def scope(self) -> TenantScope:
        return TenantScope(self.provider_id, self.tenant_id)


class Healing:
    """Looks at orders that are due. `worker_id` tells leases apart in the database.

    `budget` is shared with everything else that asks WeChat on its own account.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keyring: Keyring,
        gateways: GatewayPicker,
        *,
        jitter: Jitter = random_jitter,
        budget: Budget | None = None,
        worker_id: str | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settler = Settler(database, clock, Line(keyring, gateways, clock), jitter)
        self._budget = budget or Budget(clock)
        self._worker_id = worker_id or f"healing-{new_ulid()}"

    async def run_due(self, limit: int = 100) -> int:
        """Look at up to `limit` orders that are due now and return how many were looked at."""
        due = await self._due(limit)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(found: _Due) -> bool:
            async with gate:
                return await self._heal(found)

        return sum(await asyncio.gather(*(one(found) for found in due)))

    async def _due(self, limit: int) -> list[_Due]:
        async with self._database.read(WorkerScope()) as session:
            rows = await session.execute(_due_in_turn(self._clock.now(), limit))
            return [_Due(*row) for row in rows.all()]

    async def _heal(self, due: _Due) -> bool:
        case = await self._claim(due)
        if case is None:
            return False
        try:
            await self._settler.advance(replace(case, found_as=case.order))
        except DomainError as error:
            # The provider's keys are missing or unreadable: a person has to act, the order waits.
            _log.warning("healing.postponed", order_id=due.order_id, reason=error.code)
            await self._postpone(case, _RETRY)
        except Exception:
            # One order must not stop the others; its lease ends by itself and it is due again then.
            _log.exception("healing.failed", order_id=due.order_id, tenant_id=due.tenant_id)
        return True

    async def _claim(self, due: _Due) -> Case | None:
        """Take the lease of a due order; None when another worker did, or when the budget is spent."""
        now = self._clock.now()
        async with self._database.write(due.scope) as session:
            case = await repository.case_of(session, due.scope, due.order_id)
            if case is None or case.order.next_check_at is None or case.order.next_check_at > now:
                return None
            if case.attempt is not None and not self._budget.take(due.provider_id):
                again_at = self._budget.again_at(due.provider_id, due.tenant_id)
                await repository.postpone(session, case.order, again_at)
                return None
            taken = await repository.claim(
                session, case.order, self._worker_id, now + LEASE, now, asked=False
            )
            return case if taken else None

    async def _postpone(self, case: Case, by: timedelta) -> None:
        async with self._database.write(repository.scope_of(case.order)) as session:
            now = self._clock.now()
            await repository.touch(session, case.order, now, next_check_at=now + by)


def _due_in_turn(now: datetime, limit: int) -> Select[str, str, str]:
    """Return the query for what is due: every tenant's first, then every tenant's second, and so on (G09)."""
    ranked = (
        select(
            Order.provider_id,
            Order.tenant_id,
            Order.id,
            Order.next_check_at,
            func.row_number()
            .over(partition_by=(Order.provider_id, Order.tenant_id), order_by=Order.next_check_at)
            .label("turn"),
        )
        .where(Order.next_check_at <= now, or_(Order.leased_until.is_(None), Order.leased_until <= now))
        .subquery()
    )
    return (
        select(ranked.c.provider_id, ranked.c.tenant_id, ranked.c.id)
        .order_by(ranked.c.turn, ranked.c.next_check_at)
        .limit(limit)
    )
