"""The way of a refund notification: journalled, decrypted, and then WeChat is asked (N11, Z11, F10).

API v2 does not sign it, so that its content changes nothing. The answer is SUCCESS only once the refund is
settled here, or nothing was left to change (rule T5); otherwise WeChat repeats the message.
"""

from __future__ import annotations

from dataclasses import replace

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.providers.keyring import Keyring
from spcore.providers.profile import ProviderProfile
from sptenants.notify import journal
from sptenants.notify.journal import Finding, Incoming, Journalled
from sptenants.notify.service import Answer, Kept, NotifyService, Witness, answer_of, log_finding
from sptenants.orders.repository import insert_notes_of
from sptenants.orders.timeline import Note
from sptenants.refunds.hints import RefundHints, Taken
from sptenants.registry.caller import TenantProfile
from sptenants.registry.door import Door
from wechatpay.errors import NotificationRejected
from wechatpay.v2.refund_notify import RefundHint, read_refund


class RefundNotices:
    """Takes refund notifications from WeChat; what belongs to nobody is `notify`'s to keep."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        door: Door,
        keyring: Keyring,
        hints: RefundHints,
        notify: NotifyService,
    ) -> None:
        self._database = database
        self._clock = clock
        self._door = door
        self._keyring = keyring
        self._hints = hints
        self._notify = notify

    async def refund_v2(self, route_key: str, incoming: Incoming) -> Answer:
        """Take a v2 refund notification. Raises ProviderNotReady when no key can be read."""
        owner = await self._door.by_route_key(route_key)
        if owner is None or owner.tenant is None:
            return await self._notify.not_in_use(route_key, incoming, "not_in_use")
        keys = await self._keyring.v2(owner.provider.id, owner.provider.key_epoch)
        try:
            hint = read_refund(incoming.body, keys.verifying(self._clock.now()))
        except NotificationRejected as rejected:
            return await self._notify.not_in_use(route_key, incoming, rejected.reason)
        scope = TenantScope(owner.provider.id, owner.tenant.id)
        finding = first_finding(owner.provider, owner.tenant, hint)
        async with self._database.write(scope) as session:
            journalled = await journal.write(session, scope, incoming, finding, self._clock.now())
        finding = await self._follow_up(scope, journalled, finding, hint)
        log_finding(scope, finding)
        return answer_of(finding)

    async def refund_again(
        self, provider: ProviderProfile, tenant: TenantProfile, kept: Kept, witness: Witness
    ) -> Finding:
        """Judge a stored refund notification as if it came now: WeChat is asked, as always.

        `witness` writes who asked for it before that. Raises NotificationRejected for a message that no key
        opens, of which nothing is written, and ProviderNotReady.
        """
        keys = await self._keyring.v2(provider.id, provider.key_epoch)
        hint = read_refund(kept.body, keys.verifying(self._clock.now()))
        scope, finding = TenantScope(provider.id, tenant.id), first_finding(provider, tenant, hint)
        async with self._database.write(scope) as session:
            await witness(session, finding)
        finding = await self._follow_up(scope, Journalled(kept.id, first=False), finding, hint)
        log_finding(scope, finding)
        return finding

    async def _follow_up(
        self, scope: TenantScope, journalled: Journalled, finding: Finding, hint: RefundHint
    ) -> Finding:
        """Ask WeChat about what `hint` is about, and store what came of it."""
        if finding.settled:
            return finding
        finding = _finding_of(await self._hints.take(scope, hint), finding)
        await self._settle(scope, journalled, finding, hint)
        return finding

    async def _settle(
        self, scope: TenantScope, journalled: Journalled, finding: Finding, hint: RefundHint
    ) -> None:
        """Store what came of it, and tell the order's timeline once of each distinct message."""
        now = self._clock.now()
        async with self._database.write(scope) as session:
            await journal.settle(session, scope, journalled, finding)
            told = journalled.first or finding.result == "processed"
            if finding.order_id is None or not told:
                return
            meta = {
                "about": "refund",
                "result": finding.result,
                "reason": finding.reason,
                "key_version": hint.key_version,
                "out_refund_no": hint.out_refund_no.text,
                "notification_id": journalled.id,
            }
            note = Note("notify.received", "ok" if finding.settled else "wait", meta)
            await insert_notes_of(session, scope, finding.order_id, now, [note])


def first_finding(provider: ProviderProfile, tenant: TenantProfile, hint: RefundHint) -> Finding:
    """Put the message off until WeChat was asked, unless it names somebody else (rule I3, B02)."""
    finding = Finding(
        "deferred",
        settled=False,
        reason="to_be_queried",
        key_version=hint.key_version,
        out_trade_no=hint.out_trade_no.text,
        transaction_id=hint.transaction_id.text,
    )
    sub_mch_id = hint.sub_mch_id.text if hint.sub_mch_id else None
    named = (hint.mch_id.text, sub_mch_id)
    if named == (provider.mch_id, tenant.sub_mch_id):
        return finding
    # On record now, and no repetition can cure it (B09).
    return replace(finding, result="mismatch", settled=True, reason="mch_id")


def _finding_of(taken: Taken, finding: Finding) -> Finding:
    finding = replace(finding, order_id=taken.order_id, reason=None)
    match taken.kind:
        case "applied":
            return replace(finding, result="processed", settled=True)
        case "known":
            return replace(finding, result="duplicate", settled=True)
        case "unclear":
            return replace(finding, result="deferred", reason="to_be_queried")
        case "not_confirmed":
            return replace(finding, result="mismatch", reason="not_confirmed")
        case "unknown_order":
            return replace(finding, result="unmatched", reason="unknown_order")
