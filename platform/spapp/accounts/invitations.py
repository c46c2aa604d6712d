"""Invitations: a role offered to an address by a link that works once, for an hour (S17).

The link is handed over by whoever invites, for there is no mail server here. It sets a password only where
no account has the address yet; whoever has one signs in, and the link adds the role.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.accounts.errors import (
    AddressHasAccount,
    AlreadyMember,
    InvitationOver,
    LinkExpired,
    WeakPassword,
)
from spapp.accounts.keepers import KEEPERS, require_manages
from spapp.accounts.models import Invitation, Level, Membership, Person, Role
from spapp.accounts.notices import notify_others
from spapp.accounts.passwords import weakness
from spapp.accounts.people import LINK_LIFE, is_email
from spapp.accounts.service import (
    Accounts,
    SignedIn,
    Staff,
    Visitor,
    normalise_email,
    token_hash,
)
from spcore.audit.actor import Actor
from spcore.audit.models import PLATFORM_CHAIN
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import DoorScope
from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.ids import new_id
from spcore.providers.models import Provider
from sptenants.registry.models import Tenant

LONGEST_NAME = 60

_BAD_ADDRESS = Text("不是有效的邮箱地址。", "is not an e-mail address.")
_NO_NAME = Text(
    f"请填写姓名，最多 {LONGEST_NAME} 个字。", f"Give your name, at most {LONGEST_NAME} characters."
)
_NO_PLACE = Text("请选择这个角色所在的服务商或特约商户。", "Choose the place that this role is for.")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is invited to what. A provider's own place comes from whoever invites, never from here."""

    email: str
    role: str
    tenant_id: str | None = None
    provider_id: str | None = None
    """Only for the platform's people, who invite a provider's owners."""


@dataclass(frozen=True, slots=True)
class Invited:
    """`token` belongs into `/invite/{token}`; it is shown once."""

    id: str
    email: str
    role: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Offer:
    """What an invitation offers, for the page of its link."""

    id: str
    email: str
    role: str
    provider_id: str | None
    tenant_id: str | None
    place: str | None
    """Name of the tenant or provider; None for the platform."""
    invited_by_name: str
    has_account: bool


class Invitations:
    def __init__(self, database: Database, clock: Clock, accounts: Accounts) -> None:
        self._database = database
        self._clock = clock
        self._accounts = accounts

    # --- inviting ------------------------------------------------------------------------------------

    async def invite(self, by: Staff, wanted: Wanted, visitor: Visitor) -> Invited:
        """Offer a role. An open invitation of the same address to the same place is replaced.

        Raises InvalidInput, Forbidden for a role that `by` may not give, NotFound for a tenant or provider
        that is not theirs to give it at, and AlreadyMember.
        """
        address, now = normalise_email(wanted.email), self._clock.now()
        require_manages(by.role, wanted.role)
        if not is_email(address):
            raise InvalidInput(Fault("#/email", "invalid_email", _BAD_ADDRESS))
        async with self._database.write(DoorScope()) as session:
            provider_id, tenant_id = await _place(session, by, wanted)
            await _refuse_member(session, address, wanted.role, provider_id, tenant_id)
            same = (
                Invitation.email == address,
                Invitation.provider_id.is_not_distinct_from(provider_id),
                Invitation.tenant_id.is_not_distinct_from(tenant_id),
            )
            await session.execute(update(Invitation).where(*same, *_open()).values(revoked_at=now))
            token = secrets.token_urlsafe(32)
            invited = Invited(new_id("inv", now), address, wanted.role, token)
            row = {
                "id": invited.id,
                "token_hash": token_hash(token),
                "email": address,
                "role": wanted.role,
                "provider_id": provider_id,
                "tenant_id": tenant_id,
                "invited_by": by.person_id,
                "invited_by_name": by.name,
                "created_at": now,
                "expires_at": now + LINK_LIFE,
            }
            await session.execute(insert(table_of(Invitation)), [row])
            act = self._act(by.actor, "invitation.made", invited.id, address, wanted.role, tenant_id, visitor)
            await record(session, provider_id or PLATFORM_CHAIN, act, now)
        return invited

    async def renew(self, by: Staff, invitation_id: str, visitor: Visitor) -> Invited:
        """Make another link for the same offer; the one before stops working.

        Raises NotFound, Forbidden and InvitationOver.
        """
        token, now = secrets.token_urlsafe(32), self._clock.now()
        values = {"token_hash": token_hash(token), "expires_at": now + LINK_LIFE}
        found = await self._change(by, invitation_id, "invitation.renewed", values, visitor)
        return Invited(found.id, found.email, found.role, token)

    async def revoke(self, by: Staff, invitation_id: str, visitor: Visitor) -> None:
        """Withdraw it. Raises NotFound, Forbidden and InvitationOver."""
        values = {"revoked_at": self._clock.now()}
        await self._change(by, invitation_id, "invitation.revoked", values, visitor)

    async def _change(
        self, by: Staff, invitation_id: str, action: str, values: dict[str, Any], visitor: Visitor
    ) -> Invitation:
        async with self._database.write(DoorScope()) as session:
            query = select(Invitation).where(Invitation.id == invitation_id)
            if by.provider_id is not None:
                query = query.where(Invitation.provider_id == by.provider_id)
            found = cast("Invitation | None", await session.scalar(query))
            if found is None:
                raise NotFound()
            require_manages(by.role, found.role)
            changed = await session.execute(
                update(Invitation)
                .where(Invitation.id == invitation_id, *_open())
                .values(**values)
                .execution_options(synchronize_session=False)
            )
            if cast("CursorResult[Any]", changed).rowcount != 1:
                raise InvitationOver()
            act = self._act(by.actor, action, found.id, found.email, found.role, found.tenant_id, visitor)
            await record(session, found.provider_id or PLATFORM_CHAIN, act, self._clock.now())
        return found

    # --- accepting -----------------------------------------------------------------------------------

    async def offer(self, token: str) -> Offer:
        """Return what the link offers; looking does not use it up. Raises LinkExpired."""
        query = (
            select(Invitation, Provider.name, Person.id)
            .outerjoin(Provider, Provider.id == Invitation.provider_id)
            .outerjoin(Person, Person.email == Invitation.email)
            .where(*self._usable(token))
        )
        async with self._database.read(DoorScope()) as session:
            found = (await session.execute(query)).one_or_none()
            if found is None:
                raise LinkExpired()
            invitation, provider_name, person_id = found
            tenant_name = await session.scalar(
                select(Tenant.name).where(
                    Tenant.provider_id == invitation.provider_id, Tenant.id == invitation.tenant_id
                )
            )
        return Offer(
            id=invitation.id,
            email=invitation.email,
            role=invitation.role,
            provider_id=invitation.provider_id,
            tenant_id=invitation.tenant_id,
            place=tenant_name or provider_name,
            invited_by_name=invitation.invited_by_name,
            has_account=person_id is not None,
        )

    async def accept_as_new(self, token: str, name: str, password: str, visitor: Visitor) -> SignedIn:
        """Make the account, give it the role and sign it in; a second factor may still be owed.

        Raises LinkExpired, InvalidInput for no name, WeakPassword, and AddressHasAccount.
        """
        offer, called = await self.offer(token), name.strip()
        if not 0 < len(called) <= LONGEST_NAME:
            raise InvalidInput(Fault("#/name", "name_needed", _NO_NAME))
        if (why := weakness(password)) is not None:
            raise WeakPassword(why)
        hashed, now = await self._accounts.hash(password), self._clock.now()
        async with self._database.write(DoorScope()) as session:
            await self._use_up(session, token)
            person_id = new_id("per", now)
            row = {
                "id": person_id,
                "email": offer.email,
                "name": called,
                "password_hash": hashed,
                "status": "active",
                "created_at": now,
            }
            dialect = sqlite if self._database.dialect == "sqlite" else postgresql
            made = await session.execute(
                dialect.insert(table_of(Person)).values(row).on_conflict_do_nothing().returning(Person.id)
            )
            if made.scalar_one_or_none() is None:
                raise AddressHasAccount()
            membership_id = await self._join(session, offer, person_id, called, visitor)
            staff = Staff(
                person_id=person_id,
                name=called,
                email=offer.email,
                role=offer.role,
                membership_id=membership_id,
                provider_id=offer.provider_id,
                tenant_id=offer.tenant_id,
                level=Level.FULL,
                has_second_factor=False,
                csrf_token="",
            )
            return await self._accounts.complete(session, staff, visitor)

    async def accept_as(self, token: str, staff: Staff, visitor: Visitor) -> str:
        """Add the role to the signed-in person the link is for. Return the id of the membership.

        Raises LinkExpired, also when the link is for somebody else, and AlreadyMember.
        """
        offer = await self.offer(token)
        if offer.email != staff.email:
            raise LinkExpired()
        async with self._database.write(DoorScope()) as session:
            await self._use_up(session, token)
            await _refuse_member(session, offer.email, offer.role, offer.provider_id, offer.tenant_id)
            return await self._join(session, offer, staff.person_id, staff.name, visitor)

    async def _use_up(self, session: AsyncSession, token: str) -> None:
        used = await session.execute(
            update(Invitation)
            .where(*self._usable(token))
            .values(accepted_at=self._clock.now())
            .execution_options(synchronize_session=False)
        )
        if cast("CursorResult[Any]", used).rowcount != 1:
            raise LinkExpired()

    async def _join(
        self, session: AsyncSession, offer: Offer, person_id: str, name: str, visitor: Visitor
    ) -> str:
        now = self._clock.now()
        membership_id = new_id("mbr", now)
        row = {
            "id": membership_id,
            "person_id": person_id,
            "role": offer.role,
            "provider_id": offer.provider_id,
            "tenant_id": offer.tenant_id,
            "created_at": now,
        }
        await session.execute(insert(table_of(Membership)), [row])
        actor = Actor("person", person_id, name)
        if offer.role in KEEPERS:
            words = Text(
                f"以管理员身份加入（由{offer.invited_by_name}邀请）",
                f"joined as administrator, invited by {offer.invited_by_name}",
            )
            await notify_others(session, offer.provider_id, words, actor, now)
        act = self._act(
            actor, "invitation.accepted", offer.id, offer.email, offer.role, offer.tenant_id, visitor
        )
        await record(session, offer.provider_id or PLATFORM_CHAIN, act, now)
        return membership_id

    def _usable(self, token: str) -> tuple[ColumnElement[bool], ...]:
        return (
            Invitation.token_hash == token_hash(token),
            Invitation.expires_at > self._clock.now(),
            *_open(),
        )

    @staticmethod
    def _act(
        actor: Actor,
        action: str,
        invitation_id: str,
        email: str,
        role: str,
        tenant_id: str | None,
        visitor: Visitor,
    ) -> Act:
        return Act(
            actor=actor,
            action=action,
            object_kind="invitation",
            object_id=invitation_id,
            tenant_id=tenant_id,
            after={"email": email, "role": role},
            request_id=visitor.request_id,
            peer=visitor.peer,
        )


def _open() -> tuple[ColumnElement[bool], ...]:
    return Invitation.accepted_at.is_(None), Invitation.revoked_at.is_(None)


async def _place(session: AsyncSession, by: Staff, wanted: Wanted) -> tuple[str | None, str | None]:
    """Return provider and tenant of the role. Raises InvalidInput when one is missing, and NotFound."""
    if wanted.role.startswith("platform_"):
        return None, None
    provider_id = by.provider_id or wanted.provider_id
    if not provider_id or (wanted.role == Role.MERCHANT_USER and not wanted.tenant_id):
        raise InvalidInput(Fault("#/place", "place_needed", _NO_PLACE))
    if wanted.role != Role.MERCHANT_USER:
        if await session.scalar(select(Provider.id).where(Provider.id == provider_id)) is None:
            raise NotFound()
        return provider_id, None
    own = select(Tenant.id).where(Tenant.provider_id == provider_id, Tenant.id == wanted.tenant_id)
    if await session.scalar(own) is None:
        raise NotFound()
    return provider_id, wanted.tenant_id


async def _refuse_member(
    session: AsyncSession, email: str, role: str, provider_id: str | None, tenant_id: str | None
) -> None:
    known = (
        select(Membership.id)
        .join(Person, Person.id == Membership.person_id)
        .where(
            Person.email == email,
            Membership.role == role,
            Membership.provider_id.is_not_distinct_from(provider_id),
            Membership.tenant_id.is_not_distinct_from(tenant_id),
        )
    )
    if await session.scalar(known) is not None:
        raise AlreadyMember()
