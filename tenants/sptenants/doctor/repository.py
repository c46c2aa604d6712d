"""Statements of the doctor. All run in the scope of a provider, or read in a wider one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.ids import new_id
from spcore.providers.models import Provider
from sptenants.doctor.models import DoctorResult, DoctorRun, ProbeOrder
from sptenants.doctor.verdicts import Verdict
from sptenants.registry.models import Tenant

RUNS_KEPT = 20
"""Of each subject."""

ReadScope = TenantScope | ProviderScope | PlatformScope
_RESULTS, _RUNS, _PROBES = table_of(DoctorResult), table_of(DoctorRun), table_of(ProbeOrder)


@dataclass(frozen=True, slots=True)
class Stored:
    """A verdict as it was stored, with when and by which run."""

    tenant_id: str | None
    verdict: Verdict
    run_id: str
    checked_at: datetime | None


async def replace_results(
    session: AsyncSession,
    scope: ProviderScope | TenantScope,
    tenant_id: str | None,
    verdicts: Sequence[Verdict],
    run_id: str,
    now: datetime,
    *,
    parts: Iterable[str] | None = None,
) -> None:
    """Store verdicts in the place of earlier ones about the same items.

    With `parts` only results about these bindings are replaced, else all of the item's.
    """
    codes = sorted({verdict.code for verdict in verdicts})
    if not codes:
        return
    about: list[ColumnElement[bool]] = [
        _RESULTS.c.provider_id == scope.provider_id,
        _RESULTS.c.subject == (tenant_id or scope.provider_id),
        _RESULTS.c.code.in_(codes),
    ]
    if isinstance(scope, TenantScope):
        about.append(_RESULTS.c.tenant_id == scope.tenant_id)
    if parts is not None:
        about.append(_RESULTS.c.part.in_(sorted(parts)))
    await session.execute(delete(_RESULTS).where(*about))
    rows = [
        {
            "id": new_id("dgr", now),
            "provider_id": scope.provider_id,
            "tenant_id": tenant_id,
            "subject": tenant_id or scope.provider_id,
            "code": verdict.code,
            "part": verdict.part,
            "level": verdict.level.value,
            "reason": verdict.reason,
            "facts": dict(verdict.facts),
            "run_id": run_id,
            "checked_at": now,
        }
        for verdict in verdicts
    ]
    await session.execute(insert(_RESULTS), rows)


async def insert_run(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Store a run and forget the oldest of its subject."""
    await session.execute(insert(_RUNS), [dict(row)])
    mine = and_(_RUNS.c.provider_id == row["provider_id"], _RUNS.c.subject == row["subject"])
    kept = select(_RUNS.c.id).where(mine).order_by(_RUNS.c.id.desc()).limit(RUNS_KEPT)
    oldest = list(await session.scalars(kept))
    if len(oldest) == RUNS_KEPT:
        await session.execute(delete(_RUNS).where(mine, _RUNS.c.id < oldest[-1]))


async def lock_provider(session: AsyncSession, scope: ProviderScope) -> None:
    """Let runs of one provider store their results one after the other."""
    mine = select(Provider.id).where(Provider.id == scope.provider_id).with_for_update(key_share=True)
    await session.execute(mine)


async def stored(session: AsyncSession, scope: ReadScope, subjects: Sequence[str]) -> list[Stored]:
    """Return the results of subjects (ids of tenants or of the provider) within the scope."""
    query = select(_RESULTS).where(_RESULTS.c.subject.in_(subjects), *_within(_RESULTS, scope))
    return [
        Stored(row.tenant_id, Verdict(row.code, row.reason, row.facts, row.part), row.run_id, row.checked_at)
        for row in await session.execute(query)
    ]


async def last_run_at(session: AsyncSession, scope: ReadScope, subject: str) -> datetime | None:
    query = select(func.max(_RUNS.c.ran_at)).where(_RUNS.c.subject == subject, *_within(_RUNS, scope))
    found: datetime | None = await session.scalar(query)
    return found


async def runs_of(session: AsyncSession, scope: ReadScope, subject: str) -> list[DoctorRun]:
    """Return the kept runs of a subject, newest first."""
    query = (
        select(DoctorRun)
        .where(DoctorRun.subject == subject, *_within(_RUNS, scope))
        .order_by(DoctorRun.id.desc())
    )
    return list(await session.scalars(query))


async def levels(session: AsyncSession, scope: ReadScope, tenant_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Return each tenant with each level it has, once."""
    query = (
        select(_RESULTS.c.tenant_id, _RESULTS.c.level)
        .where(_RESULTS.c.tenant_id.in_(tenant_ids), *_within(_RESULTS, scope))
        .distinct()
    )
    return [(row.tenant_id, row.level) for row in await session.execute(query)]


async def due_tenants(session: AsyncSession, before: datetime, limit: int) -> list[tuple[str, str]]:
    """Return live tenants that no run has looked at since `before`: provider and tenant ids."""
    looked = (
        select(_RUNS.c.id)
        .where(_RUNS.c.subject == Tenant.id, _RUNS.c.ran_at > before)
        .correlate(table_of(Tenant))
        .exists()
    )
    query = (
        select(Tenant.provider_id, Tenant.id)
        .join(Provider, Provider.id == Tenant.provider_id)
        .where(Tenant.status == "live", Provider.status == "active", ~looked)
        .order_by(Tenant.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await session.execute(query)]


async def insert_probe(
    session: AsyncSession,
    scope: TenantScope,
    out_trade_no: str,
    sub_appid: str | None,
    now: datetime,
    close_due_at: datetime,
) -> None:
    row = {
        "provider_id": scope.provider_id,
        "tenant_id": scope.tenant_id,
        "out_trade_no": out_trade_no,
        "sub_appid": sub_appid,
        "created_at": now,
        "close_due_at": close_due_at,
    }
    await session.execute(insert(_PROBES), [row])


async def due_probes(session: AsyncSession, now: datetime, limit: int) -> list[ProbeOrder]:
    query = (
        select(ProbeOrder)
        .where(ProbeOrder.close_due_at <= now)
        .order_by(ProbeOrder.close_due_at)
        .limit(limit)
    )
    return list(await session.scalars(query))


async def settle_probe(
    session: AsyncSession, scope: TenantScope, out_trade_no: str, due_at: datetime | None
) -> None:
    """Note when to close a probe's order next; None when it is over."""
    await session.execute(
        update(_PROBES)
        .where(_PROBES.c.tenant_id == scope.tenant_id, _PROBES.c.out_trade_no == out_trade_no)
        .values(close_due_at=due_at)
    )


async def forget_probes(session: AsyncSession, scope: TenantScope, before: datetime) -> None:
    """Forget a tenant's probes that ended long ago."""
    await session.execute(
        delete(_PROBES).where(
            _PROBES.c.tenant_id == scope.tenant_id,
            _PROBES.c.close_due_at.is_(None),
            _PROBES.c.created_at < before,
        )
    )


def _within(table: Any, scope: ReadScope) -> list[ColumnElement[bool]]:
    match scope:
        case TenantScope():
            # The provider's own rows are its own: a merchant reads those about itself.
            return [table.c.provider_id == scope.provider_id, table.c.tenant_id == scope.tenant_id]
        case ProviderScope():
            return [table.c.provider_id == scope.provider_id]
        case PlatformScope():
            return []
