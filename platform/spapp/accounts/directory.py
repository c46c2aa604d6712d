"""Reading who has access: members of a place, everybody on the platform, open invitations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.accounts import throttle
from spapp.accounts.keepers import MANAGES
from spapp.accounts.models import Invitation, Membership, Person, Role, SecondFactor
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.keyset import Page, decode_cursor, page
from spcore.db.scope import DoorScope
from spcore.errors import NotFound
from spcore.providers.models import Provider
from sptenants.registry.models import Tenant

_Rows: TypeAlias = Select[Membership, Person, datetime | None, str, str]
EXPIRED_SHOWN_FOR = timedelta(days=7)
"""How long an invitation that nobody accepted stays on the page, to be renewed."""
MOST_INVITATIONS = 50


@dataclass(frozen=True, slots=True)
class MemberLine:
    """One role of one person, and how their account stands."""

    id: str
    """Of the membership."""
    role: str
    since: datetime
    person_id: str
    name: str
    email: str
    active: bool
    has_password: bool
    last_sign_in_at: datetime | None
    has_second_factor: bool
    provider_id: str | None
    provider_name: str | None
    tenant_id: str | None
    tenant_name: str | None
    locked_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class InvitationLine:
    id: str
    email: str
    role: str
    provider_name: str | None
    tenant_name: str | None
    invited_by_name: str
    created_at: datetime
    expires_at: datetime
    expired: bool


@dataclass(frozen=True, slots=True)
class MemberFilter:
    """`provider_id` and `tenant_id` are the place; None for any. `q` is part of a name or an address."""

    provider_id: str | None = None
    tenant_id: str | None = None
    roles: Sequence[str] = ()
    q: str | None = None


class Directory:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def members(self, wanted: MemberFilter, limit: int, cursor: str | None = None) -> Page[MemberLine]:
        """Return roles and their people, newest first. Raises InvalidInput for a cursor that is not ours."""
        query = _members().where(*_conditions(wanted)).order_by(Membership.id.desc()).limit(limit + 1)
        if cursor is not None:
            query = query.where(Membership.id < decode_cursor(cursor))
        async with self._database.read(DoorScope()) as session:
            return page(await self._lines(session, query), limit)

    async def member(self, member_id: str, provider_id: str | None) -> MemberLine:
        """Return one role at a provider, or on the platform for None. Raises NotFound."""
        query = _members().where(
            Membership.id == member_id, Membership.provider_id.is_not_distinct_from(provider_id)
        )
        async with self._database.read(DoorScope()) as session:
            lines = await self._lines(session, query)
        if not lines:
            raise NotFound()
        return lines[0]

    async def person(self, person_id: str) -> tuple[MemberLine, ...]:
        """Return every role of a person, the oldest first. Raises NotFound for nobody, and for no role."""
        query = _members().where(Person.id == person_id).order_by(Membership.id)
        async with self._database.read(DoorScope()) as session:
            lines = await self._lines(session, query)
        if not lines:
            raise NotFound()
        return tuple(lines)

    async def invitations(self, role: str, provider_id: str | None) -> tuple[InvitationLine, ...]:
        """Return what is open, and what expired in the last week, of those that people of `role` manage.

        `provider_id` None asks for those of the platform's people, whatever place they lead to.
        """
        now = self._clock.now()
        query = (
            select(Invitation, Provider.name, Tenant.name)
            .outerjoin(Provider, Provider.id == Invitation.provider_id)
            .outerjoin(
                Tenant, and_(Tenant.provider_id == Invitation.provider_id, Tenant.id == Invitation.tenant_id)
            )
            .where(
                Invitation.accepted_at.is_(None),
                Invitation.revoked_at.is_(None),
                Invitation.expires_at > now - EXPIRED_SHOWN_FOR,
                Invitation.role.in_(MANAGES.get(role, ())),
            )
            .order_by(Invitation.id.desc())
            .limit(MOST_INVITATIONS)
        )
        if provider_id is not None:
            query = query.where(Invitation.provider_id == provider_id)
        async with self._database.read(DoorScope()) as session:
            rows = (await session.execute(query)).all()
        return tuple(
            InvitationLine(
                id=invitation.id,
                email=invitation.email,
                role=invitation.role,
                provider_name=provider_name,
                tenant_name=tenant_name,
                invited_by_name=invitation.invited_by_name,
                created_at=invitation.created_at,
                expires_at=invitation.expires_at,
                expired=invitation.expires_at <= now,
            )
            for invitation, provider_name, tenant_name in rows
        )

    async def _lines(self, session: AsyncSession, query: _Rows) -> list[MemberLine]:
        rows = (await session.execute(query)).all()
        addresses = {person.id: person.email for _, person, *_ in rows}
        locked = await throttle.locked_until(session, addresses, self._clock.now())
        return [
            MemberLine(
                id=membership.id,
                role=membership.role,
                since=membership.created_at,
                person_id=person.id,
                name=person.name,
                email=person.email,
                active=person.status == "active",
                has_password=person.password_hash is not None,
                last_sign_in_at=person.last_sign_in_at,
                has_second_factor=enrolled_at is not None,
                provider_id=membership.provider_id,
                provider_name=provider_name,
                tenant_id=membership.tenant_id,
                tenant_name=tenant_name,
                locked_until=locked.get(person.id),
            )
            for membership, person, enrolled_at, provider_name, tenant_name in rows
        ]


def _members() -> _Rows:
    return (
        select(Membership, Person, SecondFactor.confirmed_at, Provider.name, Tenant.name)
        .join(Person, Person.id == Membership.person_id)
        .outerjoin(SecondFactor, SecondFactor.person_id == Person.id)
        .outerjoin(Provider, Provider.id == Membership.provider_id)
        .outerjoin(
            Tenant, and_(Tenant.provider_id == Membership.provider_id, Tenant.id == Membership.tenant_id)
        )
    )


def _conditions(wanted: MemberFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.provider_id is not None:
        conditions.append(Membership.provider_id == wanted.provider_id)
    if wanted.tenant_id is not None:
        conditions.append(Membership.tenant_id == wanted.tenant_id)
    if wanted.roles:
        conditions.append(Membership.role.in_([Role(role) for role in wanted.roles]))
    if wanted.q:
        part = wanted.q.casefold()
        conditions.append(
            or_(
                func.lower(Person.name).contains(part, autoescape=True),
                Person.email.contains(part, autoescape=True),
            )
        )
    return conditions
