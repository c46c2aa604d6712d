"""One-time links for a merchant's own staff: one tenant's open steps on WeChat's side, without an account.

A link lives long enough for people who act within days, can be renewed and taken back, and is bound to one
tenant; looking never uses it up. Every opening and every tick is audited (B-18).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select, update

from spcore.audit.actor import Actor
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, ProviderScope, TenantScope
from spcore.errors import Text
from spcore.ids import new_id
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from spcore.vault import Vault
from sptenants.onboarding.errors import LinkGone
from sptenants.onboarding.models import OnboardingLink
from sptenants.onboarding.tasks import Task
from sptenants.registry import wechat_side
from sptenants.registry.access import RequestFacts
from sptenants.registry.changes import Change
from sptenants.registry.door import ProviderCaller
from sptenants.registry.errors import StateConflict
from sptenants.registry.models import Tenant
from sptenants.registry.rules import TenantStatus
from sptenants.registry.tokens import token_hash

LINK_LIFE = timedelta(hours=72)
_TOKEN = re.compile(r"[0-9A-Za-z_-]{43}")


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link that was just made; this is the only moment its token is known."""

    id: str
    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """The link of a tenant that can be opened at present."""

    id: str
    created_at: datetime
    created_by: str
    expires_at: datetime
    opened: int
    last_opened_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """What a valid link stands for."""

    id: str
    scope: TenantScope
    expires_at: datetime

    @property
    def actor(self) -> Actor:
        return Actor("link", self.id, "一次性接入链接")


class OnboardingLinks:
    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def issue(
        self, caller: ProviderCaller, tenant_id: str, facts: RequestFacts | None = None
    ) -> NewLink:
        """Make the tenant's link; the one before is over. Raises NotFound, StateConflict (closed)."""
        token = secrets.token_urlsafe(32)
        async with self._database.write(caller.scope) as session:
            change = Change(session, self._vault, caller.provider, caller.actor, self._clock.now(), facts)
            await change.lock()
            tenant = await change.tenant(tenant_id)
            if tenant.status == TenantStatus.CLOSED:
                raise StateConflict(_CLOSED)
            await _revoke(change, tenant_id)
            link = OnboardingLink(
                provider_id=caller.provider.id,
                tenant_id=tenant_id,
                id=new_id("olk", change.now),
                token_hash=token_hash(token),
                created_at=change.now,
                created_by=caller.actor.name,
                expires_at=change.now + LINK_LIFE,
                revoked_at=None,
                opened=0,
                last_opened_at=None,
            )
            session.add(link)
            await session.flush()
            after = {"expires_at": link.expires_at.isoformat(timespec="seconds")}
            await change.audit(
                "onboarding_link.created", "onboarding_link", link.id, tenant_id=tenant_id, after=after
            )
        return NewLink(link.id, token, link.expires_at)

    async def revoke(self, caller: ProviderCaller, tenant_id: str, facts: RequestFacts | None = None) -> None:
        """Take the tenant's link back; does nothing when there is none. Raises NotFound."""
        async with self._database.write(caller.scope) as session:
            change = Change(session, self._vault, caller.provider, caller.actor, self._clock.now(), facts)
            await change.lock()
            await change.tenant(tenant_id)
            revoked = await _revoke(change, tenant_id)
            if revoked is None:
                return
            await change.audit(
                "onboarding_link.revoked", "onboarding_link", revoked, tenant_id=tenant_id, before={}
            )

    async def current(self, scope: ProviderScope | TenantScope, tenant_id: str) -> LinkRecord | None:
        """Return the link that can be opened, None when there is none."""
        query = select(OnboardingLink).where(
            OnboardingLink.provider_id == scope.provider_id,
            OnboardingLink.tenant_id == tenant_id,
            OnboardingLink.revoked_at.is_(None),
            OnboardingLink.expires_at > self._clock.now(),
        )
        async with self._database.read(scope) as session:
            row = await session.scalar(query.order_by(OnboardingLink.id.desc()).limit(1))
        if row is None:
            return None
        return LinkRecord(
            row.id, row.created_at, row.created_by, row.expires_at, row.opened, row.last_opened_at
        )

    async def open(self, token: str, facts: RequestFacts | None = None) -> OpenedLink:
        """Return what a link stands for, and note that it was opened. Raises LinkGone."""
        link = await self._find(token)
        async with self._change(link, facts) as change:
            counted = await change.session.execute(
                update(OnboardingLink)
                .where(
                    OnboardingLink.provider_id == link.scope.provider_id,
                    OnboardingLink.tenant_id == link.scope.tenant_id,
                    OnboardingLink.id == link.id,
                    OnboardingLink.revoked_at.is_(None),
                )
                .values(opened=OnboardingLink.opened + 1, last_opened_at=change.now)
                .returning(OnboardingLink.id)
                .execution_options(synchronize_session=False)
            )
            if counted.scalar_one_or_none() is None:
                raise LinkGone
            await change.audit(
                "onboarding_link.opened", "onboarding_link", link.id, tenant_id=link.scope.tenant_id
            )
        return link

    async def tick(self, token: str, task: Task, *, done: bool, facts: RequestFacts | None = None) -> bool:
        """Take the word of whoever holds the link that a task is done, or take it back.

        Raises LinkGone. Says whether anything changed.
        """
        link = await self._find(token)
        async with self._change(link, facts) as change:
            if task.is_directories:
                return await wechat_side.confirm_directories(change, link.scope.tenant_id, confirmed=done)
            return await wechat_side.tick(change, link.scope.tenant_id, task.code, done=done, by_link=True)

    async def scope_of(self, token: str) -> OpenedLink:
        """Return what a link stands for without noting it, for an act that is noted itself."""
        return await self._find(token)

    async def _find(self, token: str) -> OpenedLink:
        if _TOKEN.fullmatch(token) is None:
            raise LinkGone
        query = (
            select(OnboardingLink)
            .join(
                Tenant,
                (Tenant.provider_id == OnboardingLink.provider_id) & (Tenant.id == OnboardingLink.tenant_id),
            )
            .where(
                OnboardingLink.token_hash == token_hash(token),
                OnboardingLink.revoked_at.is_(None),
                OnboardingLink.expires_at > self._clock.now(),
                Tenant.status != TenantStatus.CLOSED,
            )
        )
        async with self._database.read(DoorScope()) as session:
            row = await session.scalar(query)
        if row is None:
            raise LinkGone
        return OpenedLink(row.id, TenantScope(row.provider_id, row.tenant_id), row.expires_at)

    @asynccontextmanager
    async def _change(self, link: OpenedLink, facts: RequestFacts | None) -> AsyncIterator[Change]:
        async with self._database.write(link.scope) as session:
            provider = await session.scalar(select(Provider).where(Provider.id == link.scope.provider_id))
            if provider is None:
                raise LinkGone
            profile = ProviderProfile.of(provider)
            yield Change(session, self._vault, profile, link.actor, self._clock.now(), facts)


async def _revoke(change: Change, tenant_id: str) -> str | None:
    """End every link of a tenant and return the id of one, None when there was none."""
    revoked = await change.session.scalars(
        update(OnboardingLink)
        .where(
            OnboardingLink.provider_id == change.provider.id,
            OnboardingLink.tenant_id == tenant_id,
            OnboardingLink.revoked_at.is_(None),
        )
        .values(revoked_at=change.now)
        .returning(OnboardingLink.id)
        .execution_options(synchronize_session=False)
    )
    return revoked.first()


_CLOSED = Text("该特约商户已关闭，不能再生成接入链接。", "This sub-merchant is closed; it gets no link.")
