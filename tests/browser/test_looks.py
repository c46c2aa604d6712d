"""Every page at both widths and in both themes: nothing overflows, nothing is refused, all of it reachable.

The screenshots in `var/screenshots` are for people to look at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.browser.conftest import SCREENSHOTS, Opener, Site

HERE = Path(__file__).resolve().parent
EXAMINE = (HERE / "examine.js").read_text(encoding="utf-8")
CONTRAST = (HERE / "contrast.js").read_text(encoding="utf-8")


def pages(site: Site) -> dict[str, tuple[str | None, str]]:
    """Return name of the screenshot -> (role, path)."""
    orders, tenants, refunds = site.shop.orders, site.shop.tenants, site.shop.refunds
    anomalies = site.shop.anomalies
    return {
        "login": (None, "/login"),
        "orders": ("provider_owner", "/console/orders?range=7d"),
        "orders-empty": ("provider_owner", "/console/orders?q=nothing"),
        "order": ("provider_owner", f"/console/orders/{orders['mismatch']}"),
        "order-largest": ("provider_owner", f"/console/orders/{orders['largest']}"),
        "order-refunds": ("provider_owner", f"/console/orders/{orders['partly']}"),
        "refund-form": ("provider_owner", f"/console/orders/{orders['latest']}/refund"),
        "refund-form-large": ("provider_owner", f"/console/orders/{orders['largest']}/refund"),
        "refunds": ("provider_owner", "/console/refunds"),
        "refunds-empty": ("provider_owner", "/console/refunds?q=nothing"),
        "refund": ("provider_owner", f"/console/refunds/{refunds['succeeded']}"),
        "refund-waiting": ("provider_owner", f"/console/refunds/{refunds['waiting']}"),
        "refund-abnormal": ("provider_owner", f"/console/refunds/{refunds['abnormal']}"),
        "work-list": ("provider_owner", "/console/anomalies?status=all"),
        "double-payment": ("provider_owner", f"/console/anomalies/{anomalies['double_payment']}"),
        "settled": ("provider_owner", f"/console/anomalies/{anomalies['silent_callback']}"),
        "tenants": ("provider_owner", "/console/tenants"),
        "tenant": ("provider_owner", f"/console/tenants/{tenants['晨曦咖啡'].tenant_id}"),
        "not-found": ("provider_owner", "/console/orders/ord_nothing"),
        "admin": ("platform_admin", "/admin/transactions?range=7d"),
        "admin-work-list": ("platform_admin", "/admin/anomalies"),
        "merchant": ("merchant_user", "/m/orders?range=7d"),
        "merchant-refunds": ("merchant_user", "/m/refunds"),
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 375])
async def test_every_page_fits_is_legible_and_breaks_no_rule(
    opener: Opener, served: Site, width: int, theme: str
) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    wrong: dict[str, Any] = {}
    window = await opener(None, width=width, theme=theme)
    signed_in: str | None = None
    for name, (role, path) in pages(served).items():
        if role is not None and role != signed_in:
            await window.context.clear_cookies(name="wxsp")
            await window.sign_in(role)
            signed_in = role
        window.complaints.clear()
        await window.open(path)
        await window.page.evaluate("() => document.fonts.ready")
        await window.page.screenshot(path=SCREENSHOTS / f"{name}-{width}-{theme}.png", full_page=width < 600)
        found = [*await window.page.evaluate(EXAMINE), *await window.page.evaluate(CONTRAST)]
        # The browser reports a page's own 404 as a failed resource.
        found += [text for text in window.complaints if "404" not in text]
        if (wide := await window.overflow()) > 0:
            found.append(f"{wide}px wider than the window")
        if found:
            wrong[name] = found
    assert wrong == {}


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
