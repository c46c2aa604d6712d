"""Healing of refunds: every open one is looked at in time, whatever was lost on the way (2.4, R2, R3).

Workers claim due refunds by lease, so that any number of them may run and a killed one's refunds are taken
over when its leases end. A refund that was reserved and never sent is sent; one that WeChat does not know is
sent again under its number. No row is ever dropped (INV 10).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import or_, select

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope, WorkerScope
from spcore.errors import DomainError
from spcore.ids import new_ulid
from spcore.providers.keyring import Keyring
from sptenants.orders.budget import Budget
from sptenants.orders.drafting import LEASE
from sptenants.orders.line import GatewayPicker
from sptenants.orders.schedule import Jitter, random_jitter
from sptenants.refunds import repository
from sptenants.refunds.line import RefundCase, RefundLine
from sptenants.refunds.models import Refund
from sptenants.refunds.settling import RefundSettler

_log = structlog.get_logger(__name__)

_AT_ONCE = 8
_RETRY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Due:
    provider_id: str
    tenant_id: str
    refund_id: str

    @property
    def scope(self) -> TenantScope:
        return TenantScope(self.provider_id, self.tenant_id)


class RefundHealing:
    """Looks at refunds that are due. `budget` is shared with the healing of orders."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keyring: Keyring,
        gateways: GatewayPicker,
        *,
        budget: Budget,
        jitter: Jitter = random_jitter,
        worker_id: str | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settler = RefundSettler(
            database, clock, RefundLine(keyring, gateways, clock), jitter, heals=True
        )
        self._budget = budget
        self._worker_id = worker_id or f"refunds-{new_ulid()}"

    async def run_due(self, limit: int = 100) -> int:
        """Look at up to `limit` refunds that are due now and return how many were looked at."""
        due = await self._due(limit)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(found: _Due) -> bool:
            async with gate:
                return await self._heal(found)

        return sum(await asyncio.gather(*(one(found) for found in due)))

    async def _due(self, limit: int) -> list[_Due]:
        now = self._clock.now()
        query = (
            select(Refund.provider_id, Refund.tenant_id, Refund.id)
            .where(
                Refund.next_check_at <= now, or_(Refund.leased_until.is_(None), Refund.leased_until <= now)
            )
            .order_by(Refund.next_check_at)
            .limit(limit)
        )
        async with self._database.read(WorkerScope()) as session:
            return [_Due(*row) for row in (await session.execute(query)).all()]

    async def _heal(self, due: _Due) -> bool:
        case = await self._claim(due)
        if case is None:
            return False
        try:
            await self._settler.advance(case)
        except DomainError as error:
            # Key or certificate are missing or unreadable: a person has to act, the refund waits.
            _log.warning("refunds.postponed", refund_id=due.refund_id, reason=error.code)
            await self._postpone(case)
        except Exception:
            # One refund must not stop the others; its lease ends by itself and it is due again then.
            _log.exception("refunds.failed", refund_id=due.refund_id, tenant_id=due.tenant_id)
        return True

    async def _claim(self, due: _Due) -> RefundCase | None:
        """Take the lease of a due refund; None when another worker did, or when the budget is spent."""
        now = self._clock.now()
        async with self._database.write(due.scope) as session:
            case = await repository.case_of(session, due.scope, due.refund_id)
            if case is None or case.refund.next_check_at is None or case.refund.next_check_at > now:
                return None
            if not self._budget.take(due.provider_id):
                later = self._budget.again_at(due.provider_id, due.tenant_id)
                await repository.postpone(session, case.refund, later)
                return None
            taken = await repository.claim(
                session, case.refund, self._worker_id, now + LEASE, now, asked=False
            )
            return case if taken else None

    async def _postpone(self, case: RefundCase) -> None:
        async with self._database.write(case.refund.scope) as session:
            now = self._clock.now()
            await repository.touch(session, case.refund, now, next_check_at=now + _RETRY)
