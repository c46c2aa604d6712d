"""Words of the order pages alone: how far an order's events are on their way."""

from __future__ import annotations

from spapp.console.frame.words import Chip
from spapp.web.i18n import N_
from sptenants.webhooks.models import DeliveryState
from sptenants.webhooks.of_orders import Progress
from sptenants.webhooks.schedule import PLAN

DELIVERY: dict[DeliveryState, Chip] = {
    DeliveryState.DELIVERED: Chip("ok", N_("已送达")),
    DeliveryState.PENDING: Chip("wait", N_("待投递")),
    DeliveryState.RETRYING: Chip("bad", N_("重试中")),
    DeliveryState.FAILED: Chip("bad", N_("已放弃")),
}


def tried(progress: Progress) -> str:
    """Return how many of the planned attempts were made, such as `2/10`; nothing when there is no retry."""
    if progress.state is not DeliveryState.RETRYING:
        return ""
    return f"{min(progress.attempts, len(PLAN))}/{len(PLAN)}"
