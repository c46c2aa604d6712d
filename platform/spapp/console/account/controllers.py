"""One's own account; everybody who is signed in reaches it, in every area."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect

from spapp.accounts.errors import SecondFactorRefused, TooManyAttempts, WeakPassword, WrongPassword
from spapp.accounts.models import Role
from spapp.accounts.notices import NoticeBoard
from spapp.accounts.own import OwnAccount, OwnEvent, OwnSession
from spapp.accounts.passwords import MIN_LENGTH
from spapp.accounts.second_factor import SecondFactors
from spapp.accounts.service import Staff
from spapp.console.account.devices import device_of, is_phone
from spapp.console.frame.forms import field as text_of
from spapp.console.frame.forms import visitor
from spapp.console.frame.places import MERCHANT
from spapp.console.frame.shell import ROLE_WORDS, show
from spapp.console.frame.words import ACTION
from spapp.console.frame.workplace import plain_text, refused
from spapp.web.cookies import BrowserCookies
from spapp.web.guards import STAFF_ROLES
from spapp.web.pages import AnyRequest
from spapp.web.redirects import own_path
from spcore.db.engine import Database
from spcore.errors import InvalidInput, Text
from sptenants.registry.access import access

PATH = "/account"
_BAD_EVENTS = frozenset({"session.sign_in_refused", "second_factor.refused"})


@dataclass(frozen=True, slots=True)
class SessionLine:
    session: OwnSession
    device: str | None
    icon: str
    role_word: str


@dataclass(frozen=True, slots=True)
class EventLine:
    event: OwnEvent
    word: str
    is_bad: bool


@dataclass(frozen=True, slots=True)
class AccountDesk:
    request: AnyRequest
    staff: Staff
    database: Database
    account: OwnAccount
    second_factors: SecondFactors
    cookies: BrowserCookies

    @property
    def token(self) -> str:
        return self.cookies.token(self.request) or ""

    async def show(self, faults: dict[str, Text] | None = None, name: str | None = None) -> Response[str]:
        """Answer with the page; `faults` by field make it a form that is shown again."""
        sessions = await self.account.sessions(self.staff, self.token)
        events = await self.account.events(self.staff)
        answer = await show(
            self.request,
            self.database,
            self.staff,
            "account/account.html",
            current=PATH,
            name=self.staff.name if name is None else name,
            email=self.staff.email,
            faults=faults or {},
            min_length=MIN_LENGTH,
            asks_code=self.staff.has_second_factor,
            standing=await self.second_factors.standing(self.staff),
            sessions=[_session_line(each) for each in sessions],
            events=[EventLine(each, ACTION[each.action], each.action in _BAD_EVENTS) for each in events],
            saved="saved" in self.request.query_params,
        )
        return refused(answer) if faults else answer

    async def rename(self) -> Response[Any]:
        name = text_of(await self.request.form(), "name")
        try:
            await self.account.rename(self.staff, name, visitor(self.request))
        except InvalidInput as refusal:
            return await self.show({"name": plain_text(refusal)}, name)
        return Redirect(f"{PATH}?saved=1", status_code=303)

    async def change_password(self) -> Response[Any]:
        """Old password, new password, fresh code, in this order: the code is used up last."""
        form, who = await self.request.form(), visitor(self.request)
        present, new = text_of(form, "present"), text_of(form, "new")
        try:
            await self.account.check_password(self.staff, present, new, who)
            if self.staff.has_second_factor:
                code = text_of(form, "code").strip()
                await self.second_factors.prove(self.staff, code, who, "change_password")
        except WeakPassword as refusal:
            return await self.show({"new": refusal.text})
        except WrongPassword as refusal:
            return await self.show({"present": refusal.text})
        except SecondFactorRefused as refusal:
            return await self.show({"code": refusal.text})
        except TooManyAttempts as refusal:
            answer = await self.show({"present": refusal.text})
            answer.status_code = 429
            answer.headers["Retry-After"] = str(refusal.retry_after_s)
            return answer
        opened = await self.account.change_password(self.staff, self.token, new, who)
        return Redirect(f"{PATH}?saved=1", status_code=303, cookies=[self.cookies.session(opened.token)])


Own = NamedDependency[SkipValidation[AccountDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_account_desk(
    request: AnyRequest,
    staff: NamedDependency[Staff],
    database: NamedDependency[Database],
    own_account: NamedDependency[OwnAccount],
    second_factors: NamedDependency[SecondFactors],
    browser_cookies: NamedDependency[BrowserCookies],
) -> AccountDesk:
    return AccountDesk(request, staff, database, own_account, second_factors, browser_cookies)


class AccountPages(Controller):
    path = PATH
    opt = access("console", *sorted(STAFF_ROLES))
    dependencies = {"account_desk": Provide(_provide_account_desk, sync_to_thread=False)}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def own(self, account_desk: Own) -> Response[str]:
        return await account_desk.show()

    @post("/name", status_code=200)
    async def rename(self, account_desk: Own) -> Response[Any]:
        return await account_desk.rename()

    @post("/password", status_code=200)
    async def change_password(self, account_desk: Own) -> Response[Any]:
        return await account_desk.change_password()

    @post("/sessions/end", status_code=303)
    async def end_session(self, account_desk: Own) -> Redirect:
        """End one session of one's own; raises NotFound for any other."""
        desk, form = account_desk, await account_desk.request.form()
        await desk.account.end_session(desk.staff, text_of(form, "session"), visitor(desk.request))
        return Redirect(PATH, status_code=303)

    @post("/sessions/end-others", status_code=303)
    async def end_others(self, account_desk: Own) -> Redirect:
        desk = account_desk
        await desk.account.end_others(desk.staff, desk.token, visitor(desk.request))
        return Redirect(PATH, status_code=303)

    @post("/notices/dismiss", status_code=303)
    async def dismiss(
        self, request: AnyRequest, staff: NamedDependency[Staff], notice_board: NamedDependency[NoticeBoard]
    ) -> Redirect:
        """Take a notice off for oneself; raises NotFound for one that concerns others."""
        form = await request.form()
        await notice_board.dismiss(staff, text_of(form, "notice"))
        return Redirect(own_path(text_of(form, "next"), "/"), status_code=303)


class MerchantAccount(Controller):
    """The same page under the address of the merchant's area."""

    path = "/m/account"
    opt = MERCHANT
    include_in_schema = False

    @get()
    async def own(self) -> Redirect:
        return Redirect(PATH, status_code=303)


def _session_line(session: OwnSession) -> SessionLine:
    phone = is_phone(session.user_agent)
    return SessionLine(
        session,
        device_of(session.user_agent),
        "device-mobile" if phone else "device-desktop",
        ROLE_WORDS[Role(session.role)],
    )
