"""The refund dialog over HTTP: who may open it, what it insists on, and that it refunds once (F02, F05)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.money_desk import MoneyDesk, key_of
from tests.support.phone import Phone

from spapp.accounts.models import Role
from sptenants.orders.records import OrderRecord

OWNER, FINANCE, MERCHANT = Role.PROVIDER_OWNER, Role.PROVIDER_FINANCE, Role.MERCHANT_USER
WITHOUT_THE_RIGHT = (Role.PROVIDER_OPERATOR, Role.PROVIDER_VIEWER)


async def send(money: MoneyDesk, order: OrderRecord, *, htmx: bool = False, **fields: str) -> Any:
    """Open the dialog and send it."""
    path, form = await money.dialog(order, **fields)
    return await money.visitor.post(path, form.pop("page"), htmx=htmx, **form)


@pytest.mark.parametrize("role", [OWNER, FINANCE])
async def test_a_refund_is_made_and_shown_on_its_order(money: MoneyDesk, role: Role) -> None:
    order = await money.desk.paid()
    await money.sign_in(role)

    answer = await send(money, order, amount="20.00", reason="少发一杯")

    assert (answer.status_code, answer.headers["location"]) == (303, f"/console/orders/{order.id}")
    page = (await money.visitor.get(f"/console/orders/{order.id}")).text
    (asked,) = money.desk.wechat.asked
    assert asked.amount.value == 2000
    who = {OWNER: "王敏", FINANCE: "钱财"}[role]
    for words in ("¥20.00", "退款中", "少发一杯", who, asked.out_refund_no.text, "可退 ¥108.00"):
        assert words in page
    assert 'data-group="refund"' in page
    assert await money.audited("refund.requested") == [("refund.requested", who, "少发一杯")]


async def test_the_dialog_offers_the_rest_and_a_fresh_key_each_time(money: MoneyDesk) -> None:
    order = await money.desk.paid()
    await money.desk.request(order, 2800)
    await money.sign_in()

    part = await money.visitor.get(f"/console/orders/{order.id}/refund", htmx=True)
    page = await money.visitor.get(f"/console/orders/{order.id}/refund")

    assert part.text.lstrip().startswith("<article")
    assert "<html" in page.text
    for text in (part.text, page.text):
        assert 'name="amount"' in text
        assert 'value="100.00"' in text
        assert "最多可退 ¥100.00" in text
        assert 'name="again"' not in text
    assert key_of(part.text) != key_of(page.text)


async def test_from_the_drawer_it_answers_with_events_and_changes_no_part(money: MoneyDesk) -> None:
    order = await money.desk.paid()
    await money.sign_in()

    answer = await send(money, order, htmx=True, amount="20")

    assert (answer.status_code, answer.text) == (204, "")
    assert answer.headers["hx-trigger"] == "list-outdated, detail-outdated"


@pytest.mark.parametrize("role", WITHOUT_THE_RIGHT)
async def test_F07_whoever_may_not_refund_sees_no_button_and_is_refused(money: MoneyDesk, role: Role) -> None:
    order = await money.desk.paid()
    await money.sign_in(role)
    page = await money.visitor.get(f"/console/orders/{order.id}")

    opened = await money.visitor.get(f"/console/orders/{order.id}/refund")
    sent = await money.visitor.post(
        f"/console/orders/{order.id}/refund", page.text, amount="20", reason="少发一杯", key="k" * 32
    )

    assert page.status_code == 200
    assert f"{order.id}/refund" not in page.text
    assert (opened.status_code, sent.status_code) == (403, 403)
    assert money.desk.wechat.asked == []


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_merchant_refunds_only_where_the_service_provider_allows_it(
    money: MoneyDesk, allowed: bool
) -> None:
    order = await money.desk.paid()
    await money.till.set_tenant(merchant_refunds=allowed)
    await money.sign_in(MERCHANT)
    page = await money.visitor.get(f"/m/orders/{order.id}")

    assert (f'/m/orders/{order.id}/refund"' in page.text) is allowed
    sent = await money.visitor.post(
        f"/m/orders/{order.id}/refund", page.text, amount="20", reason="少发一杯", key="k" * 32
    )
    assert sent.status_code == (303 if allowed else 403)
    assert len(money.desk.wechat.asked) == int(allowed)
    if allowed:
        assert await money.audited("refund.requested") == [("refund.requested", "陈店长", "少发一杯")]


async def test_S02_a_refund_without_the_token_of_the_page_is_refused(money: MoneyDesk) -> None:
    order = await money.desk.paid()
    await money.sign_in()
    path, form = await money.dialog(order, amount="20")
    form.pop("page")

    answer = await money.visitor.post(path, "no token here", **form)

    assert answer.status_code == 403
    assert money.desk.wechat.asked == []


async def test_F02_the_same_form_sent_twice_is_one_refund(money: MoneyDesk) -> None:
    order = await money.desk.paid()
    await money.sign_in()
    path, form = await money.dialog(order, amount="128.00")
    page = form.pop("page")

    at_once = await asyncio.gather(*(money.visitor.post(path, page, **form) for _ in range(2)))
    later = await money.visitor.post(path, page, **form)

    assert later.status_code == 303
    assert {answer.status_code for answer in at_once} <= {303, 422}
    assert len(money.desk.wechat.asked) == 1
    assert (await money.till.order(order.id)).refunding_amount.value == 12800


async def test_the_same_form_with_other_content_is_asked_about_first(money: MoneyDesk) -> None:
    order = await money.desk.paid()
    await money.sign_in()
    path, form = await money.dialog(order, amount="20")
    page = form.pop("page")
    await money.visitor.post(path, page, **form)

    again = await money.visitor.post(path, page, **(form | {"amount": "30"}))

    assert again.status_code == 422
    assert "这个表单已经发起过一笔退款" in again.text
    assert key_of(again.text) != form["key"]
    assert len(money.desk.wechat.asked) == 1


@pytest.mark.parametrize(
    ("fields", "words", "field"),
    [
        pytest.param({"amount": ""}, "大于 0、最多两位小数", "amount", id="F05 no amount"),
        pytest.param({"amount": "0"}, "大于 0、最多两位小数", "amount", id="F05 nothing"),
        pytest.param({"amount": "-1"}, "大于 0、最多两位小数", "amount", id="F05 below nothing"),
        pytest.param({"amount": "1.234"}, "大于 0、最多两位小数", "amount", id="F05 finer than a fen"),
        pytest.param({"amount": "1e2"}, "大于 0、最多两位小数", "amount", id="F05 not written as money"),
        pytest.param({"amount": "２０"}, "大于 0、最多两位小数", "amount", id="F05 other digits"),
        pytest.param({"amount": "128.01"}, "现在最多可退 ¥128.00", "amount", id="F05 more than the rest"),
        pytest.param({"amount": "20", "reason": " "}, "请填写退款原因", "reason", id="no reason"),
        pytest.param(
            {"amount": "20", "reason": "长" * 81}, "现在是 81 个，请缩短", "reason", id="too long a reason"
        ),
        pytest.param({"amount": "20", "key": "x"}, "页面已过期，没有退款", "form", id="no key of ours"),
    ],
)
async def test_what_is_wrong_is_said_at_its_field_and_the_rest_is_kept(
    money: MoneyDesk, fields: dict[str, str], words: str, field: str
) -> None:
    order = await money.desk.paid()
    await money.sign_in()

    answer = await send(money, order, **fields)

    assert answer.status_code == 422
    assert words in answer.text
    assert 'role="alert"' in answer.text
    if field != "form":
        assert f'aria-invalid="true" aria-describedby="{field}-wrong' in answer.text
    for name, value in ({"reason": "少发一杯"} | fields).items():
        if value.strip() and name != "key":
            assert f'value="{value}"' in answer.text
    assert money.desk.wechat.asked == []


async def test_a_large_amount_is_typed_twice(money: MoneyDesk) -> None:
    order = await money.desk.paid(amount=250_000)
    await money.sign_in()

    once = await send(money, order, amount="1000.00")
    otherwise = await send(money, order, amount="1000.00", again="100.00")
    just_below = await send(money, order, amount="999.99")
    twice = await send(money, order, amount="1000.00", again="1000")

    assert "请再输入一次 ¥1,000.00" in once.text
    assert (once.status_code, otherwise.status_code) == (422, 422)
    assert (just_below.status_code, twice.status_code) == (303, 303)


async def test_a_refund_that_wechat_refused_says_why_and_can_be_sent_anew(money: MoneyDesk) -> None:
    order = await money.desk.paid()
    await money.sign_in()
    money.desk.wechat.fail("refund", "refuse:PARAM_ERROR")
    path, form = await money.dialog(order, amount="20")
    page = form.pop("page")

    answer = await money.visitor.post(path, page, **form)

    assert answer.status_code == 422
    assert "最多可退 ¥128.00" in answer.text
    assert 'role="alert"' in answer.text
    assert "没有退款：请更正" not in answer.text
    again = await money.visitor.post(path, answer.text, **(form | {"key": key_of(answer.text)}))
    assert again.status_code == 303
    rows = (await money.visitor.get(f"/console/orders/{order.id}")).text
    assert "被拒绝" in rows
    assert "退款中" in rows


async def test_G03_an_unclear_answer_is_shown_as_it_is(money: MoneyDesk) -> None:
    order = await money.desk.paid()
    await money.sign_in()
    money.desk.wechat.fail("refund", "lost")

    answer = await send(money, order, amount="20")

    assert answer.status_code == 303
    assert "提交中" in (await money.visitor.get(f"/console/orders/{order.id}")).text
    (refund,) = await money.desk.reader.of_order(money.desk.scope, order.id)
    page = await money.visitor.get(f"/console/refunds/{refund.id}")
    assert "微信侧是否已受理尚不明确" in page.text


async def test_nothing_is_offered_when_nothing_is_left(money: MoneyDesk) -> None:
    order = await money.desk.paid()
    await money.desk.request(order, 12800)
    unpaid = await money.till.placed("T2")
    await money.sign_in()

    for each in (order, unpaid):
        page = await money.visitor.get(f"/console/orders/{each.id}")
        dialog = await money.visitor.get(f"/console/orders/{each.id}/refund")
        assert f'{each.id}/refund"' not in page.text
        assert "这笔订单没有可退的金额" in dialog.text


# --- above the limit ---------------------------------------------------------------------------------


async def test_F07_above_the_limit_a_second_person_decides(money: MoneyDesk) -> None:
    order = await money.desk.paid()
    await money.set_limit(5000)
    await money.sign_in()
    assert (await send(money, order, amount="50.01")).status_code == 303

    (refund,) = await money.desk.reader.of_order(money.desk.scope, order.id)
    own = await money.visitor.get(f"/console/refunds/{refund.id}")
    assert "待批准" in own.text
    assert "须由另一位管理员或财务批准" in own.text
    assert "/approve" not in own.text
    forced = await money.visitor.post(f"/console/refunds/{refund.id}/approve", own.text)
    assert forced.status_code == 403
    assert money.desk.wechat.asked == []
    assert (await money.till.order(order.id)).refunding_amount.value == 5001

    await money.sign_in(FINANCE)
    page = await money.visitor.get(f"/console/refunds/{refund.id}")
    approved = await money.visitor.post(f"/console/refunds/{refund.id}/approve", page.text)
    assert approved.status_code == 303
    assert len(money.desk.wechat.asked) == 1
    after = (await money.visitor.get(f"/console/refunds/{refund.id}")).text
    assert "批准人" in after
    assert "钱财" in after
    told = await money.audited("refund.requested", "refund.approved")
    assert [(action, who) for action, who, _ in told] == [
        ("refund.requested", "王敏"),
        ("refund.approved", "钱财"),
    ]


async def test_F07_a_second_person_declines_with_a_reason_and_frees_the_amount(money: MoneyDesk) -> None:
    order = await money.desk.paid()
    await money.set_limit(0)
    await money.sign_in()
    await send(money, order, amount="20")
    (refund,) = await money.desk.reader.of_order(money.desk.scope, order.id)
    await money.sign_in(FINANCE)
    path = f"/console/refunds/{refund.id}"
    page = await money.visitor.get(path)

    silent = await money.visitor.post(f"{path}/decline", page.text, reason=" ")
    declined = await money.visitor.post(f"{path}/decline", page.text, reason="没有小票")

    assert silent.status_code == 422
    assert "请填写不批准的原因" in silent.text
    assert declined.status_code == 303
    assert "钱财 没有批准这笔退款" in (await money.visitor.get(path)).text
    assert (await money.till.order(order.id)).refunding_amount.value == 0
    assert await money.audited("refund.declined") == [("refund.declined", "钱财", "没有小票")]


async def test_at_the_limit_nobody_else_is_asked(money: MoneyDesk) -> None:
    order = await money.desk.paid()
    await money.set_limit(2000)
    await money.sign_in()

    assert (await send(money, order, amount="20.00")).status_code == 303

    assert len(money.desk.wechat.asked) == 1


@pytest.mark.parametrize("role", WITHOUT_THE_RIGHT)
async def test_F07_nobody_else_approves(money: MoneyDesk, role: Role) -> None:
    order = await money.desk.paid()
    await money.set_limit(0)
    await money.sign_in()
    await send(money, order, amount="20")
    (refund,) = await money.desk.reader.of_order(money.desk.scope, order.id)
    await money.sign_in(role)
    page = await money.visitor.get(f"/console/refunds/{refund.id}")

    assert "/approve" not in page.text
    for act in ("approve", "decline"):
        answer = await money.visitor.post(f"/console/refunds/{refund.id}/{act}", page.text, reason="x")
        assert answer.status_code == 403
    assert money.desk.wechat.asked == []


async def test_S12_above_the_limit_a_current_code_is_asked_for(money: MoneyDesk, owners_phone: Phone) -> None:
    order = await money.desk.paid()
    await money.set_limit(5000)
    await money.sign_in()
    await owners_phone.enrol()

    below = await send(money, order, amount="50.00")
    without = await send(money, order, amount="60")
    wrong = await send(money, order, amount="60", code=owners_phone.wrong())
    right = await send(money, order, amount="60", code=owners_phone.code())
    used = await send(money, order, amount="55", code=owners_phone.code())

    assert below.status_code == right.status_code == 303
    assert "请输入身份验证器 App 当前显示的验证码" in without.text
    for refused in (wrong, used):
        assert refused.status_code == 422
        assert "验证码不正确或已使用过" in refused.text
        assert owners_phone.code() not in refused.text
    refunds = await money.desk.reader.of_order(money.desk.scope, order.id)
    assert sorted(refund.amount.value for refund in refunds) == [5000, 6000]


async def test_S12_approving_asks_for_a_current_code_too(money: MoneyDesk, owners_phone: Phone) -> None:
    order = await money.desk.paid()
    await money.set_limit(0)
    await money.sign_in(FINANCE)
    await send(money, order, amount="20")
    (refund,) = await money.desk.reader.of_order(money.desk.scope, order.id)
    await money.sign_in()
    await owners_phone.enrol()
    path = f"/console/refunds/{refund.id}"
    page = await money.visitor.get(path)

    assert 'name="code"' in page.text
    wrong = await money.visitor.post(f"{path}/approve", page.text, code=owners_phone.wrong())
    assert (wrong.status_code, money.desk.wechat.asked) == (422, [])
    right = await money.visitor.post(f"{path}/approve", page.text, code=owners_phone.code())
    assert right.status_code == 303
    assert len(money.desk.wechat.asked) == 1
