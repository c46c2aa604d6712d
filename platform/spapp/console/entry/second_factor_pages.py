"""The second step of signing in, and the page on which people set it up or take it away."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from spapp.accounts.errors import EnrolmentExpired, SecondFactorRefused, TooManyAttempts
from spapp.accounts.models import Level
from spapp.accounts.second_factor import SecondFactors
from spapp.accounts.service import SignedIn, Staff
from spapp.console.frame.forms import field, visitor
from spapp.console.frame.qr import qr_code
from spapp.console.frame.shell import show
from spapp.web.cookies import BrowserCookies
from spapp.web.guards import BEFORE_ENROLMENT, STAFF_ROLES, SignInNeeded, signed_in
from spapp.web.pages import AnyRequest, page
from spapp.web.redirects import own_path
from spcore.db.engine import Database
from spcore.errors import DomainError, Text
from spcore.settings import Settings
from sptenants.registry.access import access

PATH = "/account/second-factor"


class SecondStep(Controller):
    """Between the right password and the first page."""

    path = "/login/totp"
    opt = access("public", "anyone")
    include_in_schema = False

    @get()
    async def form(self, request: AnyRequest) -> Response[Any]:
        wanted = own_path(request.query_params.get("next"), "/")
        staff = signed_in(request)
        if staff is None:
            return Redirect("/login", status_code=303)
        if staff.level is not Level.PASSWORD:
            return Redirect(wanted, status_code=303)
        return _step(request, staff, wanted)

    @post(status_code=200)
    async def give(
        self,
        request: AnyRequest,
        second_factors: NamedDependency[SecondFactors],
        browser_cookies: NamedDependency[BrowserCookies],
    ) -> Response[Any]:
        staff, token = signed_in(request), browser_cookies.token(request)
        if staff is None or token is None:
            raise SignInNeeded()
        form = await request.form()
        wanted = own_path(field(form, "next"), "/")
        if staff.level is not Level.PASSWORD:
            return Redirect(wanted, status_code=303)
        try:
            opened = await second_factors.verify(staff, token, field(form, "code"), visitor(request))
        except (SecondFactorRefused, TooManyAttempts) as refusal:
            return _refused(_step(request, staff, wanted, refusal.text), refusal, status=401)
        return Redirect(wanted, status_code=303, cookies=[browser_cookies.session(opened.token)])


class SecondFactorPages(Controller):
    """One's own second factor; everybody who is signed in reaches it, in every area."""

    path = PATH
    opt = access("console", *sorted(STAFF_ROLES)) | BEFORE_ENROLMENT
    include_in_schema = False

    @get()
    async def own(
        self,
        request: AnyRequest,
        staff: NamedDependency[Staff],
        database: NamedDependency[Database],
        second_factors: NamedDependency[SecondFactors],
        settings: NamedDependency[Settings],
    ) -> Response[str]:
        return await _own(request, staff, database, second_factors, settings)

    @post(status_code=303)
    async def begin(
        self,
        request: AnyRequest,
        staff: NamedDependency[Staff],
        second_factors: NamedDependency[SecondFactors],
    ) -> Redirect:
        await second_factors.begin(staff, visitor(request))
        return Redirect(PATH, status_code=303)

    @post("/confirm", status_code=200)
    async def confirm(
        self,
        request: AnyRequest,
        staff: NamedDependency[Staff],
        database: NamedDependency[Database],
        second_factors: NamedDependency[SecondFactors],
        settings: NamedDependency[Settings],
        browser_cookies: NamedDependency[BrowserCookies],
    ) -> Response[str]:
        """Show the recovery codes in the answer itself: they are kept nowhere to be shown again."""
        token, code = browser_cookies.token(request) or "", field(await request.form(), "code")
        try:
            enrolled = await second_factors.confirm(staff, token, code, visitor(request))
        except (SecondFactorRefused, EnrolmentExpired) as refusal:
            answer = await _own(request, staff, database, second_factors, settings, refusal.text)
            return _refused(answer, refusal, status=422)
        answer = await show(
            request,
            database,
            enrolled.opened.staff,
            "account/recovery_codes.html",
            codes=enrolled.recovery_codes,
            renewed=False,
            current=PATH,
        )
        return _with_session(answer, browser_cookies, enrolled.opened)

    @post("/codes", status_code=200)
    async def renew_codes(
        self,
        request: AnyRequest,
        staff: NamedDependency[Staff],
        database: NamedDependency[Database],
        second_factors: NamedDependency[SecondFactors],
        settings: NamedDependency[Settings],
    ) -> Response[str]:
        """Show new recovery codes in the answer itself; the old ones stop working."""
        code = field(await request.form(), "code")
        try:
            codes = await second_factors.renew_codes(staff, code, visitor(request))
        except (SecondFactorRefused, TooManyAttempts) as refusal:
            answer = await _own(request, staff, database, second_factors, settings, refusal.text)
            return _refused(answer, refusal, status=422)
        return await show(
            request, database, staff, "account/recovery_codes.html", codes=codes, renewed=True, current=PATH
        )

    @post("/remove", status_code=200)
    async def remove(
        self,
        request: AnyRequest,
        staff: NamedDependency[Staff],
        database: NamedDependency[Database],
        second_factors: NamedDependency[SecondFactors],
        settings: NamedDependency[Settings],
        browser_cookies: NamedDependency[BrowserCookies],
    ) -> Response[Any]:
        token, code = browser_cookies.token(request) or "", field(await request.form(), "code")
        try:
            opened = await second_factors.remove(staff, token, code, visitor(request))
        except (SecondFactorRefused, TooManyAttempts) as refusal:
            answer = await _own(request, staff, database, second_factors, settings, refusal.text)
            return _refused(answer, refusal, status=422)
        return _with_session(Redirect(PATH, status_code=303), browser_cookies, opened)


def _step(request: AnyRequest, staff: Staff, wanted: str, refusal: Text | None = None) -> Response[str]:
    return page(
        request,
        "signin/totp.html",
        next=wanted,
        email=staff.email,
        refusal=refusal,
        csrf_token=staff.csrf_token,
    )


async def _own(
    request: AnyRequest,
    staff: Staff,
    database: Database,
    second_factors: SecondFactors,
    settings: Settings,
    refusal: Text | None = None,
) -> Response[str]:
    """Show where one stands: inside the frame, or on a page of its own before anything else is open."""
    standing = await second_factors.standing(staff)
    context: dict[str, Any] = {
        "standing": standing,
        "qr": None if standing.enrolment is None else qr_code(standing.enrolment.uri),
        "required": settings.require_second_factor,
        "refusal": refusal,
        "current": PATH,
        "bare": staff.level is Level.ENROL,
    }
    if staff.level is Level.ENROL:
        context |= {"email": staff.email, "csrf_token": staff.csrf_token}
        return page(request, "account/second_factor.html", **context)
    return await show(request, database, staff, "account/second_factor.html", **context)


def _refused(answer: Response[str], refusal: DomainError, *, status: int) -> Response[str]:
    """Make a form that is shown again an answer with the refusal's own status."""
    answer.status_code = status
    if refusal.retry_after_s is not None:
        answer.status_code = 429
        answer.headers["Retry-After"] = str(refusal.retry_after_s)
    return answer


def _with_session(answer: Response[Any], cookies: BrowserCookies, opened: SignedIn) -> Response[Any]:
    answer.set_cookie(cookies.session(opened.token))
    return answer
