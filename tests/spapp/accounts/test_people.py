"""Administrators and set-up links (failure catalogue S06, S17)."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from tests.conftest import HeldClock

from spapp.accounts.errors import LinkExpired, WeakPassword
from spapp.accounts.models import SetupLink
from spapp.accounts.passwords import hash_password, verify_password, weakness
from spapp.accounts.people import People
from spapp.accounts.service import Accounts, Visitor
from spcore.audit.actor import SYSTEM
from spcore.db.engine import Database
from spcore.db.scope import DoorScope
from spcore.errors import InvalidInput

PASSWORD = "correct horse battery staple"
VISITOR = Visitor("203.0.113.7", "Firefox")


@pytest.fixture
def accounts(database: Database, clock: HeldClock) -> Accounts:
    return Accounts(database, clock)


@pytest.fixture
def people(database: Database, clock: HeldClock, accounts: Accounts) -> People:
    return People(database, clock, accounts)


async def link(people: People, email: str = "root@example.com") -> str:
    made = await people.create_admin(email, SYSTEM)
    assert made.link_token is not None
    return made.link_token


async def redeem(people: People, token: str, password: str = PASSWORD) -> None:
    await people.redeem(token, password, peer=VISITOR.peer, request_id="req_1")


async def test_a_link_sets_a_password_once(people: People, accounts: Accounts) -> None:
    token = await link(people)
    assert await people.open_link(token) == "root@example.com"

    await redeem(people, token)

    assert (await accounts.sign_in("root@example.com", PASSWORD, VISITOR)).staff.role == "platform_admin"
    with pytest.raises(LinkExpired):
        await redeem(people, token, "another long password")
    with pytest.raises(LinkExpired):
        await people.open_link(token)


async def test_S17_a_link_lasts_an_hour(people: People, clock: HeldClock) -> None:
    token = await link(people)
    clock.advance(minutes=59, seconds=59)
    await people.open_link(token)
    clock.advance(seconds=1)
    with pytest.raises(LinkExpired):
        await people.open_link(token)
    with pytest.raises(LinkExpired):
        await redeem(people, token)


async def test_S17_a_new_link_ends_the_one_before_and_only_hashes_are_stored(
    people: People, database: Database
) -> None:
    old, new = await link(people), await link(people)
    with pytest.raises(LinkExpired):
        await people.open_link(old)
    await people.open_link(new)
    async with database.read(DoorScope()) as session:
        stored = (await session.scalars(select(SetupLink.token_hash))).one()
    assert new not in stored


async def test_a_weak_password_leaves_the_link_usable(people: People) -> None:
    token = await link(people)
    with pytest.raises(WeakPassword):
        await redeem(people, token, "short")
    await redeem(people, token)


async def test_setting_a_password_ends_the_sessions_of_the_old_one(
    people: People, accounts: Accounts
) -> None:
    await people.create_admin("root@example.com", SYSTEM, password=PASSWORD)
    old = await accounts.sign_in("root@example.com", PASSWORD, VISITOR)
    await redeem(people, await link(people), "a different long password")
    assert await accounts.session(old.token) is None


async def test_making_the_same_administrator_twice_keeps_one_person(
    people: People, accounts: Accounts
) -> None:
    first = await people.create_admin("root@example.com", SYSTEM, password=PASSWORD)
    again = await people.create_admin("ROOT@example.com", SYSTEM, password=PASSWORD)
    assert first.person_id == again.person_id
    staff = (await accounts.sign_in("root@example.com", PASSWORD, VISITOR)).staff
    assert len(await accounts.places(staff)) == 1


@pytest.mark.parametrize("email", ["", "root", "root@", "@example.com", "a b@example.com", "a@b@example.com"])
async def test_what_is_no_address_is_refused_by_name(people: People, email: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        await people.create_admin(email, SYSTEM, password=PASSWORD)
    assert [fault.pointer for fault in refusal.value.faults] == ["#/email"]


@pytest.mark.parametrize(
    ("password", "usable"),
    [
        pytest.param("short", False, id="short"),
        pytest.param("elevenchars", False, id="eleven"),
        pytest.param("zwölf Zeichen", True, id="thirteen, not ASCII"),
        pytest.param("咖啡店的老板喜欢下雨的早晨", True, id="Chinese"),
        pytest.param("aaaaaaaaaaaaaaaa", False, id="one letter"),
        pytest.param("abababababab", False, id="two letters"),
        pytest.param("123456789012", False, id="digits in order"),
        pytest.param("abcdefghijklmn", False, id="alphabet"),
        pytest.param("qwertyuiopas", False, id="keyboard"),
        pytest.param("Password123456", False, id="password and digits"),
        pytest.param("admin@2026!!!!", False, id="admin and digits"),
        pytest.param("x" * 1025 + "abcdefg", False, id="too long"),
        pytest.param("correct horse battery staple", True, id="four words"),
    ],
)
def test_S06_which_passwords_may_be_used(password: str, usable: bool) -> None:
    assert (weakness(password) is None) is usable


def test_S06_passwords_are_kept_as_argon2id_and_never_cut() -> None:
    long = "a long password, " * 10
    stored = hash_password(long + "1")
    assert stored.startswith("$argon2id$")
    assert verify_password(stored, long + "1")
    assert not verify_password(stored, long + "2")
    assert not verify_password("not a hash", long)
