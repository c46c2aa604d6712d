"""From an event to a receiver: every event arrives, in order, signed, and on the plan (group W, part 2.5).

Acceptance pain 22: webhooks too weak to trust.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from datetime import timedelta
from itertools import pairwise

import pytest
from tests.support.post_office import BY, PostOffice

from spcore.db.engine import Database
from spcore.db.scope import WorkerScope
from sptenants.webhooks.models import Delivery
from sptenants.webhooks.repository import LEASE, claim, lanes
from sptenants.webhooks.schedule import HOLDS_BACK, PLAN


async def test_an_event_arrives_once_with_the_headers_and_body_of_standard_webhooks(
    office: PostOffice,
) -> None:
    async with office.shop() as shop:
        event_id = await office.event(payload={"id": "ord_1", "amount": 12800, "description": "拿铁"})
        assert await office.work() == 1
        assert await office.work() == 0
    assert shop.got == [
        {
            "id": event_id,
            "type": "payment.succeeded",
            "created_at": "2026-11-21T20:50:00+08:00",
            "timestamp": "2026-11-21T20:50:00+08:00",
            "sequence": 1,
            "data": {"id": "ord_1", "amount": 12800, "description": "拿铁"},
        }
    ]
    assert shop.seen == [event_id]
    done = await office.delivery()
    assert (done.state, done.attempts, done.last_outcome, done.last_http_status) == (
        "delivered",
        1,
        "delivered",
        200,
    )
    assert (done.due_at, done.leased_by) == (None, None)
    (attempt,) = await office.attempts()
    assert (attempt.number, attempt.outcome, attempt.excerpt) == (1, "delivered", "ok")


async def test_only_the_types_an_endpoint_wants_are_sent(office: PostOffice) -> None:
    async with (
        office.shop("all.example.com") as everything,
        office.shop("refunds.example.com", event_types=["refund.succeeded"]) as refunds,
    ):
        await office.happen(("a", "payment.succeeded"), ("a", "refund.succeeded"), ("b", "order.closed"))
        await office.work()
    assert sorted(document["type"] for document in everything.got) == [
        "order.closed",
        "payment.succeeded",
        "refund.succeeded",
    ]
    assert [document["type"] for document in refunds.got] == ["refund.succeeded"]


async def test_W09_handing_an_event_on_again_adds_nothing(office: PostOffice) -> None:
    await office.register("https://shop.example.com/")
    await office.event()
    await office.fan_out()
    (message,) = await office.events()
    await office.outbox._default(message)
    assert len(await office.deliveries()) == 1


async def test_W12_a_neighbour_hears_nothing_and_the_database_refuses_the_mixture(
    office: PostOffice,
) -> None:
    mine, neighbour = office.house.tenants
    async with (
        office.shop("mine.example.com") as shop,
        office.shop("theirs.example.com", scope=neighbour) as theirs,
    ):
        await office.event("a")
        await office.event("b", scope=neighbour)
        await office.work()
    assert [document["data"]["id"] for document in shop.got] == ["a"]
    assert [document["data"]["id"] for document in theirs.got] == ["b"]
    (own,), (foreign,) = await office.deliveries(mine), await office.deliveries(neighbour)
    assert own.endpoint_id != foreign.endpoint_id


async def test_W06_the_plan_is_followed_to_its_end_and_a_dead_letter_can_be_resent(
    office: PostOffice,
) -> None:
    begun = office.clock.now()
    async with office.shop() as shop:
        shop.statuses = [500] * len(PLAN)
        event_id = await office.event()
        await office.work_until(begun + timedelta(days=4))
        dead = await office.delivery()
        made = [attempt.at - begun for attempt in await office.attempts()]
        assert made == [sum(PLAN[: place + 1], timedelta(0)) for place in range(len(PLAN))]
        assert made[-1] == timedelta(hours=75, minutes=35, seconds=5)
        assert (dead.state, dead.due_at, dead.attempts) == ("failed", None, 10)
        assert shop.got == []
        await office.webhooks.resend(office.scope, BY, dead.id)
        await office.work()
    assert [document["id"] for document in shop.got] == [event_id]
    assert set(shop.seen) == {event_id}
    again = await office.delivery()
    assert (again.state, again.resent, again.attempts, again.step) == ("delivered", True, 11, 1)
    assert all(len(bodies) == 1 for bodies in shop.bodies.values()), "every attempt sends the same bytes"


async def test_INV10_an_open_delivery_always_has_a_due_time(office: PostOffice) -> None:
    async with office.shop() as shop:
        shop.statuses = [500] * 4
        await office.event()
        await office.work_until(office.clock.now() + timedelta(hours=1))
        assert all(
            (row.state in ("pending", "retrying")) == (row.due_at is not None)
            for row in await office.deliveries()
        )


async def test_events_of_one_order_arrive_in_order_and_wait_for_each_other(office: PostOffice) -> None:
    async with office.shop() as shop:
        shop.fails = lambda document: document["data"]["id"] == "a"
        await office.happen(("a", "payment.succeeded"), ("a", "refund.succeeded"), ("b", "order.closed"))
        await office.work()
        shop.fails = lambda _document: False
        assert [(document["data"]["id"], document["sequence"]) for document in shop.got] == [("b", 1)]
        await office.work_until(office.clock.now() + timedelta(seconds=6))
    assert [(document["data"]["id"], document["sequence"]) for document in shop.got] == [
        ("b", 1),
        ("a", 1),
        ("a", 2),
    ]


async def test_after_35_minutes_of_failing_the_next_event_goes_ahead(office: PostOffice) -> None:
    begun = office.clock.now()
    async with office.shop() as shop:
        shop.statuses = [500, 500, 500]
        await office.happen(("a", "payment.succeeded"), ("a", "refund.succeeded"))
        await office.work_until(begun + HOLDS_BACK - timedelta(seconds=1))
        assert [document["sequence"] for document in shop.got] == []
        office.clock.moment = begun + HOLDS_BACK
        await office.work()
        assert [document["sequence"] for document in shop.got] == [2]
        await office.work_until(begun + timedelta(hours=1))
    assert [document["sequence"] for document in shop.got] == [2, 1]


async def test_an_event_given_up_holds_nobody_back(office: PostOffice) -> None:
    begun = office.clock.now()
    async with office.shop() as shop:
        shop.statuses = [500] * len(PLAN)
        await office.event("a")
        await office.work_until(begun + timedelta(days=4))
        assert (await office.delivery()).state == "failed"
        await office.event("a")
        await office.work()
    assert [document["sequence"] for document in shop.got] == [2]


async def test_a_receiver_that_fails_30_percent_and_is_down_for_an_hour_gets_everything_in_order(
    office: PostOffice,
) -> None:
    """Issue 3, "must show": every event, first deliveries in order per order, the verifier accepts all."""
    dice = random.Random(20261121)
    down_from = office.clock.now() + timedelta(minutes=2)
    down_to = down_from + timedelta(hours=1)
    async with office.shop() as shop:

        def fails(_document: object) -> bool:
            return down_from <= office.clock.now() < down_to or dice.random() < 0.3

        shop.fails = fails
        for minute in range(3):
            for number in range(2):
                for kind in ("payment.succeeded", "refund.succeeded", "refund.succeeded"):
                    await office.event(f"order_{minute}_{number}", kind)
            await office.work_until(office.clock.now() + timedelta(minutes=1))
        await office.work_until(office.clock.now() + timedelta(hours=80))
        rows = await office.deliveries()
    assert {row.state for row in rows} == {"delivered"}
    assert {document["id"] for document in shop.got} == {event.id for event in await office.events()}
    assert len(rows) == 18
    assert all(len(bodies) == 1 for bodies in shop.bodies.values())
    by_order: defaultdict[str, list[Delivery]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.sequence):
        by_order[row.subject].append(row)
    for one, following in (pair for series in by_order.values() for pair in pairwise(series)):
        assert one.first_attempt_at is not None
        assert one.finished_at is not None
        assert following.first_attempt_at is not None
        assert shop.seen.index(one.event_id) < shop.seen.index(following.event_id)
        let_go = min(one.finished_at, one.first_attempt_at + HOLDS_BACK)
        assert following.first_attempt_at >= let_go, "only 35 minutes of failing let the next one go ahead"


async def test_D04_killed_after_sending_and_before_storing_it_is_sent_again_under_the_same_id(
    office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office.shop() as shop:
        event_id = await office.event()
        await office.fan_out()
        dying = office.another("dying")

        sent = asyncio.Event()

        async def never_store(*_: object) -> None:
            sent.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(dying._settling, "store", never_store)
        await dying.run_once()
        await sent.wait()
        await dying.stop(0)
        assert shop.seen == [event_id]
        assert await office.work() == 0, "its lease still holds"
        office.clock.advance(seconds=LEASE.total_seconds())
        assert await office.work() == 1
    assert shop.seen == [event_id, event_id]
    assert (await office.delivery()).state == "delivered"
    assert (await office.delivery()).attempts == 2


async def test_Z10_two_workers_share_the_work_and_send_nothing_twice(
    office: PostOffice, database_url: str
) -> None:
    other_database = Database(database_url)
    async with office.shop() as shop:
        for number in range(20):
            await office.event(f"thing_{number}")
        await office.fan_out()
        other = office.another("w2", database=other_database)
        await office.deliverer.run_once()
        await other.run_once()
        await office.deliverer.drain()
        await other.drain()
    await other_database.close()
    assert len(shop.seen) == len(set(shop.seen)) == 20


async def test_a_worker_that_lost_its_lease_changes_nothing(office: PostOffice) -> None:
    async with office.shop() as shop:
        shop.statuses = [500]
        await office.event()
        await office.fan_out()
        async with office.database.write(WorkerScope()) as session:
            (lane,) = await lanes(session, office.clock.now())
            claimed = await claim(session, lane, "slow", office.clock.now())
        assert claimed is not None
        office.clock.advance(seconds=LEASE.total_seconds())
        await office.work()
        before = await office.delivery()
        await office.another("slow")._deliver(claimed)
        after = await office.delivery()
    assert _plain(before) == _plain(after)
    assert len(await office.attempts()) == 1


def _plain(row: Delivery) -> dict[str, object]:
    return {name: value for name, value in vars(row).items() if not name.startswith("_")}


async def test_a_body_stays_below_20_kb_and_says_what_it_left_out(office: PostOffice) -> None:
    metadata = {f"key_{number}": "值" * 500 for number in range(20)}
    async with office.shop() as shop:
        await office.event(payload={"id": "ord_1", "amount": 1, "metadata": metadata})
        await office.work()
    ((body,),) = shop.bodies.values()
    assert len(body) < 20_000
    assert json.loads(body)["data"] == {"id": "ord_1", "amount": 1, "abridged": True}
