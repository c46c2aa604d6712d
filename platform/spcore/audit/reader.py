"""Reading the audit log: one chain for a provider's people, all of them for the platform's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Select, func, or_, select

from spcore.audit.models import PLATFORM_CHAIN, AuditRow
from spcore.db.engine import Database
from spcore.db.keyset import Page, decode_cursor, page
from spcore.db.scope import PlatformScope, ProviderScope
from spcore.errors import NotFound
from spcore.providers.models import Provider

AuditScope: TypeAlias = ProviderScope | PlatformScope


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """`actor` is a name or an id; `number` an id of the object, of the request, or of the act itself.

    `chain` narrows the platform's view; a provider's own scope has one chain anyway.
    """

    chain: str | None = None
    action: str | None = None
    actor: str | None = None
    number: str | None = None
    tenant_id: str | None = None
    at_from: datetime | None = None
    at_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One act as it was written. `chain_name` is the provider's, None for the platform's own chain."""

    id: str
    chain: str
    chain_name: str | None
    seq: int
    at: datetime
    actor_kind: str
    actor_id: str | None
    actor_name: str
    tenant_id: str | None
    action: str
    object_kind: str
    object_id: str | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    reason: str | None
    request_id: str | None
    peer: str | None
    hash: str


class AuditReader:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, scope: AuditScope, wanted: AuditFilter, limit: int, cursor: str | None = None
    ) -> Page[AuditRecord]:
        """Return acts, newest first. Raises InvalidInput for a cursor that is not ours."""
        query = _acts(scope).where(*_conditions(wanted)).order_by(AuditRow.id.desc()).limit(limit + 1)
        if cursor is not None:
            query = query.where(AuditRow.id < decode_cursor(cursor))
        return page(await self._records(scope, query), limit)

    async def count(self, scope: AuditScope, wanted: AuditFilter, most: int) -> int:
        """Return how many acts there are, `most + 1` when there are more than `most`."""
        some = select(AuditRow.id).where(*_of_scope(scope), *_conditions(wanted)).limit(most + 1)
        async with self._database.read(scope) as session:
            return (await session.scalars(select(func.count()).select_from(some.subquery()))).one()

    async def record(self, scope: AuditScope, act_id: str) -> AuditRecord:
        """Return one act. Raises NotFound, also for one of another chain (rule Y3)."""
        found = await self._records(scope, _acts(scope).where(AuditRow.id == act_id))
        if not found:
            raise NotFound()
        return found[0]

    async def _records(self, scope: AuditScope, query: Select[AuditRow, str]) -> Sequence[AuditRecord]:
        async with self._database.read(scope) as session:
            rows = (await session.execute(query)).all()
        return [_record(row, name) for row, name in rows]


def _acts(scope: AuditScope) -> Select[AuditRow, str]:
    query = select(AuditRow, Provider.name).outerjoin(Provider, Provider.id == AuditRow.chain)
    return query.where(*_of_scope(scope))


def _of_scope(scope: AuditScope) -> list[ColumnElement[bool]]:
    return [AuditRow.chain == scope.provider_id] if isinstance(scope, ProviderScope) else []


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    exact = {
        AuditRow.chain: wanted.chain,
        AuditRow.action: wanted.action,
        AuditRow.tenant_id: wanted.tenant_id,
    }
    conditions = [column == value for column, value in exact.items() if value is not None]
    if wanted.actor is not None:
        conditions.append(or_(AuditRow.actor_name == wanted.actor, AuditRow.actor_id == wanted.actor))
    if wanted.number is not None:
        conditions.append(
            or_(
                AuditRow.object_id == wanted.number,
                AuditRow.request_id == wanted.number,
                AuditRow.id == wanted.number,
            )
        )
    if wanted.at_from is not None:
        conditions.append(AuditRow.at >= wanted.at_from)
    if wanted.at_to is not None:
        conditions.append(AuditRow.at < wanted.at_to)
    return conditions


def _record(row: AuditRow, chain_name: str | None) -> AuditRecord:
    return AuditRecord(
        id=row.id,
        chain=row.chain,
        chain_name=None if row.chain == PLATFORM_CHAIN else chain_name,
        seq=row.seq,
        at=row.at,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        actor_name=row.actor_name,
        tenant_id=row.tenant_id,
        action=row.action,
        object_kind=row.object_kind,
        object_id=row.object_id,
        before=row.before,
        after=row.after,
        reason=row.reason,
        request_id=row.request_id,
        peer=row.peer,
        hash=row.hash,
    )
