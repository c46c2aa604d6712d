"""What the lived-in installation has of keys, webhook endpoints and deliveries, as rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert
from tests.support.house import MASTER_KEY

from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, TenantScope
from spcore.ids import new_id
from spcore.outbox.models import OutboxMessage
from spcore.providers.keys import put_key
from spcore.providers.models import KeyKind
from spcore.vault import Vault
from sptenants.registry.models import ApiKey
from sptenants.registry.tokens import new_api_key
from sptenants.webhooks.models import Delivery, DeliveryAttempt, WebhookEndpoint

API_V2_KEY = "k" * 32
LONG_URL = "https://integration-gateway.shanghai.example.com/services/payments/wechat/events/v2/receive"
SEQUENCE_FROM = 100
HOSTILE_ANSWER = '<script>alert("x")</script>{{7*7}}'

_TRIED = {"delivered": ("delivered", 200), "failed": ("http_error", 500), "retrying": ("timeout", None)}


async def add_developers(
    database: Database, provider: ProviderScope, tenant: TenantScope, order_id: str, now: datetime
) -> dict[str, str]:
    """Fill a provider and one of its tenants, whose order all events are about; returns ids by their kind."""
    keys = [
        _key(provider.provider_id, None, "ops", now - timedelta(days=90), None),
        _key(
            provider.provider_id,
            tenant.tenant_id,
            "门店收银服务器（徐汇滨江旗舰店，二楼机房）",
            now - timedelta(days=3),
            {"rights": ["orders:read", "orders:write"], "networks": ["203.0.113.0/24", "2001:db8::/48"]},
        ),
    ]
    endpoints = [
        _endpoint(tenant, LONG_URL, now - timedelta(days=20)),
        _endpoint(
            tenant,
            "https://old.example.com/hook",
            now - timedelta(days=60),
            status="disabled",
            disabled_at=now - timedelta(days=2),
            disabled_reason="gone",
            event_types=["payment.succeeded"],
            description="旧系统",
        ),
    ]
    vault = Vault([MASTER_KEY])
    async with database.write(provider) as session:
        for key in keys:
            await session.execute(insert(table_of(ApiKey)), [key])
        for endpoint in endpoints:
            await session.execute(insert(table_of(WebhookEndpoint)), [endpoint])
        await put_key(
            session,
            vault,
            provider_id=provider.provider_id,
            kind=KeyKind.API_V2,
            secret=API_V2_KEY.encode(),
            now=now - timedelta(days=30),
        )
    states = ("delivered", "delivered", "delivered", "failed", "retrying", "pending")
    made = [
        await _delivery(
            database, tenant, endpoints[0]["id"], order_id, state, now - timedelta(minutes=9 * place), place
        )
        for place, state in enumerate(states, start=1)
    ]
    delivery_id, event_id = made[3]
    return {
        "key": keys[1]["id"],
        "endpoint": endpoints[0]["id"],
        "delivery": delivery_id,
        "event": event_id,
    }


def _key(
    provider_id: str, tenant_id: str | None, name: str, at: datetime, limits: dict[str, Any] | None
) -> dict[str, Any]:
    made = new_api_key("wpk" if tenant_id is None else "wsk", "test")
    return {
        "id": new_id("key", at),
        "provider_id": provider_id,
        "tenant_id": tenant_id,
        "name": name,
        "secret_hash": made.secret_hash,
        "hint": made.hint,
        "created_by": "王敏",
        "created_at": at,
        "last_used_at": at + timedelta(hours=5),
        **(limits or {}),
    }


def _endpoint(tenant: TenantScope, url: str, at: datetime, **shape: Any) -> dict[str, Any]:
    return {
        "id": new_id("whe", at),
        "provider_id": tenant.provider_id,
        "tenant_id": tenant.tenant_id,
        "url": url,
        "secret_sealed": b"sealed",
        "secret_version": 1,
        "status": "active",
        "created_at": at,
        "last_success_at": at + timedelta(days=1),
        **shape,
    }


async def _delivery(
    database: Database,
    tenant: TenantScope,
    endpoint_id: str,
    subject: str,
    state: str,
    at: datetime,
    place: int,
) -> tuple[str, str]:
    """Add a delivery with its event; returns the ids of both."""
    owner = {"provider_id": tenant.provider_id, "tenant_id": tenant.tenant_id}
    event_id, delivery_id = new_id("evt", at), new_id("dlv", at)
    kind = "payment.succeeded"
    outcome, status = _TRIED.get(state, (None, None))
    open_since = state in ("pending", "retrying")
    event = owner | {
        "id": event_id,
        "type": kind,
        "subject": subject,
        "sequence": SEQUENCE_FROM + place,
        "payload": {"id": subject, "object": "order", "status": "paid", "amount": 12_800 + place},
        "created_at": at,
        "due_at": at,
        "done_at": at,
    }
    row = owner | {
        "id": delivery_id,
        "endpoint_id": endpoint_id,
        "event_id": event_id,
        "type": kind,
        "subject": subject,
        "sequence": SEQUENCE_FROM + place,
        "state": state,
        "resent": False,
        "attempts": 0 if outcome is None else 1,
        "step": 0,
        "created_at": at,
        "due_at": at + timedelta(hours=1) if open_since else None,
        "first_attempt_at": at if outcome else None,
        "finished_at": None if open_since else at,
        "last_outcome": outcome,
        "last_http_status": status,
    }
    attempts: Sequence[dict[str, Any]] = [
        owner
        | {
            "id": new_id("dla", at),
            "delivery_id": delivery_id,
            "number": 1,
            "at": at,
            "elapsed_ms": 186,
            "outcome": outcome,
            "http_status": status,
            "excerpt": json.dumps({"error": HOSTILE_ANSWER}) if status == 500 else None,
            "next_at": None,
        }
    ]
    async with database.write(tenant) as session:
        await session.execute(insert(table_of(OutboxMessage)), [event])
        await session.execute(insert(table_of(Delivery)), [row])
        if outcome is not None:
            await session.execute(insert(table_of(DeliveryAttempt)), list(attempts))
    return delivery_id, event_id
