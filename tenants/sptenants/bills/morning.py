"""Making rows of the bills that a morning asks for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, WorkerScope
from spcore.providers.models import Provider
from sptenants.bills import repository
from sptenants.bills.planning import (
    CHINA,
    DAY,
    DAYS_BACK,
    Known,
    OwnBills,
    Subject,
    bills_due,
    yesterday,
)
from sptenants.bills.repository import BILLS
from sptenants.registry.models import Tenant
from wechatpay.bills import Account, BillKind, BillWanted
from wechatpay.identifiers import SubMchId

SCHEDULE = "schedule"
"""Who asked for a bill that nobody asked for."""

_Known: TypeAlias = Mapping[str, Mapping[BillWanted, Known]]


@dataclass(frozen=True, slots=True)
class _Planned:
    """A provider that bills may be due of, and its tenants by `sub_mch_id` that have their own."""

    subject: Subject
    tenants: Mapping[str, str]


class Morning:
    """Plans for every active provider. Any number of workers may do so at once: a bill has one row."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def plan(self) -> None:
        """Have every bill begun that is due now. Three statements when there is none."""
        now = self._clock.now()
        async with self._database.read(WorkerScope()) as session:
            known = await _known(session, yesterday(now) - DAY * (DAYS_BACK - 1))
            planned = await _providers(session)
        for one in planned:
            scope, of_provider = (
                ProviderScope(one.subject.provider_id),
                known.get(one.subject.provider_id, {}),
            )
            due = bills_due(one.subject, of_provider, now)
            if not due:
                continue
            fresh = [(wanted, _tenant(one, wanted)) for wanted in due if wanted not in of_provider]
            async with self._database.write(scope) as session:
                if fresh:
                    await repository.plan(session, scope, fresh, SCHEDULE, now)
                for wanted in due:
                    if wanted in of_provider:
                        idle = BILLS.c.next_at.is_(None)
                        await repository.begin_again(session, scope, wanted, SCHEDULE, now, idle)


def _tenant(planned: _Planned, wanted: BillWanted) -> str | None:
    return None if wanted.sub_mch_id is None else planned.tenants[wanted.sub_mch_id.text]


async def _providers(session: AsyncSession) -> list[_Planned]:
    own: defaultdict[str, list[tuple[str, OwnBills]]] = defaultdict(list)
    tenants = select(Tenant.provider_id, Tenant.id, Tenant.sub_mch_id, Tenant.created_at).where(
        Tenant.own_bills.is_(True)
    )
    for provider_id, tenant_id, number, created_at in await session.execute(tenants):
        if number is None:  # a plain merchant's tenant: the provider's bill is its own
            continue
        bills = OwnBills(SubMchId(number), created_at.astimezone(CHINA).date())
        own[provider_id].append((tenant_id, bills))
    providers = select(Provider.id, Provider.status, Provider.api_version, Provider.created_at)
    return [
        _Planned(
            Subject(
                provider_id,
                status == "active",
                api_version,
                created_at.astimezone(CHINA).date(),
                [bills for _tenant_id, bills in own[provider_id]],
            ),
            {bills.sub_mch_id.text: tenant_id for tenant_id, bills in own[provider_id]},
        )
        for provider_id, status, api_version, created_at in await session.execute(providers)
    ]


async def _known(session: AsyncSession, since: date) -> _Known:
    query = select(
        BILLS.c.provider_id,
        BILLS.c.bill_date,
        BILLS.c.kind,
        BILLS.c.account,
        BILLS.c.sub_mch_id,
        BILLS.c.asked_at,
        BILLS.c.next_at,
    ).where(BILLS.c.bill_date >= since)
    found: defaultdict[str, dict[BillWanted, Known]] = defaultdict(dict)
    for row in await session.execute(query):
        wanted = BillWanted(
            row.bill_date,
            BillKind(row.kind),
            Account(row.account) if row.account else None,
            SubMchId(row.sub_mch_id) if row.sub_mch_id else None,
        )
        found[row.provider_id][wanted] = Known(row.asked_at, row.next_at is not None)
    return found
