"""The page of an invitation's link: a new account with a password, or one more role for who is signed in."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from spapp.accounts.errors import AddressHasAccount, AlreadyMember, WeakPassword
from spapp.accounts.invitations import LONGEST_NAME, Invitations, Offer
from spapp.accounts.models import Level, Role
from spapp.accounts.passwords import MIN_LENGTH
from spapp.accounts.service import Accounts, Staff
from spapp.console.frame.forms import field, visitor
from spapp.console.frame.shell import ROLE_WORDS
from spapp.console.frame.workplace import plain_text
from spapp.web import csrf
from spapp.web.cookies import BrowserCookies
from spapp.web.guards import signed_in
from spapp.web.pages import AnyRequest, page
from spcore.errors import InvalidInput, Text
from sptenants.registry.access import access


class InvitationPages(Controller):
    """Looking does not use the link up; only accepting does (S17)."""

    path = "/invite"
    opt = access("public", "anyone")
    include_in_schema = False

    @get("/{token:str}")
    async def offer(
        self,
        request: AnyRequest,
        token: FromPath[str],
        invitations: NamedDependency[Invitations],
        browser_cookies: NamedDependency[BrowserCookies],
    ) -> Response[str]:
        """Show what is offered. Raises LinkExpired."""
        return _show(request, browser_cookies, await invitations.offer(token))

    @post("/{token:str}", status_code=200)
    async def accept(
        self,
        request: AnyRequest,
        token: FromPath[str],
        invitations: NamedDependency[Invitations],
        accounts: NamedDependency[Accounts],
        browser_cookies: NamedDependency[BrowserCookies],
    ) -> Response[Any]:
        """Take the role: whoever has an account must be signed in to it. Raises LinkExpired."""
        offer, staff, who = await invitations.offer(token), signed_in(request), visitor(request)
        if offer.has_account:
            present = browser_cookies.token(request)
            if not _is_for(staff, offer) or staff is None or present is None:
                return _show(request, browser_cookies, offer, {"form": AddressHasAccount().text})
            try:
                membership_id = await invitations.accept_as(token, staff, who)
            except AlreadyMember as refusal:
                return _show(request, browser_cookies, offer, {"form": refusal.text})
            if staff.level is not Level.FULL:
                return Redirect("/", status_code=303)
            opened = await accounts.switch(present, membership_id, who)
            return Redirect("/", status_code=303, cookies=[browser_cookies.session(opened.token)])
        form = await request.form()
        name = field(form, "name")
        try:
            opened = await invitations.accept_as_new(token, name, field(form, "password"), who)
        except WeakPassword as refusal:
            return _show(request, browser_cookies, offer, {"password": refusal.text}, name)
        except InvalidInput as refusal:
            return _show(request, browser_cookies, offer, {"name": plain_text(refusal)}, name)
        except AddressHasAccount as refusal:
            return _show(request, browser_cookies, offer, {"form": refusal.text}, name)
        return Redirect("/", status_code=303, cookies=[browser_cookies.session(opened.token)])


def _is_for(staff: Staff | None, offer: Offer) -> bool:
    """Whether whoever is signed in, past their second factor, is the one invited."""
    return staff is not None and staff.level is not Level.PASSWORD and staff.email == offer.email


def _show(
    request: AnyRequest,
    cookies: BrowserCookies,
    offer: Offer,
    faults: dict[str, Text] | None = None,
    name: str = "",
) -> Response[str]:
    staff = signed_in(request)
    return page(
        request,
        "signin/invite.html",
        status=422 if faults else 200,
        offer=offer,
        role_word=ROLE_WORDS[Role(offer.role)],
        is_for=_is_for(staff, offer),
        other=staff.email if staff is not None and not _is_for(staff, offer) else None,
        login=f"/login?next={request.url.path}",
        name=name,
        faults=faults or {},
        min_length=MIN_LENGTH,
        longest_name=LONGEST_NAME,
        csrf_token=csrf.token_for(request, cookies, staff),
    )
