"""The work list and the heal log as tests look at them."""

from __future__ import annotations

from typing import Any

from tests.support.till import Till

from sptenants.anomalies.records import AnomalyFilter, AnomalyRecord, HealFilter, HealRecord
from sptenants.anomalies.service import Anomalies
from sptenants.orders.disputes import AnomalyKind, raise_anomaly


async def on_the_list(till: Till, *, tenant: int = 0, **wanted: Any) -> list[AnomalyRecord]:
    """Return a tenant's anomalies, newest first."""
    work_list = Anomalies(till.database, till.clock)
    page = await work_list.list(till.callers[tenant].scope, AnomalyFilter(**wanted), 100)
    return list(page.rows)


async def kinds_of(till: Till, *, tenant: int = 0, **wanted: Any) -> list[tuple[str, str]]:
    """Return kind and state of a tenant's anomalies, newest first."""
    return [(found.kind.value, found.state) for found in await on_the_list(till, tenant=tenant, **wanted)]


async def healed(till: Till, *, tenant: int = 0) -> list[HealRecord]:
    """Return a tenant's heal log, newest first."""
    work_list = Anomalies(till.database, till.clock)
    return list((await work_list.heals(till.callers[tenant].scope, HealFilter(), 100)).rows)


async def put_on_the_list(
    till: Till,
    kind: AnomalyKind,
    mark: str = "m1",
    *,
    order_id: str | None = None,
    tenant: int = 0,
    **facts: Any,
) -> bool:
    """Raise an anomaly in a transaction of its own; say whether it is new on the list."""
    scope, now = till.callers[tenant].scope, till.clock.now()
    async with till.database.write(scope) as session:
        return await raise_anomaly(session, scope, kind, mark, now, order_id=order_id, facts=facts)
