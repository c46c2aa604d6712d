"""The work list over HTTP: what needs a person, who may settle it, and what that leaves behind."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select
from tests.support.money_desk import MoneyDesk
from tests.support.phone import Phone
from tests.support.shop import Shop
from tests.support.shop_money import add_anomaly
from tests.support.visitor import Visitor

from spapp.accounts.models import Role
from spcore.audit.models import PLATFORM_CHAIN, AuditRow
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope
from sptenants.orders.records import OrderRecord
from sptenants.refunds.filters import RefundFilter
from sptenants.refunds.states import Approval

_LISTED = re.compile(r'hx-get="[^"]+/(ano_\w+)"')
_BADGE = re.compile(r'c-badge"><span class="visually-hidden">待处理 </span>([^<]+)<')
OWNER, MERCHANT, ADMIN = "provider_owner", "merchant_user", "platform_admin"
SECOND = "4200002026112200000000000002"


async def paid_twice(money: MoneyDesk) -> tuple[OrderRecord, str]:
    """An order with two payments, and the id of what the work list says about it."""
    order = await money.desk.paid()
    money.desk.wechat.second_payments[SECOND] = order.amount
    facts: dict[str, Any] = {
        "transaction_id": SECOND,
        "out_trade_no": order.out_trade_no,
        "amount": order.amount.value,
    }
    anomaly_id = await add_anomaly(
        money.till.database,
        money.desk.scope,
        "double_payment",
        money.clock.now(),
        order_id=order.id,
        **facts,
    )
    return order, anomaly_id


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("", {"double_payment", "amount_mismatch"}, id="open, unasked"),
        pytest.param("status=resolved", {"silent_callback"}, id="settled"),
        pytest.param("status=all", {"double_payment", "amount_mismatch", "silent_callback"}, id="everything"),
        pytest.param("kind=double_payment", {"double_payment"}, id="of one kind"),
        pytest.param("kind=nonsense", {"double_payment", "amount_mismatch"}, id="a kind that is none"),
        pytest.param("range=yesterday", set(), id="another day"),
    ],
)
async def test_filters_narrow_the_list(visitor: Visitor, shop: Shop, given: str, expected: set[str]) -> None:
    await visitor.sign_in(shop.people[OWNER])

    page = await visitor.get(f"/console/anomalies?{given}")

    assert set(_LISTED.findall(page.text)) == {shop.anomalies[key] for key in expected}


async def test_every_line_says_what_it_is_and_what_to_do(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    text = (await visitor.get("/console/anomalies")).text

    for words in ("重复支付", "退回多付的一笔", "¥128.00", "T20261121001010", "晨曦咖啡"):
        assert words in text
    assert f'/console/orders/{shop.orders["latest"]}"' in text


@pytest.mark.parametrize(
    ("role", "waiting"),
    [
        pytest.param(OWNER, ["2"], id="provider"),
        pytest.param(MERCHANT, ["1"], id="merchant"),
        pytest.param(ADMIN, ["3"], id="platform"),
    ],
)
async def test_T02_the_menu_counts_what_waits_for_this_reader(
    visitor: Visitor, shop: Shop, role: str, waiting: list[str]
) -> None:
    await visitor.sign_in(shop.people[role])
    home = {OWNER: "/console/tenants", MERCHANT: "/m/orders", ADMIN: "/admin/transactions"}[role]

    assert _BADGE.findall((await visitor.get(home)).text) == waiting


async def test_settling_needs_a_note_and_takes_it_off_the_list(money: MoneyDesk) -> None:
    _order, anomaly_id = await paid_twice(money)
    await money.sign_in(Role.PROVIDER_OPERATOR)
    path = f"/console/anomalies/{anomaly_id}"
    page = await money.visitor.get(path)

    silent = await money.visitor.post(f"{path}/resolve", page.text, note="  ")
    done = await money.visitor.post(f"{path}/resolve", page.text, note="线下已补偿")
    again = await money.visitor.post(f"{path}/resolve", page.text, note="线下已补偿，勿重复")

    assert (silent.status_code, done.status_code, again.status_code) == (422, 303, 422)
    assert "请写明处理结果" in silent.text
    after = (await money.visitor.get(path)).text
    assert "赵运 已处理" in after
    assert "线下已补偿" in after
    assert "/resolve" not in after
    listed = (await money.visitor.get("/console/anomalies")).text
    assert "没有需要处理的事项" in listed
    assert _BADGE.findall(listed) == []
    assert await money.audited("anomaly.resolved") == [("anomaly.resolved", "赵运", "线下已补偿")]


async def test_a_refused_note_is_shown_again(money: MoneyDesk) -> None:
    _order, anomaly_id = await paid_twice(money)
    await money.sign_in()
    page = await money.visitor.get(f"/console/anomalies/{anomaly_id}")

    long = "很" * 501
    answer = await money.visitor.post(f"/console/anomalies/{anomaly_id}/resolve", page.text, note=long)

    assert answer.status_code == 422
    assert f">{long}</textarea>" in answer.text


@pytest.mark.parametrize("role", [Role.PROVIDER_OWNER, Role.PROVIDER_FINANCE])
async def test_B05_the_second_payment_is_given_back_from_here(money: MoneyDesk, role: Role) -> None:
    order, anomaly_id = await paid_twice(money)
    await money.sign_in(role)
    path = f"/console/anomalies/{anomaly_id}"
    page = await money.visitor.get(path)
    assert "多付的 ¥128.00 会原路退给付款用户" in page.text

    first = await money.visitor.post(f"{path}/refund", page.text, htmx=True)
    second = await money.visitor.post(f"{path}/refund", page.text, htmx=True)

    assert (first.status_code, first.headers["hx-trigger"]) == (200, "list-outdated")
    assert "已发起退款" in first.text
    assert second.status_code == 422
    (asked,) = money.desk.wechat.asked
    assert (str(asked.transaction_id), asked.amount.value) == (SECOND, 12800)
    shown = (await money.visitor.get(f"/console/orders/{order.id}")).text
    assert "多付的一笔" in shown
    assert "可退 ¥128.00" in shown


async def test_F07_S12_giving_back_above_the_limit_asks_for_a_code_and_waits_for_another_person(
    money: MoneyDesk, owners_phone: Phone
) -> None:
    _order, anomaly_id = await paid_twice(money)
    await money.set_limit(5000)
    await money.sign_in()
    await owners_phone.enrol()
    path = f"/console/anomalies/{anomaly_id}"
    page = await money.visitor.get(path)

    assert 'name="code"' in page.text
    wrong = await money.visitor.post(f"{path}/refund", page.text, code=owners_phone.wrong())
    assert (wrong.status_code, money.desk.wechat.asked) == (422, [])
    right = await money.visitor.post(f"{path}/refund", page.text, code=owners_phone.code())
    assert right.status_code == 303
    assert money.desk.wechat.asked == []
    (waiting,) = (await money.desk.reader.list(money.desk.scope, RefundFilter(), 10)).rows
    assert waiting.refund.approval is Approval.WAITING


@pytest.mark.parametrize(
    ("role", "settles", "refunds"),
    [
        pytest.param(Role.PROVIDER_OWNER, True, True, id="owner"),
        pytest.param(Role.PROVIDER_FINANCE, True, True, id="finance"),
        pytest.param(Role.PROVIDER_OPERATOR, True, False, id="operator"),
        pytest.param(Role.PROVIDER_VIEWER, False, False, id="viewer"),
    ],
)
async def test_what_can_be_done_depends_on_the_role(
    money: MoneyDesk, role: Role, settles: bool, refunds: bool
) -> None:
    _order, anomaly_id = await paid_twice(money)
    await money.sign_in(role)
    path = f"/console/anomalies/{anomaly_id}"
    page = await money.visitor.get(path)

    assert (f'{path}/resolve"' in page.text) is settles
    assert (f'{path}/refund"' in page.text) is refunds
    if not refunds:
        assert (await money.visitor.post(f"{path}/refund", page.text)).status_code == 403
        assert money.desk.wechat.asked == []
    if not settles:
        assert (await money.visitor.post(f"{path}/resolve", page.text, note="x")).status_code == 403


async def test_a_merchant_reads_and_settles_nothing(money: MoneyDesk) -> None:
    order, anomaly_id = await paid_twice(money)
    await money.sign_in(Role.MERCHANT_USER)

    listed = await money.visitor.get("/m/anomalies")
    page = await money.visitor.get(f"/m/anomalies/{anomaly_id}")

    assert anomaly_id in listed.text
    assert "重复支付" in page.text
    assert f'/m/orders/{order.id}"' in page.text
    assert "<form" not in page.text.partition('id="detail"')[2].partition("</article>")[0]
    assert (
        await money.visitor.post(f"/console/anomalies/{anomaly_id}/resolve", page.text)
    ).status_code == 403


async def test_Y4_the_platforms_look_at_the_work_list_is_written_down(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people[ADMIN])
    late = shop.anomalies["late_payment"]

    listed = await visitor.get(f"/admin/anomalies?provider={shop.providers[1].provider_id}")
    page = await visitor.get(f"/admin/anomalies/{late}", htmx=True)

    assert _LISTED.findall(listed.text) == [late]
    assert "仁康门诊部" in page.text
    assert "<form" not in page.text
    query = (
        select(AuditRow)
        .where(
            AuditRow.chain == PLATFORM_CHAIN,
            AuditRow.action.in_(("anomalies.listed", "anomaly.viewed")),
        )
        .order_by(AuditRow.seq)
    )
    async with database.read(PlatformScope("test")) as session:
        looks = list(await session.scalars(query))
    assert [(look.action, look.object_id) for look in looks] == [
        ("anomalies.listed", None),
        ("anomaly.viewed", late),
    ]
    assert looks[1].tenant_id == shop.tenants["仁康门诊部"].tenant_id


async def test_an_order_leads_to_what_the_list_says_about_it(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    order_id = shop.orders["mismatch"]

    page = await visitor.get(f"/console/orders/{order_id}")
    listed = await visitor.get(f"/console/anomalies?status=all&order={order_id}")

    assert f"/console/anomalies?status=all&amp;order={order_id}" in page.text
    assert _LISTED.findall(listed.text) == [shop.anomalies["amount_mismatch"]]
