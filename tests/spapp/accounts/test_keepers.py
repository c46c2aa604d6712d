"""The last owner and the last administrator stay, also when two act at the same moment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from sqlalchemy import func, insert, select
from tests.conftest import HeldClock
from tests.support.factor_desk import Desk

from spapp.accounts import throttle
from spapp.accounts.errors import LastKeeper
from spapp.accounts.invitations import Invitations, Wanted
from spapp.accounts.members import Members
from spapp.accounts.models import Level, Membership, Person, Role, SignInAttempt
from spapp.accounts.service import Staff, Visitor
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import DoorScope

HERE = Visitor("203.0.113.7", "test", "req_1")


@dataclass(frozen=True, slots=True)
class Pair:
    members: Members
    staff: tuple[Staff, Staff]


@pytest.fixture
async def pair(desk: Desk, database: Database, clock: HeldClock) -> Pair:
    """Two platform administrators, as the desk has them."""
    async with database.read(DoorScope()) as session:
        rows = (
            await session.execute(
                select(Person, Membership).join(Membership, Membership.person_id == Person.id)
            )
        ).all()
    one, two = (
        Staff(
            person_id=person.id,
            name=person.name,
            email=person.email,
            role=membership.role,
            membership_id=membership.id,
            provider_id=None,
            tenant_id=None,
            level=Level.FULL,
            has_second_factor=False,
            csrf_token="",
        )
        for person, membership in rows
    )
    return Pair(Members(database, clock, desk.factors), (one, two))


async def admins(database: Database) -> int:
    counted = (
        select(func.count())
        .select_from(Membership)
        .join(Person, Person.id == Membership.person_id)
        .where(Membership.role == Role.PLATFORM_ADMIN, Person.status == "active")
    )
    async with database.read(DoorScope()) as session:
        return (await session.scalars(counted)).one()


@pytest.mark.parametrize("ways", ["remove remove", "remove disable", "disable disable", "demote remove"])
async def test_of_two_who_take_each_other_away_one_is_refused(
    pair: Pair, database: Database, ways: str
) -> None:
    one, two = pair.staff

    async def act(way: str, by: Staff, other: Staff) -> None:
        if way == "remove":
            await pair.members.remove(by, other.membership_id, "两人同时操作", HERE)
        elif way == "disable":
            await pair.members.disable(by, other.person_id, "两人同时操作", HERE)
        else:
            await pair.members.change_role(by, other.membership_id, Role.PLATFORM_AUDITOR, HERE)

    first, second = ways.split()
    results = await asyncio.gather(act(first, one, two), act(second, two, one), return_exceptions=True)

    assert await admins(database) == 1
    assert [type(result) for result in results].count(LastKeeper) == 1


async def test_somebody_who_cannot_sign_in_does_not_count(pair: Pair, database: Database) -> None:
    one, two = pair.staff
    await pair.members.disable(one, two.person_id, "先停用另一位", HERE)

    with pytest.raises(LastKeeper):
        await pair.members.remove(one, one.membership_id, "再移除自己", HERE)
    await pair.members.enable(one, two.person_id, "恢复另一位", HERE)
    await pair.members.remove(one, one.membership_id, "再移除自己", HERE)
    assert await admins(database) == 1


async def test_S17_of_two_who_accept_one_link_one_joins(
    pair: Pair, desk: Desk, database: Database, clock: HeldClock
) -> None:
    invitations = Invitations(database, clock, desk.accounts)
    wanted = Wanted("neu@example.com", Role.PLATFORM_AUDITOR)
    invited = await invitations.invite(pair.staff[0], wanted, HERE)

    async def accept(name: str) -> None:
        await invitations.accept_as_new(invited.token, name, "a quiet harbour at dawn", HERE)

    results = await asyncio.gather(accept("甲"), accept("乙"), return_exceptions=True)

    assert [result is None for result in results].count(True) == 1
    async with database.read(DoorScope()) as session:
        people = select(func.count()).select_from(Person).where(Person.email == "neu@example.com")
        assert await session.scalar(people) == 1


async def test_a_locked_out_person_is_known_by_id_until_unlocked(
    pair: Pair, database: Database, clock: HeldClock
) -> None:
    one, two = pair.staff
    row = {
        "subject": throttle.Subjects.of(throttle.second_factor_of(two.person_id), "").account,
        "failures": 11,
        "at": clock.now(),
        "locked_until": clock.now() + throttle.LOCK,
    }
    addresses = {one.person_id: one.email, two.person_id: two.email}
    async with database.write(DoorScope()) as session:
        await session.execute(insert(table_of(SignInAttempt)), [row])
    async with database.read(DoorScope()) as session:
        assert set(await throttle.locked_until(session, addresses, clock.now())) == {two.person_id}

    await pair.members.unlock(one, two.membership_id, HERE)

    async with database.read(DoorScope()) as session:
        assert await throttle.locked_until(session, addresses, clock.now()) == {}
