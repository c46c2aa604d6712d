"""What tenants have decided beforehand: second payments go back without a person (B05, P12).

Off unless the tenant asks for it (`refunds_double_payments`). Each second payment is given back once; when
WeChat refuses, it stays on the work list and a person decides.
"""

from __future__ import annotations

import structlog
from sqlalchemy import Select, and_, exists, select

from spcore.audit.actor import SYSTEM
from spcore.db.engine import Database
from spcore.db.scope import TenantScope, WorkerScope
from spcore.errors import DomainError
from sptenants.orders.disputes import AnomalyKind
from sptenants.orders.models import AnomalyRow
from sptenants.refunds.models import Refund
from sptenants.refunds.service import RefundService
from sptenants.refunds.states import Purpose
from sptenants.registry.models import Tenant

_log = structlog.get_logger(__name__)

REASON = "重复支付，自动退回"


class DoublePaymentPolicy:
    """Gives second payments back for tenants that ask for it."""

    def __init__(self, database: Database, refunds: RefundService) -> None:
        self._database = database
        self._refunds = refunds

    async def run_due(self, limit: int = 100) -> int:
        """Start up to `limit` refunds and return how many were started."""
        async with self._database.read(WorkerScope()) as session:
            found = (await session.execute(_untouched().limit(limit))).all()
        started = [
            await self._give_back(TenantScope(provider_id, tenant_id), anomaly_id)
            for provider_id, tenant_id, anomaly_id in found
        ]
        return sum(started)

    async def _give_back(self, scope: TenantScope, anomaly_id: str) -> bool:
        try:
            await self._refunds.refund_duplicate(scope, anomaly_id, SYSTEM, REASON)
        except DomainError as error:
            # No certificate, or refused: the anomaly stays open and says so to a person.
            _log.warning("double_payment.not_given_back", anomaly_id=anomaly_id, reason=error.code)
            return False
        return True


def _untouched() -> Select[str, str, str]:
    """Return the query for open second payments that nobody has begun to give back."""
    begun = exists().where(
        Refund.provider_id == AnomalyRow.provider_id,
        Refund.tenant_id == AnomalyRow.tenant_id,
        Refund.transaction_id == AnomalyRow.mark,
        Refund.purpose == Purpose.DUPLICATE.value,
    )
    return (
        select(AnomalyRow.provider_id, AnomalyRow.tenant_id, AnomalyRow.id)
        .join(Tenant, and_(Tenant.provider_id == AnomalyRow.provider_id, Tenant.id == AnomalyRow.tenant_id))
        .where(
            Tenant.refunds_double_payments,
            AnomalyRow.kind == AnomalyKind.DOUBLE_PAYMENT.value,
            AnomalyRow.state == "open",
            ~begun,
        )
        .order_by(AnomalyRow.id)
    )
