"""Setting up, using and removing the second factor in a real browser, with and without scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

import pytest
from playwright.async_api import Page, expect
from tests.browser.conftest import SCREENSHOTS, Opener, Site, Window
from tests.support.authenticator import code_at, wrong_code
from tests.support.shop import PASSWORD

from spapp.accounts.people import People
from spapp.accounts.service import Accounts
from spcore.audit.actor import SYSTEM
from spcore.clock import SystemClock
from spcore.db.engine import Database

HERE = Path(__file__).resolve().parent
EXAMINE = (HERE / "examine.js").read_text(encoding="utf-8")
CONTRAST = (HERE / "contrast.js").read_text(encoding="utf-8")
PAGE = "/account/second-factor"


@pytest.fixture
async def email(served: Site) -> AsyncIterator[str]:
    """An administrator of this test alone."""
    database, clock = Database(f"sqlite+aiosqlite:///{served.database_file}"), SystemClock()
    address = f"admin-{token_hex(4)}@example.com"
    await People(database, clock, Accounts(database, clock)).create_admin(address, SYSTEM, password=PASSWORD)
    yield address
    await database.close()


async def sign_in(page: Page, site: Site, email: str) -> None:
    await page.goto(f"{site.url}/login")
    await page.fill("#email", email)
    await page.fill("#password", PASSWORD)
    await page.click("button.btn-primary")
    await page.wait_for_load_state()


async def send(page: Page, code: str) -> None:
    await page.fill("#code", code)
    await page.press("#code", "Enter")
    await page.wait_for_load_state()


async def look(window: Window, name: str, *, scripts: bool) -> list[str]:
    """Take a picture and return what is wrong with the page."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page = window.page
    await page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
    found = [*window.complaints]
    if scripts:
        found += [*await page.evaluate(EXAMINE), *await page.evaluate(CONTRAST)]
    if (wide := await window.overflow()) > 0:
        found.append(f"{wide}px wider than the window")
    window.complaints.clear()
    return [f"{name}: {what}" for what in found if "401" not in what]


@pytest.mark.parametrize(
    ("width", "theme", "scripts"),
    [
        pytest.param(1440, "light", True, id="desk"),
        pytest.param(375, "dark", True, id="phone, dark"),
        pytest.param(375, "light", False, id="phone, no scripts"),
    ],
)
async def test_from_the_reminder_to_a_sign_in_with_a_recovery_code(
    opener: Opener, served: Site, email: str, width: int, theme: str, scripts: bool
) -> None:
    window = await opener(None, width=width, theme=theme, scripts=scripts)
    page, wrong = window.page, []
    shape = f"{width}-{theme}"
    await sign_in(page, served, email)
    await page.click(".c-remind a")
    wrong += await look(window, f"account-{shape}", scripts=scripts)

    await page.click("button:has-text('开始设置')")
    secret = await page.locator("#secret").inner_text()
    drawn = await page.locator(".c-qr").bounding_box()
    assert drawn is not None
    assert drawn["width"] == drawn["height"] > 150
    wrong += await look(window, f"account-setup-{shape}", scripts=scripts)

    await send(page, code_at(secret, datetime.now(UTC)))
    codes = await page.locator(".c-codes li").all_inner_texts()
    assert len(codes) == 10
    wrong += await look(window, f"account-codes-{shape}", scripts=scripts)
    if scripts:
        await page.click("button:has-text('复制全部')")
        assert await page.evaluate("() => navigator.clipboard.readText()") == "\n".join(codes)
    await page.click("a:has-text('已保存，继续')")
    await expect(page.locator(".c-remind")).to_have_count(0)

    await page.click("summary.c-avatar")
    await page.click("button:has-text('退出登录')")
    await sign_in(page, served, email)
    await send(page, wrong_code(secret, datetime.now(UTC)))
    await expect(page.locator("#refusal")).to_contain_text("验证码不正确")
    await page.click("summary:has-text('无法使用身份验证器')")
    wrong += await look(window, f"totp-{shape}", scripts=scripts)
    await page.fill("#recovery", codes[0])
    await page.press("#recovery", "Enter")
    await expect(page.locator("h1")).to_have_text("平台概览")

    await page.click("summary.c-avatar")
    await page.click(".c-pop a[href='/account']")
    await page.click("a:has-text('管理两步验证')")
    await page.wait_for_url(f"**{PAGE}")
    wrong += await look(window, f"account-active-{shape}", scripts=scripts)
    await page.fill("#code", codes[1])
    await page.click("button:has-text('移除两步验证')")
    await expect(page.locator("button:has-text('开始设置')")).to_be_visible()
    assert wrong == []
