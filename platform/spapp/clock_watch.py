"""Whether our clock agrees with WeChat's: by more than a few minutes of difference every message of API v3
is refused on either side, so that people hear of it long before (failure catalogue K07).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

import httpx
import structlog

from spapp.web import metrics
from spcore.clock import Clock
from wechatpay.call import time_told
from wechatpay.transport import JsonLine, RawAnswer

ALERT_S = 60.0
SAID_ONCE_IN = timedelta(minutes=10)

_log = structlog.get_logger("wxsp.clock")


class ClockWatch:
    """Compares the `Date` of WeChat's hosts with the clock that requests are signed by."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said_at: datetime | None = None

    def note(self, told: datetime | None) -> None:
        """Take what a host says the time is; None says nothing."""
        if told is None:
            return
        now = self._clock.now()
        away_s = (now - told).total_seconds()
        metrics.CLOCK_SKEW.set(away_s)
        if abs(away_s) <= ALERT_S:
            self._said_at = None
        elif self._said_at is None or not self._said_at <= now < self._said_at + SAID_ONCE_IN:
            self._said_at = now
            _log.error("clock.skew", ahead_s=round(away_s))


class WatchedLine:
    """Carries questions of API v3 and looks at the time of each answer, whatever its status."""

    def __init__(self, line: JsonLine, watch: ClockWatch) -> None:
        self._line = line
        self._watch = watch

    async def send_json(
        self,
        method: str,
        target: str,
        body: bytes,
        *,
        auth: httpx.Auth,
        headers: Mapping[str, str] = MappingProxyType({}),
        deadline_s: float | None = None,
        repeatable: bool = True,
    ) -> RawAnswer:
        answer = await self._line.send_json(
            method, target, body, auth=auth, headers=headers, deadline_s=deadline_s, repeatable=repeatable
        )
        self._watch.note(time_told(answer.headers.get("date")))
        return answer
