"""The way of a refund: amount reserved, number stored, WeChat asked, answer stored (R1, R2, T3).

One transaction reserves: whatever happens after it, the sum of refunds never exceeds the payment (M4). An
unclear answer leaves the refund `submitting` under its one number, which no code ever replaces (F03).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from spcore.audit import writer as audit
from spcore.audit.actor import Actor
from spcore.audit.writer import Act
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.ids import new_id, new_ulid
from sptenants.orders.commands import IdempotencyKey
from sptenants.orders.drafting import LEASE
from sptenants.orders.errors import InProgress
from sptenants.orders.models import IdempotencyRecord
from sptenants.orders.records import AttemptRecord
from sptenants.orders.repository import insert_notes_of, remember_key
from sptenants.refunds import notes, repository
from sptenants.refunds.commands import MAX_REFUNDS, REFUNDABLE_FOR, Refunded, WantedRefund, source_of
from sptenants.refunds.errors import (
    AmountExceedsRefundable,
    NoSecondPayment,
    RefundConflict,
    RefundRejected,
    not_paid,
    too_many,
    too_old,
)
from sptenants.refunds.line import RefundCase, RefundLine
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.repository import Payment
from sptenants.refunds.settling import RefundSettler
from sptenants.refunds.states import Approval, Purpose, RefundStatus
from sptenants.registry.access import RequestFacts
from sptenants.registry.notify_paths import notify_path
from wechatpay.errors import InvalidRequest
from wechatpay.identifiers import OutRefundNo, OutTradeNo, TransactionId
from wechatpay.money import Fen
from wechatpay.refunds import NewRefund

Sleep = Callable[[float], Awaitable[None]]

_WAIT_STEPS, _WAIT_STEP_S = 20, 0.1


class _Taken(Exception):
    """The number is taken already, or the Idempotency-Key made a refund before."""

    def __init__(self, record: IdempotencyRecord | None = None) -> None:
        super().__init__()
        self.record = record


class Requesting:
    """Makes refunds and sends them. `public_url` is where WeChat reaches us, without a slash at its end."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        line: RefundLine,
        settler: RefundSettler,
        *,
        public_url: str,
        sleep: Sleep,
    ) -> None:
        self._database = database
        self._clock = clock
        self._line = line
        self._settler = settler
        self._public_url = public_url
        self._sleep = sleep

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
        """Refund a part or all of a paid order, or answer for the refund that is there (table 2.1).

        Raises NotFound, OrderStateConflict (not paid, older than a year, 50 refunds), ProviderNotReady,
        AmountExceedsRefundable, InvalidInput, RefundConflict, InProgress, RefundRejected.
        """
        payment, existing = await self._look_up(scope, order_id, wanted)
        if existing is not None:
            return await self._repeat(scope, order_id, wanted, existing)
        if payment.attempt is None:
            raise not_paid(payment.order)
        if payment.order.paid_at is None or self._clock.now() - payment.order.paid_at > REFUNDABLE_FOR:
            raise too_old(payment.order)
        await self._line.require_ready(payment.provider, payment.attempt)
        refund = self._draft(payment, payment.attempt, wanted, by)
        if needs_approval:
            refund = _for_approval(refund)
        try:
            await self._reserve(scope, refund, by, key, facts)
        except _Taken as taken:
            return await self._answer_taken(scope, order_id, wanted, taken.record)
        return await self._send(RefundCase(payment.provider, refund, payment.attempt))

    async def give_back(
        self,
        scope: TenantScope,
        anomaly: dict[str, Any],
        by: Actor,
        reason: str,
        *,
        facts: RequestFacts | None,
        needs_approval: bool,
    ) -> Refunded:
        """Refund the second payment of an order, whole (B05). `anomaly` holds the facts of it.

        Raises NoSecondPayment when it is no payment of ours or is being refunded, ProviderNotReady,
        RefundRejected.
        """
        async with self._database.read(scope) as session:
            payment = await repository.payment_under(
                session, scope, anomaly["order_id"], anomaly["out_trade_no"]
            )
        if payment is None or payment.attempt is None:
            raise NoSecondPayment
        await self._line.require_ready(payment.provider, payment.attempt)
        wanted = WantedRefund(Fen(anomaly["amount"]), reason)
        second = TransactionId(anomaly["transaction_id"])
        refund = self._draft(payment, payment.attempt, wanted, by, second=second)
        if needs_approval:
            refund = _for_approval(refund)
        await self._reserve(scope, refund, by, None, facts)
        return await self._send(RefundCase(payment.provider, refund, payment.attempt))

    async def _look_up(
        self, scope: TenantScope, order_id: str, wanted: WantedRefund
    ) -> tuple[Payment, RefundCase | None]:
        async with self._database.read(scope) as session:
            payment = await repository.payment_of(session, scope, order_id)
            if payment is None:
                raise NotFound
            if wanted.merchant_refund_no is None:
                return payment, None
            return payment, await repository.case_of_merchant_no(session, scope, wanted.merchant_refund_no)

    def _draft(
        self,
        payment: Payment,
        attempt: AttemptRecord,
        wanted: WantedRefund,
        by: Actor,
        *,
        second: TransactionId | None = None,
    ) -> RefundRecord:
        """Return the refund about to be stored, under its one number; `second` is a duplicate payment.

        Raises AmountExceedsRefundable and InvalidInput.
        """
        now, order = self._clock.now(), payment.order
        total = wanted.amount if second is not None else order.amount
        if wanted.amount > total:
            raise AmountExceedsRefundable(total)
        message = _message(
            OutRefundNo(new_ulid(now)),
            attempt,
            second or TransactionId(order.transaction_id or ""),
            wanted,
            total,
            self._public_url + notify_path(payment.route_key, attempt.api_version, "refund"),
        )
        return RefundRecord(
            id=new_id("rfd", now),
            provider_id=order.provider_id,
            tenant_id=order.tenant_id,
            mode=order.mode,
            order_id=order.id,
            out_trade_no=attempt.out_trade_no,
            transaction_id=message["transaction_id"],
            out_refund_no=message["out_refund_no"],
            merchant_refund_no=wanted.merchant_refund_no,
            amount=wanted.amount,
            total=total,
            reason=wanted.reason,
            request=message,
            status=RefundStatus.REQUESTED,
            purpose=Purpose.ORDER if second is None else Purpose.DUPLICATE,
            source=source_of(by),
            approval=Approval.NONE,
            created_by=by.name,
            created_by_id=by.id,
            approved_by=None,
            wechat_refund_id=None,
            recv_account=None,
            failure=None,
            short=False,
            checks=0,
            next_check_at=now + LEASE,
            asked_at=None,
            state_since=now,
            leased_by="request",
            leased_until=now + LEASE,
            created_at=now,
            updated_at=now,
            accepted_at=None,
            succeeded_at=None,
        )

    async def _reserve(
        self,
        scope: TenantScope,
        refund: RefundRecord,
        by: Actor,
        key: IdempotencyKey | None,
        facts: RequestFacts | None,
    ) -> None:
        """The one transaction that sets the money aside. Raises _Taken, and what `request` raises."""
        now = refund.created_at
        async with self._database.write(scope) as session:
            if key is not None and (record := await _remember(session, refund, key)) is not None:
                raise _Taken(record)
            order = await repository.lock_order(session, scope, refund.order_id)
            if refund.purpose is Purpose.DUPLICATE and await repository.has_live_duplicate(
                session, scope, refund.transaction_id
            ):
                raise NoSecondPayment
            if not await repository.insert_refund(session, repository.row_of(refund)):
                raise _Taken
            if refund.purpose is Purpose.ORDER:
                if await repository.reserve(session, order, refund.amount.value, now) is None:
                    raise AmountExceedsRefundable(
                        order.amount - order.refunded_amount - order.refunding_amount
                    )
                if await repository.count_of(session, scope, refund.transaction_id) > MAX_REFUNDS:
                    raise too_many(order)
            await insert_notes_of(session, scope, order.id, now, [notes.requested(refund)])
            if by.kind == "person":
                await audit.record(session, scope.provider_id, _act(refund, by, facts), now)

    async def _send(self, case: RefundCase) -> Refunded:
        """Send what was reserved, with no transaction open, and answer for it."""
        if case.refund.approval is Approval.WAITING:
            return Refunded(case.refund, "created")
        refund = (await self._settler.advance(case)).refund
        if refund.status is RefundStatus.REJECTED:
            raise RefundRejected(refund)
        return Refunded(refund, "unknown" if refund.status is RefundStatus.SUBMITTING else "created")

    async def _answer_taken(
        self, scope: TenantScope, order_id: str, wanted: WantedRefund, record: IdempotencyRecord | None
    ) -> Refunded:
        """Answer for a refund that somebody made while this call was on its way, or before."""
        async with self._database.read(scope) as session:
            if record is not None:
                case = await repository.case_of(session, scope, record.refund_id or "")
            else:
                number = wanted.merchant_refund_no or ""
                case = await repository.case_of_merchant_no(session, scope, number)
        if case is None:
            raise NotFound
        if record is None:
            return await self._repeat(scope, order_id, wanted, case)
        return replace(await self._answer(scope, case), replayed=True)

    async def _repeat(
        self, scope: TenantScope, order_id: str, wanted: WantedRefund, case: RefundCase
    ) -> Refunded:
        refund = case.refund
        ours = {"order_id": refund.order_id, "amount": refund.amount.value, "reason": refund.reason}
        asked = wanted.content(order_id)
        if fields := [name for name, value in asked.items() if ours[name] != value]:
            raise RefundConflict.of_fields(refund.id, fields)
        return await self._answer(scope, case)

    async def _answer(self, scope: TenantScope, case: RefundCase) -> Refunded:
        """Answer as the first call was answered, with the refund as it is now. Raises InProgress."""
        for _ in range(_WAIT_STEPS):
            if not _is_being_sent(case.refund, self._clock.now()):
                break
            await self._sleep(_WAIT_STEP_S)
            async with self._database.read(scope) as session:
                case = await repository.case_of(session, scope, case.refund.id) or case
        if _is_being_sent(case.refund, self._clock.now()):
            raise InProgress(case.refund.order_id)
        match case.refund.status:
            case RefundStatus.REJECTED if case.refund.approval is not Approval.DECLINED:
                raise RefundRejected(case.refund)
            case RefundStatus.SUBMITTING:
                return Refunded(case.refund, "unknown")
            case _:
                return Refunded(case.refund, "repeated")


def _is_being_sent(refund: RefundRecord, now: datetime) -> bool:
    early = refund.status in {RefundStatus.REQUESTED, RefundStatus.SUBMITTING}
    return early and refund.leased_by == "request" and refund.is_running(now)


def _for_approval(refund: RefundRecord) -> RefundRecord:
    """The same, reserved and not sent until another person agrees (F07)."""
    return replace(refund, approval=Approval.WAITING, next_check_at=None, leased_by=None, leased_until=None)


def _message(
    number: OutRefundNo,
    attempt: AttemptRecord,
    transaction_id: TransactionId,
    wanted: WantedRefund,
    total: Fen,
    notify_url: str,
) -> dict[str, Any]:
    """Return what will be sent, for ever the same. Raises InvalidInput naming the field."""
    try:
        message = NewRefund(
            out_refund_no=number,
            out_trade_no=OutTradeNo(attempt.out_trade_no),
            transaction_id=transaction_id,
            amount=wanted.amount,
            total=total,
            reason=wanted.reason,
            notify_url=notify_url,
        )
    except InvalidRequest as error:
        text = Text(f"{error.zh}。", f"{error.en}.")
        raise InvalidInput(Fault(f"#/{error.field}", "invalid_value", text)) from None
    return message.to_json()


async def _remember(
    session: AsyncSession, refund: RefundRecord, key: IdempotencyKey
) -> IdempotencyRecord | None:
    """Tie the Idempotency-Key to the new refund, or return what it is tied to. Raises RefundConflict."""
    record = await remember_key(
        session,
        {
            "provider_id": refund.provider_id,
            "tenant_id": refund.tenant_id,
            "route": key.route,
            "key": key.key,
            "request_hash": key.request_hash,
            "order_id": refund.order_id,
            "refund_id": refund.id,
            "created_at": refund.created_at,
        },
    )
    if record is not None and record.request_hash != key.request_hash:
        raise RefundConflict.of_key(record.refund_id)
    return record


def _act(refund: RefundRecord, by: Actor, facts: RequestFacts | None) -> Act:
    return Act(
        actor=by,
        action="refund.requested",
        object_kind="refund",
        object_id=refund.id,
        tenant_id=refund.tenant_id,
        after={
            "order_id": refund.order_id,
            "amount": refund.amount.value,
            "out_refund_no": refund.out_refund_no,
            "approval": refund.approval.value,
        },
        reason=refund.reason,
        request_id=facts.request_id if facts else None,
        peer=facts.peer if facts else None,
    )
