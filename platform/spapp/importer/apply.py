"""Applying an import file: all of it in one transaction, or nothing (contract section 4).

What only the database can tell (a number taken, an appid of another provider) is found by doing the work
and collecting what is refused; when anything was, the transaction ends without effect.
"""

from __future__ import annotations

from types import TracebackType
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.importer.people import People, hash_passwords
from spapp.importer.providers import Providers
from spapp.importer.result import (
    BindingResult,
    ImportResult,
    KeyResult,
    ProviderResult,
    TenantResult,
    WebhookResult,
)
from spapp.importer.schema import BindingEntry, Document, Named, ProviderEntry, TenantEntry, read_document
from spcore.audit.actor import Actor
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import ImportScope, TenantScope
from spcore.errors import Fault, InvalidInput, Text
from spcore.vault import Vault
from sptenants.prices import service as prices
from sptenants.reconciliation.rates import put_from_today
from sptenants.registry import api_keys, binding_changes, tenants
from sptenants.registry.changes import Change
from sptenants.registry.models import Tenant
from sptenants.registry.notify_paths import notify_urls
from sptenants.registry.rules import TenantStatus
from sptenants.registry.tenants import NewTenant
from sptenants.webhooks import endpoints

ACTOR = Actor("cli", None, "wxsp import")
_TRIES = 3


async def import_document(
    database: Database, vault: Vault, clock: Clock, document: bytes, public_url: str
) -> ImportResult:
    """Create or update everything `document` names, and return ids, notify addresses and new keys.

    Idempotent: what is there already stays as it is and costs no new key. Raises InvalidInput with every
    fault; nothing is stored then.
    """
    wanted = read_document(document, clock.now())
    _require_https(wanted, public_url)
    hashes = await hash_passwords(database, wanted.people())
    for last in (False,) * (_TRIES - 1) + (True,):
        try:
            async with database.write(ImportScope()) as session:
                people = People(session, ACTOR, clock, hashes)
                work = _Import(session, vault, clock, people, public_url)
                return await work.run(wanted)
        except IntegrityError:
            # Somebody else stored the same thing a moment earlier: now it is there to be found.
            if last:
                raise
    raise AssertionError("unreachable")


def _require_https(wanted: Document, public_url: str) -> None:
    """Refuse live providers that WeChat could not notify: the next start would refuse them (contract 3)."""
    if public_url.startswith("https://"):
        return
    live = [entry for entry in wanted.providers if entry.mode == "live"]
    if live:
        raise InvalidInput(*(Fault(f"{entry.pointer}/mode", "https_needed", _HTTPS) for entry in live))


class _Collecting:
    """Notes the faults of the block it surrounds and goes on after it."""

    def __init__(self, faults: list[Fault]) -> None:
        self._faults = faults

    def __enter__(self) -> None: ...

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, InvalidInput):
            return False
        self._faults.extend(error.faults)
        return True


class _Import:
    def __init__(
        self, session: AsyncSession, vault: Vault, clock: Clock, people: People, public_url: str
    ) -> None:
        self._session = session
        self._vault = vault
        self._clock = clock
        self._people = people
        self._public_url = public_url
        self._faults: list[Fault] = []

    async def run(self, wanted: Document) -> ImportResult:
        done = [await self._provider(entry) for entry in wanted.providers]
        for admin in wanted.admins:
            await self._people.put(admin)
        if self._faults:
            raise InvalidInput(*self._faults)
        return ImportResult(tuple(result for result in done if result is not None))

    async def _provider(self, entry: ProviderEntry) -> ProviderResult | None:
        with _Collecting(self._faults):
            profile = await Providers(self._session, self._vault, ACTOR, self._clock).put(entry)
            change = Change(self._session, self._vault, profile, ACTOR, self._clock.now())
            await change.lock()
            done = [await self._tenant(change, tenant) for tenant in entry.tenants]
            for member in entry.members:
                await self._people.put(member, provider_id=profile.id)
            return ProviderResult(
                id=profile.id,
                name=profile.name,
                mode=profile.mode,
                mch_id=profile.mch_id,
                tenants=tuple(tenant for tenant in done if tenant is not None),
                api_keys=await self._api_keys(change, None, entry.api_keys),
            )
        return None

    async def _tenant(self, change: Change, entry: TenantEntry) -> TenantResult | None:
        with _Collecting(self._faults):
            tenant = await self._find_or_create(change, entry)
            scope = TenantScope(change.provider.id, tenant.id)
            bindings = await self._bindings(change, tenant, entry)
            for price in entry.prices:
                await prices.put(self._session, scope, price, change.now)
            if entry.fee_rate is not None:
                await put_from_today(self._session, scope, entry.fee_rate, ACTOR, change.now)
            keys = await self._api_keys(change, tenant.id, entry.api_keys)
            hooks = await self._webhooks(change, tenant.id, entry.webhooks)
            for member in entry.members:
                await self._people.put(member, provider_id=scope.provider_id, tenant_id=tenant.id)
            if entry.status is not None:
                await tenants.set_status(change, tenant.id, entry.status, reason="import", outright=True)
            return TenantResult(
                id=tenant.id,
                name=entry.name,
                sub_mch_id=tenant.sub_mch_id,
                status=entry.status or tenant.status,
                notify_urls=notify_urls(self._public_url, tenant.route_key),
                bindings=bindings,
                api_keys=keys,
                webhooks=hooks,
            )
        return None

    async def _find_or_create(self, change: Change, entry: TenantEntry) -> Tenant:
        tenant = await self._session.scalar(
            select(Tenant).where(
                Tenant.provider_id == change.provider.id,
                Tenant.sub_mch_id.is_not_distinct_from(entry.sub_mch_id),
            )
        )
        if tenant is None:
            tenant = await tenants.create(change, NewTenant(entry.name, entry.sub_mch_id), entry.pointer)
        elif tenant.status == TenantStatus.CLOSED:
            raise InvalidInput(Fault(entry.pointer, "tenant_closed", _CLOSED))
        await tenants.amend(change, tenant.id, dict(entry.amendments), entry.pointer)
        return tenant

    async def _bindings(
        self, change: Change, tenant: Tenant, entry: TenantEntry
    ) -> tuple[BindingResult, ...]:
        bound = {row.sub_appid: row.id for row in await binding_changes.of_tenant(change, tenant.id)}
        # Whoever sets a tenant live without the wizard vouches for what was bound on WeChat's side.
        vouched = (entry.status or tenant.status) == TenantStatus.LIVE
        done = []
        for binding in entry.bindings:
            with _Collecting(self._faults):
                known = bound.get(binding.new.sub_appid)
                if known is None:
                    known = await self._bind(change, tenant.id, binding, vouched=vouched)
                else:
                    await self._rebind(change, tenant.id, known, binding)
                done.append(BindingResult(known, binding.new.sub_appid))
        return tuple(done)

    async def _bind(self, change: Change, tenant_id: str, entry: BindingEntry, *, vouched: bool) -> str:
        status = "verified" if vouched else "unverified"
        made = await binding_changes.add(change, tenant_id, entry.new, status=status, pointer=entry.pointer)
        return made.id

    async def _rebind(self, change: Change, tenant_id: str, binding_id: str, entry: BindingEntry) -> None:
        new = entry.new
        await binding_changes.amend(change, tenant_id, binding_id, kind=new.kind, owner=new.owner)
        if new.app_secret is not None:
            await binding_changes.replace_secret(change, tenant_id, binding_id, new.app_secret)

    async def _api_keys(
        self, change: Change, tenant_id: str | None, wanted: tuple[Named, ...]
    ) -> tuple[KeyResult, ...]:
        known = {key.name: key.id for key in await api_keys.in_use(change, tenant_id)}
        done = []
        for entry in wanted:
            if entry.name in known:
                done.append(KeyResult(known[entry.name], entry.name))
                continue
            made = await api_keys.issue(change, tenant_id, entry.name, entry.pointer)
            done.append(KeyResult(made.id, made.name, made.secret))
        return tuple(done)

    async def _webhooks(
        self, change: Change, tenant_id: str, wanted: tuple[Named, ...]
    ) -> tuple[WebhookResult, ...]:
        known = {row.url: row.id for row in await endpoints.of_tenant(change, tenant_id)}
        done = []
        for entry in wanted:
            if entry.name in known:
                done.append(WebhookResult(known[entry.name], entry.name))
                continue
            made = await endpoints.add(
                change,
                tenant_id,
                entry.name,
                entry.pointer,
                own_host=urlsplit(self._public_url).hostname,
            )
            done.append(WebhookResult(made.id, made.url, made.secret))
        return tuple(done)


_HTTPS = Text(
    "正式环境（live）要求 WXSP_PUBLIC_URL 为 https 地址：请先设置，再导入。",
    "live needs WXSP_PUBLIC_URL to be an https address; set it, then import.",
)
_CLOSED = Text(
    "该特约商户已关闭，历史保留在原条目下，不能再更新。",
    "is a closed sub-merchant; its history stays as it is and cannot be changed.",
)
