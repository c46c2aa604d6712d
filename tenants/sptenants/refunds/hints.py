"""Refund notifications as hints: whatever they say, WeChat is asked before anything changes (N11, part 2.3).

API v2 encrypts them without a signature and block by block, so that pieces of two genuine ones make a third.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from sptenants.orders.repository import case_of_out_trade_no
from sptenants.refunds import repository
from sptenants.refunds.line import RefundCase, RefundLine
from sptenants.refunds.outside import OutsideRefunds
from sptenants.refunds.settling import RefundSettler
from sptenants.refunds.states import RefundStatus
from wechatpay import refunds as wire
from wechatpay.v2.refund_notify import RefundHint


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a hint.

    `applied` changed something, `known` had nothing to change, `unclear` could not be confirmed yet,
    `not_confirmed` is not what WeChat says, `unknown_order` is about nothing of this tenant.
    """

    kind: Literal["applied", "known", "unclear", "not_confirmed", "unknown_order"]
    order_id: str | None = None


class RefundHints:
    """Follows up hints. Opens its own transactions; none may be open around it (rule T3)."""

    def __init__(
        self,
        database: Database,
        line: RefundLine,
        settler: RefundSettler,
        outside: OutsideRefunds,
    ) -> None:
        self._database = database
        self._line = line
        self._settler = settler
        self._outside = outside

    async def take(self, scope: TenantScope, hint: RefundHint) -> Taken:
        """Ask WeChat about what `hint` is about, and apply the answer. Raises ProviderNotReady."""
        number = hint.out_refund_no.text
        async with self._database.read(scope) as session:
            case = await repository.case_of_number(session, scope, number)
            placed = None if case else await case_of_out_trade_no(session, scope, hint.out_trade_no.text)
        if case is not None:
            return await self._follow(case, hint)
        if placed is None:
            return Taken("unknown_order")
        looked = await self._outside.look(scope, placed.order.id, hint.out_trade_no.text)
        if not looked.answered:
            return Taken("unclear", placed.order.id)
        return Taken("applied" if number in looked.found else "not_confirmed", placed.order.id)

    async def _follow(self, case: RefundCase, hint: RefundHint) -> Taken:
        before = case.refund
        if before.is_final or before.status is RefundStatus.REQUESTED:
            # Nothing can change any more, or nothing was sent that WeChat could tell of.
            kind: Literal["known", "not_confirmed"] = "known" if before.is_final else "not_confirmed"
            return Taken(kind, before.order_id)
        found = await self._line.query(case)
        after = (await self._settler.store(case, found)).refund
        if found.kind == "unclear":
            return Taken("unclear", before.order_id)
        if found.state is None:
            return Taken("not_confirmed", before.order_id)
        if found.state.status is not hint.status and found.state.status is wire.RefundStatus.PROCESSING:
            # The notification may be ahead of the query, or spliced: WeChat repeats a genuine one.
            return Taken("unclear", before.order_id)
        return Taken("known" if after.status is before.status else "applied", before.order_id)
