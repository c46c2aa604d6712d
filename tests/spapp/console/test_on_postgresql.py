"""Every page once more where row-level security stands behind it (decision 11)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.support import tour
from tests.support.databases import postgres_url
from tests.support.money_desk import MoneyDesk
from tests.support.shop import Shop
from tests.support.shop_keys import CANDIDATE_VERSION
from tests.support.visitor import Visitor

from spapp.accounts.models import Role
from spcore.audit.verifier import verify
from spcore.db.engine import Database

OPEN_TO_VISITORS = {
    "/console",
    "/console/orders",
    "/console/refunds",
    "/console/bindings?status=shared",
    "/console/doctor",
    "/console/webhooks",
    "/console/audit-log?action=provider.key_set",
}


@pytest.fixture
def database_url() -> str:
    return postgres_url()


async def walk(visitor: Visitor, stops: Sequence[tour.Stop]) -> None:
    """Look at each page, and report all that are not as they should be at once."""
    wrong = []
    for path, words in stops:
        page = await visitor.get(path)
        if page.status_code != 200 or words not in page.text:
            wrong.append((path, page.status_code, words))
    assert wrong == []


async def test_a_provider_walks_through_every_page(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["provider_owner"])

    await walk(visitor, tour.of_provider(shop))

    for foreign in (
        f"orders/{shop.orders['other tenant']}",
        f"refunds/{shop.refunds['other tenant']}",
        f"anomalies/{shop.anomalies['late_payment']}",
        f"notifies/{shop.notifies['of clinic']}",
        f"notifies/{shop.notifies['v3 of clinic']}",
        f"bills/{shop.bills.days['other provider']}",
        f"differences/{shop.bills.differences['other provider']}",
    ):
        assert (await visitor.get(f"/console/{foreign}")).status_code == 404


async def test_a_candidate_takes_over_and_a_platform_certificate_is_taken_back(
    visitor: Visitor, shop: Shop
) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    page = (await visitor.get("/console/credentials")).text
    for path, fields in (
        ("api-v2-key/promote", {"version": str(CANDIDATE_VERSION)}),
        ("api-v3-key", {"api_v3_key": "n" * 32}),
        ("platform-certificate/restore", {"version": "3"}),
        ("platform-certificate/retire", {"version": "1", "at_once": "1"}),
    ):
        done = await visitor.post(f"/console/credentials/{path}", page, **fields)
        assert done.status_code == 303, path
        assert (await visitor.get(done.headers["location"])).status_code == 200


async def test_a_merchant_sees_and_closes_only_what_is_theirs(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["merchant_user"])
    own = f"/m/orders/{shop.orders['pending']}"

    listed = await visitor.get("/m/orders?range=all")
    page = await visitor.get(own)
    closed = await visitor.post(f"{own}/close", page.text)

    assert shop.orders["latest"] in listed.text
    assert shop.orders["largest"] not in listed.text
    assert closed.status_code == 303
    assert "已请求关单" in (await visitor.get(own)).text
    assert (await visitor.get(f"/m/orders/{shop.orders['largest']}")).status_code == 404


async def test_a_merchant_walks_through_every_page(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["merchant_user"])

    await walk(visitor, tour.of_merchant(shop))


async def test_the_platform_sees_everything_and_leaves_a_true_chain(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people["platform_admin"])

    await walk(visitor, tour.of_platform(shop))

    assert (await verify(database)).ok


async def test_whoever_visits_a_provider_walks_through_its_pages(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["platform_admin"])
    path = f"/admin/service-providers/{shop.providers[0].provider_id}/visit"
    entered = await visitor.post(path, (await visitor.get(path)).text, reason="工单 4711：核对退款")
    assert entered.status_code == 303

    await walk(visitor, [stop for stop in tour.of_provider(shop) if stop[0] in OPEN_TO_VISITORS])


async def test_orders_and_kits_leave_as_files(visitor: Visitor, shop: Shop) -> None:
    own_kit = f"/console/tenants/{shop.tenants['晨曦咖啡'].tenant_id}/kit.zip"
    for role, area, kit in (
        ("provider_owner", "/console", own_kit),
        ("merchant_user", "/m", "/m/kit.zip"),
        ("platform_admin", "/admin", None),
    ):
        await visitor.sign_in(shop.people[role])
        page = (await visitor.get(f"{area}/exports")).text
        wanted = {"kind": "orders", "query": "range=all", "reason": "工单 4711"}
        file = await visitor.post(f"{area}/exports", page, **wanted)

        assert file.status_code == 200
        assert shop.orders["latest"] in file.text
        assert (shop.orders["largest"] in file.text) == (area != "/m")
        assert (shop.orders["other tenant"] in file.text) == (area == "/admin")
        assert kit is None or (await visitor.get(kit)).content.startswith(b"PK")


async def test_a_refund_goes_through_the_dialog_and_a_second_person(money: MoneyDesk) -> None:
    order = await money.desk.paid()
    await money.set_limit(5000)
    await money.sign_in()
    for amount in ("20.00", "60.00"):
        path, form = await money.dialog(order, amount=amount)
        page = form.pop("page")
        answers = [await money.visitor.post(path, page, **form) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [303, 303]
    await money.sign_in(Role.PROVIDER_FINANCE)
    refunds = await money.desk.reader.of_order(money.desk.scope, order.id)
    waiting = next(refund for refund in refunds if refund.approval == "waiting")
    shown = await money.visitor.get(f"/console/refunds/{waiting.id}")

    approved = await money.visitor.post(f"/console/refunds/{waiting.id}/approve", shown.text)

    assert approved.status_code == 303
    assert [asked.amount.value for asked in money.desk.wechat.asked] == [2000, 6000]
    assert (await money.till.order(order.id)).refunding_amount.value == 8000


async def test_a_merchant_sees_own_refunds_and_work_only(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["merchant_user"])

    refunds, work = await visitor.get("/m/refunds"), await visitor.get("/m/anomalies?status=all")

    assert shop.refunds["succeeded"] in refunds.text
    assert shop.refunds["abnormal"] not in refunds.text
    assert shop.anomalies["double_payment"] in work.text
    assert shop.anomalies["amount_mismatch"] not in work.text
    for foreign in (f"refunds/{shop.refunds['abnormal']}", f"anomalies/{shop.anomalies['amount_mismatch']}"):
        assert (await visitor.get(f"/m/{foreign}")).status_code == 404
