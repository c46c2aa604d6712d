"""Orders whose attempts are replaced: what tests of them do all the time."""

from __future__ import annotations

from typing import Any

from tests.support.till import PEER, Till

from sptenants.orders.commands import IdempotencyKey, NextAttempt, Placed
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import AttemptState
from wechatpay.gateway import TradeState, TradeType
from wechatpay.money import Fen

CHEAPER = NextAttempt(amount=Fen(9900))
NATIVE = NextAttempt(trade_type=TradeType.NATIVE)


async def replaced(
    till: Till, order: OrderRecord, asked: NextAttempt = CHEAPER, *, key: IdempotencyKey | None = None
) -> Placed:
    return await till.orders.replace_attempt(till.caller, order.id, asked, peer=PEER, key=key)


async def old_order(till: Till, no: str = "T1", **changes: Any) -> OrderRecord:
    """An order whose attempt may be closed by now."""
    order = await till.placed(no, **changes)
    till.clock.advance(minutes=6)
    return order


async def attempts(till: Till, order: OrderRecord) -> list[tuple[int, AttemptState, int]]:
    """Number, state and amount of each attempt, the first one first."""
    detail = await till.detail(order.id)
    return [(one.number, one.state, one.amount.value) for one in reversed(detail.attempts)]


def states(till: Till) -> list[TradeState]:
    """What WeChat has of each number that was ever sent, the first one first."""
    return [till.wechat.books[number].state for number in dict.fromkeys(till.wechat.numbers)]
