"""The second factor of an account (failure catalogue S01, S05, S10, S11, S12, A03, A06, A08)."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime
from functools import partial

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, update
from tests.conftest import HeldClock
from tests.support.authenticator import code_at
from tests.support.factor_desk import ELSEWHERE, EMAIL, HOME, OTHER, Desk
from tests.support.visitor import site_environment

from spapp.accounts.errors import (
    AlreadyEnrolled,
    EnrolmentExpired,
    EnrolmentNeeded,
    SecondFactorNeeded,
    SecondFactorRefused,
    SessionEnded,
)
from spapp.accounts.models import ConsoleSession, Level, Membership, Person, RecoveryCode, SecondFactor
from spapp.accounts.second_factor import SecondFactors
from spapp.accounts.service import BETWEEN_FACTORS, ENROLMENT, Accounts, SignedIn
from spapp.cli import main
from spcore.audit.actor import SYSTEM, Actor
from spcore.audit.models import AuditRow
from spcore.audit.verifier import verify
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, PlatformScope
from spcore.errors import InvalidInput
from spcore.vault import Vault, VaultError


def test_the_authenticator_of_these_tests_agrees_with_the_rfc() -> None:
    """RFC 6238, appendix B, the SHA-1 rows, cut to six digits."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    vectors = {59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"}
    for seconds, code in vectors.items():
        assert code_at(secret, datetime.fromtimestamp(seconds, UTC)) == code


# --- setting up -------------------------------------------------------------------------------------


async def test_without_a_second_factor_the_password_is_enough(desk: Desk) -> None:
    staff = (await desk.sign_in()).staff

    assert (staff.level, staff.has_second_factor) == (Level.FULL, False)
    assert (await desk.factors.standing(staff)).confirmed_at is None


async def test_the_secret_of_the_qr_code_is_the_one_to_type_in(desk: Desk) -> None:
    opened = await desk.sign_in()
    await desk.factors.begin(opened.staff, HOME)

    enrolment = (await desk.factors.standing(opened.staff)).enrolment

    assert enrolment is not None
    assert len(enrolment.secret) == 32
    assert enrolment.uri.startswith("otpauth://totp/wxsp%20pay.example:root%40example.com?")
    assert f"secret={enrolment.secret}" in enrolment.uri
    assert enrolment.secret not in repr(enrolment)


async def test_a_secret_that_was_not_confirmed_is_never_asked_for(desk: Desk) -> None:
    await desk.begin((await desk.sign_in()).staff)

    assert (await desk.sign_in()).staff.level is Level.FULL


async def test_S01_the_first_right_code_activates_and_leaves_one_new_session(desk: Desk) -> None:
    other_browser = await desk.sign_in(visitor=ELSEWHERE)
    opened = await desk.sign_in()
    desk.secret = await desk.begin(opened.staff)

    enrolled = await desk.factors.confirm(opened.staff, opened.token, desk.code(), HOME)

    staff = await desk.accounts.session(enrolled.opened.token)
    assert staff == enrolled.opened.staff
    assert staff is not None
    assert (staff.level, staff.has_second_factor) == (Level.FULL, True)
    assert await desk.accounts.session(opened.token) is None
    assert await desk.accounts.session(other_browser.token) is None
    standing = await desk.factors.standing(staff)
    assert (standing.confirmed_at, standing.enrolment) == (desk.clock.now(), None)
    assert standing.codes_left == len(set(enrolled.recovery_codes)) == 10
    assert enrolled.recovery_codes[0] not in repr(enrolled)


async def test_a_wrong_first_code_activates_nothing(desk: Desk) -> None:
    opened = await desk.sign_in()
    desk.secret = await desk.begin(opened.staff)

    with pytest.raises(SecondFactorRefused):
        await desk.factors.confirm(opened.staff, opened.token, desk.wrong, HOME)

    assert (await desk.sign_in()).staff.level is Level.FULL
    assert "second_factor.refused" in await desk.actions()


async def test_a_secret_waits_a_quarter_of_an_hour_to_be_confirmed(desk: Desk) -> None:
    opened = await desk.sign_in()
    desk.secret = await desk.begin(opened.staff)
    desk.clock.advance(seconds=ENROLMENT.total_seconds())

    assert (await desk.factors.standing(opened.staff)).enrolment is None
    with pytest.raises(EnrolmentExpired):
        await desk.factors.confirm(opened.staff, opened.token, desk.code(), HOME)
    await desk.accounts.purge()
    async with desk.database.read(DoorScope()) as session:
        assert await session.scalar(select(func.count()).select_from(SecondFactor)) == 0


async def test_beginning_again_drops_the_secret_before(desk: Desk) -> None:
    opened = await desk.sign_in()
    first = await desk.begin(opened.staff)
    desk.secret = await desk.begin(opened.staff)

    assert desk.secret != first
    with pytest.raises(SecondFactorRefused):
        await desk.factors.confirm(opened.staff, opened.token, code_at(first, desk.clock.now()), HOME)
    await desk.factors.confirm(opened.staff, opened.token, desk.code(), HOME)


async def test_an_active_secret_cannot_be_replaced_or_confirmed_again(desk: Desk) -> None:
    opened = await desk.enrol()

    with pytest.raises(AlreadyEnrolled):
        await desk.factors.begin(opened.staff, HOME)
    with pytest.raises(EnrolmentExpired):
        await desk.factors.confirm(opened.staff, opened.token, desk.code(), HOME)
    assert (await desk.factors.standing(opened.staff)).codes_left == 10


# --- signing in -------------------------------------------------------------------------------------


async def test_S01_the_password_leads_half_way_and_the_code_to_a_new_session(desk: Desk) -> None:
    await desk.enrol()
    half_way = await desk.sign_in()
    before = await desk.accounts.session(half_way.token)
    assert before is not None
    assert before.level is Level.PASSWORD

    signed_in = await desk.verify(half_way, f" {desk.code()[:3]} {desk.code()[3:]} ")

    assert signed_in.staff.level is Level.FULL
    assert signed_in.staff.csrf_token != half_way.staff.csrf_token
    assert await desk.accounts.session(signed_in.token) == signed_in.staff
    assert await desk.accounts.session(half_way.token) is None


async def test_a_session_half_way_changes_no_role(desk: Desk) -> None:
    await desk.enrol()
    half_way = await desk.sign_in()

    with pytest.raises(SecondFactorNeeded):
        await desk.accounts.switch(half_way.token, half_way.staff.membership_id, HOME)


async def test_S10_a_right_password_waits_ten_minutes_for_the_code(desk: Desk) -> None:
    await desk.enrol()
    half_way = await desk.sign_in()
    desk.clock.advance(seconds=BETWEEN_FACTORS.total_seconds())

    assert await desk.accounts.session(half_way.token) is None


@pytest.mark.parametrize(
    ("steps", "taken"),
    [
        pytest.param(-2, False, id="two steps old"),
        pytest.param(-1, True, id="one step old"),
        pytest.param(0, True, id="now"),
        pytest.param(1, True, id="one step early"),
        pytest.param(2, False, id="two steps early"),
    ],
)
async def test_a_phone_may_be_one_step_wrong(desk: Desk, steps: int, taken: bool) -> None:
    await desk.enrol()
    desk.clock.advance(seconds=120)
    half_way = await desk.sign_in()

    if taken:
        await desk.verify(half_way, desk.code(steps))
    else:
        with pytest.raises(SecondFactorRefused):
            await desk.verify(half_way, desk.code(steps))


async def test_S05_a_code_is_taken_once(desk: Desk) -> None:
    await desk.enrol()
    code = desk.code()
    await desk.verify(await desk.sign_in(), code)
    stolen = await desk.sign_in(visitor=ELSEWHERE)

    with pytest.raises(SecondFactorRefused):
        await desk.verify(stolen, code, ELSEWHERE)
    with pytest.raises(SecondFactorRefused):
        await desk.verify(stolen, desk.code(-1), ELSEWHERE)

    desk.clock.advance(seconds=30)
    await desk.verify(stolen, desk.code(), ELSEWHERE)


async def test_the_code_that_activated_is_not_taken_for_signing_in(desk: Desk) -> None:
    opened = await desk.sign_in()
    desk.secret = await desk.begin(opened.staff)
    code = desk.code()
    await desk.factors.confirm(opened.staff, opened.token, code, HOME)

    with pytest.raises(SecondFactorRefused):
        await desk.verify(await desk.sign_in(), code)


async def test_S05_one_code_given_many_times_at_once_opens_one_session(desk: Desk) -> None:
    await desk.enrol()
    half_way = [await desk.sign_in() for _ in range(8)]
    code = desk.code()

    outcomes = await asyncio.gather(
        *(desk.verify(opened, code) for opened in half_way), return_exceptions=True
    )

    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1
    assert {type(outcome) for outcome in outcomes} == {SignedIn, SecondFactorRefused}


async def test_a_session_that_ended_meanwhile_does_not_come_back(desk: Desk) -> None:
    await desk.enrol()
    half_way = await desk.sign_in()
    await desk.accounts.sign_out(half_way.token, HOME)

    with pytest.raises(SessionEnded):
        await desk.verify(half_way, desk.code())


async def test_a_recovery_code_replaces_the_authenticator_once(desk: Desk) -> None:
    await desk.enrol()
    typed = desk.codes[3].lower().replace("-", " ")

    signed_in = await desk.verify(await desk.sign_in(), typed)

    assert (await desk.factors.standing(signed_in.staff)).codes_left == 9
    with pytest.raises(SecondFactorRefused):
        await desk.verify(await desk.sign_in(), desk.codes[3])


async def test_codes_of_somebody_else_are_nobodys(desk: Desk) -> None:
    await desk.enrol()
    codes, secret = desk.codes, desk.secret
    await desk.enrol(OTHER)
    other = await desk.sign_in(OTHER)

    for code in (codes[0], code_at(secret, desk.clock.now())):
        with pytest.raises(SecondFactorRefused):
            await desk.verify(other, code)


@pytest.mark.parametrize(
    "code", ["", " ", "12345", "1234567", "１２３４５６", "abcdef", "-", "'; --", "0" * 5000]
)
async def test_nonsense_is_refused_like_a_wrong_code(desk: Desk, code: str) -> None:
    await desk.enrol()

    with pytest.raises(SecondFactorRefused):
        await desk.verify(await desk.sign_in(), code)


# --- taking away ------------------------------------------------------------------------------------


async def test_S12_removing_needs_a_fresh_code_and_leaves_one_new_session(desk: Desk) -> None:
    opened = await desk.enrol()
    with pytest.raises(SecondFactorRefused):
        await desk.factors.remove(opened.staff, opened.token, desk.wrong, HOME)
    assert await desk.accounts.session(opened.token) == opened.staff

    after = await desk.factors.remove(opened.staff, opened.token, desk.code(), HOME)

    assert await desk.accounts.session(opened.token) is None
    assert (after.staff.level, after.staff.has_second_factor) == (Level.FULL, False)
    assert (await desk.sign_in()).staff.level is Level.FULL
    async with desk.database.read(DoorScope()) as session:
        for table in (SecondFactor, RecoveryCode):
            assert await session.scalar(select(func.count()).select_from(table)) == 0


async def test_an_administrator_resets_what_somebody_lost(desk: Desk) -> None:
    opened = await desk.enrol()

    await desk.factors.reset(f" {EMAIL.upper()} ", Actor("cli", None, "wxsp"))

    assert await desk.accounts.session(opened.token) is None
    assert (await desk.sign_in()).staff.level is Level.FULL
    for nobody in (EMAIL, "nobody@example.com"):
        with pytest.raises(InvalidInput):
            await desk.factors.reset(nobody, SYSTEM)


async def test_the_command_line_does_the_same(desk: Desk, database_url: str) -> None:
    staff = (await desk.enrol()).staff
    words = ("user", "reset-second-factor", "--email", EMAIL, "--json")
    # In a thread: a command runs a loop of its own.
    command = partial(CliRunner().invoke, main, words, env=site_environment(database_url))
    done = await asyncio.to_thread(command)
    again = await asyncio.to_thread(command)

    assert (done.exit_code, json.loads(done.stdout)) == (0, {"id": staff.person_id})
    assert (again.exit_code, json.loads(again.stdout)["errors"][0]["pointer"]) == (1, "#/email")
    assert "#/email" in again.stderr
    assert (await desk.sign_in()).staff.level is Level.FULL


# --- required ---------------------------------------------------------------------------------------


async def test_where_it_is_required_everybody_without_one_may_only_enrol(
    desk: Desk, database: Database, clock: HeldClock
) -> None:
    earlier = await desk.sign_in()
    desk.accounts = Accounts(database, clock, second_factor_required=True)
    vault = Vault([bytes(range(32))])
    desk.factors = SecondFactors(database, clock, vault, desk.accounts, issuer="wxsp")

    on_next_request = await desk.accounts.session(earlier.token)
    opened = await desk.sign_in()

    assert on_next_request is not None
    assert on_next_request.level is opened.staff.level is Level.ENROL
    with pytest.raises(EnrolmentNeeded):
        await desk.accounts.switch(opened.token, opened.staff.membership_id, HOME)

    full = await desk.enrol()
    assert full.staff.level is Level.FULL
    removed = await desk.factors.remove(full.staff, full.token, desk.code(), HOME)
    assert removed.staff.level is Level.ENROL


async def test_S11_disabling_somebody_ends_a_session_half_way(desk: Desk) -> None:
    await desk.enrol()
    half_way = await desk.sign_in()
    async with desk.database.write(DoorScope()) as session:
        await session.execute(update(Person).values(status="disabled"))

    assert await desk.accounts.session(half_way.token) is None


# --- what is kept -----------------------------------------------------------------------------------


async def test_every_change_and_failure_is_in_the_audit_log(desk: Desk) -> None:
    await desk.enrol()
    half_way = await desk.sign_in()
    with pytest.raises(SecondFactorRefused):
        await desk.verify(half_way, desk.wrong)
    opened = await desk.verify(half_way, desk.codes[0])
    await desk.factors.remove(opened.staff, opened.token, desk.code(), HOME)

    assert (await desk.actions())[2:] == [
        "session.sign_in",
        "second_factor.begun",
        "second_factor.added",
        "session.password_accepted",
        "second_factor.refused",
        "session.sign_in",
        "second_factor.removed",
    ]
    async with desk.database.read(PlatformScope("test")) as session:
        query = select(AuditRow).where(AuditRow.seq > 2).order_by(AuditRow.seq)
        rows = (await session.scalars(query)).all()
    assert {row.peer for row in rows} == {HOME.peer}
    assert rows[4].after == {"role": "platform_admin", "at": "sign_in"}
    assert rows[5].after == {"role": "platform_admin", "second_factor": "recovery_code"}
    assert (await verify(desk.database)).ok


async def test_A03_no_secret_and_no_code_is_stored_in_clear(desk: Desk) -> None:
    await desk.enrol()
    await desk.verify(await desk.sign_in(), desk.code())

    kept = []
    async with desk.database.read(DoorScope()) as session:
        for table in (SecondFactor, RecoveryCode, ConsoleSession, Person, Membership, AuditRow):
            rows = (await session.execute(select(table.__table__))).all()
            assert rows
            kept += [repr(tuple(row)) for row in rows]
        sealed = (await session.scalars(select(SecondFactor.secret_sealed))).one()
    raw = base64.b32decode(desk.secret)
    for shape in (desk.secret, raw.hex(), repr(raw)[2:-1], base64.b64encode(raw).decode(), *desk.codes):
        assert not any(shape in row for row in kept)
    assert raw not in sealed


async def test_A08_a_secret_pasted_into_another_account_does_not_open(desk: Desk) -> None:
    await desk.enrol()
    stolen = desk.secret
    await desk.enrol(OTHER)
    async with desk.database.write(DoorScope()) as session:
        people = dict((await session.execute(select(Person.email, Person.id))).all())
        sealed = dict(
            (await session.execute(select(SecondFactor.person_id, SecondFactor.secret_sealed))).all()
        )
        await session.execute(
            update(SecondFactor)
            .where(SecondFactor.person_id == people[EMAIL])
            .values(secret_sealed=sealed[people[OTHER]])
        )

    with pytest.raises(VaultError):
        await desk.verify(await desk.sign_in(), code_at(stolen, desk.clock.now()))
