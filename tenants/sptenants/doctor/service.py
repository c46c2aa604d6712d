"""The doctor: runs examinations, remembers what they came to, and keeps the ledger of bindings by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.audit.actor import SYSTEM, Actor
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, TenantScope, WorkerScope
from spcore.ids import new_id
from sptenants.doctor import repository
from sptenants.doctor.examination import Examined, Examiner
from sptenants.doctor.items import BY_CODE, ITEMS, ORDER, ApiVersion, Depth
from sptenants.doctor.repository import ReadScope, Stored
from sptenants.doctor.rows import DoctorReport, DoctorRow, Level, worst_level
from sptenants.doctor.subject import Subject, read_subject
from sptenants.doctor.verdicts import WHOLE, Verdict, row_of
from sptenants.orders.disputes import AnomalyKind, raise_anomaly, settle_anomaly
from sptenants.registry.access import RequestFacts
from sptenants.registry.bindings import BindingProfile
from sptenants.registry.ledger import BindingStatus, LedgerEvent, set_status

NIGHTLY_AFTER = timedelta(hours=20)
_NIGHTLY_BATCH = 3

_log = structlog.get_logger(__name__)


class Doctor:
    """Every method raises NotFound for what lies outside of the scope (Y3)."""

    def __init__(self, database: Database, clock: Clock, examiner: Examiner) -> None:
        self._database = database
        self._clock = clock
        self._examiner = examiner

    async def run(
        self,
        scope: ProviderScope,
        tenant_id: str | None,
        by: Actor,
        *,
        live: bool = True,
        facts: RequestFacts | None = None,
    ) -> DoctorReport:
        """Examine a provider, or one of its tenants with the provider, and store what was found.

        What a person or key asks for is audited. A binding that WeChat confirms or refutes changes its
        state, with evidence (B-17).
        """
        async with self._database.read(scope) as session:
            subject = await read_subject(session, scope, tenant_id)
        echo = by.kind != "system" or await self._echo_is_due(scope)
        examined = await self._examiner.examine(subject, live=live, echo=echo)
        now, run_id = self._clock.now(), new_id("run", self._clock.now())
        async with self._database.write(scope) as session:
            await repository.lock_provider(session, scope)
            await repository.replace_results(session, scope, None, examined.provider, run_id, now)
            if tenant_id is not None:
                await repository.replace_results(session, scope, tenant_id, examined.tenant, run_id, now)
            await repository.insert_run(
                session, _run_row(scope, tenant_id, examined, run_id, by, now, live=live)
            )
            if by.kind != "system":
                await _audit_run(session, scope, tenant_id, run_id, by, now, facts)
        if tenant_id is not None:
            of = TenantScope(scope.provider_id, tenant_id)
            async with self._database.write(of) as session:
                await _judge_bindings(session, of, examined, run_id, by, now, facts)
        _log.info("doctor.ran", provider_id=scope.provider_id, tenant_id=tenant_id, run_id=run_id, live=live)
        return await self._report(scope, subject)

    async def last(self, scope: ProviderScope, tenant_id: str | None) -> DoctorReport:
        """Return what is known without asking anybody: rows never looked at are `unchecked`."""
        async with self._database.read(scope) as session:
            subject = await read_subject(session, scope, tenant_id)
        return await self._report(scope, subject)

    async def worst_of(self, scope: ReadScope, tenant_ids: Sequence[str]) -> Mapping[str, Level]:
        """Return the worst level of each tenant that was ever examined."""
        found: dict[str, Level] = {}
        if not tenant_ids:
            return found
        async with self._database.read(scope) as session:
            for tenant_id, level in await repository.levels(session, scope, tenant_ids):
                found[tenant_id] = worst_level(
                    [Level(level), *([found[tenant_id]] if tenant_id in found else [])]
                )
        return found

    async def failing(self, scope: ReadScope, tenant_ids: Sequence[str]) -> Mapping[str, DoctorRow]:
        """Return the first red row of each tenant that has one."""
        if not tenant_ids:
            return {}
        async with self._database.read(scope) as session:
            results = await repository.stored(session, scope, tenant_ids)
        first: dict[str, DoctorRow] = {}
        for one in sorted(results, key=lambda result: ORDER[result.verdict.code]):
            if one.tenant_id is not None and one.verdict.level is Level.FAIL and one.tenant_id not in first:
                first[one.tenant_id] = row_of(
                    one.verdict, about=None, checked_at=one.checked_at, run_id=one.run_id
                )
        return first

    async def try_version(self, scope: ProviderScope, version: ApiVersion, *, live: bool) -> DoctorReport:
        """Examine a provider as if its calls were of `version`, before it moves there; nothing is stored."""
        async with self._database.read(scope) as session:
            subject = await read_subject(session, scope, None)
        imagined = replace(subject, provider=replace(subject.provider, api_version=version))
        examined = await self._examiner.examine(imagined, live=live)
        found, now = {verdict.code: verdict for verdict in examined.provider}, self._clock.now()
        rows = []
        for code, _part, _about in _asked_of(imagined, ()):
            verdict = found.get(code) or Verdict(code, "asked_later")
            checked_at = now if code in found else None
            rows.append(row_of(verdict, about=None, checked_at=checked_at, run_id=None))
        return DoctorReport(tuple(rows), now if live else None)

    async def probe_relation(self, scope: ProviderScope, sub_mch_id: str) -> DoctorRow:
        """Ask WeChat whether the provider may act for a number, before it is stored."""
        async with self._database.read(scope) as session:
            subject = await read_subject(session, scope, None)
        verdict = await self._examiner.relation(subject, sub_mch_id)
        return row_of(verdict, about=sub_mch_id, checked_at=self._clock.now(), run_id=None)

    async def probe_secret(self, scope: ProviderScope, sub_appid: str, secret: str) -> DoctorRow:
        """Ask WeChat whether an AppSecret is right, before it is stored."""
        async with self._database.read(scope) as session:
            subject = await read_subject(session, scope, None)
        verdict = await self._examiner.secret(subject, sub_appid, secret)
        return row_of(verdict, about=sub_appid, checked_at=self._clock.now(), run_id=None)

    async def run_due(self) -> int:
        """Look at live tenants that nobody has looked at for a night; return how many there were."""
        async with self._database.read(WorkerScope()) as session:
            due = await repository.due_tenants(session, self._clock.now() - NIGHTLY_AFTER, _NIGHTLY_BATCH)
        for provider_id, tenant_id in due:
            scope = ProviderScope(provider_id)
            try:
                await self.run(scope, tenant_id, SYSTEM)
            except Exception as error:
                # One tenant that cannot be examined must not keep the others waiting every night.
                _log.exception("doctor.failed", provider_id=provider_id, tenant_id=tenant_id)
                await self._put_off(scope, tenant_id, error)
        return len(due)

    async def _echo_is_due(self, scope: ProviderScope) -> bool:
        """Whether nobody has sent a message there and back for a night: it is the provider's, and all its
        tenants are looked at in one night."""
        since = self._clock.now() - NIGHTLY_AFTER
        async with self._database.read(scope) as session:
            results = await repository.stored(session, scope, [scope.provider_id])
        return not any(
            one.verdict.code == "sp.echo" and one.checked_at is not None and one.checked_at > since
            for one in results
        )

    async def _put_off(self, scope: ProviderScope, tenant_id: str, error: Exception) -> None:
        """Store that a run came to nothing; what was known before stays."""
        now = self._clock.now()
        row = {
            "id": new_id("run", now),
            "provider_id": scope.provider_id,
            "tenant_id": tenant_id,
            "subject": tenant_id,
            "ran_at": now,
            "by": SYSTEM.name,
            "live": True,
            "worst": Level.UNCHECKED.value,
            "evidence": {"failed": type(error).__name__},
        }
        async with self._database.write(scope) as session:
            await repository.insert_run(session, row)

    async def _report(self, scope: ProviderScope, subject: Subject) -> DoctorReport:
        tenant = subject.tenant
        subjects = [scope.provider_id, *([tenant.profile.id] if tenant else [])]
        async with self._database.read(scope) as session:
            results = await repository.stored(session, scope, subjects)
            ran_at = await repository.last_run_at(session, scope, subjects[-1])
        if ran_at is None:
            # A provider is looked at with each of its tenants, too.
            own = tenant.profile.id if tenant else None
            looked = [one.checked_at for one in results if one.tenant_id == own and one.checked_at]
            ran_at = max(looked, default=None)
        bindings = tenant.bindings if tenant else ()
        known = {(one.verdict.code, one.verdict.part): one for one in results}
        rows = [
            _row(code, part, about, known.get((code, part)))
            for code, part, about in _asked_of(subject, bindings)
        ]
        return DoctorReport(tuple(rows), ran_at)


async def _judge_bindings(
    session: AsyncSession,
    scope: TenantScope,
    examined: Examined,
    run_id: str,
    by: Actor,
    now: datetime,
    facts: RequestFacts | None,
) -> None:
    """Let what WeChat said decide about the bindings; what it left open changes nothing."""
    for verdict in examined.tenant:
        if verdict.code != "binding.wechat_side" or verdict.reason not in {None, "mismatch"}:
            continue
        confirmed = verdict.reason is None
        wanted = BindingStatus.VERIFIED if confirmed else BindingStatus.INVALID
        what = LedgerEvent.CONFIRMED if confirmed else LedgerEvent.REFUTED
        evidence = {"run_id": run_id, **verdict.facts}
        before = await set_status(session, scope, verdict.part, wanted, what, evidence, by, now)
        if before is None:
            continue
        act = Act(
            actor=by,
            action="binding.status_changed",
            object_kind="binding",
            object_id=verdict.part,
            tenant_id=scope.tenant_id,
            before={"status": before.value},
            after={"status": wanted.value, "run_id": run_id},
            request_id=facts.request_id if facts else None,
            peer=facts.peer if facts else None,
        )
        await record(session, scope.provider_id, act, now)
        await _tell_of_drift(session, scope, verdict, before, now, confirmed=confirmed)


async def _tell_of_drift(
    session: AsyncSession,
    scope: TenantScope,
    verdict: Verdict,
    before: BindingStatus,
    now: datetime,
    *,
    confirmed: bool,
) -> None:
    """Put a binding that worked and does no more on the work list, and take it off again."""
    if confirmed:
        note = "再次体检时微信接受了该 AppID。"
        await settle_anomaly(session, scope, AnomalyKind.BINDING_DRIFT, verdict.part, now, note)
    elif before is BindingStatus.VERIFIED:
        facts = {name: str(value) for name, value in verdict.facts.items()}
        await raise_anomaly(session, scope, AnomalyKind.BINDING_DRIFT, verdict.part, now, facts=facts)


async def _audit_run(
    session: AsyncSession,
    scope: ProviderScope,
    tenant_id: str | None,
    run_id: str,
    by: Actor,
    now: datetime,
    facts: RequestFacts | None,
) -> None:
    act = Act(
        actor=by,
        action="doctor.ran",
        object_kind="tenant" if tenant_id else "provider",
        object_id=tenant_id or scope.provider_id,
        tenant_id=tenant_id,
        after={"run_id": run_id},
        request_id=facts.request_id if facts else None,
        peer=facts.peer if facts else None,
    )
    await record(session, scope.provider_id, act, now)


def _run_row(
    scope: ProviderScope,
    tenant_id: str | None,
    examined: Examined,
    run_id: str,
    by: Actor,
    now: datetime,
    *,
    live: bool,
) -> dict[str, object]:
    verdicts = examined.tenant if tenant_id else examined.provider
    return {
        "id": run_id,
        "provider_id": scope.provider_id,
        "tenant_id": tenant_id,
        "subject": tenant_id or scope.provider_id,
        "ran_at": now,
        "by": by.name,
        "live": live,
        "worst": worst_level(verdict.level for verdict in verdicts).value,
        "evidence": {"calls": examined.calls.made},
    }


def _asked_of(subject: Subject, bindings: Sequence[BindingProfile]) -> list[tuple[str, str, str | None]]:
    """Return each item with each binding it is about: code, binding id, appid."""
    kinds = {binding.kind for binding in bindings}
    asked: list[tuple[str, str, str | None]] = []
    for item in ITEMS:
        if not subject.needs(item.version) or (item.about != "provider" and subject.tenant is None):
            continue
        if item.about == "binding":
            asked += [
                (item.code, binding.id, binding.sub_appid)
                for binding in bindings
                if not item.kinds or binding.kind in item.kinds
            ]
        elif not item.kinds or item.kinds & kinds:
            asked.append((item.code, WHOLE, None))
    return asked


def _row(code: str, part: str, about: str | None, found: Stored | None) -> DoctorRow:
    if found is not None:
        return row_of(found.verdict, about=about, checked_at=found.checked_at, run_id=found.run_id)
    open_reason = "open" if BY_CODE[code].depth is Depth.TRIAL else "asked_later"
    return row_of(Verdict(code, open_reason, part=part), about=about, checked_at=None, run_id=None)
