"""Who is calling, once the credential was checked: the only way to come by a TenantScope for a request."""

from __future__ import annotations

from dataclasses import dataclass

from spcore.audit.actor import Actor
from spcore.db.scope import TenantScope
from spcore.providers.profile import ProviderProfile
from sptenants.registry.models import Tenant


@dataclass(frozen=True, slots=True)
class TenantProfile:
    id: str
    provider_id: str
    sub_mch_id: str | None
    name: str
    status: str
    route_key: str
    server_per_second: int
    session_per_second: int

    @classmethod
    def of(cls, row: Tenant) -> TenantProfile:
        return cls(
            id=row.id,
            provider_id=row.provider_id,
            sub_mch_id=row.sub_mch_id,
            name=row.name,
            status=row.status,
            route_key=row.route_key,
            server_per_second=row.server_per_second,
            session_per_second=row.session_per_second,
        )


@dataclass(frozen=True, slots=True)
class Caller:
    """A request on behalf of one tenant (rule Y1: known from its credential alone)."""

    provider: ProviderProfile
    tenant: TenantProfile
    actor: Actor

    @property
    def scope(self) -> TenantScope:
        return TenantScope(self.provider.id, self.tenant.id)


@dataclass(frozen=True, slots=True)
class Payer:
    """Whoever holds a mini-program session: an openid of one appid at one tenant."""

    caller: Caller
    sub_appid: str
    openid: str
