"""Making platform administrators, and the one-time links by which people set their password."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.accounts.errors import LinkExpired, WeakPassword
from spapp.accounts.models import ConsoleSession, Membership, Person, Role, SetupLink
from spapp.accounts.passwords import weakness
from spapp.accounts.service import Accounts, normalise_email, token_hash
from spcore.audit.actor import Actor
from spcore.audit.models import PLATFORM_CHAIN
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import DoorScope
from spcore.errors import Fault, InvalidInput, Text
from spcore.ids import new_id

LINK_LIFE = timedelta(hours=1)
_EMAIL = re.compile(r"[^\s@<>\"',;:\\]{1,64}@[^\s@<>\"',;:\\]{1,190}\.[^\s@<>\"',;:\\.]{2,63}")


@dataclass(frozen=True, slots=True)
class AdminMade:
    """`link_token` belongs into `/setup/{token}`; None when a password was given."""

    person_id: str
    email: str
    link_token: str | None = field(repr=False)


class People:
    def __init__(self, database: Database, clock: Clock, accounts: Accounts) -> None:
        self._database = database
        self._clock = clock
        self._accounts = accounts

    async def create_admin(self, email: str, actor: Actor, *, password: str | None = None) -> AdminMade:
        """Make `email` a platform administrator, known or not, with a password or a link to set one.

        Raises InvalidInput for what is not an address, WeakPassword.
        """
        address = _address(email)
        hashed = await self._hash(password) if password is not None else None
        now = self._clock.now()
        async with self._database.write(DoorScope()) as session:
            person = await session.scalar(select(Person).where(Person.email == address))
            if person is None:
                person = Person(
                    id=new_id("per", now), email=address, name=address.partition("@")[0], created_at=now
                )
                session.add(person)
                await session.flush()
            await self._grant_admin(session, person)
            if hashed is not None:
                await _set_password(session, person.id, hashed)
            token = None if hashed is not None else await self._link(session, person.id)
            act = Act(
                actor=actor,
                action="person.create_admin",
                object_kind="person",
                object_id=person.id,
                after={"role": Role.PLATFORM_ADMIN.value},
            )
            await record(session, PLATFORM_CHAIN, act, now)
        return AdminMade(person.id, address, token)

    async def open_link(self, token: str) -> str:
        """Return the e-mail address a link is for. Raises LinkExpired."""
        async with self._database.read(DoorScope()) as session:
            email: str | None = await session.scalar(
                select(Person.email)
                .join(SetupLink, SetupLink.person_id == Person.id)
                .where(*self._usable(token))
            )
        if email is None:
            raise LinkExpired()
        return email

    async def redeem(self, token: str, password: str, *, peer: str, request_id: str) -> None:
        """Set the password of the link's person and end all of their sessions.

        Raises WeakPassword, after which the link still works, and LinkExpired.
        """
        hashed = await self._hash(password)
        now = self._clock.now()
        async with self._database.write(DoorScope()) as session:
            used = await session.execute(
                update(SetupLink)
                .where(*self._usable(token))
                .values(used_at=now)
                .returning(SetupLink.person_id)
            )
            person_id = used.scalar_one_or_none()
            if person_id is None:
                raise LinkExpired()
            await _set_password(session, person_id, hashed)
            name = (await session.scalars(select(Person.name).where(Person.id == person_id))).one()
            act = Act(
                actor=Actor("person", person_id, name),
                action="person.set_password",
                object_kind="person",
                object_id=person_id,
                request_id=request_id,
                peer=peer,
            )
            await record(session, PLATFORM_CHAIN, act, now)

    def _usable(self, token: str) -> tuple[ColumnElement[bool], ...]:
        return (
            SetupLink.token_hash == token_hash(token),
            SetupLink.used_at.is_(None),
            SetupLink.expires_at > self._clock.now(),
        )

    async def _hash(self, password: str) -> str:
        if (why := weakness(password)) is not None:
            raise WeakPassword(why)
        return await self._accounts.hash(password)

    async def _grant_admin(self, session: AsyncSession, person: Person) -> None:
        mine = select(Membership.id).where(
            Membership.person_id == person.id, Membership.role == Role.PLATFORM_ADMIN.value
        )
        if await session.scalar(mine) is None:
            now = self._clock.now()
            session.add(
                Membership(
                    id=new_id("mbr", now),
                    person_id=person.id,
                    role=Role.PLATFORM_ADMIN.value,
                    created_at=now,
                )
            )

    async def _link(self, session: AsyncSession, person_id: str) -> str:
        """Make a fresh link; older ones of the same person stop working."""
        token, now = secrets.token_urlsafe(32), self._clock.now()
        await session.execute(delete(SetupLink).where(SetupLink.person_id == person_id))
        session.add(
            SetupLink(
                token_hash=token_hash(token), person_id=person_id, created_at=now, expires_at=now + LINK_LIFE
            )
        )
        return token


async def _set_password(session: AsyncSession, person_id: str, hashed: str) -> None:
    await session.execute(update(Person).where(Person.id == person_id).values(password_hash=hashed))
    await session.execute(delete(ConsoleSession).where(ConsoleSession.person_id == person_id))


def is_email(address: str) -> bool:
    """Say whether a normalised address has the shape of one."""
    return _EMAIL.fullmatch(address) is not None


def _address(email: str) -> str:
    address = normalise_email(email)
    if not is_email(address):
        text = Text("不是有效的邮箱地址。", "is not an e-mail address.")
        raise InvalidInput(Fault("#/email", "invalid_email", text))
    return address
