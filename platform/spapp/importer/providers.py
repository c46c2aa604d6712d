"""Service providers of an import file: created or amended, with their keys in versions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.importer.schema import ApiVersion, ProviderEntry
from spcore.audit.actor import Actor
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.errors import Fault, InvalidInput, Text
from spcore.ids import new_id
from spcore.providers.keys import put_key
from spcore.providers.models import KeyKind, KeyState, Provider, ProviderKey
from spcore.providers.profile import ProviderProfile
from spcore.vault import Vault
from sptenants.registry.tokens import new_route_key
from wechatpay.credentials import ProviderKind, SignType

_NEEDED = {
    ApiVersion.V2: {"api_v2_key": KeyKind.API_V2},
    ApiVersion.V3: {"api_v3_key": KeyKind.API_V3, "client_cert_pem": KeyKind.CLIENT_CERTIFICATE},
}
"""Without these keys no order can be made with that version."""


class Providers:
    """Puts providers into the transaction of an import."""

    def __init__(self, session: AsyncSession, vault: Vault, actor: Actor, clock: Clock) -> None:
        self._session = session
        self._vault = vault
        self._actor = actor
        self._now = clock.now()

    async def put(self, entry: ProviderEntry) -> ProviderProfile:
        """Store what the file says of a provider; fields and keys it leaves out stay.

        Raises InvalidInput: a key that is neither given nor stored, or a plain merchant that would become a
        service provider.
        """
        row = await self._session.scalar(
            select(Provider).where(Provider.mode == entry.mode, Provider.mch_id == entry.mch_id)
        )
        stored = set() if row is None else await self._active_kinds(row.id)
        faults = [*_kind_faults(row, entry), *_missing_keys(entry, stored)]
        if faults:
            raise InvalidInput(*faults)
        provider_id = await self._create(entry) if row is None else await self._amend(row, entry)
        await self._put_keys(provider_id, entry)
        mine = select(Provider).where(Provider.id == provider_id).execution_options(populate_existing=True)
        return ProviderProfile.of((await self._session.scalars(mine)).one())

    async def _active_kinds(self, provider_id: str) -> set[str]:
        rows = await self._session.scalars(
            select(ProviderKey.kind).where(
                ProviderKey.provider_id == provider_id, ProviderKey.state == KeyState.ACTIVE.value
            )
        )
        return set(rows)

    async def _create(self, entry: ProviderEntry) -> str:
        row = Provider(
            id=new_id("prv", self._now),
            mode=entry.mode.value,
            mch_id=entry.mch_id,
            status="active",
            route_key=new_route_key(),
            key_epoch=1,
            created_at=self._now,
            updated_at=self._now,
            **_columns(entry, SignType.HMAC_SHA256),
        )
        self._session.add(row)
        await self._session.flush()
        await self._audit(
            "provider.created", row.id, after={"mode": row.mode, "mch_id": row.mch_id} | _columns(entry, None)
        )
        return row.id

    async def _amend(self, row: Provider, entry: ProviderEntry) -> str:
        wanted = _columns(entry, SignType(row.sign_type))
        before = {name: getattr(row, name) for name, value in wanted.items() if getattr(row, name) != value}
        if before:
            after = {name: wanted[name] for name in before}
            await self._session.execute(
                update(Provider).where(Provider.id == row.id).values(**after, updated_at=self._now)
            )
            await self._audit("provider.changed", row.id, before=before, after=after)
        return row.id

    async def _put_keys(self, provider_id: str, entry: ProviderEntry) -> None:
        for key in entry.keys:
            put = await put_key(
                self._session,
                self._vault,
                provider_id=provider_id,
                kind=key.kind,
                secret=key.secret,
                now=self._now,
                label=key.label,
                not_after=key.not_after,
            )
            if put.changed:
                after = {"kind": key.kind.value, "version": put.version, "label": key.label}
                await self._audit("provider.key_set", provider_id, after=after)

    async def _audit(
        self,
        action: str,
        provider_id: str,
        *,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> None:
        act = Act(
            actor=self._actor,
            action=action,
            object_kind="provider",
            object_id=provider_id,
            before=before,
            after=after,
        )
        await record(self._session, provider_id, act, self._now)


def _columns(entry: ProviderEntry, sign_type: SignType | None) -> dict[str, Any]:
    """Return the columns the file decides; `sign_type` is for a file that says nothing of it."""
    chosen = entry.sign_type or sign_type
    return {
        "kind": entry.kind.value,
        "name": entry.name,
        "appid": entry.appid,
        "api_version": entry.api_version.value,
        "sign_type": None if chosen is None else chosen.value,
        **entry.policies,
    }


def _kind_faults(row: Provider | None, entry: ProviderEntry) -> list[Fault]:
    if row is None or (row.kind == ProviderKind.MERCHANT) == (entry.kind is ProviderKind.MERCHANT):
        return []
    return [Fault(f"{entry.pointer}/kind", "cannot_change", _KIND)]


def _missing_keys(entry: ProviderEntry, stored: set[str]) -> list[Fault]:
    there = stored | {key.kind.value for key in entry.keys}
    return [
        Fault(f"{entry.pointer}/{name}", "missing", _key_missing(entry.api_version))
        for name, kind in _NEEDED[entry.api_version].items()
        if kind.value not in there
    ]


def _key_missing(version: ApiVersion) -> Text:
    return Text(
        f"缺少：使用 API {version} 下单需要它，且尚未录入过。",
        f"is missing: orders with API {version} need it, and none is stored yet.",
    )


_KIND = Text(
    "已登记的普通商户与服务商不能互换类型，请使用另一个商户号。",
    "cannot change between plain merchant and service provider; use another merchant number.",
)
