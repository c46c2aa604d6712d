"""Members as pages show them."""

from __future__ import annotations

from dataclasses import dataclass

from spapp.accounts.directory import MemberLine
from spapp.accounts.keepers import MANAGES, roles_beside
from spapp.accounts.models import Role
from spapp.console.frame.shell import ROLE_WORDS
from spapp.console.frame.words import Chip
from spapp.console.frame.workplace import Workplace
from spapp.web.i18n import N_

_ACTIVE = Chip("ok", N_("正常"))
_LOCKED = Chip("bad", N_("已锁定"))
_DISABLED = Chip("mute", N_("已停用"))
_NEVER_IN = Chip("wait", N_("未设密码"))


@dataclass(frozen=True, slots=True)
class MemberView:
    """One role of one person, and what the present person may do about it."""

    place: Workplace
    member: MemberLine
    url: str

    @property
    def role_word(self) -> str:
        return ROLE_WORDS[Role(self.member.role)]

    @property
    def chip(self) -> Chip:
        """How the account stands; locked outweighs the rest."""
        if not self.member.active:
            return _DISABLED
        if self.member.locked_until is not None:
            return _LOCKED
        return _ACTIVE if self.member.has_password else _NEVER_IN

    @property
    def where(self) -> str | None:
        """Name of the tenant or the provider; None on the platform."""
        return self.member.tenant_name or self.member.provider_name

    @property
    def is_self(self) -> bool:
        return self.member.person_id == self.place.staff.person_id

    @property
    def may_manage(self) -> bool:
        own_place = self.member.provider_id == self.place.staff.provider_id
        return own_place and self.member.role in MANAGES.get(self.place.staff.role, ())

    @property
    def may_unlock(self) -> bool:
        return self.may_manage and self.member.locked_until is not None

    @property
    def roles(self) -> tuple[tuple[Role, str], ...]:
        """Roles to choose from instead of the present one; none for a merchant's people."""
        return tuple((role, ROLE_WORDS[role]) for role in roles_beside(self.member.role))
