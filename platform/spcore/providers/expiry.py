"""Which certificates end soon, and the days at which that is said (failure catalogue K05)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from spcore.providers.keys import SIDE_BY_SIDE
from spcore.providers.models import KeyKind, KeyState
from spcore.providers.rotation import KeyVersion

THRESHOLDS = (30, 14, 7, 1)
"""Days before the end, the earliest first."""
_OF_WECHAT = 7


@dataclass(frozen=True, slots=True)
class Expiring:
    """A certificate in use that has an end. `serial` is its serial number."""

    kind: KeyKind
    version: int
    serial: str
    not_after: datetime

    def threshold_at(self, now: datetime) -> int | None:
        """Return the narrowest threshold that is passed; None while there is time, and once it has ended."""
        left = self.not_after - now
        if left <= timedelta(0):
            return None
        return min((days for days in THRESHOLDS if left <= timedelta(days=days)), default=None)


def expiring(versions: Sequence[KeyVersion], now: datetime) -> list[Expiring]:
    """Return the active certificates of one provider that people must do something about, the first to end
    on top; those that have ended are among them.

    A platform certificate is one only within its last week, and while no other key of WeChat's outlives it:
    WeChat issues the next one ten days before the end, and it is fetched without anybody (K03).
    """
    active = [row for row in versions if row.state == KeyState.ACTIVE]
    found = [
        Expiring(row.kind, row.version, row.label or "", row.not_after)
        for row in active
        if row.not_after is not None
        and (row.kind not in SIDE_BY_SIDE or _is_wanted(row.not_after, active, now))
    ]
    return sorted(found, key=lambda one: one.not_after)


def _is_wanted(not_after: datetime, active: Sequence[KeyVersion], now: datetime) -> bool:
    of_wechat = [row for row in active if row.kind in SIDE_BY_SIDE]
    outlived = any(row.not_after is None or row.not_after > not_after for row in of_wechat)
    return not outlived and not_after - now <= timedelta(days=_OF_WECHAT)
