"""Rows of the wizard's own tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.scope import TenantScope
from spcore.vault import SealContext, Vault
from sptenants.onboarding.models import OnboardingStep
from sptenants.onboarding.steps import Saved, Step


async def saved_steps(session: AsyncSession, scope: TenantScope) -> Mapping[Step, Saved]:
    return {Step(row.step): Saved(row.saved_at, row.done_at) for row in await _rows(session, scope)}


async def drafts(session: AsyncSession, vault: Vault, scope: TenantScope) -> Mapping[Step, Mapping[str, str]]:
    """Return what was typed at each step and not accepted yet. Raises VaultError."""
    return {
        Step(row.step): json.loads(vault.open(row.draft_sealed, _context(scope, row.step, row.draft_version)))
        for row in await _rows(session, scope)
        if row.draft_sealed is not None
    }


async def save_step(
    session: AsyncSession, scope: TenantScope, step: Step, now: datetime, *, done: bool
) -> None:
    """Note that a step was saved, which ends its draft. The provider's registry is locked."""
    row = await _one(session, scope, step, now)
    done_at = (row.done_at or now) if done else None
    await _set(session, scope, step, {"saved_at": now, "draft_sealed": None, "done_at": done_at})


async def keep_draft(
    session: AsyncSession,
    vault: Vault,
    scope: TenantScope,
    step: Step,
    fields: Mapping[str, str],
    now: datetime,
) -> None:
    """Keep what was typed, sealed. The provider's registry is locked."""
    row = await _one(session, scope, step, now)
    version = row.draft_version + 1
    content = json.dumps(dict(fields), ensure_ascii=False).encode()
    sealed = vault.seal(content, _context(scope, step, version))
    await _set(session, scope, step, {"saved_at": now, "draft_sealed": sealed, "draft_version": version})


async def _rows(session: AsyncSession, scope: TenantScope) -> list[OnboardingStep]:
    query = select(OnboardingStep).where(
        OnboardingStep.provider_id == scope.provider_id, OnboardingStep.tenant_id == scope.tenant_id
    )
    return list(await session.scalars(query))


async def _one(session: AsyncSession, scope: TenantScope, step: Step, now: datetime) -> OnboardingStep:
    query = select(OnboardingStep).where(
        OnboardingStep.provider_id == scope.provider_id,
        OnboardingStep.tenant_id == scope.tenant_id,
        OnboardingStep.step == step.value,
    )
    row = await session.scalar(query.execution_options(populate_existing=True))
    if row is None:
        row = OnboardingStep(
            provider_id=scope.provider_id,
            tenant_id=scope.tenant_id,
            step=step.value,
            saved_at=now,
            done_at=None,
            draft_sealed=None,
            draft_version=0,
        )
        session.add(row)
        await session.flush()
    return row


async def _set(session: AsyncSession, scope: TenantScope, step: Step, values: Mapping[str, Any]) -> None:
    await session.execute(
        update(OnboardingStep)
        .where(
            OnboardingStep.provider_id == scope.provider_id,
            OnboardingStep.tenant_id == scope.tenant_id,
            OnboardingStep.step == step.value,
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _context(scope: TenantScope, step: int, version: int) -> SealContext:
    return SealContext(scope.provider_id, scope.tenant_id, f"onboarding_draft:{int(step)}", version)
