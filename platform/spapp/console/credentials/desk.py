"""Keys and certificates of the service provider: seen by all its people, replaced by owners."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from litestar import Response
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect
from sqlalchemy import select

from spapp.console.credentials.views import kind_views
from spapp.console.frame.faults import faults_by_field
from spapp.console.frame.forms import field
from spapp.console.frame.fresh import require_fresh
from spapp.console.frame.places import provider_scope
from spapp.console.frame.telling import tell_others
from spapp.console.frame.workplace import Notice, Work, Workplace, refused
from spcore.db.scope import ProviderScope
from spcore.errors import DomainError, NotFound, Text
from spcore.providers.certificates import MAX_PEM_BYTES
from spcore.providers.keys import OVERLAP, PutKey
from spcore.providers.models import KeyKind, Provider
from spcore.providers.profile import ProviderProfile
from spcore.providers.rotation import Origin, ProviderKeys, check_v2_key
from sptenants.registry.errors import Forbidden

BASE = "/console/credentials"
KEY_URL = f"{BASE}/api-v2-key"
CERTIFICATE_URL = f"{BASE}/certificate"
_CHANGED = {
    "api-v2-key": Text(
        "API v2 密钥已更换，新的调用从现在起用它签名。旧密钥再验签 48 小时。",
        "The API v2 key was replaced and signs from now on. The one before verifies for 48 hours.",
    ),
    "certificate": Text(
        "API 证书已更换，退款与撤销从现在起使用它。",
        "The API certificate was replaced; refunds and reversals use it from now on.",
    ),
    "same": Text("与现用的相同，没有更改。", "It is the one in use; nothing changed."),
}


Store = Callable[[Origin], Awaitable[PutKey]]
"""Puts a key that was found good into its place."""


@dataclass(frozen=True, slots=True)
class CredentialDesk:
    place: Workplace
    keys: ProviderKeys

    @property
    def scope(self) -> ProviderScope:
        return provider_scope(self.place.staff)

    async def show(self) -> Response[str]:
        """Answer with everything that is known of the provider's keys, without any value."""
        urls: dict[KeyKind, str] = {}
        if self.place.rights.own:
            urls = {KeyKind.API_V2: KEY_URL, KeyKind.CLIENT_CERTIFICATE: CERTIFICATE_URL}
        versions = await self.keys.versions(self.scope)
        changed = _CHANGED.get(self.place.request.query_params.get("changed", ""))
        return await self.place.show(
            "credentials/page.html",
            current=BASE,
            provider=await self._provider(),
            kinds=kind_views(versions, self.place.now, urls),
            is_new=not versions,
            said=Notice("ok", changed) if changed else None,
        )

    async def show_key_form(self, refusal: DomainError | None = None) -> Response[str]:
        return await self._form("credentials/key.html", refusal)

    async def show_certificate_form(self, refusal: DomainError | None = None) -> Response[str]:
        return await self._form("credentials/certificate.html", refusal)

    async def replace_key(self) -> Response[Any]:
        """Store another API v2 key, or show the form again; what was typed is not repeated."""

        async def checked(form: Any) -> Store:
            secret = field(form, "api_v2_key").strip()
            check_v2_key(secret)
            return partial(self.keys.replace_v2_key, self.scope, secret)

        return await self._replace("api-v2-key", checked, self.show_key_form)

    async def replace_certificate(self) -> Response[Any]:
        """Store another API certificate, pasted or as files; both stay in memory (K06)."""

        async def checked(form: Any) -> Store:
            pair = await _pem(form, "client_cert_pem"), await _pem(form, "client_key_pem")
            await self.keys.check_certificate(self.scope, *pair)
            return partial(self.keys.replace_certificate, self.scope, *pair)

        return await self._replace("certificate", checked, self.show_certificate_form)

    async def _replace(
        self,
        what: str,
        checked: Callable[[Any], Awaitable[Store]],
        show_form: Callable[[DomainError], Awaitable[Response[str]]],
    ) -> Response[Any]:
        form, facts = await self.place.request.form(), self.place.facts
        try:
            store = await checked(form)
            await require_fresh(self.place, form, "provider_key")
            put = await store(Origin(self.place.staff.actor, facts.request_id, facts.peer))
        except (NotFound, Forbidden):
            raise
        except DomainError as refusal:
            return refused(await show_form(refusal), refusal)
        if put.changed:
            await tell_others(self.place, _REPLACED[what])
        return Redirect(f"{BASE}?changed={what if put.changed else 'same'}", status_code=303)

    async def _form(self, template: str, refusal: DomainError | None) -> Response[str]:
        return await self.place.show(
            template,
            current=BASE,
            provider=await self._provider(),
            faults=faults_by_field(refusal) if refusal else {},
            asks_code=self.place.staff.has_second_factor,
            overlap_hours=OVERLAP.days * 24,
        )

    async def _provider(self) -> ProviderProfile:
        query = select(Provider).where(Provider.id == self.scope.provider_id)
        async with self.place.database.read(self.scope) as session:
            return ProviderProfile.of((await session.scalars(query)).one())


_REPLACED = {
    "api-v2-key": Text("更换了 API v2 密钥", "replaced the API v2 key"),
    "certificate": Text("更换了 API 证书", "replaced the API certificate"),
}

Credentials = NamedDependency[SkipValidation[CredentialDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_credential_desk(place: Work, provider_keys: NamedDependency[ProviderKeys]) -> CredentialDesk:
    return CredentialDesk(place, provider_keys)


credential_desk = Provide(_provide_credential_desk, sync_to_thread=False)


async def _pem(form: Any, name: str) -> bytes:
    """Return what was pasted, or else the file that was chosen; a longer one is cut just too late."""
    if pasted := field(form, name).strip():
        return pasted.encode()
    file = form.get(f"{name}_file")
    return await file.read(MAX_PEM_BYTES + 1) if isinstance(file, UploadFile) else b""
