"""The console as a person uses it, in a headless Chromium."""

from __future__ import annotations

import re
import sqlite3

import pytest
from playwright.async_api import expect
from tests.browser.conftest import Opener, Site

FIRST_ROW = ".c-rows tbody tr:nth-child(1)"
WEEK = "/console/orders?range=7d"


async def test_signing_in_leads_to_the_orders(opener: Opener, served: Site) -> None:
    window = await opener(None)
    await window.open(WEEK)
    await expect(window.page.locator("h1")).to_have_text("登录")

    await window.page.fill("#email", served.shop.people["provider_owner"])
    await window.page.fill("#password", "not my password at all")
    await window.page.click("button.btn-primary")
    await expect(window.page.locator("[role=alert]")).to_contain_text("邮箱或密码不正确")

    await window.page.fill("#password", "a long walk by the canal")
    await window.page.click("button.btn-primary")
    await expect(window.page.locator("h1")).to_have_text("支付订单")
    assert window.page.url.endswith(WEEK)


async def test_filters_and_pages_are_links_to_share(opener: Opener) -> None:
    window = await opener()
    page = window.page
    await window.open(WEEK)

    await page.click("summary.c-chip:has-text('金额')")
    await page.fill("#f-min", "1000")
    await page.click("details[open] button:has-text('应用')")
    await expect(page.locator(".c-on").filter(has_text="≥ ¥1,000.00")).to_be_visible()
    assert page.url.endswith("/console/orders?range=7d&min=1000.00") or page.url.endswith("range=7d&min=1000")
    assert await page.locator(".c-rows tbody tr").count() == 3

    await page.click("a[aria-label='清除筛选：金额']")
    await page.click("a[rel=next]")
    await expect(page.locator("a[rel=prev]")).to_be_visible()
    shared = page.url
    first = await page.locator(FIRST_ROW).inner_text()
    await page.click("a[rel=prev]")
    await expect(page.locator("a[rel=prev]")).to_have_count(0)
    await page.goto(shared)
    assert await page.locator(FIRST_ROW).inner_text() == first


async def test_an_order_opens_in_the_drawer_and_the_list_stays(opener: Opener, served: Site) -> None:
    window = await opener()
    page = window.page
    await window.open(WEEK)

    await page.click(f"{FIRST_ROW} td:first-child")
    drawer = page.locator("dialog[open]")
    await expect(drawer.locator(".c-big")).to_have_text("¥128.00")
    assert page.url.endswith(f"/console/orders/{served.shop.orders['latest']}")
    await expect(page.locator(FIRST_ROW)).to_have_attribute("aria-selected", "true")

    await page.keyboard.press("j")
    await expect(drawer.locator(".c-big")).to_have_text("¥320.00")

    await page.keyboard.press("Escape")
    await expect(drawer).to_have_count(0)
    await page.wait_for_url(f"**{WEEK}")  # the address follows the dialog, a moment later
    focused = await page.evaluate("() => document.activeElement.textContent")
    assert focused == "T20261121001009"

    await page.keyboard.press("/")
    assert await page.evaluate("() => document.activeElement.id") == "search"
    assert window.complaints == []


async def test_the_back_button_leaves_the_drawer(opener: Opener) -> None:
    window = await opener()
    await window.open(WEEK)
    await window.page.click(f"{FIRST_ROW} td:first-child")
    await expect(window.page.locator("dialog[open]")).to_be_visible()

    await window.page.go_back()

    await expect(window.page.locator("dialog[open]")).to_have_count(0)
    await expect(window.page.locator("h1")).to_have_text("支付订单")
    assert window.page.url.endswith(WEEK)


async def test_a_click_with_control_opens_a_tab_of_its_own(opener: Opener, served: Site) -> None:
    window = await opener()
    await window.open(WEEK)

    async with window.context.expect_page() as opened:
        await window.page.click(f"{FIRST_ROW} a", modifiers=["ControlOrMeta"])

    tab = await opened.value
    await expect(tab.locator("h1#detail-title")).to_be_visible()
    assert tab.url.endswith(served.shop.orders["latest"])
    assert await window.page.locator("dialog[open]").count() == 0


async def test_asking_wechat_answers_inside_the_drawer_and_refreshes_the_list(opener: Opener) -> None:
    window = await opener()
    page = window.page
    await window.open(WEEK)
    await page.click(f"{FIRST_ROW} td:first-child")

    await page.click("dialog[open] button:has-text('查单')")
    await expect(page.locator("dialog[open] [role=status]")).to_contain_text("订单已支付")
    async with page.expect_navigation():
        await page.click("dialog[open] [data-close]")

    assert page.url.endswith(WEEK)
    assert window.complaints == []


async def test_numbers_are_copied_whole(opener: Opener, served: Site) -> None:
    window = await opener()
    await window.open(f"/console/orders/{served.shop.orders['largest']}")

    await window.page.click("[data-copy='4200002611202611215530918274']")

    assert (
        await window.page.evaluate("() => navigator.clipboard.readText()") == "4200002611202611215530918274"
    )
    await expect(window.page.locator("#live")).to_have_text("已复制")


async def test_the_timeline_shows_only_what_was_chosen(opener: Opener, served: Site) -> None:
    window = await opener()
    await window.open(f"/console/orders/{served.shop.orders['latest']}")
    shown = window.page.locator(".c-tl > li:visible")
    everything = await shown.count()

    await window.page.click("label:has(#tl-notify)")
    await expect(shown).to_have_count(1)
    await window.page.click("label:has(#tl-manual)")
    await expect(window.page.locator(".c-tl-none")).to_be_visible()
    await window.page.click("label:has(#tl-all)")
    await expect(shown).to_have_count(everything)

    await window.page.click(".c-tl > li:first-child summary")
    await expect(window.page.locator(".c-tl > li:first-child .c-raw")).to_contain_text('"cause": "notify"')


async def test_the_theme_changes_at_once_and_is_remembered(opener: Opener) -> None:
    window = await opener()
    root = window.page.locator("html")

    await window.page.click(".c-rail [data-theme-switch]")
    await expect(root).to_have_attribute("data-bs-theme", "dark")
    await window.page.reload()
    await expect(root).to_have_attribute("data-bs-theme", "dark")
    await window.page.click(".c-rail [data-theme-switch]")
    await expect(root).to_have_attribute("data-bs-theme", "light")


async def test_a_lost_connection_is_said_and_nothing_is_lost(opener: Opener) -> None:
    window = await opener()
    await window.open(WEEK)
    await window.context.set_offline(True)

    await window.page.click(f"{FIRST_ROW} td:first-child")

    await expect(window.page.locator(".c-toast")).to_contain_text("连接不到服务器")
    assert await window.page.locator(".c-rows tbody tr").count() == 20


async def test_everything_works_without_javascript(opener: Opener, served: Site) -> None:
    window = await opener(scripts=False)
    page = window.page
    await window.open(WEEK)

    await page.click("summary.c-chip:has-text('单号')")
    await page.fill("#f-q", "T20261121001006")
    await page.click("details[open] button:has-text('应用')")
    await page.click(f"{FIRST_ROW} a")
    await expect(page.locator("h1")).to_have_text("支付订单")
    assert page.url.endswith(served.shop.orders["pending"])

    await page.click("button:has-text('查单')")
    await expect(page.locator(".c-tl")).to_contain_text("王敏 手动查单")
    await window.open("/console/tenants")
    await page.click("a:has-text('晨曦咖啡')")
    await expect(page.locator("h1")).to_have_text("晨曦咖啡")
    await page.click(".c-rail >> text=深色外观")
    await expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    await page.click("summary.c-avatar")
    await page.click("button:has-text('退出登录')")
    await expect(page.locator("h1")).to_have_text("登录")


async def test_Y4_every_look_of_the_platform_is_a_row_in_the_log(opener: Opener, served: Site) -> None:
    window = await opener("platform_admin")
    before = looks(served)

    await window.open("/admin/transactions?range=7d")
    await window.page.click(f"{FIRST_ROW} td:first-child")
    await expect(window.page.locator("dialog[open] .c-big")).to_be_visible()

    assert looks(served) == before + 2


async def test_an_error_page_names_the_request_and_leads_back(opener: Opener) -> None:
    window = await opener()
    await window.open("/console/orders/ord_01JD3K8W7Q4M6X0B2T9V5H1CZN")

    await expect(window.page.locator("h1")).to_have_text("不存在")
    shown = await window.page.locator("[data-copy]").get_attribute("data-copy")
    assert re.fullmatch(r"req_[0-9A-Z]{26}", shown or "")
    await window.page.click("a:has-text('返回')")
    await expect(window.page.locator("h1")).to_have_text("概览")


@pytest.mark.parametrize("width", [1440, 375])
async def test_the_menu_is_at_hand_at_every_width(opener: Opener, width: int) -> None:
    window = await opener(width=width)
    if width < 900:
        await expect(window.page.locator("nav a:has-text('特约商户')")).to_be_hidden()
        await window.page.click(".c-burger")

    await window.page.click("nav a:has-text('特约商户')")

    await expect(window.page.locator("h1")).to_have_text("特约商户")


def looks(site: Site) -> int:
    connection = sqlite3.connect(site.database_file)
    try:
        query = "SELECT count(*) FROM audit_log WHERE action IN ('orders.listed', 'order.viewed')"
        return int(connection.execute(query).fetchone()[0])
    finally:
        connection.close()
