"""Objects of the lived-in installation that a person may ask for: their own, and somebody else's."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.support.shop import LONG_NAME, Shop

CLINIC = "仁康门诊部"
"""The one tenant of the other service provider."""


@dataclass(frozen=True, slots=True)
class Thing:
    """An object, and where it belongs: to the merchant user's own tenant, its neighbour, or elsewhere."""

    where: str
    id: str
    parents: dict[str, str] = field(default_factory=dict)
    """What the address names before it, by path parameter."""


def bill_things(shop: Shop) -> dict[str, tuple[Thing, ...]]:
    """Return days, bills and differences; a day is somebody's when they have a bill or statement of it."""
    days, bills, differences = shop.bills.days, shop.bills.bills, shop.bills.differences
    own, neighbour, other = (
        {"tenant_id": shop.tenants[name].tenant_id} for name in ("晨曦咖啡", LONG_NAME, CLINIC)
    )
    different, foreign = str(days["different"]), str(days["other provider"])
    return {
        "bill_day": (
            Thing("own", different),
            Thing("other provider", foreign),
            Thing("nowhere", "2026-02-30"),
        ),
        "bill_id": (
            Thing("own", bills["different"], {"bill_day": different}),
            Thing("other provider", bills["only other provider"], {"bill_day": foreign}),
            Thing("nowhere", bills["different"], {"bill_day": foreign}),
            Thing("nowhere", shop.orders["latest"], {"bill_day": different}),
        ),
        "statement_day": (
            Thing("own", different, own),
            Thing("neighbour", str(days["neighbour"]), neighbour),
            Thing("other provider", foreign, other),
            Thing("nowhere", foreign, own),
        ),
        "difference_id": (
            Thing("own", differences["amount"]),
            Thing("neighbour", differences["neighbour"]),
            Thing("neighbour", differences["stray"]),
            Thing("other provider", differences["other provider"]),
            Thing("nowhere", shop.orders["latest"]),
        ),
    }
