"""Who may manage whom, and that somebody always can: the last owner and the last administrator stay."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.accounts.errors import LastKeeper
from spapp.accounts.models import Membership, Person, Role
from spcore.errors import Text
from sptenants.registry.errors import Forbidden

PROVIDER_ROLES = (
    Role.PROVIDER_OWNER,
    Role.PROVIDER_OPERATOR,
    Role.PROVIDER_FINANCE,
    Role.PROVIDER_VIEWER,
)
PLATFORM_ROLES = (Role.PLATFORM_ADMIN, Role.PLATFORM_AUDITOR)
KEEPERS = frozenset({Role.PROVIDER_OWNER, Role.PLATFORM_ADMIN})

MANAGES: Mapping[str, tuple[Role, ...]] = {
    Role.PLATFORM_ADMIN: (*PLATFORM_ROLES, Role.PROVIDER_OWNER),
    Role.PROVIDER_OWNER: (*PROVIDER_ROLES, Role.MERCHANT_USER),
    Role.PROVIDER_OPERATOR: (Role.MERCHANT_USER,),
}
"""Which roles people of a role give and take away; a provider's first owner comes from the platform."""


def require_manages(role: str, other: str) -> None:
    """Raise Forbidden unless people of `role` may give and take away `other`."""
    if other not in MANAGES.get(role, ()):
        raise Forbidden(
            Text("你的角色不能管理此角色的成员。", "Your role may not manage members of this role.")
        )


def roles_beside(role: str) -> tuple[Role, ...]:
    """Return the roles to choose from instead of `role`; a merchant's people have one only."""
    if role in PROVIDER_ROLES:
        return PROVIDER_ROLES
    return PLATFORM_ROLES if role in PLATFORM_ROLES else ()


async def require_another(session: AsyncSession, leaving: Membership) -> None:
    """Raise LastKeeper when `leaving` is the last of its kind at its place whose person can sign in.

    Call it in the transaction that removes, demotes or disables, before it does so: it locks all of them, so
    that of two who remove each other at the same moment the second one is refused.
    """
    if leaving.role not in KEEPERS:
        return
    same = (
        Membership.role == leaving.role,
        Membership.provider_id.is_not_distinct_from(leaving.provider_id),
    )
    # SQLite ignores FOR UPDATE: its writing transactions exclude each other from their beginning.
    await session.execute(select(Membership.id).where(*same).order_by(Membership.id).with_for_update())
    # A statement of its own: what others committed while we waited for the lock is seen only by a new one.
    left = await session.scalar(
        select(func.count())
        .select_from(Membership)
        .join(Person, Person.id == Membership.person_id)
        .where(
            *same,
            Membership.person_id != leaving.person_id,
            Person.status == "active",
            Person.password_hash.is_not(None),
        )
    )
    if not left:
        raise LastKeeper()
