"""The way of a notification (architecture section 3): evidence, journal and event in one commit.

The address gives the tenant before the body is read; the provider's own keys and the order's own algorithm
verify it; every identity and the amount must agree with the order (rules C1-C6, I3). The answer leaves after
the commit that makes it true (rule T5); an exception anywhere is a 5xx, and WeChat repeats the message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, TenantScope
from spcore.providers.keyring import Keyring
from spcore.providers.profile import ProviderProfile
from sptenants.notify import journal, silence
from sptenants.notify.journal import Finding, Incoming, Journalled
from sptenants.orders import evidence, repository
from sptenants.orders.adoption import Adoption
from sptenants.orders.disputes import AnomalyKind, raise_anomaly
from sptenants.orders.evidence import Applied, Evidence, Verdict
from sptenants.orders.line import Case, GatewayPicker, Line
from sptenants.orders.timeline import Note
from sptenants.registry.caller import TenantProfile
from sptenants.registry.door import Door
from wechatpay.credentials import SignType
from wechatpay.errors import NotificationRejected
from wechatpay.v2 import notify as v2
from wechatpay.v2.notify import PaymentFields, VerifiedPayment

_log = structlog.get_logger(__name__)

_FORGET_EVERY = 100
"""How many new refused messages of a tenant this process journals before it forgets the oldest ones."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What WeChat is told. API v2 wants HTTP 200 and says everything in the body."""

    body: bytes
    settled: bool
    status: int = 200
    content_type: str = "text/xml"


@dataclass(frozen=True, slots=True)
class _Judged:
    """One message in the light of our rows. `lost` is a payment of this tenant's whose order we lack."""

    finding: Finding
    case: Case | None = None
    notes: tuple[Note, ...] = ()
    lost: VerifiedPayment | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored message that is judged again."""

    id: str
    body: bytes = field(repr=False)


Witness = Callable[[AsyncSession, Finding], Awaitable[None]]
"""Writes down who had a message judged again, in the transaction of its effect."""


class NotifyService:
    """Takes notifications from WeChat. No header, host, mode or setting weakens a check (C4, N06)."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        door: Door,
        keyring: Keyring,
        gateways: GatewayPicker,
        adoption: Adoption,
    ) -> None:
        self._database = database
        self._clock = clock
        self._door = door
        self._keyring = keyring
        self._line = Line(keyring, gateways)
        self._adoption = adoption
        self._refused: Counter[str] = Counter()

    async def payment_v2(self, route_key: str, incoming: Incoming) -> Answer:
        """Take a v2 payment notification. Raises ProviderNotReady when no key can be read."""
        owner = await self._door.by_route_key(route_key)
        if owner is None or owner.tenant is None:
            return await self._stray(route_key, incoming)
        scope = TenantScope(owner.provider.id, owner.tenant.id)
        try:
            fields = v2.read_payment(incoming.body)
        except NotificationRejected as rejected:
            return await self._refuse(scope, incoming, rejected.reason)
        keys = await self._keyring.v2(owner.provider.id, owner.provider.key_epoch)
        now = self._clock.now()
        async with self._database.write(scope) as session:
            case = await repository.case_of_out_trade_no(session, scope, fields.out_trade_no.text)
            try:
                payment = v2.verify_payment(fields, keys.verifying(now), sign_type_of(owner.provider, case))
            except NotificationRejected as rejected:
                judged = _Judged(_refused(fields, rejected))
            else:
                judged = await self._judge(session, owner.provider, owner.tenant, case, payment, now)
            journalled = await journal.write(session, scope, incoming, judged.finding, now)
            await self._tell(session, judged, journalled, now)
            await self._keep_in_bounds(session, scope, judged.finding, journalled)
        log_finding(scope, judged.finding)
        return answer_of(await self._follow_up(owner.provider, owner.tenant, judged, journalled))

    async def payment_again(
        self, provider: ProviderProfile, tenant: TenantProfile, kept: Kept, witness: Witness
    ) -> Finding:
        """Judge a stored payment notification as if it came now, with today's keys.

        `witness` writes who asked for it, in the transaction of its effect. Raises NotificationRejected for
        a message that is not genuine, of which nothing is written, and ProviderNotReady.
        """
        scope, now = TenantScope(provider.id, tenant.id), self._clock.now()
        fields = v2.read_payment(kept.body)
        keys = await self._keyring.v2(provider.id, provider.key_epoch)
        journalled = Journalled(kept.id, first=False)
        async with self._database.write(scope) as session:
            case = await repository.case_of_out_trade_no(session, scope, fields.out_trade_no.text)
            payment = v2.verify_payment(fields, keys.verifying(now), sign_type_of(provider, case))
            judged = await self._judge(session, provider, tenant, case, payment, now)
            await self._tell(session, judged, journalled, now)
            await witness(session, judged.finding)
        log_finding(scope, judged.finding)
        return await self._follow_up(provider, tenant, judged, journalled)

    async def not_in_use(self, route_key: str, incoming: Incoming, reason: str) -> Answer:
        """Take a message that nothing of ours asked for: journalled, refused, never acted upon."""
        owner = await self._door.by_route_key(route_key)
        if owner is None or owner.tenant is None:
            return await self._stray(route_key, incoming)
        return await self._refuse(TenantScope(owner.provider.id, owner.tenant.id), incoming, reason)

    async def _judge(
        self,
        session: AsyncSession,
        provider: ProviderProfile,
        tenant: TenantProfile,
        case: Case | None,
        payment: VerifiedPayment,
        now: datetime,
    ) -> _Judged:
        """Decide on a message whose signature is right, and apply it when everything agrees."""
        scope = TenantScope(provider.id, tenant.id)
        finding = Finding(
            "unmatched",
            settled=False,
            key_version=payment.key_version,
            out_trade_no=payment.out_trade_no.text,
            transaction_id=payment.transaction_id.text,
        )
        if case is None:
            return await _unmatched(session, provider, tenant, finding, payment, now)
        finding = replace(finding, order_id=case.order.id)
        if not payment.succeeded:
            return _Judged(replace(finding, result="mismatch", settled=True, reason="result_code"), case)
        if payment.needs_query and case.order.transaction_id != payment.transaction_id.text:
            return _Judged(replace(finding, result="deferred", reason="ambiguous_text"), case)
        proof = Evidence.of_notification(payment)
        applied = await evidence.apply(session, scope, case, proof, now)
        return _Judged(_finding_of(applied, finding), replace(case, order=applied.order), applied.notes)

    async def _tell(
        self, session: AsyncSession, judged: _Judged, journalled: Journalled, now: datetime
    ) -> None:
        """Write the order's timeline: each distinct message once, however often it comes."""
        if judged.case is None or not (journalled.first or judged.finding.result == "processed"):
            return
        finding = judged.finding
        meta = {
            "result": finding.result,
            "reason": finding.reason,
            "key_version": finding.key_version,
            "transaction_id": finding.transaction_id,
            "notification_id": journalled.id,
        }
        order = judged.case.order
        received = Note("notify.received", "ok" if finding.settled else "wait", meta)
        await repository.insert_notes(session, order, now, (received, *judged.notes))
        if finding.result == "duplicate":
            await silence.told_at_last(session, repository.scope_of(order), order, now)

    async def _follow_up(
        self, provider: ProviderProfile, tenant: TenantProfile, judged: _Judged, journalled: Journalled
    ) -> Finding:
        """Ask WeChat where the message alone does not decide, and return what came of it in the end."""
        scope = TenantScope(provider.id, tenant.id)
        if judged.finding.result == "deferred" and judged.case is not None:
            return await self._confirm(scope, judged.case, judged.finding, journalled)
        if judged.lost is not None:
            return await self._adopt(provider, tenant, judged.lost, judged.finding, journalled)
        return judged.finding

    async def _confirm(
        self, scope: TenantScope, case: Case, finding: Finding, journalled: Journalled
    ) -> Finding:
        """Rule C6 f: the signature of such a message proves too little, so WeChat's own word decides."""
        found = await self._line.query(case)
        if found.kind in {"unclear", "absent"}:
            return finding
        now = self._clock.now()
        async with self._database.write(scope) as session:
            if found.kind == "paid" and found.state is not None:
                applied = await evidence.apply(session, scope, case, Evidence.of_query(found.state), now)
                finding = _finding_of(applied, replace(finding, reason="confirmed_by_query"))
                await repository.insert_notes(session, case.order, now, (found.note, *applied.notes))
            else:
                finding = replace(finding, result="rejected", reason="not_confirmed")
            await journal.settle(session, scope, journalled, finding)
        log_finding(scope, finding)
        return finding

    async def _adopt(
        self,
        provider: ProviderProfile,
        tenant: TenantProfile,
        payment: VerifiedPayment,
        finding: Finding,
        journalled: Journalled,
    ) -> Finding:
        """Have a lost order rebuilt from WeChat's own word (B06, D09).

        Unless that is this very payment WeChat repeats the message, and it is judged by the rows there are.
        """
        adopted = await self._adoption.adopt(provider, tenant, payment.out_trade_no, appid=payment.appid)
        if adopted.order is None or adopted.order.transaction_id != payment.transaction_id.text:
            return finding
        scope = TenantScope(provider.id, tenant.id)
        finding = replace(
            finding, result="processed", settled=True, reason="adopted", order_id=adopted.order.id
        )
        async with self._database.write(scope) as session:
            await journal.settle(session, scope, journalled, finding)
        log_finding(scope, finding)
        return finding

    async def _keep_in_bounds(
        self, session: AsyncSession, scope: TenantScope, finding: Finding, journalled: Journalled
    ) -> None:
        """Forget the oldest refused messages now and then; the statement is too dear for each of them."""
        if finding.result != "rejected" or not journalled.first:
            return
        self._refused[scope.tenant_id] += 1
        if self._refused[scope.tenant_id] % _FORGET_EVERY == 0:
            await journal.forget_refused(session, scope)

    async def _refuse(self, scope: TenantScope, incoming: Incoming, reason: str) -> Answer:
        finding = Finding("rejected", settled=False, reason=reason)
        async with self._database.write(scope) as session:
            journalled = await journal.write(session, scope, incoming, finding, self._clock.now())
            await self._keep_in_bounds(session, scope, finding, journalled)
        log_finding(scope, finding)
        return answer_of(finding)

    async def _stray(self, route_key: str, incoming: Incoming) -> Answer:
        async with self._database.write(DoorScope()) as session:
            await journal.write_stray(session, route_key, incoming, self._clock.now())
        _log.warning("notify.stray", peer=incoming.facts.peer, size=len(incoming.body))
        return Answer(v2.nack("unknown address"), settled=False)


async def _unmatched(
    session: AsyncSession,
    provider: ProviderProfile,
    tenant: TenantProfile,
    finding: Finding,
    payment: VerifiedPayment,
    now: datetime,
) -> _Judged:
    """Decide on a genuine message about a number that this tenant does not have.

    About another merchant's money it says nothing here: from this address it does not exist (B02, B04).
    """
    sub_mch_id = payment.sub_mch_id.text if payment.sub_mch_id else None
    if (payment.mch_id.text, sub_mch_id) != (provider.mch_id, tenant.sub_mch_id):
        return _Judged(replace(finding, reason="other_merchant"))
    finding = replace(finding, reason="unknown_order")
    if not payment.succeeded:
        return _Judged(finding)
    await raise_anomaly(
        session,
        TenantScope(provider.id, tenant.id),
        AnomalyKind.UNKNOWN_ORDER,
        payment.out_trade_no.text,
        now,
        facts={
            "out_trade_no": payment.out_trade_no.text,
            "transaction_id": payment.transaction_id.text,
            "amount": payment.total_fee.value,
            "paid_at": payment.time_end.isoformat(),
        },
    )
    return _Judged(finding, lost=payment)


def sign_type_of(provider: ProviderProfile, case: Case | None) -> SignType:
    """The algorithm is the order's own, or the provider's; the message has no say in it (C1, N03)."""
    return SignType(case.attempt.sign_type if case and case.attempt else provider.sign_type)


def _refused(fields: PaymentFields, rejected: NotificationRejected) -> Finding:
    return Finding("rejected", settled=False, reason=rejected.reason, out_trade_no=fields.out_trade_no.text)


def _finding_of(applied: Applied, finding: Finding) -> Finding:
    """A mismatch is settled too: it is on record now, and no repetition can cure it (B09)."""
    if applied.verdict is Verdict.PAID:
        return replace(finding, result="processed", settled=True)
    if applied.verdict is Verdict.ALREADY:
        return replace(finding, result="duplicate", settled=True)
    return replace(finding, result="mismatch", settled=True, reason=applied.reason)


def answer_of(finding: Finding) -> Answer:
    """Return what WeChat is told of a finding: SUCCESS ends its repetitions."""
    if finding.settled:
        return Answer(v2.ack(), settled=True)
    return Answer(v2.nack(finding.reason or finding.result), settled=False)


def log_finding(scope: TenantScope, finding: Finding) -> None:
    """Log what came of a message."""
    log = _log.info if finding.result in {"processed", "duplicate"} else _log.warning
    log(
        "notify.received",
        provider_id=scope.provider_id,
        tenant_id=scope.tenant_id,
        order_id=finding.order_id,
        result=finding.result,
        reason=finding.reason,
    )
