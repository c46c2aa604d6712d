"""Codes of WeChat's that the catalogue does not explain yet, counted per tenant so that it can grow (B-2).

Only refusals come here, never an order that went well. The catalogue is `wechatpay/explain*.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Index, and_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from spcore.db.base import TENANT_OWNED, Model, TenantOwned, table_of
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope, TenantScope
from sptenants.registry.models import Tenant
from wechatpay.explain import explain

MAX_CODE = 64
MAX_SHOWN = 100


class UnexplainedCode(TenantOwned, Model):
    """One code as one operation answered it to one tenant, with WeChat's latest words."""

    __tablename__ = "unexplained_codes"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "tenant_id"], ["tenants.provider_id", "tenants.id"]),
        Index("ix_unexplained_codes_last_seen_at", "last_seen_at"),
        {"info": TENANT_OWNED},
    )

    api: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    message: Mapped[str]
    """WeChat's own words as `wechatpay.call.safe_message` keeps them."""
    seen: Mapped[int]
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]


_CODES = table_of(UnexplainedCode)


@dataclass(frozen=True, slots=True)
class Unexplained:
    """A code that waits for its entry in the catalogue."""

    api: str
    code: str
    message: str
    seen: int
    first_seen_at: datetime
    last_seen_at: datetime
    tenant_id: str
    tenant_name: str


async def note_refusal(
    session: AsyncSession, scope: TenantScope, failure: Mapping[str, Any] | None, now: datetime
) -> None:
    """Count a stored refusal whose code nobody has explained, in the caller's transaction.

    `failure` is what an order or refund keeps of it, None when WeChat did not refuse; what never left us is
    not counted.
    """
    if failure is None or failure["code"] == "NOT_SENT":
        return
    api, code, message = (str(failure[name]) for name in ("api", "code", "message"))
    if explain(api, code, message) is not None:
        return
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    fresh = dialect.insert(_CODES)
    new = fresh.excluded
    counted = {
        "message": new.message,
        "seen": _CODES.c.seen + 1,
        "last_seen_at": new.last_seen_at,
    }
    row = {
        "provider_id": scope.provider_id,
        "tenant_id": scope.tenant_id,
        "api": api,
        "code": code[:MAX_CODE],
        "message": message,
        "seen": 1,
        "first_seen_at": now,
        "last_seen_at": now,
    }
    statement = fresh.on_conflict_do_update(index_elements=["tenant_id", "api", "code"], set_=counted)
    await session.execute(statement, [row])


async def unexplained(database: Database, scope: PlatformScope) -> Sequence[Unexplained]:
    """Return what the catalogue lacks, latest first, at most MAX_SHOWN."""
    query = (
        select(UnexplainedCode, Tenant.name)
        .join(
            Tenant,
            and_(Tenant.provider_id == UnexplainedCode.provider_id, Tenant.id == UnexplainedCode.tenant_id),
        )
        .order_by(UnexplainedCode.last_seen_at.desc())
        .limit(MAX_SHOWN)
    )
    async with database.read(scope) as session:
        found = (await session.execute(query)).all()
    return [
        Unexplained(
            api=row.api,
            code=row.code,
            message=row.message,
            seen=row.seen,
            first_seen_at=row.first_seen_at,
            last_seen_at=row.last_seen_at,
            tenant_id=row.tenant_id,
            tenant_name=name,
        )
        for row, name in found
        if explain(row.api, row.code, row.message) is None
    ]
