"""What endpoints, events and deliveries look like to programs (contract section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sptenants.orders.schemas import moment
from sptenants.webhooks.event_types import EVENT_TYPES
from sptenants.webhooks.records import AttemptRecord, DeliveryRecord, EndpointRecord

_ENDPOINT_ID = "whe_01JD3K8W7Q4M6X0B2T9V5H1CZN"
_EVENT_ID = "evt_01JD3K8W7Q4M6X0B2T9V5H1CZN"
_DELIVERY_ID = "dlv_01JD3K8W7Q4M6X0B2T9V5H1CZN"
_ORDER_ID = "ord_01JD3K8W7Q4M6X0B2T9V5H1CZN"
_MOMENT = "2026-11-21T14:32:08+08:00"

UrlText = Annotated[
    str,
    Meta(
        description="公网 https 地址，端口 443 或 8443",
        examples=["https://shop.example.com/wxpay/events"],
    ),
]
EventTypes = Annotated[
    list[str],
    Meta(
        description=f"要接收的事件；null 为全部。可选：{'、'.join(EVENT_TYPES)}",
        examples=[["payment.succeeded", "refund.succeeded"]],
    ),
]
DescriptionText = Annotated[str, Meta(description="备注", examples=["订单系统"])]


class CreateEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: UrlText
    event_types: EventTypes | None = None
    description: DescriptionText | None = None


class ChangeEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    url: UrlText | UnsetType = UNSET
    event_types: EventTypes | UnsetType | None = UNSET
    description: DescriptionText | UnsetType | None = UNSET
    status: Literal["active", "disabled"] | UnsetType = UNSET


class ResendDeliveries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Deliveries of one endpoint, by when they were created; half-open."""

    endpoint_id: Annotated[str, Meta(examples=[_ENDPOINT_ID])]
    created_from: Annotated[datetime, Meta(tz=True, examples=["2026-11-21T00:00:00+08:00"])]
    created_to: Annotated[datetime, Meta(tz=True, examples=["2026-11-22T00:00:00+08:00"])]
    state: Annotated[Literal["failed", "delivered"], Meta(examples=["failed"])] = "failed"


class EndpointObject(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook endpoint. Its secret is in the answer that makes it, and in no other."""

    id: Annotated[str, Meta(examples=[_ENDPOINT_ID])]
    object: str = "webhook_endpoint"
    url: UrlText
    description: DescriptionText | None
    event_types: EventTypes | None
    status: Annotated[str, Meta(description="active disabled", examples=["active"])]
    disabled_at: Annotated[str | None, Meta(examples=[None])]
    disabled_reason: Annotated[
        str | None,
        Meta(description="by_hand 手动停用，gone 端点答 410，failing 连续 5 天失败", examples=[None]),
    ]
    failing_since: Annotated[str | None, Meta(description="自何时起一直失败", examples=[None])]
    last_success_at: Annotated[str | None, Meta(examples=[_MOMENT])]
    previous_secret_until: Annotated[
        str | None, Meta(description="更换密钥后，旧密钥同时签名至此刻", examples=[None])
    ]
    created_at: Annotated[str, Meta(examples=[_MOMENT])]
    secret: Annotated[
        str | UnsetType,
        Meta(
            description="只在新建和更换时返回一次",
            examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw0pH3mGxW3b4="],
        ),
    ] = UNSET


class EndpointList(msgspec.Struct, frozen=True, kw_only=True):
    """All endpoints of the tenant, newest first."""

    object: str = "list"
    data: Sequence[EndpointObject]
    next_cursor: None = None
    has_more: bool = False


class AttemptObject(msgspec.Struct, frozen=True, kw_only=True):
    """One request to the receiver."""

    number: Annotated[int, Meta(examples=[1])]
    at: Annotated[str, Meta(examples=["2026-11-21T14:32:08.186+08:00"])]
    elapsed_ms: Annotated[int, Meta(description="毫秒", examples=[186])]
    outcome: Annotated[
        str,
        Meta(
            description="delivered http_error timeout unresolved not_public connect tls cut bad_answer"
            " endpoint_disabled not_signed",
            examples=["http_error"],
        ),
    ]
    http_status: Annotated[int | None, Meta(examples=[500])]
    excerpt: Annotated[
        str | None, Meta(description="应答正文的开头，不超过 1 KiB，展示时须转义", examples=["database down"])
    ]
    next_attempt_at: Annotated[str | None, Meta(examples=["2026-11-21T14:32:13+08:00"])]


class DeliveryObject(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one endpoint; the single object also has what was tried, newest first."""

    id: Annotated[str, Meta(examples=[_DELIVERY_ID])]
    object: str = "delivery"
    endpoint_id: Annotated[str, Meta(examples=[_ENDPOINT_ID])]
    event_id: Annotated[str, Meta(examples=[_EVENT_ID])]
    type: Annotated[str, Meta(examples=["payment.succeeded"])]
    subject: Annotated[str, Meta(description="事件所属对象，如订单", examples=[_ORDER_ID])]
    sequence: Annotated[int, Meta(examples=[1])]
    state: Annotated[str, Meta(description="pending retrying delivered failed", examples=["retrying"])]
    resent: Annotated[bool, Meta(description="是否为重发", examples=[False])]
    attempts: Annotated[int, Meta(examples=[1])]
    next_attempt_at: Annotated[str | None, Meta(examples=["2026-11-21T14:32:13+08:00"])]
    last_outcome: Annotated[str | None, Meta(examples=["http_error"])]
    last_http_status: Annotated[int | None, Meta(examples=[500])]
    created_at: Annotated[str, Meta(examples=[_MOMENT])]
    first_attempt_at: Annotated[str | None, Meta(examples=[_MOMENT])]
    finished_at: Annotated[str | None, Meta(examples=[None])]
    tried: Annotated[Sequence[AttemptObject] | UnsetType, Meta(description="仅在查看单个投递时返回")] = UNSET


class DeliveryList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of deliveries, newest first."""

    object: str = "list"
    data: Sequence[DeliveryObject]
    next_cursor: str | None
    has_more: bool


class ResendResult(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries were put on their way again; they give way to fresh ones."""

    object: str = "resend"
    count: Annotated[int, Meta(examples=[3])]


class EventObject(msgspec.Struct, frozen=True, kw_only=True):
    """An event; `data` is the order, refund, tenant or endpoint as it was right after it. `sequence` counts
    from 1 within an order, a tenant or an endpoint.
    """

    id: Annotated[str, Meta(examples=[_EVENT_ID])]
    type: Annotated[str, Meta(examples=["payment.succeeded"])]
    created_at: Annotated[str, Meta(examples=[_MOMENT])]
    sequence: Annotated[int, Meta(examples=[1])]
    data: dict[str, Any]


class EventList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of events, newest first."""

    object: str = "list"
    data: Sequence[EventObject]
    next_cursor: str | None
    has_more: bool


def to_endpoint(record: EndpointRecord, secret: str | None = None) -> EndpointObject:
    """Return the API's endpoint; `secret` only at the moment it was made."""
    return EndpointObject(
        id=record.id,
        url=record.url,
        description=record.description,
        event_types=list(record.event_types) if record.event_types is not None else None,
        status=record.status,
        disabled_at=_moment(record.disabled_at),
        disabled_reason=record.disabled_reason,
        failing_since=_moment(record.failing_since),
        last_success_at=_moment(record.last_success_at),
        previous_secret_until=_moment(record.previous_secret_until),
        created_at=moment(record.created_at),
        secret=UNSET if secret is None else secret,
    )


def endpoint_object(record: EndpointRecord) -> dict[str, Any]:
    """Return the API's endpoint as plain JSON values, for events."""
    plain: dict[str, Any] = msgspec.to_builtins(to_endpoint(record))
    return plain


def to_delivery(record: DeliveryRecord, tried: Sequence[AttemptRecord] | None = None) -> DeliveryObject:
    """Return the API's delivery, with what was tried when it is given."""
    return DeliveryObject(
        id=record.id,
        endpoint_id=record.endpoint_id,
        event_id=record.event_id,
        type=record.type,
        subject=record.subject,
        sequence=record.sequence,
        state=record.state.value,
        resent=record.resent,
        attempts=record.attempts,
        next_attempt_at=_moment(record.due_at),
        last_outcome=record.last_outcome,
        last_http_status=record.last_http_status,
        created_at=moment(record.created_at),
        first_attempt_at=_moment(record.first_attempt_at),
        finished_at=_moment(record.finished_at),
        tried=UNSET if tried is None else [_attempt(one) for one in tried],
    )


def _attempt(record: AttemptRecord) -> AttemptObject:
    return AttemptObject(
        number=record.number,
        at=moment(record.at, timespec="milliseconds"),
        elapsed_ms=record.elapsed_ms,
        outcome=record.outcome,
        http_status=record.http_status,
        excerpt=record.excerpt,
        next_attempt_at=_moment(record.next_at),
    )


def _moment(at: datetime | None) -> str | None:
    return moment(at) if at is not None else None
