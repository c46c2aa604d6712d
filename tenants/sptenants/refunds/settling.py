"""Moving one refund forward: send it, ask WeChat, store what it says (failure catalogue 2.3, 2.4).

Used by the call that makes a refund, by a person's question, by notifications and by healing, so that every
way to learn something ends in the same place. Each step commits what it intends before it sends anything,
and commits what it learned before it tells anybody (rules T3, T5). There is no code here that makes a number.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.engine import Database
from sptenants.orders.disputes import AnomalyKind, raise_anomaly, settle_anomaly
from sptenants.orders.drafting import LEASE
from sptenants.orders.heals import Wrong, record_heal
from sptenants.orders.repository import insert_notes_of
from sptenants.orders.schedule import Jitter
from sptenants.orders.timeline import Note
from sptenants.orders.unexplained import note_refusal
from sptenants.refunds import notes, outcome, repository
from sptenants.refunds.line import FoundRefund, RefundCase, RefundLine, Sending
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.schedule import is_stuck, next_check
from sptenants.refunds.states import Approval, RefundStatus
from wechatpay.refunds import RefundAccepted

_S = RefundStatus
_SHORT = "NOTENOUGH"


class RefundSettler:
    """Takes a case whose lease the caller holds, and returns it as it is afterwards, lease ended.

    `heals` writes to the heal log what had been lost: for healing alone, where nobody asked.
    """

    def __init__(
        self, database: Database, clock: Clock, line: RefundLine, jitter: Jitter, *, heals: bool = False
    ) -> None:
        self._database = database
        self._clock = clock
        self._line = line
        self._jitter = jitter
        self._heals = heals

    async def advance(self, case: RefundCase) -> RefundCase:
        """Do the next thing this refund needs. Raises ProviderNotReady when nothing can be signed."""
        match case.refund.status:
            case _S.REQUESTED:
                return await self._begin(case)
            case _S.SUBMITTING:
                return await self._resume(case)
            case _S.PROCESSING | _S.ABNORMAL:
                return await self.store(case, await self._line.query(case))
            case _S.SUCCEEDED | _S.REJECTED | _S.CLOSED:
                return case

    async def store(self, case: RefundCase, found: FoundRefund) -> RefundCase:
        """Store what a query found; one commit."""
        now = self._clock.now()
        async with self._database.write(case.refund.scope) as session:
            order = await repository.order_of(session, case.refund)
            case = await self._again(session, case)
            if found.state is not None:
                applied = await outcome.apply(
                    session, order, case.refund, found.state, now, self._jitter, heals=self._heals
                )
            elif found.kind == "absent" and case.refund.status is not _S.SUBMITTING:
                # WeChat took it on and does not know it any more.
                applied = await outcome.dispute(session, case.refund, ("absent",), now)
            else:
                applied = outcome.Applied(case.refund)
            told = (found.note, *applied.notes) if applied.notes or found.kind == "unclear" else ()
            await self._tell(session, case.refund, now, *told)
            if not applied.changed:
                await self._rest(session, applied.refund, now, answered=found.kind != "unclear")
            return await self._again(session, case)

    async def _begin(self, case: RefundCase) -> RefundCase:
        """Send a reserved refund, or leave it waiting while another of its payment is in flight (R1, R2)."""
        await self._line.require_ready(case.provider, case.attempt)
        now = self._clock.now()
        async with self._database.write(case.refund.scope) as session:
            order = await repository.order_of(session, case.refund)
            case = await self._again(session, case)
            refund = case.refund
            if refund.status is not _S.REQUESTED or refund.approval is Approval.WAITING:
                return case
            if await repository.is_in_flight(session, refund):
                await self._rest(session, refund, now, answered=False)
                return await self._again(session, case)
            sending = await repository.move(
                session,
                order,
                refund,
                _S.SUBMITTING,
                now,
                next_check_at=now + LEASE,
                leased_by=refund.leased_by,
                leased_until=now + LEASE,
            )
            if sending is None:
                return await self._again(session, case)
        return await self._submit(replace(case, refund=sending), again=False)

    async def _resume(self, case: RefundCase) -> RefundCase:
        """Ask about a refund whose fate is unknown; what WeChat does not have is sent again (R3, R5)."""
        found = await self._line.query(case)
        if found.kind != "absent":
            return await self.store(case, found)
        if case.refund.failure is not None and case.refund.failure.get("definitive"):
            return await self._reject(case, found.note)
        return await self._submit(case, again=True)

    async def _submit(self, case: RefundCase, *, again: bool) -> RefundCase:
        sending = await self._line.send(case)
        match sending.kind:
            case "accepted" if sending.accepted is not None and _agrees(case.refund, sending.accepted):
                return await self._accepted(case, sending, sending.accepted, again=again)
            case "refused" if sending.failure is not None and sending.failure["definitive"]:
                refused = await self._waiting(case, sending)
                # A refusal counts once a query agrees that nothing exists (R5): money may be on its way.
                return await self._resume(refused) if refused.refund.status is _S.SUBMITTING else refused
            case _:
                return await self._waiting(case, sending)

    async def _accepted(
        self, case: RefundCase, sending: Sending, accepted: RefundAccepted, *, again: bool
    ) -> RefundCase:
        """WeChat took it on (R4). A refund that evidence settled meanwhile is left as it is (Z11)."""
        refund, now = case.refund, self._clock.now()
        left_as = replace(refund, status=_S.PROCESSING, state_since=now)
        async with self._database.write(refund.scope) as session:
            order = await repository.order_of(session, refund)
            moved = await repository.move(
                session,
                order,
                refund,
                _S.PROCESSING,
                now,
                wechat_refund_id=accepted.refund_id.text,
                accepted_at=now,
                failure=None,
                short=False,
                next_check_at=next_check(left_as, now, self._jitter),
            )
            if moved is None:
                return await self._again(session, case)
            await self._tell(
                session, refund, now, sending.note, notes.moved(refund, _S.PROCESSING, "gateway")
            )
            await repository.wake_waiting(session, refund, now)
            if refund.short:
                await settle_anomaly(
                    session,
                    refund.scope,
                    AnomalyKind.REFUND_SHORT,
                    refund.out_refund_no,
                    now,
                    "WeChat took it on",
                )
            if again and self._heals and refund.failure is None:
                await self._note_heal(session, refund, now)
        return replace(case, refund=moved)

    async def _waiting(self, case: RefundCase, sending: Sending) -> RefundCase:
        """Not taken on, or nobody knows: it stays under its number, and a short balance is shown (F06)."""
        refund, now = case.refund, self._clock.now()
        changes: dict[str, Any] = {}
        if sending.failure is not None:
            changes = {"failure": sending.failure, "short": sending.failure["code"] == _SHORT}
        left_as = replace(refund, **changes)
        async with self._database.write(refund.scope) as session:
            await note_refusal(session, refund.scope, sending.failure, now)
            await repository.order_of(session, refund)
            touched = await repository.touch(
                session, refund, now, **changes, next_check_at=next_check(left_as, now, self._jitter)
            )
            await self._tell(session, refund, now, sending.note)
            if touched is None:
                return await self._again(session, case)
            if sending.accepted is not None:
                await outcome.dispute(session, refund, ("refund_fee", "total_fee"), now)
            if touched.short:
                await raise_anomaly(
                    session,
                    refund.scope,
                    AnomalyKind.REFUND_SHORT,
                    refund.out_refund_no,
                    now,
                    order_id=refund.order_id,
                    refund_id=refund.id,
                    facts={"amount": refund.amount.value},
                )
        return replace(case, refund=touched)

    async def _reject(self, case: RefundCase, note: Note) -> RefundCase:
        """Refused for good and proven absent: give the reserved amount back (R5)."""
        refund, now = case.refund, self._clock.now()
        async with self._database.write(refund.scope) as session:
            order = await repository.order_of(session, refund)
            moved = await repository.move(session, order, refund, _S.REJECTED, now, next_check_at=None)
            if moved is None:
                return await self._again(session, case)
            code = refund.failure.get("code") if refund.failure else None
            await self._tell(session, refund, now, note, notes.moved(refund, _S.REJECTED, "query", code=code))
            await repository.wake_waiting(session, refund, now)
            if refund.short:
                await settle_anomaly(
                    session, refund.scope, AnomalyKind.REFUND_SHORT, refund.out_refund_no, now, "refused"
                )
        return replace(case, refund=moved)

    async def _rest(
        self, session: AsyncSession, refund: RefundRecord, now: datetime, *, answered: bool
    ) -> None:
        """Leave the refund in its state until the next look; that always has a time (INV 10)."""
        checks = refund.checks + 1 if answered else refund.checks
        await repository.touch(
            session, refund, now, checks=checks, next_check_at=next_check(refund, now, self._jitter)
        )
        if is_stuck(refund, now):
            await raise_anomaly(
                session,
                refund.scope,
                AnomalyKind.REFUND_STUCK,
                refund.out_refund_no,
                now,
                order_id=refund.order_id,
                refund_id=refund.id,
                facts={"amount": refund.amount.value, "status": refund.status.value},
            )

    async def _note_heal(self, session: AsyncSession, refund: RefundRecord, now: datetime) -> None:
        await record_heal(
            session,
            refund.scope,
            order_id=refund.order_id,
            refund_id=refund.id,
            wrong=Wrong.LOST_REFUND_ANSWER,
            before=refund.status.value,
            after=_S.PROCESSING.value,
            since=refund.state_since,
            now=now,
            queries=refund.checks + 1,
        )

    async def _tell(
        self, session: AsyncSession, refund: RefundRecord, now: datetime, *told: Note | None
    ) -> None:
        written = [note for note in told if note is not None]
        await insert_notes_of(session, refund.scope, refund.order_id, now, written)

    async def _again(self, session: AsyncSession, case: RefundCase) -> RefundCase:
        return await repository.case_of(session, case.refund.scope, case.refund.id) or case


def _agrees(refund: RefundRecord, accepted: RefundAccepted) -> bool:
    """Whether WeChat took on what was asked for, and nothing else."""
    return (accepted.amount, accepted.total) == (refund.amount, refund.total)
