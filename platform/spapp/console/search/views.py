"""What was found, by kind, with the page of each in the person's area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spapp.console.frame.workplace import Workplace
from spapp.web.i18n import N_
from spcore.db.scope import PlatformScope
from sptenants.search.reader import Hit, HitKind

_WORDS = {
    HitKind.ORDER: ("receipt", N_("支付订单")),
    HitKind.REFUND: ("receipt-refund", N_("退款")),
    HitKind.NOTIFICATION: ("bell", N_("支付通知")),
    HitKind.ANOMALY: ("alert-triangle", N_("需处理")),
    HitKind.ENDPOINT: ("webhook", N_("Webhook")),
    HitKind.DELIVERY: ("webhook", N_("Webhook")),
    HitKind.TENANT: ("building-store", N_("特约商户")),
    HitKind.PROVIDER: ("building", N_("服务商")),
}


@dataclass(frozen=True, slots=True)
class HitLine:
    hit: Hit
    url: str


@dataclass(frozen=True, slots=True)
class HitGroup:
    icon: str
    word: str
    lines: tuple[HitLine, ...]


def groups_of(place: Workplace, hits: Sequence[Hit]) -> tuple[HitGroup, ...]:
    """Return the hits by kind, the kinds in the order in which people most often mean them."""
    lines = [(hit.kind, HitLine(hit, url_of(place, hit))) for hit in hits]
    groups = (
        HitGroup(icon, word, tuple(line for kind, line in lines if kind is wanted))
        for wanted, (icon, word) in _WORDS.items()
    )
    return tuple(group for group in groups if group.lines)


def url_of(place: Workplace, hit: Hit) -> str:
    """Return the page of a hit. The platform has no pages of its own for refunds and webhooks of tenants:
    their orders and tenants lead there."""
    base = place.base
    match hit.kind:
        case HitKind.ORDER:
            return f"{place.orders}/{hit.id}"
        case HitKind.TENANT if isinstance(place.scope, PlatformScope):
            return f"{place.orders}?range=all&tenant={hit.id}"
        case HitKind.TENANT:
            return f"{base}/tenants/{hit.id}"
        case HitKind.PROVIDER:
            return f"{base}/service-providers/{hit.id}"
        case HitKind.REFUND if isinstance(place.scope, PlatformScope):
            return f"{place.orders}/{hit.parent_id}"
        case HitKind.REFUND:
            return f"{base}/refunds/{hit.id}"
        case HitKind.NOTIFICATION:
            return f"{base}/notifies/{hit.id}"
        case HitKind.ANOMALY:
            return f"{base}/anomalies/{hit.id}"
        case HitKind.ENDPOINT:
            return f"{base}/webhooks/{hit.id}"
        case HitKind.DELIVERY:
            return f"{base}/webhooks/{hit.parent_id}/deliveries/{hit.id}"
