"""Changes to the registry: slots, claims, sealed secrets, keys, the life of a tenant; all audited."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from tests.sptenants.registry.conftest import Town

from spcore.audit.models import AuditRow
from spcore.audit.verifier import verify
from spcore.db.base import table_of
from spcore.db.guard import ScopeViolation
from spcore.db.scope import TenantScope
from spcore.errors import InvalidInput, NotFound
from spcore.vault import VaultError
from sptenants.registry.access import RequestFacts
from sptenants.registry.binding_changes import NewBinding
from sptenants.registry.bindings import BindingProfile, binding_of, secret_context
from sptenants.registry.errors import StateConflict
from sptenants.registry.models import ApiKey, AppBinding, AppClaim, Tenant
from sptenants.registry.tenants import NewTenant
from sptenants.registry.tokens import token_hash

FACTS = RequestFacts("req_01JD3K8W7Q4M6X0B2T9V5H1CZN", "192.0.2.7")
SECRET = "CANARYappsecret0123456789abcdef0"


def mini(number: int, **more: Any) -> NewBinding:
    return NewBinding(
        **({"sub_appid": f"wx{number:016d}", "kind": "miniprogram", "owner": "merchant"} | more)
    )


async def codes(attempt: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as refused:
        await attempt
    return [(fault.pointer, fault.code) for fault in refused.value.faults]


async def bound(town: Town, scope: TenantScope) -> dict[int, str]:
    async with town.database.read(scope) as session:
        rows = await session.scalars(select(AppBinding).where(AppBinding.tenant_id == scope.tenant_id))
        return {row.slot: row.sub_appid for row in rows}


async def audit(town: Town) -> list[AuditRow]:
    async with town.database.read(town.sp.scope) as session:
        mine = select(AuditRow).where(AuditRow.chain == town.sp.provider.id).order_by(AuditRow.seq)
        return list(await session.scalars(mine))


async def test_a_new_tenant_is_a_draft_with_an_address_of_its_own(town: Town) -> None:
    made = await town.registry.create_tenant(town.sp, NewTenant("晨曦咖啡", "1600000021"), FACTS)

    assert (made.status, made.name, made.sub_mch_id) == ("draft", "晨曦咖啡", "1600000021")
    owner = await town.door.by_route_key(made.route_key)
    assert owner is not None
    assert owner.tenant == made


async def test_S18_numbers_and_names_are_taken_once_per_provider(town: Town) -> None:
    await town.registry.create_tenant(town.sp, NewTenant("晨曦咖啡", "1600000021"))

    again = town.registry.create_tenant(town.sp, NewTenant("晨曦咖啡", "1600000021"))
    assert await codes(again) == [("#/name", "taken"), ("#/sub_mch_id", "taken")]
    await town.registry.create_tenant(town.stranger, NewTenant("晨曦咖啡", "1600000021"))


async def test_S18_two_at_once_make_one_tenant(town: Town) -> None:
    new = NewTenant("晨曦咖啡", "1600000021")
    results = await asyncio.gather(
        *(town.registry.create_tenant(town.sp, new) for _ in range(10)), return_exceptions=True
    )

    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert {type(result) for result in results if isinstance(result, BaseException)} == {InvalidInput}


async def test_S1_03_the_providers_own_number_is_refused(town: Town) -> None:
    own = NewTenant("自己", town.sp.provider.mch_id)

    assert await codes(town.registry.create_tenant(town.sp, own)) == [("#/sub_mch_id", "same_as_provider")]


async def test_S1_40_of_twenty_at_once_exactly_five_are_bound(town: Town) -> None:
    results = await asyncio.gather(
        *(town.registry.add_binding(town.sp, town.shop.tenant_id, mini(n)) for n in range(20)),
        return_exceptions=True,
    )

    assert sorted(r.slot for r in results if isinstance(r, BindingProfile)) == [1, 2, 3, 4, 5]
    refused = [r for r in results if isinstance(r, InvalidInput)]
    assert {r.faults[0].code for r in refused} == {"no_free_slot"}
    assert len(refused) == 15
    assert len(await bound(town, town.shop)) == 5


async def insert_binding(town: Town, **values: Any) -> None:
    """Insert a row past our own code, together with the claim of wx…02."""
    claim = {"mode": "test", "provider_id": town.sp.provider.id, "sub_appid": "wx0000000000000002"}
    row = {
        "provider_id": town.shop.provider_id,
        "tenant_id": town.shop.tenant_id,
        "id": "bnd_x",
        "slot": 2,
        "mode": "test",
        "sub_appid": "wx0000000000000002",
        "kind": "miniprogram",
        "owner": "merchant",
        "status": "verified",
        "secret_version": 0,
        "created_at": town.clock.now(),
        "updated_at": town.clock.now(),
    }
    async with town.database.write(town.sp.scope) as session:
        await session.execute(insert(table_of(AppClaim)), [claim])
        await session.execute(insert(table_of(AppBinding)), [row | values])


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param({"slot": 6}, id="sixth slot"),
        pytest.param({"slot": 0}, id="slot before the first"),
        pytest.param({"slot": 1}, id="slot in use"),
        pytest.param({"sub_appid": "wx0000000000000001"}, id="appid bound already"),
        pytest.param({"sub_appid": "wx0000000000000009"}, id="O06 appid nobody claimed"),
        pytest.param({"mode": "live"}, id="O06 claimed in the other mode"),
        pytest.param({"owner": "provider", "kind": "app"}, id="S1-39 app of the provider"),
        pytest.param({"kind": "h5"}, id="S1-37 unknown kind"),
    ],
)
async def test_S1_40_the_database_itself_has_five_places(town: Town, spoilt: dict[str, Any]) -> None:
    await town.registry.add_binding(town.sp, town.shop.tenant_id, mini(1))

    with pytest.raises(IntegrityError):
        await insert_binding(town, **spoilt)
    await insert_binding(town)
    assert await bound(town, town.shop) == {1: "wx0000000000000001", 2: "wx0000000000000002"}


async def test_S1_40_a_removed_binding_frees_its_slot(town: Town) -> None:
    made = [await town.registry.add_binding(town.sp, town.shop.tenant_id, mini(n)) for n in range(5)]
    await town.registry.remove_binding(town.sp, town.shop.tenant_id, made[2].id)

    again = await town.registry.add_binding(town.sp, town.shop.tenant_id, mini(9))

    assert again.slot == 3
    assert (await bound(town, town.shop))[3] == "wx0000000000000009"


async def test_S1_40_the_same_appid_is_bound_once(town: Town) -> None:
    await town.registry.add_binding(town.sp, town.shop.tenant_id, mini(1))

    twice = town.registry.add_binding(town.sp, town.shop.tenant_id, mini(1))
    assert await codes(twice) == [("#/sub_appid", "already_bound")]


async def test_S1_39_an_official_account_of_the_provider_is_refused(town: Town) -> None:
    new = mini(1, kind="official_account", owner="provider", sub_appid="wx1")

    assert await codes(town.registry.add_binding(town.sp, town.shop.tenant_id, new)) == [
        ("#/sub_appid", "invalid_format"),
        ("#/owner", "owner_not_allowed"),
    ]


async def test_O06_an_appid_belongs_to_one_provider_until_nobody_there_uses_it(town: Town) -> None:
    one = await town.registry.add_binding(town.sp, town.shop.tenant_id, mini(1))
    two = await town.registry.add_binding(town.sp, town.other_shop.tenant_id, mini(1))

    async def try_elsewhere() -> BindingProfile:
        return await town.registry.add_binding(town.stranger, town.far_shop.tenant_id, mini(1))

    assert await codes(try_elsewhere()) == [("#/sub_appid", "appid_in_use")]
    await town.registry.remove_binding(town.sp, town.shop.tenant_id, one.id)
    assert await codes(try_elsewhere()) == [("#/sub_appid", "appid_in_use")]
    await town.registry.remove_binding(town.sp, town.other_shop.tenant_id, two.id)
    assert (await try_elsewhere()).slot == 1


async def test_O06_two_providers_at_once_cannot_both_take_an_appid(town: Town) -> None:
    results = await asyncio.gather(
        town.registry.add_binding(town.sp, town.shop.tenant_id, mini(1)),
        town.registry.add_binding(town.stranger, town.far_shop.tenant_id, mini(1)),
        return_exceptions=True,
    )

    assert sorted(type(result).__name__ for result in results) == ["BindingProfile", "InvalidInput"]


async def test_Y3_objects_of_another_provider_do_not_exist(town: Town) -> None:
    mine = await town.registry.add_binding(town.sp, town.shop.tenant_id, mini(1))
    key = await town.registry.create_api_key(town.sp, town.shop.tenant_id, "server")
    registry, far, shop = town.registry, town.stranger, town.shop.tenant_id

    for attempt in (
        registry.set_status(far, shop, "suspended"),
        registry.add_binding(far, shop, mini(2)),
        registry.remove_binding(far, shop, mine.id),
        registry.replace_secret(far, shop, mine.id, SECRET),
        registry.remove_binding(town.sp, town.other_shop.tenant_id, mine.id),
        registry.create_api_key(far, shop, "x"),
        registry.revoke_api_key(far, key.id),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert await bound(town, town.shop) == {1: "wx0000000000000001"}
    assert (await town.door.by_api_key(key.secret, None)).scope == town.shop


async def test_S1_05_an_app_secret_opens_only_in_its_own_row(town: Town) -> None:
    new = mini(1, app_secret=SECRET)
    made = await town.registry.add_binding(town.sp, town.shop.tenant_id, new)
    other = await town.registry.add_binding(town.sp, town.other_shop.tenant_id, mini(1))
    assert made.sealed_secret is not None

    context = secret_context(town.shop, made.id, made.secret_version)
    assert town.vault.open(made.sealed_secret, context) == SECRET.encode()
    for wrong in (
        secret_context(town.shop, other.id, 1),
        secret_context(town.other_shop, made.id, 1),
        secret_context(town.shop, made.id, 2),
    ):
        with pytest.raises(VaultError):
            town.vault.open(made.sealed_secret, wrong)
    assert SECRET not in repr((new, made))


async def test_S1_09_a_replaced_secret_is_another_version_and_the_same_one_changes_nothing(
    town: Town,
) -> None:
    made = await town.registry.add_binding(town.sp, town.shop.tenant_id, mini(1, app_secret=SECRET))
    shop = town.shop.tenant_id

    assert await town.registry.replace_secret(town.sp, shop, made.id, SECRET) is False
    assert await town.registry.replace_secret(town.sp, shop, made.id, "another") is True
    assert await codes(town.registry.replace_secret(town.sp, shop, made.id, "a b")) == [
        ("#/app_secret", "invalid_app_secret")
    ]

    async with town.database.read(town.shop) as session:
        found = await binding_of(session, town.shop, "wx0000000000000001")
    assert found is not None
    assert found.sealed_secret is not None
    assert found.secret_version == 2
    assert town.vault.open(found.sealed_secret, secret_context(town.shop, made.id, 2)) == b"another"


async def test_O06_binding_of_finds_the_tenants_own_bindings_only(town: Town) -> None:
    await town.registry.add_binding(town.sp, town.shop.tenant_id, mini(1))

    async with town.database.read(town.other_shop) as session:
        assert await binding_of(session, town.other_shop, "wx0000000000000001") is None
    async with town.database.read(town.shop) as session:
        found = await binding_of(session, town.shop, "wx0000000000000001")
    assert found is not None
    assert (found.usable, found.has_secret) == (True, False)


async def test_the_life_of_a_tenant_goes_stage_by_stage(town: Town) -> None:
    made = await town.registry.create_tenant(town.sp, NewTenant("晨曦咖啡", "1600000021"))

    with pytest.raises(StateConflict):
        await town.registry.set_status(town.sp, made.id, "live")
    for status in ("onboarding", "ready", "live", "suspended", "live", "suspended", "closed"):
        assert await town.registry.set_status(town.sp, made.id, status) is True
        assert await town.registry.set_status(town.sp, made.id, status) is False
    with pytest.raises(StateConflict):
        await town.registry.set_status(town.sp, made.id, "live")


async def test_T12_closing_kills_the_keys_and_forbids_bindings(town: Town) -> None:
    shop = town.shop.tenant_id
    key = await town.registry.create_api_key(town.sp, shop, "server")
    ops = await town.registry.create_api_key(town.sp, None, "ops")
    await town.registry.set_status(town.sp, shop, "suspended")
    await town.registry.set_status(town.sp, shop, "closed", reason="退店")

    async with town.database.read(town.sp.scope) as session:
        mine = select(ApiKey).where(ApiKey.provider_id == town.sp.provider.id)
        revoked = {row.id: row.revoked_at is not None for row in await session.scalars(mine)}
    assert revoked == {key.id: True, ops.id: False}
    with pytest.raises(StateConflict):
        await town.registry.add_binding(town.sp, shop, mini(1))


async def test_A03_keys_are_shown_once_and_kept_as_hashes(town: Town) -> None:
    made = await town.registry.create_api_key(town.sp, town.shop.tenant_id, "server")

    async with town.database.read(town.shop) as session:
        (row,) = await session.scalars(select(ApiKey).where(ApiKey.tenant_id == town.shop.tenant_id))
    stored = [getattr(row, column.key) for column in row.__table__.columns]
    assert row.secret_hash == token_hash(made.secret)
    assert row.hint == f"wsk_test_…{made.secret[-4:]}"
    assert made.secret not in repr(stored) + repr(made)


async def test_names_of_keys_in_use_tell_them_apart(town: Town) -> None:
    first = await town.registry.create_api_key(town.sp, town.shop.tenant_id, "server")
    again = town.registry.create_api_key(town.sp, town.shop.tenant_id, "server")
    assert await codes(again) == [("#/name", "taken")]

    await town.registry.create_api_key(town.sp, town.other_shop.tenant_id, "server")
    await town.registry.revoke_api_key(town.sp, first.id)
    await town.registry.create_api_key(town.sp, town.shop.tenant_id, "server")
    with pytest.raises(NotFound):
        await town.registry.revoke_api_key(town.sp, first.id)


async def test_A06_every_change_has_its_audit_row_and_no_secret(town: Town) -> None:
    shop = town.shop.tenant_id
    await town.registry.create_tenant(town.sp, NewTenant("晨曦咖啡", "1600000021"), FACTS)
    made = await town.registry.add_binding(town.sp, shop, mini(1, app_secret=SECRET), FACTS)
    await town.registry.replace_secret(town.sp, shop, made.id, f"{SECRET}2", FACTS)
    await town.registry.remove_binding(town.sp, shop, made.id, FACTS)
    key = await town.registry.create_api_key(town.sp, shop, "server", FACTS)
    await town.registry.revoke_api_key(town.sp, key.id, FACTS)
    await town.registry.set_status(town.sp, shop, "suspended", reason="投诉", facts=FACTS)

    rows = await audit(town)
    assert [row.action for row in rows] == [
        "tenant.created",
        "binding.created",
        "binding.secret_replaced",
        "binding.removed",
        "api_key.created",
        "api_key.revoked",
        "tenant.status_changed",
    ]
    assert {(row.actor_kind, row.actor_name, row.request_id, row.peer) for row in rows} == {
        ("person", "运营", FACTS.request_id, FACTS.peer)
    }
    assert [row.tenant_id for row in rows[1:]] == [shop] * 6
    assert (rows[-1].before, rows[-1].after, rows[-1].reason) == (
        {"status": "live"},
        {"status": "suspended"},
        "投诉",
    )
    told = repr([(row.before, row.after) for row in rows])
    assert SECRET not in told
    assert key.secret not in told
    assert (await verify(town.database)).ok


async def test_A07_a_refused_change_leaves_no_audit_row(town: Town) -> None:
    await town.registry.add_binding(town.sp, town.shop.tenant_id, mini(1))
    await codes(town.registry.add_binding(town.sp, town.shop.tenant_id, mini(1)))

    assert [row.action for row in await audit(town)] == ["binding.created"]


async def test_Y2_owner_and_address_of_a_tenant_never_change(town: Town) -> None:
    for values, refusal in (
        ({"provider_id": town.stranger.provider.id}, ScopeViolation),
        ({"id": "ten_01JD3K8W7Q4M6X0B2T9V5H1CZN"}, ScopeViolation),
        ({"route_key": "stolen"}, DBAPIError),
    ):
        with pytest.raises(refusal):
            async with town.database.write(town.shop) as session:
                await session.execute(
                    update(table_of(Tenant)).where(Tenant.id == town.shop.tenant_id).values(**values)
                )


async def test_Y2_a_binding_cannot_hang_below_another_providers_tenant(town: Town) -> None:
    with pytest.raises(IntegrityError):
        await insert_binding(town, tenant_id=town.far_shop.tenant_id)


async def test_a_claim_in_use_cannot_be_deleted(town: Town) -> None:
    await town.registry.add_binding(town.sp, town.shop.tenant_id, mini(1))

    with pytest.raises(IntegrityError):
        async with town.database.write(town.sp.scope) as session:
            await session.execute(delete(AppClaim).where(AppClaim.provider_id == town.sp.provider.id))
