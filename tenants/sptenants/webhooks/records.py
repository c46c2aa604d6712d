"""Endpoints, deliveries and attempts as the rest of the program reads them: immutable, without secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sptenants.webhooks.models import Delivery, DeliveryAttempt, DeliveryState, WebhookEndpoint


@dataclass(frozen=True, slots=True)
class EndpointRecord:
    """One endpoint; times are aware UTC."""

    id: str
    provider_id: str
    tenant_id: str
    url: str
    description: str | None
    event_types: tuple[str, ...] | None
    status: str
    created_at: datetime
    failing_since: datetime | None
    last_success_at: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None
    previous_secret_until: datetime | None

    @classmethod
    def of(cls, row: WebhookEndpoint) -> EndpointRecord:
        return cls(
            id=row.id,
            provider_id=row.provider_id,
            tenant_id=row.tenant_id,
            url=row.url,
            description=row.description,
            event_types=tuple(row.event_types) if row.event_types is not None else None,
            status=row.status,
            created_at=row.created_at,
            failing_since=row.failing_since,
            last_success_at=row.last_success_at,
            disabled_at=row.disabled_at,
            disabled_reason=row.disabled_reason,
            previous_secret_until=row.previous_secret_until,
        )

    @property
    def is_active(self) -> bool:
        return self.status == "active"


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One event on its way to one endpoint. `attempts` counts all, `step` those since the last sending."""

    id: str
    provider_id: str
    tenant_id: str
    endpoint_id: str
    event_id: str
    type: str
    subject: str
    sequence: int
    state: DeliveryState
    resent: bool
    attempts: int
    step: int
    created_at: datetime
    due_at: datetime | None
    first_attempt_at: datetime | None
    finished_at: datetime | None
    last_outcome: str | None
    last_http_status: int | None

    @classmethod
    def of(cls, row: Delivery) -> DeliveryRecord:
        return cls(
            id=row.id,
            provider_id=row.provider_id,
            tenant_id=row.tenant_id,
            endpoint_id=row.endpoint_id,
            event_id=row.event_id,
            type=row.type,
            subject=row.subject,
            sequence=row.sequence,
            state=DeliveryState(row.state),
            resent=row.resent,
            attempts=row.attempts,
            step=row.step,
            created_at=row.created_at,
            due_at=row.due_at,
            first_attempt_at=row.first_attempt_at,
            finished_at=row.finished_at,
            last_outcome=row.last_outcome,
            last_http_status=row.last_http_status,
        )


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One request to a receiver. `excerpt` is a stranger's text, at most 1 KiB; escape it when shown."""

    number: int
    at: datetime
    elapsed_ms: int
    outcome: str
    http_status: int | None
    excerpt: str | None = field(repr=False)
    next_at: datetime | None

    @classmethod
    def of(cls, row: DeliveryAttempt) -> AttemptRecord:
        return cls(
            number=row.number,
            at=row.at,
            elapsed_ms=row.elapsed_ms,
            outcome=row.outcome,
            http_status=row.http_status,
            excerpt=row.excerpt,
            next_at=row.next_at,
        )
