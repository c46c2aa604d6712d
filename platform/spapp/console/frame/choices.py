"""What the filters of a list offer: tenants and service providers by name."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from spcore.db.engine import Database
from spcore.db.scope import PlatformScope, ProviderScope
from spcore.providers.models import Provider
from sptenants.registry.models import Tenant

MOST = 200
"""Longer lists are cut: beyond, people come from the page of the tenant they mean."""


@dataclass(frozen=True, slots=True)
class Choice:
    id: str
    name: str
    number: str | None


@dataclass(frozen=True, slots=True)
class Choices:
    """The options of one filter, and the chosen one in words."""

    options: tuple[Choice, ...]
    chosen: str | None

    @classmethod
    def of(cls, options: tuple[Choice, ...], chosen_id: str | None) -> Choices:
        names = {option.id: option.name for option in options}
        return cls(options, names.get(chosen_id, chosen_id) if chosen_id else None)


async def tenant_choices(
    database: Database, scope: ProviderScope | PlatformScope, *, chosen: str | None, provider_id: str | None
) -> Choices:
    """Return the tenants of one provider, or of all on the platform, newest first."""
    query = select(Tenant.id, Tenant.name, Tenant.sub_mch_id).order_by(Tenant.id.desc()).limit(MOST)
    if provider_id is not None:
        query = query.where(Tenant.provider_id == provider_id)
    async with database.read(scope) as session:
        rows = (await session.execute(query)).all()
    return Choices.of(tuple(Choice(*row) for row in rows), chosen)


async def provider_choices(database: Database, scope: PlatformScope, *, chosen: str | None) -> Choices:
    query = select(Provider.id, Provider.name, Provider.mch_id).order_by(Provider.id.desc()).limit(MOST)
    async with database.read(scope) as session:
        rows = (await session.execute(query)).all()
    return Choices.of(tuple(Choice(*row) for row in rows), chosen)
