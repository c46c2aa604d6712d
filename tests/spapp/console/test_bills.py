"""The pages of bills over HTTP: every state with its cause, the file, fetching again, and who may what."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import insert, select
from tests.conftest import HeldClock
from tests.support.audited import acts_of
from tests.support.shop import Shop
from tests.support.shop_differences import STRANGE_NUMBER
from tests.support.visitor import Visitor

from spapp.accounts.models import Role
from spapp.console.bills.words import BILL, PROBLEMS
from spcore.audit.models import PLATFORM_CHAIN
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.ids import new_id
from sptenants.bills.models import Bill
from sptenants.bills.states import BillState, OwnProblem
from wechatpay.bills import BillProblem

OWNER, FINANCE, ADMIN = Role.PROVIDER_OWNER, Role.PROVIDER_FINANCE, Role.PLATFORM_ADMIN
_DAYS = re.compile(r'<a class="c-main c-num" href="/console/bills/(\d{4}-\d\d-\d\d)"')


async def bill(database: Database, shop: Shop, bill_id: str, provider: int = 0) -> Bill:
    scope = shop.providers[provider]
    query = select(Bill).where(Bill.provider_id == scope.provider_id, Bill.id == bill_id)
    async with database.read(ProviderScope(scope.provider_id)) as session:
        return (await session.scalars(query)).one()


def test_every_state_and_every_problem_has_its_words() -> None:
    assert set(BILL) == set(BillState)
    assert set(PROBLEMS) == {*BillProblem, *OwnProblem}


async def test_the_newest_day_comes_first_with_the_state_of_each_bill(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    text = (await visitor.get("/console/bills")).text

    days = _DAYS.findall(text)
    assert days == sorted(days, reverse=True)
    assert days[0] == str(shop.bills.days["different"])
    for words in ("有差异", "已对平", "下载失败", "未出账", "哈希不一致", "微信还在生成", "日期不提供"):
        assert words in text
    assert str(shop.bills.days["other provider"]) not in days


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("state=failed", ["failed", "too old"], id="of one state"),
        pytest.param("kind=fund&state=waiting", ["failed"], id="of kind and state"),
        pytest.param("state=nonsense&to=2026-11-17", ["empty", "neighbour", "too old"], id="until a day"),
        pytest.param("from=2020-01-01&to=2020-01-02", [], id="nothing"),
    ],
)
async def test_filters_narrow_the_list(
    visitor: Visitor, shop: Shop, clock: HeldClock, given: str, expected: list[str]
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    days = shop.bills.days | {"too old": shop.bills.days["different"] - timedelta(days=119)}

    found = _DAYS.findall((await visitor.get(f"/console/bills?{given}")).text)

    assert found == [str(days[key]) for key in expected]


async def test_a_long_list_goes_on_behind_its_last_day(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    scope, first = shop.providers[0], shop.bills.days["different"] - timedelta(days=60)
    rows = [
        {
            "id": new_id("bil", shop.now),
            "provider_id": scope.provider_id,
            "bill_date": first - timedelta(days=back),
            "kind": "trade",
            "requested_by": "schedule",
            "created_at": shop.now,
            "updated_at": shop.now,
        }
        for back in range(25)
    ]
    async with database.write(scope) as session:
        await session.execute(insert(table_of(Bill)), rows)
    await visitor.sign_in(shop.people[OWNER])

    page = await visitor.get("/console/bills")
    (following,) = re.findall(r'rel="next" href="([^"]+)"', page.text)
    rest = _DAYS.findall((await visitor.get(following.replace("&amp;", "&"))).text)

    shown = _DAYS.findall(page.text)
    assert (len(shown), len(rest)) == (20, 11)
    assert shown == sorted(shown, reverse=True)
    assert rest[0] < shown[-1]
    assert "游标" in (await visitor.get("/console/bills?cursor=bm90LWEtZGF5")).text


async def test_L02_the_day_shows_hash_sums_and_lines_of_nobody(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    text = (await visitor.get(f"/console/bills/{shop.bills.days['different']}")).text

    for words in (
        "算出的 SHA-1",
        "微信告知的 SHA-1",
        "&lt;b&gt;费率备注",
        "¥612.31",
        "¥612.30",
        "晨曦咖啡",
        STRANGE_NUMBER,
        "商户看不到这些行",
    ):
        assert words in text


async def test_L02_a_wrong_hash_names_cause_and_next_attempt(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    text = (await visitor.get(f"/console/bills/{shop.bills.days['failed']}")).text

    assert "下载到的内容与微信告知的 SHA-1 不一致，已丢弃。" in text
    assert "11" in text
    assert "2026-11-22 02:50:00" in text
    assert "通常次日 10 点后出账" in text
    assert "下载文件" not in text


@pytest.mark.parametrize("role", [OWNER, FINANCE])
async def test_a_bill_is_fetched_again_and_that_is_written_down(
    visitor: Visitor, shop: Shop, database: Database, clock: HeldClock, role: Role
) -> None:
    await visitor.sign_in(shop.people[role])
    day, bill_id = shop.bills.days["failed"], shop.bills.bills["failed"]
    page = await visitor.get(f"/console/bills/{day}")

    answer = await visitor.post(f"/console/bills/{day}/{bill_id}/fetch", page.text)

    assert (answer.status_code, answer.headers["location"]) == (303, f"/console/bills/{day}")
    after = await bill(database, shop, bill_id)
    assert (after.state, after.problem, after.attempts, after.next_at) == ("waiting", None, 0, clock.now())
    (act,) = await acts_of(database, shop.providers[0].provider_id, "bill.fetch_requested")
    assert (act.object_id, act.peer is not None) == (bill_id, True)
    listed = (await visitor.get("/console/audit-log?action=bill.fetch_requested")).text
    assert "重新下载账单" in listed


@pytest.mark.parametrize("role", [Role.PROVIDER_OPERATOR, Role.PROVIDER_VIEWER])
async def test_who_may_not_reconcile_fetches_and_downloads_nothing(
    visitor: Visitor, shop: Shop, role: Role
) -> None:
    await visitor.sign_in(shop.people[role])
    day, bill_id = shop.bills.days["different"], shop.bills.bills["different"]
    page = await visitor.get(f"/console/bills/{day}")

    assert page.status_code == 200
    assert "/fetch" not in page.text
    assert "/download" not in page.text
    assert (await visitor.post(f"/console/bills/{day}/{bill_id}/fetch", page.text)).status_code == 403
    assert (await visitor.get(f"/console/bills/{day}/{bill_id}/download")).status_code == 403
    assert (await visitor.post("/console/bills", page.text, day=str(day), kind="trade")).status_code == 403


async def test_S02_without_the_token_of_the_form_nothing_is_fetched(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    day, bill_id = shop.bills.days["failed"], shop.bills.bills["failed"]

    assert (await visitor.post(f"/console/bills/{day}/{bill_id}/fetch", "")).status_code == 403
    assert (await bill(database, shop, bill_id)).state == "failed"


async def test_the_file_is_sent_as_it_came(visitor: Visitor, shop: Shop, database: Database) -> None:
    await visitor.sign_in(shop.people[OWNER])
    day, bill_id = shop.bills.days["balanced"], shop.bills.bills["balanced"]

    file = await visitor.get(f"/console/bills/{day}/{bill_id}/download")

    assert file.status_code == 200
    assert file.headers["content-disposition"] == f'attachment; filename="bill-{day:%Y%m%d}-trade.csv"'
    assert len(file.content) == (await bill(database, shop, bill_id)).size
    assert file.content.decode().startswith("\ufeff交易时间,")
    (act,) = await acts_of(database, shop.providers[0].provider_id, "bill.downloaded")
    assert act.object_id == bill_id
    empty = f"/console/bills/{shop.bills.days['empty']}/{shop.bills.bills['empty']}/download"
    wrong_day = f"/console/bills/{shop.bills.days['empty']}/{bill_id}/download"
    assert [(await visitor.get(path)).status_code for path in (empty, wrong_day)] == [404, 404]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"day": "20261120", "kind": "trade"}, "day", id="no date"),
        pytest.param({"day": "2026-11-22", "kind": "trade"}, "day", id="a day that has not come"),
        pytest.param({"day": "2026-11-19", "kind": "all"}, "kind", id="no kind"),
    ],
)
async def test_a_form_that_names_no_bill_is_shown_again(
    visitor: Visitor, shop: Shop, fields: dict[str, str], field: str
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    page = await visitor.get("/console/bills")

    answer = await visitor.post("/console/bills", page.text, **fields)

    assert answer.status_code == 422
    assert f'aria-describedby="{field}-wrong"' in answer.text
    assert "没有下载，请更正标出的内容。" in answer.text


async def test_any_day_can_be_fetched_also_of_one_sub_merchant(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    page = await visitor.get("/console/bills")
    coffee, clinic = shop.tenants["晨曦咖啡"].tenant_id, shop.tenants["仁康门诊部"].tenant_id

    done = await visitor.post("/console/bills", page.text, day="2026-11-01", kind="trade", tenant=coffee)
    foreign = await visitor.post("/console/bills", page.text, day="2026-11-01", kind="trade", tenant=clinic)

    assert (done.status_code, done.headers["location"]) == (303, "/console/bills/2026-11-01")
    assert foreign.status_code == 404
    text = (await visitor.get("/console/bills/2026-11-01")).text
    assert "1612345678" in text
    assert "未出账" in text
    (act,) = await acts_of(database, shop.providers[0].provider_id, "bill.fetch_requested")
    assert act.tenant_id == coffee


async def test_Y4_the_platform_sees_all_providers_and_fetches_by_its_administrators_alone(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    day, theirs = shop.bills.days["different"], shop.bills.bills["other fund"]
    second = shop.providers[1].provider_id
    await visitor.sign_in(shop.people[Role.PLATFORM_AUDITOR])
    page = await visitor.get(f"/admin/bills/{day}?provider={second}")
    assert "/fetch" not in page.text
    assert (await visitor.post(f"/admin/bills/{day}/{theirs}/fetch", page.text)).status_code == 403
    await visitor.sign_in(shop.people[ADMIN])

    listed = await visitor.get("/admin/bills")
    narrowed = await visitor.get(f"/admin/bills?provider={second}")
    shown = await visitor.get(f"/admin/bills/{day}?provider={second}")
    done = await visitor.post(f"/admin/bills/{day}/{theirs}/fetch", shown.text)

    assert all(name in listed.text for name in ("云启支付服务", "汇通科技"))
    assert "连接不到微信" in listed.text
    assert str(shop.bills.days["failed"]) not in narrowed.text
    assert "仁康门诊部" in shown.text
    assert "晨曦咖啡" not in shown.text
    assert "/download" not in shown.text
    assert done.status_code == 303
    assert (await bill(database, shop, theirs, 1)).problem is None
    (asked,) = await acts_of(database, second, "bill.fetch_requested")
    assert asked.actor_name == "周平"
    looks = await acts_of(database, PLATFORM_CHAIN, "bills.listed", "bill.viewed")
    assert [look.action for look in looks] == ["bill.viewed", "bills.listed", "bills.listed", "bill.viewed"]
