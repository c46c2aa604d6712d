"""The simulator's clock and the schedule of its notifications (wechatpay-v2 1.8 and 5.1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Final

from . import settings
from .ledger import Ledger

RETRY_GAPS_S: Final = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)
"""Seconds between deliveries after the first: 15 gaps, 24 h 4 min in all."""

_CHINA: Final = timezone(timedelta(hours=8))
_WIRE: Final = "%Y%m%d%H%M%S"


def real_clock() -> datetime:
    """Return the machine's time."""
    return datetime.now(UTC)


def wire_time(at_ms: int) -> str:
    """Write milliseconds since 1970 as the wire's `yyyyMMddHHmmss`, UTC+8."""
    return datetime.fromtimestamp(at_ms / 1000, _CHINA).strftime(_WIRE)


def wire_date_time(at_ms: int) -> str:
    """Write milliseconds since 1970 as the `yyyy-MM-dd HH:mm:ss` of refunds, UTC+8 (wechatpay-v2 1.8)."""
    return datetime.fromtimestamp(at_ms / 1000, _CHINA).strftime("%Y-%m-%d %H:%M:%S")


def read_wire_time(text: str) -> int:
    """Read `yyyyMMddHHmmss` (UTC+8) as milliseconds since 1970; raises ValueError."""
    if len(text) != 14 or not (text.isascii() and text.isdigit()):
        raise ValueError(f"not yyyyMMddHHmmss: {text!r}")
    return int(datetime.strptime(text, _WIRE).replace(tzinfo=_CHINA).timestamp() * 1000)


def iso_time(at_ms: int) -> str:
    """Write milliseconds since 1970 as ISO 8601 in UTC, for people and tests."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def rfc3339(at_ms: int) -> str:
    """Write milliseconds since 1970 as the times of v3, UTC+8 (wechatpay-v3 0)."""
    return datetime.fromtimestamp(at_ms / 1000, _CHINA).isoformat(timespec="seconds")


def http_date(at_ms: int) -> str:
    """Write milliseconds since 1970 as the `Date` of an HTTP answer."""
    return format_datetime(datetime.fromtimestamp(at_ms // 1000, UTC), usegmt=True)


class SimulatorClock:
    """Real time plus an offset that can be advanced, and the notification gaps; the ledger keeps both."""

    def __init__(self, ledger: Ledger, base: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._base = base

    def now_ms(self) -> int:
        """Return the simulator's time in milliseconds since 1970."""
        return int(self._base().timestamp() * 1000) + settings.read(self._ledger, "offset_ms", 0)

    def host_ms(self) -> int:
        """Return the time that timestamps of v3 signatures are made and checked by: never advanced.

        Both sides of a signature must agree on it, and nobody advances the caller's clock.
        """
        return int(self._base().timestamp() * 1000)

    def advance(self, seconds: float) -> None:
        """Move the clock forward; everything that falls due on the way happens."""
        settings.keep(
            self._ledger, "offset_ms", settings.read(self._ledger, "offset_ms", 0) + int(seconds * 1000)
        )

    def compress(self, factor: float) -> None:
        """Divide the official gaps by `factor`, so that a day's retries take seconds."""
        self.set_gaps_ms([int(gap * 1000 / factor) for gap in RETRY_GAPS_S])

    def set_gaps_ms(self, gaps: list[int]) -> None:
        """Use these gaps (milliseconds) between deliveries; an empty list means one delivery only."""
        settings.keep(self._ledger, "retry_gaps_ms", gaps)

    def gaps_ms(self) -> list[int]:
        """Return the gaps between deliveries in milliseconds."""
        return settings.read(self._ledger, "retry_gaps_ms", [gap * 1000 for gap in RETRY_GAPS_S])

    def reset(self) -> None:
        """Return to the machine's time and the official gaps."""
        self._ledger.run("DELETE FROM setting WHERE name IN ('offset_ms', 'retry_gaps_ms')")

    def describe(self) -> dict[str, object]:
        """Return the clock as `GET /_sim/clock` shows it."""
        return {
            "now": iso_time(self.now_ms()),
            "offset_s": settings.read(self._ledger, "offset_ms", 0) / 1000,
            "retry_gaps_s": [gap / 1000 for gap in self.gaps_ms()],
        }
