"""The kit of one tenant: its page and its download. One desk a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from spapp.console.frame.workplace import Work, Workplace
from spapp.console.kit.views import KitView
from spapp.kit.service import Kits
from spapp.web.api_docs import ApiDocument
from spcore.db.scope import PlatformScope


@dataclass(frozen=True, slots=True)
class KitDesk:
    place: Workplace
    kits: Kits
    document: ApiDocument

    async def show(self, tenant_id: str, url: str, current: str, **context: Any) -> Response[str]:
        """Answer with the page at `url`. Raises NotFound."""
        facts = await self.kits.facts(self.place.scope, tenant_id)
        prices_url = f"{self.place.base}/prices" if self.place.base == "/m" else None
        view = KitView(facts, f"{url}.zip", prices_url)
        return await self.place.show("kit/page.html", view=view, facts=facts, current=current, **context)

    async def download(self, tenant_id: str) -> Response[bytes]:
        """Answer with the zip and write down that it was taken. Raises NotFound, InvalidInput."""
        scope = self.place.scope
        if isinstance(scope, PlatformScope):
            raise TypeError("kits are taken in the areas of providers and merchants")
        appid = self.place.request.query_params.get("appid") or None
        by, facts = self.place.staff.actor, self.place.facts
        kit = await self.kits.make(scope, tenant_id, appid, self.document, by, facts)
        headers = {
            "Content-Disposition": f'attachment; filename="{kit.facts.file_name}"',
            "Cache-Control": "no-store",
        }
        return Response(kit.content, media_type="application/zip", headers=headers)


Kitting = NamedDependency[SkipValidation[KitDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_kit_desk(
    place: Work, kits: NamedDependency[Kits], api_document: NamedDependency[ApiDocument]
) -> KitDesk:
    return KitDesk(place, kits, api_document)


kit_desk = Provide(_provide_kit_desk, sync_to_thread=False)
