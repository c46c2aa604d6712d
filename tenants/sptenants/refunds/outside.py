"""Refunds that were made at WeChat's own console: found, taken over, told of (F10).

Money truth wins (rule M5): such a refund becomes a row like any other, under the number it has there, as
long as the sums hold (M4). Otherwise it is left to a person. API v2 lists the refunds of an order; v3 says
only that there are some, and which ones by the notifications that it signs. A bill names those of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import structlog
from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope, WorkerScope
from spcore.errors import DomainError
from spcore.ids import new_id
from sptenants.orders.budget import Budget
from sptenants.orders.disputes import AnomalyKind, raise_anomaly, settle_anomaly
from sptenants.orders.heals import Wrong, record_heal
from sptenants.orders.models import AnomalyRow, Attempt
from sptenants.orders.numbering import is_ours
from sptenants.orders.records import AttemptRecord, OrderRecord
from sptenants.orders.repository import insert_notes_of, scope_of
from sptenants.orders.schedule import Jitter, random_jitter
from sptenants.refunds import notes, outcome, repository
from sptenants.refunds.line import LISTS_REFUNDS, RefundLine
from sptenants.refunds.outcome import Source, Word
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.repository import Payment
from sptenants.refunds.states import Approval, Purpose, RefundStatus
from wechatpay.gateway import TradeState
from wechatpay.identifiers import OutRefundNo
from wechatpay.refunds import VerifiedRefund

LOOK_WITHIN = timedelta(days=30)
"""How long WeChat is asked about refunds that it only hinted at; the daily bill is the net below."""

_PAUSE = timedelta(minutes=1)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of asking for an order's refunds. `answered` is False when WeChat could not be asked."""

    answered: bool
    found: tuple[str, ...] = ()
    """Numbers that WeChat has, known here or not; none by API v3, which lists none."""
    unnamed: bool = False
    """WeChat says that something was refunded, and nothing here explains it; v3 does not say what."""


@dataclass(frozen=True, slots=True)
class Named:
    """What came of asking for one refund by its number.

    `taken` now or `known` before; `absent` at WeChat, or of no payment that is known here; `differs`: it is
    left to a person, `fields` says for what; `unclear`: no usable answer, ask again.
    """

    kind: Literal["taken", "known", "absent", "differs", "unclear"]
    fields: tuple[str, ...] = ()


class OutsideRefunds:
    """Asks WeChat for all refunds of an order and takes over those that nobody here made."""

    def __init__(
        self, database: Database, clock: Clock, line: RefundLine, *, jitter: Jitter = random_jitter
    ) -> None:
        self._database = database
        self._clock = clock
        self._line = line
        self._jitter = jitter

    async def look(self, scope: TenantScope, order_id: str, out_trade_no: str | None = None) -> Looked:
        """Take over what is found; `out_trade_no` names an attempt other than the one that paid.

        Orders that were never paid, or are somebody else's, have nothing to find. Raises ProviderNotReady.
        """
        async with self._database.read(scope) as session:
            payment = (
                await repository.payment_of(session, scope, order_id)
                if out_trade_no is None
                else await repository.payment_under(session, scope, order_id, out_trade_no)
            )
        if payment is None or payment.attempt is None or payment.order.transaction_id is None:
            return Looked(answered=True)
        if payment.attempt.api_version not in LISTS_REFUNDS:
            return await self._ask_whether(scope, payment, payment.attempt)
        listing = await self._line.all_of(payment.provider, payment.attempt)
        if listing.refunds is None:
            return Looked(answered=False)
        now = self._clock.now()
        async with self._database.write(scope) as session:
            order = await repository.lock_order(session, scope, order_id)
            known = await repository.numbers_of(session, scope, order_id)
            fresh = [state for state in listing.refunds if state.out_refund_no.text not in known]
            if fresh:
                await insert_notes_of(session, scope, order_id, now, listing.notes)
            for state in fresh:
                await self._take_over(session, payment, order, payment.attempt, state, now)
                order = await repository.lock_order(session, scope, order_id)
            note = f"{len(listing.refunds)} refunds at WeChat"
            await settle_anomaly(
                session, scope, AnomalyKind.REFUND_OUTSIDE, payment.attempt.out_trade_no, now, note
            )
        return Looked(answered=True, found=tuple(state.out_refund_no.text for state in listing.refunds))

    async def named(
        self,
        scope: TenantScope,
        order_id: str,
        out_trade_no: str,
        out_refund_no: str,
        accepted_at: datetime | None = None,
    ) -> Named:
        """Ask for one refund of the payment under `out_trade_no` and take it over unless it is known.

        Whoever names the number, a bill or a person, is only a reason to ask; `accepted_at` is when it was
        asked for at WeChat, if they know that. Works by both APIs. Raises ProviderNotReady.
        """
        async with self._database.read(scope) as session:
            payment = await repository.payment_under(session, scope, order_id, out_trade_no)
            known = await repository.numbers_of(session, scope, order_id)
        if out_refund_no in known:
            return Named("known")
        if payment is None or payment.attempt is None or payment.order.transaction_id is None:
            return Named("absent")
        attempt = payment.attempt
        found = await self._line.named(payment.provider, attempt, OutRefundNo(out_refund_no))
        if found.state is None:
            return Named("absent" if found.kind == "absent" else "unclear")
        if found.state.out_trade_no.text != attempt.out_trade_no:
            return Named("differs", ("out_trade_no",))
        now = self._clock.now()
        async with self._database.write(scope) as session:
            order = await repository.lock_order(session, scope, order_id)
            if out_refund_no in await repository.numbers_of(session, scope, order_id):
                return Named("known")
            await insert_notes_of(session, scope, order_id, now, [found.note])
            if fields := await self._take_over(
                session, payment, order, attempt, found.state, now, accepted_at=accepted_at
            ):
                return Named("differs", fields)
            note = f"the bill names {out_refund_no}"
            await settle_anomaly(session, scope, AnomalyKind.REFUND_OUTSIDE, attempt.out_trade_no, now, note)
        return Named("taken")

    async def told(
        self, session: AsyncSession, order: OrderRecord, refund: VerifiedRefund, now: datetime
    ) -> tuple[str, ...] | None:
        """Take over a refund of which a verified notification tells, in the transaction that holds `order`.

        The fields in which it does not fit, when it is left to a person; None as long as nothing is known of
        a payment under its number, which may have been overtaken.
        """
        scope = scope_of(order)
        payment = await repository.payment_under(session, scope, order.id, refund.out_trade_no.text)
        if payment is None or payment.attempt is None or order.transaction_id is None:
            return None
        attempt = payment.attempt
        strange = outcome.strange(attempt, refund)
        if fields := await self._take_over(
            session, payment, order, attempt, refund, now, source="notify", strange=strange
        ):
            return fields
        note = f"WeChat told of {refund.out_refund_no}"
        await settle_anomaly(session, scope, AnomalyKind.REFUND_OUTSIDE, attempt.out_trade_no, now, note)
        return ()

    async def _ask_whether(self, scope: TenantScope, payment: Payment, attempt: AttemptRecord) -> Looked:
        """Put it on the work list when WeChat says that something was refunded and nothing was here."""
        state = await self._line.order(payment.provider, attempt)
        if state is None:
            return Looked(answered=False)
        now = self._clock.now()
        async with self._database.write(scope) as session:
            order = await repository.lock_order(session, scope, payment.order.id)
            unnamed = state.trade_state is TradeState.REFUND and not await repository.was_sent_any(
                session, scope, attempt.out_trade_no
            )
            if unnamed:
                facts = {
                    "source": "query",
                    "out_trade_no": attempt.out_trade_no,
                    "transaction_id": attempt.transaction_id,
                    "amount": attempt.amount.value,
                }
                await raise_anomaly(
                    session,
                    scope,
                    AnomalyKind.REFUND_OUTSIDE,
                    attempt.out_trade_no,
                    now,
                    order_id=order.id,
                    facts=facts,
                )
        return Looked(answered=True, unnamed=unnamed)

    async def _take_over(
        self,
        session: AsyncSession,
        payment: Payment,
        order: OrderRecord,
        attempt: AttemptRecord,
        state: Word,
        now: datetime,
        *,
        source: Source = "query",
        strange: tuple[str, ...] = (),
        accepted_at: datetime | None = None,
    ) -> tuple[str, ...]:
        """Store one refund with its sums and its event; the fields that keep it from that, if any do."""
        refund = _found_refund(payment, attempt, state, now, accepted_at)
        differing = outcome.differing(refund, state)
        fields = [*strange, *(name for name in differing if name != "out_refund_no")]
        if refund.transaction_id != order.transaction_id:
            fields.append("transaction_id")
        reserved = None
        if (
            not fields
            and (reserved := await repository.reserve(session, order, state.amount.value, now)) is None
        ):
            fields.append("refund_fee")
        if reserved is None:
            facts = {"fields": fields, "amount": state.amount.value, "refund_id": state.refund_id.text}
            await raise_anomaly(
                session,
                refund.scope,
                AnomalyKind.REFUND_MISMATCH,
                refund.out_refund_no,
                now,
                order_id=order.id,
                facts=facts,
            )
            return tuple(fields)
        await repository.insert_found(session, repository.row_of(refund))
        await insert_notes_of(session, refund.scope, order.id, now, [notes.requested(refund)])
        applied = await outcome.apply(session, reserved, refund, state, now, self._jitter, source=source)
        await insert_notes_of(session, refund.scope, order.id, now, applied.notes)
        await self._tell(session, refund, applied.refund, now, queries=1 if source == "query" else 0)
        return ()

    async def _tell(
        self, session: AsyncSession, found: RefundRecord, refund: RefundRecord, now: datetime, *, queries: int
    ) -> None:
        """Write the repair down. A number of ours was lost by a restore (D09); any other is shown."""
        ours = is_ours(refund.out_refund_no)
        if not ours:
            await raise_anomaly(
                session,
                refund.scope,
                AnomalyKind.REFUND_OUTSIDE,
                refund.out_refund_no,
                now,
                order_id=refund.order_id,
                refund_id=refund.id,
                facts={"amount": refund.amount.value, "status": refund.status.value},
            )
        await record_heal(
            session,
            refund.scope,
            order_id=refund.order_id,
            refund_id=refund.id,
            wrong=Wrong.LOST_REFUND if ours else Wrong.REFUND_OUTSIDE,
            before="unknown",
            after=refund.status.value,
            since=refund.succeeded_at or found.created_at,
            now=now,
            queries=queries,
        )


class OutsideWatch:
    """Works on orders of which WeChat said that a refund exists, until it is known here."""

    def __init__(self, database: Database, clock: Clock, outside: OutsideRefunds, budget: Budget) -> None:
        self._database = database
        self._clock = clock
        self._outside = outside
        self._budget = budget
        self._not_before: dict[str, datetime] = {}

    async def run_due(self, limit: int = 20) -> int:
        """Ask about up to `limit` such orders and return how many were asked about."""
        now = self._clock.now()
        asked = 0
        for anomaly in await self._open(limit, now):
            if self._not_before.get(anomaly.id, now) > now or not self._budget.take(anomaly.provider_id):
                continue
            asked += 1
            scope = TenantScope(anomaly.provider_id, anomaly.tenant_id)
            try:
                looked = await self._outside.look(scope, anomaly.order_id or "", anomaly.mark)
            except DomainError as error:
                _log.warning("outside.postponed", order_id=anomaly.order_id, reason=error.code)
                looked = Looked(answered=False)
            self._not_before.pop(anomaly.id, None)
            if not looked.answered:
                self._not_before[anomaly.id] = now + _PAUSE
        return asked

    async def _open(self, limit: int, now: datetime) -> list[AnomalyRow]:
        """Return open hints that can be asked about; those of a refund that is stored here name it."""
        attempt_of = and_(
            Attempt.provider_id == AnomalyRow.provider_id,
            Attempt.tenant_id == AnomalyRow.tenant_id,
            Attempt.out_trade_no == AnomalyRow.mark,
        )
        query = (
            select(AnomalyRow)
            .join(Attempt, attempt_of)
            .where(
                AnomalyRow.kind == AnomalyKind.REFUND_OUTSIDE.value,
                AnomalyRow.state == "open",
                AnomalyRow.refund_id.is_(None),
                AnomalyRow.raised_at > now - LOOK_WITHIN,
                Attempt.api_version.in_(LISTS_REFUNDS),
            )
            .order_by(AnomalyRow.id.desc())
            .limit(limit)
        )
        async with self._database.read(WorkerScope()) as session:
            return list(await session.scalars(query))


def _found_refund(
    payment: Payment, attempt: AttemptRecord, state: Word, now: datetime, accepted_at: datetime | None
) -> RefundRecord:
    """Return the row of a refund that others made; nothing of it is ever sent.

    WeChat's answers do not say when it was accepted: its end is the nearest moment they know.
    """
    order = payment.order
    return RefundRecord(
        id=new_id("rfd", now),
        provider_id=order.provider_id,
        tenant_id=order.tenant_id,
        mode=order.mode,
        order_id=order.id,
        out_trade_no=attempt.out_trade_no,
        transaction_id=state.transaction_id.text,
        out_refund_no=state.out_refund_no.text,
        merchant_refund_no=None,
        amount=state.amount,
        total=order.amount,
        reason=None,
        request={},
        status=RefundStatus.PROCESSING,
        purpose=Purpose.ORDER,
        source="wechat",
        approval=Approval.NONE,
        created_by="WeChat",
        created_by_id=None,
        approved_by=None,
        wechat_refund_id=state.refund_id.text,
        recv_account=state.recv_account,
        failure=None,
        short=False,
        checks=0,
        next_check_at=now + _PAUSE,
        asked_at=None,
        state_since=now,
        leased_by=None,
        leased_until=None,
        created_at=now,
        updated_at=now,
        accepted_at=accepted_at or state.success_at or now,
        succeeded_at=None,
    )
