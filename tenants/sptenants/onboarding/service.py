"""The wizard's acts, one transaction each; every one that changes something is audited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import select

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, TenantScope
from spcore.errors import NotFound, Text
from spcore.vault import Vault
from sptenants.onboarding import repository
from sptenants.onboarding.errors import StepNotDone
from sptenants.onboarding.records import Dossier, FormContent
from sptenants.onboarding.steps import Step
from sptenants.onboarding.tasks import Task
from sptenants.registry import tenants, wechat_side
from sptenants.registry.access import RequestFacts
from sptenants.registry.caller import TenantProfile
from sptenants.registry.changes import Change
from sptenants.registry.door import ProviderCaller
from sptenants.registry.models import Tenant
from sptenants.registry.particulars import Particulars
from sptenants.registry.reader import TenantReader
from sptenants.registry.rules import TenantStatus
from sptenants.registry.tenants import NewTenant

MAX_DRAFT_FIELD = 1000
MAX_DRAFT_FIELDS = 16


class Onboarding:
    """Every method raises NotFound for tenants of other providers (Y3)."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, reader: TenantReader) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._reader = reader

    async def dossier(self, scope: ProviderScope | TenantScope, tenant_id: str) -> Dossier:
        """Return how far a tenant is."""
        detail = await self._reader.detail(scope, tenant_id)
        mine = TenantScope(detail.provider.id, tenant_id)
        async with self._database.read(mine) as session:
            return Dossier(
                detail=detail,
                saved=await repository.saved_steps(session, mine),
                directories=await wechat_side.directories(session, mine),
                ticks=await wechat_side.ticks(session, mine),
            )

    async def form_content(self, scope: TenantScope) -> FormContent:
        """Return what the forms begin with: what is stored, and drafts of what is not accepted yet."""
        async with self._database.read(scope) as session:
            tenant = await session.scalar(
                select(Tenant).where(Tenant.provider_id == scope.provider_id, Tenant.id == scope.tenant_id)
            )
            if tenant is None:
                raise NotFound
            stored = Particulars(
                tenant.short_name or "",
                tenants.contact_of(self._vault, tenant),
                tenant.settlement_note or "",
            )
            return FormContent(stored, await repository.drafts(session, self._vault, scope))

    async def begin(
        self, caller: ProviderCaller, name: str, known: Particulars, facts: RequestFacts | None = None
    ) -> TenantProfile:
        """Store a new draft, without its number. Raises InvalidInput."""
        async with self._change(caller, facts) as change:
            row = await tenants.create(change, NewTenant(name, None, known, number_later=True))
            scope = TenantScope(caller.provider.id, row.id)
            await repository.save_step(change.session, scope, Step.PARTICULARS, change.now, done=True)
            return TenantProfile.of(row)

    async def describe(
        self,
        caller: ProviderCaller,
        tenant_id: str,
        name: str,
        known: Particulars,
        facts: RequestFacts | None = None,
    ) -> bool:
        """Save step 1 and say whether anything changed. Raises InvalidInput."""
        async with self._change(caller, facts) as change:
            changed = await tenants.describe(change, tenant_id, name, known)
            await self._saved(change, tenant_id, Step.PARTICULARS, done=True)
            return changed

    async def number(
        self, caller: ProviderCaller, tenant_id: str, sub_mch_id: str, facts: RequestFacts | None = None
    ) -> bool:
        """Save the number of step 2, which is done once WeChat was asked. Says whether it is another one.

        Raises InvalidInput, StateConflict.
        """
        async with self._change(caller, facts) as change:
            changed = await tenants.number(change, tenant_id, sub_mch_id)
            await self._saved(change, tenant_id, Step.NUMBER, done=False)
            return changed

    async def directories(
        self,
        caller: ProviderCaller,
        tenant_id: str,
        urls: Sequence[str],
        *,
        confirmed: bool,
        facts: RequestFacts | None = None,
    ) -> None:
        """Save step 4: these prefixes, and the word that WeChat has them. Raises InvalidInput."""
        async with self._change(caller, facts) as change:
            await wechat_side.set_directories(change, tenant_id, urls, confirmed=confirmed)
            await self._saved(change, tenant_id, Step.DIRECTORIES, done=confirmed)

    async def tick(
        self,
        caller: ProviderCaller,
        tenant_id: str,
        task: Task,
        *,
        done: bool,
        facts: RequestFacts | None = None,
    ) -> None:
        """Take a person's word that a task on WeChat's side is done, or take it back."""
        async with self._change(caller, facts) as change:
            await change.tenant(tenant_id)
            if task.is_directories:
                await wechat_side.confirm_directories(change, tenant_id, confirmed=done)
            else:
                await wechat_side.tick(change, tenant_id, task.code, done=done)

    async def keep_draft(
        self, caller: ProviderCaller, tenant_id: str, step: Step, fields: Mapping[str, str]
    ) -> None:
        """Keep what was typed at a step, for the same or another person to go on with. Not audited: it is
        nothing yet. What is too long to be meant is left out.
        """
        kept = {name: text for name, text in fields.items() if len(text) <= MAX_DRAFT_FIELD}
        kept = dict(list(kept.items())[:MAX_DRAFT_FIELDS])
        async with self._change(caller, None) as change:
            await change.tenant(tenant_id)
            scope = TenantScope(caller.provider.id, tenant_id)
            await repository.keep_draft(change.session, self._vault, scope, step, kept, change.now)

    async def drop_draft(self, caller: ProviderCaller, tenant_id: str, step: Step) -> None:
        """Forget what was typed at a step, for it was stored."""
        async with self._change(caller, None) as change:
            await self._saved(change, tenant_id, step, done=False)

    async def finish(
        self, caller: ProviderCaller, tenant_id: str, step: Step, facts: RequestFacts | None = None
    ) -> None:
        """Note that a step's checks are fulfilled, and move the tenant along: after the number it is
        `onboarding`, after the doctor `ready`. Raises StepNotDone, StateConflict.

        The caller has asked WeChat where the step says so; no transaction is open meanwhile.
        """
        dossier = await self.dossier(caller.scope, tenant_id)
        _require(dossier, step)
        async with self._change(caller, facts) as change:
            await self._saved(change, tenant_id, step, done=True)
            tenant = await change.tenant(tenant_id)
            for before, after in _MOVES.get(step, ()):
                if tenant.status == before:
                    await tenants.set_status(change, tenant_id, after, reason=None)
                    tenant = await change.tenant(tenant_id)

    async def _saved(self, change: Change, tenant_id: str, step: Step, *, done: bool) -> None:
        scope = TenantScope(change.provider.id, tenant_id)
        await repository.save_step(change.session, scope, step, change.now, done=done)

    @asynccontextmanager
    async def _change(self, caller: ProviderCaller, facts: RequestFacts | None) -> AsyncIterator[Change]:
        async with self._database.write(caller.scope) as session:
            change = Change(session, self._vault, caller.provider, caller.actor, self._clock.now(), facts)
            await change.lock()
            yield change


_DRAFT_ON = (TenantStatus.DRAFT, TenantStatus.ONBOARDING)
_MOVES = {
    Step.NUMBER: (_DRAFT_ON,),
    Step.DOCTOR: (_DRAFT_ON, (TenantStatus.ONBOARDING, TenantStatus.READY)),
}
"""How finishing a step moves a tenant along its life."""


def _require(dossier: Dossier, step: Step) -> None:
    """Raise StepNotDone when what the step asks for is not there."""
    done = {state.step for state in dossier.steps if state.done}
    facts = dossier.facts
    if step is Step.NUMBER and facts.sub_mch_id is None and not facts.plain:
        raise StepNotDone(_NUMBER)
    if step is Step.BINDINGS and Step.BINDINGS not in done:
        raise StepNotDone(_REFUSED_BINDING if facts.bindings else _NO_BINDING)
    if step is Step.DIRECTORIES and Step.DIRECTORIES not in done:
        raise StepNotDone(_DIRECTORIES)
    if step is Step.DOCTOR:
        missing = {Step.NUMBER: _NUMBER, Step.BINDINGS: _NO_BINDING, Step.DIRECTORIES: _DIRECTORIES}
        for before, text in missing.items():
            if before not in done:
                raise StepNotDone(text)


_NUMBER = Text(
    "第 2 步还没有完成：请填写特约商户号，并通过与微信的关系检查。",
    "Step 2 is open: fill in the sub-merchant number and let it be checked with WeChat.",
)
_NO_BINDING = Text(
    "第 3 步还没有完成：请至少绑定一个微信认可的 AppID。",
    "Step 3 is open: bind at least one appid that WeChat accepts.",
)
_REFUSED_BINDING = Text(
    "有 AppID 与微信侧不匹配：请按右侧步骤在微信侧更正后重新检查，或移除它。",
    "WeChat does not accept one of the appids: put it right on WeChat's side and check again, or remove it.",
)
_DIRECTORIES = Text(
    "绑定了公众号，须至少填写一条支付目录，并确认已在微信侧添加。",
    "There is an official account: give at least one payment directory and confirm that WeChat has it.",
)
