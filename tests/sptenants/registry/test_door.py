"""The door: a credential gives its own tenant and nothing else (Y1, O13, T04)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update
from tests.sptenants.registry.conftest import Town
from tests.support.counting import counted

from spcore.db.scope import ProviderScope
from spcore.errors import DomainError, InvalidInput, NotFound
from spcore.providers.models import Provider
from sptenants.registry.errors import Forbidden, TenantNotLive, Unauthenticated
from sptenants.registry.models import ApiKey, Tenant
from sptenants.registry.tokens import new_api_key, new_route_key


async def key_of(town: Town, tenant_id: str | None, name: str = "server") -> str:
    return (await town.registry.create_api_key(town.sp, tenant_id, name)).secret


async def set_status(town: Town, *, provider: str | None = None, tenant: str | None = None) -> None:
    async with town.database.write(town.sp.scope) as session:
        mine = town.sp.provider.id
        if provider is not None:
            await session.execute(update(Provider).where(Provider.id == mine).values(status=provider))
        if tenant is not None:
            await session.execute(
                update(Tenant)
                .where(Tenant.provider_id == mine, Tenant.id == town.shop.tenant_id)
                .values(status=tenant)
            )


async def test_a_tenants_key_gives_its_tenant(town: Town) -> None:
    caller = await town.door.by_api_key(await key_of(town, town.shop.tenant_id), None)

    assert caller.scope == town.shop
    assert caller.provider == town.sp.provider
    assert (caller.actor.kind, caller.actor.name) == ("api_key", "server")


async def test_a_providers_key_gives_the_tenant_named_beside_it(town: Town) -> None:
    key = await key_of(town, None)

    assert (await town.door.by_api_key(key, town.other_shop.tenant_id)).scope == town.other_shop
    with pytest.raises(InvalidInput) as refused:
        await town.door.by_api_key(key, None)
    assert [fault.pointer for fault in refused.value.faults] == ["Tenant-Id"]


async def test_Y3_foreign_and_missing_tenants_are_the_same_to_a_providers_key(town: Town) -> None:
    key = await key_of(town, None)
    answers = []
    for tenant_id in (town.far_shop.tenant_id, "ten_01JD3K8W7Q4M6X0B2T9V5H1CZN", "", "'; --"):
        with pytest.raises(NotFound) as refused:
            await town.door.by_api_key(key, tenant_id)
        answers.append((refused.value.text, refused.value.extra))

    assert answers == [answers[0]] * len(answers)


async def test_Y1_a_tenants_key_stays_its_own_whatever_the_header_says(town: Town) -> None:
    key = await key_of(town, town.shop.tenant_id)

    assert (await town.door.by_api_key(key, town.shop.tenant_id)).scope == town.shop
    with pytest.raises(NotFound):
        await town.door.by_api_key(key, town.other_shop.tenant_id)


async def test_T04_revoked_cut_and_invented_keys_are_all_answered_alike(town: Town) -> None:
    revoked = await town.registry.create_api_key(town.sp, town.shop.tenant_id, "old")
    await town.registry.revoke_api_key(town.sp, revoked.id)
    good = await key_of(town, town.shop.tenant_id)
    answers = []
    for presented in (
        revoked.secret,
        good[:-1],
        good[:9],
        good.replace("wsk_test", "wsk_live"),
        good.replace("wsk", "wpk"),
        new_api_key("wsk", "test").secret,
        f"{good}\n",
        "",
        "é" * 41,
    ):
        with pytest.raises(Unauthenticated) as refused:
            await town.door.by_api_key(presented, None)
        answers.append(refused.value.text)

    assert answers == [answers[0]] * len(answers)


async def test_T04_a_tenants_key_opens_no_provider_route(town: Town) -> None:
    with pytest.raises(Unauthenticated):
        await town.door.provider_by_key(await key_of(town, town.shop.tenant_id))

    found = await town.door.provider_by_key(await key_of(town, None, "ops"))
    assert found.provider == town.sp.provider
    assert found.scope == ProviderScope(town.sp.provider.id)


@pytest.mark.parametrize("status", ["draft", "onboarding", "ready", "suspended", "closed"])
async def test_O13_a_tenant_that_is_not_live_is_refused_at_once(town: Town, status: str) -> None:
    key = await key_of(town, town.shop.tenant_id)
    await town.door.by_api_key(key, None)
    await set_status(town, tenant=status)

    with pytest.raises(TenantNotLive) as refused:
        await town.door.by_api_key(key, None)
    assert refused.value.status == status


async def test_O13_a_suspended_provider_is_refused_with_all_its_keys(town: Town) -> None:
    tenant_key, provider_key = await key_of(town, town.shop.tenant_id), await key_of(town, None)
    await set_status(town, provider="suspended")

    for attempt in (
        town.door.by_api_key(tenant_key, None),
        town.door.by_api_key(provider_key, town.shop.tenant_id),
        town.door.provider_by_key(provider_key),
    ):
        with pytest.raises(Forbidden):
            await attempt


async def test_O13_notify_addresses_keep_working_when_the_tenant_is_suspended(town: Town) -> None:
    await set_status(town, provider="suspended", tenant="suspended")
    async with town.database.read(town.shop) as session:
        route_key = await session.scalar(select(Tenant.route_key).where(Tenant.id == town.shop.tenant_id))
    assert route_key is not None

    owner = await town.door.by_route_key(route_key)

    assert owner is not None
    assert owner.tenant is not None
    assert (owner.provider.id, owner.tenant.id) == (town.sp.provider.id, town.shop.tenant_id)


async def test_a_providers_own_notify_address_names_no_tenant(town: Town) -> None:
    owner = await town.door.by_route_key(town.sp.provider.route_key)

    assert owner is not None
    assert (owner.provider, owner.tenant) == (town.sp.provider, None)


@pytest.mark.parametrize(
    "route_key",
    [
        pytest.param("A" * len(new_route_key()), id="well formed"),
        pytest.param("", id="empty"),
        pytest.param("x", id="short"),
        pytest.param("../../etc", id="a path"),
        pytest.param("é" * 32, id="not ASCII"),
    ],
)
async def test_unknown_notify_addresses_are_nobodys(town: Town, route_key: str) -> None:
    assert await town.door.by_route_key(route_key) is None


async def test_mini_programs_find_their_tenant_by_id(town: Town) -> None:
    found = await town.door.by_tenant_id(town.shop.tenant_id)

    assert found is not None
    assert (found[0], found[1].id) == (town.sp.provider, town.shop.tenant_id)
    assert await town.door.by_tenant_id("ten_01JD3K8W7Q4M6X0B2T9V5H1CZN") is None
    assert await town.door.by_tenant_id("ten_%") is None


async def test_every_check_is_one_statement_and_nonsense_is_none(town: Town) -> None:
    key, ops = await key_of(town, town.shop.tenant_id), await key_of(town, None)
    await town.door.by_api_key(key, None)
    await town.door.provider_by_key(ops)

    with counted(town.database) as cost:
        await town.door.by_api_key(key, None)
        await town.door.by_api_key(ops, town.shop.tenant_id)
        await town.door.provider_by_key(ops)
        await town.door.by_route_key(town.sp.provider.route_key)
        await town.door.by_tenant_id(town.shop.tenant_id)
    assert (len(cost.statements), cost.commits) == (5, 0), cost.statements

    with counted(town.database) as cost:
        for nonsense in ("", "wsk_test_", "Bearer x", key + "0"):
            with pytest.raises(DomainError):
                await town.door.by_api_key(nonsense, None)
        await town.door.by_route_key("nonsense!")
        await town.door.by_tenant_id("nonsense")
    assert cost.statements == []


async def test_use_of_a_key_is_noted_once_an_hour(town: Town) -> None:
    async def last_used() -> datetime | None:
        async with town.database.read(town.shop) as session:
            return await session.scalar(
                select(ApiKey.last_used_at).where(ApiKey.tenant_id == town.shop.tenant_id)
            )

    key = await key_of(town, town.shop.tenant_id)
    assert await last_used() is None
    await town.door.by_api_key(key, None)
    first = await last_used()
    assert first is not None
    assert first == town.clock.now()

    town.clock.advance(minutes=59)
    await town.door.by_api_key(key, None)
    assert await last_used() == first

    town.clock.advance(minutes=1)
    await town.door.by_api_key(key, None)
    assert await last_used() == town.clock.now() == first + timedelta(hours=1)
