"""The routes of endpoints, deliveries and events: statuses and shapes of the contract (section 5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest
from litestar import Litestar, Request
from litestar.di import Provide
from litestar.types import ASGIApp, Receive, Scope, Send
from sqlalchemy import select
from tests.support.post_office import PostOffice

from spapp.web import problems
from spcore.audit.actor import Actor
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from sptenants.registry.caller import Caller, TenantProfile
from sptenants.registry.models import Tenant
from sptenants.webhooks.controller import DeliveryController, EventController, WebhookEndpointController

CHOSEN = "x-test-tenant"
ENDPOINTS = "/v1/webhook-endpoints"


def _facts(app: ASGIApp) -> ASGIApp:
    async def with_facts(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})
        scope["state"] |= {"request_id": "req_1", "peer": "203.0.113.9"}
        await app(scope, receive, send)

    return with_facts


@pytest.fixture
async def client(office: PostOffice) -> AsyncIterator[httpx.AsyncClient]:
    """The routes as an application of their own: no sign-in, `x-test-tenant` chooses the caller."""
    scope = office.house.provider
    async with office.database.read(scope) as session:
        provider = await session.scalar(select(Provider).where(Provider.id == scope.provider_id))
        assert provider is not None
        query = select(Tenant).where(Tenant.provider_id == scope.provider_id).order_by(Tenant.sub_mch_id)
        tenants = list(await session.scalars(query))
    by_place = {tenant.tenant_id: place for place, tenant in enumerate(office.house.tenants)}
    callers = [
        Caller(ProviderProfile.of(provider), TenantProfile.of(row), Actor("api_key", "key_1", "server"))
        for row in sorted(tenants, key=lambda row: by_place[row.id])
    ]

    def caller(request: Request[Any, Any, Any]) -> Any:
        return callers[int(request.headers.get(CHOSEN, "0"))]

    def value(given: Any) -> Provide:
        return Provide(lambda: given, sync_to_thread=False)

    app = Litestar(
        [WebhookEndpointController, DeliveryController, EventController],
        dependencies={
            "caller": Provide(caller, sync_to_thread=False),
            "webhooks": value(office.webhooks),
            "webhook_reader": value(office.reader),
        },
        middleware=[_facts],
        exception_handlers={
            Exception: problems.handler(lambda _r: False, lambda _r, p: problems.to_response(p))
        },
        logging_config=None,
        openapi_config=None,
    )
    # In the test's own event loop: the database's connections belong to it.
    transport = httpx.ASGITransport(app=cast("Any", app))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.example") as opened:
        yield opened


async def test_an_endpoint_from_its_making_to_its_end(client: httpx.AsyncClient) -> None:
    body = {
        "url": "https://shop.example.com/hook",
        "event_types": ["payment.succeeded"],
        "description": "订单系统",
    }
    created = await client.post(ENDPOINTS, json=body)
    assert created.status_code == 201
    made = created.json()
    assert created.headers["location"] == f"{ENDPOINTS}/{made['id']}"
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made == {
        "id": made["id"],
        "object": "webhook_endpoint",
        **body,
        "status": "active",
        "disabled_at": None,
        "disabled_reason": None,
        "failing_since": None,
        "last_success_at": None,
        "previous_secret_until": None,
        "created_at": "2026-11-21T20:50:00+08:00",
    }
    path = f"{ENDPOINTS}/{made['id']}"
    assert (await client.get(path)).json() == made
    listed = (await client.get(ENDPOINTS)).json()
    assert listed == {"object": "list", "data": [made], "next_cursor": None, "has_more": False}

    changed = await client.patch(path, json={"status": "disabled", "event_types": None})
    assert (changed.status_code, changed.json()["status"]) == (200, "disabled")
    assert (changed.json()["event_types"], changed.json()["disabled_reason"]) == (None, "by_hand")
    assert changed.json()["description"] == "订单系统", "what is left out stays"
    assert (await client.patch(path, json={"status": "active"})).json()["disabled_at"] is None

    rotated = await client.post(f"{path}/rotate-secret")
    assert (rotated.status_code, rotated.json()["previous_secret_until"]) == (
        200,
        "2026-11-22T20:50:00+08:00",
    )
    assert rotated.json()["secret"] != secret
    assert "secret" not in (await client.get(path)).json()
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_a_wrong_endpoint_is_422_and_names_the_field(client: httpx.AsyncClient) -> None:
    url = "https://shop.example.com/"
    bodies: list[tuple[dict[str, Any], str]] = [
        ({}, "#/url"),
        ({"url": 1}, "#/url"),
        ({"url": "https://10.0.0.1/"}, "#/url"),
        ({"url": url, "colour": "red"}, "#/colour"),
        ({"url": url, "event_types": ["nope"]}, "#/event_types/0"),
    ]
    for body, pointer in bodies:
        answer = await client.post(ENDPOINTS, json=body)
        assert answer.status_code == 422, body
        assert pointer in [error["pointer"] for error in answer.json()["errors"]], body
    assert (await client.get(ENDPOINTS)).json()["data"] == []


async def test_a_test_event_is_202_and_its_delivery_shows_every_attempt(
    client: httpx.AsyncClient, office: PostOffice
) -> None:
    async with office.shop() as shop:
        shop.statuses, shop.answer = [500], "<b>down</b>"
        (endpoint,) = (await client.get(ENDPOINTS)).json()["data"]
        event = await client.post(f"{ENDPOINTS}/{endpoint['id']}/test")
        assert (event.status_code, event.json()["type"]) == (202, "webhook.test")
        assert (await client.get(f"/v1/events/{event.json()['id']}")).json() == event.json()
        await office.work()
        office.clock.advance(seconds=5)
        await office.work()
    (row,) = (await client.get("/v1/deliveries")).json()["data"]
    assert (row["state"], row["attempts"], row["event_id"]) == ("delivered", 2, event.json()["id"])
    assert "tried" not in row
    whole = (await client.get(f"/v1/deliveries/{row['id']}")).json()
    assert [(one["number"], one["outcome"], one["http_status"]) for one in whole["tried"]] == [
        (2, "delivered", 200),
        (1, "http_error", 500),
    ]
    first = whole["tried"][1]
    assert (first["excerpt"], first["next_attempt_at"]) == ("<b>down</b>", "2026-11-21T20:50:05+08:00")
    again = await client.post(f"/v1/deliveries/{row['id']}/resend")
    assert (again.status_code, again.json()["state"], again.json()["resent"]) == (202, "pending", True)


async def test_deliveries_are_filtered_and_a_range_is_resent(
    client: httpx.AsyncClient, office: PostOffice
) -> None:
    async with office.shop() as shop:
        shop.statuses = [410]
        (endpoint,) = (await client.get(ENDPOINTS)).json()["data"]
        await office.event("ord_a")
        await office.work()
        await client.patch(f"{ENDPOINTS}/{endpoint['id']}", json={"status": "active"})
        office.clock.advance(hours=1)
        await office.event("ord_b", "order.closed")
        await office.work()

        async def found(**query: str) -> list[str]:
            answer = await client.get("/v1/deliveries", params=query)
            assert answer.status_code == 200, answer.text
            return [row["subject"] for row in answer.json()["data"]]

        assert await found() == ["ord_b", "ord_a"]
        assert await found(state="failed") == ["ord_a"]
        assert await found(type="order.closed") == ["ord_b"]
        assert await found(order_id="ord_a", endpoint_id=endpoint["id"]) == ["ord_a"]
        assert await found(created_from="2026-11-21T21:00:00+08:00") == ["ord_b"]
        assert await found(created_to="2026-11-21T21:00:00+08:00") == ["ord_a"]
        page = (await client.get("/v1/deliveries", params={"limit": "1"})).json()
        rest = (await client.get("/v1/deliveries", params={"cursor": page["next_cursor"]})).json()
        assert [row["subject"] for row in rest["data"]] == ["ord_a"]

        wanted = {
            "endpoint_id": endpoint["id"],
            "state": "failed",
            "created_from": "2026-11-21T20:00:00+08:00",
            "created_to": "2026-11-21T22:00:00+08:00",
        }
        resent = await client.post("/v1/deliveries/resend", json=wanted)
        assert (resent.status_code, resent.json()) == (202, {"object": "resend", "count": 1})
        await office.work()
        assert await found(state="delivered") == ["ord_b", "ord_a"]
        naive = await client.post("/v1/deliveries/resend", json=wanted | {"created_from": "2026-11-21"})
        assert naive.status_code == 422


async def test_events_keep_their_shape_and_are_filtered(
    client: httpx.AsyncClient, office: PostOffice
) -> None:
    await office.event("ord_a")
    office.clock.advance(hours=1)
    await office.event("ord_b", "order.closed")
    first, second = (await client.get("/v1/events")).json()["data"]
    assert set(first) == {"id", "type", "created_at", "sequence", "data"}
    assert (first["type"], second["data"]["id"]) == ("order.closed", "ord_a")
    for query, subject in (
        ({"type": "order.closed"}, "ord_b"),
        ({"order_id": "ord_a"}, "ord_a"),
        ({"created_to": "2026-11-21T21:00:00+08:00"}, "ord_a"),
    ):
        (only,) = (await client.get("/v1/events", params=query)).json()["data"]
        assert only["data"]["id"] == subject


async def test_what_a_list_does_not_know_is_refused(client: httpx.AsyncClient) -> None:
    for path in ("/v1/events", "/v1/deliveries"):
        for query in (
            "colour=red",
            "limit=0",
            "limit=101",
            "limit=x",
            "cursor=%21",
            "type=nope",
            "created_from=2026-11-21",
            "created_to=soon",
            "order_id=a&order_id=b",
            "order_id=%00",
        ):
            answer = await client.get(f"{path}?{query}")
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), (path, query)


async def test_Y3_a_neighbours_objects_answer_like_missing_ones(
    client: httpx.AsyncClient, office: PostOffice
) -> None:
    made = await office.register("https://shop.example.com/")
    event_id = await office.event()
    await office.fan_out()
    delivery = await office.delivery()
    places = [
        ("GET", ENDPOINTS, made.id, ""),
        ("PATCH", ENDPOINTS, made.id, ""),
        ("DELETE", ENDPOINTS, made.id, ""),
        ("POST", ENDPOINTS, made.id, "/rotate-secret"),
        ("POST", ENDPOINTS, made.id, "/test"),
        ("GET", "/v1/events", event_id, ""),
        ("GET", "/v1/deliveries", delivery.id, ""),
        ("POST", "/v1/deliveries", delivery.id, "/resend"),
    ]
    for method, path, own, tail in places:
        missing = f"{own[:4]}{'0' * 26}"
        bodies = []
        for one in (own, missing):
            sent = {"json": {}} if method == "PATCH" else {}
            answer = await client.request(method, f"{path}/{one}{tail}", headers={CHOSEN: "1"}, **sent)
            assert answer.status_code == 404, (method, path)
            bodies.append(answer.json() | {"instance": ""})
        assert bodies[0] == bodies[1]
    assert (await client.get("/v1/events", headers={CHOSEN: "1"})).json()["data"] == []
    assert (await client.get("/v1/deliveries", headers={CHOSEN: "1"})).json()["data"] == []
