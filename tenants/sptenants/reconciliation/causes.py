"""Probable causes of differences, and which of them a question to WeChat can help with.

A cause is a reading of what is written down, never a decision: the journal of notifications, our own rows
and WeChat's own answer say what happened; the words for people are in `words.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.scope import TenantScope
from sptenants.notify.models import Notification
from sptenants.notify.records import SETTLED_RESULTS
from sptenants.orders.sums import CHINA
from sptenants.reconciliation.states import DifferenceDetail

_D = DifferenceDetail


class CauseCode(StrEnum):
    """Why our books and a bill differ, as far as can be told."""

    LOST_NOTIFICATION = "lost_notification"
    """No notification of it is in the journal."""
    LATE_NOTIFICATION = "late_notification"
    """It came after the bill's day: facts `received_at`, `notification_id`."""
    REFUSED_NOTIFICATION = "refused_notification"
    """It came and was not accepted: facts `received_at`, `notification_id`, `result`, `reason`."""
    RESTORED_BACKUP = "restored_backup"
    """The number is one of ours and its row is not here."""
    NOT_OUR_NUMBER = "not_our_number"
    """Made by another system under the same merchant number."""
    NUMBER_OF_ANOTHER_TENANT = "number_of_another_tenant"
    SUB_MERCHANT_NOT_ONBOARDED = "sub_merchant_not_onboarded"
    OTHER_PROVIDERS_BILL = "other_providers_bill"
    CLOSED_BEFORE_PAID = "closed_before_paid"
    """Our order had ended: fact `status`."""
    PAID_TWICE = "paid_twice"
    """Two transactions under one number: facts `transaction_id`, `first_transaction_id`."""
    REVERSED_AT_WECHAT = "reversed_at_wechat"
    """A payment code was reversed there and is paid here."""
    REFUNDED_AT_WECHAT = "refunded_at_wechat"
    """Made on WeChat's merchant platform, not by us (F10)."""
    REFUND_SETTLING = "refund_settling"
    """WeChat's refund is still on its way: fact `status`."""
    REFUND_ENDED_OTHERWISE = "refund_ended_otherwise"
    """WeChat's answer is another end than ours: fact `status`."""
    MIDNIGHT = "midnight"
    """WeChat puts it on a neighbouring day: fact `at`."""
    AMOUNT_DIFFERS_AT_WECHAT = "amount_differs_at_wechat"
    """WeChat's own answer agrees with the bill against us: fact `amount`."""
    BILL_LINE_DIFFERS = "bill_line_differs"
    """WeChat's own answer agrees with us against its bill."""
    BILL_LINE_MISSING = "bill_line_missing"
    """WeChat's own answer has it on this day, and its bill has not."""
    MISSING_AT_WECHAT = "missing_at_wechat"
    """WeChat does not know what our books have as done, or calls it not done: fact `trade_state`."""
    REPEATED_IN_BILL = "repeated_in_bill"
    OTHER_RATE = "other_rate"
    """Charged at another rate than agreed."""
    FEE_NOT_BY_RATE = "fee_not_by_rate"
    """The fee is not what the line's own rate makes of its amount."""
    NO_ANSWER = "no_answer"
    """WeChat could not be asked so far: fact `reason`, when our keys were the obstacle."""
    UNEXPLAINED = "unexplained"


_ASKS = frozenset(
    {
        _D.PAYMENT_UNKNOWN,
        _D.PAYMENT_ABSENT,
        _D.AMOUNT,
        _D.TRANSACTION,
        _D.STATE,
        _D.REFUND_UNKNOWN,
        _D.REFUND_ABSENT,
        _D.REFUND_AMOUNT,
        _D.REFUND_STATE,
    }
)


def asks(detail: DifferenceDetail) -> bool:
    """Say whether WeChat can be asked about it; such a difference is due at once when it is found.

    Of the others nobody but a person can say more than the bill does.
    """
    return detail in _ASKS


@dataclass(frozen=True, slots=True)
class Cause:
    """A code with its facts: plain values by name, moments as ISO text, never a secret or an openid."""

    code: CauseCode
    facts: Mapping[str, Any] = field(default_factory=dict)


_BY_DETAIL = {
    _D.UNKNOWN_SUB_MERCHANT: CauseCode.SUB_MERCHANT_NOT_ONBOARDED,
    _D.OTHER_PROVIDER: CauseCode.OTHER_PROVIDERS_BILL,
    _D.OTHER_TENANT: CauseCode.NUMBER_OF_ANOTHER_TENANT,
    _D.REPEATED_LINE: CauseCode.REPEATED_IN_BILL,
    _D.FEE: CauseCode.FEE_NOT_BY_RATE,
    _D.RATE: CauseCode.OTHER_RATE,
}


def plain(detail: DifferenceDetail) -> CauseCode | None:
    """Return the cause of what nobody need be asked about; None where the answer will tell."""
    return _BY_DETAIL.get(detail)


async def of_journal(
    session: AsyncSession,
    scope: TenantScope,
    out_trade_no: str,
    day: date,
    kind: Literal["payment", "refund"] = "payment",
) -> Cause | None:
    """Say what the journal has of a payment, or of its refunds, that a bill of `day` (Beijing) names.

    The first notification that was accepted decides, else the first one; None when it was accepted in time
    and explains nothing.
    """
    query = (
        select(Notification.id, Notification.received_at, Notification.result, Notification.reason)
        .where(
            Notification.provider_id == scope.provider_id,
            Notification.tenant_id == scope.tenant_id,
            Notification.out_trade_no == out_trade_no,
            Notification.kind == kind,
        )
        .order_by(Notification.id)
        .limit(20)
    )
    heard = (await session.execute(query)).all()
    if not heard:
        return Cause(CauseCode.LOST_NOTIFICATION)
    first = next((row for row in heard if row.result in SETTLED_RESULTS), heard[0])
    told = {"notification_id": first.id, "received_at": first.received_at.isoformat()}
    if first.result not in SETTLED_RESULTS:
        return Cause(CauseCode.REFUSED_NOTIFICATION, told | {"result": first.result, "reason": first.reason})
    if first.received_at.astimezone(CHINA).date() > day:
        return Cause(CauseCode.LATE_NOTIFICATION, told)
    return None
