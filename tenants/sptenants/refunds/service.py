"""What can be done with refunds. The one service that pages, API and policies call."""

from __future__ import annotations

import asyncio

from sqlalchemy import select

from spcore.audit.actor import Actor
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.errors import NotFound
from spcore.providers.keyring import Keyring
from sptenants.orders import timeline
from sptenants.orders.commands import IdempotencyKey
from sptenants.orders.disputes import AnomalyKind
from sptenants.orders.drafting import LEASE
from sptenants.orders.line import GatewayPicker
from sptenants.orders.models import AnomalyRow
from sptenants.orders.repository import ASK_EVERY, insert_notes_of
from sptenants.orders.schedule import Jitter, random_jitter
from sptenants.refunds import repository
from sptenants.refunds.approvals import Approvals
from sptenants.refunds.commands import Refunded, WantedRefund
from sptenants.refunds.errors import NoSecondPayment
from sptenants.refunds.hints import RefundHints
from sptenants.refunds.line import RefundLine
from sptenants.refunds.outside import Looked, OutsideRefunds
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.requesting import Requesting, Sleep
from sptenants.refunds.settling import RefundSettler
from sptenants.refunds.states import Approval
from sptenants.registry.access import RequestFacts
from sptenants.registry.errors import RateLimited


class RefundService:
    """Refunds of one tenant at a time; every method takes the scope it works in.

    `public_url` is where WeChat reaches us, without a trailing slash. `jitter` spreads the schedule and
    `sleep` waits; both are fixed in tests. `hints` follows up WeChat's notifications, `outside` finds
    refunds that were made elsewhere.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keyring: Keyring,
        gateways: GatewayPicker,
        *,
        public_url: str,
        jitter: Jitter = random_jitter,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._database = database
        self._clock = clock
        line = RefundLine(keyring, gateways, clock)
        self._settler = RefundSettler(database, clock, line, jitter)
        self.outside = OutsideRefunds(database, clock, line, jitter=jitter)
        self.hints = RefundHints(database, clock, line, self._settler, self.outside, jitter=jitter)
        self._requesting = Requesting(
            database, clock, line, self._settler, public_url=public_url, sleep=sleep
        )
        self._approvals = Approvals(database, clock, self._settler)

    async def request(
        self,
        scope: TenantScope,
        order_id: str,
        wanted: WantedRefund,
        by: Actor,
        *,
        key: IdempotencyKey | None = None,
        facts: RequestFacts | None = None,
        needs_approval: bool = False,
    ) -> Refunded:
        """Refund a part or all of a paid order; see `Requesting.request`.

        With `needs_approval` the amount is reserved and nothing is sent until another person agrees.
        """
        return await self._requesting.request(
            scope, order_id, wanted, by, key=key, facts=facts, needs_approval=needs_approval
        )

    async def refund_duplicate(
        self,
        scope: TenantScope,
        anomaly_id: str,
        by: Actor,
        reason: str,
        *,
        facts: RequestFacts | None = None,
        needs_approval: bool = False,
    ) -> Refunded:
        """Give back the second payment that an open `double_payment` anomaly is about, whole (B05, P12).

        With `needs_approval` it waits for another person, as in `request`. Raises NotFound, NoSecondPayment,
        ProviderNotReady, RefundRejected.
        """
        query = select(AnomalyRow).where(
            AnomalyRow.provider_id == scope.provider_id,
            AnomalyRow.tenant_id == scope.tenant_id,
            AnomalyRow.id == anomaly_id,
        )
        async with self._database.read(scope) as session:
            anomaly = await session.scalar(query)
        if anomaly is None:
            raise NotFound
        if anomaly.kind != AnomalyKind.DOUBLE_PAYMENT or anomaly.state != "open":
            raise NoSecondPayment
        second = anomaly.facts | {"order_id": anomaly.order_id}
        return await self._requesting.give_back(
            scope, second, by, reason, facts=facts, needs_approval=needs_approval
        )

    async def approve(
        self, scope: TenantScope, refund_id: str, by: Actor, facts: RequestFacts
    ) -> RefundRecord:
        """Agree to a refund that waits, and send it; see `Approvals.approve`."""
        return await self._approvals.approve(scope, refund_id, by, facts)

    async def decline(
        self, scope: TenantScope, refund_id: str, by: Actor, reason: str, facts: RequestFacts
    ) -> RefundRecord:
        """Refuse a refund that waits, and give its amount back; see `Approvals.decline`."""
        return await self._approvals.decline(scope, refund_id, by, reason, facts)

    async def sync(self, scope: TenantScope, refund_id: str, by: Actor) -> RefundRecord:
        """Ask WeChat now and return the refund as it is afterwards.

        Raises NotFound, RateLimited (one question every three seconds a refund), ProviderNotReady.
        """
        async with self._database.read(scope) as session:
            case = await repository.case_of(session, scope, refund_id)
        if case is None:
            raise NotFound
        refund, now = case.refund, self._clock.now()
        if refund.is_final or refund.approval is Approval.WAITING:
            return refund
        async with self._database.write(scope) as session:
            if not await repository.claim(session, refund, "sync", now + LEASE, now, asked=True):
                raise RateLimited(int(ASK_EVERY.total_seconds()))
            note = timeline.acted(by.name, "sync_refund", refund.out_refund_no)
            await insert_notes_of(session, scope, refund.order_id, now, [note])
        return (await self._settler.advance(case)).refund

    async def look_outside(self, scope: TenantScope, order_id: str) -> Looked:
        """Ask WeChat for every refund of an order and take over those made elsewhere (F10).

        Raises NotFound, ProviderNotReady.
        """
        async with self._database.read(scope) as session:
            if await repository.payment_of(session, scope, order_id) is None:
                raise NotFound
        return await self.outside.look(scope, order_id)
