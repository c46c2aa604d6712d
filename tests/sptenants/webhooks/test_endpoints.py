"""Endpoints: checked when saved, few, with secrets that are told once (W01, W04, W10), and audited."""

from __future__ import annotations

import base64

import pytest
from sqlalchemy import select
from tests.support.house import build_house
from tests.support.post_office import BY, OWN_HOST, PostOffice

from spcore.audit.models import AuditRow
from spcore.errors import InvalidInput, NotFound
from sptenants.orders import repository as orders
from sptenants.refunds import repository as refunds
from sptenants.registry.access import RequestFacts
from sptenants.registry.errors import StateConflict
from sptenants.webhooks.endpoints import MAX_ENDPOINTS, EndpointChange
from sptenants.webhooks.event_types import EVENT_TYPES
from sptenants.webhooks.models import WebhookEndpoint

FACTS = RequestFacts("req_1", "198.51.100.7")


async def faults(office: PostOffice, url: str, **endpoint: object) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refused:
        await office.register(url, **endpoint)
    assert await office.reader.endpoints(office.scope) == []
    return [(fault.pointer, fault.code) for fault in refused.value.faults]


async def acts(office: PostOffice) -> list[AuditRow]:
    query = select(AuditRow).where(AuditRow.chain == office.scope.provider_id)
    async with office.database.read(office.house.provider) as session:
        return list(await session.scalars(query.order_by(AuditRow.seq)))


async def test_W01_W04_an_address_nobody_should_call_is_not_saved(office: PostOffice) -> None:
    for url, code in (
        ("http://shop.example.com/", "invalid_url"),
        ("https://user:pass@shop.example.com/", "invalid_url"),
        ("https://127.0.0.1/", "not_public"),
        ("https://[::1]/", "not_public"),
        ("https://2130706433/", "not_public"),
        ("https://shop.example.com:6379/", "port_not_allowed"),
        (f"https://{OWN_HOST}/", "own_address"),
    ):
        assert await faults(office, url) == [("#/url", code)], url


async def test_what_is_wrong_with_an_endpoint_is_named(office: PostOffice) -> None:
    wrong: list[tuple[dict[str, object], tuple[str, str]]] = [
        ({"event_types": []}, ("#/event_types", "empty")),
        ({"event_types": ["payment.succeeded", "nope"]}, ("#/event_types/1", "unknown_value")),
        ({"event_types": ["order.closed", "order.closed"]}, ("#/event_types", "duplicate")),
        ({"description": "x" * 201}, ("#/description", "invalid_format")),
        ({"description": "a\nb"}, ("#/description", "invalid_format")),
    ]
    for endpoint, fault in wrong:
        assert await faults(office, "https://shop.example.com/", **endpoint) == [fault], endpoint


async def test_every_fault_is_named_at_once(office: PostOffice) -> None:
    found = await faults(office, "http://shop.example.com/", event_types=["nope"], description="\0")
    assert [pointer for pointer, _ in found] == ["#/url", "#/event_types/0", "#/description"]


async def test_a_tenant_has_ten_endpoints_of_different_addresses(office: PostOffice) -> None:
    for number in range(MAX_ENDPOINTS):
        await office.register(f"https://shop.example.com/{number}")
        if number == 0:
            with pytest.raises(InvalidInput) as taken:
                await office.register("https://shop.example.com/0")
            assert [fault.code for fault in taken.value.faults] == ["taken"]
    with pytest.raises(InvalidInput) as refused:
        await office.register("https://shop.example.com/one-more")
    assert [fault.code for fault in refused.value.faults] == ["too_many"]
    await office.register("https://shop.example.com/0", scope=office.house.tenants[1])


async def test_W10_secrets_are_unique_told_once_and_stored_sealed(
    office: PostOffice, capsys: pytest.CaptureFixture[str]
) -> None:
    first = await office.register("https://shop.example.com/1")
    second = await office.register("https://shop.example.com/2")
    rotated = await office.webhooks.rotate_secret(office.scope, BY, second.id, FACTS)
    secrets = [first.secret, second.secret, rotated.secret]
    assert len(set(secrets)) == 3
    for secret in secrets:
        assert secret.startswith("whsec_")
        assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    async with office.database.read(office.scope) as session:
        rows = list(
            await session.scalars(
                select(WebhookEndpoint).where(WebhookEndpoint.tenant_id == office.scope.tenant_id)
            )
        )
    told = repr([vars(row) for row in (*rows, *await acts(office))])
    told += repr([first, second, rotated, await office.reader.endpoints(office.scope), capsys.readouterr()])
    for secret in secrets:
        bare = secret.removeprefix("whsec_")
        assert bare not in told
        assert base64.b64decode(bare) not in b"".join(row.secret_sealed for row in rows)


async def test_changes_are_audited_with_what_was_and_what_is(office: PostOffice) -> None:
    made = await office.webhooks.create(office.scope, BY, "https://shop.example.com/1", facts=FACTS)
    change = EndpointChange({"url": "https://shop.example.com/2", "event_types": ["order.closed"]})
    await office.webhooks.alter(office.scope, BY, made.id, change, FACTS)
    await office.webhooks.alter(office.scope, BY, made.id, change, FACTS)
    await office.webhooks.alter(office.scope, BY, made.id, EndpointChange({"status": "disabled"}), FACTS)
    await office.webhooks.alter(office.scope, BY, made.id, EndpointChange({"status": "active"}), FACTS)
    await office.webhooks.test(office.scope, BY, made.id, FACTS)
    await office.webhooks.remove(office.scope, BY, made.id, FACTS)
    rows = await acts(office)
    assert [row.action for row in rows] == [
        "webhook.created",
        "webhook.changed",
        "webhook.changed",
        "webhook.changed",
        "webhook.tested",
        "webhook.deleted",
    ]
    assert rows[1].before == {"url": "https://shop.example.com/1", "event_types": None}
    assert rows[1].after == change.fields
    assert rows[2].after == {"status": "disabled"}
    assert {(row.actor_name, row.request_id, row.peer) for row in rows} == {
        ("server", "req_1", "198.51.100.7")
    }


async def test_a_new_address_is_checked_like_the_first(office: PostOffice) -> None:
    made = await office.register("https://shop.example.com/1")
    await office.register("https://shop.example.com/2")
    for url, code in (("https://10.0.0.1/", "not_public"), ("https://shop.example.com/2", "taken")):
        with pytest.raises(InvalidInput) as refused:
            await office.webhooks.alter(office.scope, BY, made.id, EndpointChange({"url": url}))
        assert [fault.code for fault in refused.value.faults] == [code]
    assert (await office.reader.endpoint(office.scope, made.id)).url == "https://shop.example.com/1"


async def test_a_test_event_goes_to_its_endpoint_alone_whatever_it_wants(office: PostOffice) -> None:
    async with (
        office.shop("one.example.com", event_types=["order.closed"]) as one,
        office.shop("two.example.com") as two,
    ):
        by_url = {endpoint.url: endpoint for endpoint in await office.reader.endpoints(office.scope)}
        event_id = await office.webhooks.test(office.scope, BY, by_url[one.url].id)
        await office.work()
        await office.webhooks.test(office.scope, BY, by_url[one.url].id)
        await office.work()
        disabled = EndpointChange({"status": "disabled"})
        await office.webhooks.alter(office.scope, BY, by_url[one.url].id, disabled)
        with pytest.raises(StateConflict):
            await office.webhooks.test(office.scope, BY, by_url[one.url].id)
    assert [(document["type"], document["sequence"]) for document in one.got] == [
        ("webhook.test", 1),
        ("webhook.test", 2),
    ]
    assert one.got[0]["id"] == event_id
    assert two.got == []


async def test_Y3_W12_another_tenants_endpoint_does_not_exist(office: PostOffice) -> None:
    made = await office.register("https://shop.example.com/")
    strangers = [office.house.tenants[1], (await build_house(office.database, number=2)).tenants[0]]
    for stranger in strangers:
        for attempt in (
            lambda scope: office.webhooks.alter(scope, BY, made.id, EndpointChange({"status": "disabled"})),
            lambda scope: office.webhooks.rotate_secret(scope, BY, made.id),
            lambda scope: office.webhooks.remove(scope, BY, made.id),
            lambda scope: office.webhooks.test(scope, BY, made.id),
            lambda scope: office.reader.endpoint(scope, made.id),
        ):
            with pytest.raises(NotFound):
                await attempt(stranger)
    assert (await office.reader.endpoint(office.scope, made.id)).is_active


def test_every_event_that_orders_and_refunds_make_can_be_chosen() -> None:
    assert set(orders._EVENTS.values()) | set(refunds._EVENTS.values()) <= set(EVENT_TYPES)
