"""Request bodies and parameters of the work list, for the API reference."""

from __future__ import annotations

from dataclasses import dataclass

from litestar.openapi.spec import Operation, Parameter, Schema
from litestar.openapi.spec.enums import OpenAPIType

from sptenants.anomalies.errors import MAX_NOTE
from sptenants.orders.disputes import AnomalyKind
from sptenants.orders.heals import Wrong
from sptenants.orders.openapi import json_body, paging_parameters, query_parameter, text_schema

_NOTE_BODY = Schema(
    type=OpenAPIType.OBJECT,
    required=["note"],
    additional_properties=False,
    properties={"note": text_schema("处理结果，记入操作日志", min_length=1, max_length=MAX_NOTE)},
)


def _of_a_time() -> list[Parameter]:
    moment = text_schema("RFC 3339，区间左闭右开", format="date-time")
    return [
        query_parameter("order_id", text_schema("订单编号")),
        query_parameter("created_from", moment),
        query_parameter("created_to", moment),
        *paging_parameters(),
    ]


@dataclass
class ListAnomaliesOperation(Operation):
    """`GET /v1/anomalies`."""

    def __post_init__(self) -> None:
        self.parameters = [
            *(self.parameters or ()),
            query_parameter("kind", text_schema("种类", enum=[kind.value for kind in AnomalyKind])),
            query_parameter("state", text_schema("状态", enum=["open", "resolved"])),
            *_of_a_time(),
        ]


@dataclass
class ResolveAnomalyOperation(Operation):
    """`POST /v1/anomalies/{anomaly_id}/resolve`."""

    def __post_init__(self) -> None:
        self.request_body = json_body(_NOTE_BODY, {"note": "已在微信侧退回多付的一笔"})


@dataclass
class ListHealsOperation(Operation):
    """`GET /v1/heals`."""

    def __post_init__(self) -> None:
        self.parameters = [
            *(self.parameters or ()),
            query_parameter("wrong", text_schema("哪里不对", enum=[wrong.value for wrong in Wrong])),
            *_of_a_time(),
        ]
