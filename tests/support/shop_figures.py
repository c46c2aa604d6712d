"""What the lived-in installation has of sums, refused calls and refused notifications."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import insert

from spapp.refusals.models import Refusal
from spapp.refusals.reasons import Reason
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, TenantScope, WorkerScope
from spcore.ids import new_id
from sptenants.notify.models import StrayNotification
from sptenants.orders.models import OrderSum
from sptenants.orders.summing import Summing
from sptenants.orders.sums import COUNTED, DAY, HOUR, day_of, midnight

DAYS = 42
"""Days before today that have sums; orders themselves are all of today."""
APP = "wx3f8c21d0b7e6a91c"


@dataclass(frozen=True, slots=True)
class _Stands:
    """A clock that stands still."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment


async def add_figures(database: Database, now: datetime, tenants: Sequence[TenantScope]) -> None:
    """Write past days, and bring today's sums up to date."""
    rows = [
        row
        for place, tenant in enumerate(tenants)
        for back in range(1, DAYS)
        for row in _past(tenant, place, now, back)
    ]
    async with database.write(WorkerScope()) as session:
        await session.execute(insert(table_of(OrderSum)), rows)
    await _refusals(database, now, tenants)
    summing = Summing(database, _Stands(now))
    while await summing.run():
        pass


def _past(tenant: TenantScope, place: int, now: datetime, back: int) -> list[dict[str, Any]]:
    """One day that takes in more on weekends; yesterday has its hours too."""
    day = day_of(now) - back * DAY
    paid = (40 + (back * 7 + place * 13) % 23 + (25 if day.weekday() > 4 else 0)) // (place + 1)
    if place == 2 and back == 1:
        paid *= 3
    counted = _counted(paid, place)
    owner = {"provider_id": tenant.provider_id, "tenant_id": tenant.tenant_id, "sub_appid": APP}
    rows = [owner | {"span": "day", "begin": midnight(day)} | counted]
    if back == 1:
        morning, evening = midnight(day) + 9 * HOUR, midnight(day) + 21 * HOUR
        early = _counted(paid * 2 // 3, place)
        late = {name: counted[name] - early[name] for name in COUNTED}
        rows += [
            owner | {"span": "hour", "begin": at} | one for at, one in ((morning, early), (evening, late))
        ]
    return rows


def _counted(paid: int, place: int) -> dict[str, int]:
    return {
        "created": paid + paid // 6,
        "paid_count": paid,
        "paid_amount": paid * (128_00, 250_000_00, 219_00)[place],
        "settled_of": paid + paid // 12,
        "settled_paid": paid,
        "refunded_count": paid // 20,
        "refunded_amount": paid // 20 * 9_900,
        "failed": paid // 30,
        "closed": paid // 12,
        "attention": 0,
    }


async def _refusals(database: Database, now: datetime, tenants: Sequence[TenantScope]) -> None:
    first, second = tenants[0].tenant_id, tenants[-1].tenant_id
    made = (
        (0, Reason.WRONG_KEY, "POST /v1/orders", "", 214),
        (0, Reason.APP_NOT_BOUND, "POST /v1/orders", first, 12),
        (1, Reason.TENANT_NOT_LIVE, "POST /v1/orders", second, 41),
        (2, Reason.FOREIGN_OBJECT, "GET /v1/orders/{order_id}", second, 3),
        (4, Reason.AMOUNT_NAMED, "POST /v1/mini/{tenant_id}/orders", first, 96),
    )
    rows = [
        {
            "day": day_of(now) - back * DAY,
            "reason": reason.value,
            "route": route,
            "tenant_id": tenant_id,
            "seen": seen,
            "first_at": now - back * DAY - HOUR,
            "last_at": now - back * DAY - timedelta(minutes=1),
            "last_request_id": new_id("req", now),
            "last_peer": "203.0.113.9",
        }
        for back, reason, route, tenant_id, seen in made
    ]
    stray = {
        "digest": sha256(b"stray").hexdigest(),
        "route_digest": sha256(b"route").hexdigest(),
        "size": 812,
        "peer": "198.51.100.23",
        "received": 4,
        "received_at": now - 2 * HOUR,
        "last_received_at": now - HOUR,
    }
    async with database.write(DoorScope()) as session:
        await session.execute(insert(table_of(Refusal)), rows)
        await session.execute(insert(table_of(StrayNotification)), [stray])
