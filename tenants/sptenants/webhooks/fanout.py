"""From the outbox to the endpoints: one delivery for each endpoint that wants to hear of an event."""

from __future__ import annotations

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.outbox.models import OutboxMessage
from sptenants.webhooks import repository
from sptenants.webhooks.event_types import DISABLED, TEST
from sptenants.webhooks.models import WebhookEndpoint


class FanOut:
    """The outbox's handler for every type that nobody else handles.

    Handing the same message on again adds nothing. A message whose handler failed is tried again by the
    outbox, so an event that was committed reaches every endpoint in the end (W09).
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def __call__(self, message: OutboxMessage) -> None:
        scope = TenantScope(message.provider_id, message.tenant_id)
        async with self._database.read(scope) as session:
            found = await repository.endpoints_of(session, scope)
        wanting = [endpoint for endpoint in found if _wants(endpoint, message)]
        if wanting:
            async with self._database.write(scope) as session:
                await repository.insert_deliveries(session, message, wanting, self._clock.now())


def _wants(endpoint: WebhookEndpoint, message: OutboxMessage) -> bool:
    if endpoint.status != "active" and endpoint.disabled_reason == "by_hand":
        return False
    if message.type == TEST:
        return endpoint.id == message.subject
    if message.type == DISABLED and endpoint.id == message.subject:
        return False
    return endpoint.event_types is None or message.type in endpoint.event_types
