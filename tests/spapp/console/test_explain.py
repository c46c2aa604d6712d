"""The catalogue of codes: in every area, searchable, with what is missing for the platform (B-2)."""

from __future__ import annotations

from tests.support.shop import Shop
from tests.support.visitor import Visitor

from spapp.console.frame.explained import API, WHO, explained
from wechatpay.explain import Who, all_explanations

PAGES = {
    "provider_viewer": "/console/explain",
    "merchant_user": "/m/explain",
    "platform_auditor": "/admin/explain",
}


async def test_B2_staff_of_every_area_look_codes_up(visitor: Visitor, shop: Shop) -> None:
    for role, page in PAGES.items():
        await visitor.sign_in(shop.people[role])
        await _look_up(visitor, page)


async def _look_up(visitor: Visitor, page: str) -> None:
    everything = await visitor.get(page)
    one = await visitor.get(f"{page}?api=unifiedorder&code=NOAUTH")
    words = await visitor.get(f"{page}?q=certificate", language="en")
    none = await visitor.get(f"{page}?q=%3Cscript%3E")
    new = await visitor.get(f"{page}?api=unifiedorder&code=OF_NEXT_YEAR")
    assert everything.text.count("<tr>") > 60
    assert "没有该产品的权限" in one.text
    assert "菜单路径核对于" in one.text
    assert "CERT_ERROR" in words.text
    assert "没有符合条件的错误码" in none.text
    assert "<script>" not in none.text
    assert "还没有这个错误码的解释" in new.text


async def test_B2_the_platform_sees_what_is_not_explained_yet_and_nobody_else(
    visitor: Visitor, shop: Shop
) -> None:
    await visitor.sign_in(shop.people["platform_admin"])
    admin = await visitor.get("/admin/explain")
    await visitor.sign_in(shop.people["provider_owner"])
    owner = await visitor.get("/console/explain")
    assert admin.text.count("RISK_CONTROL_BLOCKED") == 2
    assert "RISK_CONTROL_BLOCKED" not in owner.text


async def test_a_refused_refund_explains_its_code(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    page = await visitor.get(f"/console/refunds/{shop.refunds['rejected']}")
    assert "/console/explain?api=refund&amp;code=TRADE_OVERDUE" in page.text
    assert "由谁处理" in page.text


def test_every_interface_and_everybody_who_acts_has_a_word() -> None:
    assert {entry.api for entry in all_explanations()} <= set(API)
    assert set(WHO) == set(Who)


def test_what_never_left_us_is_no_code_of_wechats() -> None:
    assert explained(None) is None
    assert explained({"api": "unifiedorder", "code": "NOT_SENT", "message": "x"}) is None
    found = explained({"api": "refund", "code": "NEW", "message": "文字"})
    assert found is not None
    assert (found.known, found.retry_safe, found.who) == (None, None, None)
