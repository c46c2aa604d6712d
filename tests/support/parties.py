"""Callers for tests that start below the HTTP layer."""

from __future__ import annotations

from spcore.audit.actor import Actor
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from sptenants.registry.door import ProviderCaller

OPERATOR = Actor("person", "per_01JD3K8W7Q4M6X0B2T9V5H1CZN", "运营")


async def provider_caller(database: Database, scope: ProviderScope) -> ProviderCaller:
    """Return a person of the provider `scope`, as the console would hand one over."""
    async with database.read(scope) as session:
        row = await session.get_one(Provider, scope.provider_id)
    return ProviderCaller(ProviderProfile.of(row), OPERATOR)
