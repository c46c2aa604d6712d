"""The second pair of eyes: a large refund waits until another person agrees (F07, ASVS 2.3.5)."""

from __future__ import annotations

from spcore.audit import writer as audit
from spcore.audit.actor import Actor
from spcore.audit.writer import Act
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.errors import NotFound, Text
from sptenants.orders.drafting import LEASE
from sptenants.orders.repository import insert_notes_of
from sptenants.refunds import notes, repository
from sptenants.refunds.errors import RefundStateConflict
from sptenants.refunds.line import RefundCase
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.settling import RefundSettler
from sptenants.refunds.states import Approval, RefundStatus
from sptenants.registry.access import RequestFacts
from sptenants.registry.errors import Forbidden

_OWN = Text(
    "退款需要另一个人批准，不能由发起人自己批准或驳回：请换一位有权限的同事处理。",
    "Another person has to decide on a refund, not the one who asked for it: have a colleague do it.",
)
_NOBODY = Text("只有人可以批准或驳回退款。", "Only a person can decide on a refund.")


class Approvals:
    """Approves and declines refunds that wait. Both are audited."""

    def __init__(self, database: Database, clock: Clock, settler: RefundSettler) -> None:
        self._database = database
        self._clock = clock
        self._settler = settler

    async def approve(
        self, scope: TenantScope, refund_id: str, by: Actor, facts: RequestFacts
    ) -> RefundRecord:
        """Agree, and send the refund. Raises NotFound, Forbidden, RefundStateConflict, ProviderNotReady."""
        case = await self._waiting(scope, refund_id, by)
        refund, now = case.refund, self._clock.now()
        async with self._database.write(scope) as session:
            await repository.order_of(session, refund)
            given = await repository.decide(session, refund, Approval.GIVEN, by.name, now)
            if given is None:
                raise RefundStateConflict(refund)
            if not await repository.claim(session, given, "request", now + LEASE, now, asked=False):
                raise RefundStateConflict(refund)
            await audit.record(session, scope.provider_id, _act("refund.approved", given, by, facts), now)
        return (await self._settler.advance(RefundCase(case.provider, given, case.attempt))).refund

    async def decline(
        self, scope: TenantScope, refund_id: str, by: Actor, reason: str, facts: RequestFacts
    ) -> RefundRecord:
        """Refuse, and give the reserved amount back. Raises NotFound, Forbidden, RefundStateConflict."""
        case = await self._waiting(scope, refund_id, by)
        refund, now = case.refund, self._clock.now()
        async with self._database.write(scope) as session:
            order = await repository.order_of(session, refund)
            declined = await repository.decide(session, refund, Approval.DECLINED, by.name, now)
            if declined is None:
                raise RefundStateConflict(refund)
            moved = await repository.move(
                session, order, declined, RefundStatus.REJECTED, now, next_check_at=None
            )
            if moved is None:
                raise RefundStateConflict(refund)
            note = notes.moved(refund, RefundStatus.REJECTED, "operator", by=by.name, note=reason)
            await insert_notes_of(session, scope, refund.order_id, now, [note])
            act = _act("refund.declined", moved, by, facts, reason)
            await audit.record(session, scope.provider_id, act, now)
        return moved

    async def _waiting(self, scope: TenantScope, refund_id: str, by: Actor) -> RefundCase:
        async with self._database.read(scope) as session:
            case = await repository.case_of(session, scope, refund_id)
        if case is None:
            raise NotFound
        if by.kind != "person" or by.id is None:
            raise Forbidden(_NOBODY)
        if by.id == case.refund.created_by_id:
            raise Forbidden(_OWN)
        if case.refund.approval is not Approval.WAITING:
            raise RefundStateConflict(case.refund)
        return case


def _act(action: str, refund: RefundRecord, by: Actor, facts: RequestFacts, reason: str | None = None) -> Act:
    return Act(
        actor=by,
        action=action,
        object_kind="refund",
        object_id=refund.id,
        tenant_id=refund.tenant_id,
        before={"approval": Approval.WAITING.value, "asked_by": refund.created_by},
        after={"approval": refund.approval.value, "amount": refund.amount.value},
        reason=reason,
        request_id=facts.request_id,
        peer=facts.peer,
    )
