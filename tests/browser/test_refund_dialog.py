"""The refund dialog as a person uses it: above the drawer, and as a page of its own without scripts."""

from __future__ import annotations

import re

from playwright.async_api import expect
from tests.browser.conftest import Opener, Site

WEEK = "/console/orders?range=7d"
PREVIEW = "[data-preview]"
BUTTON = "#detail > header a:has-text('退款')"


async def test_the_dialog_says_what_an_amount_means_while_it_is_typed(opener: Opener, served: Site) -> None:
    window = await opener()
    page = window.page
    await window.open(f"/console/orders/{served.shop.orders['largest']}")
    await page.click(BUTTON)
    dialog = page.locator("dialog#dialog[open]")
    amount = dialog.locator("#refund-amount")

    await expect(amount).to_be_focused()
    await expect(dialog.locator("#refund-again")).to_be_visible()
    await amount.fill("20")
    await expect(dialog.locator(PREVIEW)).to_have_text("将向付款用户退回 ¥20.00，剩余可退 ¥9,499,091.99")
    await expect(dialog.locator("#refund-again")).to_be_hidden()
    await amount.fill("20.001")
    await expect(dialog.locator(PREVIEW)).to_have_text("请填写不超过可退金额的数字。")
    await amount.fill("1000")
    await expect(dialog.locator("#refund-again")).to_be_visible()
    assert window.complaints == []


async def test_escape_closes_the_dialog_and_leaves_the_drawer_open(opener: Opener) -> None:
    window = await opener()
    page = window.page
    await window.open(f"{WEEK}&q=T20261121001004")
    await page.click(".c-rows tbody tr:nth-child(1) td:first-child")
    button = page.locator(BUTTON)
    await button.click()
    await expect(page.locator("dialog#dialog[open] #refund-amount")).to_have_value("699.00")

    await page.keyboard.press("Escape")

    await expect(page.locator("dialog#dialog[open]")).to_have_count(0)
    await expect(page.locator("dialog#drawer[open]")).to_be_visible()
    await expect(button).to_be_focused()
    assert window.complaints == []


async def test_a_refusal_is_said_inside_the_dialog_and_keeps_what_was_typed(opener: Opener) -> None:
    window = await opener()
    page = window.page
    await window.open(f"{WEEK}&q=T20261121001004")
    await page.click(".c-rows tbody tr:nth-child(1) td:first-child")
    await page.locator(BUTTON).click()
    dialog = page.locator("dialog#dialog[open]")
    await dialog.locator("#refund-amount").fill("700")
    await dialog.locator("#refund-reason").fill("少发一杯")

    await dialog.locator("button.btn-primary").click()

    await expect(dialog.locator("[role=alert]")).to_be_visible()
    await expect(dialog.locator("[role=alert]")).to_be_focused()
    await expect(dialog.locator("#refund-reason")).to_have_value("少发一杯")
    await expect(dialog.locator("button.btn-primary")).to_be_enabled()
    await expect(page.locator("dialog#drawer[open]")).to_be_visible()


async def test_a_refund_above_the_limit_is_made_from_the_drawer(opener: Opener, served: Site) -> None:
    window = await opener("provider_finance")
    page = window.page
    await window.open(f"{WEEK}&q=T20261121001009")
    await page.click(".c-rows tbody tr:nth-child(1) td:first-child")
    await page.locator(BUTTON).click()
    dialog = page.locator("dialog#dialog[open]")
    await dialog.locator("#refund-amount").fill("120.50")
    await dialog.locator("#refund-reason").fill("场次取消")

    await dialog.locator("button.btn-primary").click()

    await expect(dialog).to_have_count(0)
    drawer = page.locator("dialog#drawer[open]")
    await expect(drawer.locator(".c-lines").first).to_contain_text("场次取消")
    await expect(drawer.locator(".c-lines").first).to_contain_text("待批准")
    await expect(drawer).to_contain_text("可退 ¥199.50")
    async with page.expect_navigation():
        await drawer.locator("[data-close]").click()
    assert page.url.endswith(f"{WEEK}&q=T20261121001009")
    assert window.complaints == []


async def test_without_javascript_the_same_form_is_a_page(opener: Opener, served: Site) -> None:
    window = await opener("provider_finance", scripts=False)
    page = window.page
    await window.open(f"/console/orders/{served.shop.orders['healed']}")
    await page.locator(BUTTON).click()
    await expect(page.locator("h1")).to_have_text("退款")
    assert page.url.endswith("/refund")

    await page.fill("#refund-amount", "0.00")
    await page.fill("#refund-reason", "少发一杯")
    await page.click("button:has-text('确认退款')")
    await expect(page.locator("#amount-wrong")).to_contain_text("大于 0")
    await page.fill("#refund-amount", "60.00")
    await page.click("button:has-text('确认退款')")

    await expect(page.locator("#detail .c-lines").first).to_contain_text("¥60.00")
    await expect(page.locator("#detail .c-lines").first).to_contain_text("待批准")
    await page.locator("#detail .c-lines a").first.click()
    await expect(page.locator("h1")).to_have_text("退款")
    assert re.search(r"/console/refunds/rfd_\w+$", page.url)

    other = await opener("provider_owner", scripts=False)
    await other.page.goto(page.url)
    await other.page.fill("#decline-reason", "没有小票")
    await other.page.click("button:has-text('不批准')")
    await expect(other.page.locator("#detail")).to_contain_text("王敏 没有批准这笔退款")


async def test_a_thing_on_the_work_list_is_settled_in_the_drawer(opener: Opener, served: Site) -> None:
    window = await opener()
    page = window.page
    await window.open("/console/anomalies?kind=amount_mismatch")
    await page.click(".c-rows tbody tr:nth-child(1) td:first-child")
    drawer = page.locator("dialog#drawer[open]")
    await expect(drawer.locator("#detail-title")).to_have_text("金额不符")

    await drawer.locator("textarea").fill("已与商户核对，差额线下结清")
    await drawer.locator("button:has-text('标记为已处理')").click()

    await expect(drawer.locator("[role=status]").first).to_contain_text("已标记为已处理")
    async with page.expect_navigation():
        await drawer.locator("[data-close]").click()
    await expect(page.locator(".c-empty")).to_be_visible()
    await expect(page.locator(".c-badge")).to_have_text(re.compile("1"))
