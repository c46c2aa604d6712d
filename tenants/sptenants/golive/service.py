"""Going live: what has to be so first, and the step itself (B-11, B-17)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from spcore.audit.actor import Actor
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, TenantScope
from spcore.errors import NotFound, Text
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from spcore.vault import Vault
from sptenants.doctor.rows import DoctorReport
from sptenants.doctor.service import Doctor
from sptenants.golive.errors import NotReadyToGoLive
from sptenants.golive.records import Cashier, Certificate, Condition, Trial
from sptenants.golive.trials import Trials
from sptenants.registry import tenants
from sptenants.registry.access import RequestFacts
from sptenants.registry.changes import Change
from sptenants.registry.errors import StateConflict
from sptenants.registry.ledger import BindingStatus
from sptenants.registry.reader import BindingRow, TenantReader
from sptenants.registry.rules import TenantStatus
from wechatpay.credentials import ProviderKind

_WAY = (TenantStatus.DRAFT, TenantStatus.ONBOARDING, TenantStatus.READY, TenantStatus.LIVE)


class GoLive:
    """Every method raises NotFound for what lies outside of the scope (Y3)."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        clock: Clock,
        doctor: Doctor,
        trials: Trials,
        tenant_reader: TenantReader,
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._doctor = doctor
        self._trials = trials
        self._tenants = tenant_reader

    async def begin_trial(
        self, scope: TenantScope, binding_id: str, by: Actor, *, facts: RequestFacts
    ) -> Trial:
        """Begin a trial payment; see `Trials.begin`."""
        return await self._trials.begin(scope, binding_id, by, facts=facts)

    async def trial(self, scope: TenantScope, trial_id: str) -> Trial:
        """Return a trial as it is now; see `Trials.trial`."""
        return await self._trials.trial(scope, trial_id)

    async def trials(self, scope: TenantScope) -> Sequence[Trial]:
        """Return the newest trial of each app."""
        return await self._trials.trials(scope)

    async def cashier(self, scope: TenantScope, trial: Trial) -> Cashier | None:
        """Return what the payer of a trial scans; None once there is nothing to pay."""
        return await self._trials.cashier(scope, trial)

    async def refund_trial(
        self, scope: TenantScope, trial_id: str, by: Actor, *, facts: RequestFacts
    ) -> Trial:
        """Give a trial back; see `Trials.refund`."""
        return await self._trials.refund(scope, trial_id, by, facts=facts)

    async def stop_trial(self, scope: TenantScope, trial_id: str, by: Actor, *, facts: RequestFacts) -> None:
        """Give a trial up; see `Trials.stop`."""
        await self._trials.stop(scope, trial_id, by, facts)

    async def certificates(self, scope: TenantScope) -> Sequence[Certificate]:
        """Return what was certified, newest first."""
        return await self._trials.certificates(scope)

    async def certificate(self, scope: TenantScope, certificate_id: str) -> Certificate:
        """Return one certificate."""
        return await self._trials.certificate(scope, certificate_id)

    async def conditions(self, scope: ProviderScope, tenant_id: str) -> tuple[Condition, ...]:
        """Return everything that has to be so before the tenant goes live, met or not."""
        detail = await self._tenants.detail(scope, tenant_id)
        report = await self._doctor.last(scope, tenant_id)
        certified = await self._trials.certificates(TenantScope(scope.provider_id, tenant_id))
        plain = detail.provider.kind == ProviderKind.MERCHANT
        return (
            Condition("number", plain or detail.tenant.sub_mch_id is not None, _NUMBER),
            _examined(report),
            _confirmed(detail.bindings),
            Condition("trial", bool(certified), _TRIAL),
        )

    async def go_live(
        self,
        scope: ProviderScope,
        tenant_id: str,
        by: Actor,
        *,
        override_reason: str | None = None,
        facts: RequestFacts | None = None,
    ) -> bool:
        """Let a sub-merchant take money, and say whether anything changed.

        What is missing can be overruled with a reason, which is written down; a number cannot. Raises
        NotFound, NotReadyToGoLive and StateConflict (suspended, closed, or somebody was faster).
        """
        if (await self._tenants.detail(scope, tenant_id)).tenant.status == TenantStatus.LIVE:
            return False
        conditions = await self.conditions(scope, tenant_id)
        missing = [condition for condition in conditions if not condition.met]
        if any(condition.code == "number" for condition in missing) or (missing and not override_reason):
            raise NotReadyToGoLive(conditions)
        async with self._database.write(scope) as session:
            row = await session.scalar(select(Provider).where(Provider.id == scope.provider_id))
            if row is None:
                raise NotFound
            change = Change(session, self._vault, ProviderProfile.of(row), by, self._clock.now(), facts)
            await change.lock()
            tenant = await change.tenant(tenant_id)
            before = tenant.status
            if before == TenantStatus.LIVE:
                return False
            for stage in _stages_from(TenantStatus(before)):
                await tenants.set_status(change, tenant_id, stage, reason=override_reason)
            await change.audit(
                "tenant.gone_live",
                "tenant",
                tenant_id,
                tenant_id=tenant_id,
                before={"status": before},
                after={"status": TenantStatus.LIVE.value, "overruled": [one.code for one in missing]},
                reason=override_reason if missing else None,
            )
        return True


def _stages_from(status: TenantStatus) -> tuple[TenantStatus, ...]:
    """Return the stages that are still to pass. Raises StateConflict for whoever left that way."""
    if status not in _WAY:
        raise StateConflict(_LEFT_THE_WAY)
    return _WAY[_WAY.index(status) + 1 :]


def _examined(report: DoctorReport) -> Condition:
    return Condition("doctor", report.ran_at is not None and not report.failed, _DOCTOR)


def _confirmed(bindings: Sequence[BindingRow]) -> Condition:
    """Nothing is bound that WeChat did not confirm; disabled slots are out of use and do not count."""
    in_use = [binding for binding in bindings if binding.status != BindingStatus.DISABLED]
    return Condition("bindings", all(one.status == BindingStatus.VERIFIED for one in in_use), _BINDINGS)


_LEFT_THE_WAY = Text(
    "商户已暂停或已关闭，不能上线；已暂停的请使用“恢复收款”。",
    "A suspended or closed sub-merchant does not go live; a suspended one is resumed instead.",
)
_NUMBER = Text("填写特约商户号。", "The sub-merchant's number is entered.")
_DOCTOR = Text("接入体检没有未通过的项目。", "The doctor finds nothing red.")
_BINDINGS = Text("每个 AppID 都经微信确认。", "Every bound app is confirmed by WeChat.")
_TRIAL = Text("至少一个 AppID 完成试付并退回。", "One fen was paid and given back with at least one app.")
