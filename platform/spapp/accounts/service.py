"""Signing in and out, and what a console session is (decision 12).

Session tokens are always made here: a token that a browser brings along is looked up, never adopted, and a
new one is issued at sign-in, at every change of role and when the second factor was given (failure catalogue
S01).
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.accounts import throttle
from spapp.accounts.errors import (
    EnrolmentNeeded,
    SecondFactorNeeded,
    SessionEnded,
    SignInRefused,
    TooManyAttempts,
)
from spapp.accounts.models import (
    ConsoleSession,
    Level,
    Membership,
    Person,
    Role,
    SecondFactor,
    SetupLink,
    Visit,
)
from spapp.accounts.passwords import hash_password, verify_password
from spcore.audit.actor import Actor
from spcore.audit.models import PLATFORM_CHAIN
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import DoorScope
from spcore.errors import NotFound

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
BETWEEN_FACTORS = timedelta(minutes=10)
"""How long a right password waits for the second factor."""
ENROLMENT = timedelta(minutes=15)
"""How long a new secret of an authenticator waits for its first code."""
TOUCH = timedelta(minutes=1)
"""How stale `last_seen_at` may be; saves a write on nearly every page."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a sign-in comes from."""

    peer: str
    user_agent: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Visiting:
    """A platform administrator's stay in a provider's console."""

    id: str
    provider_id: str
    reason: str
    ends_at: datetime
    minutes_left: int
    """Begun minutes; at least 1."""


@dataclass(frozen=True, slots=True)
class Staff:
    """A signed-in person in one of their roles. `provider_id` and `tenant_id` are the role's place.

    Whoever stands at another level than `full` may not work yet: see `require_full`. During a visit, role and
    place are those of a viewer at the provider visited; `membership_id` stays the person's own.
    """

    person_id: str
    name: str
    email: str
    role: str
    membership_id: str
    provider_id: str | None
    tenant_id: str | None
    level: Level
    has_second_factor: bool
    csrf_token: str = field(repr=False)
    look_reason: str | None = None
    """Why a person of the platform looks at rows of tenants; None for routine review."""
    visit: Visiting | None = None

    @property
    def actor(self) -> Actor:
        return Actor("person", self.person_id, self.name)

    @property
    def own_chain(self) -> str:
        """The audit chain of where the person belongs, also while visiting elsewhere."""
        return PLATFORM_CHAIN if self.visit is not None else self.provider_id or PLATFORM_CHAIN


@dataclass(frozen=True, slots=True)
class SignedIn:
    """`token` goes into the cookie and nowhere else; the database keeps its hash."""

    token: str = field(repr=False)
    staff: Staff


@dataclass(frozen=True, slots=True)
class Place:
    """One of a person's roles, to switch to."""

    membership_id: str
    role: str
    provider_id: str | None
    tenant_id: str | None


class Accounts:
    def __init__(self, database: Database, clock: Clock, *, second_factor_required: bool = False) -> None:
        self._database = database
        self._clock = clock
        self._second_factor_required = second_factor_required
        # Two hashes at a time: each takes a core and 19 MiB, and sign-ins must not starve payments.
        self._hashing = asyncio.Semaphore(2)
        self._nobody: str | None = None

    async def sign_in(
        self, email: str, password: str, visitor: Visitor, *, previous_token: str | None = None
    ) -> SignedIn:
        """Open a session for the person's first role, ending the one of `previous_token`.

        It stands at level `password` when the person has a second factor: `SecondFactors.verify` goes on.
        Raises SignInRefused, in equal words and time for every cause, and TooManyAttempts.
        """
        address = normalise_email(email)
        subjects = throttle.Subjects.of(address, visitor.peer)
        now = self._clock.now()
        async with self._database.write(DoorScope()) as session:
            refused_until = await throttle.charge(session, subjects, now)
            person = await session.scalar(select(Person).where(Person.email == address))
            membership = await _first_membership(session, person) if person else None
        if refused_until is not None:
            raise TooManyAttempts(refused_until, now)
        right = await self._is_password(person, password)
        if person is None or membership is None or not right or person.status != "active":
            await self._note_refusal(person, visitor)
            raise SignInRefused()
        async with self._database.write(DoorScope()) as session:
            await throttle.forgive(session, subjects, now)
            if previous_token:
                await _end(session, previous_token)
            enrolled = await session.scalar(select(SecondFactor.person_id).where(*enrolment_of(person.id)))
            staff = _staff(person, membership, Level.PASSWORD, has_second_factor=enrolled is not None)
            if not staff.has_second_factor:
                return await self.complete(session, staff, visitor)
            half_way = await self._open(session, staff, visitor)
            await self.audit(session, staff, "session.password_accepted", visitor)
            return half_way

    async def session(self, token: str | None) -> Staff | None:
        """Return who holds this session, or None: unknown, idle for 30 minutes, or 12 hours old (S10).

        Reads person and role anew each time, so that disabling either works on the next request (S11).
        """
        if not token:
            return None
        now = self._clock.now()
        async with self._database.read(DoorScope()) as session:
            row = (
                await session.execute(
                    select(ConsoleSession, Person, Membership, SecondFactor.confirmed_at, Visit)
                    .join(Person, Person.id == ConsoleSession.person_id)
                    .join(Membership, Membership.id == ConsoleSession.membership_id)
                    .outerjoin(SecondFactor, SecondFactor.person_id == Person.id)
                    .outerjoin(
                        Visit,
                        and_(
                            Visit.session_hash == ConsoleSession.token_hash,
                            Visit.ended_at.is_(None),
                            Visit.ends_at > now,
                        ),
                    )
                    .where(
                        ConsoleSession.token_hash == token_hash(token),
                        ConsoleSession.expires_at > now,
                        ConsoleSession.last_seen_at > now - IDLE,
                        Person.status == "active",
                    )
                )
            ).one_or_none()
        if row is None:
            return None
        opened, person, membership, enrolled_at, visit = row
        if now - opened.last_seen_at >= TOUCH:
            async with self._database.write(DoorScope()) as session:
                await session.execute(
                    update(ConsoleSession)
                    .where(ConsoleSession.token_hash == opened.token_hash)
                    .values(last_seen_at=now)
                )
        has_second_factor = enrolled_at is not None
        level = Level(opened.level)
        if level is Level.FULL:
            level = self._signed_in(has_second_factor=has_second_factor)
        staff = _staff(
            person,
            membership,
            level,
            has_second_factor=has_second_factor,
            csrf_token=opened.csrf_token,
            look_reason=opened.look_reason,
        )
        return staff if visit is None else _visiting(staff, visit, now)

    async def sign_out(self, token: str, visitor: Visitor) -> None:
        """End the session. Does nothing when there is none."""
        staff = await self.session(token)
        async with self._database.write(DoorScope()) as session:
            await _end(session, token)
            if staff is not None:
                await self.audit(session, staff, "session.sign_out", visitor)

    async def places(self, staff: Staff) -> tuple[Place, ...]:
        """Return the roles the person may switch to, the oldest first."""
        async with self._database.read(DoorScope()) as session:
            rows = await session.scalars(
                select(Membership).where(Membership.person_id == staff.person_id).order_by(Membership.id)
            )
            return tuple(Place(row.id, row.role, row.provider_id, row.tenant_id) for row in rows)

    async def switch(self, token: str, membership_id: str, visitor: Visitor) -> SignedIn:
        """Work in another role of the same person, under a new token (S01).

        Raises SignInRefused without a session, NotFound for a role of somebody else, and what
        `require_full` raises.
        """
        staff = await self.session(token)
        if staff is None:
            raise SignInRefused()
        require_full(staff)
        async with self._database.write(DoorScope()) as session:
            membership = await session.scalar(
                select(Membership).where(
                    Membership.id == membership_id, Membership.person_id == staff.person_id
                )
            )
            if membership is None:
                raise NotFound()
            person = (await session.scalars(select(Person).where(Person.id == staff.person_id))).one()
            await _end(session, token)
            now_as = _staff(person, membership, staff.level, has_second_factor=staff.has_second_factor)
            opened = await self._open(session, now_as, visitor)
            await self.audit(session, now_as, "session.switch_role", visitor)
            return opened

    async def complete(
        self, session: AsyncSession, staff: Staff, visitor: Visitor, second_factor: str | None = None
    ) -> SignedIn:
        """Open a session for somebody who has proven enough, in the caller's transaction.

        `second_factor` is what they gave beside the password: `totp` or `recovery_code`.
        """
        await session.execute(
            update(Person).where(Person.id == staff.person_id).values(last_sign_in_at=self._clock.now())
        )
        level = self._signed_in(has_second_factor=staff.has_second_factor)
        opened = await self._open(session, replace(staff, level=level), visitor)
        facts = {} if second_factor is None else {"second_factor": second_factor}
        await self.audit(session, staff, "session.sign_in", visitor, **facts)
        return opened

    async def end(self, session: AsyncSession, staff: Staff, token: str) -> None:
        """End exactly the session that `staff` came with, in the caller's transaction.

        Raises SessionEnded when it is over already, so that one session never becomes two.
        """
        ended = await session.execute(
            delete(ConsoleSession)
            .where(
                ConsoleSession.token_hash == token_hash(token), ConsoleSession.person_id == staff.person_id
            )
            .returning(ConsoleSession.token_hash)
        )
        if ended.scalar_one_or_none() is None:
            raise SessionEnded()

    async def restart(
        self, session: AsyncSession, staff: Staff, token: str, visitor: Visitor, *, has_second_factor: bool
    ) -> SignedIn:
        """Replace every session of the person by one under a new token, in the caller's transaction (S01).

        Their other browsers came in with more or less proof than they now owe. Raises SessionEnded.
        """
        await self.end(session, staff, token)
        await session.execute(delete(ConsoleSession).where(ConsoleSession.person_id == staff.person_id))
        level = self._signed_in(has_second_factor=has_second_factor)
        changed = replace(staff, level=level, has_second_factor=has_second_factor)
        return await self._open(session, changed, visitor)

    async def renew(self, session: AsyncSession, staff: Staff, token: str, visitor: Visitor) -> SignedIn:
        """Go on under a new token in the person's own role, in the caller's transaction (S01).

        Raises SessionEnded.
        """
        await self.end(session, staff, token)
        found = select(Person, Membership).join(Membership, Membership.person_id == Person.id)
        person, membership = (await session.execute(found.where(Membership.id == staff.membership_id))).one()
        own = _staff(
            person,
            membership,
            staff.level,
            has_second_factor=staff.has_second_factor,
            look_reason=staff.look_reason,
        )
        return await self._open(session, own, visitor)

    async def purge(self) -> None:
        """Delete sessions, links, unconfirmed second factors and counters that no longer mean anything."""
        now = self._clock.now()
        async with self._database.write(DoorScope()) as session:
            await session.execute(
                delete(ConsoleSession).where(
                    or_(ConsoleSession.expires_at <= now, ConsoleSession.last_seen_at <= now - IDLE)
                )
            )
            await session.execute(delete(SetupLink).where(SetupLink.expires_at <= now))
            await session.execute(
                delete(SecondFactor).where(
                    SecondFactor.confirmed_at.is_(None), SecondFactor.begun_at <= now - ENROLMENT
                )
            )
            await throttle.forget_old(session, now)

    async def hash(self, password: str) -> str:
        """Hash outside the event loop, within the same limit as sign-ins."""
        async with self._hashing:
            return await asyncio.to_thread(hash_password, password)

    async def is_password_of(self, person_id: str, password: str) -> bool:
        """Say whether it is the person's password; takes as long as a sign-in."""
        async with self._database.read(DoorScope()) as session:
            person = await session.get(Person, person_id)
        return await self._is_password(person, password)

    async def _is_password(self, person: Person | None, password: str) -> bool:
        """Verify; without a person, spend the same time on a hash that nobody's password fits."""
        if self._nobody is None:
            self._nobody = await self.hash(secrets.token_urlsafe())
        stored = (person.password_hash if person else None) or self._nobody
        async with self._hashing:
            return await asyncio.to_thread(verify_password, stored, password)

    def _signed_in(self, *, has_second_factor: bool) -> Level:
        """Return where somebody stands who gave everything they could give."""
        owes_enrolment = self._second_factor_required and not has_second_factor
        return Level.ENROL if owes_enrolment else Level.FULL

    async def _open(self, session: AsyncSession, staff: Staff, visitor: Visitor) -> SignedIn:
        token, csrf_token, now = secrets.token_urlsafe(32), secrets.token_urlsafe(24), self._clock.now()
        half_way = staff.level is Level.PASSWORD
        session.add(
            ConsoleSession(
                token_hash=token_hash(token),
                person_id=staff.person_id,
                membership_id=staff.membership_id,
                look_reason=staff.look_reason,
                level=Level.PASSWORD if half_way else Level.FULL,
                csrf_token=csrf_token,
                peer=visitor.peer,
                user_agent=visitor.user_agent[:200],
                created_at=now,
                last_seen_at=now,
                expires_at=now + (BETWEEN_FACTORS if half_way else ABSOLUTE),
            )
        )
        return SignedIn(token, replace(staff, csrf_token=csrf_token))

    async def audit(
        self, session: AsyncSession, staff: Staff, action: str, visitor: Visitor, **facts: str
    ) -> None:
        """Write down what `staff` did to their own account, in the caller's transaction."""
        act = Act(
            actor=staff.actor,
            action=action,
            object_kind="person",
            object_id=staff.person_id,
            tenant_id=staff.tenant_id,
            after={"role": staff.role, **facts},
            request_id=visitor.request_id,
            peer=visitor.peer,
        )
        await record(session, staff.own_chain, act, self._clock.now())

    async def _note_refusal(self, person: Person | None, visitor: Visitor) -> None:
        """Write the failure down, also for an unknown account: the row takes the same time."""
        act = Act(
            actor=Actor("person", person.id if person else None, person.name if person else "unknown"),
            action="session.sign_in_refused",
            object_kind="person",
            object_id=person.id if person else None,
            request_id=visitor.request_id,
            peer=visitor.peer,
        )
        async with self._database.write(DoorScope()) as session:
            await record(session, PLATFORM_CHAIN, act, self._clock.now())


def require_full(staff: Staff) -> None:
    """Raise SecondFactorNeeded or EnrolmentNeeded unless `staff` may work."""
    if staff.level is Level.PASSWORD:
        raise SecondFactorNeeded()
    if staff.level is not Level.FULL:
        raise EnrolmentNeeded()


def enrolment_of(person_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions for the second factor that a person really has."""
    return SecondFactor.person_id == person_id, SecondFactor.confirmed_at.is_not(None)


def normalise_email(text: str) -> str:
    return text.strip().casefold()


async def _first_membership(session: AsyncSession, person: Person) -> Membership | None:
    first: Membership | None = await session.scalar(
        select(Membership).where(Membership.person_id == person.id).order_by(Membership.id).limit(1)
    )
    return first


async def _end(session: AsyncSession, token: str) -> None:
    await session.execute(delete(ConsoleSession).where(ConsoleSession.token_hash == token_hash(token)))


def _staff(
    person: Person,
    membership: Membership,
    level: Level,
    *,
    has_second_factor: bool = False,
    csrf_token: str = "",
    look_reason: str | None = None,
) -> Staff:
    return Staff(
        person_id=person.id,
        name=person.name,
        email=person.email,
        role=membership.role,
        membership_id=membership.id,
        provider_id=membership.provider_id,
        tenant_id=membership.tenant_id,
        level=level,
        has_second_factor=has_second_factor,
        csrf_token=csrf_token,
        look_reason=look_reason,
    )


def _visiting(staff: Staff, visit: Visit, now: datetime) -> Staff:
    """Return the same person as a viewer at the provider visited; only administrators visit (S11)."""
    if staff.role != Role.PLATFORM_ADMIN:
        return staff
    left = -(-(visit.ends_at - now).total_seconds() // 60)
    return replace(
        staff,
        role=Role.PROVIDER_VIEWER.value,
        provider_id=visit.provider_id,
        visit=Visiting(visit.id, visit.provider_id, visit.reason, visit.ends_at, int(left)),
    )


def token_hash(token: str) -> str:
    """Return what the database keeps of a session's token, or of a one-time link's."""
    return hashlib.sha256(token.encode()).hexdigest()
