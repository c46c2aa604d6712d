"""One transaction that changes the registry of a provider: who does it, when, and its audit rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.audit.actor import Actor
from spcore.audit.writer import Act, record
from spcore.errors import NotFound
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from spcore.vault import Vault
from sptenants.registry.access import RequestFacts
from sptenants.registry.models import Tenant


@dataclass(frozen=True, slots=True)
class Change:
    """What every change needs. The session is open in a scope that covers the provider."""

    session: AsyncSession
    vault: Vault
    provider: ProviderProfile
    actor: Actor
    now: datetime
    facts: RequestFacts | None = None

    async def lock(self) -> None:
        """Make changes to this provider's registry wait for each other until the transaction ends.

        Free slots and names can then be looked for before they are taken; the unique constraints keep the
        last word. Raises NotFound when the provider is gone.
        """
        mine = select(Provider.id).where(Provider.id == self.provider.id).with_for_update(key_share=True)
        if await self.session.scalar(mine) is None:
            raise NotFound

    async def tenant(self, tenant_id: str) -> Tenant:
        """Return a tenant of this provider. Raises NotFound, also for somebody else's (Y3)."""
        mine = select(Tenant).where(Tenant.provider_id == self.provider.id, Tenant.id == tenant_id)
        found = await self.session.scalar(mine.execution_options(populate_existing=True))
        if found is None:
            raise NotFound
        return found

    async def audit(
        self,
        action: str,
        object_kind: str,
        object_id: str,
        *,
        tenant_id: str | None = None,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        reason: str | None = None,
    ) -> None:
        """Add a row to the provider's chain, in this transaction: no record, no change (A06, A07)."""
        act = Act(
            actor=self.actor,
            action=action,
            object_kind=object_kind,
            object_id=object_id,
            tenant_id=tenant_id,
            before=before,
            after=after,
            reason=reason,
            request_id=self.facts.request_id if self.facts else None,
            peer=self.facts.peer if self.facts else None,
        )
        await record(self.session, self.provider.id, act, self.now)
