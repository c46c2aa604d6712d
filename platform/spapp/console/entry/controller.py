"""Coming in and going out: sign-in, set-up links, changing roles, language and theme."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import Controller, Response, get, post
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from spapp.accounts.errors import SignInRefused, TooManyAttempts, WeakPassword
from spapp.accounts.models import Level
from spapp.accounts.people import People
from spapp.accounts.service import Accounts
from spapp.console.frame.forms import field, visitor
from spapp.console.frame.menu import area_of
from spapp.web import csrf
from spapp.web.cookies import BrowserCookies
from spapp.web.guards import SignInNeeded, signed_in
from spapp.web.i18n import LANGUAGE_COOKIE, LANGUAGES, N_
from spapp.web.pages import THEME_COOKIE, AnyRequest, page
from spapp.web.redirects import own_path
from spcore.errors import Text
from sptenants.registry.access import RequestFacts, access

_PUBLIC = access("public", "anyone")
_YEAR_S = 365 * 24 * 3600


class EntryController(Controller):
    opt = _PUBLIC
    include_in_schema = False

    @get("/")
    async def start(self, request: AnyRequest) -> Redirect:
        """Lead everybody to their own first page, or to what is missing before it."""
        staff = signed_in(request)
        return Redirect("/login" if staff is None else area_of(staff.role).home, status_code=303)

    @get("/login")
    async def sign_in_form(
        self, request: AnyRequest, browser_cookies: NamedDependency[BrowserCookies]
    ) -> Response[Any]:
        wanted = own_path(request.query_params.get("next"), "/")
        staff = signed_in(request)
        if staff is not None and staff.level is not Level.PASSWORD:
            return Redirect(wanted, status_code=303)
        notice = N_("密码已保存，请登录。") if "ready" in request.query_params else None
        return _form(request, browser_cookies, wanted=wanted, notice=notice)

    @post("/login", status_code=200)
    async def sign_in(
        self,
        request: AnyRequest,
        accounts: NamedDependency[Accounts],
        browser_cookies: NamedDependency[BrowserCookies],
    ) -> Response[Any]:
        form = await request.form()
        email, password = field(form, "email"), field(form, "password")
        wanted = own_path(field(form, "next"), "/")
        try:
            opened = await accounts.sign_in(
                email, password, visitor(request), previous_token=browser_cookies.token(request)
            )
        except SignInRefused as refusal:
            return _form(
                request, browser_cookies, wanted=wanted, email=email, refusal=refusal.text, status=401
            )
        except TooManyAttempts as refusal:
            answer = _form(
                request, browser_cookies, wanted=wanted, email=email, refusal=refusal.text, status=429
            )
            answer.headers["Retry-After"] = str(refusal.retry_after_s)
            return answer
        if opened.staff.level is Level.PASSWORD:
            wanted = f"/login/totp?next={quote(wanted, safe='')}"
        return Redirect(wanted, status_code=303, cookies=[browser_cookies.session(opened.token)])

    @post("/logout", status_code=303)
    async def sign_out(
        self,
        request: AnyRequest,
        accounts: NamedDependency[Accounts],
        browser_cookies: NamedDependency[BrowserCookies],
    ) -> Redirect:
        if token := browser_cookies.token(request):
            await accounts.sign_out(token, visitor(request))
        return Redirect("/login", status_code=303, cookies=[browser_cookies.no_session()])

    @post("/switch", status_code=303)
    async def switch_role(
        self,
        request: AnyRequest,
        accounts: NamedDependency[Accounts],
        browser_cookies: NamedDependency[BrowserCookies],
    ) -> Redirect:
        """Work in another of one's roles, under a new session token (S01)."""
        token = browser_cookies.token(request)
        if token is None:
            raise SignInNeeded()
        membership_id = field(await request.form(), "membership")
        opened = await accounts.switch(token, membership_id, visitor(request))
        return Redirect("/", status_code=303, cookies=[browser_cookies.session(opened.token)])

    @get("/setup/{token:str}")
    async def setup_form(
        self,
        request: AnyRequest,
        token: FromPath[str],
        people: NamedDependency[People],
        browser_cookies: NamedDependency[BrowserCookies],
    ) -> Response[str]:
        """Show the form of a one-time link; looking at it does not use it up (S17)."""
        return _setup(request, browser_cookies, await people.open_link(token))

    @post("/setup/{token:str}", status_code=200)
    async def set_password(
        self,
        request: AnyRequest,
        token: FromPath[str],
        people: NamedDependency[People],
        browser_cookies: NamedDependency[BrowserCookies],
    ) -> Response[Any]:
        email, facts = await people.open_link(token), RequestFacts.of(request)
        password = field(await request.form(), "password")
        try:
            await people.redeem(token, password, peer=facts.peer, request_id=facts.request_id)
        except WeakPassword as refusal:
            return _setup(request, browser_cookies, email, refusal.text)
        return Redirect("/login?ready=1", status_code=303)

    @get("/preferences")
    async def preferences(self, request: AnyRequest) -> Redirect:
        """Remember language or theme in this browser. A GET, because nothing of ours changes by it."""
        given, chosen = request.query_params, []
        if given.get("lang") in LANGUAGES:
            chosen.append(_preference(LANGUAGE_COOKIE, given["lang"]))
        if given.get("theme") in ("light", "dark"):
            chosen.append(_preference(THEME_COOKIE, given["theme"]))
        return Redirect(own_path(given.get("next"), "/"), status_code=303, cookies=chosen)


def _form(
    request: AnyRequest,
    cookies: BrowserCookies,
    *,
    wanted: str,
    email: str = "",
    refusal: Text | None = None,
    notice: str | None = None,
    status: int = 200,
) -> Response[str]:
    return page(
        request,
        "signin/login.html",
        status=status,
        next=wanted,
        email=email,
        refusal=refusal,
        notice=notice,
        csrf_token=_token(request, cookies),
    )


def _setup(
    request: AnyRequest, cookies: BrowserCookies, email: str, refusal: Text | None = None
) -> Response[str]:
    return page(
        request,
        "signin/setup.html",
        status=200 if refusal is None else 422,
        email=email,
        refusal=refusal,
        csrf_token=_token(request, cookies),
    )


def _token(request: AnyRequest, cookies: BrowserCookies) -> str:
    return csrf.token_for(request, cookies, signed_in(request))


def _preference(name: str, value: str) -> Cookie:
    return Cookie(key=name, value=value, path="/", max_age=_YEAR_S, samesite="lax")
