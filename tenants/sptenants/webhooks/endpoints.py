"""Changes to webhook endpoints, made inside a `Change`; a secret is told once, when it is made (W10)."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from spcore.db.base import table_of
from spcore.db.scope import TenantScope
from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.ids import new_id
from spcore.vault import SealContext, Vault
from sptenants.registry.changes import Change
from sptenants.registry.rules import webhook_url_faults
from sptenants.webhooks.disabling import disable
from sptenants.webhooks.event_types import faults_of
from sptenants.webhooks.models import Delivery, DeliveryAttempt, WebhookEndpoint

MAX_ENDPOINTS = 10
"""Of one tenant: every event is sent to each of them."""
MAX_DESCRIPTION = 200
OLD_SECRET_SIGNS_FOR = timedelta(hours=24)
"""How long both secrets sign after a change (failure catalogue 2.5)."""
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint that was just made; this is the only moment its secret is told."""

    id: str
    url: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """What to change; only what is in `fields` is: `url`, `description`, `event_types`, `status`."""

    fields: dict[str, Any]


async def add(
    change: Change,
    tenant_id: str,
    url: str,
    pointer: str = "#",
    *,
    event_types: list[str] | None = None,
    description: str | None = None,
    own_host: str | None = None,
) -> NewEndpoint:
    """Store an address that is to hear of the tenant's events, with a fresh `whsec_` secret.

    The secret is 32 random bytes in base64, as Standard Webhooks has it. `own_host` is the name under which
    this installation is reached. Raises NotFound, InvalidInput. The change is locked.
    """
    await change.tenant(tenant_id)
    known = await of_tenant(change, tenant_id)
    faults = _url_faults(url, known, pointer, own_host)
    faults += faults_of(event_types, f"{pointer}/event_types")
    faults += _description_faults(description, f"{pointer}/description")
    if len(known) >= MAX_ENDPOINTS:
        faults.append(Fault(f"{pointer}/url", "too_many", _TOO_MANY))
    if faults:
        raise InvalidInput(*faults)
    endpoint_id, secret = new_id("whe", change.now), _new_secret()
    context = secret_context(change.provider.id, tenant_id, endpoint_id)
    change.session.add(
        WebhookEndpoint(
            provider_id=change.provider.id,
            tenant_id=tenant_id,
            id=endpoint_id,
            url=url,
            description=description,
            event_types=event_types,
            secret_sealed=change.vault.seal(secret.encode(), context),
            status="active",
            created_at=change.now,
        )
    )
    await change.session.flush()
    after = {"url": url, "status": "active"} | ({"event_types": event_types} if event_types else {})
    await change.audit("webhook.created", "webhook", endpoint_id, tenant_id=tenant_id, after=after)
    return NewEndpoint(endpoint_id, url, secret)


async def alter(
    change: Change,
    tenant_id: str,
    endpoint_id: str,
    wanted: EndpointChange,
    *,
    own_host: str | None = None,
) -> None:
    """Change an endpoint. One that becomes active again starts with a clean record; what failed meanwhile can
    be resent. Raises NotFound, InvalidInput. The change is locked.
    """
    known = {row.id: row for row in await of_tenant(change, tenant_id)}
    endpoint = known.get(endpoint_id)
    if endpoint is None:
        raise NotFound
    fields = {name: value for name, value in wanted.fields.items() if getattr(endpoint, name) != value}
    faults = faults_of(fields.get("event_types"), "#/event_types")
    faults += _description_faults(fields.get("description"), "#/description")
    if "url" in fields:
        faults += _url_faults(fields["url"], list(known.values()), "#", own_host)
    if faults:
        raise InvalidInput(*faults)
    if not fields:
        return
    before = {name: getattr(endpoint, name) for name in fields}
    status = fields.get("status")
    values = {name: value for name, value in fields.items() if name != "status"}
    if status == "active":
        values |= {"status": status, "disabled_at": None, "disabled_reason": None, "failing_since": None}
    if values:
        await change.session.execute(
            update(table_of(WebhookEndpoint)).where(*_mine(change, tenant_id, endpoint_id)).values(**values)
        )
    if status == "disabled":
        scope = TenantScope(change.provider.id, tenant_id)
        await disable(change.session, scope, endpoint_id, "by_hand", change.now)
    await change.audit(
        "webhook.changed", "webhook", endpoint_id, tenant_id=tenant_id, before=before, after=fields
    )


async def rotate_secret(change: Change, tenant_id: str, endpoint_id: str) -> NewEndpoint:
    """Give an endpoint another secret; the one before signs too for OLD_SECRET_SIGNS_FOR (W11).

    Raises NotFound. The change is locked.
    """
    endpoint = await _find(change, tenant_id, endpoint_id)
    version, secret = endpoint.secret_version + 1, _new_secret()
    context = secret_context(change.provider.id, tenant_id, endpoint_id, version)
    await change.session.execute(
        update(WebhookEndpoint)
        .where(*_mine(change, tenant_id, endpoint_id))
        .values(
            secret_sealed=change.vault.seal(secret.encode(), context),
            secret_version=version,
            previous_secret_sealed=endpoint.secret_sealed,
            previous_secret_until=change.now + OLD_SECRET_SIGNS_FOR,
        )
        .execution_options(synchronize_session=False)
    )
    await change.audit(
        "webhook.secret_rotated", "webhook", endpoint_id, tenant_id=tenant_id, after={"version": version}
    )
    return NewEndpoint(endpoint_id, endpoint.url, secret)


async def remove(change: Change, tenant_id: str, endpoint_id: str) -> None:
    """Remove an endpoint with its deliveries; the events stay. Raises NotFound. The change is locked."""
    endpoint = await _find(change, tenant_id, endpoint_id)
    deliveries, attempts = table_of(Delivery), table_of(DeliveryAttempt)
    sent_there = select(deliveries.c.id).where(
        deliveries.c.provider_id == change.provider.id,
        deliveries.c.tenant_id == tenant_id,
        deliveries.c.endpoint_id == endpoint_id,
    )
    for statement in (
        delete(attempts).where(
            attempts.c.provider_id == change.provider.id,
            attempts.c.tenant_id == tenant_id,
            attempts.c.delivery_id.in_(sent_there),
        ),
        delete(deliveries).where(
            deliveries.c.provider_id == change.provider.id,
            deliveries.c.tenant_id == tenant_id,
            deliveries.c.endpoint_id == endpoint_id,
        ),
        delete(table_of(WebhookEndpoint)).where(*_mine(change, tenant_id, endpoint_id)),
    ):
        await change.session.execute(statement)
    await change.audit(
        "webhook.deleted", "webhook", endpoint_id, tenant_id=tenant_id, before={"url": endpoint.url}
    )


async def of_tenant(change: Change, tenant_id: str) -> list[WebhookEndpoint]:
    """Return the tenant's endpoints, oldest first."""
    rows = await change.session.scalars(
        select(WebhookEndpoint)
        .where(WebhookEndpoint.provider_id == change.provider.id, WebhookEndpoint.tenant_id == tenant_id)
        .order_by(WebhookEndpoint.id)
    )
    return list(rows)


def secret_context(provider_id: str, tenant_id: str, endpoint_id: str, version: int = 1) -> SealContext:
    """Return what an endpoint's secret is sealed to, so that it opens in no other row (C5)."""
    return SealContext(provider_id, tenant_id, f"webhook_secret:{endpoint_id}", version)


def signing_secrets(vault: Vault, endpoint: WebhookEndpoint, now: datetime) -> Sequence[str]:
    """Return the secrets that sign at this moment, the present one first. Raises VaultError."""
    sealed = [(endpoint.secret_sealed, endpoint.secret_version)]
    until, previous = endpoint.previous_secret_until, endpoint.previous_secret_sealed
    if previous is not None and until is not None and now < until:
        sealed.append((previous, endpoint.secret_version - 1))
    place = (endpoint.provider_id, endpoint.tenant_id, endpoint.id)
    return [vault.open(one, secret_context(*place, version)).decode() for one, version in sealed]


async def _find(change: Change, tenant_id: str, endpoint_id: str) -> WebhookEndpoint:
    found = await change.session.scalar(select(WebhookEndpoint).where(*_mine(change, tenant_id, endpoint_id)))
    if found is None:
        raise NotFound
    return found


def _mine(change: Change, tenant_id: str, endpoint_id: str) -> tuple[Any, ...]:
    return (
        WebhookEndpoint.provider_id == change.provider.id,
        WebhookEndpoint.tenant_id == tenant_id,
        WebhookEndpoint.id == endpoint_id,
    )


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _url_faults(
    url: str, known: Sequence[WebhookEndpoint], pointer: str, own_host: str | None
) -> list[Fault]:
    if any(row.url == url for row in known):
        return [Fault(f"{pointer}/url", "taken", _TAKEN)]
    return webhook_url_faults(url, f"{pointer}/url", own_host)


def _description_faults(description: str | None, pointer: str) -> list[Fault]:
    if description is None or (len(description) <= MAX_DESCRIPTION and description.isprintable()):
        return []
    return [Fault(pointer, "invalid_format", _DESCRIPTION)]


_TAKEN = Text("已有相同地址的端点。", "is the address of another endpoint.")
_TOO_MANY = Text(
    f"每个商户最多 {MAX_ENDPOINTS} 个端点，请先删除一个。",
    f"cannot be added: {MAX_ENDPOINTS} endpoints are the most for a merchant. Remove one first.",
)
_DESCRIPTION = Text(
    f"应为不超过 {MAX_DESCRIPTION} 个字符的文本，不含换行等控制字符。",
    f"must be text of at most {MAX_DESCRIPTION} characters without line ends or other control characters.",
)
