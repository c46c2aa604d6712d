"""Pictures of every page at 1440 and 375 px, light and dark: `make screenshots`, into `var/screenshots`.

Fails when a page is wider than its window or has no heading. Not one of the tests that always run: those look
at every page in `test_looks.py`, without taking pictures.
"""

from __future__ import annotations

import pytest
from tests.browser.conftest import SCREENSHOTS, Opener, Site
from tests.browser.every_page import every_page

HEADING = "() => document.querySelector('h1')?.textContent.trim()"


@pytest.mark.parametrize("area", ["console", "admin", "m", ""])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 375])
async def test_a_picture_of_every_page(
    opener: Opener, served: Site, width: int, theme: str, area: str
) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    wrong: dict[str, str] = {}
    window = await opener(None, width=width, theme=theme)
    signed_in: str | None = None
    for look in (each for each in every_page(served) if each.area == area):
        if look.role is not None and look.role != signed_in:
            await window.context.clear_cookies(name="wxsp")
            await window.sign_in(look.role)
            signed_in = look.role
        await window.open(look.path)
        await window.page.evaluate("() => document.fonts.ready")
        picture = SCREENSHOTS / f"{look.name}-{width}-{theme}.png"
        await window.page.screenshot(path=picture, full_page=True)
        if (wide := await window.overflow()) > 0:
            wrong[look.name] = f"{wide}px wider than the window"
        if not await window.page.evaluate(HEADING):
            wrong[look.name] = "no h1, or an empty one"
    assert wrong == {}
