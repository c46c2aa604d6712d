"""Judging a payment message whose signature is right: what it comes to, and what is done about it.

Every identity and the amount must agree with the order (rules C1-C6, I3), by whichever API the message came;
what does not fit goes on the work list, and what cannot be decided by the message alone is asked of WeChat.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.providers.keyring import Keyring
from spcore.providers.profile import ProviderProfile
from sptenants.notify import journal, silence
from sptenants.notify.journal import Finding, Journalled
from sptenants.orders import evidence, repository
from sptenants.orders.adoption import Adoption
from sptenants.orders.disputes import AnomalyKind, raise_anomaly
from sptenants.orders.evidence import Applied, Evidence, Verdict
from sptenants.orders.line import Case, GatewayPicker, Line
from sptenants.orders.timeline import Note
from sptenants.registry.caller import TenantProfile
from wechatpay.payments import VerifiedPayment

_log = structlog.get_logger(__name__)

OTHER_VERSION = "api_version"
"""The reason of a message that came by another API than the order was made with."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One message in the light of our rows. `lost` is a payment of this tenant's whose order we lack."""

    finding: Finding
    case: Case | None = None
    notes: tuple[Note, ...] = ()
    lost: VerifiedPayment | None = None


class Judge:
    """Decides on genuine payment messages, and asks WeChat where they do not decide."""

    def __init__(
        self, database: Database, clock: Clock, keyring: Keyring, gateways: GatewayPicker, adoption: Adoption
    ) -> None:
        self._database = database
        self._clock = clock
        self._line = Line(keyring, gateways, clock)
        self._adoption = adoption

    async def judge(
        self,
        session: AsyncSession,
        provider: ProviderProfile,
        tenant: TenantProfile,
        case: Case | None,
        payment: VerifiedPayment,
        version: str,
        now: datetime,
    ) -> Judged:
        """Decide on a message that came by the API `version`, and apply it when everything agrees."""
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
        if is_of_other_version(case, version):
            return await _by_other_api(session, scope, case, finding, payment, now)
        if not payment.succeeded:
            return Judged(replace(finding, result="mismatch", settled=True, reason="result_code"), case)
        if payment.needs_query and case.order.transaction_id != payment.transaction_id.text:
            return Judged(replace(finding, result="deferred", reason="ambiguous_text"), case)
        proof = Evidence.of_notification(payment)
        applied = await evidence.apply(session, scope, case, proof, now)
        return Judged(_finding_of(applied, finding), replace(case, order=applied.order), applied.notes)

    async def tell(
        self, session: AsyncSession, judged: Judged, journalled: Journalled, now: datetime
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

    async def follow_up(
        self,
        provider: ProviderProfile,
        tenant: TenantProfile,
        judged: Judged,
        version: str,
        journalled: Journalled,
    ) -> Finding:
        """Ask WeChat where the message alone does not decide, and return what came of it in the end."""
        scope = TenantScope(provider.id, tenant.id)
        if judged.finding.result == "deferred" and judged.case is not None:
            return await self._confirm(scope, judged.case, judged.finding, journalled)
        if judged.lost is not None:
            return await self._adopt(provider, tenant, judged.lost, version, judged.finding, journalled)
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
        version: str,
        finding: Finding,
        journalled: Journalled,
    ) -> Finding:
        """Have a lost order rebuilt from WeChat's own word (B06, D09).

        Unless that is this very payment WeChat repeats the message, and it is judged by the rows there are.
        """
        adopted = await self._adoption.adopt(
            provider, tenant, payment.out_trade_no, appid=payment.appid, api_version=version
        )
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


def is_of_other_version(case: Case, version: str) -> bool:
    """Whether the order was made by another API than the one this message came by (rule I3)."""
    return case.attempt is not None and case.attempt.api_version != version


async def _unmatched(
    session: AsyncSession,
    provider: ProviderProfile,
    tenant: TenantProfile,
    finding: Finding,
    payment: VerifiedPayment,
    now: datetime,
) -> Judged:
    """Decide on a genuine message about a number that this tenant does not have.

    About another merchant's money it says nothing here: from this address it does not exist (B02, B04).
    """
    sub_mch_id = payment.sub_mch_id.text if payment.sub_mch_id else None
    if (payment.mch_id.text, sub_mch_id) != (provider.mch_id, tenant.sub_mch_id):
        return Judged(replace(finding, reason="other_merchant"))
    finding = replace(finding, reason="unknown_order")
    if not payment.succeeded:
        return Judged(finding)
    scope = TenantScope(provider.id, tenant.id)
    mark = payment.out_trade_no.text
    await raise_anomaly(session, scope, AnomalyKind.UNKNOWN_ORDER, mark, now, facts=_facts(payment))
    return Judged(finding, lost=payment)


async def _by_other_api(
    session: AsyncSession,
    scope: TenantScope,
    case: Case,
    finding: Finding,
    payment: VerifiedPayment,
    now: datetime,
) -> Judged:
    """Leave the order as it is: WeChat answers to the API an order was made with, so healing decides.

    That somebody has the keys of the other API, or that WeChat behaves as never before, is for a person.
    """
    kind, mark = AnomalyKind.IDENTITY_MISMATCH, payment.transaction_id.text
    facts = _facts(payment) | {"fields": [OTHER_VERSION]}
    await raise_anomaly(session, scope, kind, mark, now, order_id=case.order.id, facts=facts)
    return Judged(replace(finding, result="mismatch", settled=True, reason=OTHER_VERSION), case)


def _facts(payment: VerifiedPayment) -> dict[str, object]:
    return {
        "out_trade_no": payment.out_trade_no.text,
        "transaction_id": payment.transaction_id.text,
        "amount": payment.total_fee.value,
        "paid_at": payment.time_end.isoformat(),
    }


def _finding_of(applied: Applied, finding: Finding) -> Finding:
    """A mismatch is settled too: it is on record now, and no repetition can cure it (B09)."""
    if applied.verdict is Verdict.PAID:
        return replace(finding, result="processed", settled=True)
    if applied.verdict is Verdict.ALREADY:
        return replace(finding, result="duplicate", settled=True)
    return replace(finding, result="mismatch", settled=True, reason=applied.reason)


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
