"""What WeChat is asked about refunds that differ, and what its answers settle (F10, R6, L01, L04).

A refund stands in the bill of the day on which WeChat accepted it, in the state it had then; so most often
the bill is right, our books are right, and a question shows that both mean the same.
"""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.engine import Database
from sptenants.bills.models import BillLine
from sptenants.orders.numbering import is_ours
from sptenants.orders.repository import case_of_out_trade_no, insert_notes_of
from sptenants.orders.schedule import Jitter
from sptenants.reconciliation.causes import Cause, CauseCode, of_journal
from sptenants.reconciliation.doubts import Answer, Doubt, Ending
from sptenants.reconciliation.payment_questions import Conclude, PaymentQuestions, lines_of
from sptenants.reconciliation.states import DifferenceDetail
from sptenants.refunds import outcome, repository
from sptenants.refunds.line import FoundRefund, RefundCase, RefundLine
from sptenants.refunds.outcome import Applied
from sptenants.refunds.outside import OutsideRefunds
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.states import RefundStatus
from wechatpay.identifiers import OutTradeNo

_D, _C, _S = DifferenceDetail, CauseCode, RefundStatus
_SILENT = Answer(Ending.SILENT, Cause(_C.NO_ANSWER))

_MAY_MEAN = {
    "SUCCESS": frozenset({_S.SUCCEEDED}),
    "FAIL": frozenset({_S.CLOSED}),
    "CHANGE": frozenset({_S.ABNORMAL, _S.SUCCEEDED, _S.CLOSED}),
    "PROCESSING": frozenset({_S.SUCCEEDED, _S.CLOSED, _S.ABNORMAL}),
}
"""Which ends of ours a bill's word allows: it is never updated after the day (wechatpay-v3 5.4)."""

ACCEPTED_WITHIN = timedelta(days=10)
"""How much later than WeChat accepted it our books may have learned of a refund."""


class RefundQuestions:
    """Asks about one refund and concludes its difference. No transaction may be open around it (T3)."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        line: RefundLine,
        outside: OutsideRefunds,
        payments: PaymentQuestions,
        conclude: Conclude,
        jitter: Jitter,
    ) -> None:
        self._database = database
        self._clock = clock
        self._line = line
        self._outside = outside
        self._payments = payments
        self._conclude = conclude
        self._jitter = jitter

    async def ask(self, doubt: Doubt) -> None:
        """Ask, apply what WeChat says, and conclude. Raises ProviderNotReady."""
        async with self._database.read(doubt.scope) as session:
            case = await repository.case_of_number(session, doubt.scope, doubt.out_refund_no or "")
        if case is None:
            await self._take_over(doubt)
        else:
            await self._query(doubt, case)

    async def _take_over(self, doubt: Doubt) -> None:
        """Nobody here knows it: ask by the number that the bill gives (v3 lists no refunds)."""
        number = doubt.out_trade_no or ""
        order_id = await self._order_of(doubt)
        if order_id is None:
            if not is_ours(number):
                await self._end(doubt, Answer(Ending.HOPELESS, Cause(_C.NOT_OUR_NUMBER)))
                return
            adopted = await self._payments.adopt(doubt, OutTradeNo(number))
            if adopted.order is None:
                await self._end(doubt, _without_order(adopted.outcome))
                return
            order_id = adopted.order.id
        async with self._database.read(doubt.scope) as session:
            line = await _line_of(session, doubt, number, doubt.bill_date)
        named = await self._outside.named(
            doubt.scope, order_id, number, doubt.out_refund_no or "", line.at if line else None
        )
        match named.kind:
            case "taken" | "known":
                await self._compare_taken(doubt)
            case "unclear":
                await self._end(doubt, _SILENT)
            case "absent":
                cause = Cause(_C.MISSING_AT_WECHAT, {"trade_state": "absent"})
                await self._end(doubt, Answer(Ending.DIFFERS, cause))
            case "differs":
                cause = Cause(_C.UNEXPLAINED, {"fields": list(named.fields)})
                await self._end(doubt, Answer(Ending.DIFFERS, cause))

    async def _compare_taken(self, doubt: Doubt) -> None:
        number = doubt.out_refund_no or ""
        code = _C.RESTORED_BACKUP if is_ours(number) else _C.REFUNDED_AT_WECHAT
        async with self._database.write(doubt.scope) as session:
            case = await repository.case_of_number(session, doubt.scope, number)
            if case is not None and case.refund.amount.value == doubt.theirs:
                note = f"taken over from WeChat as {case.refund.id}"
                await self._conclude(session, doubt, Answer(Ending.AGREES, Cause(code), note))
            else:
                await self._conclude(session, doubt, Answer(Ending.DIFFERS, Cause(code)))

    async def _query(self, doubt: Doubt, case: RefundCase) -> None:
        found = await self._line.query(case)
        if found.kind == "unclear":
            await self._end(doubt, _SILENT)
            return
        now = self._clock.now()
        async with self._database.write(doubt.scope) as session:
            order = await repository.order_of(session, case.refund)
            case = await repository.case_of(session, doubt.scope, case.refund.id) or case
            if found.state is not None:
                applied = await outcome.apply(
                    session, order, case.refund, found.state, now, self._jitter, heals=True
                )
            else:
                # WeChat took it on, by our books, and does not know it any more.
                applied = await outcome.dispute(session, case.refund, ("absent",), now)
            if applied.notes:
                await insert_notes_of(session, doubt.scope, order.id, now, (found.note, *applied.notes))
            await self._conclude(session, doubt, await _judge(session, doubt, case.refund, applied, found))

    async def _order_of(self, doubt: Doubt) -> str | None:
        async with self._database.read(doubt.scope) as session:
            case = await case_of_out_trade_no(session, doubt.scope, doubt.out_trade_no or "")
        return case.order.id if case else None

    async def _end(self, doubt: Doubt, answer: Answer) -> None:
        async with self._database.write(doubt.scope) as session:
            await self._conclude(session, doubt, answer)


def _without_order(said: str) -> Answer:
    if said == "unclear":
        return _SILENT
    code = _C.NUMBER_OF_ANOTHER_TENANT if said == "foreign" else _C.MISSING_AT_WECHAT
    return Answer(Ending.DIFFERS, Cause(code, {"trade_state": said}))


async def _judge(
    session: AsyncSession, doubt: Doubt, before: RefundRecord, applied: Applied, found: FoundRefund
) -> Answer:
    """Say what the answer means; `applied` is our side once it was taken."""
    refund, state = applied.refund, found.state
    if state is None:
        return Answer(Ending.DIFFERS, Cause(_C.MISSING_AT_WECHAT, {"trade_state": "absent"}))
    if state.amount != refund.amount:
        return Answer(Ending.DIFFERS, Cause(_C.AMOUNT_DIFFERS_AT_WECHAT, {"amount": state.amount.value}))
    told = {"status": state.status.value}
    if applied.disputed:
        return Answer(Ending.DIFFERS, Cause(_C.REFUND_ENDED_OTHERWISE, told))
    if doubt.detail is _D.REFUND_ABSENT:
        return await _judge_absent(session, doubt, refund)
    line = await _line_of(session, doubt, refund.out_trade_no, doubt.bill_date)
    if line is None or line.refund_applied != refund.amount.value:
        return Answer(Ending.DIFFERS, Cause(_C.BILL_LINE_DIFFERS, {"amount": state.amount.value}))
    if not _may_mean(line, refund.status):
        return Answer(Ending.DIFFERS, Cause(_C.REFUND_SETTLING, told))
    cause: Cause | None = Cause(_C.REFUND_SETTLING, told)
    if applied.changed:
        cause = await of_journal(session, doubt.scope, before.out_trade_no, doubt.bill_date, "refund")
    return Answer(Ending.AGREES, cause, f"WeChat says {state.status.value}, and so do our books")


def _may_mean(line: BillLine, ended: RefundStatus) -> bool:
    """Whether a bill's line allows this end; an older layout says nothing of it."""
    if line.refund_state is None:
        return ended in _MAY_MEAN["PROCESSING"]
    return ended in _MAY_MEAN.get(line.refund_state, frozenset())


async def _judge_absent(session: AsyncSession, doubt: Doubt, refund: RefundRecord) -> Answer:
    """Accepted by our books on a day whose bill does not have it.

    An answer that was lost, or a refund that others made, is learned of later than it was accepted; comparing
    writes down what moved between the days.
    """
    days = [doubt.bill_date + timedelta(days=1)]
    days += [doubt.bill_date - timedelta(days=n) for n in range(ACCEPTED_WITHIN.days)]
    line = await _line_of(session, doubt, refund.out_trade_no, *days)
    if line is not None and line.refund_applied == refund.amount.value:
        cause = Cause(_C.MIDNIGHT, {"at": line.at.isoformat()})
        return Answer(Ending.AGREES, cause, f"it stands in the bill of {line.bill_date}")
    if refund.status is _S.CLOSED:
        cause = Cause(_C.REFUND_ENDED_OTHERWISE, {"status": "REFUNDCLOSE"})
        return Answer(Ending.AGREES, cause, "WeChat closed it: no money was moved")
    return Answer(Ending.DIFFERS, Cause(_C.BILL_LINE_MISSING))


async def _line_of(session: AsyncSession, doubt: Doubt, out_trade_no: str, *days: date) -> BillLine | None:
    """Return the line of the refund in the bills of some days."""
    found = await lines_of(session, doubt.scope, out_trade_no, *days)
    return next((line for line in found if line.out_refund_no == doubt.out_refund_no), None)
