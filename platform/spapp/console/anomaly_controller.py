"""The routes of the work list in the service provider's area, and what the merchant's has of them."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from spapp.accounts.service import Staff
from spapp.console.anomaly_desk import WorkList, anomaly_desk
from spapp.console.choices import tenant_choices
from spapp.console.controller import MAY_REFUND, MAY_RESOLVE, READERS, provider_place, provider_scope
from spcore.db.engine import Database
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
    opt = access("console", *READERS)
    dependencies = {"place": provider_place, "anomaly_desk": anomaly_desk}  # noqa: RUF012 - the framework reads it

    @get("/anomalies")
    async def anomalies(
        self, anomaly_desk: WorkList, staff: NamedDependency[Staff], database: NamedDependency[Database]
    ) -> Response[str]:
        shown, scope = await anomaly_desk.read_list(), provider_scope(staff)
        tenants = await tenant_choices(
            database, scope, chosen=shown.query.tenant, provider_id=scope.provider_id
        )
        return await anomaly_desk.show_list(shown, tenants=tenants.options, tenant_word=tenants.chosen)

    @post("/anomalies/{anomaly_id:str}/resolve", status_code=200, opt=access("console", *MAY_RESOLVE))
    async def resolve(self, anomaly_id: FromPath[str], anomaly_desk: WorkList) -> Response[Any]:
        return await anomaly_desk.resolve(anomaly_id)

    @post("/anomalies/{anomaly_id:str}/refund", status_code=200, opt=access("console", *MAY_REFUND))
    async def give_back(self, anomaly_id: FromPath[str], anomaly_desk: WorkList) -> Response[Any]:
        return await anomaly_desk.give_back(anomaly_id)
