"""Routes by which a merchant's server reads its daily statements (contract section 5)."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from sptenants.orders.timeline import Language
from sptenants.reconciliation import intake
from sptenants.reconciliation.openapi import ListStatementsOperation
from sptenants.reconciliation.reader import DifferenceReader, StatementReader
from sptenants.reconciliation.records import DifferenceFilter
from sptenants.reconciliation.schemas import (
    StatementDetail,
    StatementList,
    difference_object,
    statement_object,
)
from sptenants.reconciliation.states import DifferenceState
from sptenants.registry.access import access
from sptenants.registry.caller import Caller
from sptenants.registry.rights import Right

MOST_SHOWN = 100
"""Open differences in one answer; the statement says how many there are in all."""
_READS = access("api", "tenant_key", "provider_key", right=Right.ORDERS_READ)


class StatementController(Controller):
    path = "/v1/bills"
    tags = ("bills",)

    @get(opt=_READS, summary="日对账单，新的在前", operation_class=ListStatementsOperation)
    async def index(
        self,
        request: Request[Any, Any, Any],
        caller: NamedDependency[Caller],
        statement_reader: NamedDependency[StatementReader],
    ) -> StatementList:
        wanted, limit, cursor = intake.read_statements_query(list(request.query_params.multi_items()))
        page = await statement_reader.list(caller.scope, wanted, limit, cursor)
        return StatementList(
            data=[statement_object(statement) for statement in page.rows],
            next_cursor=page.next_cursor,
            has_more=page.has_more,
        )

    @get("/{date:str}", opt=_READS, summary="一天的对账单：两边的账、推算过程、未处理的差异")
    async def show(
        self,
        date: FromPath[str],
        caller: NamedDependency[Caller],
        statement_reader: NamedDependency[StatementReader],
        difference_reader: NamedDependency[DifferenceReader],
        language: NamedDependency[Language],
    ) -> StatementDetail:
        day = intake.day_of_path(date)
        statement = await statement_reader.record(caller.scope, caller.tenant.id, day)
        still_open = DifferenceFilter(state=DifferenceState.OPEN, first=day, last=day)
        page = await difference_reader.list(caller.scope, still_open, MOST_SHOWN)
        return StatementDetail(
            statement=statement_object(statement),
            proof=dict(statement.proof),
            open_differences=[difference_object(difference, language) for difference in page.rows],
        )
