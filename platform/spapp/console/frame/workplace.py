"""Where the person of a request works: whose rows they see, under which addresses, with which rights."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.response import Redirect

from spapp.accounts.second_factor import SecondFactors
from spapp.accounts.service import Staff
from spapp.console.frame.shell import show
from spapp.console.frame.words import Tone
from spapp.web.pages import AnyRequest, is_htmx, page
from spcore.db.engine import Database
from spcore.errors import DomainError, InvalidInput, NotFound, Text
from sptenants.orders.filters import ReadScope
from sptenants.registry.access import RequestFacts
from sptenants.registry.errors import Forbidden

PAGE_SIZE = 20

CHANGED = {"HX-Trigger": "list-outdated"}
"""Tells the list behind the drawer that it is out of date."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence above an object: what an action came to, or what a person should know about it."""

    tone: Tone
    text: Text


@dataclass(frozen=True, slots=True)
class Rights:
    """What the person may do in their area, states aside."""

    sync: bool = False
    close: bool = False
    refund: bool = False
    approve: bool = False
    """Approve or decline a refund that somebody else asked for."""
    resolve: bool = False
    export: bool = False
    onboard: bool = False
    """Keep tenants, bindings and webhooks, and send again."""
    own: bool = False
    """Keep keys and people."""
    reconcile: bool = False
    """Close differences, and have WeChat asked about them again."""
    fetch_bills: bool = False
    refund_pages: bool = False
    tenant_page: bool = False
    sees_provider: bool = False


@dataclass(frozen=True, slots=True)
class Workplace:
    """`base` is the address of the area, `orders` that of its order list."""

    request: AnyRequest
    database: Database
    staff: Staff
    now: datetime
    scope: ReadScope
    base: str
    orders: str
    rights: Rights
    second_factors: SecondFactors

    @property
    def facts(self) -> RequestFacts:
        return RequestFacts.of(self.request)

    @property
    def wants_part(self) -> bool:
        """Whether htmx asks for a part of a page."""
        return is_htmx(self.request)

    def require(self, right: bool) -> None:
        """Raise Forbidden without the right. Asked after the object was found, so that foreign stays 404."""
        if not right:
            raise Forbidden(Text("你的角色不能执行此操作。", "Your role may not do this."))

    async def show(self, template: str, **context: Any) -> Response[str]:
        """Answer with a page inside the frame."""
        return await show(self.request, self.database, self.staff, template, **context)

    async def show_detail(self, part: str, whole: str, **context: Any) -> Response[str]:
        """Answer with the part for drawer or dialog when htmx asks, else with the whole page around it."""
        if self.wants_part:
            return page(self.request, part, csrf_token=self.staff.csrf_token, **context)
        return await self.show(whole, **context)

    async def act(
        self,
        url: str,
        do: Callable[[], Awaitable[Notice | None]],
        shown: Callable[[Notice | None], Awaitable[Response[str]]],
    ) -> Response[Any]:
        """Do something to the object at `url` and show it as it is then, or why it was not done.

        Without htmx a success leads back to the page by a redirect, so that reloading does not act again.
        """
        try:
            notice = await do()
        except (NotFound, Forbidden):
            raise
        except DomainError as refusal:
            return refused(await shown(Notice("bad", plain_text(refusal))), refusal)
        if not self.wants_part:
            return Redirect(url, status_code=303)
        answer = await shown(notice)
        answer.headers |= CHANGED
        return answer


Work = NamedDependency[SkipValidation[Workplace]]
"""How desks ask for the place that their area provides; it was built by us, so nothing validates it."""


def plain_text(refusal: DomainError) -> Text:
    """Return what to tell a person: about a single field its sentence, without the pointer for programs."""
    if isinstance(refusal, InvalidInput) and len(refusal.faults) == 1:
        return refusal.faults[0].text
    return refusal.text


def refused(answer: Response[str], refusal: DomainError | None = None) -> Response[str]:
    """Make a page that is shown again an answer that says so, and when trying again helps."""
    answer.status_code = 422
    if refusal is not None and refusal.retry_after_s is not None:
        answer.headers["Retry-After"] = str(refusal.retry_after_s)
    return answer
