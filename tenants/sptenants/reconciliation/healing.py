"""Healing of differences: WeChat is asked about each that asking can settle (failure catalogue 2.4, L01).

Workers claim due differences by lease; a killed one's come back when its leases end. What WeChat proves is
applied like any other evidence and the difference is resolved with it; the rest stays open with its probable
cause, is asked about for three days, and is a person's then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope, WorkerScope
from spcore.errors import DomainError
from spcore.ids import new_ulid
from spcore.providers.keyring import Keyring
from sptenants.orders.adoption import Adoption
from sptenants.orders.budget import Budget
from sptenants.orders.drafting import LEASE
from sptenants.orders.line import GatewayPicker, Line
from sptenants.orders.schedule import Jitter, random_jitter
from sptenants.reconciliation import doubts
from sptenants.reconciliation.causes import Cause, CauseCode
from sptenants.reconciliation.doubts import Answer, Doubt, Ending
from sptenants.reconciliation.payment_questions import PaymentQuestions
from sptenants.reconciliation.refund_questions import RefundQuestions
from sptenants.reconciliation.states import KIND_OF, DifferenceKind
from sptenants.refunds.line import RefundLine
from sptenants.refunds.outside import OutsideRefunds

_log = structlog.get_logger(__name__)

_AT_ONCE = 8


class DifferenceHealing:
    """Asks about differences that are due. `budget` is shared with the healing of orders and refunds."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keyring: Keyring,
        gateways: GatewayPicker,
        adoption: Adoption,
        outside: OutsideRefunds,
        *,
        budget: Budget,
        jitter: Jitter = random_jitter,
        worker_id: str | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._budget = budget
        self._jitter = jitter
        self._worker_id = worker_id or f"differences-{new_ulid()}"
        self._payments = PaymentQuestions(
            database, clock, Line(keyring, gateways, clock), adoption, self._conclude
        )
        self._refunds = RefundQuestions(
            database,
            clock,
            RefundLine(keyring, gateways, clock),
            outside,
            self._payments,
            self._conclude,
            jitter,
        )

    async def run_due(self, limit: int = 20) -> int:
        """Ask about up to `limit` differences that are due now and return how many were asked about."""
        now = self._clock.now()
        async with self._database.read(WorkerScope()) as session:
            due = await doubts.due(session, now, limit)
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(orders: Sequence[tuple[TenantScope, str]]) -> int:
            async with gate:
                return sum([await self._heal(scope, found) for scope, found in orders])

        return sum(await asyncio.gather(*(one(of_tenant) for of_tenant in _by_tenant(due))))

    async def _heal(self, scope: TenantScope, difference_id: str) -> bool:
        doubt = await self._claim(scope, difference_id)
        if doubt is None:
            return False
        questions = self._refunds if KIND_OF[doubt.detail] is DifferenceKind.REFUND else self._payments
        try:
            await questions.ask(doubt)
        except DomainError as error:
            # Keys are missing or unreadable: a person has to act, and may as well see the difference.
            _log.warning("differences.postponed", difference_id=doubt.id, reason=error.code)
            cause = Cause(CauseCode.NO_ANSWER, {"reason": error.code})
            async with self._database.write(scope) as session:
                await self._conclude(session, doubt, Answer(Ending.DIFFERS, cause))
        except Exception:
            # One difference must not stop the others; its lease ends by itself and it is due again then.
            _log.exception("differences.failed", difference_id=doubt.id, tenant_id=scope.tenant_id)
        return True

    async def _claim(self, scope: TenantScope, difference_id: str) -> Doubt | None:
        """Take the lease of a due difference; None when another worker did, or when the budget is spent."""
        now = self._clock.now()
        async with self._database.write(scope) as session:
            if not self._budget.take(scope.provider_id):
                later = self._budget.again_at(scope.provider_id, scope.tenant_id)
                await doubts.put_off(session, scope, difference_id, now, later)
                return None
            return await doubts.claim(session, scope, difference_id, self._worker_id, now, now + LEASE)

    async def _conclude(self, session: AsyncSession, doubt: Doubt, answer: Answer) -> None:
        done = await doubts.conclude(session, doubt, answer, self._clock.now(), self._jitter)
        _log.info(
            "differences.asked",
            difference_id=doubt.id,
            tenant_id=doubt.scope.tenant_id,
            detail=doubt.detail.value,
            ending=answer.ending.value if done else "overtaken",
        )


def _by_tenant(due: Sequence[tuple[str, str | None, str]]) -> Sequence[Sequence[tuple[TenantScope, str]]]:
    """Return what is due, each tenant's in turn, so that a refund comes after its payment.

    Nobody is asked about what belongs to no tenant: such rows are never due.
    """
    lines: dict[TenantScope, list[tuple[TenantScope, str]]] = {}
    for provider_id, tenant_id, found in due:
        if tenant_id is not None:
            scope = TenantScope(provider_id, tenant_id)
            lines.setdefault(scope, []).append((scope, found))
    return list(lines.values())
