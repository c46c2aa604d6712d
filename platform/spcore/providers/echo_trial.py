"""Trying an API v3 key where there is no platform certificate to open: WeChat sends a message back to us,
encrypted with the API v3 key that it knows (wechatpay-v3 1.11).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.providers.echoes import remember_echo
from spcore.providers.profile import ProviderProfile
from spcore.providers.questions import NOT_ASKED, Answer, Gates
from spcore.providers.samples import Samples
from spcore.providers.trying import Outcome, try_v3_key
from wechatpay.credentials import ApiV3Key, V3Key
from wechatpay.errors import Refused, WechatPayError
from wechatpay.identifiers import MchId
from wechatpay.v3 import echo

WAITS_S = 8.0
LOOKS_EVERY_S = 0.5
_NEWEST = 10


class EchoAddress(Protocol):
    async def echo_url(self, scope: ProviderScope) -> str | None:
        """Return an address whose messages are journalled, also those that no key opens; None without one."""
        ...


class EchoTrial:
    """`sleep` passes the seconds between two looks."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        gates: Gates,
        samples: Samples,
        address: EchoAddress,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._clock = clock
        self._gates = gates
        self._samples = samples
        self._address = address
        self._sleep = sleep

    async def ask(
        self, provider: ProviderProfile, own: V3Key, candidate: ApiV3Key, present: Sequence[ApiV3Key]
    ) -> Answer:
        """Have a notification sent and see which API v3 key it is encrypted with; waits 8 seconds at most.

        `accepted`: the candidate opens what came. `refused` with `present_key`: one of the `present` keys
        does, so that WeChat does not know the candidate yet.
        """
        scope, asked_at = ProviderScope(provider.id), self._clock.now()
        url = await self._address.echo_url(scope)
        if url is None:
            return NOT_ASKED
        message = await remember_echo(self._database, scope, asked_at)
        line = self._gates.line(provider.mode, provider.id)
        try:
            await echo.ask(line, MchId(provider.mch_id), own, message, url, asked_at)
        except WechatPayError as error:
            code = error.code if isinstance(error, Refused) else str(getattr(error, "reason", "not_sendable"))
            return Answer("unclear", "echo", code)
        for _look in range(round(WAITS_S / LOOKS_EVERY_S)):
            await self._sleep(LOOKS_EVERY_S)
            for sample in await self._samples.last(scope, "v3", _NEWEST):
                if sample.received_at < asked_at:
                    break
                outcome = try_v3_key(sample, candidate, present, own.platform)
                if outcome is Outcome.PASSED:
                    return Answer("accepted", "echo")
                if outcome is Outcome.OLD and sample.kind == "security":
                    return Answer("refused", "echo", "present_key")
        return Answer("unclear", "echo", "no_notification")
