"""Webhook endpoints of a tenant: made inside a `Change`, with a secret that is shown once."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field

from sqlalchemy import select

from spcore.errors import InvalidInput
from spcore.ids import new_id
from spcore.vault import SealContext
from sptenants.registry.changes import Change
from sptenants.registry.rules import webhook_url_faults
from sptenants.webhooks.models import WebhookEndpoint

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint that was just made; this is the only moment its secret is told."""

    id: str
    url: str
    secret: str = field(repr=False)


async def add(change: Change, tenant_id: str, url: str, pointer: str = "#") -> NewEndpoint:
    """Store an address that is to hear of the tenant's events, with a fresh `whsec_` secret.

    The secret is 32 random bytes in base64, as Standard Webhooks has it. Raises NotFound, InvalidInput. The
    change is locked.
    """
    await change.tenant(tenant_id)
    if faults := webhook_url_faults(url, f"{pointer}/url"):
        raise InvalidInput(*faults)
    endpoint_id = new_id("whe", change.now)
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    context = secret_context(change.provider.id, tenant_id, endpoint_id)
    change.session.add(
        WebhookEndpoint(
            provider_id=change.provider.id,
            tenant_id=tenant_id,
            id=endpoint_id,
            url=url,
            secret_sealed=change.vault.seal(secret.encode(), context),
            status="active",
            created_at=change.now,
        )
    )
    await change.session.flush()
    await change.audit(
        "webhook.created", "webhook", endpoint_id, tenant_id=tenant_id, after={"url": url, "status": "active"}
    )
    return NewEndpoint(endpoint_id, url, secret)


async def of_tenant(change: Change, tenant_id: str) -> list[WebhookEndpoint]:
    """Return the tenant's endpoints, oldest first."""
    rows = await change.session.scalars(
        select(WebhookEndpoint)
        .where(WebhookEndpoint.provider_id == change.provider.id, WebhookEndpoint.tenant_id == tenant_id)
        .order_by(WebhookEndpoint.id)
    )
    return list(rows)


def secret_context(provider_id: str, tenant_id: str, endpoint_id: str) -> SealContext:
    """Return what an endpoint's secret is sealed to, so that it opens in no other row (C5)."""
    return SealContext(provider_id, tenant_id, f"webhook_secret:{endpoint_id}", 1)
