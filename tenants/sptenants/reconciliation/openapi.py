"""Parameters and answers of daily statements, for the API reference."""

from __future__ import annotations

from dataclasses import dataclass

from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIResponse, Operation

from sptenants.orders.openapi import paging_parameters, query_parameter, text_schema
from sptenants.reconciliation.states import StatementState


@dataclass
class ListStatementsOperation(Operation):
    """`GET /v1/bills`."""

    def __post_init__(self) -> None:
        day = text_schema("北京时间的日期，含当天", format="date")
        self.parameters = [
            *(self.parameters or ()),
            query_parameter("state", text_schema("状态", enum=[state.value for state in StatementState])),
            query_parameter("from", day),
            query_parameter("to", day),
            *paging_parameters(),
        ]


@dataclass
class DownloadStatementOperation(Operation):
    """`GET /v1/bills/{date}/download`."""

    def __post_init__(self) -> None:
        line = "行号,交易时间\r\n1,2026-11-21 14:32:40\r\n"
        file = OpenAPIMediaType(schema=text_schema("CSV 文件"), examples={"example": Example(value=line)})
        answer = OpenAPIResponse(description="CSV 文件", content={"text/csv": file})
        self.responses = dict(self.responses or {}) | {"200": answer}
