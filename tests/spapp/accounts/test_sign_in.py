"""Signing in, staying signed in, and guessing (failure catalogue S01, S05, S06, S10, S11)."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import delete, func, select, update
from tests.conftest import HeldClock

from spapp.accounts import service, throttle
from spapp.accounts.errors import SignInRefused, TooManyAttempts
from spapp.accounts.models import ConsoleSession, Membership, Person, SignInAttempt
from spapp.accounts.people import People
from spapp.accounts.service import Accounts, Visitor
from spcore.audit.actor import SYSTEM
from spcore.audit.models import AuditRow
from spcore.audit.verifier import verify
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, PlatformScope
from spcore.errors import NotFound

EMAIL = "root@example.com"
PASSWORD = "correct horse battery staple"
HOME = Visitor("203.0.113.7", "Firefox", "req_1")
ELSEWHERE = Visitor("198.51.100.9", "curl")


@pytest.fixture
async def accounts(database: Database, clock: HeldClock) -> Accounts:
    """Accounts with one platform administrator."""
    made = Accounts(database, clock)
    await People(database, clock, made).create_admin(EMAIL, SYSTEM, password=PASSWORD)
    return made


async def test_a_right_password_opens_a_session_under_a_new_token(accounts: Accounts) -> None:
    signed_in = await accounts.sign_in(f"  {EMAIL.upper()} ", PASSWORD, HOME)

    staff = await accounts.session(signed_in.token)
    assert staff == signed_in.staff
    assert staff is not None
    assert (staff.email, staff.role, staff.provider_id) == (EMAIL, "platform_admin", None)
    assert signed_in.token not in repr(signed_in)


async def test_S01_a_token_brought_along_is_never_adopted_and_ends(accounts: Accounts) -> None:
    old = await accounts.sign_in(EMAIL, PASSWORD, HOME)

    new = await accounts.sign_in(EMAIL, PASSWORD, HOME, previous_token=old.token)
    planted = await accounts.sign_in(EMAIL, PASSWORD, HOME, previous_token="chosen-by-the-attacker")

    assert len({old.token, new.token, planted.token, "chosen-by-the-attacker"}) == 4
    assert await accounts.session(old.token) is None
    assert await accounts.session("chosen-by-the-attacker") is None


async def test_only_a_hash_of_the_token_is_stored(accounts: Accounts, database: Database) -> None:
    token = (await accounts.sign_in(EMAIL, PASSWORD, HOME)).token

    async with database.read(DoorScope()) as session:
        stored = (await session.scalars(select(ConsoleSession))).one()
    assert token not in repr(vars(stored))
    assert len(stored.token_hash) == 64


@pytest.mark.parametrize(
    ("email", "password"),
    [
        pytest.param(EMAIL, "wrong password here", id="wrong password"),
        pytest.param("nobody@example.com", PASSWORD, id="unknown account"),
        pytest.param(EMAIL, "", id="empty password"),
        pytest.param(EMAIL, PASSWORD + " ", id="a blank too many"),
        pytest.param(EMAIL, "x" * 5000, id="very long"),
    ],
)
async def test_S05_every_refusal_reads_the_same(accounts: Accounts, email: str, password: str) -> None:
    with pytest.raises(SignInRefused) as refusal:
        await accounts.sign_in(email, password, HOME)
    assert refusal.value.text == SignInRefused().text


async def test_S05_unknown_accounts_cost_a_password_check_too(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def counted(stored: str, password: str) -> bool:
        checked.append(password)
        return False

    monkeypatch.setattr(service, "verify_password", counted)
    for email in (EMAIL, "nobody@example.com"):
        with pytest.raises(SignInRefused):
            await accounts.sign_in(email, "wrong password here", HOME)
    assert len(checked) == 2


async def test_S05_an_account_takes_ten_guesses_from_anywhere_then_waits(
    accounts: Accounts, clock: HeldClock
) -> None:
    for number in range(throttle.PER_ACCOUNT):
        with pytest.raises(SignInRefused):
            await accounts.sign_in(EMAIL, "guess number one", Visitor(f"198.51.100.{number}", ""))
    with pytest.raises(TooManyAttempts) as refusal:
        await accounts.sign_in(EMAIL, PASSWORD, ELSEWHERE)
    assert refusal.value.retry_after_s == throttle.LOCK.total_seconds()

    clock.advance(hours=1, minutes=16)
    await accounts.sign_in(EMAIL, PASSWORD, ELSEWHERE)


async def test_S05_guessing_does_not_lock_out_an_address_that_is_known(accounts: Accounts) -> None:
    await accounts.sign_in(EMAIL, PASSWORD, HOME)
    for _ in range(throttle.PER_ACCOUNT + 3):
        with pytest.raises((SignInRefused, TooManyAttempts)):
            await accounts.sign_in(EMAIL, "guess number one", ELSEWHERE)

    assert (await accounts.sign_in(EMAIL, PASSWORD, HOME)).staff.email == EMAIL


async def test_S05_one_address_cannot_try_many_accounts(accounts: Accounts) -> None:
    outcomes = []
    for number in range(throttle.PER_ADDRESS + 5):
        try:
            await accounts.sign_in(f"person{number}@example.com", "guess number one", ELSEWHERE)
        except (SignInRefused, TooManyAttempts) as error:
            outcomes.append(type(error))
    assert outcomes == [SignInRefused] * throttle.PER_ADDRESS + [TooManyAttempts] * 5
    await accounts.sign_in(EMAIL, PASSWORD, HOME)


async def test_S05_guesses_made_at_the_same_moment_are_all_counted(accounts: Accounts) -> None:
    async def guess() -> type[Exception]:
        try:
            await accounts.sign_in(EMAIL, "guess number one", ELSEWHERE)
        except (SignInRefused, TooManyAttempts) as error:
            return type(error)
        raise AssertionError("a wrong password was taken")

    outcomes = await asyncio.gather(*(guess() for _ in range(20)))

    assert outcomes.count(SignInRefused) == throttle.PER_ACCOUNT


async def test_throttling_keeps_no_list_of_addresses_or_accounts(
    accounts: Accounts, database: Database
) -> None:
    await accounts.sign_in(EMAIL, PASSWORD, HOME)
    async with database.read(DoorScope()) as session:
        kept = " ".join((await session.scalars(select(SignInAttempt.subject))).all())
    assert EMAIL not in kept
    assert HOME.peer not in kept


@pytest.mark.parametrize(
    ("pause", "alive"),
    [
        pytest.param({"minutes": 29}, True, id="used within half an hour"),
        pytest.param({"minutes": 30}, False, id="idle for half an hour"),
    ],
)
async def test_S10_an_idle_session_ends(
    accounts: Accounts, clock: HeldClock, pause: dict[str, float], alive: bool
) -> None:
    token = (await accounts.sign_in(EMAIL, PASSWORD, HOME)).token
    clock.advance(**pause)
    assert (await accounts.session(token) is not None) is alive


async def test_S10_no_session_outlives_twelve_hours(accounts: Accounts, clock: HeldClock) -> None:
    token = (await accounts.sign_in(EMAIL, PASSWORD, HOME)).token
    for _ in range(12 * 60 // 20 - 1):
        clock.advance(minutes=20)
        assert await accounts.session(token) is not None
    clock.advance(minutes=20)
    assert await accounts.session(token) is None


async def test_S11_disabling_a_person_works_on_the_next_request(
    accounts: Accounts, database: Database
) -> None:
    token = (await accounts.sign_in(EMAIL, PASSWORD, HOME)).token
    async with database.write(DoorScope()) as session:
        await session.execute(update(Person).values(status="disabled"))

    assert await accounts.session(token) is None
    with pytest.raises(SignInRefused):
        await accounts.sign_in(EMAIL, PASSWORD, HOME)


async def test_S11_losing_the_role_ends_the_session(accounts: Accounts, database: Database) -> None:
    token = (await accounts.sign_in(EMAIL, PASSWORD, HOME)).token
    async with database.write(DoorScope()) as session:
        await session.execute(delete(Membership))

    assert await accounts.session(token) is None


async def test_signing_out_ends_the_session_and_no_other(accounts: Accounts) -> None:
    one = await accounts.sign_in(EMAIL, PASSWORD, HOME)
    other = await accounts.sign_in(EMAIL, PASSWORD, ELSEWHERE)

    await accounts.sign_out(one.token, HOME)
    await accounts.sign_out("no such token", HOME)

    assert await accounts.session(one.token) is None
    assert await accounts.session(other.token) is not None


async def test_S01_switching_roles_changes_the_token(
    accounts: Accounts, database: Database, clock: HeldClock
) -> None:
    signed_in = await accounts.sign_in(EMAIL, PASSWORD, HOME)
    clock.advance(seconds=1)
    async with database.write(DoorScope()) as session:
        session.add(
            Membership(
                id="mbr_second",
                person_id=signed_in.staff.person_id,
                role="platform_auditor",
                created_at=clock.now(),
            )
        )
    assert [place.role for place in await accounts.places(signed_in.staff)] == [
        "platform_admin",
        "platform_auditor",
    ]

    switched = await accounts.switch(signed_in.token, "mbr_second", HOME)

    assert switched.staff.role == "platform_auditor"
    assert switched.token != signed_in.token
    assert await accounts.session(signed_in.token) is None
    with pytest.raises(NotFound):
        await accounts.switch(switched.token, "mbr_of_somebody_else", HOME)


async def test_signing_in_and_failing_to_are_in_the_audit_log(accounts: Accounts, database: Database) -> None:
    token = (await accounts.sign_in(EMAIL, PASSWORD, HOME)).token
    with pytest.raises(SignInRefused):
        await accounts.sign_in("nobody@example.com", PASSWORD, ELSEWHERE)
    await accounts.sign_out(token, HOME)

    async with database.read(PlatformScope("test")) as session:
        rows = (await session.execute(select(AuditRow.action, AuditRow.peer).order_by(AuditRow.seq))).all()
    assert [tuple(row) for row in rows] == [
        ("person.create_admin", None),
        ("session.sign_in", HOME.peer),
        ("session.sign_in_refused", ELSEWHERE.peer),
        ("session.sign_out", HOME.peer),
    ]
    assert (await verify(database)).ok


async def test_purging_removes_what_is_over_and_nothing_else(
    accounts: Accounts, database: Database, clock: HeldClock
) -> None:
    await accounts.sign_in(EMAIL, PASSWORD, ELSEWHERE)
    clock.advance(minutes=31)
    token = (await accounts.sign_in(EMAIL, PASSWORD, HOME)).token

    await accounts.purge()

    async with database.read(DoorScope()) as session:
        assert await session.scalar(select(func.count()).select_from(ConsoleSession)) == 1
    assert await accounts.session(token) is not None
