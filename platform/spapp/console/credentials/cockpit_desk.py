"""The page of the move from platform certificates to WeChat Pay's public key (B-15)."""

from __future__ import annotations

from dataclasses import dataclass

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from spapp.console.credentials.cockpit import SerialLine, Step, read_cockpit, since
from spapp.console.credentials.kinds import BASE, COCKPIT_URL, PLATFORM_CERTIFICATE, PUBLIC_KEY
from spapp.console.credentials.views import FetchView, version_chip
from spapp.console.frame.places import provider_scope
from spapp.console.frame.workplace import Work, Workplace
from spcore.providers.models import KeyKind
from spcore.providers.platform_certificates import PlatformCertificates
from spcore.providers.rotation import ProviderKeys
from spcore.providers.uses import KeyUses


@dataclass(frozen=True, slots=True)
class CockpitDesk:
    place: Workplace
    keys: ProviderKeys
    uses: KeyUses
    certificates: PlatformCertificates

    async def show(self) -> Response[str]:
        """Answer with who signed what of the last week, where the move stands and what comes next."""
        place, scope = self.place, provider_scope(self.place.staff)
        met = await self.uses.uses(scope, since(place.now))
        cockpit = read_cockpit(met, await self.keys.versions(scope), place.now)
        fetch = await self.certificates.last_fetch(scope)
        return await place.show(
            "credentials/public_key.html",
            current=BASE,
            url=COCKPIT_URL,
            cockpit=cockpit,
            lines=[(line, self._acts(line)) for line in cockpit.serials],
            chip_of=lambda version: version_chip(version, place.now),
            fetch=FetchView(fetch, scope.provider_id, place.now) if fetch else None,
            public_kind=KeyKind.WECHATPAY_PUBLIC_KEY,
            enter_url=PUBLIC_KEY.url if place.rights.own and cockpit.step is Step.NOTHING else None,
        )

    def _acts(self, line: SerialLine) -> dict[str, str]:
        """Return where the owner ends or takes back a stored key, by the act."""
        if not self.place.rights.own or line.version is None:
            return {}
        page = PUBLIC_KEY if line.kind is KeyKind.WECHATPAY_PUBLIC_KEY else PLATFORM_CERTIFICATE
        state = line.version.state_at(self.place.now)
        if state == "active":
            return {"retire": page.change_of("retire", line.version.version)}
        return {"restore": page.change_of("restore", line.version.version)}


Cockpits = NamedDependency[SkipValidation[CockpitDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_cockpit_desk(
    place: Work,
    provider_keys: NamedDependency[ProviderKeys],
    key_uses: NamedDependency[KeyUses],
    platform_certificates: NamedDependency[PlatformCertificates],
) -> CockpitDesk:
    return CockpitDesk(place, provider_keys, key_uses, platform_certificates)


cockpit_desk = Provide(_provide_cockpit_desk, sync_to_thread=False)
