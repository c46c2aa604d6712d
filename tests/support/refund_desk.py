"""A desk for refunds at a till: the services of refunds over its database and its WeChat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from tests.support.fake_refunds import RefundingWechat
from tests.support.till import FACTS, PUBLIC_URL, Till

from spcore.audit.actor import Actor
from spcore.audit.models import AuditRow
from spcore.db.scope import PlatformScope, TenantScope
from sptenants.notify.answers import Answer
from sptenants.notify.journal import Incoming
from sptenants.notify.refund_hints import RefundNotices
from sptenants.orders.budget import Budget
from sptenants.orders.models import AnomalyRow, Heal, TimelineEntry
from sptenants.orders.records import OrderRecord
from sptenants.refunds.commands import Refunded, WantedRefund
from sptenants.refunds.healing import RefundHealing
from sptenants.refunds.outside import OutsideWatch
from sptenants.refunds.reader import RefundReader
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.service import RefundService
from sptenants.registry.door import Door
from wechatpay.money import Fen
from wechatpay.refunds import RefundStatus as WireStatus

SERVER = Actor("api_key", "key_1", "server")
WANG = Actor("person", "usr_wang", "王敏")
LI = Actor("person", "usr_li", "李雷")


@dataclass(slots=True)
class RefundDesk:
    """Services, and shortcuts for what tests do all the time."""

    till: Till
    service: RefundService
    reader: RefundReader
    healing: RefundHealing
    watch: OutsideWatch
    notices: RefundNotices

    @property
    def wechat(self) -> RefundingWechat:
        return self.till.wechat

    @property
    def scope(self) -> TenantScope:
        return self.till.scope

    async def paid(self, no: str = "T1", *, tenant: int = 0, amount: int = 12800) -> OrderRecord:
        """Place an order and have it paid and known to be paid."""
        order = await self.till.placed(no, tenant=tenant, amount=Fen(amount))
        await self.till.learn_paid(order)
        return await self.till.order(order.id, tenant=tenant)

    async def request(
        self, order: OrderRecord, amount: int, no: str | None = "R1", *, by: Actor = SERVER, **more: Any
    ) -> Refunded:
        wanted = WantedRefund(Fen(amount), more.pop("reason", "少发一杯"), no)
        scope = TenantScope(order.provider_id, order.tenant_id)
        return await self.service.request(scope, order.id, wanted, by, **more)

    async def refund(self, refund_id: str) -> RefundRecord:
        return await self.reader.record(self.scope, refund_id)

    async def tell(
        self, number: str, *, tenant: int = 0, body: bytes | None = None, **changes: str
    ) -> Answer:
        """Have WeChat notify of a refund."""
        key = await self.till.signing_key(tenant)
        sent = body or self.wechat.refund_notification(number, key, **changes)
        incoming = Incoming("v2", "refund", sent, {"content-type": "text/xml"}, FACTS)
        return await self.notices.refund_v2(self.till.callers[tenant].tenant.route_key, incoming)

    def settle(self, number: str, status: str = "SUCCESS") -> None:
        self.wechat.settle(number, WireStatus(status), self.till.clock.now())

    async def heal(self, *, times: int = 1, **every: float) -> None:
        """Let time pass in steps and look at refunds that are due after each."""
        for _ in range(times):
            self.till.clock.advance(**every)
            await self.healing.run_due()

    async def refund_events(self) -> list[str]:
        return [event.type for event in await self.till.events() if event.type.startswith("refund.")]

    async def anomalies(self, kind: str | None = None) -> list[AnomalyRow]:
        query = select(AnomalyRow).where(AnomalyRow.tenant_id == self.scope.tenant_id)
        async with self.till.database.read(self.scope) as session:
            found = list(await session.scalars(query.order_by(AnomalyRow.id)))
        return [row for row in found if kind is None or row.kind == kind]

    async def heals(self) -> list[str]:
        query = select(Heal.wrong).where(Heal.tenant_id == self.scope.tenant_id).order_by(Heal.id)
        async with self.till.database.read(self.scope) as session:
            return list(await session.scalars(query))

    async def acts(self) -> list[tuple[str, str | None, str | None]]:
        """What the audit log has of this tenant: action, who, on what."""
        query = select(AuditRow.action, AuditRow.actor_id, AuditRow.object_id).where(
            AuditRow.chain == self.scope.provider_id, AuditRow.tenant_id == self.scope.tenant_id
        )
        async with self.till.database.read(PlatformScope("test")) as session:
            return [(row.action, row.actor_id, row.object_id) for row in await session.execute(query)]

    async def notes(self, order: OrderRecord) -> list[TimelineEntry]:
        query = select(TimelineEntry).where(
            TimelineEntry.tenant_id == order.tenant_id, TimelineEntry.order_id == order.id
        )
        async with self.till.database.read(self.scope) as session:
            return list(await session.scalars(query.order_by(TimelineEntry.id)))


def build_desk(till: Till) -> RefundDesk:
    database, clock = till.database, till.clock
    services = (database, clock, till.keyring, till.wechat)
    service = RefundService(*services, public_url=PUBLIC_URL, jitter=lambda: 0.5, sleep=till.pauses)
    budget = Budget(clock)
    return RefundDesk(
        till=till,
        service=service,
        reader=RefundReader(database),
        healing=RefundHealing(*services, budget=budget, jitter=lambda: 0.5),
        watch=OutsideWatch(database, clock, service.outside, budget),
        notices=RefundNotices(
            database, clock, Door(database, clock), till.keyring, service.hints, till.notify
        ),
    )
