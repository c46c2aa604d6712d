"""One account with all of its roles, for the platform's people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect

from spapp.accounts.directory import Directory
from spapp.accounts.members import Members
from spapp.accounts.models import Role
from spapp.accounts.service import Staff, Visitor
from spapp.accounts.visits import check_reason
from spapp.console.frame.forms import field, visitor
from spapp.console.frame.fresh import require_fresh
from spapp.console.frame.workplace import CHANGED, Notice, Work, Workplace, plain_text, refused
from spapp.console.members.views import MemberView
from spapp.web.i18n import N_
from spcore.errors import DomainError, NotFound, Text
from sptenants.registry.errors import Forbidden

_BASE = "/admin/users"
_DONE = {
    "unlock": Text("已解除锁定。", "The account is unlocked."),
    "disable": Text("账号已停用，所有登录已退出。", "The account is disabled and signed out everywhere."),
    "enable": Text("账号已恢复。", "The account is open again."),
    "reset": Text(
        "两步验证已重置，此人下次登录后可重新设置。",
        "Two-step verification was reset; the person can set it up again after signing in.",
    ),
    "role": Text("角色已修改，此人须重新登录。", "The role was changed; the person signs in again."),
    "remove": Text("角色已移除。", "The role was taken away."),
}
Change = Callable[[Staff, str, str, Visitor], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PersonDesk:
    place: Workplace
    directory: Directory
    members: Members

    async def show(self, person_id: str, said: Notice | None = None, reason: str = "") -> Response[str]:
        """Answer with one account. Raises NotFound for nobody, and for somebody without any role."""
        lines = await self.directory.person(person_id)
        roles = [MemberView(self.place, line, f"{_BASE}/{person_id}") for line in lines]
        return await self.place.show_detail(
            "members/person.html",
            "members/person_page.html",
            view=roles[0],
            member=lines[0],
            roles=roles,
            said=said,
            reason=reason,
            may_change=self.place.staff.role == Role.PLATFORM_ADMIN,
            asks_code=self.place.staff.has_second_factor,
            heading=N_("平台成员"),
            list_url=_BASE,
            current=_BASE,
        )

    async def unlock(self, person_id: str) -> Response[Any]:
        async def unlock() -> None:
            await self.members.unlock_person(self.place.staff, person_id, visitor(self.place.request))

        return await self._act(person_id, "unlock", unlock)

    async def disable(self, person_id: str) -> Response[Any]:
        return await self._with_reason(person_id, "disable", self.members.disable)

    async def enable(self, person_id: str) -> Response[Any]:
        return await self._with_reason(person_id, "enable", self.members.enable)

    async def reset(self, person_id: str) -> Response[Any]:
        """Forget a lost authenticator."""
        return await self._with_reason(person_id, "reset", self.members.reset_second_factor)

    async def change_role(self, person_id: str) -> Response[Any]:
        """Change the platform role that the form names."""
        form = await self.place.request.form()

        async def change() -> None:
            await require_fresh(self.place, form, "member.role")
            member_id, role = field(form, "member"), field(form, "role")
            await self.members.change_role(self.place.staff, member_id, role, visitor(self.place.request))

        return await self._act(person_id, "role", change)

    async def remove(self, person_id: str) -> Response[Any]:
        """Take away the platform role that the form names."""
        form = await self.place.request.form()
        member_id = field(form, "member")
        lines = await self.directory.person(person_id)

        async def remove(staff: Staff, _person_id: str, reason: str, who: Visitor) -> None:
            await self.members.remove(staff, member_id, reason, who)

        if member_id and member_id not in {line.id for line in lines}:
            raise NotFound()
        return await self._with_reason(person_id, "remove", remove)

    async def _with_reason(self, person_id: str, name: str, change: Change) -> Response[Any]:
        form = await self.place.request.form()
        reason = field(form, "reason")

        async def do() -> None:
            check_reason(reason)
            await require_fresh(self.place, form, f"person.{name}")
            await change(self.place.staff, person_id, reason, visitor(self.place.request))

        return await self._act(person_id, name, do, reason)

    async def _act(
        self, person_id: str, name: str, do: Callable[[], Awaitable[None]], reason: str = ""
    ) -> Response[Any]:
        """Do it to an account that exists, and show it as it is then, or why it was not done."""
        await self.directory.person(person_id)
        try:
            await do()
        except Forbidden:
            raise
        except DomainError as refusal:
            return refused(await self.show(person_id, Notice("bad", plain_text(refusal)), reason), refusal)
        if not self.place.wants_part:
            return Redirect(await self._after(person_id), status_code=303)
        if (url := await self._after(person_id)) == _BASE:
            return Response(b"", status_code=204, headers={"HX-Redirect": url})
        answer = await self.show(person_id, Notice("ok", _DONE[name]))
        answer.headers |= CHANGED
        return answer

    async def _after(self, person_id: str) -> str:
        """Return where to go on: whoever lost the last role is on no page any more."""
        try:
            await self.directory.person(person_id)
        except NotFound:
            return _BASE
        return f"{_BASE}/{person_id}"


PersonPages = NamedDependency[SkipValidation[PersonDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_person_desk(
    place: Work, directory: NamedDependency[Directory], members: NamedDependency[Members]
) -> PersonDesk:
    return PersonDesk(place, directory, members)


person_desk = Provide(_provide_person_desk, sync_to_thread=False)
