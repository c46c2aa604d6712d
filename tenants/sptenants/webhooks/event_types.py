"""What merchants can be told of (console-and-api-design section 9, "Webhooks to merchants")."""

from __future__ import annotations

from spcore.errors import Fault, Text

EVENT_TYPES = (
    "payment.succeeded",
    "order.closed",
    "order.failed",
    "order.revoked",
    "refund.succeeded",
    "refund.rejected",
    "refund.closed",
    "refund.abnormal",
    "profit_sharing.finished",
    "bill.balanced",
    "bill.different",
    "tenant.live",
    "tenant.suspended",
    "webhook.disabled",
    "webhook.test",
)
"""Types an endpoint may choose from. One that chooses none hears everything, also of later releases."""

TEST = "webhook.test"
DISABLED = "webhook.disabled"


def faults_of(event_types: list[str] | None, pointer: str) -> list[Fault]:
    """Return what is wrong with the types an endpoint wants: unknown, named twice, or none at all."""
    if event_types is None:
        return []
    if not event_types:
        return [Fault(pointer, "empty", _EMPTY)]
    faults = [
        Fault(f"{pointer}/{place}", "unknown_value", _UNKNOWN)
        for place, name in enumerate(event_types)
        if name not in EVENT_TYPES
    ]
    if len(set(event_types)) < len(event_types):
        faults.append(Fault(pointer, "duplicate", _TWICE))
    return faults


_EMPTY = Text(
    "至少填写一种事件；要接收全部事件请填 null。", "must name at least one type; null means all of them."
)
_UNKNOWN = Text(f"须为以下之一：{'、'.join(EVENT_TYPES)}。", f"must be one of: {', '.join(EVENT_TYPES)}.")
_TWICE = Text("同一事件只能填写一次。", "names a type twice.")
