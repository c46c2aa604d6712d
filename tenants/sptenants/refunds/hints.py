"""What refund notifications lead to (N11, part 2.3).

API v2 encrypts them without a signature and block by block, so that pieces of two genuine ones make a third:
they are hints, and WeChat is asked before anything changes. Those of API v3 are signed: they prove what they
say, and are compared with the refund like an answer (R6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from sptenants.orders.repository import case_of_out_trade_no, insert_notes_of
from sptenants.orders.schedule import Jitter, random_jitter
from sptenants.refunds import outcome, repository
from sptenants.refunds.line import RefundCase, RefundLine
from sptenants.refunds.outside import OutsideRefunds
from sptenants.refunds.settling import RefundSettler
from sptenants.refunds.states import RefundStatus
from wechatpay import refunds as wire
from wechatpay.refunds import VerifiedRefund
from wechatpay.v2.refund_notify import RefundHint


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a notification.

    `applied` changed something, `known` had nothing to change, `unclear` could not be confirmed yet,
    `not_confirmed` is not what WeChat says, `unknown_order` is about nothing of this tenant. What is proven
    and does not fit our rows is `differs`, on the work list for a person; `fields` says in what.
    """

    kind: Literal["applied", "known", "unclear", "not_confirmed", "unknown_order", "differs"]
    order_id: str | None = None
    fields: tuple[str, ...] = ()


class RefundHints:
    """Follows notifications up. Opens its own transactions; none may be open around it (rule T3)."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        line: RefundLine,
        settler: RefundSettler,
        outside: OutsideRefunds,
        *,
        jitter: Jitter = random_jitter,
    ) -> None:
        self._database = database
        self._clock = clock
        self._line = line
        self._settler = settler
        self._outside = outside
        self._jitter = jitter

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

    async def prove(self, scope: TenantScope, refund: VerifiedRefund) -> Taken:
        """Apply what a verified notification of API v3 says of a refund; one transaction, no question (R6).

        One that overtakes the answer to our own call, or the payment's notification, takes nothing back
        (Z11): the answer then finds the refund settled, and WeChat repeats what is `unclear`.
        """
        now = self._clock.now()
        async with self._database.write(scope) as session:
            order_id = await _order_of(session, scope, refund)
            if order_id is None:
                return Taken("unknown_order")
            order = await repository.lock_order(session, scope, order_id)
            case = await repository.case_of_number(session, scope, refund.out_refund_no.text)
            if case is None:
                fields = await self._outside.told(session, order, refund, now)
                return _taken_over(fields, order_id)
            if fields := outcome.strange(case.attempt, refund):
                applied = await outcome.dispute(session, case.refund, fields, now, "notify")
            else:
                applied = await outcome.apply(
                    session, order, case.refund, refund, now, self._jitter, source="notify"
                )
            await insert_notes_of(session, scope, order_id, now, applied.notes)
        if applied.disputed:
            return Taken("differs", order_id, applied.disputed)
        return Taken("applied" if applied.changed else "known", order_id)


async def _order_of(session: AsyncSession, scope: TenantScope, refund: VerifiedRefund) -> str | None:
    """Return the order that a refund is of: that of our refund under its number, or of its payment."""
    case = await repository.case_of_number(session, scope, refund.out_refund_no.text)
    if case is not None:
        return case.refund.order_id
    placed = await case_of_out_trade_no(session, scope, refund.out_trade_no.text)
    return placed.order.id if placed else None


def _taken_over(fields: tuple[str, ...] | None, order_id: str) -> Taken:
    if fields is None:
        return Taken("unclear", order_id)
    return Taken("differs", order_id, fields) if fields else Taken("applied", order_id)
