"""The routes about who has access, in the three areas."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.accounts.models import Role
from spapp.console.frame.looking import write_down
from spapp.console.frame.places import (
    ADMIN,
    ADMIN_CHANGES,
    MERCHANT,
    merchant_place,
    platform_place,
    provider_place,
)
from spapp.console.frame.workplace import Work
from spapp.console.members.desk import MemberPages, member_desk
from spapp.console.members.person_desk import PersonPages, person_desk
from sptenants.registry.access import access


class ConsoleMembers(Controller):
    """Owners manage everybody at their provider; operators invite and remove merchants' people."""

    path = "/console/members"
    opt = access("console", Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR)
    dependencies = {"place": provider_place, "member_desk": member_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def members(self, member_desk: MemberPages) -> Response[str]:
        return await member_desk.show_list(await member_desk.read_list())

    @get("/invite")
    async def invite_form(self, member_desk: MemberPages) -> Response[str]:
        return await member_desk.show_invite()

    @post("/invite", status_code=200)
    async def invite(self, member_desk: MemberPages) -> Response[str]:
        return await member_desk.invite()

    @post("/invitations/renew", status_code=200)
    async def renew(self, member_desk: MemberPages) -> Response[str]:
        return await member_desk.renew()

    @post("/invitations/revoke", status_code=303)
    async def revoke(self, member_desk: MemberPages) -> Response[Any]:
        return await member_desk.revoke()

    @get("/{member_id:str}")
    async def member(self, member_id: FromPath[str], member_desk: MemberPages) -> Response[str]:
        return await member_desk.show_member(member_id)

    @post("/{member_id:str}/role", status_code=200)
    async def change_role(self, member_id: FromPath[str], member_desk: MemberPages) -> Response[Any]:
        return await member_desk.change_role(member_id)

    @post("/{member_id:str}/unlock", status_code=200)
    async def unlock(self, member_id: FromPath[str], member_desk: MemberPages) -> Response[Any]:
        return await member_desk.unlock(member_id)

    @post("/{member_id:str}/remove", status_code=200)
    async def remove(self, member_id: FromPath[str], member_desk: MemberPages) -> Response[Any]:
        return await member_desk.remove(member_id)


class AdminUsers(Controller):
    """Everybody who can sign in. Looking at people of providers is written down (rule Y4)."""

    path = "/admin/users"
    opt = ADMIN
    dependencies = {"place": platform_place, "member_desk": member_desk, "person_desk": person_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def members(self, place: Work, member_desk: MemberPages) -> Response[str]:
        shown = await member_desk.read_list()
        looked = {"filter": shown["query"].as_facts(), "rows": len(shown["rows"])}
        await write_down(place, "people.listed", "person", looked)
        return await member_desk.show_list(shown)

    @get("/invite", opt=ADMIN_CHANGES)
    async def invite_form(self, member_desk: MemberPages) -> Response[str]:
        return await member_desk.show_invite()

    @post("/invite", status_code=200, opt=ADMIN_CHANGES)
    async def invite(self, member_desk: MemberPages) -> Response[str]:
        return await member_desk.invite()

    @post("/invitations/renew", status_code=200, opt=ADMIN_CHANGES)
    async def renew(self, member_desk: MemberPages) -> Response[str]:
        return await member_desk.renew()

    @post("/invitations/revoke", status_code=303, opt=ADMIN_CHANGES)
    async def revoke(self, member_desk: MemberPages) -> Response[Any]:
        return await member_desk.revoke()

    @get("/{person_id:str}")
    async def person(self, person_id: FromPath[str], place: Work, person_desk: PersonPages) -> Response[str]:
        answer = await person_desk.show(person_id)
        await write_down(place, "person.viewed", "person", {"rows": 1}, person_id)
        return answer

    @post("/{person_id:str}/unlock", status_code=200, opt=ADMIN_CHANGES)
    async def unlock(self, person_id: FromPath[str], person_desk: PersonPages) -> Response[Any]:
        return await person_desk.unlock(person_id)

    @post("/{person_id:str}/disable", status_code=200, opt=ADMIN_CHANGES)
    async def disable(self, person_id: FromPath[str], person_desk: PersonPages) -> Response[Any]:
        return await person_desk.disable(person_id)

    @post("/{person_id:str}/enable", status_code=200, opt=ADMIN_CHANGES)
    async def enable(self, person_id: FromPath[str], person_desk: PersonPages) -> Response[Any]:
        return await person_desk.enable(person_id)

    @post("/{person_id:str}/reset", status_code=200, opt=ADMIN_CHANGES)
    async def reset(self, person_id: FromPath[str], person_desk: PersonPages) -> Response[Any]:
        return await person_desk.reset(person_id)

    @post("/{person_id:str}/role", status_code=200, opt=ADMIN_CHANGES)
    async def change_role(self, person_id: FromPath[str], person_desk: PersonPages) -> Response[Any]:
        return await person_desk.change_role(person_id)

    @post("/{person_id:str}/remove", status_code=200, opt=ADMIN_CHANGES)
    async def remove(self, person_id: FromPath[str], person_desk: PersonPages) -> Response[Any]:
        return await person_desk.remove(person_id)


class MerchantMembers(Controller):
    """Who else has access to one's shop; the service provider invites and removes."""

    path = "/m/members"
    opt = MERCHANT
    dependencies = {"place": merchant_place, "member_desk": member_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def members(self, member_desk: MemberPages) -> Response[str]:
        return await member_desk.show_list(await member_desk.read_list())
