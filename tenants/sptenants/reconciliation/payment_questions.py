"""What WeChat is asked about payments that differ, and what its answers settle (L01, D09, B06).

A bill is unsigned text: it is a reason to ask, and WeChat's own answer decides (rule M5). What the answer
proves is applied by the code that applies all evidence, in the transaction that concludes the difference.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TypeAlias

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.providers.errors import ProviderNotReady
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from sptenants.bills.models import BillLine
from sptenants.orders import evidence, mending, repository
from sptenants.orders.adoption import Adopted, Adoption
from sptenants.orders.disputes import AnomalyKind, raise_anomaly
from sptenants.orders.evidence import Evidence
from sptenants.orders.line import Case, Found, Line
from sptenants.orders.models import AnomalyRow
from sptenants.orders.numbering import is_ours
from sptenants.orders.states import OPEN, AttemptState, OrderStatus
from sptenants.orders.sums import CHINA
from sptenants.orders.versions import API_V2, API_V3
from sptenants.reconciliation.causes import Cause, CauseCode, of_journal
from sptenants.reconciliation.doubts import Answer, Doubt, Ending
from sptenants.reconciliation.states import DifferenceDetail
from sptenants.registry.caller import TenantProfile
from sptenants.registry.models import Tenant
from wechatpay.gateway import OrderState, TradeState
from wechatpay.identifiers import AppId, OutTradeNo

Conclude: TypeAlias = Callable[[AsyncSession, Doubt, Answer], Awaitable[None]]
"""Stores an answer in the caller's transaction."""

_D, _C = DifferenceDetail, CauseCode
_GOOD = "SUCCESS"
_REVERSED = "REVOKED"
_DAY = timedelta(days=1)
_FOREIGN = Answer(Ending.HOPELESS, Cause(_C.NOT_OUR_NUMBER))
_SILENT = Answer(Ending.SILENT, Cause(_C.NO_ANSWER))


class PaymentQuestions:
    """Asks about one payment and concludes its difference. No transaction may be open around it (T3)."""

    def __init__(
        self, database: Database, clock: Clock, line: Line, adoption: Adoption, conclude: Conclude
    ) -> None:
        self._database = database
        self._clock = clock
        self._line = line
        self._adoption = adoption
        self._conclude = conclude

    async def ask(self, doubt: Doubt) -> None:
        """Ask, apply what WeChat says, and conclude. Raises ProviderNotReady."""
        number = doubt.out_trade_no or ""
        if not is_ours(number):
            await self._end(doubt, _FOREIGN)
            return
        async with self._database.read(doubt.scope) as session:
            case = await repository.case_of_out_trade_no(session, doubt.scope, number)
        if case is None or case.attempt is None:
            await self._adopt(doubt, OutTradeNo(number))
            return
        await self._query(doubt, replace(case, found_as=case.order))

    async def adopt(self, doubt: Doubt, number: OutTradeNo) -> Adopted:
        """Have the order behind a bill's number rebuilt, by whichever API knows it. Raises ProviderNotReady.

        WeChat tells of an order by both of its APIs; the other one is asked when the provider's own does not
        know it, as with a payment code (wechatpay-v3 2.8).
        """
        provider, tenant, appid = await self._whose(doubt)
        first = provider.api_version
        adopted = Adopted("absent")
        for version in (first, API_V2 if first == API_V3 else API_V3):
            try:
                adopted = await self._adoption.adopt(
                    provider, tenant, number, appid=appid, api_version=version
                )
            except ProviderNotReady:
                if version == first:
                    raise
                break
            if adopted.outcome != "absent":
                break
        return adopted

    async def _adopt(self, doubt: Doubt, number: OutTradeNo) -> None:
        adopted = await self.adopt(doubt, number)
        match adopted.outcome:
            case "adopted" | "known":
                await self._compare_adopted(doubt, number)
            case "unclear":
                await self._end(doubt, _SILENT)
            case "foreign":
                await self._end(doubt, Answer(Ending.HOPELESS, Cause(_C.NUMBER_OF_ANOTHER_TENANT)))
            case "absent" | "unpaid" as said:
                cause = Cause(_C.MISSING_AT_WECHAT, {"trade_state": said})
                await self._end(doubt, Answer(Ending.DIFFERS, cause))

    async def _compare_adopted(self, doubt: Doubt, number: OutTradeNo) -> None:
        async with self._database.write(doubt.scope) as session:
            case = await repository.case_of_out_trade_no(session, doubt.scope, number.text)
            heard = await of_journal(session, doubt.scope, number.text, doubt.bill_date)
            cause = Cause(_C.RESTORED_BACKUP, heard.facts if heard else {})
            if case is not None and _is_booked(doubt, case):
                note = f"rebuilt from WeChat's records as {case.order.id}"
                await self._conclude(session, doubt, Answer(Ending.AGREES, cause, note))
            else:
                await self._conclude(session, doubt, Answer(Ending.DIFFERS, cause))

    async def _query(self, doubt: Doubt, case: Case) -> None:
        found = await self._line.query(case)
        if found.kind == "unclear":
            await self._end(doubt, _SILENT)
            return
        now = self._clock.now()
        async with self._database.write(doubt.scope) as session:
            if found.state is not None and found.kind == "paid":
                await self._apply(session, doubt.scope, case, found.state, found, now)
            after = await repository.case_of_out_trade_no(session, doubt.scope, doubt.out_trade_no or "")
            if after is None:
                raise RuntimeError(f"{case.order.id} vanished while it was asked about")
            await self._conclude(session, doubt, await self._judge(session, doubt, case, after, found))

    async def _apply(
        self,
        session: AsyncSession,
        scope: TenantScope,
        case: Case,
        state: OrderState,
        found: Found,
        now: datetime,
    ) -> None:
        """Apply a payment that WeChat confirms; what does not fit goes on the work list."""
        applied = await evidence.apply(session, scope, case, Evidence.of_query(state), now)
        if applied.notes:
            await repository.insert_notes(session, applied.order, now, (found.note, *applied.notes))
        await mending.note(session, case, applied.order, now)

    async def _judge(
        self, session: AsyncSession, doubt: Doubt, before: Case, after: Case, found: Found
    ) -> Answer:
        """Say what the answer means; `after` is our side once it was applied."""
        if found.kind != "paid" or found.state is None:
            return await self._judge_unpaid(session, doubt, after, found)
        match doubt.detail:
            case _D.PAYMENT_ABSENT:
                return await _judge_absent(session, doubt, after, found.state)
            case _D.TRANSACTION:
                return await _judge_transaction(session, doubt, after, found.state)
            case _:
                return await _judge_paid(session, doubt, before, after, found.state)

    async def _judge_unpaid(self, session: AsyncSession, doubt: Doubt, after: Case, found: Found) -> Answer:
        """WeChat calls it unpaid. A paid order is never changed for that; a person has to look."""
        said = found.state.trade_state.value if found.state else "absent"
        if after.attempt is None or after.attempt.state is not AttemptState.PAID:
            if doubt.facts.get("state") == _REVERSED:
                return Answer(Ending.AGREES, Cause(_C.REVERSED_AT_WECHAT), f"WeChat says {said}")
            return Answer(Ending.DIFFERS, Cause(_C.MISSING_AT_WECHAT, {"trade_state": said}))
        await raise_anomaly(
            session,
            doubt.scope,
            AnomalyKind.MISSING_THERE,
            after.attempt.out_trade_no,
            self._clock.now(),
            order_id=after.order.id,
            facts={
                "source": "bill",
                "out_trade_no": after.attempt.out_trade_no,
                "transaction_id": after.attempt.transaction_id,
                "amount": after.attempt.amount.value,
                "trade_state": said,
                "bill_date": doubt.bill_date.isoformat(),
            },
        )
        reversed_there = said == TradeState.REVOKED.value
        code = _C.REVERSED_AT_WECHAT if reversed_there else _C.MISSING_AT_WECHAT
        return Answer(Ending.DIFFERS, Cause(code, {"trade_state": said}))

    async def _end(self, doubt: Doubt, answer: Answer) -> None:
        async with self._database.write(doubt.scope) as session:
            await self._conclude(session, doubt, answer)

    async def _whose(self, doubt: Doubt) -> tuple[ProviderProfile, TenantProfile, AppId | None]:
        """Return who is asked for, and the app that the bill's line names, for a plain merchant's order."""
        scope = doubt.scope
        query = (
            select(Provider, Tenant)
            .join(Provider, Provider.id == Tenant.provider_id)
            .where(Tenant.provider_id == scope.provider_id, Tenant.id == scope.tenant_id)
        )
        async with self._database.read(scope) as session:
            provider, tenant = (await session.execute(query)).one()
            lines = await lines_of(session, scope, doubt.out_trade_no or "", doubt.bill_date)
        appid = lines[0].extra.get("appid") if lines else None
        profile = TenantProfile.of(tenant)
        named = AppId(appid) if appid and profile.sub_mch_id is None else None
        return ProviderProfile.of(provider), profile, named


async def lines_of(
    session: AsyncSession, scope: TenantScope, out_trade_no: str, *days: date
) -> Sequence[BillLine]:
    """Return the tenant's lines about a payment, its refunds too, in the bills of some days."""
    query = select(BillLine).where(
        BillLine.provider_id == scope.provider_id,
        BillLine.tenant_id == scope.tenant_id,
        BillLine.bill_date.in_(days),
        BillLine.out_trade_no == out_trade_no,
    )
    return (await session.scalars(query.order_by(BillLine.bill_date, BillLine.number))).all()


def _is_booked(doubt: Doubt, case: Case) -> bool:
    """Whether our books have the payment as the bill has it."""
    attempt = case.attempt
    return (
        attempt is not None
        and attempt.state is AttemptState.PAID
        and attempt.amount.value == doubt.theirs
        and doubt.transaction_id in {None, attempt.transaction_id}
        and doubt.facts.get("state") != _REVERSED
    )


async def _judge_paid(
    session: AsyncSession, doubt: Doubt, before: Case, after: Case, state: OrderState
) -> Answer:
    """A payment that our books did not have, or had with another amount."""
    amount = state.total_fee.value if state.total_fee else None
    if _is_booked(doubt, after):
        status = before.order.status
        if status is not OrderStatus.PAID and status not in OPEN:
            cause: Cause | None = Cause(_C.CLOSED_BEFORE_PAID, {"status": status.value})
        else:
            cause = await of_journal(session, doubt.scope, doubt.out_trade_no or "", doubt.bill_date)
        return Answer(Ending.AGREES, cause, "WeChat confirms it; our books have it now")
    if after.attempt is not None and after.attempt.amount.value != amount:
        return Answer(Ending.DIFFERS, Cause(_C.AMOUNT_DIFFERS_AT_WECHAT, {"amount": amount}))
    theirs = state.transaction_id.text if state.transaction_id else None
    if (first := _transaction_of(after)) != theirs:
        facts = {"transaction_id": theirs, "first_transaction_id": first}
        return Answer(Ending.DIFFERS, Cause(_C.PAID_TWICE, facts))
    return Answer(Ending.DIFFERS, Cause(_C.BILL_LINE_DIFFERS, {"amount": amount}))


async def _judge_absent(session: AsyncSession, doubt: Doubt, after: Case, state: OrderState) -> Answer:
    """Paid by both sides' word, and not in the bill of the day on which our books have it."""
    at = state.time_end
    if at is not None and (day := at.astimezone(CHINA).date()) != doubt.bill_date:
        cause = Cause(_C.MIDNIGHT, {"at": at.isoformat()})
        if await _stands_in(session, doubt, after, day):
            return Answer(Ending.AGREES, cause, f"it stands in the bill of {day}")
        return Answer(Ending.DIFFERS, cause)
    for day in (doubt.bill_date - _DAY, doubt.bill_date, doubt.bill_date + _DAY):
        if await _stands_in(session, doubt, after, day):
            late = await of_journal(session, doubt.scope, doubt.out_trade_no or "", doubt.bill_date)
            cause = late if late and late.code is _C.LATE_NOTIFICATION else Cause(_C.MIDNIGHT)
            return Answer(Ending.AGREES, cause, f"it stands in the bill of {day}")
    return Answer(Ending.DIFFERS, Cause(_C.BILL_LINE_MISSING))


async def _stands_in(session: AsyncSession, doubt: Doubt, after: Case, day: date) -> bool:
    if after.attempt is None:
        return False
    ours = (after.attempt.transaction_id, after.attempt.amount.value)
    found = await lines_of(session, doubt.scope, after.attempt.out_trade_no, day)
    lines = [line for line in found if line.out_refund_no is None]
    reversed_there = any(line.state == _REVERSED for line in lines)
    return not reversed_there and any(
        line.state == _GOOD and (line.transaction_id, line.total) == ours for line in lines
    )


async def _judge_transaction(session: AsyncSession, doubt: Doubt, after: Case, state: OrderState) -> Answer:
    """Another transaction than ours under the same number: paid twice, unless the bill alone says so."""
    theirs = state.transaction_id.text if state.transaction_id else None
    first = _transaction_of(after)
    facts = {"transaction_id": doubt.transaction_id, "first_transaction_id": first}
    query = select(AnomalyRow.id).where(
        AnomalyRow.provider_id == doubt.scope.provider_id,
        AnomalyRow.tenant_id == doubt.scope.tenant_id,
        AnomalyRow.kind == AnomalyKind.DOUBLE_PAYMENT.value,
        AnomalyRow.mark == doubt.transaction_id,
    )
    known_twice = (await session.execute(query)).first() is not None
    if known_twice or theirs != first:
        return Answer(Ending.DIFFERS, Cause(_C.PAID_TWICE, facts))
    return Answer(Ending.DIFFERS, Cause(_C.BILL_LINE_DIFFERS, facts))


def _transaction_of(case: Case) -> str | None:
    """Return the transaction by which our books have the attempt's number as paid."""
    return case.attempt.transaction_id if case.attempt else None
