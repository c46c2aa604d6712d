"""One receiver never slows another, and a replay never slows what is fresh (W08, W13, Q05)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import insert
from tests.support.house import MOMENT
from tests.support.post_office import BY, PostOffice, until

from spcore.db.base import table_of
from spcore.ids import new_id
from spcore.outbox.models import OutboxMessage
from sptenants.webhooks.deliverer import Backlog, Limits, Running
from sptenants.webhooks.models import Delivery, DeliveryState
from sptenants.webhooks.repository import Claimed, Lane
from sptenants.webhooks.sender import Answer
from sptenants.webhooks.service import ResendRange


async def pile_up(office: PostOffice, endpoint_id: str, how_many: int, *, state: str = "pending") -> None:
    """Put many deliveries of as many events before an endpoint, as rows."""
    owner = {"provider_id": office.scope.provider_id, "tenant_id": office.scope.tenant_id}
    events, deliveries = [], []
    for number in range(how_many):
        event = owner | {
            "id": new_id("evt"),
            "type": "payment.succeeded",
            "subject": f"bulk_{new_id('bul')}",
            "sequence": 1,
            "payload": {"id": number},
            "created_at": MOMENT,
            "due_at": MOMENT,
            "attempts": 1,
            "done_at": MOMENT,
        }
        events.append(event)
        is_open = state == "pending"
        deliveries.append(
            owner
            | {name: event[name] for name in ("type", "subject", "sequence", "created_at")}
            | {
                "id": new_id("dlv"),
                "endpoint_id": endpoint_id,
                "event_id": event["id"],
                "state": state,
                "resent": False,
                "attempts": 0,
                "step": 0,
                "due_at": MOMENT if is_open else None,
            }
        )
    async with office.database.write(office.scope) as session:
        await session.execute(insert(table_of(OutboxMessage)), events)
        await session.execute(insert(table_of(Delivery)), deliveries)


async def test_W08_a_thousand_events_for_a_receiver_that_hangs_delay_nobody_else(
    office: PostOffice,
) -> None:
    async with office.shop("slow.example.com") as slow, office.shop("fast.example.com") as fast:
        slow.pause = asyncio.Event()
        (slow_endpoint,) = [e for e in await office.reader.endpoints(office.scope) if "slow" in e.url]
        await pile_up(office, slow_endpoint.id, 1000)
        await office.deliverer.run_once()
        for number in range(20):
            await office.event(f"thing_{number}", "order.closed")
        await office.fan_out()
        async with asyncio.timeout(10):
            while len(fast.got) < 20:
                await office.deliverer.run_once()
                await asyncio.sleep(0.01)
        assert slow.got == []
        assert slow.most_at_once == Limits().endpoint
        await office.deliverer.stop(0)


async def test_W13_a_replay_goes_slowly_beside_fresh_events_and_arrives_whole(office: PostOffice) -> None:
    async with office.shop() as shop:
        (endpoint,) = await office.reader.endpoints(office.scope)
        await pile_up(office, endpoint.id, 2000, state="failed")
        wanted = ResendRange(
            endpoint.id, DeliveryState.FAILED, MOMENT - timedelta(days=1), MOMENT + timedelta(days=1)
        )
        assert await office.webhooks.resend_range(office.scope, BY, wanted) == 2000
        await office.event("fresh")
        await office.fan_out()
        await office.deliverer.run_once()
        await until(lambda: not office.deliverer._tasks)
        replayed = [document for document in shop.got if document["data"]["id"] != "fresh"]
        assert len(replayed) == Limits().resent_turn, "as many in one turn, and one turn a second"
        assert len(shop.got) == len(replayed) + 1, "the fresh one did not wait for 2000 others"
        assert (await office.deliverer.backlog()).unfinished == 1990


async def test_W13_fresh_events_of_the_same_order_do_not_wait_for_one_that_is_resent(
    office: PostOffice,
) -> None:
    async with office.shop() as shop:
        await office.event("a")
        await office.work()
        (first,) = await office.deliveries()
        await office.webhooks.resend(office.scope, BY, first.id)
        shop.fails = lambda document: document["sequence"] == 1
        await office.event("a")
        await office.work()
    assert [document["sequence"] for document in shop.got] == [1, 2]


def lane(endpoint: str, tenant: str = "t1", *, resent: bool = False) -> Lane:
    return Lane("p", tenant, endpoint, resent, 100)


def test_places_are_shared_between_endpoints_and_between_tenants() -> None:
    limits = Limits(endpoint=3, tenant=4, fresh=6)
    running = Running([], limits)
    first = [running.takes(lane("e1"), width) for width in (0, 1, 2, 3)]
    assert first == [True, True, True, False], "an endpoint has three places"
    assert [running.takes(lane("e2"), 0), running.takes(lane("e2"), 1)] == [True, False], "a tenant has four"
    others = [running.takes(lane(f"o{number}", "t2"), 0) for number in range(3)]
    assert others == [True, True, False], "all have six together"


def test_W13_places_for_what_is_resent_are_others_than_for_fresh_events() -> None:
    running = Running([lane("e1")] * 4, Limits(endpoint=4, tenant=4, fresh=4, resent=2))
    assert not running.takes(lane("e1"), 3)
    assert running.takes(lane("e1", resent=True), 0)
    assert not running.takes(lane("e1", resent=True), 1), "one at a time for each endpoint"
    assert running.takes(lane("e2", resent=True), 0)
    assert not running.takes(lane("e3", resent=True), 0)


async def test_Q05_depth_and_age_of_what_waits_can_be_seen(office: PostOffice) -> None:
    assert await office.deliverer.backlog() == Backlog(0, 0.0)
    await office.register("https://nobody.example.com/")
    await office.event("a")
    await office.event("b")
    await office.fan_out()
    office.clock.advance(minutes=7)
    assert await office.deliverer.backlog() == Backlog(2, 420.0)


async def test_D11_stopping_lets_what_is_under_way_finish_and_begins_nothing_new(office: PostOffice) -> None:
    async with office.shop() as shop:
        shop.pause = asyncio.Event()
        for number in range(30):
            await office.event(f"thing_{number}")
        await office.fan_out()
        await office.deliverer.run_once()
        await until(lambda: shop.most_at_once == Limits().endpoint)
        stopping = asyncio.create_task(office.deliverer.stop(5))
        await asyncio.sleep(0)
        shop.pause.set()
        await stopping
        states = sorted(row.state for row in await office.deliveries())
        assert states == ["delivered"] * 4 + ["pending"] * 26
        assert all(row.leased_by is None for row in await office.deliveries())
        assert await office.deliverer.run_once() == 0


async def test_a_lane_that_breaks_does_not_stop_the_others(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with office.shop("one.example.com", event_types=["order.closed"]), office.shop() as shop:
        store = office.deliverer._settling.store

        async def sometimes(claimed: Claimed, answer: Answer) -> None:
            if "one." in claimed.endpoint.url:
                raise ZeroDivisionError
            await store(claimed, answer)

        monkeypatch.setattr(office.deliverer._settling, "store", sometimes)
        await office.event("a", "order.closed")
        await office.work()
    assert len(shop.got) == 1
    assert "webhook.failed" in capsys.readouterr().out
