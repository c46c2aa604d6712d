"""The way of a refund notification: journalled, opened, and then applied or asked about (N11, Z11, F10).

API v2 does not sign it, so that its content changes nothing and WeChat is asked; by v3 it is evidence of its
own. The answer is SUCCESS only once the refund is settled here, or nothing was left to change (rule T5);
otherwise WeChat repeats the message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.providers.errors import ProviderNotReady
from spcore.providers.keyring import Keyring
from spcore.providers.models import KeyKind
from spcore.providers.profile import ProviderProfile
from sptenants.notify import journal
from sptenants.notify.answers import Answer, answer_of
from sptenants.notify.journal import Finding, Incoming, Journalled, Kept
from sptenants.notify.judging import log_finding
from sptenants.notify.service import NotifyService, Witness, reason_of
from sptenants.orders.repository import insert_notes_of
from sptenants.orders.timeline import Note
from sptenants.refunds.hints import RefundHints, Taken
from sptenants.registry.caller import TenantProfile
from sptenants.registry.door import Door
from wechatpay.errors import NotificationRejected
from wechatpay.money import Fen
from wechatpay.refunds import RefundStatus, VerifiedRefund
from wechatpay.v2.refund_notify import RefundHint, read_refund


@dataclass(frozen=True, slots=True)
class RefundClaim:
    """What a refund notification says, by whichever API, and how it is followed up.

    `take` opens its own transactions and raises ProviderNotReady; `proves` tells whether the message itself
    is evidence.
    """

    version: str
    mch_id: str
    sub_mch_id: str | None
    out_trade_no: str
    transaction_id: str
    out_refund_no: str
    status: RefundStatus
    amount: Fen
    key_version: int
    take: Callable[[TenantScope], Awaitable[Taken]]

    @property
    def proves(self) -> bool:
        return self.version == "v3"


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
        provider = owner.provider
        keys = await self._keyring.v2(provider.id, provider.key_epoch)
        try:
            hint = read_refund(incoming.body, keys.verifying(self._clock.now()))
        except NotificationRejected as rejected:
            return await self._notify.not_in_use(route_key, incoming, rejected.reason)
        retiring = hint.key_version != keys.signing.version
        self._notify.opener.watch.key(provider.id, KeyKind.API_V2, str(hint.key_version), retiring=retiring)
        return await self._take(provider, owner.tenant, incoming, self._hinted(hint))

    async def refund_v3(self, route_key: str, incoming: Incoming) -> Answer:
        """Take a v3 refund notification; whatever cannot be believed is told so by its status."""
        owner = await self._door.by_route_key(route_key)
        if owner is None or owner.tenant is None:
            return await self._notify.not_in_use(route_key, incoming, "not_in_use")
        try:
            letter = await self._notify.opener.read(owner.provider, incoming)
            incoming = replace(incoming, message_id=letter.envelope.id)
            refund = letter.refund()
        except (NotificationRejected, ProviderNotReady) as error:
            scope = TenantScope(owner.provider.id, owner.tenant.id)
            return await self._notify.refuse(scope, incoming, reason_of(error))
        return await self._take(owner.provider, owner.tenant, incoming, self._proven(refund))

    async def claim_again(self, provider: ProviderProfile, kept: Kept) -> RefundClaim:
        """Read a stored refund notification anew, with today's keys.

        Raises NotificationRejected for one that no key opens or that is not genuine, and ProviderNotReady.
        """
        if kept.version == "v3":
            return self._proven((await self._notify.opener.again(provider, kept)).refund())
        keys = await self._keyring.v2(provider.id, provider.key_epoch)
        return self._hinted(read_refund(kept.body, keys.verifying(self._clock.now())))

    async def refund_again(
        self, provider: ProviderProfile, tenant: TenantProfile, kept: Kept, witness: Witness
    ) -> Finding:
        """Judge a stored refund notification as if it came now.

        `witness` writes who asked for it before that. Raises NotificationRejected for a message that no key
        opens, of which nothing is written, and ProviderNotReady.
        """
        claim = await self.claim_again(provider, kept)
        scope, finding = TenantScope(provider.id, tenant.id), first_finding(provider, tenant, claim)
        async with self._database.write(scope) as session:
            await witness(session, finding)
        finding = await self._follow_up(scope, Journalled(kept.id, first=False), finding, claim)
        log_finding(scope, finding)
        return finding

    def _hinted(self, hint: RefundHint) -> RefundClaim:
        return RefundClaim(
            version="v2",
            mch_id=hint.mch_id.text,
            sub_mch_id=hint.sub_mch_id.text if hint.sub_mch_id else None,
            out_trade_no=hint.out_trade_no.text,
            transaction_id=hint.transaction_id.text,
            out_refund_no=hint.out_refund_no.text,
            status=hint.status,
            amount=hint.refund_fee,
            key_version=hint.key_version,
            take=lambda scope: self._hints.take(scope, hint),
        )

    def _proven(self, refund: VerifiedRefund) -> RefundClaim:
        return RefundClaim(
            version="v3",
            mch_id=refund.mch_id.text,
            sub_mch_id=refund.sub_mch_id.text if refund.sub_mch_id else None,
            out_trade_no=refund.out_trade_no.text,
            transaction_id=refund.transaction_id.text,
            out_refund_no=refund.out_refund_no.text,
            status=refund.status,
            amount=refund.amount,
            key_version=refund.key_version,
            take=lambda scope: self._hints.prove(scope, refund),
        )

    async def _take(
        self, provider: ProviderProfile, tenant: TenantProfile, incoming: Incoming, claim: RefundClaim
    ) -> Answer:
        scope, finding = TenantScope(provider.id, tenant.id), first_finding(provider, tenant, claim)
        async with self._database.write(scope) as session:
            journalled = await journal.write(session, scope, incoming, finding, self._clock.now())
        finding = await self._follow_up(scope, journalled, finding, claim)
        log_finding(scope, finding)
        return answer_of(finding, incoming.version)

    async def _follow_up(
        self, scope: TenantScope, journalled: Journalled, finding: Finding, claim: RefundClaim
    ) -> Finding:
        """Apply what the message proves, or ask WeChat about it, and store what came of it."""
        if finding.settled:
            return finding
        finding = _finding_of(await claim.take(scope), finding)
        await self._settle(scope, journalled, finding, claim)
        return finding

    async def _settle(
        self, scope: TenantScope, journalled: Journalled, finding: Finding, claim: RefundClaim
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
                "key_version": claim.key_version,
                "out_refund_no": claim.out_refund_no,
                "notification_id": journalled.id,
            }
            note = Note("notify.received", "ok" if finding.settled else "wait", meta)
            await insert_notes_of(session, scope, finding.order_id, now, [note])


def first_finding(provider: ProviderProfile, tenant: TenantProfile, claim: RefundClaim) -> Finding:
    """Put the message off until it was followed up, unless it names somebody else (rule I3, B02)."""
    finding = Finding(
        "deferred",
        settled=False,
        reason="to_be_applied" if claim.proves else "to_be_queried",
        key_version=claim.key_version,
        out_trade_no=claim.out_trade_no,
        transaction_id=claim.transaction_id,
    )
    if claim.mch_id == provider.mch_id and _names(claim, tenant):
        return finding
    # On record now, and no repetition can cure it (B09).
    return replace(finding, result="mismatch", settled=True, reason="mch_id")


def _names(claim: RefundClaim, tenant: TenantProfile) -> bool:
    """Whether it is about this tenant, as far as it says: by v3 it may leave that out (wechatpay-v3 3.3)."""
    if claim.proves and claim.sub_mch_id is None:
        return True
    return claim.sub_mch_id == tenant.sub_mch_id


def _finding_of(taken: Taken, finding: Finding) -> Finding:
    put_off = finding.reason
    finding = replace(finding, order_id=taken.order_id, reason=None)
    match taken.kind:
        case "applied":
            return replace(finding, result="processed", settled=True)
        case "known":
            return replace(finding, result="duplicate", settled=True)
        case "unclear":
            return replace(finding, result="deferred", reason=put_off)
        case "not_confirmed":
            return replace(finding, result="mismatch", reason="not_confirmed")
        case "unknown_order":
            return replace(finding, result="unmatched", reason="unknown_order")
        case "differs":
            return replace(finding, result="mismatch", settled=True, reason=",".join(taken.fields))
