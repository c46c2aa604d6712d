"""Orders and work list across all tenants, for the platform's people. Every look is audited (rule Y4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Controller, Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath
from litestar.response import Redirect

from spapp.accounts.models import Role
from spapp.accounts.service import Staff
from spapp.console.anomaly_desk import WorkList, anomaly_desk
from spapp.console.choices import provider_choices, tenant_choices
from spapp.console.desk import Desk, order_desk
from spapp.console.list_query import ListQuery
from spapp.console.workplace import Rights, Work, Workplace
from spapp.web.i18n import N_
from spapp.web.pages import AnyRequest
from spcore.audit.models import PLATFORM_CHAIN
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope
from sptenants.registry.access import access

_TRANSACTIONS = "/admin/transactions"
_SCOPE = PlatformScope("pages of the platform's people")
_ACCESS = access("admin", Role.PLATFORM_ADMIN, Role.PLATFORM_AUDITOR)


async def _provide_place(
    request: AnyRequest,
    staff: NamedDependency[Staff],
    clock: NamedDependency[Clock],
    database: NamedDependency[Database],
) -> Workplace:
    rights = Rights(sees_provider=True)
    return Workplace(request, database, staff, clock.now(), _SCOPE, "/admin", _TRANSACTIONS, rights)


_PLACE = Provide(_provide_place)


class AdminController(Controller):
    path = "/admin"
    opt = _ACCESS
    dependencies = {"place": _PLACE, "desk": order_desk(N_("跨租户交易"))}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/")
    async def home(self) -> Redirect:
        return Redirect(_TRANSACTIONS, status_code=303)

    @get("/transactions")
    async def transactions(self, desk: Desk) -> Response[str]:
        shown = await desk.read_list()
        looked = {"filter": shown.query.as_facts(), "rows": len(shown.page.rows)}
        await _write_down(desk.place, "orders.listed", "order", looked)
        return await desk.show_list(shown, **await _choices(desk.place, shown.query))

    @get("/transactions/{order_id:str}")
    async def transaction(self, order_id: FromPath[str], desk: Desk) -> Response[str]:
        view = await desk.view(order_id)
        await _write_down(desk.place, "order.viewed", "order", {"rows": 1}, order_id, view.order.tenant_id)
        return await desk.show_order(view)


class AdminAnomalies(Controller):
    path = "/admin"
    opt = _ACCESS
    dependencies = {"place": _PLACE, "anomaly_desk": anomaly_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/anomalies")
    async def anomalies(self, place: Work, anomaly_desk: WorkList) -> Response[str]:
        shown = await anomaly_desk.read_list()
        looked = {"filter": shown.query.as_facts(), "rows": len(shown.page.rows)}
        await _write_down(place, "anomalies.listed", "anomaly", looked)
        return await anomaly_desk.show_list(shown, **await _choices(place, shown.query))

    @get("/anomalies/{anomaly_id:str}")
    async def anomaly(self, anomaly_id: FromPath[str], place: Work, anomaly_desk: WorkList) -> Response[str]:
        view = await anomaly_desk.view(anomaly_id)
        await _write_down(place, "anomaly.viewed", "anomaly", {"rows": 1}, anomaly_id, view.anomaly.tenant_id)
        return await anomaly_desk.show_anomaly(view)


async def _choices(place: Workplace, query: ListQuery) -> dict[str, Any]:
    """Return what the filters of a list across all tenants offer."""
    tenants = await tenant_choices(place.database, _SCOPE, chosen=query.tenant, provider_id=query.provider)
    providers = await provider_choices(place.database, _SCOPE, chosen=query.provider)
    return {
        "tenants": tenants.options,
        "tenant_word": tenants.chosen,
        "providers": providers.options,
        "provider_word": providers.chosen,
    }


async def _write_down(
    place: Workplace,
    action: str,
    object_kind: str,
    looked: Mapping[str, Any],
    object_id: str | None = None,
    tenant_id: str | None = None,
) -> None:
    """Record who saw what, committed before anything is shown; when that fails, nothing is shown."""
    facts = place.facts
    act = Act(
        actor=place.staff.actor,
        action=action,
        object_kind=object_kind,
        object_id=object_id,
        tenant_id=tenant_id,
        after=looked,
        request_id=facts.request_id,
        peer=facts.peer,
    )
    async with place.database.write(_SCOPE) as session:
        await record(session, PLATFORM_CHAIN, act, place.now)
