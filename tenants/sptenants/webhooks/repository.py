"""Every statement on deliveries. Changes are conditional on lease or state and say whether they won (T4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, and_, exists, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from spcore.db.base import table_of
from spcore.db.scope import TenantScope
from spcore.ids import new_id
from spcore.outbox.models import OutboxMessage
from sptenants.webhooks.models import OPEN_STATES, Delivery, DeliveryAttempt, DeliveryState, WebhookEndpoint
from sptenants.webhooks.records import DeliveryRecord
from sptenants.webhooks.schedule import HOLDS_BACK
from sptenants.webhooks.sender import Answer, Outcome

LEASE = timedelta(seconds=60)
"""Well above a sender's deadline, so that two workers never send one delivery at once."""

DELIVERIES = table_of(Delivery)
ENDPOINTS = table_of(WebhookEndpoint)
_ATTEMPTS = table_of(DeliveryAttempt)
_OPEN = [state.value for state in OPEN_STATES]


@dataclass(frozen=True, slots=True)
class Lane:
    """What is due for one endpoint: fresh deliveries, or those asked for again. `waiting` counts them."""

    provider_id: str
    tenant_id: str
    endpoint_id: str
    resent: bool
    waiting: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours until `until`, with what has to be sent and where."""

    delivery: DeliveryRecord
    endpoint: WebhookEndpoint
    event: OutboxMessage
    until: datetime

    @property
    def scope(self) -> TenantScope:
        return TenantScope(self.delivery.provider_id, self.delivery.tenant_id)


async def endpoints_of(session: AsyncSession, scope: TenantScope) -> Sequence[WebhookEndpoint]:
    """Return the tenant's endpoints, oldest first."""
    query = (
        select(WebhookEndpoint)
        .where(WebhookEndpoint.provider_id == scope.provider_id, WebhookEndpoint.tenant_id == scope.tenant_id)
        .order_by(WebhookEndpoint.id)
    )
    return (await session.scalars(query)).all()


async def insert_deliveries(
    session: AsyncSession, event: OutboxMessage, endpoints: Sequence[WebhookEndpoint], now: datetime
) -> None:
    """Put an event on its way to each endpoint, once: what is there already stays as it is.

    For an endpoint that was disabled because it failed, the delivery is kept as failed, to be resent later.
    """
    rows = [_new_row(event, endpoint, now) for endpoint in endpoints]
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(DELIVERIES).on_conflict_do_nothing(
        index_elements=["tenant_id", "endpoint_id", "event_id"]
    )
    if rows:
        await session.execute(statement, rows)


def _new_row(event: OutboxMessage, endpoint: WebhookEndpoint, now: datetime) -> dict[str, Any]:
    active = endpoint.status == "active"
    return {
        "provider_id": event.provider_id,
        "tenant_id": event.tenant_id,
        "id": new_id("dlv", now),
        "endpoint_id": endpoint.id,
        "event_id": event.id,
        "type": event.type,
        "subject": event.subject,
        "sequence": event.sequence,
        "state": DeliveryState.PENDING.value if active else DeliveryState.FAILED.value,
        "resent": False,
        "attempts": 0,
        "step": 0,
        "created_at": now,
        "due_at": now if active else None,
        "finished_at": None if active else now,
        "last_outcome": None if active else Outcome.ENDPOINT_DISABLED.value,
    }


async def lanes(session: AsyncSession, now: datetime) -> list[Lane]:
    """Return the lanes in which something is due, at most two for each endpoint."""
    lane = (Delivery.provider_id, Delivery.tenant_id, Delivery.endpoint_id, Delivery.resent)
    query = select(*lane, func.count()).where(*_due(now)).group_by(*lane)
    return [Lane(*row) for row in (await session.execute(query)).all()]


async def claim(session: AsyncSession, lane: Lane, by: str, now: datetime) -> Claimed | None:
    """Lease the next delivery of a lane; None when there is none that may go now.

    An event waits for the earlier ones of its subject, unless they have failed for HOLDS_BACK already.
    """
    query = (
        select(Delivery, WebhookEndpoint, OutboxMessage)
        .join(
            WebhookEndpoint,
            and_(WebhookEndpoint.tenant_id == Delivery.tenant_id, WebhookEndpoint.id == Delivery.endpoint_id),
        )
        .join(
            OutboxMessage,
            and_(OutboxMessage.tenant_id == Delivery.tenant_id, OutboxMessage.id == Delivery.event_id),
        )
        .where(
            Delivery.tenant_id == lane.tenant_id,
            Delivery.endpoint_id == lane.endpoint_id,
            Delivery.resent == lane.resent,
            *_due(now),
            ~_held_back(now),
        )
        .order_by(Delivery.due_at, Delivery.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=Delivery)
    )
    found = (await session.execute(query)).one_or_none()
    if found is None:
        return None
    delivery, endpoint, event = found
    values = {
        "attempts": delivery.attempts + 1,
        "step": delivery.step + 1,
        "first_attempt_at": delivery.first_attempt_at or now,
    }
    await session.execute(
        update(DELIVERIES)
        .where(DELIVERIES.c.tenant_id == delivery.tenant_id, DELIVERIES.c.id == delivery.id)
        .values(leased_by=by, leased_until=now + LEASE, **values)
    )
    session.expunge_all()
    for name, value in values.items():
        setattr(delivery, name, value)
    return Claimed(DeliveryRecord.of(delivery), endpoint, event, now + LEASE)


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    free = or_(Delivery.leased_until.is_(None), Delivery.leased_until <= now)
    return Delivery.due_at.is_not(None), Delivery.due_at <= now, free


def _held_back(now: datetime) -> ColumnElement[bool]:
    earlier = aliased(Delivery)
    return exists().where(
        earlier.tenant_id == Delivery.tenant_id,
        earlier.endpoint_id == Delivery.endpoint_id,
        earlier.subject == Delivery.subject,
        earlier.sequence < Delivery.sequence,
        earlier.due_at.is_not(None),
        earlier.resent.is_(False),
        or_(earlier.first_attempt_at.is_(None), earlier.first_attempt_at > now - HOLDS_BACK),
    )


async def settle(
    session: AsyncSession,
    claimed: Claimed,
    by: str,
    answer: Answer,
    now: datetime,
    *,
    state: DeliveryState,
    due_at: datetime | None,
) -> bool:
    """Store what came of an attempt and give the lease back; False when the lease was lost meanwhile."""
    delivery = claimed.delivery
    done = await session.execute(
        update(DELIVERIES)
        .where(
            DELIVERIES.c.tenant_id == delivery.tenant_id,
            DELIVERIES.c.id == delivery.id,
            DELIVERIES.c.leased_by == by,
            DELIVERIES.c.leased_until == claimed.until,
        )
        .values(
            state=state.value,
            due_at=due_at,
            finished_at=now if due_at is None else None,
            last_outcome=answer.outcome.value,
            last_http_status=answer.http_status,
            leased_by=None,
            leased_until=None,
        )
    )
    if cast("CursorResult[Any]", done).rowcount != 1:
        return False
    row = {
        "provider_id": delivery.provider_id,
        "tenant_id": delivery.tenant_id,
        "id": new_id("dla", now),
        "delivery_id": delivery.id,
        "number": delivery.attempts,
        "at": now,
        "elapsed_ms": answer.elapsed_ms,
        "outcome": answer.outcome.value,
        "http_status": answer.http_status,
        "excerpt": answer.excerpt,
        "next_at": due_at,
    }
    await session.execute(insert(_ATTEMPTS), [row])
    return True


async def give_up_on(session: AsyncSession, scope: TenantScope, endpoint_id: str, now: datetime) -> None:
    """Let every open delivery to an endpoint fail; what is being sent at this moment settles by itself."""
    await session.execute(
        update(DELIVERIES)
        .where(
            DELIVERIES.c.tenant_id == scope.tenant_id,
            DELIVERIES.c.endpoint_id == endpoint_id,
            DELIVERIES.c.state.in_(_OPEN),
            or_(DELIVERIES.c.leased_until.is_(None), DELIVERIES.c.leased_until <= now),
        )
        .values(
            state=DeliveryState.FAILED.value,
            due_at=None,
            finished_at=now,
            last_outcome=Outcome.ENDPOINT_DISABLED.value,
            leased_by=None,
            leased_until=None,
        )
    )


async def resend(
    session: AsyncSession, scope: TenantScope, conditions: Sequence[ColumnElement[bool]], now: datetime
) -> int:
    """Put finished deliveries on their way again, with the plan from its beginning; return how many."""
    done = await session.execute(
        update(DELIVERIES)
        .where(DELIVERIES.c.tenant_id == scope.tenant_id, DELIVERIES.c.due_at.is_(None), *conditions)
        .values(state=DeliveryState.PENDING.value, resent=True, step=0, due_at=now, finished_at=None)
    )
    return cast("CursorResult[Any]", done).rowcount


async def hurry(session: AsyncSession, scope: TenantScope, delivery_id: str, now: datetime) -> None:
    """Make an open delivery due now, unless it is being sent at this moment."""
    await session.execute(
        update(DELIVERIES)
        .where(
            DELIVERIES.c.tenant_id == scope.tenant_id,
            DELIVERIES.c.id == delivery_id,
            DELIVERIES.c.due_at > now,
            or_(DELIVERIES.c.leased_until.is_(None), DELIVERIES.c.leased_until <= now),
        )
        .values(due_at=now)
    )


async def note_success(session: AsyncSession, endpoint: WebhookEndpoint, now: datetime) -> None:
    """Note that the receiver works, to the minute."""
    stale = or_(ENDPOINTS.c.last_success_at.is_(None), ENDPOINTS.c.last_success_at <= now - _MINUTE)
    await session.execute(
        update(ENDPOINTS)
        .where(
            ENDPOINTS.c.tenant_id == endpoint.tenant_id,
            ENDPOINTS.c.id == endpoint.id,
            or_(stale, ENDPOINTS.c.failing_since.is_not(None)),
        )
        .values(last_success_at=now, failing_since=None)
    )


async def note_failure(session: AsyncSession, endpoint: WebhookEndpoint, now: datetime) -> datetime:
    """Note that the receiver fails and return since when it has without one success."""
    mine = (ENDPOINTS.c.tenant_id == endpoint.tenant_id, ENDPOINTS.c.id == endpoint.id)
    await session.execute(
        update(ENDPOINTS).where(*mine, ENDPOINTS.c.failing_since.is_(None)).values(failing_since=now)
    )
    since: datetime | None = await session.scalar(select(ENDPOINTS.c.failing_since).where(*mine))
    return since or now


_MINUTE = timedelta(minutes=1)
