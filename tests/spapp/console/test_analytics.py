"""The analysis across tenants and the refusals: views, files of them, and an audit row for each look."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.conftest import HeldClock
from tests.support.journal_rows import add_notification
from tests.support.shop import LONG_NAME, Shop
from tests.support.visitor import Visitor

from spapp.console.analytics.export import VIEWS
from spapp.console.analytics.query import MOST_DAYS, AnalyticsQuery
from spcore.audit.models import PLATFORM_CHAIN, AuditRow
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope

HEADINGS = (
    "每日成功金额与成功率",
    "下单失败原因",
    "特约商户排行",
    "通知延迟",
    "退款率",
    "大额退款",
    "路由拒绝",
)


async def looks(database: Database, action: str) -> list[AuditRow]:
    query = select(AuditRow).where(AuditRow.chain == PLATFORM_CHAIN, AuditRow.action == action)
    async with database.read(PlatformScope("test")) as session:
        return list(await session.scalars(query.order_by(AuditRow.seq)))


async def test_all_views_are_there_and_the_look_is_an_audit_row(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people["platform_auditor"])

    page = await visitor.get("/admin/analytics?range=30d")

    assert page.status_code == 200
    for heading in (*HEADINGS, "Webhook 成功率"):
        assert heading in page.text
    assert "已支付订单 ÷ 取得预支付的订单，创建不足 30 分钟的订单不计入" in page.text
    (look,) = await looks(database, "analytics.viewed")
    assert look.after == {"filter": {"range": "30d"}}


async def test_other_areas_have_no_way_in(visitor: Visitor, shop: Shop) -> None:
    for role in ("provider_owner", "merchant_user"):
        await visitor.sign_in(shop.people[role])
        for path in ("/admin/analytics", "/admin/routing", "/admin"):
            assert (await visitor.get(path)).status_code == 403
    await visitor.sign_in(shop.people["provider_owner"])
    file = await visitor.get("/console/exports/new?kind=analytics&query=view%3Ddaily")
    assert file.status_code == 404


async def test_filters_narrow_every_view(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["platform_admin"])
    second = shop.providers[1].provider_id

    of_one = (await visitor.get(f"/admin/analytics?provider={second}")).text
    none = (await visitor.get("/admin/analytics?mode=live")).text
    app = (await visitor.get("/admin/analytics?appid=wx0000000000000000")).text

    ranked = of_one.split('id="ranking-title"', 1)[1].split("</section>", 1)[0]
    assert "仁康门诊部" in ranked
    assert "晨曦咖啡" not in ranked
    for page in (none, app):
        assert "这段时间没有订单" in page
        assert "¥0.00" in page


async def test_a_tenant_that_tripled_is_flagged(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["platform_admin"])
    page = (await visitor.get("/admin/analytics")).text
    flagged = re.search(r"仁康门诊部.*?</td>", page.split('id="ranking-title"', 1)[1], re.DOTALL)
    assert flagged is not None
    assert "↑ 变化" in flagged[0]


async def test_a_reason_of_failure_leads_to_its_orders(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["platform_admin"])
    page = (await visitor.get("/admin/analytics")).text
    link = re.search(r'href="(/admin/transactions\?[^"]*failure=APPID_MCHID_NOT_MATCH)"', page)
    assert link is not None

    url = link[1].replace("&amp;", "&")
    found = (await visitor.get(url)).text
    other = (await visitor.get(url.replace("APPID_MCHID_NOT_MATCH", "NOAUTH"))).text

    assert shop.orders["failed"] in found
    assert shop.orders["closed"] not in found
    assert shop.orders["failed"] not in other


@pytest.mark.parametrize(
    ("asked", "first", "last", "faults"),
    [
        pytest.param({}, "2026-11-08", "2026-11-21", 0, id="14 days unasked"),
        pytest.param({"range": "7d"}, "2026-11-15", "2026-11-21", 0, id="a preset"),
        pytest.param({"from": "2026-11-01", "to": "2026-11-03"}, "2026-11-01", "2026-11-03", 0, id="days"),
        pytest.param({"from": "2026-11-03", "to": "2026-11-01"}, "2026-11-01", "2026-11-03", 1, id="turned"),
        pytest.param({"from": "2020-01-01"}, "2026-08-22", "2026-11-21", 1, id="too long"),
        pytest.param({"range": "all"}, "2026-11-08", "2026-11-21", 0, id="not offered here"),
        pytest.param({"from": "yesterday"}, "2026-11-08", "2026-11-21", 1, id="no date"),
    ],
)
def test_a_range_is_whole_days_and_never_too_long(
    clock: HeldClock, asked: dict[str, str], first: str, last: str, faults: int
) -> None:
    query = AnalyticsQuery.parse("/admin/analytics", asked, clock.now())
    assert (str(query.first), str(query.last)) == (first, last)
    assert len(query.faults) == faults
    assert (query.last - query.first).days < MOST_DAYS


async def test_S07_every_view_is_a_file_with_a_reason(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["platform_auditor"])
    page = (await visitor.get("/admin/analytics?range=7d")).text
    for name, view in VIEWS.items():
        link = re.search(rf'href="(/admin/exports/new\?kind=analytics&amp;query=view%3D{name}[^"]*)"', page)
        assert link is not None
        form = (await visitor.get(link[1].replace("&amp;", "&"))).text
        query = f"view={name}&range=7d"

        refused = await visitor.post("/admin/exports", form, kind="analytics", query=query)
        file = await visitor.post("/admin/exports", form, kind="analytics", query=query, reason="月度审计")

        assert refused.status_code == 422
        assert file.headers["content-type"].startswith("text/csv")
        head, *_lines = file.content.decode("utf-8-sig").split("\r\n")
        assert head.split(",")[0] == view.columns[0].title.zh


async def test_refused_notifications_lead_to_their_evidence(
    visitor: Visitor, shop: Shop, database: Database, clock: HeldClock
) -> None:
    tenant, at = shop.tenants[LONG_NAME], clock.now() - timedelta(seconds=1)
    forged = await add_notification(database, tenant, at, "rejected", reason="bad_signature")
    fine = await add_notification(database, tenant, at, "processed")
    await visitor.sign_in(shop.people["platform_auditor"])

    page = (await visitor.get("/admin/routing")).text
    of_result = (await visitor.get("/admin/routing?result=unmatched")).text
    of_provider = (await visitor.get(f"/admin/routing?provider={shop.providers[1].provider_id}")).text

    assert f'href="/admin/notifies/{forged}"' in page
    assert fine not in page
    assert forged not in of_result
    assert forged not in of_provider
    assert (await visitor.get(f"/admin/notifies/{forged}")).status_code == 200
    first, *_ = await looks(database, "routing.viewed")
    assert first.after is not None
    assert first.after["tab"] == "notifies"


async def test_refused_calls_are_counted_by_reason_with_the_last_request(
    visitor: Visitor, shop: Shop
) -> None:
    await visitor.sign_in(shop.people["platform_admin"])

    page = (await visitor.get("/admin/routing?status=calls")).text
    of_reason = (await visitor.get("/admin/routing?status=calls&reason=amount_named")).text

    assert "密钥无效" in page
    assert "214" in page
    assert "req_" in page
    rows = of_reason.split("<tbody>", 1)[1]
    assert "小程序自带金额" in rows
    assert "密钥无效" not in rows


async def test_messages_at_unknown_addresses_are_seen_without_their_content(
    visitor: Visitor, shop: Shop
) -> None:
    await visitor.sign_in(shop.people["platform_admin"])
    page = (await visitor.get("/admin/routing?status=strays")).text
    assert "198.51.100.23" in page
    assert "这些消息的地址不属于任何商户" in page
    for tab in ("notifies", "calls"):
        empty = await visitor.get(f"/admin/routing?status={tab}&from=2020-01-01&to=2020-01-02")
        assert "没有符合条件的拒绝" in empty.text
    foreign = await visitor.get("/admin/routing?cursor=%21%21")
    assert foreign.status_code == 200
    assert "不是有效的翻页游标" in foreign.text
