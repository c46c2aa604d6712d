"""The outbox: an event exists with its change, is handed on at least once and in order (T4, Z10)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from tests.conftest import HeldClock
from tests.support.house import House

from spcore.db.engine import Database
from spcore.db.guard import ScopeViolation
from spcore.db.scope import TenantScope, WorkerScope
from spcore.ids import is_id
from spcore.outbox import runner as runner_module
from spcore.outbox.models import OutboxMessage
from spcore.outbox.runner import FIRST_DELAY, LEASE, LONGEST_DELAY, OutboxRunner
from spcore.outbox.writer import enqueue


class Receiver:
    """A handler that remembers, and fails for the subjects it was told to fail for."""

    def __init__(self) -> None:
        self.got: defaultdict[str, list[int]] = defaultdict(list)
        self.tries = 0
        self.failing: set[str] = set()

    async def __call__(self, message: OutboxMessage) -> None:
        self.tries += 1
        await asyncio.sleep(0)
        if message.subject in self.failing:
            raise ConnectionError("canary: what a stranger's server said")
        self.got[message.subject].append(message.sequence)


async def put(
    database: Database,
    scope: TenantScope,
    clock: HeldClock,
    subject: str,
    *sequences: int,
    kind: str = "paid",
) -> None:
    async with database.write(scope) as session:
        for number in sequences:
            await enqueue(
                session,
                scope,
                type=kind,
                subject=subject,
                sequence=number,
                payload={"n": number},
                now=clock.now(),
            )


async def rows(database: Database) -> list[OutboxMessage]:
    async with database.read(WorkerScope()) as session:
        query = select(OutboxMessage).order_by(OutboxMessage.subject, OutboxMessage.sequence)
        return list((await session.scalars(query)).all())


def worker(database: Database, clock: HeldClock, receiver: Receiver, name: str = "w1") -> OutboxRunner:
    return OutboxRunner(database, clock, {"paid": receiver}, name, random=lambda: 0.5)


async def test_T4_an_event_exists_if_and_only_if_its_change_was_committed(
    database: Database, house: House, clock: HeldClock
) -> None:
    scope = house.tenants[0]
    with pytest.raises(ZeroDivisionError):
        await _put_and_fail(database, scope, clock)
    assert await rows(database) == []
    await put(database, scope, clock, "ord_1", 1)
    (row,) = await rows(database)
    assert is_id(row.id, "evt")
    assert (row.tenant_id, row.type, row.payload) == (scope.tenant_id, "paid", {"n": 1})


async def _put_and_fail(database: Database, scope: TenantScope, clock: HeldClock) -> None:
    async with database.write(scope) as session:
        await enqueue(session, scope, type="t", subject="s", sequence=1, payload={}, now=clock.now())
        raise ZeroDivisionError


async def test_a_sequence_number_is_given_once(database: Database, house: House, clock: HeldClock) -> None:
    await put(database, house.tenants[0], clock, "ord_1", 1)
    with pytest.raises(IntegrityError):
        await put(database, house.tenants[0], clock, "ord_1", 1)
    await put(database, house.tenants[1], clock, "ord_1", 1)


async def test_W12_an_event_of_another_tenant_cannot_be_written(
    database: Database, house: House, clock: HeldClock
) -> None:
    mine, neighbour = house.tenants
    async with database.write(mine) as session:
        with pytest.raises(ScopeViolation):
            await enqueue(session, neighbour, type="t", subject="s", sequence=1, payload={}, now=clock.now())


async def test_due_messages_are_handed_on_once_and_in_the_order_of_their_subject(
    database: Database, house: House, clock: HeldClock
) -> None:
    receiver = Receiver()
    await put(database, house.tenants[0], clock, "ord_1", 3, 1, 2)
    await put(database, house.tenants[1], clock, "ord_2", 1, 2)
    runner = worker(database, clock, receiver)
    assert await runner.run_once(100) == 5
    assert receiver.got == {"ord_1": [1, 2, 3], "ord_2": [1, 2]}
    assert await runner.run_once(100) == 0
    assert all(row.done_at == clock.now() and row.leased_by is None for row in await rows(database))


async def test_a_run_stops_at_its_limit(database: Database, house: House, clock: HeldClock) -> None:
    receiver = Receiver()
    for number in range(12):
        await put(database, house.tenants[0], clock, f"ord_{number}", 1)
    runner = worker(database, clock, receiver)
    assert [await runner.run_once(10), await runner.run_once(10)] == [10, 2]


async def test_a_failing_message_holds_back_its_own_subject_only_and_is_tried_again(
    database: Database, house: House, clock: HeldClock
) -> None:
    receiver = Receiver()
    receiver.failing = {"ord_1"}
    await put(database, house.tenants[0], clock, "ord_1", 1, 2)
    await put(database, house.tenants[0], clock, "ord_2", 1, 2)
    runner = worker(database, clock, receiver)
    assert await runner.run_once(100) == 3
    assert receiver.got == {"ord_2": [1, 2]}
    failed = (await rows(database))[0]
    assert (failed.attempts, failed.last_error, failed.done_at) == (1, "ConnectionError", None)
    assert failed.due_at == clock.now() + FIRST_DELAY
    clock.advance(seconds=FIRST_DELAY.total_seconds() - 0.001)
    assert await runner.run_once(100) == 0
    receiver.failing = set()
    clock.advance(seconds=0.001)
    assert await runner.run_once(100) == 2
    assert receiver.got["ord_1"] == [1, 2]


async def test_T06_a_neighbours_subject_of_the_same_name_holds_nobody_back(
    database: Database, house: House, clock: HeldClock
) -> None:
    mine, neighbour = house.tenants
    await put(database, neighbour, clock, "1", 1)
    await worker(database, clock, _failing_for("1")).run_once(1)
    await put(database, mine, clock, "1", 2)
    receiver = Receiver()
    assert await worker(database, clock, receiver).run_once(10) == 1
    assert receiver.got == {"1": [2]}


def _failing_for(subject: str) -> Receiver:
    receiver = Receiver()
    receiver.failing = {subject}
    return receiver


async def test_INV10_a_message_that_always_fails_keeps_a_due_time_at_most_an_hour_away(
    database: Database, house: House, clock: HeldClock
) -> None:
    receiver = Receiver()
    receiver.failing = {"ord_1"}
    await put(database, house.tenants[0], clock, "ord_1", 1)
    runner = worker(database, clock, receiver)
    pauses = []
    for _ in range(30):
        assert await runner.run_once(1) == 1
        (row,) = await rows(database)
        pauses.append(row.due_at - clock.now())
        clock.moment = row.due_at
    assert pauses[:4] == [FIRST_DELAY, FIRST_DELAY * 2, FIRST_DELAY * 4, FIRST_DELAY * 8]
    assert set(pauses[12:]) == {LONGEST_DELAY}


@pytest.mark.parametrize(("random", "factor"), [(0.0, 0.8), (0.5, 1.0), (0.999, 1.2)])
async def test_pauses_are_spread_by_a_fifth(
    database: Database, house: House, clock: HeldClock, random: float, factor: float
) -> None:
    receiver = Receiver()
    receiver.failing = {"ord_1"}
    await put(database, house.tenants[0], clock, "ord_1", 1)
    await OutboxRunner(database, clock, {"paid": receiver}, "w1", random=lambda: random).run_once(1)
    (row,) = await rows(database)
    assert abs(row.due_at - clock.now() - FIRST_DELAY * factor) < timedelta(milliseconds=10)


async def test_a_type_that_nobody_handles_is_done_at_once(
    database: Database, house: House, clock: HeldClock
) -> None:
    await put(database, house.tenants[0], clock, "ord_1", 1, kind="unheard_of")
    await put(database, house.tenants[0], clock, "ord_1", 2)
    receiver = Receiver()
    assert await worker(database, clock, receiver).run_once(10) == 2
    assert receiver.got == {"ord_1": [2]}


async def test_a_type_without_a_handler_of_its_own_goes_to_the_default_one(
    database: Database, house: House, clock: HeldClock
) -> None:
    await put(database, house.tenants[0], clock, "ord_1", 1)
    await put(database, house.tenants[0], clock, "ord_2", 1, kind="unheard_of")
    paid, rest = Receiver(), Receiver()
    rest.failing = {"ord_2"}
    runner = OutboxRunner(database, clock, {"paid": paid}, "w1", default=rest, random=lambda: 0.5)
    assert await runner.run_once(10) == 2
    assert (paid.got, rest.tries) == ({"ord_1": [1]}, 1)
    rest.failing = set()
    clock.advance(seconds=FIRST_DELAY.total_seconds())
    assert await runner.run_once(10) == 1
    assert rest.got == {"ord_2": [1]}


async def test_Z10_four_workers_hand_every_message_on_once(
    database_url: str, database: Database, house: House, clock: HeldClock
) -> None:
    for number in range(20):
        await put(database, house.tenants[number % 2], clock, f"ord_{number}", 1, 2)
    receiver = Receiver()
    databases = [Database(database_url, pool_size=4) for _ in range(4)]
    runners = [worker(each, clock, receiver, f"w{n}") for n, each in enumerate(databases)]
    while any(row.done_at is None for row in await rows(database)):
        await asyncio.gather(*(runner.run_once(5) for runner in runners))
    assert receiver.tries == 40
    assert dict(receiver.got) == {f"ord_{number}": [1, 2] for number in range(20)}
    for each in databases:
        await each.close()


async def test_D05_what_a_dead_worker_had_leased_is_taken_over_after_the_lease(
    database: Database, house: House, clock: HeldClock
) -> None:
    receiver = Receiver()
    await put(database, house.tenants[0], clock, "ord_1", 1)

    begun = asyncio.Event()

    async def never_finish(_message: OutboxMessage) -> None:
        begun.set()
        await asyncio.Event().wait()

    dying = asyncio.create_task(OutboxRunner(database, clock, {"paid": never_finish}, "dead").run_once(1))
    await begun.wait()
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    survivor = worker(database, clock, receiver)
    assert await survivor.run_once(10) == 0
    clock.advance(seconds=LEASE.total_seconds())
    assert await survivor.run_once(10) == 1
    assert receiver.got == {"ord_1": [1]}
    (row,) = await rows(database)
    assert row.attempts == 2


async def test_a_worker_that_lost_its_lease_does_not_mark_the_message(
    database: Database, house: House, clock: HeldClock
) -> None:
    await put(database, house.tenants[0], clock, "ord_1", 1)
    fresh = Receiver()

    async def outlive_the_lease(_message: OutboxMessage) -> None:
        clock.advance(seconds=LEASE.total_seconds())
        fresh.failing = {"ord_1"}
        assert await worker(database, clock, fresh, "second").run_once(1) == 1

    await OutboxRunner(database, clock, {"paid": outlive_the_lease}, "first").run_once(1)
    (row,) = await rows(database)
    assert (row.done_at, row.last_error, row.attempts) == (None, "ConnectionError", 2)


async def test_a_handler_that_hangs_is_stopped_and_the_message_tried_again(
    database: Database, house: House, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "HANDLER_TIMEOUT_S", 0.01)
    await put(database, house.tenants[0], clock, "ord_1", 1)

    async def hang(_message: OutboxMessage) -> None:
        await asyncio.Event().wait()

    assert await OutboxRunner(database, clock, {"paid": hang}, "w1").run_once(1) == 1
    (row,) = await rows(database)
    assert (row.last_error, row.done_at) == ("TimeoutError", None)
    assert row.due_at > clock.now()


async def test_A02_what_a_stranger_answered_is_not_stored(
    database: Database, house: House, clock: HeldClock
) -> None:
    receiver = Receiver()
    receiver.failing = {"ord_1"}
    await put(database, house.tenants[0], clock, "ord_1", 1)
    await worker(database, clock, receiver).run_once(1)
    (row,) = await rows(database)
    assert "canary" not in str(vars(row))
