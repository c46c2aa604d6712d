"""What callers may ask of refunds, once their words were checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from spcore.audit.actor import Actor
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.states import RefundSource
from wechatpay.money import Fen

MAX_REASON = 80
MAX_REFUNDS = 50
"""Of one order, whatever they came to (wechatpay-v2 4.6)."""
REFUNDABLE_FOR = timedelta(days=365)
"""From the payment on; later WeChat answers TRADE_OVERDUE (wechatpay-v2 4.6)."""

_SOURCES: dict[str, RefundSource] = {"person": "console", "system": "policy"}


@dataclass(frozen=True, slots=True)
class WantedRefund:
    """A refund as somebody wants it. `reason` is shown to the payer, at most 80 bytes."""

    amount: Fen
    reason: str | None = None
    merchant_refund_no: str | None = None

    def content(self, order_id: str) -> dict[str, Any]:
        """Return what makes two calls the same, by its name in the API (failure catalogue 2.1)."""
        return {"order_id": order_id, "amount": self.amount.value, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Refunded:
    """What came of asking for a refund.

    `outcome`: `created` now, `repeated` (it existed), `unknown` (WeChat's answer is not known yet; it stays
    `submitting` under its one number and healing decides). `replayed`: an Idempotency-Key was seen before.
    """

    refund: RefundRecord
    outcome: Literal["created", "repeated", "unknown"]
    replayed: bool = False


def source_of(by: Actor) -> RefundSource:
    """Return which kind of actor asked."""
    return _SOURCES.get(by.kind, "api_key")
