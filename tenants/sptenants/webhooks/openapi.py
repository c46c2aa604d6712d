"""Parameters of the event and delivery lists, for the API reference; `intake` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from litestar.openapi.spec import Operation, Parameter, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from sptenants.webhooks.event_types import EVENT_TYPES
from sptenants.webhooks.intake import DEFAULT_LIMIT, MAX_LIMIT
from sptenants.webhooks.models import DeliveryState


def _text(description: str, choices: Sequence[str] | None = None) -> Schema:
    return Schema(type=OpenAPIType.STRING, description=description, enum=choices)


_LIMIT = Schema(type=OpenAPIType.INTEGER, minimum=1, maximum=MAX_LIMIT, default=DEFAULT_LIMIT)
_TIME = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.DATE_TIME, description="RFC 3339，区间左闭右开")
_COMMON = {
    "order_id": _text("订单"),
    "type": _text("事件类型", EVENT_TYPES),
    "created_from": _TIME,
    "created_to": _TIME,
    "limit": _LIMIT,
    "cursor": _text("上一页的 next_cursor"),
}
_OF_DELIVERIES = {
    "endpoint_id": _text("端点"),
    "event_id": _text("事件"),
    "state": _text("投递状态", [state.value for state in DeliveryState]),
} | _COMMON


def _parameters(schemas: dict[str, Schema]) -> list[Parameter]:
    return [
        Parameter(name=name, param_in="query", schema=schema, required=False)
        for name, schema in schemas.items()
    ]


@dataclass
class ListEventsOperation(Operation):
    """`GET /v1/events`."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or ()), *_parameters(_COMMON)]


@dataclass
class ListDeliveriesOperation(Operation):
    """`GET /v1/deliveries`."""

    def __post_init__(self) -> None:
        self.parameters = [*(self.parameters or ()), *_parameters(_OF_DELIVERIES)]
