"""Every page at both widths and in both themes: nothing overflows, nothing is refused, all of it reachable.

`make screenshots` takes the pictures of all of them (`pictures.py`), for people to look at.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.browser.conftest import SCREENSHOTS, Opener, Site, Window
from tests.browser.every_page import every_page

HERE = Path(__file__).resolve().parent
EXAMINE = (HERE / "examine.js").read_text(encoding="utf-8")
CONTRAST = (HERE / "contrast.js").read_text(encoding="utf-8")


AREAS = ("console", "admin", "m", "")

AXE = HERE.parent / "node" / "node_modules" / "axe-core" / "axe.min.js"
RUN_AXE = """async (rules) => {
  const found = await axe.run(document, { resultTypes: ["violations"], ...rules });
  return found.violations
    .filter((rule) => ["serious", "critical"].includes(rule.impact))
    .map((rule) => `axe ${rule.id}: ${rule.nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`);
}"""
EVERY_RULE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
COLOURS = {"runOnly": ["color-contrast"]}
"""What a theme can change; everything else is the same in both."""
DARK = "() => document.documentElement.setAttribute('data-bs-theme', 'dark')"
HEADING = "() => document.querySelector('h1')?.textContent.trim()"


@pytest.fixture(scope="session")
def axe() -> str:
    assert AXE.exists(), "npm packages of the tests are missing: run `make test`, which installs them"
    return AXE.read_text(encoding="utf-8")


@pytest.mark.parametrize("area", AREAS)
async def test_every_page_fits_is_legible_and_breaks_no_rule(
    opener: Opener, served: Site, axe: str, area: str
) -> None:
    """Each page once: wide and light, then dark, then as narrow as a phone."""
    wrong: dict[str, list[str]] = {}
    window = await opener(None)
    page, signed_in = window.page, None
    # Or colours would be judged on their way from light to dark.
    await page.emulate_media(reduced_motion="reduce")
    for look in (each for each in every_page(served) if each.area == area):
        if look.role is not None and look.role != signed_in:
            await window.context.clear_cookies(name="wxsp")
            await window.sign_in(look.role)
            signed_in = look.role
        window.complaints.clear()
        await page.set_viewport_size({"width": 1440, "height": 900})
        await window.open(look.path)
        await page.evaluate(axe)
        found = [*await page.evaluate(EXAMINE), *await page.evaluate(RUN_AXE, EVERY_RULE)]
        if not await page.evaluate(HEADING):
            found.append("no h1, or an empty one")
        found += await too_wide(window)
        await page.evaluate(DARK)
        found += [f"dark: {each}" for each in await page.evaluate(RUN_AXE, COLOURS)]
        await page.set_viewport_size({"width": 375, "height": 812})
        found += [f"375 px: {each}" for each in (*await page.evaluate(EXAMINE), *await too_wide(window))]
        # The browser reports a page's own refusal as a failed resource.
        found += [text for text in window.complaints if not re.search("status of (403|404)", text)]
        if found:
            wrong[f"{look.name} {look.path}"] = found
    assert wrong == {}


async def too_wide(window: Window) -> list[str]:
    wide = await window.overflow()
    return [f"{wide}px wider than the window"] if wide > 0 else []


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_drawer_over_the_list(opener: Opener, theme: str) -> None:
    window = await opener(theme=theme)
    await window.open("/console/orders?range=7d")
    await window.page.click(".c-rows tbody tr:nth-child(4) td:first-child")
    await window.page.wait_for_selector("dialog[open] .c-tl")

    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await window.page.screenshot(path=SCREENSHOTS / f"drawer-1440-{theme}.png")

    assert await window.page.evaluate(CONTRAST) == []
    assert await window.page.evaluate("() => document.querySelector('dialog').scrollWidth") <= 560
    assert window.complaints == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 375])
async def test_the_refund_dialog_over_the_drawer(opener: Opener, width: int, theme: str) -> None:
    window = await opener(width=width, theme=theme)
    await window.open("/console/orders?range=7d&q=T20261121001004")
    await window.page.click(".c-rows tbody tr:nth-child(1) td.c-b")
    await window.page.click("dialog[open] #detail > header a:has-text('退款')")
    await window.page.wait_for_selector("#dialog[open] [data-preview]")

    await window.page.screenshot(path=SCREENSHOTS / f"refund-dialog-{width}-{theme}.png")

    assert await window.page.evaluate(CONTRAST) == []
    assert await window.overflow() <= 0
    assert window.complaints == []


async def test_the_english_pages_hold_longer_words(opener: Opener, served: Site) -> None:
    for width in (1440, 375):
        window = await opener(width=width, language="en-GB")
        for name, path in (
            ("orders", "/console/orders?range=7d"),
            ("refunds", "/console/refunds"),
            ("refund-waiting", f"/console/refunds/{served.shop.refunds['waiting']}"),
            ("refund-form", f"/console/orders/{served.shop.orders['largest']}/refund"),
            ("work-list", "/console/anomalies"),
            ("double-payment", f"/console/anomalies/{served.shop.anomalies['double_payment']}"),
            ("tenants", "/console/tenants"),
        ):
            await window.open(path)
            await window.page.screenshot(path=SCREENSHOTS / f"{name}-{width}-en.png")
            assert await window.overflow() <= 0
            assert await window.page.get_attribute("html", "lang") == "en"


async def test_printing_an_order_leaves_the_shell_out(opener: Opener, served: Site) -> None:
    window = await opener()
    await window.open(f"/console/orders/{served.shop.orders['latest']}")

    await window.page.emulate_media(media="print")

    for selector in (".c-side", ".c-top", ".c-detail button"):
        assert await window.page.locator(selector).first.is_visible() is False
    assert await window.page.locator(".c-big").is_visible()
