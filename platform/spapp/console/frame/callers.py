"""The person of a request as the registry's services know callers."""

from __future__ import annotations

from sqlalchemy import select

from spapp.console.frame.places import provider_scope
from spapp.console.frame.workplace import Workplace
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from sptenants.registry.door import ProviderCaller


async def provider_caller(place: Workplace) -> ProviderCaller:
    """Return the person as somebody who acts for the service provider they work for."""
    scope = provider_scope(place.staff)
    async with place.database.read(scope) as session:
        provider = (await session.scalars(select(Provider).where(Provider.id == scope.provider_id))).one()
    return ProviderCaller(ProviderProfile.of(provider), place.staff.actor)
