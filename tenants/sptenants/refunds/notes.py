"""Entries of the order's timeline about its refunds; their words are in `orders/refund_words.py`."""

from __future__ import annotations

from typing import Any

from sptenants.orders.timeline import Note, Outcome
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.states import Approval, RefundStatus

_OUTCOME_OF: dict[RefundStatus, Outcome] = {
    RefundStatus.SUCCEEDED: "ok",
    RefundStatus.PROCESSING: "wait",
    RefundStatus.SUBMITTING: "wait",
    RefundStatus.ABNORMAL: "bad",
    RefundStatus.REJECTED: "bad",
    RefundStatus.CLOSED: "bad",
}


def requested(refund: RefundRecord) -> Note:
    """The amount was reserved, or the refund was found at WeChat."""
    facts = {
        "refund_id": refund.id,
        "amount": refund.amount.value,
        "out_refund_no": refund.out_refund_no,
        "merchant_refund_no": refund.merchant_refund_no,
        "reason": refund.reason,
        "by": refund.created_by,
        "source": refund.source,
        "purpose": refund.purpose.value,
        "waits": refund.approval is Approval.WAITING or None,
    }
    return Note("refund.requested", "info", _given(facts))


def moved(refund: RefundRecord, after: RefundStatus, cause: str, **facts: Any) -> Note:
    """A change of state; `cause` is `gateway`, `query`, `notify` or `operator`."""
    meta = {
        "refund_id": refund.id,
        "amount": refund.amount.value,
        "from": refund.status.value,
        "to": after.value,
        "cause": cause,
        **facts,
    }
    return Note("refund.status_changed", _OUTCOME_OF.get(after, "mute"), _given(meta))


def _given(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}
