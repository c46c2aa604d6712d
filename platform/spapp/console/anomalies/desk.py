"""The work list of an area, one thing on it, and what a person does about it. One desk a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from spapp.accounts.second_factor import SecondFactors
from spapp.console.anomalies.query import TABS, AnomalyQuery
from spapp.console.anomalies.views import AnomalyView, title_of
from spapp.console.frame.forms import field, visitor
from spapp.console.frame.workplace import PAGE_SIZE, Notice, Work, Workplace
from spapp.web.i18n import N_
from spcore.db.keyset import Page
from spcore.db.scope import TenantScope
from spcore.errors import InvalidInput, Text
from sptenants.anomalies.errors import MAX_NOTE
from sptenants.anomalies.records import AnomalyRecord
from sptenants.anomalies.service import Anomalies
from sptenants.orders.disputes import AnomalyKind
from sptenants.refunds.reader import RefundReader
from sptenants.refunds.service import RefundService

_GIVEN_BACK = "重复支付退回"
"""The reason that the payer sees."""
_WAITS = Text(
    "金额超过限额，须由另一位服务商管理员或财务在退款页批准后才会提交微信支付。",
    "The amount is above the limit: another owner or finance person has to approve it on the refund's page.",
)


@dataclass(frozen=True, slots=True)
class AnomalyList:
    """Everything a work list shows, read before anything is rendered."""

    query: AnomalyQuery
    page: Page[AnomalyRecord]


@dataclass(frozen=True, slots=True)
class AnomalyDesk:
    place: Workplace
    anomalies: Anomalies
    refunds: RefundService
    refund_reader: RefundReader
    second_factors: SecondFactors

    @property
    def base(self) -> str:
        return f"{self.place.base}/anomalies"

    async def read_list(self) -> AnomalyList:
        """Read the list that the address bar asks for; a cursor that is not ours leads to the first page."""
        query = AnomalyQuery.parse(self.base, self.place.request.query_params, self.place.now)
        try:
            found = await self.anomalies.list(self.place.scope, query.to_filter(), PAGE_SIZE, query.cursor)
        except InvalidInput as refusal:
            query = query.first_page(*(fault.text for fault in refusal.faults))
            found = await self.anomalies.list(self.place.scope, query.to_filter(), PAGE_SIZE)
        return AnomalyList(query, found)

    async def show_list(self, shown: AnomalyList, **choices: Any) -> Response[str]:
        """Answer with the list. `choices` are the options of the tenant and provider filters, if any."""
        query = shown.query
        return await self.place.show(
            "anomalies/list.html",
            heading=N_("需处理"),
            current=self.base,
            query=query,
            tabs=[(word, query.url(tab=tab), tab is query.tab) for tab, word in TABS.items()],
            kinds=[(kind, title_of(kind)) for kind in AnomalyKind],
            rows=[AnomalyView(self.place, anomaly) for anomaly in shown.page.rows],
            next_url=query.next_url(shown.page.next_cursor),
            **({"tenants": None, "providers": None} | choices),
        )

    async def view(self, anomaly_id: str, said: Notice | None = None, note: str = "") -> AnomalyView:
        """Read one thing. Raises NotFound, also for somebody else's (rule Y3)."""
        anomaly = await self._record(anomaly_id)
        view = AnomalyView(self.place, anomaly, said, note)
        return replace(view, asks_code=await self._needs_code(anomaly)) if view.may_give_back else view

    async def show_anomaly(self, view: AnomalyView) -> Response[str]:
        """Answer with the part for the drawer when htmx asks, else with the whole page."""
        return await self.place.show_detail(
            "anomalies/detail.html",
            "anomalies/page.html",
            view=view,
            anomaly=view.anomaly,
            max_note=MAX_NOTE,
            heading=N_("需处理"),
            list_url=self.base,
            current=self.base,
        )

    async def resolve(self, anomaly_id: str) -> Response[Any]:
        """Take it off the list, with a note of what was done. Raises NotFound."""
        scope = _own_scope(await self._record(anomaly_id))
        note = field(await self.place.request.form(), "note").strip()

        async def done() -> Notice:
            await self.anomalies.resolve(scope, anomaly_id, self.place.staff.actor, note, self.place.facts)
            return Notice("ok", Text("已标记为已处理。", "Marked as settled."))

        return await self._act(anomaly_id, done, note)

    async def give_back(self, anomaly_id: str) -> Response[Any]:
        """Refund the second of two payments of an order. Raises NotFound."""
        anomaly = await self._record(anomaly_id)
        scope, code = _own_scope(anomaly), field(await self.place.request.form(), "code").strip()

        async def done() -> Notice:
            staff = self.place.staff
            above = await self._is_above_limit(anomaly)
            if above and staff.has_second_factor:
                await self.second_factors.prove(staff, code, visitor(self.place.request), "refund")
            await self.refunds.refund_duplicate(
                scope, anomaly_id, staff.actor, _GIVEN_BACK, facts=self.place.facts, needs_approval=above
            )
            if above:
                return Notice("wait", _WAITS)
            text = Text(
                "已发起退款，多付的一笔会退给付款用户；到账后这里会自动更新。",
                "The second payment is being refunded to the payer; this shows its result by itself.",
            )
            return Notice("ok", text)

        return await self._act(anomaly_id, done)

    async def _needs_code(self, anomaly: AnomalyRecord) -> bool:
        """Whether giving the money back asks for a current code (S12)."""
        return self.place.staff.has_second_factor and await self._is_above_limit(anomaly)

    async def _is_above_limit(self, anomaly: AnomalyRecord) -> bool:
        """Whether giving the money back waits for a second person (F07)."""
        above = await self.refund_reader.approval_limit(_own_scope(anomaly))
        return anomaly.amount is not None and above is not None and anomaly.amount > above

    async def _record(self, anomaly_id: str) -> AnomalyRecord:
        return await self.anomalies.record(self.place.scope, anomaly_id)

    async def _act(
        self, anomaly_id: str, done: Callable[[], Awaitable[Notice]], note: str = ""
    ) -> Response[Any]:
        async def shown(notice: Notice | None) -> Response[str]:
            kept = note if notice is not None and notice.tone == "bad" else ""
            return await self.show_anomaly(await self.view(anomaly_id, notice, kept))

        return await self.place.act(f"{self.base}/{anomaly_id}", done, shown)


WorkList = NamedDependency[SkipValidation[AnomalyDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_anomaly_desk(
    place: Work,
    anomalies: NamedDependency[Anomalies],
    refunds: NamedDependency[RefundService],
    refund_reader: NamedDependency[RefundReader],
    second_factors: NamedDependency[SecondFactors],
) -> AnomalyDesk:
    return AnomalyDesk(place, anomalies, refunds, refund_reader, second_factors)


def _own_scope(anomaly: AnomalyRecord) -> TenantScope:
    return TenantScope(anomaly.provider_id, anomaly.tenant_id)


anomaly_desk = Provide(_provide_anomaly_desk, sync_to_thread=False)
