"""Every page there is, taken from the route table: its address for an object of the shop, and its reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.browser.conftest import Site
from tests.conftest import HeldClock
from tests.spapp.console.test_isolation import address, page_routes, things
from tests.support.shop import LONG_NAME
from tests.support.visitor import site as application

from spapp.accounts.models import Role

PREFERRED = (Role.PROVIDER_OWNER, Role.PLATFORM_ADMIN, Role.MERCHANT_USER)
NO_PAGES = re.compile(r"\.(?:zip|csv|svg|json|txt)$|/export$|/download$")
"""Addresses that answer with a file."""


@dataclass(frozen=True, slots=True)
class Look:
    """One page to look at: what its picture is called, who sees it, and where it is."""

    name: str
    role: str | None
    path: str

    @property
    def area(self) -> str:
        """`console`, `admin`, `m`, or "" for what belongs to none of them."""
        first = re.split(r"[/?]", self.path)[1]
        return first if first in {"console", "admin", "m"} else ""


def every_page(served: Site) -> list[Look]:
    """Return every page of the route table, and the states that matter beside; by role, to sign in seldom."""
    found = {look.path: look for look in (*_from_routes(served), *_states(served))}
    return sorted(found.values(), key=lambda look: (look.role or "", look.name))


def _from_routes(served: Site) -> Iterator[Look]:
    known = things(served.shop)
    app = application(f"sqlite+aiosqlite:///{served.database_file}", HeldClock())
    for route, named in page_routes(app):
        if route.method != "GET" or NO_PAGES.search(route.path):
            continue
        if named is not None and named not in known:
            continue  # the tests of isolation fail for it
        role = next((role for role in PREFERRED if role in route.roles), None)
        thing = None if named is None else next(each for each in known[named] if each.where == "own")
        path = route.path if named is None else address(route.path, named, thing)
        name = re.sub(r"[^a-z]+", "-", re.sub(r"\{\w+\}", "one", route.path)).strip("-")
        yield Look(name, role, path)


def _states(served: Site) -> Iterator[Look]:
    """Yield what the plain pages do not show: long and large, empty, refused, each tab, outside the frame."""
    shop, owner = served.shop, Role.PROVIDER_OWNER
    orders, refunds = shop.orders, shop.refunds
    long = shop.tenants[LONG_NAME].tenant_id
    tenant = shop.tenants["晨曦咖啡"].tenant_id
    yield Look("login", None, "/login")
    yield Look("orders-week", owner, "/console/orders?range=7d")
    yield Look("orders-empty", owner, "/console/orders?q=nothing")
    yield Look("order-largest", owner, f"/console/orders/{orders['largest']}")
    yield Look("order-refunds", owner, f"/console/orders/{orders['partly']}")
    yield Look("order-hostile", owner, f"/console/orders/{orders['hostile']}")
    yield Look("refund-form-large", owner, f"/console/orders/{orders['largest']}/refund")
    yield Look("refunds-empty", owner, "/console/refunds?q=nothing")
    yield Look("refund-waiting", owner, f"/console/refunds/{refunds['waiting']}")
    yield Look("refund-abnormal", owner, f"/console/refunds/{refunds['abnormal']}")
    yield Look("work-list-all", owner, "/console/anomalies?status=all")
    yield Look("settled", owner, f"/console/anomalies/{shop.anomalies['silent_callback']}")
    yield Look("tenant-long", owner, f"/console/tenants/{long}")
    for tab in ("bindings", "directories", "webhooks", "api-keys", "kit", "doctor", "log"):
        yield Look(f"tenant-{tab}", owner, f"/console/tenants/{tenant}?tab={tab}")
    for name, path in (
        ("key-candidate", "api-v2-key/candidate"),
        ("key-certificate", "certificate"),
        ("key-public", "wechatpay-public-key"),
        ("key-retire", "platform-certificate/retire?version=1"),
    ):
        yield Look(name, owner, f"/console/credentials/{path}")
    days, differences = shop.bills.days, shop.bills.differences
    yield Look("bills-failed-day", owner, f"/console/bills/{days['failed']}")
    yield Look("bills-none", owner, "/console/bills?from=2020-01-01&to=2020-01-02")
    yield Look("difference-late", owner, f"/console/differences/{differences['late']}")
    yield Look("difference-closed", owner, f"/console/differences/{differences['closed']}")
    yield Look("differences-none", owner, "/console/differences?q=nothing")
    yield Look("statement-long", owner, f"/console/tenants/{long}/statements/{days['balanced']}")
    yield Look("not-found", owner, "/console/orders/ord_nothing")
    yield Look("transactions-week", Role.PLATFORM_ADMIN, "/admin/transactions?range=7d")
    yield Look("merchant-orders-week", Role.MERCHANT_USER, "/m/orders?range=7d")
    yield Look("merchant-prices-empty", Role.MERCHANT_USER, "/m/prices?q=nothing")
