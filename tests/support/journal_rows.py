"""Rows of the notification journal, as they stand after WeChat's message was dealt with."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import insert

from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.ids import new_id, new_ulid
from sptenants.notify.models import Notification


async def add_notification(
    database: Database,
    tenant: TenantScope,
    at: datetime,
    result: str,
    *,
    order_id: str | None = None,
    reason: str | None = None,
) -> str:
    """Write one message that arrived at that moment, and return its id."""
    row = _notification(tenant, at, order_id, result, reason)
    async with database.write(tenant) as session:
        await session.execute(insert(table_of(Notification)), [row])
    return str(row["id"])


def _notification(
    tenant: TenantScope, at: datetime, order_id: str | None, result: str, reason: str | None
) -> dict[str, Any]:
    notification_id = new_id("ntf", at)
    return {
        "provider_id": tenant.provider_id,
        "tenant_id": tenant.tenant_id,
        "id": notification_id,
        "version": "v2",
        "kind": "payment",
        "digest": sha256(notification_id.encode()).hexdigest(),
        "body": b"<xml></xml>",
        "headers": {"content-type": "text/xml"},
        "peer": "101.226.103.1",
        "request_id": new_id("req", at),
        "received_at": at,
        "received": 2 if result == "rejected" else 1,
        "last_received_at": at,
        "result": result,
        "reason": reason,
        "key_version": 1,
        "out_trade_no": new_ulid(at),
        "transaction_id": None,
        "order_id": order_id,
        "answered": "SUCCESS" if result == "processed" else "FAIL",
    }
