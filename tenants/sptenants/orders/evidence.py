"""Applying a payment: the one place where an order becomes paid (rules I3, T4, P6, P12).

Evidence is a verified notification or a verified query answer. It is compared with the attempt's row in
every identity and in the amount before it changes anything, and applying it twice changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.scope import TenantScope
from sptenants.orders import repository, timeline
from sptenants.orders.line import Case
from sptenants.orders.records import AttemptRecord, OrderRecord
from sptenants.orders.states import Anomaly, AttemptState, OrderStatus
from sptenants.orders.timeline import Note
from wechatpay.gateway import OrderState
from wechatpay.money import Fen
from wechatpay.v2.notify import VerifiedPayment

_T = TypeVar("_T")

_MONEY = frozenset({"total_fee", "fee_type"})
_NOT_PAID = tuple(state for state in AttemptState if state is not AttemptState.PAID)
_GRAVITY = (
    Anomaly.LATE_PAYMENT,
    Anomaly.IDENTITY_MISMATCH,
    Anomaly.AMOUNT_MISMATCH,
    Anomaly.DOUBLE_PAYMENT,
)


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
            kind = Anomaly.AMOUNT_MISMATCH if _MONEY.issuperset(fields) else Anomaly.IDENTITY_MISMATCH
            return await _dispute(session, order, kind, evidence, now, fields)
        if order.status is OrderStatus.PAID:
            if order.transaction_id == evidence.transaction_id:
                return Applied(Verdict.ALREADY, order, ())
            return await _dispute(session, order, Anomaly.DOUBLE_PAYMENT, evidence, now, ())
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
    order, attempt = case.order, _attempt(case)
    late = order.status in {OrderStatus.CLOSED, OrderStatus.FAILED}
    changes = {"anomaly": Anomaly.LATE_PAYMENT.value} if late and order.anomaly is None else {}
    paid = await repository.move(
        session,
        order,
        OrderStatus.PAID,
        now,
        event={"late": True} if late else None,
        paid_at=evidence.paid_at,
        paid_by=evidence.source,
        transaction_id=evidence.transaction_id,
        next_check_at=None,
        **changes,
    )
    if paid is None:
        return None
    await repository.move_attempt(
        session,
        order,
        attempt.out_trade_no,
        _NOT_PAID,
        state=AttemptState.PAID.value,
        transaction_id=evidence.transaction_id,
    )
    facts = {"amount_checked": True, "transaction_id": evidence.transaction_id, "late": late or None}
    note = timeline.moved(
        order.status.value,
        "paid",
        evidence.source,
        **{name: value for name, value in facts.items() if value is not None},
    )
    return Applied(Verdict.PAID, paid, (note,))


async def _dispute(
    session: AsyncSession,
    order: OrderRecord,
    anomaly: Anomaly,
    evidence: Evidence,
    now: datetime,
    fields: tuple[str, ...],
) -> Applied:
    """Flag the order and leave its state alone: a person has to look (B01-B03, B05)."""
    weaker = [kind.value for kind in _GRAVITY[: _GRAVITY.index(anomaly)]]
    changed = await repository.note_anomaly(session, order, anomaly.value, weaker, now)
    if changed:
        order = replace(order, anomaly=anomaly.value)
    reason = ",".join(fields) or anomaly.value
    verdict = Verdict.DOUBLE if anomaly is Anomaly.DOUBLE_PAYMENT else Verdict.MISMATCH
    # A query repeats itself every few minutes; a notification is told of once, by its journal row.
    if not changed and evidence.source == "query":
        return Applied(verdict, order, (), reason)
    note = timeline.anomaly(
        anomaly.value,
        evidence.source,
        fields=list(fields),
        transaction_id=evidence.transaction_id,
        amount=evidence.total_fee.value,
    )
    return Applied(verdict, order, (note,), reason)


def _attempt(case: Case) -> AttemptRecord:
    if case.attempt is None:
        raise ValueError(f"{case.order.id} was never sent to WeChat")
    return case.attempt


def _present(value: _T | None) -> _T:
    if value is None:
        raise ValueError("a paid order without transaction_id, total_fee or time_end")
    return value
