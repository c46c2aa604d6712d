"""Changing who has access: roles, removals, locks, and accounts as a whole.

Every change ends the sessions that stood on what was changed, in its own transaction (S11), and is written
into the audit chain of the place it concerns (A06).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.accounts import throttle
from spapp.accounts.errors import AlreadyMember, MemberChanged
from spapp.accounts.keepers import KEEPERS, require_another, require_manages, roles_beside
from spapp.accounts.models import ConsoleSession, Membership, Person, Role
from spapp.accounts.notices import notify_others
from spapp.accounts.second_factor import SecondFactors
from spapp.accounts.service import Staff, Visitor
from spapp.accounts.visits import check_reason
from spcore.audit.models import PLATFORM_CHAIN
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import DoorScope
from spcore.errors import Fault, InvalidInput, NotFound, Text

_NOT_A_ROLE = Text("请选择一个角色。", "Choose a role.")


class Members:
    """`by` is whoever acts; a member of another place than theirs is no member at all (rule Y3)."""

    def __init__(self, database: Database, clock: Clock, second_factors: SecondFactors) -> None:
        self._database = database
        self._clock = clock
        self._second_factors = second_factors

    async def change_role(self, by: Staff, member_id: str, role: str, visitor: Visitor) -> None:
        """Give another role of the same place, and end the sessions in the old one (S01).

        Raises NotFound, Forbidden, InvalidInput, LastKeeper, AlreadyMember and MemberChanged.
        """
        now = self._clock.now()
        async with self._database.write(DoorScope()) as session:
            member = await self._member(session, by, member_id)
            if role not in roles_beside(member.role):
                raise InvalidInput(Fault("#/role", "unknown_role", _NOT_A_ROLE))
            require_manages(by.role, role)
            if role == member.role:
                return
            await require_another(session, member)
            twin = select(Membership.id).where(
                Membership.person_id == member.person_id,
                Membership.role == role,
                Membership.provider_id.is_not_distinct_from(member.provider_id),
                Membership.tenant_id.is_not_distinct_from(member.tenant_id),
            )
            if await session.scalar(twin) is not None:
                raise AlreadyMember()
            _only_one(
                await session.execute(
                    update(Membership)
                    .where(Membership.id == member_id, Membership.role == member.role)
                    .values(role=role)
                    .execution_options(synchronize_session=False)
                )
            )
            await session.execute(delete(ConsoleSession).where(ConsoleSession.membership_id == member_id))
            if role in KEEPERS or member.role in KEEPERS:
                await notify_others(session, by.provider_id, _CHANGED_OWNER, by.actor, now)
            before, after = {"role": member.role}, {"role": role}
            await self._record(
                session, by, "member.role_changed", member, now, visitor, before=before, after=after
            )

    async def remove(self, by: Staff, member_id: str, reason: str, visitor: Visitor) -> None:
        """Take a role away and end the sessions in it.

        Raises NotFound, Forbidden, InvalidInput, LastKeeper and MemberChanged.
        """
        now = self._clock.now()
        async with self._database.write(DoorScope()) as session:
            member = await self._member(session, by, member_id)
            stated = check_reason(reason)
            await require_another(session, member)
            await session.execute(delete(ConsoleSession).where(ConsoleSession.membership_id == member_id))
            _only_one(
                await session.execute(
                    delete(Membership)
                    .where(Membership.id == member_id, Membership.role == member.role)
                    .execution_options(synchronize_session=False)
                )
            )
            if member.role in KEEPERS:
                await notify_others(session, by.provider_id, _REMOVED_OWNER, by.actor, now)
            before = {"role": member.role}
            await self._record(
                session, by, "member.removed", member, now, visitor, before=before, reason=stated
            )

    async def unlock(self, by: Staff, member_id: str, visitor: Visitor) -> None:
        """Let a member sign in again who guessed too often. Raises NotFound and Forbidden."""
        now = self._clock.now()
        async with self._database.write(DoorScope()) as session:
            member = await self._member(session, by, member_id)
            await self._unlock(session, member.person_id)
            await self._record(session, by, "person.unlocked", member, now, visitor)

    # --- accounts as a whole: platform administrators only -------------------------------------------

    async def unlock_person(self, by: Staff, person_id: str, visitor: Visitor) -> None:
        """The same for anybody. Raises NotFound."""
        async with self._database.write(DoorScope()) as session:
            await self._unlock(session, person_id)
            await self._record_of_person(session, by, "person.unlocked", person_id, visitor)

    async def disable(self, by: Staff, person_id: str, reason: str, visitor: Visitor) -> None:
        """Shut an account at once, wherever it has roles. Raises NotFound, InvalidInput and LastKeeper.

        The last owner of a provider can be disabled, for an account that was taken over has to be shut; the
        platform then invites another one. The last administrator of the platform cannot.
        """
        async with self._database.write(DoorScope()) as session:
            await self._person(session, person_id)
            stated = check_reason(reason)
            admin = await session.scalar(
                select(Membership).where(
                    Membership.person_id == person_id, Membership.role == Role.PLATFORM_ADMIN
                )
            )
            if admin is not None:
                await require_another(session, admin)
            await session.execute(update(Person).where(Person.id == person_id).values(status="disabled"))
            await session.execute(delete(ConsoleSession).where(ConsoleSession.person_id == person_id))
            await self._record_of_person(session, by, "person.disabled", person_id, visitor, stated)

    async def enable(self, by: Staff, person_id: str, reason: str, visitor: Visitor) -> None:
        """Open it again. Raises NotFound and InvalidInput."""
        async with self._database.write(DoorScope()) as session:
            await self._person(session, person_id)
            stated = check_reason(reason)
            await session.execute(update(Person).where(Person.id == person_id).values(status="active"))
            await self._record_of_person(session, by, "person.enabled", person_id, visitor, stated)

    async def reset_second_factor(self, by: Staff, person_id: str, reason: str, visitor: Visitor) -> None:
        """Forget a lost authenticator. Raises NotFound, and InvalidInput when there is none."""
        async with self._database.read(DoorScope()) as session:
            email = (await self._person(session, person_id)).email
        await self._second_factors.reset(email, by.actor, reason=check_reason(reason), visitor=visitor)

    # --- shared --------------------------------------------------------------------------------------

    async def _member(self, session: AsyncSession, by: Staff, member_id: str) -> Membership:
        found: Membership | None = await session.scalar(
            select(Membership).where(
                Membership.id == member_id, Membership.provider_id.is_not_distinct_from(by.provider_id)
            )
        )
        if found is None:
            raise NotFound()
        require_manages(by.role, found.role)
        return found

    async def _person(self, session: AsyncSession, person_id: str) -> Person:
        person = await session.get(Person, person_id)
        if person is None:
            raise NotFound()
        return person

    async def _unlock(self, session: AsyncSession, person_id: str) -> None:
        person = await self._person(session, person_id)
        await throttle.unlock(session, person.id, person.email)

    async def _record(
        self,
        session: AsyncSession,
        by: Staff,
        action: str,
        member: Membership,
        now: datetime,
        visitor: Visitor,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        reason: str | None = None,
    ) -> None:
        act = Act(
            actor=by.actor,
            action=action,
            object_kind="person",
            object_id=member.person_id,
            tenant_id=member.tenant_id,
            before=before,
            after=after,
            reason=reason,
            request_id=visitor.request_id,
            peer=visitor.peer,
        )
        await record(session, by.own_chain, act, now)

    async def _record_of_person(
        self,
        session: AsyncSession,
        by: Staff,
        action: str,
        person_id: str,
        visitor: Visitor,
        reason: str | None = None,
    ) -> None:
        act = Act(
            actor=by.actor,
            action=action,
            object_kind="person",
            object_id=person_id,
            reason=reason,
            request_id=visitor.request_id,
            peer=visitor.peer,
        )
        await record(session, PLATFORM_CHAIN, act, self._clock.now())


_CHANGED_OWNER = Text("修改了一位管理员的角色", "changed the role of an administrator")
_REMOVED_OWNER = Text("移除了一位管理员", "removed an administrator")


def _only_one(result: Any) -> None:
    if cast("CursorResult[Any]", result).rowcount != 1:
        raise MemberChanged()
