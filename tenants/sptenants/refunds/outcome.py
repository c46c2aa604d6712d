"""Applying WeChat's word about a refund: the one place where a refund ends (rules R6, R7).

The word is a verified answer to a question, or a notification of API v3, which WeChat signs; never the
content of one of v2. It is compared with the row in every number and amount before it changes anything, and
applying it twice changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from sptenants.orders import timeline
from sptenants.orders.disputes import AnomalyKind, raise_anomaly, settle_anomaly
from sptenants.orders.heals import Wrong, record_heal
from sptenants.orders.records import AttemptRecord, OrderRecord
from sptenants.orders.schedule import Jitter
from sptenants.orders.timeline import Note
from sptenants.refunds import notes, repository
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.schedule import STUCK_AFTER, next_check
from sptenants.refunds.states import Purpose, RefundStatus, may_move
from wechatpay import refunds as wire
from wechatpay.identifiers import OutRefundNo, OutTradeNo, RefundId, TransactionId
from wechatpay.money import Fen

Source = Literal["query", "notify"]

NOTIFIED_WITHIN = timedelta(minutes=1)
"""WeChat tells of a success at once; a query that finds one older than this found a lost notification."""

_TARGETS = {
    wire.RefundStatus.PROCESSING: RefundStatus.PROCESSING,
    wire.RefundStatus.SUCCESS: RefundStatus.SUCCEEDED,
    wire.RefundStatus.REFUNDCLOSE: RefundStatus.CLOSED,
    wire.RefundStatus.CHANGE: RefundStatus.ABNORMAL,
}
_STILL_OPEN = frozenset({RefundStatus.PROCESSING, RefundStatus.ABNORMAL})


class Word(Protocol):
    """WeChat's verified word about one refund: `RefundState` or `VerifiedRefund` of `wechatpay.refunds`."""

    @property
    def out_trade_no(self) -> OutTradeNo: ...
    @property
    def transaction_id(self) -> TransactionId: ...
    @property
    def out_refund_no(self) -> OutRefundNo: ...
    @property
    def refund_id(self) -> RefundId: ...
    @property
    def status(self) -> wire.RefundStatus: ...
    @property
    def amount(self) -> Fen: ...
    @property
    def total(self) -> Fen: ...
    @property
    def success_at(self) -> datetime | None: ...
    @property
    def recv_account(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of it: the refund as it is now, entries for the timeline, and whether anything was wrong.

    `changed` says that the state moved; `disputed` names the fields for which WeChat's word was not taken.
    """

    refund: RefundRecord
    notes: tuple[Note, ...] = ()
    changed: bool = False
    disputed: tuple[str, ...] = ()


async def apply(
    session: AsyncSession,
    order: OrderRecord,
    refund: RefundRecord,
    state: Word,
    now: datetime,
    jitter: Jitter,
    *,
    source: Source = "query",
    heals: bool = False,
) -> Applied:
    """Apply `state`, by whichever way it was learned, within the caller's transaction, which holds `order`.

    `heals` writes down what had been lost when the refund moved on: healing found it, nobody told us.
    """
    if fields := differing(refund, state):
        return await dispute(session, refund, fields, now, source)
    after = _TARGETS[state.status]
    if refund.status is after or (refund.status in _STILL_OPEN and after is RefundStatus.PROCESSING):
        return Applied(refund)
    if not may_move(refund.status, after):
        # Final for us, and WeChat says otherwise: money truth and intent differ (rule M5).
        return await dispute(session, refund, ("status",), now, source)
    moved = await repository.move(
        session, order, refund, after, now, **_changes(refund, after, state, now, jitter)
    )
    if moved is None:
        return Applied(refund)
    await _follow_up(session, refund, moved, now)
    if heals:
        await _note_heal(session, refund, moved, now)
    note = notes.moved(refund, after, source, recv_account=moved.recv_account)
    return Applied(moved, (note,), changed=True)


def differing(refund: RefundRecord, state: Word) -> tuple[str, ...]:
    """Return the fields in which WeChat's word does not agree with the refund (R6)."""
    pairs: dict[str, tuple[object, object]] = {
        "out_trade_no": (refund.out_trade_no, state.out_trade_no.text),
        "transaction_id": (refund.transaction_id, state.transaction_id.text),
        "out_refund_no": (refund.out_refund_no, state.out_refund_no.text),
        "refund_id": (refund.wechat_refund_id or state.refund_id.text, state.refund_id.text),
        "refund_fee": (refund.amount, state.amount),
        "total_fee": (refund.total, state.total),
    }
    return tuple(name for name, (ours, theirs) in pairs.items() if ours != theirs)


def strange(attempt: AttemptRecord, refund: wire.VerifiedRefund) -> tuple[str, ...]:
    """Return the identities in which a refund is not of the attempt's merchant (I3).

    WeChat writes a provider's with and without the sub-merchant's number (wechatpay-v3 3.3).
    """
    sub_mch_id = refund.sub_mch_id.text if refund.sub_mch_id else attempt.sub_mch_id
    pairs = {"mch_id": (attempt.mch_id, refund.mch_id.text), "sub_mch_id": (attempt.sub_mch_id, sub_mch_id)}
    return tuple(name for name, (ours, theirs) in pairs.items() if ours != theirs)


async def dispute(
    session: AsyncSession,
    refund: RefundRecord,
    fields: tuple[str, ...],
    now: datetime,
    source: Source = "query",
) -> Applied:
    """Leave the refund alone and put it on the work list: a person has to look."""
    kind = AnomalyKind.REFUND_MISMATCH
    fresh = await raise_anomaly(
        session,
        refund.scope,
        kind,
        refund.out_refund_no,
        now,
        order_id=refund.order_id,
        refund_id=refund.id,
        facts={"fields": list(fields), "amount": refund.amount.value},
    )
    told = (timeline.anomaly(kind.value, source, fields=list(fields)),) if fresh else ()
    return Applied(refund, told, disputed=fields)


def _changes(
    refund: RefundRecord, after: RefundStatus, state: Word, now: datetime, jitter: Jitter
) -> dict[str, Any]:
    left_as = replace(refund, status=after, state_since=now, failure=None)
    return {
        "wechat_refund_id": state.refund_id.text,
        "recv_account": state.recv_account,
        "failure": None,
        "short": False,
        "accepted_at": refund.accepted_at or now,
        "succeeded_at": (state.success_at or now) if after is RefundStatus.SUCCEEDED else None,
        "next_check_at": next_check(left_as, now, jitter),
    }


async def _follow_up(session: AsyncSession, before: RefundRecord, after: RefundRecord, now: datetime) -> None:
    """Settle and raise what the move means for the work list, and send what waited for this refund."""
    scope, mark = before.scope, before.out_refund_no
    if before.status is RefundStatus.SUBMITTING:
        await repository.wake_waiting(session, before, now)
    if before.short:
        await settle_anomaly(session, scope, AnomalyKind.REFUND_SHORT, mark, now, "WeChat took it on")
    if before.status is RefundStatus.ABNORMAL:
        note = f"WeChat says {after.status.value}"
        await settle_anomaly(session, scope, AnomalyKind.REFUND_ABNORMAL, mark, now, note)
    if after.is_final and now - before.created_at >= STUCK_AFTER:
        note = f"ended as {after.status.value}"
        await settle_anomaly(session, scope, AnomalyKind.REFUND_STUCK, mark, now, note)
    if after.status is RefundStatus.ABNORMAL:
        await raise_anomaly(
            session,
            scope,
            AnomalyKind.REFUND_ABNORMAL,
            mark,
            now,
            order_id=before.order_id,
            refund_id=before.id,
            facts={"amount": before.amount.value},
        )
    if after.purpose is Purpose.DUPLICATE and after.status is RefundStatus.SUCCEEDED:
        note = f"the second payment was given back by {after.id}"
        await settle_anomaly(session, scope, AnomalyKind.DOUBLE_PAYMENT, after.transaction_id, now, note)


async def _note_heal(session: AsyncSession, before: RefundRecord, after: RefundRecord, now: datetime) -> None:
    wrong, since = Wrong.LOST_REFUND_ANSWER, before.state_since
    if before.status is not RefundStatus.SUBMITTING:
        wrong, since = Wrong.LOST_REFUND_NOTIFICATION, after.succeeded_at or before.state_since
        if not after.is_final or now - since < NOTIFIED_WITHIN:
            return
    await record_heal(
        session,
        before.scope,
        order_id=before.order_id,
        refund_id=before.id,
        wrong=wrong,
        before=before.status.value,
        after=after.status.value,
        since=since,
        now=now,
        queries=before.checks + 1,
    )
