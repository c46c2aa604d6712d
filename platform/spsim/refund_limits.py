"""How often refunds may be asked for (wechatpay-v2 1.9; catalogue G09).

WeChat takes 150 refunds a second per merchant number. More than six failing ones a second stop all of that
number's for a minute. It also wants a minute between refunds of one order: off unless a tester says so.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final

from . import refund_books, settings
from .admission import Call, Declined
from .payments import Payment
from .world import World

Rule = Callable[[World, Call], dict[str, str]]
_NAME: Final = "refund_limits"
_SECOND_MS: Final = 1000
_NOT_THE_CALLERS_FAULT: Final = frozenset({"FREQUENCY_LIMITED", "INVALID_REQ_TOO_MUCH", "SYSTEMERROR"})


@dataclass(frozen=True, slots=True)
class RefundLimits:
    """Calls and failing calls a second for one merchant number, how long too many failing ones stop the
    others, and the time between refunds of one order; None is no limit."""

    refunds_per_s: int | None = 150
    invalid_per_s: int | None = 6
    invalid_pause_s: float = 60
    spacing_s: float | None = None


def limits(world: World) -> RefundLimits:
    """Return the limits that hold."""
    return RefundLimits(**settings.read(world.ledger, _NAME, asdict(RefundLimits())))


def set_limits(world: World, wanted: RefundLimits) -> None:
    """Change the limits."""
    settings.keep(world.ledger, _NAME, asdict(wanted))


def is_spaced(world: World, payment: Payment) -> bool:
    """Tell whether the order's last refund was asked for long enough ago."""
    spacing_s = limits(world).spacing_s
    earlier = refund_books.of_payment(world, payment)
    if spacing_s is None or not earlier:
        return True
    return world.clock.now_ms() >= earlier[-1].requested_at + int(spacing_s * 1000)


def check_spacing(world: World, payment: Payment) -> None:
    """Raise Declined when the order's last refund was asked for too short a time ago."""
    if not is_spaced(world, payment):
        raise Declined("FREQUENCY_LIMITED", "同一笔订单的多次退款请求间隔过短，请稍后重试")


class RefundGate:
    """Counts the refund calls of each merchant number in this process, by either generation, and lets
    through what is allowed."""

    def __init__(self) -> None:
        self._calls: defaultdict[str, deque[int]] = defaultdict(deque)
        self._invalid: defaultdict[str, deque[int]] = defaultdict(deque)
        self._paused_until: dict[str, int] = {}

    def around(self, rule: Rule) -> Rule:
        """Return the rule of v2 behind this gate."""

        def guarded(world: World, call: Call) -> dict[str, str]:
            with self.passing(world, call.provider.mch_id):
                return rule(world, call)

        return guarded

    @contextmanager
    def passing(self, world: World, mch_id: str) -> Iterator[None]:
        """Let one call through and note whether it fails.

        Raises Declined, without an effect, for a call over the limit.
        """
        now, allowed = world.clock.now_ms(), limits(world)
        if now < self._paused_until.get(mch_id, 0):
            raise Declined("INVALID_REQ_TOO_MUCH", "无效请求过多，请1分钟后再重试")
        if _over(self._calls[mch_id], now, allowed.refunds_per_s):
            raise Declined("FREQUENCY_LIMITED", "频率限制，请降低频率后重试")
        try:
            yield
        except Exception as failure:
            faultless = isinstance(failure, Declined) and failure.err_code in _NOT_THE_CALLERS_FAULT
            if not faultless and _over(self._invalid[mch_id], now, allowed.invalid_per_s):
                self._paused_until[mch_id] = now + int(allowed.invalid_pause_s * 1000)
            raise


def _over(seen: deque[int], now: int, limit: int | None) -> bool:
    """Count one more occurrence; tell whether there were more than `limit` within the last second."""
    while seen and seen[0] <= now - _SECOND_MS:
        seen.popleft()
    seen.append(now)
    return limit is not None and len(seen) > limit
