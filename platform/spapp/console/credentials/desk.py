"""Keys and certificates of the service provider at a glance: seen by all its people, changed by owners."""

from __future__ import annotations

from dataclasses import dataclass

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from sqlalchemy import select

from spapp.console.credentials.cockpit import since
from spapp.console.credentials.kinds import BASE, COCKPIT_URL, PLATFORM_CERTIFICATE, VERSION_URL
from spapp.console.credentials.said import CHANGED
from spapp.console.credentials.views import FetchView, kind_views
from spapp.console.frame.places import provider_scope
from spapp.console.frame.workplace import Notice, Work, Workplace
from spcore.db.scope import ProviderScope
from spcore.providers.models import Provider
from spcore.providers.platform_certificates import PlatformCertificates
from spcore.providers.profile import ProviderProfile
from spcore.providers.rotation import ProviderKeys
from spcore.providers.uses import KeyUses


@dataclass(frozen=True, slots=True)
class CredentialDesk:
    place: Workplace
    keys: ProviderKeys
    uses: KeyUses
    certificates: PlatformCertificates

    async def show(self) -> Response[str]:
        """Answer with everything that is known of the provider's keys, without any value."""
        place, scope = self.place, provider_scope(self.place.staff)
        provider = await provider_of(place, scope)
        versions = await self.keys.versions(scope)
        fetch = await self.certificates.last_fetch(scope)
        changed = CHANGED.get(place.request.query_params.get("changed", ""))
        return await place.show(
            "credentials/page.html",
            current=BASE,
            provider=provider,
            kinds=kind_views(
                versions,
                await self.uses.uses(scope, since(place.now)),
                place.now,
                api_version=provider.api_version,
                may_change=place.rights.own,
            ),
            fetch=FetchView(fetch, scope.provider_id, place.now) if fetch else None,
            fetched_page=PLATFORM_CERTIFICATE,
            cockpit_url=COCKPIT_URL,
            version_url=VERSION_URL,
            is_new=not versions,
            said=Notice("ok", changed) if changed else None,
        )


async def provider_of(place: Workplace, scope: ProviderScope) -> ProviderProfile:
    """Return the provider the person works for."""
    query = select(Provider).where(Provider.id == scope.provider_id)
    async with place.database.read(scope) as session:
        return ProviderProfile.of((await session.scalars(query)).one())


Credentials = NamedDependency[SkipValidation[CredentialDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_credential_desk(
    place: Work,
    provider_keys: NamedDependency[ProviderKeys],
    key_uses: NamedDependency[KeyUses],
    platform_certificates: NamedDependency[PlatformCertificates],
) -> CredentialDesk:
    return CredentialDesk(place, provider_keys, key_uses, platform_certificates)


credential_desk = Provide(_provide_credential_desk, sync_to_thread=False)
