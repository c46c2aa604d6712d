"""The registry's acts, one transaction each: tenants, app bindings, API keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.vault import Vault
from sptenants.registry import api_keys, binding_changes, tenants
from sptenants.registry.access import RequestFacts
from sptenants.registry.api_keys import IssuedKey
from sptenants.registry.binding_changes import NewBinding
from sptenants.registry.bindings import BindingProfile
from sptenants.registry.caller import TenantProfile
from sptenants.registry.changes import Change
from sptenants.registry.door import ProviderCaller
from sptenants.registry.rights import NO_LIMITS, KeyLimits
from sptenants.registry.tenants import NewTenant

LIMIT_RANGE = (1, 10_000)
"""Requests a second that a tenant may be allowed."""
_LIMIT = Text(
    f"须为 {LIMIT_RANGE[0]}–{LIMIT_RANGE[1]:,} 之间的整数。",
    f"must be a whole number from {LIMIT_RANGE[0]} to {LIMIT_RANGE[1]:,}.",
)


class Registry:
    """Every method raises NotFound for objects of other providers, and audits in its own transaction."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def create_tenant(
        self, caller: ProviderCaller, new: NewTenant, facts: RequestFacts | None = None
    ) -> TenantProfile:
        """Store a sub-merchant as a draft. Raises InvalidInput."""
        async with self._change(caller, facts) as change:
            return TenantProfile.of(await tenants.create(change, new))

    async def set_status(
        self,
        caller: ProviderCaller,
        tenant_id: str,
        status: str,
        *,
        reason: str | None = None,
        facts: RequestFacts | None = None,
    ) -> bool:
        """Move a tenant one stage along its life. Raises NotFound, StateConflict."""
        async with self._change(caller, facts) as change:
            return await tenants.set_status(change, tenant_id, status, reason=reason)

    async def add_binding(
        self, caller: ProviderCaller, tenant_id: str, new: NewBinding, facts: RequestFacts | None = None
    ) -> BindingProfile:
        """Bind an appid. Raises NotFound, StateConflict, InvalidInput."""
        async with self._change(caller, facts) as change:
            return await binding_changes.add(change, tenant_id, new)

    async def remove_binding(
        self, caller: ProviderCaller, tenant_id: str, binding_id: str, facts: RequestFacts | None = None
    ) -> None:
        """Unbind an appid. Raises NotFound."""
        async with self._change(caller, facts) as change:
            await binding_changes.remove(change, tenant_id, binding_id)

    async def amend_binding(
        self,
        caller: ProviderCaller,
        tenant_id: str,
        binding_id: str,
        *,
        name: str | None,
        owner: str,
        facts: RequestFacts | None = None,
    ) -> bool:
        """Call a bound app something else or correct whose it is, and say whether anything changed.

        Raises NotFound, InvalidInput.
        """
        async with self._change(caller, facts) as change:
            kinds = {row.id: row.kind for row in await binding_changes.of_tenant(change, tenant_id)}
            if binding_id not in kinds:
                raise NotFound
            renamed = await binding_changes.rename(change, tenant_id, binding_id, name)
            moved = await binding_changes.amend(
                change, tenant_id, binding_id, kind=kinds[binding_id], owner=owner
            )
            return renamed or moved

    async def amend_tenant(
        self,
        caller: ProviderCaller,
        tenant_id: str,
        wanted: Mapping[str, int | bool],
        facts: RequestFacts | None = None,
    ) -> bool:
        """Set limits and policies of a tenant, by the names that `tenants.amend` knows; say if any changed.

        Raises NotFound, InvalidInput for a limit outside of LIMIT_RANGE.
        """
        faults = [
            Fault(f"#/{name}", "out_of_range", _LIMIT)
            for name in ("server_per_second", "session_per_second")
            if name in wanted and not LIMIT_RANGE[0] <= wanted[name] <= LIMIT_RANGE[1]
        ]
        if faults:
            raise InvalidInput(*faults)
        async with self._change(caller, facts) as change:
            return await tenants.amend(change, tenant_id, dict(wanted))

    async def replace_secret(
        self,
        caller: ProviderCaller,
        tenant_id: str,
        binding_id: str,
        app_secret: str,
        facts: RequestFacts | None = None,
    ) -> bool:
        """Store another AppSecret and say whether it is another one. Raises NotFound, InvalidInput."""
        async with self._change(caller, facts) as change:
            return await binding_changes.replace_secret(change, tenant_id, binding_id, app_secret)

    async def create_api_key(
        self,
        caller: ProviderCaller,
        tenant_id: str | None,
        name: str,
        facts: RequestFacts | None = None,
        limits: KeyLimits = NO_LIMITS,
    ) -> IssuedKey:
        """Make a key, of the provider itself without `tenant_id`. Raises NotFound, InvalidInput."""
        async with self._change(caller, facts) as change:
            return await api_keys.issue(change, tenant_id, name, limits=limits)

    async def revoke_api_key(
        self, caller: ProviderCaller, key_id: str, facts: RequestFacts | None = None
    ) -> None:
        """End a key. Raises NotFound."""
        async with self._change(caller, facts) as change:
            await api_keys.revoke(change, key_id)

    @asynccontextmanager
    async def _change(self, caller: ProviderCaller, facts: RequestFacts | None) -> AsyncIterator[Change]:
        async with self._database.write(caller.scope) as session:
            change = Change(session, self._vault, caller.provider, caller.actor, self._clock.now(), facts)
            await change.lock()
            yield change
