"""Read models of endpoints, events and deliveries. They read; nothing here changes anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, select

from spcore.db.engine import Database
from spcore.db.keyset import Page, decode_cursor, page
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.errors import NotFound
from spcore.outbox.models import OutboxMessage
from sptenants.registry.models import Tenant
from sptenants.webhooks.models import Delivery, DeliveryAttempt, DeliveryState, WebhookEndpoint
from sptenants.webhooks.parcels import body_of
from sptenants.webhooks.records import AttemptRecord, DeliveryRecord, EndpointRecord

ReadScope = TenantScope | ProviderScope | PlatformScope


class AnswerClass(StrEnum):
    """What kind of answer the last attempt of a delivery got."""

    OK = "2xx"
    REDIRECT = "3xx"
    CLIENT = "4xx"
    SERVER = "5xx"
    NONE = "none"
    """Tried, and no HTTP answer came."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of a tenant; `data` is the order or refund as it was right after it."""

    id: str
    type: str
    subject: str
    sequence: int
    created_at: datetime
    data: dict[str, Any]

    @classmethod
    def of(cls, row: OutboxMessage) -> EventRow:
        return cls(row.id, row.type, row.subject, row.sequence, row.created_at, row.payload)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to show; times are aware and half-open. Events of refunds are their order's, too."""

    type: str | None = None
    order_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries to show; times are aware and half-open, of their creation."""

    tenant_id: str | None = None
    endpoint_id: str | None = None
    event_id: str | None = None
    subject: str | None = None
    type: str | None = None
    state: DeliveryState | None = None
    answered: AnswerClass | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class EndpointFilter:
    """Which endpoints to show; `status` is `active` or `disabled`."""

    tenant_id: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """One endpoint with the name of the tenant whose it is."""

    endpoint: EndpointRecord
    tenant_name: str

    @property
    def id(self) -> str:
        return self.endpoint.id


@dataclass(frozen=True, slots=True)
class DeliveryDetail:
    """One delivery with everything that was tried, newest first, and where it goes."""

    delivery: DeliveryRecord
    tried: tuple[AttemptRecord, ...]
    endpoint: EndpointRecord


class WebhookReader:
    """Reads for API, console and merchant pages; every method takes the scope it reads in.

    Raises NotFound for what does not exist or is somebody else's (Y3), InvalidInput for a cursor that is not
    ours.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def endpoints(self, scope: ReadScope, tenant_id: str | None = None) -> Sequence[EndpointRecord]:
        """Return the endpoints of the scope, or of one tenant in it, newest first."""
        query = select(WebhookEndpoint).where(*_within(scope, WebhookEndpoint))
        if tenant_id is not None:
            query = query.where(WebhookEndpoint.tenant_id == tenant_id)
        async with self._database.read(scope) as session:
            found = await session.scalars(query.order_by(WebhookEndpoint.id.desc()))
            return [EndpointRecord.of(row) for row in found]

    async def endpoint_list(
        self, scope: ReadScope, wanted: EndpointFilter, limit: int, cursor: str | None = None
    ) -> Page[EndpointRow]:
        """Return a page of endpoints of all tenants in the scope, newest first."""
        same = and_(Tenant.provider_id == WebhookEndpoint.provider_id, Tenant.id == WebhookEndpoint.tenant_id)
        query = select(WebhookEndpoint, Tenant.name).join(Tenant, same)
        query = query.where(*_within(scope, WebhookEndpoint))
        if wanted.tenant_id is not None:
            query = query.where(WebhookEndpoint.tenant_id == wanted.tenant_id)
        if wanted.status is not None:
            query = query.where(WebhookEndpoint.status == wanted.status)
        if cursor is not None:
            query = query.where(WebhookEndpoint.id < decode_cursor(cursor))
        async with self._database.read(scope) as session:
            found = await session.execute(query.order_by(WebhookEndpoint.id.desc()).limit(limit + 1))
            return page([EndpointRow(EndpointRecord.of(row), name) for row, name in found], limit)

    async def endpoint(self, scope: ReadScope, endpoint_id: str) -> EndpointRecord:
        query = select(WebhookEndpoint).where(
            *_within(scope, WebhookEndpoint), WebhookEndpoint.id == endpoint_id
        )
        async with self._database.read(scope) as session:
            found = await session.scalar(query)
        if found is None:
            raise NotFound
        return EndpointRecord.of(found)

    async def events(
        self, scope: ReadScope, wanted: EventFilter, limit: int, cursor: str | None = None
    ) -> Page[EventRow]:
        """Return a page of events, newest first."""
        conditions = [*_within(scope, OutboxMessage), *_created(OutboxMessage, wanted)]
        if wanted.type is not None:
            conditions.append(OutboxMessage.type == wanted.type)
        if wanted.order_id is not None:
            conditions.append(OutboxMessage.subject == wanted.order_id)
        if cursor is not None:
            conditions.append(OutboxMessage.id < decode_cursor(cursor))
        query = select(OutboxMessage).where(*conditions).order_by(OutboxMessage.id.desc()).limit(limit + 1)
        async with self._database.read(scope) as session:
            found = await session.scalars(query)
            return page([EventRow.of(row) for row in found], limit)

    async def event(self, scope: ReadScope, event_id: str) -> EventRow:
        query = select(OutboxMessage).where(*_within(scope, OutboxMessage), OutboxMessage.id == event_id)
        async with self._database.read(scope) as session:
            found = await session.scalar(query)
        if found is None:
            raise NotFound
        return EventRow.of(found)

    async def sent_body(self, scope: ReadScope, event_id: str) -> str:
        """Return the document that every attempt to deliver the event sends, as text. Raises NotFound."""
        query = select(OutboxMessage).where(*_within(scope, OutboxMessage), OutboxMessage.id == event_id)
        async with self._database.read(scope) as session:
            found = await session.scalar(query)
            if found is None:
                raise NotFound
            return body_of(found).decode()

    async def deliveries(
        self, scope: ReadScope, wanted: DeliveryFilter, limit: int, cursor: str | None = None
    ) -> Page[DeliveryRecord]:
        """Return a page of deliveries, newest first."""
        equal = {
            Delivery.tenant_id: wanted.tenant_id,
            Delivery.endpoint_id: wanted.endpoint_id,
            Delivery.event_id: wanted.event_id,
            Delivery.subject: wanted.subject,
            Delivery.type: wanted.type,
            Delivery.state: wanted.state.value if wanted.state is not None else None,
        }
        conditions = [*_within(scope, Delivery), *_created(Delivery, wanted)]
        conditions += [column == value for column, value in equal.items() if value is not None]
        conditions += _answered(wanted.answered)
        if cursor is not None:
            conditions.append(Delivery.id < decode_cursor(cursor))
        query = select(Delivery).where(*conditions).order_by(Delivery.id.desc()).limit(limit + 1)
        async with self._database.read(scope) as session:
            found = await session.scalars(query)
            return page([DeliveryRecord.of(row) for row in found], limit)

    async def delivery(self, scope: ReadScope, delivery_id: str) -> DeliveryDetail:
        """Return one delivery whole."""
        query = select(Delivery).where(*_within(scope, Delivery), Delivery.id == delivery_id)
        async with self._database.read(scope) as session:
            found = await session.scalar(query)
            if found is None:
                raise NotFound
            tried = await session.scalars(
                select(DeliveryAttempt)
                .where(*_within(scope, DeliveryAttempt), *_of_tenant(DeliveryAttempt, found))
                .where(DeliveryAttempt.delivery_id == found.id)
                .order_by(DeliveryAttempt.id.desc())
            )
            endpoint = await session.scalar(
                select(WebhookEndpoint)
                .where(*_within(scope, WebhookEndpoint), *_of_tenant(WebhookEndpoint, found))
                .where(WebhookEndpoint.id == found.endpoint_id)
            )
            if endpoint is None:
                raise NotFound
            return DeliveryDetail(
                DeliveryRecord.of(found),
                tuple(AttemptRecord.of(row) for row in tried),
                EndpointRecord.of(endpoint),
            )


def _within(scope: ReadScope, model: Any) -> list[ColumnElement[bool]]:
    """Return the conditions that keep a query to the scope; the guard insists on them."""
    match scope:
        case TenantScope():
            return [model.provider_id == scope.provider_id, model.tenant_id == scope.tenant_id]
        case ProviderScope():
            return [model.provider_id == scope.provider_id]
        case PlatformScope():
            return []


def _answered(wanted: AnswerClass | None) -> list[ColumnElement[bool]]:
    match wanted:
        case None:
            return []
        case AnswerClass.NONE:
            return [Delivery.attempts > 0, Delivery.last_http_status.is_(None)]
        case _:
            first = int(wanted[0]) * 100
            return [Delivery.last_http_status.between(first, first + 99)]


def _of_tenant(model: Any, row: Delivery) -> list[ColumnElement[bool]]:
    return [model.provider_id == row.provider_id, model.tenant_id == row.tenant_id]


def _created(model: Any, wanted: EventFilter | DeliveryFilter) -> list[ColumnElement[bool]]:
    conditions = []
    if wanted.created_from is not None:
        conditions.append(model.created_at >= wanted.created_from)
    if wanted.created_to is not None:
        conditions.append(model.created_at < wanted.created_to)
    return conditions
