"""Read models of tenants: the scope decides what there is to see (T02, Y3, Y4)."""

from __future__ import annotations

import pytest
from tests.sptenants.registry.conftest import Town

from spcore.db.scope import PlatformScope
from spcore.errors import InvalidInput, NotFound
from sptenants.registry.binding_changes import NewBinding
from sptenants.registry.reader import ReadScope, TenantFilter, TenantReader
from sptenants.registry.tenants import NewTenant

ALL = TenantFilter()
MINI = NewBinding("wx3f8c21d0b7e6a91c", "miniprogram", "provider", "CANARYappsecret")


async def names(town: Town, scope: ReadScope, wanted: TenantFilter = ALL) -> set[str]:
    page = await TenantReader(town.database).list(scope, wanted, 100)
    return {row.id for row in page.rows}


async def test_T02_each_scope_lists_its_own_tenants(town: Town) -> None:
    shop, other, far = town.shop.tenant_id, town.other_shop.tenant_id, town.far_shop.tenant_id

    assert await names(town, town.sp.scope) == {shop, other}
    assert await names(town, town.stranger.scope) == {far}
    assert await names(town, town.shop) == {shop}
    assert await names(town, PlatformScope("test")) == {shop, other, far}


async def test_rows_carry_what_the_list_shows(town: Town) -> None:
    await town.registry.add_binding(town.sp, town.shop.tenant_id, MINI)
    await town.registry.add_binding(town.sp, town.other_shop.tenant_id, MINI)
    page = await TenantReader(town.database).list(town.shop, ALL, 20)

    (row,) = page.rows
    assert (row.status, row.mode, row.bindings_count) == ("live", "test", 1)
    assert (row.provider_id, row.provider_name) == (town.sp.provider.id, town.sp.provider.name)


async def test_pages_hold_every_tenant_once_newest_first(town: Town) -> None:
    made = []
    for number in range(7):
        town.clock.advance(seconds=1)
        new = NewTenant(f"新店 {number}", f"{1700000000 + number}")
        made.append((await town.registry.create_tenant(town.sp, new)).id)
    reader, seen, cursor = TenantReader(town.database), [], None
    while True:
        page = await reader.list(town.sp.scope, TenantFilter(status="draft"), 3, cursor)
        seen.append([row.id for row in page.rows])
        if page.next_cursor is None:
            break
        cursor = page.next_cursor

    assert [len(rows) for rows in seen] == [3, 3, 1]
    assert [row for rows in seen for row in rows] == list(reversed(made))


async def test_T02_a_neighbours_cursor_shows_only_own_rows(town: Town) -> None:
    page = await TenantReader(town.database).list(town.sp.scope, ALL, 1)
    assert page.next_cursor is not None

    theirs = await TenantReader(town.database).list(town.stranger.scope, ALL, 5, page.next_cursor)
    assert {row.provider_id for row in theirs.rows} <= {town.stranger.provider.id}
    with pytest.raises(InvalidInput):
        await TenantReader(town.database).list(town.sp.scope, ALL, 5, "' OR 1=1")


async def test_T02_search_finds_own_tenants_by_name_part_and_exact_numbers(town: Town) -> None:
    await town.registry.add_binding(town.sp, town.shop.tenant_id, MINI)

    async def found(q: str) -> set[str]:
        return await names(town, town.sp.scope, TenantFilter(q=q))

    detail = await TenantReader(town.database).detail(town.sp.scope, town.shop.tenant_id)
    sub_mch_id = detail.tenant.sub_mch_id or ""
    assert await found(detail.tenant.name[:2]) == {town.shop.tenant_id, town.other_shop.tenant_id}
    assert await found(detail.tenant.name) == {town.shop.tenant_id}
    assert await found(sub_mch_id) == {town.shop.tenant_id}
    assert await found(sub_mch_id[:-1]) == set()
    assert await found(MINI.sub_appid) == {town.shop.tenant_id}
    assert await found(town.far_shop.tenant_id) == set()
    assert await found("%") == set()
    assert await found("_") == set()


async def test_counts_by_status_are_of_the_scope(town: Town) -> None:
    await town.registry.create_tenant(town.sp, NewTenant("晨曦咖啡", "1700000021"))
    reader = TenantReader(town.database)

    assert await reader.counts(town.sp.scope) == {"live": 2, "draft": 1}
    assert await reader.counts(town.stranger.scope) == {"live": 1}
    assert await reader.counts(PlatformScope("test")) == {"live": 3, "draft": 1}


async def test_S1_05_the_detail_of_a_tenant_tells_of_secrets_only_that_they_are_there(town: Town) -> None:
    await town.registry.add_binding(town.sp, town.shop.tenant_id, MINI)
    old = await town.registry.create_api_key(town.sp, town.shop.tenant_id, "old")
    await town.registry.revoke_api_key(town.sp, old.id)
    key = await town.registry.create_api_key(town.sp, town.shop.tenant_id, "server")
    await town.registry.create_api_key(town.sp, town.other_shop.tenant_id, "server")

    detail = await TenantReader(town.database).detail(town.sp.scope, town.shop.tenant_id)

    (bound,) = detail.bindings
    assert (bound.slot, bound.sub_appid, bound.has_secret) == (1, MINI.sub_appid, True)
    assert [(row.name, row.revoked_at is None) for row in detail.api_keys] == [
        ("server", True),
        ("old", False),
    ]
    shown = repr(detail)
    assert key.secret not in shown
    assert MINI.app_secret is not None
    assert MINI.app_secret not in shown


async def test_Y3_foreign_and_missing_tenants_have_the_same_no_detail(town: Town) -> None:
    reader = TenantReader(town.database)
    answers = []
    for scope, tenant_id in (
        (town.sp.scope, town.far_shop.tenant_id),
        (town.shop, town.other_shop.tenant_id),
        (town.sp.scope, "ten_01JD3K8W7Q4M6X0B2T9V5H1CZN"),
        (PlatformScope("test"), "nonsense"),
    ):
        with pytest.raises(NotFound) as refused:
            await reader.detail(scope, tenant_id)
        answers.append((refused.value.text, refused.value.extra))
    assert answers == [answers[0]] * 4
