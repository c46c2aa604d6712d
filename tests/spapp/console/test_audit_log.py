"""The audit log as pages: one's own chain, every chain for the platform, and their check (A01, A06, T09)."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import select
from tests.support.databases import postgres_url
from tests.support.shop import Shop
from tests.support.visitor import Visitor

from spcore.audit.models import AuditRow
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope


async def test_A06_an_act_says_who_what_why_and_hides_secrets(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["provider_viewer"])

    listed = await visitor.get("/console/audit-log")
    act = await visitor.get(f"/console/audit-log/{shop.acts['own']}")
    part = await visitor.get(f"/console/audit-log/{shop.acts['neighbour']}", htmx=True)

    assert "更换服务商密钥" in listed.text
    assert "何总" not in listed.text
    for words in ("王敏", "密钥疑似外泄，按流程更换", "203.0.113.7", "已更改"):
        assert words in act.text
    assert "晨曦咖啡" in part.text
    assert "<html" not in part.text


async def test_the_list_is_filtered_by_action_person_object_and_tenant(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    tenant = shop.tenants["晨曦咖啡"].tenant_id

    for query, seen, unseen in (
        ("action=provider.key_set", "own", "neighbour"),
        (f"actor=王敏&tenant={tenant}", "neighbour", "own"),
        (f"q={shop.providers[0].provider_id}", "own", "neighbour"),
        ("range=today", "own", "other provider"),
    ):
        page = await visitor.get(f"/console/audit-log?{query}")
        assert shop.acts[seen] in page.text, query
        assert shop.acts[unseen] not in page.text, query
    nothing = await visitor.get("/console/audit-log?actor=nobody")
    assert "没有符合条件的记录" in nothing.text
    assert "不是有效的翻页游标" in (await visitor.get("/console/audit-log?cursor=x")).text


async def test_T09_the_platform_sees_every_chain_and_its_look_is_written_down(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people["platform_auditor"])

    listed = await visitor.get(f"/admin/audit?provider={shop.providers[1].provider_id}")
    viewed = await visitor.get(f"/admin/audit/{shop.acts['other provider']}")

    assert "何总" in listed.text
    assert "汇通科技" in viewed.text
    actions = ["audit.listed", "audit.viewed"]
    query = select(AuditRow).where(AuditRow.action.in_(actions)).order_by(AuditRow.seq)
    async with database.read(PlatformScope("test")) as session:
        listing, view = await session.scalars(query)
    assert listing.after is not None
    assert listing.after["filter"] == {"provider": shop.providers[1].provider_id}
    assert (view.object_id, view.actor_name) == (shop.acts["other provider"], "吴审")


@pytest.mark.parametrize("broken", [False, True])
async def test_A01_the_check_names_the_first_row_that_does_not_hold(
    visitor: Visitor, shop: Shop, database_url: str, *, broken: bool
) -> None:
    await visitor.sign_in(shop.people["platform_admin"])
    page = await visitor.get("/admin/audit")
    assert "系统每日自动校验" in page.text
    if broken:
        with sqlite3.connect(database_url.partition(":///")[2]) as file:
            file.execute("DROP TRIGGER audit_log_no_update")
            file.execute("UPDATE audit_log SET actor_name = 'x' WHERE id = ?", (shop.acts["own"],))
        file.close()

    checked = await visitor.post("/admin/audit/check", page.text)
    shown = await visitor.get("/admin/audit")

    assert checked.status_code == 303
    assert ("被改动" in shown.text) is broken
    assert (shop.acts["own"] in shown.text.partition("<table")[0]) is broken
    assert "周平" in shown.text


async def test_the_chain_is_taken_along_as_a_file_and_that_is_an_act_too(
    visitor: Visitor, shop: Shop
) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    page = await visitor.get("/console/audit-log?action=provider.key_set")
    query = {"kind": "audit", "query": "action=provider.key_set"}

    file = await visitor.post("/console/exports", page.text, **query)
    await visitor.sign_in(shop.people["merchant_user"])
    none = await visitor.post("/m/exports", (await visitor.get("/account")).text, **query)

    lines = file.text.splitlines()
    assert len(lines) == 2
    assert "更换服务商密钥" in lines[1]
    assert "何总" not in file.text
    assert none.status_code == 404


class TestOnPostgreSQL:
    """The same pages where row-level security stands behind them."""

    @pytest.fixture
    def database_url(self) -> str:
        return postgres_url()

    async def test_people_and_audit_pages(self, visitor: Visitor, shop: Shop) -> None:
        await visitor.sign_in(shop.people["provider_owner"])
        for path, words in (
            ("/account", "已登录的设备"),
            ("/console/members?q=clerk", "林收银"),
            (f"/console/members/{shop.members['clerk']}", "解除锁定"),
            ("/console/audit-log?action=provider.key_set", "王敏"),
            (f"/console/audit-log/{shop.acts['own']}", "已更改"),
        ):
            page = await visitor.get(path)
            assert page.status_code == 200, path
            assert words in page.text, path
        assert (await visitor.get(f"/console/audit-log/{shop.acts['other provider']}")).status_code == 404
        await visitor.sign_in(shop.people["platform_admin"])
        visit = f"/admin/service-providers/{shop.providers[1].provider_id}/visit"
        for path in (
            "/admin/users?status=all",
            f"/admin/users/{shop.persons['clerk']}",
            "/admin/audit",
            visit,
        ):
            page = await visitor.get(path)
            assert page.status_code == 200, path
        assert (await visitor.post(visit, page.text, reason="核对一笔退款")).status_code == 303
        assert "汇通科技" in (await visitor.get("/console/audit-log")).text
