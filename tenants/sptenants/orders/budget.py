"""How many questions healing may put to WeChat: a token bucket for each provider (G09).

Under pressure spacing grows and nothing is dropped (failure catalogue 2.4): who gets no token is told when
to come again. Each tenant waits in a line of its own, so that one with ten thousand lost orders delays itself
and not the others of its provider.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from spcore.clock import Clock


class Budget:
    """Tokens of this process, shared by everything that heals. `per_second` and `burst` are per provider."""

    def __init__(self, clock: Clock, *, per_second: int = 20, burst: int = 40) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = burst
        self._levels: dict[str, tuple[float, datetime]] = {}
        self._last_in_line: dict[tuple[str, str], datetime] = {}

    def take(self, provider_id: str) -> bool:
        """Take one token; False when there is none at this moment."""
        now = self._clock.now()
        level, at = self._levels.get(provider_id, (float(self._burst), now))
        level = min(self._burst, level + max(0.0, (now - at).total_seconds()) * self._per_second)
        enough = level >= 1
        self._levels[provider_id] = (level - 1 if enough else level, now)
        return enough

    def again_at(self, provider_id: str, tenant_id: str) -> datetime:
        """Return when to come again without a token: the next place in the tenant's own line.

        Places lie one token's time apart, so that what had to wait does not come back all at once.
        """
        line, now = (provider_id, tenant_id), self._clock.now()
        last = max(self._last_in_line.get(line, now), now)
        self._last_in_line[line] = last + timedelta(seconds=1 / self._per_second)
        return self._last_in_line[line]
