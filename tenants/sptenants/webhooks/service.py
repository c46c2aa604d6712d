"""What can be done with endpoints and deliveries. The one service that pages and API call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from spcore.audit import writer as audit
from spcore.audit.actor import Actor
from spcore.audit.writer import Act
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.errors import NotFound, Text
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from spcore.vault import Vault
from sptenants.registry.access import RequestFacts
from sptenants.registry.changes import Change
from sptenants.registry.errors import StateConflict
from sptenants.webhooks import endpoints, repository
from sptenants.webhooks.disabling import tell
from sptenants.webhooks.endpoints import EndpointChange, NewEndpoint
from sptenants.webhooks.event_types import TEST
from sptenants.webhooks.models import Delivery, DeliveryState
from sptenants.webhooks.reader import WebhookReader


@dataclass(frozen=True, slots=True)
class ResendRange:
    """Finished deliveries of one endpoint in one state, by creation `[created_from, created_to)`."""

    endpoint_id: str
    state: DeliveryState
    created_from: datetime
    created_to: datetime


class Webhooks:
    """Every method works for one tenant, raises NotFound for what is not that tenant's (Y3), and writes its
    audit row in its own transaction. `own_host` is the public name of this installation (W01).
    """

    def __init__(
        self, database: Database, vault: Vault, clock: Clock, reader: WebhookReader, *, own_host: str | None
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._reader = reader
        self._own_host = own_host

    async def create(
        self,
        scope: TenantScope,
        by: Actor,
        url: str,
        *,
        event_types: list[str] | None = None,
        description: str | None = None,
        facts: RequestFacts | None = None,
    ) -> NewEndpoint:
        """Add an endpoint; the answer holds its secret, never told again. Raises InvalidInput."""
        async with self._change(scope, by, facts) as change:
            return await endpoints.add(
                change,
                scope.tenant_id,
                url,
                event_types=event_types,
                description=description,
                own_host=self._own_host,
            )

    async def alter(
        self,
        scope: TenantScope,
        by: Actor,
        endpoint_id: str,
        wanted: EndpointChange,
        facts: RequestFacts | None = None,
    ) -> None:
        """Change address, types, description, or whether it is in use. Raises NotFound, InvalidInput."""
        async with self._change(scope, by, facts) as change:
            await endpoints.alter(change, scope.tenant_id, endpoint_id, wanted, own_host=self._own_host)

    async def rotate_secret(
        self, scope: TenantScope, by: Actor, endpoint_id: str, facts: RequestFacts | None = None
    ) -> NewEndpoint:
        """Give an endpoint another secret; the one before signs too for a day (W11). Raises NotFound."""
        async with self._change(scope, by, facts) as change:
            return await endpoints.rotate_secret(change, scope.tenant_id, endpoint_id)

    async def remove(
        self, scope: TenantScope, by: Actor, endpoint_id: str, facts: RequestFacts | None = None
    ) -> None:
        """Remove an endpoint with its deliveries; the events stay. Raises NotFound."""
        async with self._change(scope, by, facts) as change:
            await endpoints.remove(change, scope.tenant_id, endpoint_id)

    async def test(
        self, scope: TenantScope, by: Actor, endpoint_id: str, facts: RequestFacts | None = None
    ) -> str:
        """Make a `webhook.test` event for one endpoint and return its id; it goes the way of all events.

        Raises NotFound, StateConflict (the endpoint is disabled).
        """
        await self._require_active(scope, endpoint_id)
        async with self._change(scope, by, facts) as change:
            payload = {"object": "webhook_test", "endpoint_id": endpoint_id, "by": by.name}
            event_id = await tell(change.session, scope, endpoint_id, TEST, payload, change.now)
            await change.audit(
                "webhook.tested",
                "webhook",
                endpoint_id,
                tenant_id=scope.tenant_id,
                after={"event_id": event_id},
            )
        return event_id

    async def resend(
        self, scope: TenantScope, by: Actor, delivery_id: str, facts: RequestFacts | None = None
    ) -> None:
        """Send a finished delivery again, or an open one now; the webhook-id stays.

        Raises NotFound, StateConflict (the endpoint is disabled).
        """
        found = await self._reader.delivery(scope, delivery_id)
        await self._require_active(scope, found.endpoint.id)
        now = self._clock.now()
        async with self._database.write(scope) as session:
            if not await repository.resend(session, scope, [Delivery.id == delivery_id], now):
                await repository.hurry(session, scope, delivery_id, now)
            after = {"delivery_id": delivery_id}
            act = _resent(scope, by, found.endpoint.id, after, facts)
            await audit.record(session, scope.provider_id, act, now)

    async def resend_range(
        self, scope: TenantScope, by: Actor, wanted: ResendRange, facts: RequestFacts | None = None
    ) -> int:
        """Send all finished deliveries of a range again and return how many; fresh ones go first (W13).

        Raises NotFound, StateConflict (the endpoint is disabled).
        """
        await self._require_active(scope, wanted.endpoint_id)
        now = self._clock.now()
        conditions = [
            Delivery.endpoint_id == wanted.endpoint_id,
            Delivery.state == wanted.state.value,
            Delivery.created_at >= wanted.created_from,
            Delivery.created_at < wanted.created_to,
        ]
        async with self._database.write(scope) as session:
            count = await repository.resend(session, scope, conditions, now)
            after = {
                "state": wanted.state.value,
                "created_from": wanted.created_from.isoformat(),
                "created_to": wanted.created_to.isoformat(),
                "count": count,
            }
            act = _resent(scope, by, wanted.endpoint_id, after, facts)
            await audit.record(session, scope.provider_id, act, now)
        return count

    async def _require_active(self, scope: TenantScope, endpoint_id: str) -> None:
        if not (await self._reader.endpoint(scope, endpoint_id)).is_active:
            raise StateConflict(_DISABLED)

    @asynccontextmanager
    async def _change(
        self, scope: TenantScope, by: Actor, facts: RequestFacts | None
    ) -> AsyncIterator[Change]:
        async with self._database.write(scope) as session:
            provider = await session.scalar(select(Provider).where(Provider.id == scope.provider_id))
            if provider is None:
                raise NotFound
            profile = ProviderProfile.of(provider)
            change = Change(session, self._vault, profile, by, self._clock.now(), facts)
            await change.lock()
            yield change


def _resent(
    scope: TenantScope,
    by: Actor,
    endpoint_id: str,
    after: Mapping[str, object],
    facts: RequestFacts | None,
) -> Act:
    return Act(
        actor=by,
        action="webhook.resent",
        object_kind="webhook",
        object_id=endpoint_id,
        tenant_id=scope.tenant_id,
        after=after,
        request_id=facts.request_id if facts else None,
        peer=facts.peer if facts else None,
    )


_DISABLED = Text(
    "端点已停用：请先修复并重新启用，再发送。",
    "The endpoint is disabled: repair it and make it active first.",
)
