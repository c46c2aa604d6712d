"""The pages of bills: the list of days, one day, and having a bill fetched. One desk a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect, Stream

from spapp.console.bills.form import BillForm
from spapp.console.bills.query import BillQuery
from spapp.console.bills.views import BillView, DayView, day_views
from spapp.console.bills.words import BILL, KIND
from spapp.console.frame.places import PLATFORM_SCOPE
from spapp.console.frame.workplace import PAGE_SIZE, Notice, Work, Workplace, refused
from spapp.console.statements.views import LineView, StatementView
from spapp.web.i18n import N_
from spapp.web.pages import SHANGHAI
from spcore.audit.writer import Act, record
from spcore.db.keyset import Page
from spcore.db.scope import PlatformScope, ProviderScope
from spcore.errors import InvalidInput, NotFound, Text
from sptenants.bills.line_pages import LinePages
from sptenants.bills.reader import Bookshelf
from sptenants.bills.records import BillRecord, DayOfBills
from sptenants.bills.service import Bills
from sptenants.reconciliation.intake import day_of_path
from sptenants.reconciliation.reader import StatementReader
from sptenants.reconciliation.records import ProviderDay, StatementFilter, StatementRecord
from sptenants.registry.reader import TenantReader

STRAYS_SHOWN = 50
"""Lines of nobody; more of them are differences all the same."""

_FETCHING = Text(
    "已安排下载；微信一有账单就会出现在这里，无需停留在此页。",
    "It will be fetched; it appears here as soon as WeChat has it. There is no need to wait.",
)
_NO_NUMBER = Text("这个商户还没有特约商户号。", "This tenant has no sub-merchant number yet.")


@dataclass(frozen=True, slots=True)
class BillList:
    """Everything the list shows, read before anything is rendered."""

    query: BillQuery
    page: Page[DayOfBills]
    sums: Mapping[tuple[str, date], ProviderDay]


@dataclass(frozen=True, slots=True)
class BillDay:
    """Everything the page of a day shows. `provider_id` is set where the platform's people chose one."""

    day: date
    provider_id: str | None
    days: tuple[DayView, ...]
    statements: Page[StatementRecord]
    strays: tuple[LineView, ...]
    faults: tuple[Text, ...] = ()
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class BillDesk:
    place: Workplace
    bills: Bills
    shelf: Bookshelf
    lines: LinePages
    statements: StatementReader
    tenants: TenantReader

    @property
    def base(self) -> str:
        return f"{self.place.base}/bills"

    @property
    def scope(self) -> ProviderScope | PlatformScope:
        scope = self.place.scope
        return scope if isinstance(scope, ProviderScope) else PLATFORM_SCOPE

    # --- the list ------------------------------------------------------------------------------------

    async def read_list(self) -> BillList:
        """Read the list that the address bar asks for; a cursor that is not ours leads to the first page."""
        query = BillQuery.parse(self.base, self.place.request.query_params, self.place.now)
        try:
            found = await self.shelf.days(self.scope, query.to_filter(), PAGE_SIZE, query.cursor)
        except InvalidInput as refusal:
            query = query.first_page(*(fault.text for fault in refusal.faults))
            found = await self.shelf.days(self.scope, query.to_filter(), PAGE_SIZE)
        days = [one.day for one in found.rows]
        return BillList(query, found, await self.statements.provider_days(self.scope, days))

    async def show_list(self, shown: BillList, form: BillForm | None = None, **choices: Any) -> Response[str]:
        """Answer with the list. `choices` are the options of provider filter and form."""
        query = shown.query
        return await self.place.show(
            "bills/list.html",
            heading=N_("对账单"),
            current=self.base,
            place=self.place,
            query=query,
            states=BILL.items(),
            kinds=KIND.items(),
            rows=list(day_views(self.place, shown.page.rows, shown.sums)),
            days=len(shown.page.rows),
            next_url=query.next_url(shown.page.next_cursor),
            form=form or BillForm(),
            **({"tenants": (), "providers": None} | choices),
        )

    async def fetch_any(self, form: BillForm, **choices: Any) -> Response[Any]:
        """Have the bill of the form fetched, and lead to its day. Raises NotFound for a foreign tenant."""
        faults = form.check(self.place.now.astimezone(SHANGHAI).date())
        number, scope = None, self.scope
        if form.tenant and not faults:
            number = (await self.tenants.detail(scope, form.tenant)).tenant.sub_mch_id
            if number is None:
                faults = {"tenant": _NO_NUMBER}
        if faults or (day := form.wanted_day) is None or not isinstance(scope, ProviderScope):
            answer = await self.show_list(await self.read_list(), replace(form, faults=faults), **choices)
            return refused(answer)
        wanted = form.wanted(day, number)
        bill = await self.bills.want(scope, wanted, self.place.staff.actor, self.place.facts)
        return Redirect(BillView(self.place, bill).url, status_code=303)

    # --- a day ---------------------------------------------------------------------------------------

    async def read_day(self, day_text: str) -> BillDay:
        """Read a day. Raises NotFound for one without any bill that the person may see."""
        day, params = day_of_path(day_text), self.place.request.query_params
        provider_id = (params.get("provider") or None) if isinstance(self.scope, PlatformScope) else None
        if provider_id is not None and "\0" in provider_id:
            raise NotFound
        found = await self.shelf.of_day(self.scope, day, provider_id)
        if not found:
            raise NotFound
        sums = await self.statements.provider_days(self.scope, [day])
        wanted, cursor = StatementFilter(provider_id=provider_id), params.get("cursor") or None
        faults: tuple[Text, ...] = ()
        try:
            statements = await self.statements.of_day(self.scope, day, PAGE_SIZE, cursor, wanted)
        except InvalidInput as refusal:
            faults, cursor = tuple(fault.text for fault in refusal.faults), None
            statements = await self.statements.of_day(self.scope, day, PAGE_SIZE, None, wanted)
        strays = await self.lines.of_nobody(self.scope, day, provider_id, STRAYS_SHOWN)
        return BillDay(
            day,
            provider_id,
            tuple(day_views(self.place, [DayOfBills(day, found)], sums)),
            statements,
            tuple(LineView(line) for line in strays),
            faults,
            cursor,
        )

    async def show_day(self, shown: BillDay, said: Notice | None = None) -> Response[str]:
        url = f"{self.base}/{shown.day}"
        chosen = f"provider={shown.provider_id}&" if shown.provider_id else ""
        next_cursor = shown.statements.next_cursor
        return await self.place.show(
            "bills/day.html",
            heading=N_("对账单"),
            current=self.base,
            list_url=self.base,
            place=self.place,
            shown=shown,
            said=said,
            statements=[StatementView(self.place, statement) for statement in shown.statements.rows],
            first_url=f"{url}?{chosen}".rstrip("?&") if shown.cursor else None,
            next_url=f"{url}?{chosen}cursor={next_cursor}" if next_cursor else None,
            most_strays=STRAYS_SHOWN,
        )

    async def fetch_again(self, day_text: str, bill_id: str) -> Response[Any]:
        """Have one bill fetched again. Raises NotFound."""
        bill = await self._record(day_text, bill_id)

        async def done() -> Notice:
            await self.bills.want(bill.scope, bill.wanted, self.place.staff.actor, self.place.facts)
            return Notice("info", _FETCHING)

        async def shown(notice: Notice | None) -> Response[str]:
            return await self.show_day(await self.read_day(day_text), notice)

        return await self.place.act(BillView(self.place, bill).url, done, shown)

    async def download(self, day_text: str, bill_id: str) -> Stream:
        """Send a bill's file as it came, after the audit row. Raises NotFound, also when there is none."""
        bill = await self._record(day_text, bill_id)
        content = await self.shelf.text(bill.scope, bill_id)
        facts = self.place.facts
        act = Act(
            actor=self.place.staff.actor,
            action="bill.downloaded",
            object_kind="bill",
            object_id=bill.id,
            tenant_id=bill.tenant_id,
            after={"date": bill.day.isoformat(), "kind": bill.kind.value, "sha1": bill.sha1},
            request_id=facts.request_id,
            peer=facts.peer,
        )
        async with self.place.database.write(bill.scope) as session:
            await record(session, bill.provider_id, act, self.place.now)
        name = "-".join(
            filter(None, ("bill", f"{bill.day:%Y%m%d}", bill.kind, bill.account, bill.sub_mch_id))
        )
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
        return Stream(content, media_type="text/csv; charset=utf-8", headers=headers)

    async def _record(self, day_text: str, bill_id: str) -> BillRecord:
        bill = await self.shelf.record(self.scope, bill_id)
        if bill.day != day_of_path(day_text):
            raise NotFound
        return bill


Filing = NamedDependency[SkipValidation[BillDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_bill_desk(
    place: Work,
    bills: NamedDependency[Bills],
    bookshelf: NamedDependency[Bookshelf],
    line_pages: NamedDependency[LinePages],
    statement_reader: NamedDependency[StatementReader],
    tenant_reader: NamedDependency[TenantReader],
) -> BillDesk:
    return BillDesk(place, bills, bookshelf, line_pages, statement_reader, tenant_reader)


bill_desk = Provide(_provide_bill_desk, sync_to_thread=False)
