"""Trial payments: one fen paid and given back, for one bound app (B-11)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.audit.actor import SYSTEM, Actor
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import TenantScope, WorkerScope
from spcore.errors import NotFound
from spcore.ids import new_id, new_ulid
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from sptenants.doctor.repository import replace_results
from sptenants.doctor.verdicts import Verdict
from sptenants.golive.billed import billed_lamp
from sptenants.golive.errors import TrialNotPaid, TrialNotPossible
from sptenants.golive.evidence import books_of, digest_of
from sptenants.golive.models import CertificateRow, TrialRow
from sptenants.golive.records import Cashier, Certificate, Trial
from sptenants.orders.commands import PlaceOrder
from sptenants.orders.models import Attempt
from sptenants.orders.service import OrderService
from sptenants.orders.states import AttemptState
from sptenants.refunds.commands import WantedRefund
from sptenants.refunds.service import RefundService
from sptenants.registry.access import RequestFacts
from sptenants.registry.caller import Caller, TenantProfile
from sptenants.registry.ledger import BindingStatus, LedgerEvent, set_status
from sptenants.registry.models import AppBinding, Tenant
from wechatpay.gateway import TradeType
from wechatpay.identifiers import AppId
from wechatpay.money import Fen

TRIAL_AMOUNT = Fen(1)
_DESCRIPTION = "接入试付"
_BACK = "接入试付退回"
_LIFE_S = 1800
_WATCHED = 50

_log = structlog.get_logger(__name__)


class Trials:
    """Begins trials, gives them back, and writes down what they came to.

    What the books show is written down when it is first seen: by the page that looks, or by the worker.
    """

    def __init__(
        self, database: Database, clock: Clock, orders: OrderService, refunds: RefundService
    ) -> None:
        self._database = database
        self._clock = clock
        self._orders = orders
        self._refunds = refunds

    async def begin(self, scope: TenantScope, binding_id: str, by: Actor, *, facts: RequestFacts) -> Trial:
        """Begin a trial of a bound app, or return the one that can still be paid.

        Raises NotFound, TrialNotPossible, TenantNotLive (before onboarding, or suspended), and what placing
        an order raises.
        """
        async with self._database.read(scope) as session:
            provider, tenant = await _owner(session, scope)
            binding = await _binding(session, scope, binding_id)
            earlier = await _open_trial(session, scope, binding_id)
            books = await books_of(session, scope, earlier.order_id) if earlier else None
        if earlier is not None and books is not None:
            if books.payable or books.paid:
                return await self.trial(scope, earlier.id)
            await self.stop(scope, earlier.id, SYSTEM)
        if binding.status == BindingStatus.DISABLED:
            raise TrialNotPossible
        if binding.status == BindingStatus.INVALID:
            # Only a payment or the doctor can tell that WeChat's side has it by now.
            await self._try_again(scope, binding_id, by)
        wanted = PlaceOrder(
            merchant_order_no=f"TRIAL-{new_ulid(self._clock.now())}",
            amount=TRIAL_AMOUNT,
            description=_DESCRIPTION,
            trade_type=TradeType.NATIVE,
            sub_appid=AppId(binding.sub_appid),
            expires_in_s=_LIFE_S,
            metadata={"binding_id": binding_id},
        )
        placed = await self._orders.place_trial(Caller(provider, tenant, by), wanted, peer=facts.peer)
        try:
            trial_id = await self._store(scope, binding, placed.order.id, by, facts)
        except IntegrityError:
            # Somebody began one in the same moment; theirs is as good, and ours ends by itself, unpaid.
            async with self._database.read(scope) as session:
                rival = await _open_trial(session, scope, binding_id)
            if rival is None:
                raise
            trial_id = rival.id
        return await self.trial(scope, trial_id)

    async def trial(self, scope: TenantScope, trial_id: str) -> Trial:
        """Return a trial as it is now. Raises NotFound, also for another tenant's (Y3)."""
        async with self._database.read(scope) as session:
            row = await _trial(session, scope, trial_id)
            books = await books_of(session, scope, row.order_id)
        if row.state == "open" and books.passed:
            row = await self._pass(scope, row.id)
        async with self._database.read(scope) as session:
            certificate = await session.scalar(
                select(CertificateRow.id).where(
                    CertificateRow.provider_id == scope.provider_id,
                    CertificateRow.tenant_id == scope.tenant_id,
                    CertificateRow.trial_id == trial_id,
                )
            )
        return Trial.of(
            row,
            (*books.lamps, await billed_lamp(self._database, scope, books.order)),
            payable=books.payable,
            refundable=books.refundable,
            certificate_id=certificate,
        )

    async def trials(self, scope: TenantScope) -> Sequence[Trial]:
        """Return the newest trial of each app, by slot."""
        async with self._database.read(scope) as session:
            rows = await session.scalars(
                select(TrialRow)
                .where(TrialRow.provider_id == scope.provider_id, TrialRow.tenant_id == scope.tenant_id)
                .order_by(TrialRow.id.desc())
                .limit(_WATCHED)
            )
        newest: dict[str, TrialRow] = {}
        for row in rows:
            newest.setdefault(row.binding_id, row)
        found = [await self.trial(scope, row.id) for row in newest.values()]
        return sorted(found, key=lambda trial: trial.slot)

    async def refund(self, scope: TenantScope, trial_id: str, by: Actor, *, facts: RequestFacts) -> Trial:
        """Give the fen back. Raises NotFound, TrialNotPaid and what a refund raises."""
        async with self._database.read(scope) as session:
            row = await _trial(session, scope, trial_id)
            books = await books_of(session, scope, row.order_id)
        if not books.refundable:
            raise TrialNotPaid
        wanted = WantedRefund(
            TRIAL_AMOUNT, reason=_BACK, merchant_refund_no=f"TRIAL-{new_ulid(self._clock.now())}"
        )
        await self._refunds.request(scope, row.order_id, wanted, by, facts=facts)
        return await self.trial(scope, trial_id)

    async def stop(
        self, scope: TenantScope, trial_id: str, by: Actor, facts: RequestFacts | None = None
    ) -> None:
        """Give an open trial up; its order stays what it is. Raises NotFound."""
        now = self._clock.now()
        async with self._database.write(scope) as session:
            row = await _trial(session, scope, trial_id)
            if await _finish(session, scope, trial_id, "stopped", now):
                await _audit(session, scope, "trial.stopped", row.id, row.binding_id, by, now, facts)

    async def certificates(self, scope: TenantScope) -> Sequence[Certificate]:
        """Return what was certified, newest first."""
        async with self._database.read(scope) as session:
            rows = await session.scalars(
                select(CertificateRow)
                .where(
                    CertificateRow.provider_id == scope.provider_id,
                    CertificateRow.tenant_id == scope.tenant_id,
                )
                .order_by(CertificateRow.id.desc())
                .limit(_WATCHED)
            )
            return [Certificate.of(row) for row in rows]

    async def certificate(self, scope: TenantScope, certificate_id: str) -> Certificate:
        """Return one certificate. Raises NotFound, also for another tenant's (Y3)."""
        async with self._database.read(scope) as session:
            row = await session.scalar(
                select(CertificateRow).where(
                    CertificateRow.provider_id == scope.provider_id,
                    CertificateRow.tenant_id == scope.tenant_id,
                    CertificateRow.id == certificate_id,
                )
            )
        if row is None:
            raise NotFound
        return Certificate.of(row)

    async def cashier(self, scope: TenantScope, trial: Trial) -> Cashier | None:
        """Return what the payer scans, as long as it can be paid."""
        if not trial.payable:
            return None
        async with self._database.read(scope) as session:
            row = await session.scalar(
                select(Attempt).where(
                    Attempt.provider_id == scope.provider_id,
                    Attempt.tenant_id == scope.tenant_id,
                    Attempt.order_id == trial.order_id,
                    Attempt.state == AttemptState.PAYABLE.value,
                )
            )
        if row is None or row.code_url is None:
            return None
        return Cashier(row.code_url)

    async def run_due(self) -> int:
        """Look at open trials, so that one that nobody watches any more is certified too."""
        async with self._database.read(WorkerScope()) as session:
            rows = (
                await session.execute(
                    select(TrialRow.provider_id, TrialRow.tenant_id, TrialRow.id)
                    .where(TrialRow.state == "open")
                    .order_by(TrialRow.id.desc())
                    .limit(_WATCHED)
                )
            ).all()
        for provider_id, tenant_id, trial_id in rows:
            try:
                await self.trial(TenantScope(provider_id, tenant_id), trial_id)
            except Exception:  # one that cannot be looked at must not hide the others
                _log.exception("trial.failed", tenant_id=tenant_id, trial_id=trial_id)
        return 0

    async def _store(
        self, scope: TenantScope, binding: AppBinding, order_id: str, by: Actor, facts: RequestFacts
    ) -> str:
        now = self._clock.now()
        row = {
            "provider_id": scope.provider_id,
            "tenant_id": scope.tenant_id,
            "id": new_id("tri", now),
            "binding_id": binding.id,
            "slot": binding.slot,
            "sub_appid": binding.sub_appid,
            "order_id": order_id,
            "state": "open",
            "begun_at": now,
            "begun_by": by.name,
        }
        async with self._database.write(scope) as session:
            await session.execute(insert(table_of(TrialRow)), [row])
            await _audit(session, scope, "trial.begun", str(row["id"]), binding.id, by, now, facts)
        return str(row["id"])

    async def _try_again(self, scope: TenantScope, binding_id: str, by: Actor) -> None:
        now = self._clock.now()
        async with self._database.write(scope) as session:
            await set_status(
                session, scope, binding_id, BindingStatus.UNVERIFIED, LedgerEvent.CHANGED, {}, by, now
            )

    async def _pass(self, scope: TenantScope, trial_id: str) -> TrialRow:
        """Certify a trial whose every lamp is lit: certificate, ledger and doctor in one transaction."""
        now = self._clock.now()
        async with self._database.write(scope) as session:
            row = await _trial(session, scope, trial_id)
            books = await books_of(session, scope, row.order_id)
            if books.passed and await _finish(session, scope, trial_id, "passed", now):
                provider, tenant = await _owner(session, scope)
                proof = books.proof(
                    {"id": tenant.id, "name": tenant.name, "sub_mch_id": tenant.sub_mch_id},
                    {"id": row.binding_id, "slot": row.slot, "sub_appid": row.sub_appid},
                )
                proof["provider"] = {"id": provider.id, "mch_id": provider.mch_id, "mode": provider.mode}
                await _certify(session, scope, row, proof, now)
        async with self._database.read(scope) as session:
            return await _trial(session, scope, trial_id)


async def _certify(
    session: AsyncSession, scope: TenantScope, row: TrialRow, proof: dict[str, object], now: datetime
) -> None:
    certificate_id = new_id("glc", now)
    stored = {
        "provider_id": scope.provider_id,
        "tenant_id": scope.tenant_id,
        "id": certificate_id,
        "binding_id": row.binding_id,
        "slot": row.slot,
        "sub_appid": row.sub_appid,
        "trial_id": row.id,
        "issued_at": now,
        "evidence": proof,
        "digest": digest_of(proof),
    }
    await session.execute(insert(table_of(CertificateRow)), [stored])
    evidence = {"trial_id": row.id, "certificate_id": certificate_id}
    await set_status(
        session,
        scope,
        row.binding_id,
        BindingStatus.VERIFIED,
        LedgerEvent.CONFIRMED,
        evidence,
        SYSTEM,
        now,
    )
    verdicts = [Verdict(code, part=row.binding_id) for code in ("trial.pay", "trial.refund")]
    await replace_results(session, scope, scope.tenant_id, verdicts, row.id, now, parts=[row.binding_id])
    await _audit(session, scope, "trial.passed", row.id, row.binding_id, SYSTEM, now, None)


async def _owner(session: AsyncSession, scope: TenantScope) -> tuple[ProviderProfile, TenantProfile]:
    found = (
        await session.execute(
            select(Provider, Tenant)
            .join(Tenant, Tenant.provider_id == Provider.id)
            .where(
                Provider.id == scope.provider_id,
                Tenant.provider_id == scope.provider_id,
                Tenant.id == scope.tenant_id,
            )
        )
    ).one_or_none()
    if found is None:
        raise NotFound
    return ProviderProfile.of(found[0]), TenantProfile.of(found[1])


async def _binding(session: AsyncSession, scope: TenantScope, binding_id: str) -> AppBinding:
    found = await session.scalar(
        select(AppBinding).where(
            AppBinding.provider_id == scope.provider_id,
            AppBinding.tenant_id == scope.tenant_id,
            AppBinding.id == binding_id,
        )
    )
    if found is None:
        raise NotFound
    return found


async def _trial(session: AsyncSession, scope: TenantScope, trial_id: str) -> TrialRow:
    found = await session.scalar(
        select(TrialRow)
        .where(
            TrialRow.provider_id == scope.provider_id,
            TrialRow.tenant_id == scope.tenant_id,
            TrialRow.id == trial_id,
        )
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound
    return found


async def _open_trial(session: AsyncSession, scope: TenantScope, binding_id: str) -> TrialRow | None:
    found: TrialRow | None = await session.scalar(
        select(TrialRow).where(
            TrialRow.provider_id == scope.provider_id,
            TrialRow.tenant_id == scope.tenant_id,
            TrialRow.binding_id == binding_id,
            TrialRow.state == "open",
        )
    )
    return found


async def _finish(
    session: AsyncSession, scope: TenantScope, trial_id: str, state: str, now: datetime
) -> bool:
    """End an open trial; False when somebody was faster."""
    done = await session.execute(
        update(TrialRow)
        .where(
            TrialRow.provider_id == scope.provider_id,
            TrialRow.tenant_id == scope.tenant_id,
            TrialRow.id == trial_id,
            TrialRow.state == "open",
        )
        .values(state=state, finished_at=now)
        .returning(TrialRow.id)
        .execution_options(synchronize_session=False)
    )
    return done.scalar_one_or_none() is not None


async def _audit(
    session: AsyncSession,
    scope: TenantScope,
    action: str,
    trial_id: str,
    binding_id: str,
    by: Actor,
    now: datetime,
    facts: RequestFacts | None,
) -> None:
    act = Act(
        actor=by,
        action=action,
        object_kind="trial",
        object_id=trial_id,
        tenant_id=scope.tenant_id,
        after={"binding_id": binding_id},
        request_id=facts.request_id if facts else None,
        peer=facts.peer if facts else None,
    )
    await record(session, scope.provider_id, act, now)
