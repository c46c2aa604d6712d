"""One-time links for a merchant's own staff (B-18)."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from tests.sptenants.onboarding.conftest import Village

from spcore.audit.models import AuditRow
from spcore.errors import NotFound
from sptenants.onboarding.errors import LinkGone
from sptenants.onboarding.links import LINK_LIFE
from sptenants.onboarding.models import OnboardingLink
from sptenants.onboarding.tasks import Task, tasks


async def tasks_of(village: Village) -> dict[str, Task]:
    dossier = await village.onboarding.dossier(village.sp.scope, village.shop.tenant_id)
    return {task.code: task for task in tasks(dossier, "https://pay.example.com")}


async def actions(village: Village) -> list[str]:
    query = select(AuditRow.action, AuditRow.actor_kind).where(AuditRow.chain == village.sp.provider.id)
    async with village.database.read(village.sp.scope) as session:
        return [f"{action} {kind}" for action, kind in await session.execute(query.order_by(AuditRow.seq))]


async def test_B18_a_link_is_bound_to_its_tenant_and_opening_never_uses_it_up(village: Village) -> None:
    made = await village.links.issue(village.sp, village.shop.tenant_id)

    for _ in range(3):
        assert (await village.links.open(made.token)).scope == village.shop

    current = await village.links.current(village.sp.scope, village.shop.tenant_id)
    assert current is not None
    assert current.opened == 3
    assert (await actions(village)).count("onboarding_link.opened link") == 3


async def test_B18_the_token_is_kept_nowhere(village: Village) -> None:
    made = await village.links.issue(village.sp, village.shop.tenant_id)

    async with village.database.read(village.shop) as session:
        query = select(OnboardingLink).where(OnboardingLink.tenant_id == village.shop.tenant_id)
        row = (await session.scalars(query)).one()
    assert made.token not in repr(vars(row))
    assert made.token not in repr(made)


async def test_B18_a_tick_is_taken_and_taken_back_and_audited(village: Village) -> None:
    made = await village.links.issue(village.sp, village.shop.tenant_id)
    task = (await tasks_of(village))["signed"]

    assert await village.links.tick(made.token, task, done=True)
    assert not await village.links.tick(made.token, task, done=True)
    ticked = (await tasks_of(village))["signed"]
    assert ticked.done
    assert ticked.ticked_by == "一次性接入链接"
    assert await village.links.tick(made.token, task, done=False)
    assert not (await tasks_of(village))["signed"].done
    assert (await actions(village)).count("tenant.wechat_side_ticked link") == 2


@pytest.mark.parametrize("way", ["expired", "revoked", "renewed", "closed", "made up"])
async def test_B18_a_link_that_is_over_looks_like_one_that_never_was(village: Village, way: str) -> None:
    token = (await village.links.issue(village.sp, village.shop.tenant_id)).token
    match way:
        case "expired":
            village.clock.advance(seconds=LINK_LIFE.total_seconds() + 1)
        case "revoked":
            await village.links.revoke(village.sp, village.shop.tenant_id)
        case "renewed":
            await village.links.issue(village.sp, village.shop.tenant_id)
        case "closed":
            for status in ("suspended", "closed"):
                await village.registry.set_status(village.sp, village.shop.tenant_id, status)
        case _:
            token = token[::-1]

    with pytest.raises(LinkGone):
        await village.links.open(token)


async def test_B18_a_link_lives_72_hours_and_not_a_moment_longer(village: Village) -> None:
    made = await village.links.issue(village.sp, village.shop.tenant_id)
    task = (await tasks_of(village))["signed"]
    village.clock.advance(hours=72, seconds=-1)
    assert (await village.links.open(made.token)).scope == village.shop

    village.clock.advance(seconds=1)

    with pytest.raises(LinkGone):
        await village.links.open(made.token)
    with pytest.raises(LinkGone):
        await village.links.tick(made.token, task, done=True)
    assert await village.links.current(village.sp.scope, village.shop.tenant_id) is None


async def test_Y3_nobody_makes_a_link_to_a_strangers_tenant(village: Village) -> None:
    with pytest.raises(NotFound):
        await village.links.issue(village.sp, village.far_shop.tenant_id)
    await village.links.issue(village.stranger, village.far_shop.tenant_id)
    with pytest.raises(NotFound):
        await village.links.revoke(village.sp, village.far_shop.tenant_id)
    assert await village.links.current(village.sp.scope, village.far_shop.tenant_id) is None
