"""The routes of the work list in the three areas."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.console.anomalies.desk import WorkList, anomaly_desk
from spapp.console.frame.choices import tenant_choices
from spapp.console.frame.looking import place_choices, write_down
from spapp.console.frame.places import (
    ADMIN,
    CONSOLE,
    MAY_REFUND,
    MAY_RESOLVE,
    MERCHANT,
    merchant_place,
    platform_place,
    provider_place,
    provider_scope,
)
from spapp.console.frame.workplace import Work
from sptenants.registry.access import access


class AnomalyPages(Controller):
    """Reading, the same in both areas; each says where it lies and for whom."""

    include_in_schema = False

    @get("/anomalies")
    async def anomalies(self, anomaly_desk: WorkList) -> Response[str]:
        return await anomaly_desk.show_list(await anomaly_desk.read_list())

    @get("/anomalies/{anomaly_id:str}")
    async def anomaly(self, anomaly_id: FromPath[str], anomaly_desk: WorkList) -> Response[str]:
        return await anomaly_desk.show_anomaly(await anomaly_desk.view(anomaly_id))


class ConsoleAnomalies(AnomalyPages):
    path = "/console"
    opt = CONSOLE
    dependencies = {"place": provider_place, "anomaly_desk": anomaly_desk}  # noqa: RUF012 - the framework reads it

    @get("/anomalies")
    async def anomalies(self, place: Work, anomaly_desk: WorkList) -> Response[str]:
        shown, scope = await anomaly_desk.read_list(), provider_scope(place.staff)
        tenants = await tenant_choices(
            place.database, scope, chosen=shown.query.tenant, provider_id=scope.provider_id
        )
        return await anomaly_desk.show_list(shown, tenants=tenants.options, tenant_word=tenants.chosen)

    @post("/anomalies/{anomaly_id:str}/resolve", status_code=200, opt=access("console", *MAY_RESOLVE))
    async def resolve(self, anomaly_id: FromPath[str], anomaly_desk: WorkList) -> Response[Any]:
        return await anomaly_desk.resolve(anomaly_id)

    @post("/anomalies/{anomaly_id:str}/refund", status_code=200, opt=access("console", *MAY_REFUND))
    async def give_back(self, anomaly_id: FromPath[str], anomaly_desk: WorkList) -> Response[Any]:
        return await anomaly_desk.give_back(anomaly_id)


class AdminAnomalies(Controller):
    """Every look is audited (rule Y4)."""

    path = "/admin"
    opt = ADMIN
    dependencies = {"place": platform_place, "anomaly_desk": anomaly_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/anomalies")
    async def anomalies(self, place: Work, anomaly_desk: WorkList) -> Response[str]:
        shown = await anomaly_desk.read_list()
        looked = {"filter": shown.query.as_facts(), "rows": len(shown.page.rows)}
        await write_down(place, "anomalies.listed", "anomaly", looked)
        return await anomaly_desk.show_list(shown, **await place_choices(place, shown.query))

    @get("/anomalies/{anomaly_id:str}")
    async def anomaly(self, anomaly_id: FromPath[str], place: Work, anomaly_desk: WorkList) -> Response[str]:
        view = await anomaly_desk.view(anomaly_id)
        await write_down(place, "anomaly.viewed", "anomaly", {"rows": 1}, anomaly_id, view.anomaly.tenant_id)
        return await anomaly_desk.show_anomaly(view)


class MerchantAnomalies(AnomalyPages):
    """The merchant sees what the service provider has to settle, and settles nothing."""

    path = "/m"
    opt = MERCHANT
    dependencies = {"place": merchant_place, "anomaly_desk": anomaly_desk}  # noqa: RUF012 - the framework reads it
