"""Changes against an earlier time, in words: `↑ 8.2%`, `↓ 0.6`, with the direction that gives them colour."""

from __future__ import annotations

from dataclasses import dataclass

_MOST_TENTHS = 9_999


@dataclass(frozen=True, slots=True)
class Change:
    """`direction` is `up`, `dn` or empty, as the strip of figures colours it."""

    text: str
    direction: str


def relative(now: int, before: int) -> Change | None:
    """Return the change in percent; None when there was nothing before. Beyond 999.9 % it says so."""
    if not before:
        return None
    tenths = (now - before) * 1000 // before
    size = f"{abs(tenths) // 10}.{abs(tenths) % 10}%" if abs(tenths) <= _MOST_TENTHS else ">999%"
    return _pointing(tenths, size)


def points(now: int | None, before: int | None) -> Change | None:
    """Return the change of two rates in hundredths of a percent, as points of a percent."""
    if now is None or before is None:
        return None
    tenths = (abs(now - before) + 5) // 10
    return _pointing(tenths if now > before else -tenths, f"{tenths // 10}.{tenths % 10}")


def _pointing(change: int, size: str) -> Change:
    arrow, direction = ("↑", "up") if change > 0 else ("↓", "dn") if change < 0 else ("→", "")
    return Change(f"{arrow} {size}", direction)
