"""What receivers answer, and what follows from it (W07, W11, part 2.5)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from standardwebhooks import Webhook, WebhookVerificationError
from tests.conftest import HeldClock
from tests.support.post_office import BY, PostOffice

from spcore.audit.models import AuditRow
from spcore.errors import NotFound
from spcore.vault import Vault
from sptenants.registry.errors import StateConflict
from sptenants.webhooks.endpoints import EndpointChange
from sptenants.webhooks.schedule import PLAN, asked_to_wait, next_attempt

DAY = timedelta(hours=24)


async def audit(office: PostOffice) -> list[AuditRow]:
    scope = office.scope
    query = select(AuditRow).where(AuditRow.chain == scope.provider_id, AuditRow.tenant_id == scope.tenant_id)
    async with office.database.read(scope) as session:
        return list(await session.scalars(query.order_by(AuditRow.seq)))


async def test_every_2xx_is_success(office: PostOffice) -> None:
    statuses = [200, 201, 204, 299]
    async with office.shop() as shop:
        for status in statuses:
            shop.statuses = [status]
            await office.event(f"answered {status}")
            await office.work()
    rows = await office.deliveries()
    assert [(row.state, row.last_http_status) for row in rows] == [
        ("delivered", status) for status in statuses
    ]


async def test_anything_else_is_tried_again_after_the_plan(office: PostOffice) -> None:
    statuses = [302, 400, 404, 429, 500, 503]
    async with office.shop() as shop:
        for status in statuses:
            shop.statuses = [status]
            await office.event(f"answered {status}")
            await office.work()
    for row, status in zip(await office.deliveries(), statuses, strict=True):
        assert (row.state, row.last_outcome, row.last_http_status) == ("retrying", "http_error", status)
        assert row.due_at == office.clock.now() + PLAN[1]


async def test_W07_retry_after_of_a_503_is_honoured(office: PostOffice) -> None:
    async with office.shop() as shop:
        shop.statuses, shop.headers = [503], ("Retry-After: 600",)
        await office.event()
        await office.work()
    assert (await office.delivery()).due_at == office.clock.now() + timedelta(seconds=600)


@pytest.mark.parametrize(
    ("status", "given", "wait"),
    [
        pytest.param(429, "120", timedelta(seconds=120), id="seconds"),
        pytest.param(503, " 0 ", timedelta(0), id="zero"),
        pytest.param(503, "100000", DAY, id="more than a day"),
        pytest.param(503, "1000000000", DAY, id="ten to the ninth"),
        pytest.param(503, "9" * 5000, DAY, id="thousands of digits"),
        pytest.param(429, "-5", None, id="negative"),
        pytest.param(429, "soon", None, id="garbage"),
        pytest.param(429, "１２", None, id="full-width digits"),
        pytest.param(429, "1e3", None, id="a float"),
        pytest.param(503, "Sat, 21 Nov 2026 12:55:00 GMT", timedelta(minutes=5), id="a date"),
        pytest.param(503, "Sat, 21 Nov 2026 12:55:00", timedelta(minutes=5), id="a date without zone"),
        pytest.param(503, "Sat, 21 Nov 2020 12:55:00 GMT", None, id="a date in the past"),
        pytest.param(503, "Sat, 21 Nov 2099 12:55:00 GMT", DAY, id="a date far away"),
        pytest.param(503, "Sat, 99 Foo 2099 99:99:99 GMT", None, id="no date"),
        pytest.param(500, "120", None, id="of another status"),
        pytest.param(503, None, None, id="none"),
    ],
)
def test_W07_retry_after_in_every_form(
    status: int, given: str | None, wait: timedelta | None, clock: HeldClock
) -> None:
    assert asked_to_wait(status, given, clock.now()) == wait


def test_pauses_are_spread_by_a_tenth_and_the_plan_ends(clock: HeldClock) -> None:
    now = clock.now()
    assert next_attempt(2, now, 0.0) == now + timedelta(minutes=4, seconds=30)
    assert next_attempt(2, now, 1.0) == now + timedelta(minutes=5, seconds=30)
    assert next_attempt(2, now, 0.5, timedelta(seconds=1)) == now + timedelta(minutes=5)
    assert next_attempt(9, now, 0.5) == now + timedelta(hours=24)
    assert next_attempt(10, now, 0.5) is None


async def test_W07_a_410_disables_the_endpoint_with_an_audit_row_and_an_event(office: PostOffice) -> None:
    async with (
        office.shop("gone.example.com", event_types=["order.closed"]) as gone,
        office.shop("other.example.com", event_types=["webhook.disabled"]) as other,
    ):
        gone.statuses = [410]
        await office.event("a", "order.closed")
        await office.work()
        shown = {e.url: e for e in await office.reader.endpoints(office.scope)}
        assert (shown[gone.url].status, shown[gone.url].disabled_reason) == ("disabled", "gone")
        await office.work()
        (document,) = other.got
        assert (document["type"], document["data"]["url"]) == ("webhook.disabled", gone.url)
        assert document["data"]["disabled_reason"] == "gone"
        row = (await audit(office))[-1]
        assert (row.action, row.actor_kind, row.object_id) == (
            "webhook.disabled",
            "system",
            shown[gone.url].id,
        )
        assert len(gone.seen) == 1


async def test_an_endpoint_that_fails_for_five_days_is_disabled_and_later_events_can_be_resent(
    office: PostOffice,
) -> None:
    begun = office.clock.now()
    async with office.shop() as shop:
        shop.fails = lambda _document: True
        for day in (0, 3):
            await office.work_until(begun + DAY * day)
            await office.event(f"thing_{day}")
        await office.work_until(begun + DAY * 7)
        (endpoint,) = await office.reader.endpoints(office.scope)
        assert (endpoint.status, endpoint.disabled_reason) == ("disabled", "failing")
        assert endpoint.failing_since == begun
        assert endpoint.disabled_at is not None
        assert endpoint.disabled_at - begun >= DAY * 5
        late = await office.event("after")
        await office.work()
        assert {row.state for row in await office.deliveries()} == {"failed"}
        assert {row.due_at for row in await office.deliveries()} == {None}

        with pytest.raises(StateConflict):
            await office.webhooks.resend(office.scope, BY, (await office.deliveries())[-1].id)
        shop.fails = lambda _document: False
        await office.webhooks.alter(office.scope, BY, endpoint.id, EndpointChange({"status": "active"}))
        (repaired,) = await office.reader.endpoints(office.scope)
        assert (repaired.status, repaired.failing_since, repaired.disabled_reason) == ("active", None, None)
        await office.webhooks.resend(office.scope, BY, (await office.deliveries())[-1].id)
        await office.work()
    assert [document["id"] for document in shop.got] == [late]


async def test_one_success_ends_the_count_of_failing_days(office: PostOffice) -> None:
    async with office.shop() as shop:
        shop.statuses = [500]
        await office.event("a")
        await office.work()
        (endpoint,) = await office.reader.endpoints(office.scope)
        assert endpoint.failing_since == office.clock.now()
        office.clock.advance(days=6)
        await office.event("b")
        await office.work()
        (endpoint,) = await office.reader.endpoints(office.scope)
    assert (endpoint.status, endpoint.failing_since) == ("active", None)
    assert endpoint.last_success_at == office.clock.now()


async def test_disabling_by_hand_ends_what_waits_and_records_nothing_until_it_is_active_again(
    office: PostOffice,
) -> None:
    async with office.shop() as shop:
        shop.statuses = [500]
        (endpoint,) = await office.reader.endpoints(office.scope)
        await office.event("a")
        await office.work()
        change = EndpointChange({"status": "disabled"})
        await office.webhooks.alter(office.scope, BY, endpoint.id, change)
        row = await office.delivery()
        assert (row.state, row.due_at, row.last_outcome) == ("failed", None, "endpoint_disabled")
        await office.event("b")
        await office.work_until(office.clock.now() + timedelta(days=1))
        assert len(await office.deliveries()) == 1
        await office.webhooks.alter(office.scope, BY, endpoint.id, EndpointChange({"status": "active"}))
        await office.event("c")
        await office.work()
    assert [document["data"]["id"] for document in shop.got] == ["c"]


async def test_W11_after_a_change_of_secret_both_verify_for_a_day(office: PostOffice) -> None:
    async with office.shop() as shop:
        (endpoint,) = await office.reader.endpoints(office.scope)
        old = shop.secret
        made = await office.webhooks.rotate_secret(office.scope, BY, endpoint.id)
        assert made.secret != old
        for secret in (old, made.secret):
            shop.secret = secret
            await office.event()
            await office.work()
        assert len(shop.got) == 2
        assert all(len(signature.split(" ")) == 2 for signature in shop.signatures)
        office.clock.advance(hours=24)
        await office.event()
        await office.work()
        assert len(shop.got) == 3
        assert len(shop.signatures[-1].split(" ")) == 1
        (event_id, body), signature = list(shop.bodies.items())[-1], shop.signatures[-1]
        headers = {
            "webhook-id": event_id,
            "webhook-timestamp": str(int(office.clock.now().timestamp())),
            "webhook-signature": signature,
        }
        assert Webhook(made.secret).verify(next(iter(body)), headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(old).verify(next(iter(body)), headers)


async def test_a_secret_that_does_not_open_here_is_not_held_against_the_receiver(
    office: PostOffice,
) -> None:
    async with office.shop() as shop:
        await office.event()
        await office.fan_out()
        await office.another(vault=Vault([bytes(reversed(range(32)))])).drain()
        row = await office.delivery()
        (endpoint,) = await office.reader.endpoints(office.scope)
        assert (row.state, row.last_outcome, endpoint.failing_since) == ("retrying", "not_signed", None)
        await office.work_until(office.clock.now() + timedelta(seconds=10))
    assert len(shop.got) == 1


async def test_an_endpoint_can_be_removed_with_its_deliveries_while_events_stay(office: PostOffice) -> None:
    async with office.shop():
        await office.event()
        await office.work()
        (endpoint,) = await office.reader.endpoints(office.scope)
        with pytest.raises(NotFound):
            await office.webhooks.remove(office.house.tenants[1], BY, endpoint.id)
        await office.webhooks.remove(office.scope, BY, endpoint.id)
    assert await office.reader.endpoints(office.scope) == []
    assert (await office.deliveries(), await office.attempts()) == ([], [])
    assert len(await office.events()) == 1
