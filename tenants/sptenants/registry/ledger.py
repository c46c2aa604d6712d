"""The ledger of app bindings: every change of a slot, who made it and what confirmed it (B-17).

The state of a binding is changed here alone, so that no state stands without its history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from spcore.audit.actor import Actor
from spcore.db.base import TENANT_OWNED, Model, TenantOwned, table_of
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.ids import new_id
from sptenants.registry.models import AppBinding

MOST_SHOWN = 200


class BindingStatus(StrEnum):
    """Whether WeChat's side has the binding too: only a probe or a payment there can tell."""

    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    INVALID = "invalid"
    DISABLED = "disabled"


class LedgerEvent(StrEnum):
    """What happened to a slot."""

    DECLARED = "declared"
    CHANGED = "changed"
    SECRET_REPLACED = "secret_replaced"  # noqa: S105 - a word
    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    DISABLED = "disabled"
    ENABLED = "enabled"
    REMOVED = "removed"


class BindingHistory(TenantOwned, Model):
    """One entry of the ledger. It outlives the binding, so that there is no foreign key to it."""

    __tablename__ = "binding_history"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        Index("ix_binding_history_provider_id_id", "provider_id", "id"),
        Index("ix_binding_history_tenant_id_id", "tenant_id", "id"),
        {"info": TENANT_OWNED | {"imported": True}},
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    binding_id: Mapped[str]
    sub_appid: Mapped[str]
    what: Mapped[str]
    facts: Mapped[dict[str, Any]]
    """Evidence by name: run or trial id, WeChat's code, states before and after; never a secret."""
    by: Mapped[str]
    """Name of the person or key, or `system`."""
    at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """An entry as pages show it."""

    id: str
    tenant_id: str
    binding_id: str
    sub_appid: str
    what: LedgerEvent
    facts: Mapping[str, Any]
    by: str
    at: datetime


async def write_history(
    session: AsyncSession,
    scope: TenantScope,
    binding_id: str,
    sub_appid: str,
    what: LedgerEvent,
    facts: Mapping[str, Any],
    by: Actor,
    now: datetime,
) -> None:
    """Add an entry in the caller's transaction, together with the change it tells of."""
    row = {
        "provider_id": scope.provider_id,
        "tenant_id": scope.tenant_id,
        "id": new_id("bhi", now),
        "binding_id": binding_id,
        "sub_appid": sub_appid,
        "what": what.value,
        "facts": dict(facts),
        "by": by.name,
        "at": now,
    }
    await session.execute(insert(table_of(BindingHistory)), [row])


async def set_status(
    session: AsyncSession,
    scope: TenantScope,
    binding_id: str,
    wanted: BindingStatus,
    what: LedgerEvent,
    evidence: Mapping[str, Any],
    by: Actor,
    now: datetime,
) -> BindingStatus | None:
    """Give a binding another state with its entry, and return the one before; None when nothing changed.

    Nothing changes for a binding that is gone, or that is in this state already.
    """
    found = (
        await session.execute(
            select(AppBinding.status, AppBinding.sub_appid)
            .where(
                AppBinding.provider_id == scope.provider_id,
                AppBinding.tenant_id == scope.tenant_id,
                AppBinding.id == binding_id,
            )
            .with_for_update()
        )
    ).one_or_none()
    if found is None or found.status == wanted:
        return None
    moved = await session.execute(
        update(AppBinding)
        .where(
            AppBinding.provider_id == scope.provider_id,
            AppBinding.tenant_id == scope.tenant_id,
            AppBinding.id == binding_id,
            AppBinding.status == found.status,
        )
        .values(status=wanted.value, updated_at=now)
        .returning(AppBinding.id)
        .execution_options(synchronize_session=False)
    )
    if moved.scalar_one_or_none() is None:
        return None
    facts = {"before": found.status, "after": wanted.value, **evidence}
    await write_history(session, scope, binding_id, found.sub_appid, what, facts, by, now)
    return BindingStatus(found.status)


async def history(
    session: AsyncSession,
    scope: TenantScope | ProviderScope | PlatformScope,
    tenant_id: str | None = None,
    *,
    binding_id: str | None = None,
    limit: int = 50,
) -> Sequence[LedgerEntry]:
    """Return the newest entries within the scope, newest first; of one tenant or binding when named."""
    query = select(BindingHistory).order_by(BindingHistory.id.desc()).limit(min(limit, MOST_SHOWN))
    if isinstance(scope, TenantScope):
        query = query.where(BindingHistory.tenant_id == scope.tenant_id)
    if isinstance(scope, TenantScope | ProviderScope):
        query = query.where(BindingHistory.provider_id == scope.provider_id)
    if tenant_id is not None:
        query = query.where(BindingHistory.tenant_id == tenant_id)
    if binding_id is not None:
        query = query.where(BindingHistory.binding_id == binding_id)
    return [
        LedgerEntry(
            id=row.id,
            tenant_id=row.tenant_id,
            binding_id=row.binding_id,
            sub_appid=row.sub_appid,
            what=LedgerEvent(row.what),
            facts=row.facts,
            by=row.by,
            at=row.at,
        )
        for row in await session.scalars(query)
    ]
