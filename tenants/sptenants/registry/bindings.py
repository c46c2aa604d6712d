"""An app binding as the rest of the program sees it, and the one way to find it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from spcore.db.scope import TenantScope
from spcore.vault import SealContext
from sptenants.registry.models import AppBinding

USABLE = frozenset({"unverified", "verified"})
"""A binding nobody has checked may be tried: only WeChat knows, and its refusal explains itself."""

_BINDINGS = table_of(AppBinding)
_BINDING_OF = select(_BINDINGS).where(
    _BINDINGS.c.tenant_id == bindparam("tenant_id"), _BINDINGS.c.sub_appid == bindparam("sub_appid")
)


@dataclass(frozen=True, slots=True)
class BindingProfile:
    id: str
    slot: int
    sub_appid: str
    name: str | None
    kind: str
    owner: str
    status: str
    secret_version: int
    sealed_secret: bytes | None = field(repr=False)

    @classmethod
    def of(cls, row: AppBinding | Row[Any]) -> BindingProfile:
        return cls(
            id=row.id,
            slot=row.slot,
            sub_appid=row.sub_appid,
            name=row.name,
            kind=row.kind,
            owner=row.owner,
            status=row.status,
            secret_version=row.secret_version,
            sealed_secret=row.secret_sealed,
        )

    @property
    def usable(self) -> bool:
        """Whether orders and logins may use it; `invalid` and `disabled` ones may not."""
        return self.status in USABLE

    @property
    def has_secret(self) -> bool:
        return self.sealed_secret is not None


async def binding_of(session: AsyncSession, scope: TenantScope, sub_appid: str) -> BindingProfile | None:
    """Return the tenant's binding of this appid, None when it has none (O06); one statement."""
    values = {"tenant_id": scope.tenant_id, "sub_appid": sub_appid}
    row = (await session.execute(_BINDING_OF, values)).one_or_none()
    return None if row is None else BindingProfile.of(row)


def secret_context(scope: TenantScope, binding_id: str, version: int) -> SealContext:
    """Return what an AppSecret is sealed to, so that it opens in no other row (C5, S1-05)."""
    return SealContext(scope.provider_id, scope.tenant_id, f"app_secret:{binding_id}", version)
