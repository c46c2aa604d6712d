"""One's own account: name, password, the browsers one is signed in with, and what happened to it lately."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update

from spapp.accounts import throttle
from spapp.accounts.errors import TooManyAttempts, WeakPassword, WrongPassword
from spapp.accounts.invitations import LONGEST_NAME
from spapp.accounts.models import ConsoleSession, Level, Membership, Person, SetupLink
from spapp.accounts.passwords import weakness
from spapp.accounts.service import IDLE, Accounts, SignedIn, Staff, Visitor, token_hash
from spcore.audit.models import AuditRow
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import DoorScope
from spcore.errors import Fault, InvalidInput, NotFound, Text

LAST_EVENTS = 20
EVENTS = (
    "person.set_password",
    "person.password_changed",
    "second_factor.added",
    "second_factor.refused",
    "second_factor.removed",
    "second_factor.reset",
    "session.sign_in",
    "session.sign_in_refused",
    "session.sign_out",
)
"""What people should recognise as their own doing, or raise the alarm about."""

_NO_NAME = Text(f"请填写姓名，最多 {LONGEST_NAME} 个字。", f"Give a name, at most {LONGEST_NAME} characters.")


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A browser one is signed in with; `handle` names it on pages and opens nothing."""

    handle: str
    present: bool
    user_agent: str
    peer: str
    role: str
    since: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class OwnEvent:
    at: datetime
    action: str
    peer: str | None


class OwnAccount:
    def __init__(self, database: Database, clock: Clock, accounts: Accounts) -> None:
        self._database = database
        self._clock = clock
        self._accounts = accounts

    async def sessions(self, staff: Staff, token: str) -> tuple[OwnSession, ...]:
        """Return the sessions that still work, the one of `token` first, then by last use."""
        now = self._clock.now()
        query = (
            select(ConsoleSession, Membership.role)
            .join(Membership, Membership.id == ConsoleSession.membership_id)
            .where(
                ConsoleSession.person_id == staff.person_id,
                ConsoleSession.level == Level.FULL,
                ConsoleSession.expires_at > now,
                ConsoleSession.last_seen_at > now - IDLE,
            )
            .order_by(ConsoleSession.last_seen_at.desc())
        )
        async with self._database.read(DoorScope()) as session:
            rows = (await session.execute(query)).all()
        found = [
            OwnSession(
                handle=_handle(opened.token_hash),
                present=opened.token_hash == token_hash(token),
                user_agent=opened.user_agent,
                peer=opened.peer,
                role=role,
                since=opened.created_at,
                last_seen_at=opened.last_seen_at,
            )
            for opened, role in rows
        ]
        return tuple(sorted(found, key=lambda each: not each.present))

    async def end_session(self, staff: Staff, handle: str, visitor: Visitor) -> None:
        """End one of the person's sessions. Raises NotFound for what is none of theirs."""
        mine = select(ConsoleSession.token_hash).where(ConsoleSession.person_id == staff.person_id)
        async with self._database.write(DoorScope()) as session:
            found = [each for each in await session.scalars(mine) if _handle(each) == handle]
            if not found:
                raise NotFound()
            await session.execute(delete(ConsoleSession).where(ConsoleSession.token_hash == found[0]))
            await self._accounts.audit(session, staff, "session.ended", visitor)

    async def end_others(self, staff: Staff, token: str, visitor: Visitor) -> None:
        """End every session of the person but the one of `token`."""
        others = delete(ConsoleSession).where(
            ConsoleSession.person_id == staff.person_id, ConsoleSession.token_hash != token_hash(token)
        )
        async with self._database.write(DoorScope()) as session:
            await session.execute(others)
            await self._accounts.audit(session, staff, "session.others_ended", visitor)

    async def events(self, staff: Staff) -> Sequence[OwnEvent]:
        """Return the last twenty sign-ins, refusals and changes of proof, newest first."""
        query = (
            select(AuditRow.at, AuditRow.action, AuditRow.peer)
            .where(AuditRow.object_id == staff.person_id, AuditRow.action.in_(EVENTS))
            .order_by(AuditRow.id.desc())
            .limit(LAST_EVENTS)
        )
        async with self._database.read(DoorScope()) as session:
            return [OwnEvent(*row) for row in (await session.execute(query)).all()]

    async def rename(self, staff: Staff, name: str, visitor: Visitor) -> None:
        """Change the name that others see. Raises InvalidInput for none, or one of over 60 characters."""
        called = name.strip()
        if not 0 < len(called) <= LONGEST_NAME:
            raise InvalidInput(Fault("#/name", "name_needed", _NO_NAME))
        async with self._database.write(DoorScope()) as session:
            await session.execute(update(Person).where(Person.id == staff.person_id).values(name=called))
            await self._accounts.audit(session, staff, "person.renamed", visitor, name=called)

    async def check_password(self, staff: Staff, present: str, new: str, visitor: Visitor) -> None:
        """See that the present password is right and the new one strong enough.

        Guesses count as those at sign-in do (S05). Raises WeakPassword, WrongPassword and TooManyAttempts.
        """
        if (why := weakness(new)) is not None:
            raise WeakPassword(why)
        subjects = throttle.Subjects.of(f"password-change:{staff.person_id}", visitor.peer)
        now = self._clock.now()
        async with self._database.write(DoorScope()) as session:
            refused_until = await throttle.charge(session, subjects, now)
        if refused_until is not None:
            raise TooManyAttempts(refused_until, now)
        if not await self._accounts.is_password_of(staff.person_id, present):
            raise WrongPassword()
        async with self._database.write(DoorScope()) as session:
            await throttle.forgive(session, subjects, now)

    async def change_password(self, staff: Staff, token: str, new: str, visitor: Visitor) -> SignedIn:
        """Set the new password, end all other sessions and go on under a new token (S01).

        Call `check_password` first, then ask for a fresh code. Raises SessionEnded.
        """
        hashed = await self._accounts.hash(new)
        async with self._database.write(DoorScope()) as session:
            await session.execute(
                update(Person).where(Person.id == staff.person_id).values(password_hash=hashed)
            )
            await session.execute(delete(SetupLink).where(SetupLink.person_id == staff.person_id))
            opened = await self._accounts.restart(
                session, staff, token, visitor, has_second_factor=staff.has_second_factor
            )
            await self._accounts.audit(session, staff, "person.password_changed", visitor)
        return opened


def _handle(hashed: str) -> str:
    """Name a session on a page: neither its token nor the hash that is looked up."""
    return hashlib.sha256(f"session {hashed}".encode()).hexdigest()[:20]
