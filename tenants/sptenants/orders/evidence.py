"""Applying a payment: the one place where an order becomes paid (rules I3, T4, P6, P12).

Evidence is a verified notification or a verified query answer. It is compared with the attempt's row in
every identity and in the amount before it changes anything, and applying it twice changes nothing. What does
not fit goes on the work list, in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.scope import TenantScope
from sptenants.orders import repository, timeline
from sptenants.orders.disputes import AnomalyKind, raise_anomaly
from sptenants.orders.line import Case
from sptenants.orders.records import AttemptRecord, OrderRecord
from sptenants.orders.states import OPEN, AttemptState, OrderStatus
from sptenants.orders.timeline import Note
from wechatpay.gateway import OrderState, TradeState, TradeType
from wechatpay.money import Fen
from wechatpay.payments import VerifiedPayment

_T = TypeVar("_T")

_MONEY = frozenset({"total_fee", "fee_type"})
_NOT_PAID = tuple(state for state in AttemptState if state is not AttemptState.PAID)

SILENT_AFTER = timedelta(minutes=10)
"""How long after a query found a payment its notification may still come before somebody should look."""


class Verdict(StrEnum):
    """What evidence did to an order."""

    PAID = "paid"
    ALREADY = "already"
    MISMATCH = "mismatch"
    DOUBLE = "double"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What somebody with the provider's key says was paid, and by which way we know."""

    source: Literal["notify", "query"]
    mch_id: str
    appid: str
    sub_mch_id: str | None
    sub_appid: str | None
    out_trade_no: str
    transaction_id: str
    total_fee: Fen
    fee_type: str
    trade_type: str | None
    paid_at: datetime
    refunded: bool = False
    """WeChat says that a refund was made of it already, which nobody here asked for (F10)."""

    @classmethod
    def of_notification(cls, payment: VerifiedPayment) -> Evidence:
        return cls(
            source="notify",
            mch_id=payment.mch_id.text,
            appid=payment.appid.text,
            sub_mch_id=payment.sub_mch_id.text if payment.sub_mch_id else None,
            sub_appid=payment.sub_appid.text if payment.sub_appid else None,
            out_trade_no=payment.out_trade_no.text,
            transaction_id=payment.transaction_id.text,
            total_fee=payment.total_fee,
            fee_type=payment.fee_type,
            trade_type=payment.trade_type.value,
            paid_at=payment.time_end,
        )

    @classmethod
    def of_query(cls, state: OrderState) -> Evidence:
        """Raises ValueError unless the answer says that the order was paid."""
        if not state.trade_state.was_paid:
            raise ValueError(f"{state.trade_state} is no evidence of a payment")
        return cls(
            source="query",
            mch_id=state.mch_id.text,
            appid=state.appid.text,
            sub_mch_id=state.sub_mch_id.text if state.sub_mch_id else None,
            sub_appid=state.sub_appid.text if state.sub_appid else None,
            out_trade_no=state.out_trade_no.text,
            transaction_id=_present(state.transaction_id).text,
            total_fee=_present(state.total_fee),
            fee_type=state.fee_type,
            trade_type=state.trade_type.value if state.trade_type else None,
            paid_at=_present(state.time_end),
            refunded=state.trade_state is TradeState.REFUND,
        )


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of it, the order as it is now, and entries for its timeline (the caller writes them).

    `reason` names the fields or the anomaly when the evidence was not taken.
    """

    verdict: Verdict
    order: OrderRecord
    notes: tuple[Note, ...]
    reason: str | None = None


class ConcurrentChange(RuntimeError):
    """The order kept moving while evidence was applied; whoever asked tries again."""


async def apply(
    session: AsyncSession, scope: TenantScope, case: Case, evidence: Evidence, now: datetime
) -> Applied:
    """Apply evidence within the caller's transaction.

    Raises ConcurrentChange when other transactions moved the order more often than it has states.
    """
    for _ in OrderStatus:
        order, attempt = case.order, _attempt(case)
        if fields := differing(attempt, order, evidence):
            kind = AnomalyKind.AMOUNT_MISMATCH if _MONEY.issuperset(fields) else AnomalyKind.IDENTITY_MISMATCH
            expected = {"fields": list(fields), "expected_amount": attempt.amount.value}
            return await _dispute(session, order, kind, evidence, now, expected)
        if order.status is OrderStatus.PAID:
            if order.transaction_id == evidence.transaction_id:
                return Applied(Verdict.ALREADY, order, ())
            await _mark_paid(session, order, evidence)
            first = {"first_transaction_id": order.transaction_id}
            return await _dispute(session, order, AnomalyKind.DOUBLE_PAYMENT, evidence, now, first)
        if (applied := await _pay(session, case, evidence, now)) is not None:
            return applied
        moved_on = await repository.case_of_out_trade_no(session, scope, attempt.out_trade_no)
        if moved_on is None:
            break
        case = moved_on
    raise ConcurrentChange(case.order.id)


def differing(attempt: AttemptRecord, order: OrderRecord, evidence: Evidence) -> tuple[str, ...]:
    """Return the fields in which evidence does not agree with what was ordered (rule I3).

    A `sub_appid` is compared when the order named one: WeChat may add one by itself (wechatpay-v2 2.3).
    """
    pairs: dict[str, tuple[object, object]] = {
        "mch_id": (attempt.mch_id, evidence.mch_id),
        "appid": (attempt.appid, evidence.appid),
        "sub_mch_id": (attempt.sub_mch_id, evidence.sub_mch_id),
        "sub_appid": (attempt.sub_appid, evidence.sub_appid if attempt.sub_appid else None),
        "out_trade_no": (attempt.out_trade_no, evidence.out_trade_no),
        "total_fee": (attempt.amount, evidence.total_fee),
        "fee_type": (order.currency, evidence.fee_type),
        "trade_type": (attempt.trade_type, evidence.trade_type),
    }
    return tuple(name for name, (ours, theirs) in pairs.items() if ours != theirs)


async def _pay(session: AsyncSession, case: Case, evidence: Evidence, now: datetime) -> Applied | None:
    order = case.order
    late = order.status not in OPEN
    paid = await repository.move(
        session,
        order,
        OrderStatus.PAID,
        now,
        event={"late": True} if late else None,
        paid_at=evidence.paid_at,
        paid_by=evidence.source,
        transaction_id=evidence.transaction_id,
        **_beside_the_payment(case, evidence, now, late=late),
    )
    if paid is None:
        return None
    await _mark_paid(session, order, evidence)
    if evidence.refunded:
        # The refunds are found, and taken over, by whoever works on these anomalies.
        await raise_anomaly(
            session,
            repository.scope_of(order),
            AnomalyKind.REFUND_OUTSIDE,
            evidence.out_trade_no,
            now,
            order_id=order.id,
            facts=_facts(evidence),
        )
    if late:
        facts = _facts(evidence) | {"status": order.status.value}
        await raise_anomaly(
            session,
            repository.scope_of(order),
            AnomalyKind.LATE_PAYMENT,
            evidence.transaction_id,
            now,
            order_id=order.id,
            facts=facts,
        )
    told = {"amount_checked": True, "transaction_id": evidence.transaction_id, "late": late or None}
    note = timeline.moved(
        order.status.value,
        "paid",
        evidence.source,
        **{name: value for name, value in told.items() if value is not None},
    )
    return Applied(Verdict.PAID, paid, (note,))


def _beside_the_payment(case: Case, evidence: Evidence, now: datetime, *, late: bool) -> dict[str, Any]:
    """Return what else changes on an order that becomes paid.

    Money on an attempt that had been replaced makes that one the order's own, with its amount; the newer one
    may still be payable, so that healing looks at once.
    """
    order, attempt = case.order, _attempt(case)
    replaced = attempt.out_trade_no != order.out_trade_no
    changes: dict[str, Any] = {"next_check_at": now if replaced else None}
    if replaced:
        own = {"out_trade_no": attempt.out_trade_no, "amount": attempt.amount}
        changes |= own | {"trade_type": attempt.trade_type}
    if late and order.anomaly is None:
        changes["anomaly"] = AnomalyKind.LATE_PAYMENT.value
    if evidence.source == "query" and attempt.trade_type != TradeType.MICROPAY:
        changes["silence_due_at"] = now + SILENT_AFTER
    return changes


async def _mark_paid(session: AsyncSession, order: OrderRecord, evidence: Evidence) -> None:
    await repository.move_attempt(
        session,
        order,
        evidence.out_trade_no,
        _NOT_PAID,
        state=AttemptState.PAID.value,
        transaction_id=evidence.transaction_id,
    )


async def _dispute(
    session: AsyncSession,
    order: OrderRecord,
    kind: AnomalyKind,
    evidence: Evidence,
    now: datetime,
    particulars: dict[str, Any],
) -> Applied:
    """Put it on the work list and leave the order's state alone: a person has to look (B01-B03, B05)."""
    scope, facts = repository.scope_of(order), _facts(evidence) | particulars
    mark = evidence.transaction_id
    fresh = await raise_anomaly(session, scope, kind, mark, now, order_id=order.id, facts=facts)
    fields = list(particulars.get("fields", ()))
    reason = ",".join(fields) or kind.value
    verdict = Verdict.DOUBLE if kind is AnomalyKind.DOUBLE_PAYMENT else Verdict.MISMATCH
    # A query repeats itself every few minutes; a notification is told of once, by its journal row.
    if not fresh and evidence.source == "query":
        return Applied(verdict, order, (), reason)
    note = timeline.anomaly(
        kind.value,
        evidence.source,
        fields=fields,
        transaction_id=evidence.transaction_id,
        amount=evidence.total_fee.value,
    )
    return Applied(verdict, order, (note,), reason)


def _facts(evidence: Evidence) -> dict[str, Any]:
    """Return what an anomaly keeps of its evidence: nothing of another merchant's, no openid."""
    return {
        "source": evidence.source,
        "out_trade_no": evidence.out_trade_no,
        "transaction_id": evidence.transaction_id,
        "amount": evidence.total_fee.value,
        "paid_at": evidence.paid_at.isoformat(),
    }


def _attempt(case: Case) -> AttemptRecord:
    if case.attempt is None:
        raise ValueError(f"{case.order.id} was never sent to WeChat")
    return case.attempt


def _present(value: _T | None) -> _T:
    if value is None:
        raise ValueError("a paid order without transaction_id, total_fee or time_end")
    return value
