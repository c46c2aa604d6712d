"""The pages about who has access: the list, one member, inviting. One desk a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect

from spapp.accounts.directory import Directory
from spapp.accounts.errors import SecondFactorRefused, TooManyAttempts
from spapp.accounts.invitations import Invitations, Invited
from spapp.accounts.keepers import MANAGES
from spapp.accounts.members import Members
from spapp.accounts.models import Role
from spapp.accounts.service import Visitor
from spapp.console.frame.choices import Choices, provider_choices, tenant_choices
from spapp.console.frame.forms import field, visitor
from spapp.console.frame.fresh import require_fresh
from spapp.console.frame.places import PLATFORM_SCOPE
from spapp.console.frame.shell import ROLE_WORDS
from spapp.console.frame.workplace import PAGE_SIZE, Notice, Work, Workplace, plain_text, refused
from spapp.console.members.form import InviteForm, faults_of
from spapp.console.members.query import TAB_WORDS, MemberQuery, MemberTab
from spapp.console.members.views import MemberView
from spapp.web.i18n import N_
from spcore.db.scope import ProviderScope, TenantScope
from spcore.errors import DomainError, InvalidInput, NotFound, Text
from spcore.settings import Settings
from sptenants.registry.errors import Forbidden

_ROLE_CHANGED = Text("角色已修改，此人须重新登录。", "The role was changed; the person signs in again.")
_UNLOCKED = Text("已解除锁定。", "The account is unlocked.")


@dataclass(frozen=True, slots=True)
class MemberDesk:
    place: Workplace
    directory: Directory
    members: Members
    invitations: Invitations
    public_url: str

    @property
    def on_platform(self) -> bool:
        return self.place.rights.sees_provider

    @property
    def base(self) -> str:
        return "/admin/users" if self.on_platform else f"{self.place.base}/members"

    @property
    def heading(self) -> str:
        return N_("平台成员") if self.on_platform else N_("成员与权限")

    @property
    def may_invite(self) -> bool:
        return bool(MANAGES.get(self.place.staff.role))

    # --- list ----------------------------------------------------------------------------------------

    async def read_list(self) -> dict[str, Any]:
        """Read the list that the address bar asks for; a cursor that is not ours leads to the first page."""
        staff, tabs = self.place.staff, self._tabs()
        query = MemberQuery.parse(self.base, self.place.request.query_params, self.place.now, tabs)
        scope = self.place.scope
        tenant_id = scope.tenant_id if isinstance(scope, TenantScope) else None
        roles = tuple(Role) if self.on_platform or tenant_id else MANAGES.get(staff.role, ())
        wanted = query.to_filter(
            provider_id=query.provider if self.on_platform else staff.provider_id,
            tenant_id=tenant_id,
            roles=roles,
        )
        try:
            found = await self.directory.members(wanted, PAGE_SIZE, query.cursor)
        except InvalidInput as refusal:
            query = query.first_page(*(fault.text for fault in refusal.faults))
            found = await self.directory.members(wanted, PAGE_SIZE)
        return {
            "query": query,
            "tabs": [(TAB_WORDS[tab], query.url(tab=tab), tab is query.tab) for tab in tabs],
            "rows": [
                MemberView(self.place, line, self._url_of(line.id, line.person_id)) for line in found.rows
            ],
            "next_url": query.next_url(found.next_cursor),
        }

    async def show_list(self, shown: dict[str, Any]) -> Response[str]:
        invitations = await self.directory.invitations(self.place.staff.role, self.place.staff.provider_id)
        return await self.place.show(
            "members/list.html",
            heading=self.heading,
            current=self.base,
            base=self.base,
            may_invite=self.may_invite,
            may_open=self.place.base != "/m",
            on_platform=self.on_platform,
            invitations=invitations,
            role_words=ROLE_WORDS,
            **shown,
        )

    def _tabs(self) -> tuple[MemberTab, ...]:
        if self.on_platform:
            return MemberTab.PLATFORM, MemberTab.PROVIDER, MemberTab.MERCHANT, MemberTab.ALL
        if self.place.rights.own and not isinstance(self.place.scope, TenantScope):
            return MemberTab.ALL, MemberTab.PROVIDER, MemberTab.MERCHANT
        return (MemberTab.ALL,)

    def _url_of(self, member_id: str, person_id: str) -> str:
        return f"{self.base}/{person_id if self.on_platform else member_id}"

    # --- one member ----------------------------------------------------------------------------------

    async def show_member(
        self, member_id: str, said: Notice | None = None, reason: str = ""
    ) -> Response[str]:
        """Answer with one member. Raises NotFound, also for somebody else's and for a role out of reach."""
        member = await self.directory.member(member_id, self.place.staff.provider_id)
        view = MemberView(self.place, member, f"{self.base}/{member_id}")
        if not view.may_manage:
            raise NotFound()
        return await self.place.show_detail(
            "members/detail.html",
            "members/page.html",
            view=view,
            member=member,
            said=said,
            reason=reason,
            asks_code=self.place.staff.has_second_factor,
            heading=self.heading,
            list_url=self.base,
            current=self.base,
        )

    async def change_role(self, member_id: str) -> Response[Any]:
        """Give another role. Raises NotFound, and Forbidden for a role out of reach."""
        form = await self.place.request.form()

        async def change() -> Notice:
            await require_fresh(self.place, form, "member.role")
            await self.members.change_role(self.place.staff, member_id, field(form, "role"), self._visitor)
            return Notice("ok", _ROLE_CHANGED)

        return await self._act(member_id, change)

    async def unlock(self, member_id: str) -> Response[Any]:
        async def unlock() -> Notice:
            await self.members.unlock(self.place.staff, member_id, self._visitor)
            return Notice("ok", _UNLOCKED)

        return await self._act(member_id, unlock)

    async def remove(self, member_id: str) -> Response[Any]:
        """Take the role away, and go back to the list. Raises NotFound."""
        await self._seen(member_id)
        form = await self.place.request.form()
        reason = field(form, "reason")
        try:
            if reason.strip():
                await require_fresh(self.place, form, "member.remove")
            await self.members.remove(self.place.staff, member_id, reason, self._visitor)
        except (NotFound, Forbidden):
            raise
        except DomainError as refusal:
            said = Notice("bad", plain_text(refusal))
            return refused(await self.show_member(member_id, said, reason), refusal)
        if self.place.wants_part:
            return Response(b"", status_code=204, headers={"HX-Redirect": self.base})
        return Redirect(self.base, status_code=303)

    async def _act(self, member_id: str, do: Callable[[], Awaitable[Notice]]) -> Response[Any]:
        await self._seen(member_id)

        async def shown(notice: Notice | None) -> Response[str]:
            return await self.show_member(member_id, notice)

        return await self.place.act(f"{self.base}/{member_id}", do, shown)

    async def _seen(self, member_id: str) -> None:
        """Raise NotFound for a member that is not on this page."""
        member = await self.directory.member(member_id, self.place.staff.provider_id)
        if not MemberView(self.place, member, "").may_manage:
            raise NotFound()

    # --- inviting ------------------------------------------------------------------------------------

    async def show_invite(self, form: InviteForm | None = None) -> Response[str]:
        form = form or InviteForm(
            email=self.place.request.query_params.get("email", ""),
            role=self.place.request.query_params.get("role", ""),
            place=self.place.request.query_params.get("place", ""),
        )
        answer = await self.place.show(
            "members/invite.html",
            heading=self.heading,
            current=self.base,
            base=self.base,
            form=form,
            roles=[(role, ROLE_WORDS[role]) for role in MANAGES.get(self.place.staff.role, ())],
            places=(await self._places()).options,
            on_platform=self.on_platform,
            asks_code=self.place.staff.has_second_factor,
        )
        return refused(answer) if form.faults else answer

    async def invite(self) -> Response[str]:
        """Make an invitation and show its link, once, or the form again with what was wrong."""
        sent = await self.place.request.form()
        form = InviteForm.read(sent)
        if faults := form.missing():
            return await self.show_invite(replace(form, faults=faults))
        try:
            await require_fresh(self.place, sent, "invite")
            invited = await self.invitations.invite(self.place.staff, form.wanted(), self._visitor)
        except (SecondFactorRefused, TooManyAttempts) as refusal:
            return await self.show_invite(replace(form, faults={"code": refusal.text}))
        except NotFound as refusal:
            return await self.show_invite(replace(form, faults={"place": refusal.text}))
        except Forbidden:
            raise
        except DomainError as refusal:
            return await self.show_invite(replace(form, faults=faults_of(refusal)))
        return await self._link(invited)

    async def renew(self) -> Response[str]:
        """Make a fresh link of an invitation. Raises NotFound and InvitationOver."""
        invitation_id = field(await self.place.request.form(), "invitation")
        return await self._link(await self.invitations.renew(self.place.staff, invitation_id, self._visitor))

    async def revoke(self) -> Response[Any]:
        """Withdraw an invitation. Raises NotFound and InvitationOver."""
        invitation_id = field(await self.place.request.form(), "invitation")
        await self.invitations.revoke(self.place.staff, invitation_id, self._visitor)
        return Redirect(self.base, status_code=303)

    async def _link(self, invited: Invited) -> Response[str]:
        return await self.place.show(
            "members/link.html",
            heading=self.heading,
            current=self.base,
            base=self.base,
            invited=invited,
            role_word=ROLE_WORDS[Role(invited.role)],
            link=f"{self.public_url}/invite/{invited.token}",
        )

    async def _places(self) -> Choices:
        scope = self.place.scope
        if isinstance(scope, ProviderScope):
            return await tenant_choices(
                self.place.database, scope, chosen=None, provider_id=scope.provider_id
            )
        return await provider_choices(self.place.database, PLATFORM_SCOPE, chosen=None)

    @property
    def _visitor(self) -> Visitor:
        return visitor(self.place.request)


MemberPages = NamedDependency[SkipValidation[MemberDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_member_desk(
    place: Work,
    directory: NamedDependency[Directory],
    members: NamedDependency[Members],
    invitations: NamedDependency[Invitations],
    settings: NamedDependency[Settings],
) -> MemberDesk:
    return MemberDesk(place, directory, members, invitations, settings.public_url)


member_desk = Provide(_provide_member_desk, sync_to_thread=False)
