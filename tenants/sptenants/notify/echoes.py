"""WeChat's test message on its way back: it shows that address and keys work (wechatpay-v3 1.11).

Whoever asked for it wrote its row before; here the row learns that it came, and nothing else changes.
"""

from __future__ import annotations

from dataclasses import replace

import structlog
from sqlalchemy import select, update

from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, TenantScope
from spcore.providers.errors import ProviderNotReady
from spcore.providers.models import SecurityEcho
from sptenants.notify import journal
from sptenants.notify.answers import Answer, answer_of
from sptenants.notify.journal import Finding, Incoming
from sptenants.notify.judging import log_finding
from sptenants.notify.service import NotifyService, reason_of
from sptenants.registry.door import Door, RouteOwner
from wechatpay.errors import NotificationRejected

_log = structlog.get_logger(__name__)
_ECHOES = table_of(SecurityEcho)

KIND = "security"


class Echoes:
    """Takes test messages at a provider's own address and at those of its tenants."""

    def __init__(self, database: Database, clock: Clock, door: Door, notify: NotifyService) -> None:
        self._database = database
        self._clock = clock
        self._door = door
        self._notify = notify

    async def receive(self, route_key: str, incoming: Incoming) -> Answer:
        """Take a test message; what is not WeChat's is refused like any other notification."""
        owner = await self._door.by_route_key(route_key)
        if owner is None:
            return await self._notify.not_in_use(route_key, incoming, "not_in_use")
        try:
            letter = await self._notify.opener.read(owner.provider, incoming)
            incoming = replace(incoming, message_id=letter.envelope.id)
            message = letter.echo()
        except (NotificationRejected, ProviderNotReady) as error:
            return await self._refuse(owner, route_key, incoming, reason_of(error))
        finding = await self._mark(ProviderScope(owner.provider.id), message)
        await self._journal(owner, incoming, finding)
        return answer_of(finding, incoming.version)

    async def _mark(self, scope: ProviderScope, message: str) -> Finding:
        mine = (_ECHOES.c.provider_id == scope.provider_id, _ECHOES.c.id == message)
        arrived = (
            update(_ECHOES)
            .where(*mine, _ECHOES.c.notified_at.is_(None))
            .values(notified_at=self._clock.now())
            .returning(_ECHOES.c.id)
        )
        async with self._database.write(scope) as session:
            if (await session.execute(arrived)).scalar_one_or_none() is not None:
                return Finding("processed", settled=True)
            known = (await session.execute(select(_ECHOES.c.id).where(*mine))).scalar_one_or_none()
        if known is not None:
            return Finding("duplicate", settled=True)
        # Nobody here asked for it; there is nothing that a repetition could find.
        return Finding("unmatched", settled=True, reason="unknown_echo")

    async def _journal(self, owner: RouteOwner, incoming: Incoming, finding: Finding) -> None:
        """A tenant's journal keeps what came to its address; the provider's own address has only the log."""
        if owner.tenant is None:
            _log.info("notify.echo", provider_id=owner.provider.id, result=finding.result)
            return
        scope = TenantScope(owner.provider.id, owner.tenant.id)
        async with self._database.write(scope) as session:
            await journal.write(session, scope, incoming, finding, self._clock.now())
        log_finding(scope, finding)

    async def _refuse(self, owner: RouteOwner, route_key: str, incoming: Incoming, reason: str) -> Answer:
        if owner.tenant is not None:
            return await self._notify.refuse(
                TenantScope(owner.provider.id, owner.tenant.id), incoming, reason
            )
        await self._notify.not_in_use(route_key, incoming, reason)
        self._notify.opener.watch.refused(incoming.version, reason)
        return answer_of(Finding("rejected", settled=False, reason=reason), incoming.version)
