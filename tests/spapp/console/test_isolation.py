"""Every page × every object × every role: somebody else's object is no object (T01, S04, rule Y3).

Generated from the route table: a page route that names an object no test knows, or that takes none and is
not listed here, fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from httpx import Response
from litestar import Litestar
from sqlalchemy import select
from tests.conftest import HeldClock
from tests.support import shop_prices
from tests.support.foreign_things import CLINIC, Thing, bill_things
from tests.support.shop import LONG_NAME, Shop
from tests.support.visitor import Visitor, site

from spapp.accounts.models import Membership, Role
from spapp.web import guards
from spapp.web.guards import PAGE_AREAS, RouteFacts
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, TenantScope
from sptenants.orders.models import AnomalyRow, Order, TimelineEntry
from sptenants.reconciliation.models import Difference
from sptenants.refunds.models import Refund

MISSING = "01JD3K8W7Q4M6X0B2T9V5H1CZN"
NAMES_NO_OBJECT = {
    "/admin/exports",
    "/admin/exports/file",
    "/admin/exports/new",
    "/admin/views",
    "/admin/views/remove",
    "/admin/views/rename",
    "/console/exports",
    "/console/exports/file",
    "/console/exports/new",
    "/console/views",
    "/console/views/remove",
    "/console/views/rename",
    "/m/exports",
    "/m/exports/file",
    "/m/exports/new",
    "/m/views",
    "/m/views/remove",
    "/m/views/rename",
    "/search",
    "/account",
    "/account/name",
    "/account/notices/dismiss",
    "/account/password",
    "/account/second-factor",
    "/account/second-factor/codes",
    "/account/second-factor/confirm",
    "/account/second-factor/remove",
    "/account/sessions/end",
    "/account/sessions/end-others",
    "/admin",
    "/admin/analytics",
    "/admin/anomalies",
    "/admin/bills",
    "/admin/differences",
    "/admin/audit",
    "/admin/audit/check",
    "/admin/explain",
    "/admin/look-reason",
    "/admin/routing",
    "/admin/transactions",
    "/admin/users",
    "/admin/users/invitations/renew",
    "/admin/users/invitations/revoke",
    "/admin/users/invite",
    "/console",
    "/console/anomalies",
    "/console/bills",
    "/console/differences",
    "/console/bindings",
    "/console/audit-log",
    "/console/doctor",
    "/console/explain",
    "/console/inspector",
    "/console/members",
    "/console/members/invitations/renew",
    "/console/members/invitations/revoke",
    "/console/members/invite",
    "/console/notifies",
    "/console/orders",
    "/console/refunds",
    "/console/tenants",
    "/console/tenants/import",
    "/console/tenants/import/template.csv",
    "/console/tenants/new",
    "/admin/certificates",
    "/admin/health",
    "/admin/jobs",
    "/admin/service-providers",
    "/admin/service-providers/new",
    "/admin/settings",
    "/admin/tenants",
    "/console/api-keys",
    "/console/api-keys/new",
    "/console/credentials",
    "/console/credentials/api-version",
    "/console/credentials/api-version/check",
    "/console/credentials/public-key",
    "/console/webhooks",
    "/console/webhooks/new",
    "/m/api-keys",
    "/m/api-keys/new",
    "/m/webhooks",
    "/m/webhooks/new",
    "/m",
    "/m/account",
    "/m/anomalies",
    "/m/bills",
    "/m/explain",
    "/m/kit",
    "/m/kit.zip",
    "/m/prices",
    "/m/members",
    "/m/orders",
    "/m/refunds",
    "/visit/end",
}
"""Pages about oneself, and lists; what lists take as filters is tested below."""

READERS = {
    "console": {role for role in Role if role.startswith("provider_")},
    "merchant": {Role.MERCHANT_USER},
    "admin": {Role.PLATFORM_ADMIN, Role.PLATFORM_AUDITOR},
}
MEMBER_KEEPERS = {Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR}
KEEPERS = {Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR}
REFUNDERS = {Role.PROVIDER_OWNER, Role.PROVIDER_FINANCE}
RECONCILERS = REFUNDERS
ACTORS = {
    "/console/orders/{order_id}/sync": READERS["console"] - {Role.PROVIDER_VIEWER},
    "/console/orders/{order_id}/close": {Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR},
    "/console/orders/{order_id}/refund": REFUNDERS,
    "/console/orders/{order_id}/attempt": {Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR},
    "/console/orders/{order_id}/resend": {Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR},
    "/m/orders/{order_id}/resend": READERS["merchant"],
    "/console/refunds/{refund_id}/sync": READERS["console"] - {Role.PROVIDER_VIEWER},
    "/console/refunds/{refund_id}/approve": REFUNDERS,
    "/console/refunds/{refund_id}/decline": REFUNDERS,
    "/console/notifies/{notification_id}/export": READERS["console"] - {Role.PROVIDER_VIEWER},
    "/console/notifies/{notification_id}/replay": {Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR},
    "/console/notifies/{notification_id}/replay/apply": {Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR},
    "/console/anomalies/{anomaly_id}/resolve": READERS["console"] - {Role.PROVIDER_VIEWER},
    "/console/anomalies/{anomaly_id}/refund": REFUNDERS,
    "/console/bills/{bill_day}/{bill_id}/fetch": RECONCILERS,
    "/console/bills/{bill_day}/{bill_id}/download": RECONCILERS,
    "/admin/bills/{bill_day}/{bill_id}/fetch": {Role.PLATFORM_ADMIN},
    "/console/differences/{difference_id}/close": RECONCILERS,
    "/console/differences/{difference_id}/ask": RECONCILERS,
    **{f"/console/bindings/{{binding_id}}/{act}": KEEPERS for act in ("check", "edit", "secret", "remove")},
    **{
        f"/console/tenants/{{tenant_id}}/onboard{step}": KEEPERS
        for step in ("", *(f"/{n}" for n in range(1, 8)), "/draft", "/tick", "/link", "/unlink")
    },
    "/console/tenants/{tenant_id}/settings": {Role.PROVIDER_OWNER},
    "/console/tenants/{tenant_id}/rates": {Role.PROVIDER_OWNER, Role.PROVIDER_FINANCE},
    **{
        f"/console/tenants/{{tenant_id}}/{act}": KEEPERS
        for act in ("doctor", "go-live", "trials", "trials/{trial_id}/refund", "trials/{trial_id}/stop")
    },
    "/console/tenants/{tenant_id}/status": {Role.PROVIDER_OWNER},
    **{f"/console/members/{{member_id}}{act}": MEMBER_KEEPERS for act in ("", "/role", "/unlock", "/remove")},
    **{
        f"/admin/users/{{person_id}}/{act}": {Role.PLATFORM_ADMIN}
        for act in ("unlock", "disable", "enable", "reset", "role", "remove")
    },
    "/admin/service-providers/{provider_id}/visit": {Role.PLATFORM_ADMIN},
    "/console/api-keys/{key_id}/revoke": {Role.PROVIDER_OWNER},
    **{
        f"/console/credentials/{{key_kind}}{act}": {Role.PROVIDER_OWNER}
        for act in (
            *("", "/candidate", "/rehearse", "/promote", "/discard"),
            *("/roll-back", "/retire", "/restore"),
        )
    },
    "/m/api-keys/{key_id}/revoke": READERS["merchant"],
    **{
        f"/{area}/webhooks/{{endpoint_id}}/{act}": roles
        for area, roles in (("console", KEEPERS), ("m", READERS["merchant"]))
        for act in (
            *("edit", "rotate", "test", "enable", "disable", "resend", "remove"),
            "deliveries/{delivery_id}/resend",
        )
    },
    "/admin/jobs/deliveries/{delivery_id}/retry": {Role.PLATFORM_ADMIN},
    "/admin/jobs/events/{event_id}/retry": {Role.PLATFORM_ADMIN},
    **{
        f"/admin/{path}": {Role.PLATFORM_ADMIN}
        for path in (
            "service-providers/{provider_id}/suspend",
            "service-providers/{provider_id}/resume",
            "service-providers/{provider_id}/invite",
            "tenants/{tenant_id}/suspend",
            "tenants/{tenant_id}/resume",
        )
    },
    "/m/prices/{price_code}": READERS["merchant"],
    "/m/prices/{price_code}/remove": READERS["merchant"],
    "/m/orders/{order_id}/refund": READERS["merchant"],
    "/m/refunds/{refund_id}/sync": READERS["merchant"],
    "/m/orders/{order_id}/sync": READERS["merchant"],
    "/m/orders/{order_id}/close": READERS["merchant"],
}
"""Who may do what, said independently of the routes; a form is shown to whoever may send it."""
FORBIDDEN_TO_ALL = {"/m/orders/{order_id}/refund"}
"""Open to a role, but only where the service provider allows it, which the shop's does not."""

SHOWN_TO_ALL = {"/console/tenants/{tenant_id}/doctor", "/console/tenants/{tenant_id}/go-live"}
"""Pages at the address of an act which everybody of the area may read."""

HOMES = {"provider": "/console/orders", "platform": "/admin/transactions", "merchant": "/m/orders"}


def things(shop: Shop) -> dict[str, tuple[Thing, ...]]:
    """Return the objects by the name of the path parameter that takes them."""
    orders, tenants, refunds, anomalies = shop.orders, shop.tenants, shop.refunds, shop.anomalies
    made = shop.developers
    places = (("own", "晨曦咖啡"), ("neighbour", LONG_NAME), ("other provider", CLINIC))
    nowhere = Thing("nowhere", orders["latest"])
    return {
        "key_kind": (Thing("own", "api-v3-key"), nowhere),
        "key_id": (*(Thing(where, made[name]["key"]) for where, name in places), nowhere),
        "endpoint_id": (*(Thing(where, made[name]["endpoint"]) for where, name in places), nowhere),
        "delivery_id": (
            *(
                Thing(where, made[name]["delivery"], {"endpoint_id": made[name]["endpoint"]})
                for where, name in places
            ),
            nowhere,
        ),
        "event_id": (*(Thing(where, made[name]["event"]) for where, name in places), nowhere),
        "provider_id": (
            Thing("own", shop.providers[0].provider_id),
            Thing("other provider", shop.providers[1].provider_id),
            nowhere,
        ),
        "binding_id": (*(Thing(where, shop.bindings[name]) for where, name in places), nowhere),
        "refund_id": (
            Thing("own", refunds["succeeded"]),
            Thing("neighbour", refunds["abnormal"]),
            Thing("other provider", refunds["other tenant"]),
            Thing("nowhere", orders["partly"]),
        ),
        "notification_id": (
            Thing("own", shop.notifies["processed"]),
            Thing("neighbour", shop.notifies["mismatch"]),
            Thing("other provider", shop.notifies["of clinic"]),
            Thing("nowhere", orders["latest"]),
        ),
        "price_code": (
            Thing("own", "latte"),
            Thing("neighbour", shop_prices.OF_NEIGHBOUR),
            Thing("other provider", shop_prices.OF_STRANGER),
            Thing("nowhere", orders["latest"]),
        ),
        "anomaly_id": (
            Thing("own", anomalies["double_payment"]),
            Thing("neighbour", anomalies["amount_mismatch"]),
            Thing("other provider", anomalies["late_payment"]),
            Thing("nowhere", orders["latest"]),
        ),
        **bill_things(shop),
        "order_id": (
            Thing("own", orders["latest"]),
            Thing("neighbour", orders["largest"]),
            Thing("neighbour", orders["mismatch"]),
            Thing("other provider", orders["other tenant"]),
            # Ids of other kinds of things are no orders either.
            Thing("nowhere", tenants["晨曦咖啡"].tenant_id),
        ),
        **{
            f"{name}_id": (
                Thing("own", shop.trials[name], {"tenant_id": tenants["晨曦咖啡"].tenant_id}),
                Thing(
                    "other provider", shop.trials[f"other {name}"], {"tenant_id": tenants[CLINIC].tenant_id}
                ),
                Thing("nowhere", orders["latest"], {"tenant_id": tenants["晨曦咖啡"].tenant_id}),
            )
            for name in ("trial", "certificate")
        },
        "member_id": (
            Thing("own", shop.members["clerk"]),
            Thing("other provider", shop.members["other provider"]),
            Thing("nowhere", orders["latest"]),
        ),
        "person_id": (
            Thing("own", shop.persons["clerk"]),
            Thing("other provider", shop.persons["other provider"]),
            Thing("nowhere", shop.members["clerk"]),
        ),
        "act_id": (
            Thing("own", shop.acts["own"]),
            Thing("neighbour", shop.acts["neighbour"]),
            Thing("other provider", shop.acts["other provider"]),
            Thing("nowhere", orders["latest"]),
        ),
        "tenant_id": (
            Thing("own", tenants["晨曦咖啡"].tenant_id),
            Thing("neighbour", tenants[LONG_NAME].tenant_id),
            Thing("other provider", tenants[CLINIC].tenant_id),
            Thing("nowhere", orders["latest"]),
        ),
    }


def sees(role: Role, where: str) -> bool:
    if role.startswith("platform_"):
        return where != "nowhere"
    return where == "own" or (role.startswith("provider_") and where == "neighbour")


def page_routes(app: Litestar) -> Iterator[tuple[RouteFacts, str | None]]:
    """Yield every page route with the name of the object it takes, the last one its address names."""
    for route in guards.routes(app):
        if route.area in PAGE_AREAS:
            named = re.findall(r"\{(\w+)\}", route.path)
            yield route, named[-1] if named else None


@pytest.fixture
def app(database_url: str, clock: HeldClock) -> Litestar:
    """A second instance, to read the route table from."""
    return site(database_url, clock)


def address(path: str, named: str, thing: Thing | None = None) -> str:
    """Return the address of a thing, or of one that does not exist under a parent that does not either."""
    names = re.findall(r"\{(\w+)\}", path)
    values = {name: f"{name[:3]}_{MISSING}" for name in names}
    return path.format(**values | (thing.parents | {named: thing.id} if thing is not None else {}))


def nameless(answer: Response) -> str:
    """Return a page without ids, and without the address asked for, which its links back here repeat."""
    text = answer.text.replace(quote(answer.request.url.path), "")
    return re.sub(r"(?<![a-z])[a-z]{3}_[0-9A-Z]{26}", "", text)


async def state_of(database: Database, scope: TenantScope) -> list[tuple[object, ...]]:
    """Return everything that touching an order of this tenant would change."""
    orders = select(Order.id, Order.status, Order.updated_at, Order.close_requested_at).order_by(Order.id)
    notes = select(TimelineEntry.order_id, TimelineEntry.kind, TimelineEntry.at).order_by(TimelineEntry.id)
    refunds = select(Refund.id, Refund.status, Refund.approval, Refund.updated_at).order_by(Refund.id)
    work = select(AnomalyRow.id, AnomalyRow.state, AnomalyRow.note).order_by(AnomalyRow.id)
    differences = select(Difference.id, Difference.state, Difference.next_at).order_by(Difference.id)
    async with database.read(scope) as session:
        rows = [
            *(await session.execute(orders.where(Order.tenant_id == scope.tenant_id))),
            *(await session.execute(notes.where(TimelineEntry.tenant_id == scope.tenant_id))),
            *(await session.execute(refunds.where(Refund.tenant_id == scope.tenant_id))),
            *(await session.execute(work.where(AnomalyRow.tenant_id == scope.tenant_id))),
            *(await session.execute(differences.where(Difference.tenant_id == scope.tenant_id))),
        ]
    return [tuple(row) for row in rows]


async def answers(visitor: Visitor, home: Response, method: str, path: str) -> list[Response]:
    """Return the answers to a whole page and to a part of one."""
    if method == "GET":
        return [await visitor.get(path, htmx=htmx) for htmx in (False, True)]
    return [await visitor.post(path, home.text, htmx=htmx) for htmx in (False, True)]


def test_every_page_that_takes_an_object_is_tested_here(app: Litestar, shop: Shop) -> None:
    known = things(shop)
    for route, named in page_routes(app):
        if named is None:
            assert route.path in NAMES_NO_OBJECT, f"{route.path}: does it take an object?"
        else:
            assert named in known, f"{route.path}: no foreign object is known for {named}"
    assert {named for _, named in page_routes(app)} == {None, *known}
    assert {route.path for route, named in page_routes(app) if named is None} == NAMES_NO_OBJECT


def test_every_page_is_open_to_whom_it_is_for(app: Litestar) -> None:
    for route, named in page_routes(app):
        if named is not None:
            shown_to_all = route.method == "GET" and (route.path not in ACTORS or route.path in SHOWN_TO_ALL)
            expected = READERS[route.area] if shown_to_all else ACTORS[route.path]
            assert set(route.roles) == expected, (route.method, route.path)


@pytest.mark.parametrize("role", list(Role))
async def test_T01_S04_a_foreign_object_answers_like_a_missing_one_on_every_page(
    visitor: Visitor, shop: Shop, database: Database, app: Litestar, role: Role
) -> None:
    await visitor.sign_in(shop.people[role])
    home = await visitor.get(HOMES[role.partition("_")[0]])
    assert home.status_code == 200
    strangers = [scope for name, scope in shop.tenants.items() if name == CLINIC]
    if role is Role.MERCHANT_USER:
        strangers.append(shop.tenants[LONG_NAME])
    before = [await state_of(database, scope) for scope in strangers]
    assert all(before)

    refused = 0
    for route, named in page_routes(app):
        if named is None:
            continue
        missing = await answers(visitor, home, route.method, address(route.path, named))
        for thing in things(shop)[named]:
            path = address(route.path, named, thing)
            found = await answers(visitor, home, route.method, path)
            where = f"{role} {route.method} {path} ({thing.where})"
            if role in route.roles and sees(role, thing.where):
                allowed = {403} if route.path in FORBIDDEN_TO_ALL else {200, 204, 303, 422}
                assert {answer.status_code for answer in found} <= allowed, where
                continue
            expected = 404 if role in route.roles else 403
            assert {answer.status_code for answer in found} == {expected}, where
            assert [nameless(a) for a in found] == [nameless(a) for a in missing], where
            assert [_telling(a) for a in found] == [_telling(a) for a in missing], where
            refused += 1
    assert refused >= 10
    assert [await state_of(database, scope) for scope in strangers] == before


def _telling(answer: Response) -> dict[str, str]:
    """Return the headers that could tell two answers apart."""
    unlike = {"request-id", "content-length"}
    return {name: value for name, value in answer.headers.items() if name not in unlike}


@pytest.mark.parametrize("role", [Role.PROVIDER_OWNER, Role.PROVIDER_VIEWER, Role.MERCHANT_USER])
async def test_T01_S04_a_foreign_id_in_a_filter_finds_what_a_missing_one_finds(
    visitor: Visitor, shop: Shop, role: Role
) -> None:
    await visitor.sign_in(shop.people[role])
    home = HOMES[role.partition("_")[0]]
    foreign = [shop.tenants[CLINIC], *([shop.tenants[LONG_NAME]] if role is Role.MERCHANT_USER else [])]
    filters = [("tenant", "ten", scope.tenant_id) for scope in foreign]
    filters += [("provider", "prv", shop.providers[1].provider_id), ("q", "ord", shop.orders["other tenant"])]
    for name, prefix, value in filters:
        found = await visitor.get(f"{home}?range=all&{name}={value}")
        missing = await visitor.get(f"{home}?range=all&{name}={prefix}_{MISSING}")
        assert found.status_code == missing.status_code == 200
        assert nameless(found) == nameless(missing), (name, value)
        assert CLINIC not in found.text
    by_number = await visitor.get(f"{home}?q=H0000000000001")
    assert shop.orders["other tenant"] not in by_number.text


@pytest.mark.parametrize("role", list(Role))
async def test_S04_nobody_switches_to_a_role_of_somebody_else(
    visitor: Visitor, shop: Shop, database: Database, role: Role
) -> None:
    await visitor.sign_in(shop.people[role])
    home = HOMES[role.partition("_")[0]]
    page = await visitor.get(home)
    async with database.read(DoorScope()) as session:
        rows = (await session.execute(select(Membership.id, Membership.role))).all()
    foreign = [membership for membership, other in rows if other != role]
    assert len(foreign) >= len(Role) - 1

    nothing = await visitor.post("/switch", page.text, membership=f"mbr_{MISSING}")
    for membership in foreign:
        refused = await visitor.post("/switch", page.text, membership=membership)
        assert refused.status_code == nothing.status_code == 404
        assert nameless(refused) == nameless(nothing)
    assert (await visitor.get(home)).status_code == 200
