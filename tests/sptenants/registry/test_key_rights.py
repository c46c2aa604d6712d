"""What a key may do and from where: compared at the door, before anything else happens (S12, T04)."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from tests.sptenants.registry.conftest import Town
from tests.support.counting import counted

from spcore.audit.actor import Actor
from spcore.audit.models import AuditRow
from spcore.errors import InvalidInput, NotFound
from sptenants.registry.errors import Forbidden
from sptenants.registry.key_service import ApiKeys, KeyFilter
from sptenants.registry.rights import MAX_NETWORKS, KeyLimits, Right, Use, read_networks

BY = Actor("person", "per_1", "王敏")
HERE = "203.0.113.7"


@pytest.fixture
def keys(town: Town) -> ApiKeys:
    return ApiKeys(town.database, town.vault, town.clock)


async def made(keys: ApiKeys, town: Town, limits: KeyLimits, name: str = "till") -> str:
    found = await keys.create(town.shop, town.shop.tenant_id, name, BY, limits=limits)
    return found.secret


async def test_a_key_without_limits_may_do_everything_from_everywhere(keys: ApiKeys, town: Town) -> None:
    key = (await keys.create(town.shop, town.shop.tenant_id, "till", BY)).secret
    for right in Right:
        assert (await town.door.by_api_key(key, None, Use(right, "2001:db8::1"))).scope == town.shop


async def test_a_key_does_what_its_rights_name_and_nothing_else(keys: ApiKeys, town: Town) -> None:
    key = await made(keys, town, KeyLimits([Right.ORDERS_READ, Right.ORDERS_WRITE]))

    assert (await town.door.by_api_key(key, None, Use(Right.ORDERS_WRITE, HERE))).scope == town.shop
    with pytest.raises(Forbidden, match="refunds:write"):
        await town.door.by_api_key(key, None, Use(Right.REFUNDS_WRITE, HERE))
    with pytest.raises(Forbidden, match="None"):  # a route that names no right is nobody's with a limit
        await town.door.by_api_key(key, None, Use(None, HERE))  # type: ignore[arg-type]


async def test_a_key_works_from_its_own_addresses_only(keys: ApiKeys, town: Town) -> None:
    key = await made(keys, town, KeyLimits(None, ["203.0.113.0/24", "2001:db8::/48"]))

    for peer in (HERE, "2001:db8::5"):
        assert (await town.door.by_api_key(key, None, Use(Right.ORDERS_READ, peer))).scope == town.shop
    for peer in ("203.0.114.1", "2001:db9::1", "::ffff:198.51.100.1", "unix", ""):
        with pytest.raises(Forbidden, match="may not be used from"):
            await town.door.by_api_key(key, None, Use(Right.ORDERS_READ, peer))


async def test_a_providers_key_has_rights_and_addresses_too(keys: ApiKeys, town: Town) -> None:
    limits = KeyLimits([Right.ORDERS_READ], ["203.0.113.7/32"])
    key = (await keys.create(town.sp.scope, None, "ops", BY, limits=limits)).secret

    assert (await town.door.provider_by_key(key, Use(Right.ORDERS_READ, HERE))).scope == town.sp.scope
    with pytest.raises(Forbidden, match="tenants:write"):
        await town.door.provider_by_key(key, Use(Right.TENANTS_WRITE, HERE))
    with pytest.raises(Forbidden, match="may not be used from"):
        await town.door.by_api_key(key, town.shop.tenant_id, Use(Right.ORDERS_READ, "198.51.100.1"))


async def test_comparing_costs_no_statement(keys: ApiKeys, town: Town) -> None:
    free = (await keys.create(town.shop, town.shop.tenant_id, "free", BY)).secret
    limited = await made(keys, town, KeyLimits([Right.ORDERS_READ], [f"{HERE}/32"]))
    use = Use(Right.ORDERS_READ, HERE)
    for key in (free, limited):
        await town.door.by_api_key(key, None, use)  # notes its use
        with counted(town.database) as cost:
            await town.door.by_api_key(key, None, use)
        assert len(cost.statements) == 1


async def test_what_is_wrong_with_the_limits_of_a_key_is_named(keys: ApiKeys, town: Town) -> None:
    for rights, code in (
        ([], "empty"),
        (["orders:eat"], "unknown_value"),
        (["tenants:write"], "unknown_value"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await made(keys, town, KeyLimits(rights))
        assert [(fault.pointer, fault.code) for fault in refused.value.faults] == [("#/rights", code)]
    assert (await keys.create(town.sp.scope, None, "ops", BY, limits=KeyLimits(["tenants:write"]))).id


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", None),
        (" \n ", None),
        ("203.0.113.7", ["203.0.113.7/32"]),
        ("203.0.113.7/24，2001:db8::1\n203.0.113.9/24", ["203.0.113.0/24", "2001:db8::1/128"]),
    ],
)
def test_addresses_are_read_as_people_write_them(typed: str, expected: list[str] | None) -> None:
    assert read_networks(typed, "#/networks") == (expected, [])


@pytest.mark.parametrize("typed", ["shop.example.com", "203.0.113.0/33", "1.2.3", "<script>"])
def test_what_is_no_address_is_refused(typed: str) -> None:
    networks, faults = read_networks(typed, "#/networks")
    assert networks is None
    assert [fault.code for fault in faults] == ["invalid_format"]


def test_a_list_of_addresses_has_an_end() -> None:
    many = " ".join(f"203.0.113.{number}" for number in range(MAX_NETWORKS + 1))
    assert [fault.code for fault in read_networks(many, "#/networks")[1]] == ["too_many"]


async def test_S13_T04_keys_are_seen_and_ended_by_whose_they_are(keys: ApiKeys, town: Town) -> None:
    own = await keys.create(town.shop, town.shop.tenant_id, "till", BY)
    await keys.create(town.sp.scope, None, "ops", BY)
    far = await keys.create(town.far_shop, town.far_shop.tenant_id, "till", BY)

    assert [row.name for row in (await keys.list(town.shop, KeyFilter(), 10)).rows] == ["till"]
    of_provider = (await keys.list(town.sp.scope, KeyFilter(), 10)).rows
    assert {(row.name, row.tenant_id) for row in of_provider} == {
        ("till", town.shop.tenant_id),
        ("ops", None),
    }
    assert [row.name for row in (await keys.list(town.sp.scope, KeyFilter(own=True), 10)).rows] == ["ops"]
    assert own.secret not in repr(of_provider)
    for scope in (town.shop, town.sp.scope, town.other_shop):
        with pytest.raises(NotFound):
            await keys.revoke(scope, far.id, BY)
    with pytest.raises(NotFound):
        await keys.revoke(town.other_shop, own.id, BY)
    with pytest.raises(NotFound):
        await keys.create(town.shop, town.other_shop.tenant_id, "theirs", BY)
    with pytest.raises(NotFound):
        await keys.create(town.shop, None, "not the provider's", BY)
    await keys.revoke(town.shop, own.id, BY)
    assert (await keys.list(town.shop, KeyFilter(in_use=True), 10)).rows == []


async def test_making_a_key_is_audited_without_the_key(keys: ApiKeys, town: Town) -> None:
    limits = KeyLimits([Right.ORDERS_READ], ["203.0.113.0/24"])
    made_key = await keys.create(town.shop, town.shop.tenant_id, "till", BY, limits=limits)
    mine = select(AuditRow).where(AuditRow.chain == town.shop.provider_id, AuditRow.object_id == made_key.id)
    async with town.database.read(town.sp.scope) as session:
        row = (await session.scalars(mine)).one()
    assert (row.actor_name, row.action) == ("王敏", "api_key.created")
    assert row.after is not None
    assert row.after["rights"] == ["orders:read"]
    assert row.after["networks"] == ["203.0.113.0/24"]
    assert made_key.secret not in str(row.after)
