"""The route by which a merchant's server gets its lines of a day's bill as CSV (contract section 5)."""

from __future__ import annotations

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream

from spapp.exports import bill_lines
from spapp.web import i18n
from spcore.db.engine import Database
from sptenants.bills.reader import Bookshelf
from sptenants.orders.timeline import Language
from sptenants.reconciliation.intake import day_of_path
from sptenants.reconciliation.openapi import DownloadStatementOperation
from sptenants.reconciliation.reader import StatementReader
from sptenants.registry.access import access
from sptenants.registry.caller import Caller
from sptenants.registry.rights import Right

_READS = access("api", "tenant_key", "provider_key", right=Right.ORDERS_READ)


class StatementFileController(Controller):
    path = "/v1/bills/{date:str}/download"
    tags = ("bills",)

    @get(
        opt=_READS,
        summary="一天的账单明细，CSV",
        operation_class=DownloadStatementOperation,
        media_type="text/csv",
    )
    async def download(
        self,
        date: FromPath[str],
        caller: NamedDependency[Caller],
        statement_reader: NamedDependency[StatementReader],
        database: NamedDependency[Database],
        language: NamedDependency[Language],
    ) -> Stream:
        day = day_of_path(date)
        await statement_reader.record(caller.scope, caller.tenant.id, day)
        lines = Bookshelf(database).tenant_lines(caller.scope, day)
        headers = {"Content-Disposition": f'attachment; filename="bill-{day:%Y%m%d}.csv"'}
        shown: i18n.Language = "en" if language == "en" else i18n.SOURCE
        return Stream(bill_lines.pieces(lines, shown), headers=headers)
