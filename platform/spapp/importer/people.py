"""People of an import file: accounts, their roles, their passwords."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.accounts.models import ConsoleSession, Membership, Person
from spapp.accounts.passwords import hash_password, verify_password
from spapp.importer.schema import MemberEntry
from spcore.audit.actor import Actor
from spcore.audit.models import PLATFORM_CHAIN
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import DoorScope
from spcore.ids import new_id


async def hash_passwords(database: Database, people: list[MemberEntry]) -> dict[str, str]:
    """Return the new hash for every address whose password is to change.

    Hashing is slow on purpose, so it is done before the transaction that stores the file.
    """
    wanted = {entry.email: entry.password for entry in people if entry.password is not None}
    async with database.read(DoorScope()) as session:
        rows = await session.execute(
            select(Person.email, Person.password_hash).where(Person.email.in_(wanted))
        )
        stored = dict(rows.all())
    return await asyncio.to_thread(_changed, wanted, stored)


def _changed(wanted: Mapping[str, str], stored: Mapping[str, str | None]) -> dict[str, str]:
    hashes = {}
    for email, password in wanted.items():
        known = stored.get(email)
        if known is None or not verify_password(known, password):
            hashes[email] = hash_password(password)
    return hashes


class People:
    """Puts people into the transaction of an import."""

    def __init__(self, session: AsyncSession, actor: Actor, clock: Clock, hashes: Mapping[str, str]) -> None:
        self._session = session
        self._actor = actor
        self._now = clock.now()
        self._hashes = dict(hashes)

    async def put(
        self, entry: MemberEntry, *, provider_id: str | None = None, tenant_id: str | None = None
    ) -> None:
        """Make sure that the person exists, has the role at this place, and the password of the file."""
        person_id = await self._person(entry)
        await self._role(person_id, entry, provider_id, tenant_id)
        # Each address once, however often the file names it.
        if (hashed := self._hashes.pop(entry.email, None)) is not None:
            await self._password(person_id, hashed)

    async def _person(self, entry: MemberEntry) -> str:
        known = await self._session.scalar(select(Person.id).where(Person.email == entry.email))
        if known is not None:
            return known
        person = Person(
            id=new_id("per", self._now),
            email=entry.email,
            name=entry.name,
            status="active",
            created_at=self._now,
        )
        self._session.add(person)
        await self._session.flush()
        return person.id

    async def _role(
        self, person_id: str, entry: MemberEntry, provider_id: str | None, tenant_id: str | None
    ) -> None:
        known = await self._session.scalar(
            select(Membership.id).where(
                Membership.person_id == person_id,
                Membership.role == entry.role,
                Membership.provider_id.is_not_distinct_from(provider_id),
                Membership.tenant_id.is_not_distinct_from(tenant_id),
            )
        )
        if known is not None:
            return
        self._session.add(
            Membership(
                id=new_id("mbr", self._now),
                person_id=person_id,
                role=entry.role.value,
                provider_id=provider_id,
                tenant_id=tenant_id,
                created_at=self._now,
            )
        )
        await self._session.flush()
        act = Act(
            actor=self._actor,
            action="member.added",
            object_kind="person",
            object_id=person_id,
            tenant_id=tenant_id,
            after={"role": entry.role.value},
        )
        await record(self._session, provider_id or PLATFORM_CHAIN, act, self._now)

    async def _password(self, person_id: str, hashed: str) -> None:
        await self._session.execute(update(Person).where(Person.id == person_id).values(password_hash=hashed))
        await self._session.execute(delete(ConsoleSession).where(ConsoleSession.person_id == person_id))
        act = Act(actor=self._actor, action="person.set_password", object_kind="person", object_id=person_id)
        await record(self._session, PLATFORM_CHAIN, act, self._now)
