"""The way of a notification (architecture section 3): evidence, journal and event in one commit.

The address gives the tenant before the body is read; by v2 the provider's own keys and the order's own
algorithm verify it, by v3 WeChat's keys over the raw bytes; every identity and the amount must agree with the
order (rules C1-C6, I3). The answer leaves after the commit that makes it true (rule T5); an exception
anywhere is a 5xx, and WeChat repeats the message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, TenantScope
from spcore.providers.errors import ProviderNotReady
from spcore.providers.keyring import Keyring
from spcore.providers.models import KeyKind
from spcore.providers.profile import ProviderProfile
from sptenants.notify import journal
from sptenants.notify.answers import NOT_READY, Answer, answer_of, refusal
from sptenants.notify.journal import Finding, Incoming, Journalled, Kept
from sptenants.notify.judging import Judge, Judged, log_finding
from sptenants.notify.opening import Opener
from sptenants.orders import repository
from sptenants.orders.adoption import Adoption
from sptenants.orders.line import Case, GatewayPicker
from sptenants.registry.caller import TenantProfile
from sptenants.registry.door import Door
from wechatpay.credentials import SignType
from wechatpay.errors import NotificationRejected
from wechatpay.payments import VerifiedPayment
from wechatpay.v2 import notify as v2

_log = structlog.get_logger(__name__)

_FORGET_EVERY = 100
"""How many new refused messages of a tenant this process journals before it forgets the oldest ones."""

Witness = Callable[[AsyncSession, Finding], Awaitable[None]]
"""Writes down who had a message judged again, in the transaction of its effect."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A payment message before its order is looked up: the number it names, and how to find out what it says.

    `verified` takes the order's row, as far as there is one: by v2 the order's own algorithm counts. It
    raises NotificationRejected.
    """

    version: str
    out_trade_no: str
    verified: Callable[[Case | None], VerifiedPayment]


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
        opener: Opener,
    ) -> None:
        self._database = database
        self._clock = clock
        self._door = door
        self._keyring = keyring
        self._judge = Judge(database, clock, keyring, gateways, adoption)
        self._refused: Counter[str] = Counter()
        self.opener = opener

    async def payment_v2(self, route_key: str, incoming: Incoming) -> Answer:
        """Take a v2 payment notification. Raises ProviderNotReady when no key can be read."""
        owner = await self._door.by_route_key(route_key)
        if owner is None or owner.tenant is None:
            return await self._stray(route_key, incoming)
        provider = owner.provider
        try:
            fields = v2.read_payment(incoming.body)
        except NotificationRejected as rejected:
            return await self.refuse(TenantScope(provider.id, owner.tenant.id), incoming, rejected.reason)
        keys = await self._keyring.v2(provider.id, provider.key_epoch)

        def verified(case: Case | None) -> VerifiedPayment:
            sign_type = sign_type_of(provider, case)
            payment = v2.verify_payment(fields, keys.verifying(self._clock.now()), sign_type)
            retiring = payment.key_version != keys.signing.version
            self.opener.watch.key(provider.id, KeyKind.API_V2, str(payment.key_version), retiring=retiring)
            return payment

        return await self._take(
            provider, owner.tenant, incoming, Claim("v2", fields.out_trade_no.text, verified)
        )

    async def payment_v3(self, route_key: str, incoming: Incoming) -> Answer:
        """Take a v3 payment notification; whatever cannot be believed is told so by its status."""
        owner = await self._door.by_route_key(route_key)
        if owner is None or owner.tenant is None:
            return await self._stray(route_key, incoming)
        try:
            letter = await self.opener.read(owner.provider, incoming)
            incoming = replace(incoming, message_id=letter.envelope.id)
            payment = letter.payment()
        except (NotificationRejected, ProviderNotReady) as error:
            return await self.refuse(
                TenantScope(owner.provider.id, owner.tenant.id), incoming, reason_of(error)
            )
        claim = Claim("v3", payment.out_trade_no.text, lambda _case: payment)
        return await self._take(owner.provider, owner.tenant, incoming, claim)

    async def claim_again(self, provider: ProviderProfile, kept: Kept) -> Claim:
        """Read a stored payment notification anew, with today's keys.

        Raises NotificationRejected, which by v2 may come of `verified` only, and ProviderNotReady.
        """
        if kept.version == "v3":
            payment = (await self.opener.again(provider, kept)).payment()
            return Claim("v3", payment.out_trade_no.text, lambda _case: payment)
        fields = v2.read_payment(kept.body)
        keys = (await self._keyring.v2(provider.id, provider.key_epoch)).verifying(self._clock.now())
        return Claim(
            "v2",
            fields.out_trade_no.text,
            lambda case: v2.verify_payment(fields, keys, sign_type_of(provider, case)),
        )

    async def payment_again(
        self, provider: ProviderProfile, tenant: TenantProfile, kept: Kept, witness: Witness
    ) -> Finding:
        """Judge a stored payment notification as if it came now, with today's keys.

        `witness` writes who asked for it, in the transaction of its effect. Raises NotificationRejected for
        a message that is not genuine, of which nothing is written, and ProviderNotReady.
        """
        scope, now = TenantScope(provider.id, tenant.id), self._clock.now()
        claim = await self.claim_again(provider, kept)
        journalled = Journalled(kept.id, first=False)
        async with self._database.write(scope) as session:
            case = await repository.case_of_out_trade_no(session, scope, claim.out_trade_no)
            payment = claim.verified(case)
            judged = await self._judge.judge(session, provider, tenant, case, payment, claim.version, now)
            await self._judge.tell(session, judged, journalled, now)
            await witness(session, judged.finding)
        log_finding(scope, judged.finding)
        return await self._judge.follow_up(provider, tenant, judged, claim.version, journalled)

    async def not_in_use(self, route_key: str, incoming: Incoming, reason: str) -> Answer:
        """Take a message that nothing of ours asked for: journalled, refused, never acted upon."""
        owner = await self._door.by_route_key(route_key)
        if owner is None or owner.tenant is None:
            return await self._stray(route_key, incoming)
        return await self.refuse(TenantScope(owner.provider.id, owner.tenant.id), incoming, reason)

    async def refuse(self, scope: TenantScope, incoming: Incoming, reason: str) -> Answer:
        """Journal a message that is not believed, and say so; a signature probe is no exception (N10)."""
        finding = Finding("rejected", settled=False, reason=reason)
        async with self._database.write(scope) as session:
            journalled = await journal.write(session, scope, incoming, finding, self._clock.now())
            await self._keep_in_bounds(session, scope, finding, journalled)
        self._log_refusal(scope, incoming, finding)
        return answer_of(finding, incoming.version)

    async def _take(
        self, provider: ProviderProfile, tenant: TenantProfile, incoming: Incoming, claim: Claim
    ) -> Answer:
        """Judge, apply and journal in one transaction; then ask WeChat where that is not enough."""
        scope, now = TenantScope(provider.id, tenant.id), self._clock.now()
        async with self._database.write(scope) as session:
            case = await repository.case_of_out_trade_no(session, scope, claim.out_trade_no)
            try:
                payment = claim.verified(case)
            except NotificationRejected as rejected:
                judged = Judged(_refused(claim, rejected))
            else:
                judged = await self._judge.judge(session, provider, tenant, case, payment, claim.version, now)
            journalled = await journal.write(session, scope, incoming, judged.finding, now)
            await self._judge.tell(session, judged, journalled, now)
            await self._keep_in_bounds(session, scope, judged.finding, journalled)
        if judged.finding.result == "rejected":
            self._log_refusal(scope, incoming, judged.finding)
        else:
            log_finding(scope, judged.finding)
        finding = await self._judge.follow_up(provider, tenant, judged, claim.version, journalled)
        return answer_of(finding, incoming.version)

    async def _keep_in_bounds(
        self, session: AsyncSession, scope: TenantScope, finding: Finding, journalled: Journalled
    ) -> None:
        """Forget the oldest refused messages now and then; the statement is too dear for each of them."""
        if finding.result != "rejected" or not journalled.first:
            return
        self._refused[scope.tenant_id] += 1
        if self._refused[scope.tenant_id] % _FORGET_EVERY == 0:
            await journal.forget_refused(session, scope)

    def _log_refusal(self, scope: TenantScope, incoming: Incoming, finding: Finding) -> None:
        log_finding(scope, finding)
        self.opener.watch.refused(incoming.version, finding.reason or finding.result)

    async def _stray(self, route_key: str, incoming: Incoming) -> Answer:
        async with self._database.write(DoorScope()) as session:
            await journal.write_stray(session, route_key, incoming, self._clock.now())
        _log.warning("notify.stray", peer=incoming.facts.peer, size=len(incoming.body))
        return refusal("unknown address", incoming.version)


def sign_type_of(provider: ProviderProfile, case: Case | None) -> SignType:
    """The algorithm is the order's own, or the provider's; the message has no say in it (C1, N03)."""
    return SignType(case.attempt.sign_type if case and case.attempt else provider.sign_type)


def reason_of(error: NotificationRejected | ProviderNotReady) -> str:
    """Return why a message is not believed, as a token."""
    return error.reason if isinstance(error, NotificationRejected) else NOT_READY


def _refused(claim: Claim, rejected: NotificationRejected) -> Finding:
    return Finding("rejected", settled=False, reason=rejected.reason, out_trade_no=claim.out_trade_no)
