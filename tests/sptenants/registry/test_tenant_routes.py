"""The tenant routes of the API, through the whole application (contract section 5; T01, T03, T04, O13)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx import ASGITransport, AsyncClient
from sqlalchemy import select
from tests.sptenants.registry.conftest import Town
from tests.support.databases import sqlite_url

from spapp.asgi import create_app
from spapp.wiring import build
from spcore.audit.models import AuditRow
from spcore.settings import Settings

SECRET = "CANARYappsecret0123456789abcdef0"
MISSING = "ten_01JD3K8W7Q4M6X0B2T9V5H1CZN"
MINI = {"sub_appid": "wx3f8c21d0b7e6a91c", "kind": "miniprogram", "owner": "provider", "app_secret": SECRET}


@dataclass
class Api:
    """HTTP as the provider `sp`; `keys` by who holds them."""

    client: AsyncClient
    town: Town
    keys: dict[str, str]

    async def call(
        self, method: str, path: str, json: Any = None, *, key: str | None = "sp", **headers: str
    ) -> httpx.Response:
        if key is not None:
            headers["Authorization"] = f"Bearer {self.keys.get(key, key)}"
        return await self.client.request(method, path, json=json, headers=headers)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite only: what differs between databases is tested below HTTP."""
    return sqlite_url(tmp_path)


@pytest.fixture
async def api(town: Town, database_url: str) -> AsyncIterator[Api]:
    settings = Settings.from_env(
        {
            "WXSP_DATABASE_URL": database_url,
            "WXSP_MASTER_KEY": b64encode(b"k" * 32).decode(),
            "WXSP_PUBLIC_URL": "https://pay.example.com",
        }
    )
    services = build(settings, town.clock)
    shop = town.shop.tenant_id
    keys = {
        "sp": (await town.registry.create_api_key(town.sp, None, "ops")).secret,
        "shop": (await town.registry.create_api_key(town.sp, shop, "server")).secret,
        "stranger": (await town.registry.create_api_key(town.stranger, None, "ops")).secret,
    }
    transport = ASGITransport(create_app(settings, services))
    async with AsyncClient(transport=transport, base_url="https://pay.example.com") as client:
        yield Api(client, town, keys)
    await services.close()


async def test_a_tenant_is_made_shown_and_listed(api: Api) -> None:
    made = await api.call("POST", "/v1/tenants", {"name": "晨曦咖啡", "sub_mch_id": "1700000021"})

    assert made.status_code == 201
    tenant = made.json()
    assert made.headers["location"] == f"/v1/tenants/{tenant['id']}"
    assert (tenant["object"], tenant["status"], tenant["mode"]) == ("tenant", "draft", "test")
    assert tenant["created_at"] == "2026-11-21T20:50:00+08:00"
    assert tenant["limits"] == {"server_per_second": 200, "session_per_second": 20}
    assert tenant["notify_urls"]["v2"]["payment"].startswith("https://pay.example.com/notify/wechat/")
    assert (await api.call("GET", f"/v1/tenants/{tenant['id']}")).json() == tenant
    listed = (await api.call("GET", "/v1/tenants?status=draft")).json()
    assert [row["id"] for row in listed["data"]] == [tenant["id"]]
    assert (listed["object"], listed["next_cursor"], listed["has_more"]) == ("list", None, False)


async def test_pages_follow_the_cursor(api: Api) -> None:
    first = (await api.call("GET", "/v1/tenants?limit=1")).json()
    rest = (await api.call("GET", f"/v1/tenants?limit=1&cursor={first['next_cursor']}")).json()

    assert first["has_more"] is True
    assert rest["has_more"] is False
    assert {first["data"][0]["id"], rest["data"][0]["id"]} == {
        api.town.shop.tenant_id,
        api.town.other_shop.tenant_id,
    }


async def test_S1_05_bindings_come_and_go_and_no_answer_shows_the_secret(api: Api) -> None:
    path = f"/v1/tenants/{api.town.shop.tenant_id}"
    bound = await api.call("POST", f"{path}/bindings", MINI)

    assert bound.status_code == 201
    binding = bound.json()
    assert binding == {
        "id": binding["id"],
        "slot": 1,
        "sub_appid": "wx3f8c21d0b7e6a91c",
        "name": None,
        "kind": "miniprogram",
        "owner": "provider",
        "status": "unverified",
        "has_secret": True,
    }
    shown = await api.call("GET", path)
    assert shown.json()["bindings"] == [binding]
    twice = await api.call("POST", f"{path}/bindings", MINI)
    assert (twice.status_code, twice.json()["errors"][0]["code"]) == (422, "already_bound")
    for answer in (bound, shown, twice):
        assert SECRET not in answer.text

    gone = await api.call("DELETE", f"{path}/bindings/{binding['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await api.call("DELETE", f"{path}/bindings/{binding['id']}")).status_code == 404


async def test_S1_40_the_sixth_binding_is_refused_in_the_readers_language(api: Api) -> None:
    path = f"/v1/tenants/{api.town.shop.tenant_id}/bindings"
    for number in range(5):
        made = await api.call("POST", path, MINI | {"sub_appid": f"wx{number:016d}"})
        assert made.status_code == 201

    chinese = await api.call("POST", path, MINI)
    english = await api.call("POST", path, MINI, **{"Accept-Language": "en"})

    assert chinese.status_code == english.status_code == 422
    fault = chinese.json()["errors"][0]
    assert (fault["pointer"], fault["code"]) == ("#/sub_appid", "no_free_slot")
    assert "最多绑定 5 个" in chinese.json()["detail"]
    assert "5 appids" in english.json()["detail"]


async def test_T03_columns_in_the_body_of_a_new_tenant_are_refused(api: Api) -> None:
    before = (await api.call("GET", "/v1/tenants")).json()

    for extra in (
        "id",
        "provider_id",
        "tenant_id",
        "status",
        "route_key",
        "mode",
        "server_per_second",
        "role",
        "sub_appid",
    ):
        body = {"name": "晨曦咖啡", "sub_mch_id": "1700000021", extra: "live"}
        refused = await api.call("POST", "/v1/tenants", body)

        assert refused.status_code in {400, 422}, extra
        assert extra in refused.text

    assert (await api.call("GET", "/v1/tenants")).json() == before


async def test_S1_03_a_wrong_tenant_is_refused_by_field(api: Api) -> None:
    for case, body, pointer in (
        ("empty name", {"name": "", "sub_mch_id": "1700000021"}, "#/name"),
        ("no number", {"name": "店"}, "#/sub_mch_id"),
        ("S18 short number", {"name": "店", "sub_mch_id": "17"}, "#/sub_mch_id"),
        ("S1-03 own number", {"name": "店", "sub_mch_id": "1900000101"}, "#/sub_mch_id"),
        ("number, not text", {"name": "店", "sub_mch_id": 1700000021}, "#/sub_mch_id"),
    ):
        refused = await api.call("POST", "/v1/tenants", body)

        assert refused.status_code in {400, 422}, case
        assert [error["pointer"] for error in refused.json()["errors"]] == [pointer], case


async def test_unknown_and_impossible_queries_are_refused(api: Api) -> None:
    for query in ("stauts=live", "status=alive", "limit=0", "limit=101", "limit=x", "cursor=!"):
        refused = await api.call("GET", f"/v1/tenants?{query}")
        assert refused.status_code in {400, 422}, query
        assert refused.json()["code"] == "invalid_request", query


async def test_T01_foreign_and_missing_tenants_answer_alike_on_every_route(api: Api) -> None:
    mine = (await api.call("POST", f"/v1/tenants/{api.town.shop.tenant_id}/bindings", MINI)).json()["id"]

    def routes(tenant_id: str, binding_id: str) -> list[tuple[str, str, Any]]:
        return [
            ("GET", f"/v1/tenants/{tenant_id}", None),
            ("POST", f"/v1/tenants/{tenant_id}/bindings", MINI),
            ("DELETE", f"/v1/tenants/{tenant_id}/bindings/{binding_id}", None),
        ]

    foreign = routes(api.town.shop.tenant_id, mine)
    missing = routes(MISSING, "bnd_01JD3K8W7Q4M6X0B2T9V5H1CZN")
    for one, other in zip(foreign, missing, strict=True):
        answers = [await api.call(*route, key="stranger") for route in (one, other)]
        assert [answer.status_code for answer in answers] == [404, 404]
        bodies = [
            {name: value for name, value in answer.json().items() if name not in {"request_id", "instance"}}
            for answer in answers
        ]
        assert bodies[0] == bodies[1]
        assert set(answers[0].headers) == set(answers[1].headers)
    assert (await api.call("GET", f"/v1/tenants/{api.town.shop.tenant_id}")).json()["bindings"]


@pytest.mark.parametrize("key", [None, "shop", "", "wpk_test_" + "a" * 32, "wpk_live_x"])
async def test_T04_only_a_providers_own_key_opens_these_routes(api: Api, key: str | None) -> None:
    for method, path, body in (
        ("GET", "/v1/tenants", None),
        ("POST", "/v1/tenants", {"name": "店", "sub_mch_id": "1700000021"}),
        ("GET", f"/v1/tenants/{api.town.shop.tenant_id}", None),
    ):
        answer = await api.call(method, path, body, key=key)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_T04_two_authorization_headers_are_none(api: Api) -> None:
    headers = [("Authorization", f"Bearer {api.keys[name]}") for name in ("sp", "stranger")]

    assert (await api.client.get("/v1/tenants", headers=headers)).status_code == 401
    assert (await api.client.get("/v1/tenants", headers=headers[:1])).status_code == 200


async def test_A06_changes_by_key_are_audited_with_request_and_key(api: Api) -> None:
    made = await api.call("POST", "/v1/tenants", {"name": "晨曦咖啡", "sub_mch_id": "1700000021"})

    async with api.town.database.read(api.town.sp.scope) as session:
        mine = select(AuditRow).where(AuditRow.chain == api.town.sp.provider.id).order_by(AuditRow.seq)
        row = list(await session.scalars(mine))[-1]
    assert (row.action, row.actor_kind, row.actor_name) == ("tenant.created", "api_key", "ops")
    assert row.request_id == made.headers["request-id"]
    assert row.peer
