"""Every route of the API × every right: a key that lacks the route's right gets 403 that names it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from tests.conftest import HeldClock
from tests.support.databases import sqlite_url
from tests.support.house import MASTER_KEY, build_house
from tests.support.visitor import PUBLIC_URL

from spapp.web import guards
from spapp.web.guards import RouteFacts
from spcore.audit.actor import Actor
from spcore.db.engine import Database
from spcore.vault import Vault
from sptenants.registry.key_service import ApiKeys
from sptenants.registry.rights import OF_TENANT_KEYS, KeyLimits, Right

BY = Actor("cli", None, "wxsp")
WRITES = {
    "orders": Right.ORDERS_WRITE,
    "refunds": Right.REFUNDS_WRITE,
    "webhook-endpoints": Right.WEBHOOKS_WRITE,
    "deliveries": Right.WEBHOOKS_WRITE,
    "anomalies": Right.ORDERS_WRITE,
    "tenants": Right.TENANTS_WRITE,
}
"""Said independently of the routes, by the collection that an address names."""


def expected(route: RouteFacts) -> Right:
    if route.method == "GET":
        return Right.ORDERS_READ
    if "/refunds" in route.path:
        return Right.REFUNDS_WRITE
    return WRITES[route.path.split("/")[2]]


def for_keys(app: Litestar) -> list[RouteFacts]:
    return [route for route in guards.routes(app) if guards.KEY_ROLES & set(route.roles)]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """The application's own database; what differs between databases is tested below HTTP."""
    return sqlite_url(tmp_path)


@pytest.fixture
async def secrets(
    database: Database, clock: HeldClock, client: AsyncTestClient[Litestar]
) -> dict[tuple[str, str], str]:
    """Keys that have every right but one, by that one, of a tenant and of its provider."""
    del client  # the application prepares the database first
    house = await build_house(database, number=1)
    keys, tenant = ApiKeys(database, Vault([MASTER_KEY]), clock), house.tenants[0]
    made = {}
    for left_out in Right:
        rest = KeyLimits([right for right in OF_TENANT_KEYS if right != left_out])
        key = await keys.create(tenant, tenant.tenant_id, f"no {left_out.value}", BY, limits=rest)
        made["tenant_key", left_out.value] = key.secret
        of_provider = KeyLimits([right for right in Right if right != left_out])
        key = await keys.create(house.provider, None, f"no {left_out.value}", BY, limits=of_provider)
        made["provider_key", left_out.value] = key.secret
    return made


def test_every_route_for_keys_declares_the_right_it_needs(app: Litestar) -> None:
    routes = for_keys(app)
    assert len(routes) > 20
    for route in routes:
        assert route.right == expected(route), (route.method, route.path)


async def test_S12_a_key_without_the_right_of_a_route_is_refused_on_it(
    app: Litestar, client: AsyncTestClient[Litestar], secrets: dict[tuple[str, str], str]
) -> None:
    for route in for_keys(app):
        path = re.sub(r"\{[^}]+\}", "01JD3K8W7Q4M6X0B2T9V5H1CZN", route.path)
        body = None if route.method in {"GET", "DELETE"} else {}
        for role in guards.KEY_ROLES & set(route.roles):
            other = next(right for right in Right if right != route.right)
            for left_out in (Right(route.right or ""), other):
                headers = {"authorization": f"Bearer {secrets[role, left_out.value]}"}
                answer = await client.request(route.method, path, json=body, headers=headers)
                where = (route.method, route.path, role, left_out, answer.text)
                if left_out is other:
                    assert answer.status_code != 403, where
                    continue
                assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), where
                assert left_out.value in answer.json()["detail"], where


async def test_a_key_is_refused_from_a_foreign_address(
    client: AsyncTestClient[Litestar], database: Database, clock: HeldClock
) -> None:
    house = await build_house(database, number=1)
    keys, tenant = ApiKeys(database, Vault([MASTER_KEY]), clock), house.tenants[0]
    limits = KeyLimits(None, ["198.51.100.0/24"])
    key = await keys.create(tenant, tenant.tenant_id, "till", BY, limits=limits)
    answer = await client.get("/v1/orders", headers={"authorization": f"Bearer {key.secret}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert str(client.base_url) == PUBLIC_URL
