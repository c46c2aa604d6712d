"""Service providers as the platform's people keep them: seen together, registered, suspended and resumed.

Each change is written down twice: in its own transaction in the provider's audit chain, where its people see
it, and right after it in the platform's (rule Y4).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, or_, select, update

from spcore.audit.actor import Actor
from spcore.audit.models import PLATFORM_CHAIN
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.keyset import Page, decode_cursor, page
from spcore.db.scope import DoorScope, PlatformScope, ProviderScope
from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.ids import new_id
from spcore.providers.models import Mode, Provider
from spcore.providers.profile import ProviderProfile
from spcore.vault import Vault
from sptenants.registry import rules, tenants
from sptenants.registry.access import RequestFacts
from sptenants.registry.changes import Change
from sptenants.registry.errors import StateConflict
from sptenants.registry.models import Tenant
from sptenants.registry.tokens import new_route_key
from wechatpay.credentials import ProviderKind, SignType

MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class NewProvider:
    """What the form of a new provider asks for; keys come afterwards, from the provider's own people."""

    name: str
    mode: str
    kind: str
    mch_id: str
    appid: str
    sign_type: str


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A line of the list."""

    provider: ProviderProfile
    tenants_count: int
    created_at: datetime

    @property
    def id(self) -> str:
        return self.provider.id


class ServiceProviders:
    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def list(
        self, scope: PlatformScope, q: str | None, limit: int, cursor: str | None = None
    ) -> Page[ProviderRow]:
        """Return a page, newest first. `q` is part of a name, or an id, mch_id or appid in full.

        Raises InvalidInput for a cursor we did not make.
        """
        count = select(func.count(Tenant.id)).where(Tenant.provider_id == Provider.id).scalar_subquery()
        query = select(Provider, count).order_by(Provider.id.desc()).limit(limit + 1)
        if q:
            exact = (Provider.id == q, Provider.mch_id == q, Provider.appid == q)
            query = query.where(or_(Provider.name.icontains(q, autoescape=True), *exact))
        if cursor is not None:
            query = query.where(Provider.id < decode_cursor(cursor))
        async with self._database.read(scope) as session:
            found = (await session.execute(query)).all()
        rows = [ProviderRow(ProviderProfile.of(row), int(n), row.created_at) for row, n in found]
        return page(rows, limit)

    async def provider(self, scope: PlatformScope, provider_id: str) -> ProviderRow:
        """Return one provider. Raises NotFound."""
        count = select(func.count(Tenant.id)).where(Tenant.provider_id == Provider.id).scalar_subquery()
        async with self._database.read(scope) as session:
            row = (
                await session.execute(select(Provider, count).where(Provider.id == provider_id))
            ).one_or_none()
        if row is None:
            raise NotFound
        return ProviderRow(ProviderProfile.of(row[0]), int(row[1]), row[0].created_at)

    async def create(self, new: NewProvider, by: Actor, facts: RequestFacts) -> str:
        """Register a provider and return its id. Raises InvalidInput naming everything that is wrong."""
        faults = _faults(new)
        if not faults and await self._is_known(new):
            faults = [Fault("#/mch_id", "taken", _TAKEN)]
        if faults:
            raise InvalidInput(*faults)
        now = self._clock.now()
        scope = ProviderScope(new_id("prv", now))
        said = {
            "mode": new.mode,
            "kind": new.kind,
            "name": new.name,
            "mch_id": new.mch_id,
            "appid": new.appid,
            "sign_type": new.sign_type,
        }
        row = said | {
            "id": scope.provider_id,
            "api_version": "v2",
            "status": "active",
            "route_key": new_route_key(),
            "key_epoch": 1,
            "created_at": now,
            "updated_at": now,
        }
        async with self._database.write(scope) as session:
            await session.execute(insert(table_of(Provider)), [row])
            act = _act("provider.created", scope.provider_id, by, facts, after=said)
            await record(session, scope.provider_id, act, now)
        await self._note(act)
        return scope.provider_id

    async def set_status(
        self, provider_id: str, status: str, reason: str, by: Actor, facts: RequestFacts
    ) -> None:
        """Suspend a provider (`suspended`) or let it act again (`active`); its money stays its own (O13).

        Raises NotFound, InvalidInput without a reason, StateConflict when it is so already.
        """
        stated = _reason(reason)
        async with self._change(provider_id, by, facts) as change:
            moved = await change.session.execute(
                update(Provider)
                .where(Provider.id == provider_id, Provider.status != status)
                .values(status=status, updated_at=change.now)
                .returning(Provider.id)
                .execution_options(synchronize_session=False)
            )
            if moved.scalar_one_or_none() is None:
                raise StateConflict(_SAME)
            before, after = {"status": change.provider.status}, {"status": status}
            act = _act("provider.changed", provider_id, by, facts, before=before, after=after, reason=stated)
            await record(change.session, provider_id, act, change.now)
        await self._note(act)

    async def set_tenant_status(
        self, provider_id: str, tenant_id: str, status: str, reason: str, by: Actor, facts: RequestFacts
    ) -> None:
        """Suspend a tenant or take it back. Raises NotFound, InvalidInput without a reason, StateConflict."""
        stated = _reason(reason)
        async with self._change(provider_id, by, facts) as change:
            before = (await change.tenant(tenant_id)).status
            if not await tenants.set_status(change, tenant_id, status, reason=stated):
                raise StateConflict(_SAME)
            act = Act(
                actor=by,
                action="tenant.status_changed",
                object_kind="tenant",
                object_id=tenant_id,
                tenant_id=tenant_id,
                before={"status": before},
                after={"status": status},
                reason=stated,
                request_id=facts.request_id,
                peer=facts.peer,
            )
        await self._note(act)

    async def _note(self, act: Act) -> None:
        """Write the act down for the platform too; no scope covers a provider's chain and the platform's."""
        async with self._database.write(PlatformScope("changes of providers")) as session:
            await record(session, PLATFORM_CHAIN, act, self._clock.now())

    async def _is_known(self, new: NewProvider) -> bool:
        query = select(Provider.id).where(Provider.mode == new.mode, Provider.mch_id == new.mch_id)
        async with self._database.read(DoorScope()) as session:
            return await session.scalar(query) is not None

    @asynccontextmanager
    async def _change(self, provider_id: str, by: Actor, facts: RequestFacts) -> AsyncIterator[Change]:
        async with self._database.write(ProviderScope(provider_id)) as session:
            row = await session.scalar(select(Provider).where(Provider.id == provider_id))
            if row is None:
                raise NotFound
            change = Change(session, self._vault, ProviderProfile.of(row), by, self._clock.now(), facts)
            await change.lock()
            yield change


def _faults(new: NewProvider) -> list[Fault]:
    faults = rules.name_faults(new.name, "#/name")
    faults += rules.mch_id_faults(new.mch_id, "#/mch_id")
    faults += rules.appid_faults(new.appid, "#/appid")
    for name, value, known in (
        ("mode", new.mode, set(Mode)),
        ("kind", new.kind, set(ProviderKind)),
        ("sign_type", new.sign_type, set(SignType)),
    ):
        if value not in known:
            faults.append(Fault(f"#/{name}", "unknown_value", _CHOOSE))
    return faults


def _reason(given: str) -> str:
    stated = given.strip()
    if not stated or len(stated) > MAX_REASON:
        raise InvalidInput(Fault("#/reason", "missing", _NO_REASON))
    return stated


def _act(
    action: str,
    provider_id: str,
    by: Actor,
    facts: RequestFacts,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> Act:
    return Act(
        actor=by,
        action=action,
        object_kind="provider",
        object_id=provider_id,
        before=before,
        after=after,
        reason=reason,
        request_id=facts.request_id,
        peer=facts.peer,
    )


_TAKEN = Text("该商户号在此环境中已登记。", "is registered in this mode already.")
_CHOOSE = Text("请选择一项。", "must be one of the choices.")
_SAME = Text("已经是这个状态，可能刚被他人修改，请刷新。", "It is so already; somebody may have been faster.")
_NO_REASON = Text(
    f"请填写原因，最多 {MAX_REASON} 个字符；对方会在操作日志中看到。",
    f"Give the reason in at most {MAX_REASON} characters; it is seen in the audit log.",
)
