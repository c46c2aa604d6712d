"""Exports over HTTP: whose rows, which rows, with which reason, at once or by the worker (S07, Y4)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.conftest import HeldClock
from tests.support.exporting import acts, rows_of
from tests.support.shop import HOSTILE_NAME, LONG_NAME, OPENID, Shop
from tests.support.visitor import Visitor, site_environment

from spapp.console.exports import desk
from spapp.exports import writing
from spapp.wiring import Services, build
from spcore.db.engine import Database
from spcore.settings import Settings

OWNER, FINANCE, MERCHANT, ADMIN = "provider_owner", "provider_finance", "merchant_user", "platform_admin"
ALL = {"kind": "orders", "query": "range=all"}


@pytest.fixture
async def services(database_url: str, clock: HeldClock) -> AsyncIterator[Services]:
    built = build(Settings.from_env(site_environment(database_url)), clock)
    yield built
    await built.close()


@pytest.fixture
def long_from_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "AT_ONCE", 10)


async def export(visitor: Visitor, area: str = "/console", **form: str) -> bytes:
    page = await visitor.get(f"{area}/exports")
    answer = await visitor.post(f"{area}/exports", page.text, **form)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    return answer.content


async def test_a_provider_takes_its_own_orders_along_by_the_filter_of_the_list(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people[FINANCE])

    rows = rows_of(await export(visitor, kind="orders", query="status=refunded&range=all"))

    assert {row["订单 ID"] for row in rows} == {shop.orders[key] for key in ("refunded", "partly", "largest")}
    largest = next(row for row in rows if row["订单 ID"] == shop.orders["largest"])
    assert largest["金额（元）"] == "9999999.99"
    assert largest["微信支付订单号"] == "`4200002611202611215530918274"
    assert largest["特约商户"] == LONG_NAME
    act = (await acts(database, "list.exported", chain=shop.providers[0].provider_id))[-1]
    assert act.actor_name == "钱财"
    assert act.after == {"kind": "orders", "filter": {"status": "refunded", "range": "all"}, "rows": 3}


async def test_T01_nobody_takes_a_neighbours_orders_along(visitor: Visitor, shop: Shop) -> None:
    foreign = shop.tenants["仁康门诊部"].tenant_id
    await visitor.sign_in(shop.people[OWNER])
    provider = await export(visitor, **ALL)
    nothing = await export(visitor, kind="orders", query=f"range=all&tenant={foreign}")
    await visitor.sign_in(shop.people[MERCHANT])
    merchant = await export(visitor, "/m", **ALL)

    assert shop.orders["other tenant"].encode() not in provider
    assert rows_of(nothing) == []
    assert shop.orders["latest"].encode() in merchant
    assert shop.orders["largest"].encode() not in merchant
    assert "特约商户" not in rows_of(merchant)[0]


async def test_A02_a_file_holds_no_openid_and_S07_names_are_harmless(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    content = await export(visitor, **ALL)

    assert OPENID.encode() not in content
    assert HOSTILE_NAME in {row["商品"] for row in rows_of(content)}


async def test_refunds_are_exported_like_orders(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    rows = rows_of(await export(visitor, kind="refunds", query="status=abnormal"))

    assert [row["退款 ID"] for row in rows] == [shop.refunds["abnormal"]]
    assert rows[0]["退款金额（元）"] == "888.00"


@pytest.mark.parametrize("role", ["provider_operator", "provider_viewer"])
async def test_who_may_not_export_is_not_offered_it(visitor: Visitor, shop: Shop, role: str) -> None:
    await visitor.sign_in(shop.people[role])
    listed = await visitor.get("/console/orders")

    answer = await visitor.post("/console/exports", listed.text, **ALL)

    assert "/console/exports" not in listed.text
    assert answer.status_code == 403


async def test_Y4_the_platform_says_why_before_a_row_leaves(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people[ADMIN])
    form = await visitor.get("/admin/exports/new?kind=orders&query=range%3Dall")

    without = await visitor.post("/admin/exports", form.text, **ALL)
    with_reason = await visitor.post("/admin/exports", form.text, reason="监管抽查", **ALL)

    assert without.status_code == 422
    assert 'aria-invalid="true"' in without.text
    rows = rows_of(with_reason.content)
    assert {row["服务商"] for row in rows} == {"云启支付服务", "汇通科技"}
    (act,) = await acts(database, "list.exported")
    assert (act.reason, (act.after or {})["rows"]) == ("监管抽查", len(rows))


async def test_what_cannot_be_exported_is_not_found(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[ADMIN])

    for kind in ("refunds", "people", ""):
        assert (await visitor.get(f"/admin/exports/new?kind={kind}")).status_code == 404


# --- by the worker --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("long_from_ten")
async def test_a_long_export_is_written_by_the_worker_and_fetched_later(
    visitor: Visitor,
    shop: Shop,
    database: Database,
    services: Services,
    clock: HeldClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "PART", 2000)
    await visitor.sign_in(shop.people[FINANCE])
    page = await visitor.get("/console/exports")
    assert "没有在后台生成的文件" in page.text
    asked = await visitor.post("/console/exports", page.text, **ALL)
    assert (asked.status_code, asked.headers["location"]) == (303, "/console/exports")
    waiting = await visitor.get("/console/exports", htmx=True)
    assert "排队中" in waiting.text
    assert 'hx-trigger="every 3s"' in waiting.text

    assert await services.export_writing.run_due("w1") == 1
    assert await services.export_writing.run_due("w1") == 0

    done = await visitor.get("/console/exports")
    assert "可下载" in done.text
    file = done.text.split('href="/console/exports/file')[1].split('"')[0]
    fetched = await visitor.get(f"/console/exports/file{file}")
    rows = rows_of(fetched.content)
    assert len(rows) == len({row["订单 ID"] for row in rows}) == 30 + len(shop.orders) - 1
    chain = shop.providers[0].provider_id
    told = await acts(database, "export.requested", "export.written", "export.downloaded", chain=chain)
    assert [act.action for act in told] == ["export.requested", "export.written", "export.downloaded"]
    assert [(act.after or {}).get("rows") for act in told] == [None, len(rows), len(rows)]

    await visitor.sign_in(shop.people[OWNER])
    assert (await visitor.get(f"/console/exports/file{file}")).status_code == 404
    assert file not in (await visitor.get("/console/exports")).text

    clock.advance(hours=25)
    await visitor.sign_in(shop.people[FINANCE])
    assert (await visitor.get(f"/console/exports/file{file}")).status_code == 404
    await services.export_writing.tidy()


@pytest.mark.usefixtures("long_from_ten")
async def test_the_file_of_a_killed_worker_is_begun_anew_and_a_broken_one_is_given_up(
    visitor: Visitor, shop: Shop, services: Services, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await visitor.sign_in(shop.people[FINANCE])
    page = await visitor.get("/console/exports")
    await visitor.post("/console/exports", page.text, **ALL)
    work = services.export_writing

    assert await work._claim("killed") is not None
    assert await work.run_due("w2") == 0  # the lease holds
    clock.advance(minutes=11)
    monkeypatch.setattr(services.exports, "_kinds", {})
    for _ in range(2):
        assert await work.run_due("w2") == 1
        clock.advance(minutes=2)
    assert await work.run_due("w2") == 0

    assert "生成失败" in (await visitor.get("/console/exports")).text


@pytest.mark.usefixtures("long_from_ten")
async def test_today_stays_the_day_on_which_it_was_asked_for(
    visitor: Visitor, shop: Shop, services: Services, clock: HeldClock
) -> None:
    await visitor.sign_in(shop.people[FINANCE])
    page = await visitor.get("/console/exports")
    await visitor.post("/console/exports", page.text, kind="orders", query="")
    clock.advance(hours=6)  # it is another day by now

    await services.export_writing.run_due("w1")

    await visitor.sign_in(shop.people[FINANCE])
    done = await visitor.get("/console/exports")
    file = done.text.split('href="/console/exports/file')[1].split('"')[0]
    assert shop.orders["latest"].encode() in (await visitor.get(f"/console/exports/file{file}")).content
