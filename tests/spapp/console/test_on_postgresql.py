"""Every page once more where row-level security stands behind it (decision 11)."""

from __future__ import annotations

import pytest
from tests.support.databases import postgres_url
from tests.support.money_desk import MoneyDesk
from tests.support.shop import LONG_NAME, Shop
from tests.support.visitor import Visitor

from spapp.accounts.models import Role
from spcore.audit.verifier import verify
from spcore.db.engine import Database

FILTERS = "range=7d&status=paid&appid=wx3f8c21d0b7e6a91c&min=1&max=9999&from=2026-11-01"


@pytest.fixture
def database_url() -> str:
    return postgres_url()


async def test_a_provider_walks_through_every_page(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    tenant, gym = shop.tenants["晨曦咖啡"].tenant_id, shop.tenants[LONG_NAME].tenant_id

    for path, words in (
        ("/console/orders", "拿铁双人套餐"),
        (f"/console/orders?{FILTERS}&tenant={tenant}", "拿铁双人套餐"),
        (f"/console/orders/{shop.orders['latest']}", "收到微信支付通知"),
        ("/console/refunds", "待批准"),
        (f"/console/refunds?status=waiting&q=4200002611202611215530918274&tenant={gym}", "¥500,000.00"),
        (f"/console/refunds/{shop.refunds['succeeded']}", "支付用户零钱"),
        (f"/console/anomalies?status=all&kind=double_payment&tenant={tenant}", "重复支付"),
        (f"/console/anomalies/{shop.anomalies['amount_mismatch']}", "不一致的字段"),
        ("/console/tenants?q=晨曦", "3 / 5"),
        (f"/console/tenants/{tenant}", "status: draft → live"),
    ):
        page = await visitor.get(path)
        assert page.status_code == 200
        assert words in page.text
    for foreign in (
        f"orders/{shop.orders['other tenant']}",
        f"refunds/{shop.refunds['other tenant']}",
        f"anomalies/{shop.anomalies['late_payment']}",
    ):
        assert (await visitor.get(f"/console/{foreign}")).status_code == 404


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


async def test_the_platform_sees_everything_and_leaves_a_true_chain(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people["platform_admin"])

    listed = await visitor.get(f"/admin/transactions?{FILTERS}")
    viewed = await visitor.get(f"/admin/transactions/{shop.orders['other tenant']}")

    work = await visitor.get("/admin/anomalies")
    thing = await visitor.get(f"/admin/anomalies/{shop.anomalies['late_payment']}")

    assert {page.status_code for page in (listed, viewed, work, thing)} == {200}
    assert "仁康门诊部" in viewed.text
    assert "仁康门诊部" in work.text
    assert (await verify(database)).ok


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
