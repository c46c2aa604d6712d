"""Asking WeChat to send a message back, and waiting for the notification of it (wechatpay-v3 1.11).

The answer proves our certificate and WeChat's key, the notification the address and the API v3 key.
"""

from __future__ import annotations

import asyncio

from sqlalchemy import select

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.ids import new_id
from spcore.providers.echoes import remember_echo
from spcore.providers.models import SecurityEcho
from spcore.providers.platform_certificates import Lines
from spcore.providers.profile import ProviderProfile
from sptenants.doctor import signs
from sptenants.doctor.verdicts import Calls, Verdict
from sptenants.registry.notify_paths import notify_path
from wechatpay.credentials import V3Key
from wechatpay.errors import WechatPayError
from wechatpay.identifiers import MchId
from wechatpay.v3 import echo

WAIT_S = 8.0
"""How long its notification may take; WeChat sends it right after the answer."""
_LOOK_EVERY_S = 0.2


class EchoTest:
    """`public_url` has no slash at its end."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        lines: Lines,
        *,
        public_url: str,
        wait_s: float = WAIT_S,
    ) -> None:
        self._database = database
        self._clock = clock
        self._lines = lines
        self._public_url = public_url
        self._wait_s = wait_s

    async def of(
        self, provider: ProviderProfile, own: V3Key, calls: Calls, *, notified: bool
    ) -> tuple[Verdict, ...]:
        """Send one message there and back. With `notified` its notification is asked and waited for, at most
        8 s; without, an address that cannot be reached is not told of twice."""
        scope, now = ProviderScope(provider.id), self._clock.now()
        url = self._public_url + notify_path(provider.route_key, "v3", "security") if notified else None
        message = await remember_echo(self._database, scope, now) if notified else new_id("ech", now)
        try:
            call = await echo.ask(
                self._lines.line(provider.mode, provider.id), MchId(provider.mch_id), own, message, url, now
            )
        except WechatPayError as error:
            calls.note(error.call, error)
            found = signs.read_echo(error)
            return (found,) if found.code == "sp.echo" else (found, Verdict("sp.echo", "held_up"))
        calls.note(call)
        if not notified or await self._arrives(scope, message):
            return (Verdict("sp.echo"),)
        return (Verdict("sp.echo", "not_notified", {"seconds": round(self._wait_s)}),)

    async def _arrives(self, scope: ProviderScope, message: str) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait_s
        while True:
            # Looked for before the deadline is: the last look is after the whole wait.
            waiting = loop.time() < deadline
            if await self._has_arrived(scope, message):
                return True
            if not waiting:
                return False
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _has_arrived(self, scope: ProviderScope, message: str) -> bool:
        query = select(SecurityEcho.notified_at).where(
            SecurityEcho.provider_id == scope.provider_id, SecurityEcho.id == message
        )
        async with self._database.read(scope) as session:
            return await session.scalar(query) is not None
