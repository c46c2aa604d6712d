"""A small house to test in: providers with tenants, as rows, without the services that make them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import insert

from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, TenantScope
from spcore.ids import new_id
from spcore.providers.models import Provider
from sptenants.registry.models import Tenant

MASTER_KEY = bytes(range(32))
MOMENT = datetime(2026, 11, 21, 12, 50, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class House:
    """One provider and its tenants; numbers are made of `number`, so that houses do not collide."""

    provider: ProviderScope
    tenants: tuple[TenantScope, ...]


async def build_house(database: Database, *, number: int = 1, tenants: int = 2) -> House:
    provider_id = new_id("prv")
    scope = ProviderScope(provider_id)
    provider = {
        "id": provider_id,
        "mode": "test",
        "kind": "ordinary",
        "name": f"服务商 {number}",
        "mch_id": f"{1900000100 + number}",
        "appid": f"wx{number:016x}",
        "api_version": "v2",
        "sign_type": "HMAC-SHA256",
        "status": "active",
        "route_key": new_id("rte"),
        "key_epoch": 1,
        "created_at": MOMENT,
        "updated_at": MOMENT,
    }
    rows = [
        {
            "id": new_id("ten"),
            "provider_id": provider_id,
            "sub_mch_id": f"{1600000000 + number * 100 + place}",
            "name": f"商户 {number}-{place}",
            "status": "live",
            "route_key": new_id("rte"),
            "server_per_second": 200,
            "session_per_second": 20,
            "created_at": MOMENT,
            "updated_at": MOMENT,
        }
        for place in range(tenants)
    ]
    async with database.write(scope) as session:
        await session.execute(insert(table_of(Provider)), [provider])
        if rows:
            await session.execute(insert(table_of(Tenant)), rows)
    return House(scope, tuple(TenantScope(provider_id, str(row["id"])) for row in rows))
