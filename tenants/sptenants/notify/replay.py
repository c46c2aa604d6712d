"""Judging a stored notification again: first what it would do, then, when a person insists, doing it (B-4).

A replay is the message itself once more, never a person's word: the signature has to be right under the keys
of today, every identity and the amount have to agree, and what took effect before takes none again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from spcore.audit import writer as audit
from spcore.audit.actor import Actor
from spcore.audit.writer import Act
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.errors import NotFound
from spcore.providers.profile import ProviderProfile
from sptenants.notify import journal
from sptenants.notify.errors import NotReplayable, reason_given
from sptenants.notify.journal import Finding, Replayed, Result
from sptenants.notify.judging import OTHER_VERSION, is_of_other_version
from sptenants.notify.reader import NotificationReader
from sptenants.notify.records import NotificationRecord
from sptenants.notify.refund_hints import RefundClaim, RefundNotices, first_finding
from sptenants.notify.service import NotifyService
from sptenants.orders import repository
from sptenants.orders.evidence import Evidence, differing
from sptenants.orders.filters import ReadScope
from sptenants.orders.line import Case
from sptenants.orders.states import OPEN, OrderStatus
from sptenants.refunds import repository as refunds
from sptenants.registry.access import RequestFacts
from sptenants.registry.caller import TenantProfile
from sptenants.registry.door import Door
from wechatpay.errors import NotificationRejected
from wechatpay.money import Fen
from wechatpay.payments import VerifiedPayment

Effect = Literal["none", "pays", "settles", "flags", "asks", "adopts", "refused"]
"""`none` changes nothing; `pays` makes the order paid; `settles` applies what a signed message says of a
refund; `flags` puts it on the work list; `asks` has WeChat's own answer decide; `adopts` asks WeChat and
rebuilds a lost order; `refused` cannot be applied."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a replay would do now. `result` and `reason` are what the journal would say.

    Of a payment `told` is the amount the message names and `before` and `after` are states of the order;
    of a refund they are states of the refund, and `after` is only what the message claims.
    """

    effect: Effect
    result: Result
    reason: str | None
    key_version: int | None = None
    out_trade_no: str | None = None
    order_id: str | None = None
    before: str | None = None
    after: str | None = None
    told: Fen | None = None
    expected: Fen | None = None
    late: bool = False

    @property
    def is_genuine(self) -> bool:
        return self.effect != "refused"


class Replays:
    """Shows what a stored message would do now, and has it done."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        door: Door,
        notify: NotifyService,
        refund_notices: RefundNotices,
    ) -> None:
        self._database = database
        self._clock = clock
        self._door = door
        self._notify = notify
        self._refund_notices = refund_notices
        self._reader = NotificationReader(database)

    async def preview(self, scope: ReadScope, notification_id: str) -> Preview:
        """Say what a replay would do, without doing it or asking WeChat.

        Raises NotFound, NotReplayable for what was not kept whole, and ProviderNotReady.
        """
        record = await self._replayable(scope, notification_id)
        provider, tenant = await self._owner(record.scope)
        try:
            if record.row.kind == "refund":
                claim = await self._refund_notices.claim_again(provider, record.kept)
                return await self._refund(provider, tenant, claim)
            told = await self._notify.claim_again(provider, record.kept)
            async with self._database.read(record.scope) as session:
                case = await repository.case_of_out_trade_no(session, record.scope, told.out_trade_no)
            return _payment(provider, tenant, case, told.verified(case), told.version)
        except NotificationRejected as rejected:
            return Preview("refused", "rejected", rejected.reason)

    async def apply(
        self, scope: ReadScope, notification_id: str, by: Actor, reason: str, facts: RequestFacts | None
    ) -> Finding:
        """Judge the message again and let it take effect; audited with the reason.

        Raises NotFound, InvalidInput without a reason, NotReplayable for a message that is not genuine or
        was not kept whole, and ProviderNotReady. A second time changes nothing.
        """
        reason = reason_given(reason)
        record = await self._replayable(scope, notification_id)
        provider, tenant = await self._owner(record.scope)

        async def witness(session: AsyncSession, finding: Finding) -> None:
            now = self._clock.now()
            replayed = Replayed(now, by.name, reason)
            await journal.settle_replay(session, record.scope, record.row.id, finding, replayed)
            act = _act(record, finding, by, reason, facts)
            await audit.record(session, provider.id, act, now)

        again = (
            self._refund_notices.refund_again if record.row.kind == "refund" else self._notify.payment_again
        )
        try:
            return await again(provider, tenant, record.kept, witness)
        except NotificationRejected:
            raise NotReplayable.not_genuine() from None

    async def _replayable(self, scope: ReadScope, notification_id: str) -> NotificationRecord:
        record = await self._reader.record(scope, notification_id)
        if not record.is_replayable:
            raise NotReplayable.not_kept()
        return record

    async def _owner(self, scope: TenantScope) -> tuple[ProviderProfile, TenantProfile]:
        owner = await self._door.by_tenant_id(scope.tenant_id)
        if owner is None:
            raise NotFound
        return owner

    async def _refund(self, provider: ProviderProfile, tenant: TenantProfile, claim: RefundClaim) -> Preview:
        finding = first_finding(provider, tenant, claim)
        scope = TenantScope(provider.id, tenant.id)
        async with self._database.read(scope) as session:
            case = await refunds.case_of_number(session, scope, claim.out_refund_no)
        over = case is not None and case.refund.is_final
        effect: Effect = "settles" if claim.proves else "asks"
        return Preview(
            "none" if finding.settled or over else effect,
            "duplicate" if over else finding.result,
            None if over else finding.reason,
            key_version=claim.key_version,
            out_trade_no=claim.out_trade_no,
            order_id=case.refund.order_id if case else None,
            before=case.refund.status.value if case else None,
            after=claim.status.value.lower(),
            told=claim.amount,
            expected=case.refund.amount if case else None,
        )


def _payment(
    provider: ProviderProfile,
    tenant: TenantProfile,
    case: Case | None,
    payment: VerifiedPayment,
    version: str,
) -> Preview:
    """Decide as `Judge` does; a test holds the two together."""
    seen = Preview(
        "none",
        "unmatched",
        "unknown_order",
        key_version=payment.key_version,
        out_trade_no=payment.out_trade_no.text,
        told=payment.total_fee,
    )
    if case is None or case.attempt is None:
        sub_mch_id = payment.sub_mch_id.text if payment.sub_mch_id else None
        if (payment.mch_id.text, sub_mch_id) != (provider.mch_id, tenant.sub_mch_id):
            return replace(seen, reason="other_merchant")
        return replace(seen, effect="adopts") if payment.succeeded else seen
    order = case.order
    now = order.status.value
    seen = replace(seen, order_id=order.id, before=now, after=now, expected=case.attempt.amount)
    if is_of_other_version(case, version):
        return replace(seen, effect="flags", result="mismatch", reason=OTHER_VERSION)
    if not payment.succeeded:
        return replace(seen, result="mismatch", reason="result_code")
    if payment.needs_query and order.transaction_id != payment.transaction_id.text:
        return replace(seen, effect="asks", result="deferred", reason="ambiguous_text")
    if fields := differing(case.attempt, order, Evidence.of_notification(payment)):
        return replace(seen, effect="flags", result="mismatch", reason=",".join(fields))
    if order.status is OrderStatus.PAID:
        if order.transaction_id == payment.transaction_id.text:
            return replace(seen, result="duplicate", reason=None)
        return replace(seen, effect="flags", result="mismatch", reason="double_payment")
    return replace(
        seen,
        effect="pays",
        result="processed",
        reason=None,
        after=OrderStatus.PAID.value,
        late=order.status not in OPEN,
    )


def _act(
    record: NotificationRecord, finding: Finding, by: Actor, reason: str, facts: RequestFacts | None
) -> Act:
    return Act(
        actor=by,
        action="notification.replayed",
        object_kind="notification",
        object_id=record.row.id,
        tenant_id=record.scope.tenant_id,
        before={"result": record.row.result, "reason": record.row.reason},
        after={"result": finding.result, "reason": finding.reason, "order_id": finding.order_id},
        reason=reason,
        request_id=facts.request_id if facts else None,
        peer=facts.peer if facts else None,
    )
