"""A real server with a lived-in installation, and a headless Chromium to visit it with."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright
from sqlalchemy import update
from tests.support.databases import sqlite_url
from tests.support.house import MASTER_KEY
from tests.support.shop import PASSWORD, Shop, fill
from tests.support.till import KEY
from tests.support.visitor import site_environment

from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.providers.keys import put_key
from spcore.providers.models import KeyKind, Provider
from spcore.vault import Vault

SCREENSHOTS = Path(__file__).resolve().parents[2] / "var" / "screenshots"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
UNREACHABLE = {"WXSP_SIMULATOR_URL": "http://127.0.0.1:9", "WXSP_SIMULATOR_TLS_URL": "https://127.0.0.1:9"}
"""Nobody listens there: what pages show must not wait for WeChat."""
APPROVAL_ABOVE = 5_000
"""Fen: refunds above wait for a second person, so that they need no WeChat either."""

# Runs before the page's own scripts and keeps what the browser refused.
WATCH_POLICY = """
addEventListener("securitypolicyviolation", (event) => console.error("CSP", event.violatedDirective,
  event.blockedURI));
"""


def chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.browser)
        item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)
    if here and chromium() is None:
        why = (
            "NO CHROMIUM ON THIS MACHINE: the console was not looked at (apt install chromium fonts-noto-cjk)"
        )
        print(f"\n*** {why} ***", file=sys.stderr)
        for item in here:
            item.add_marker(pytest.mark.skip(reason=why))


@dataclass(frozen=True, slots=True)
class Site:
    url: str
    shop: Shop
    database_file: Path


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`wxsp serve` on a free port, over a database of its own."""
    folder = tmp_path_factory.mktemp("site")
    database_url = sqlite_url(folder)
    shop = asyncio.run(_fill(database_url))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | site_environment(database_url, url) | UNREACHABLE
    program = [sys.executable, "-m", "spapp.cli", "serve", "--port", str(port)]
    with (folder / "serve.log").open("wb") as log:
        server = subprocess.Popen(program, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            _await(url, server, folder / "serve.log")
            yield Site(url, shop, folder / "wxsp.db")
        finally:
            server.terminate()
            server.wait(timeout=30)


async def _fill(database_url: str) -> Shop:
    database = Database(database_url)
    try:
        shop = await fill(database, datetime.now(UTC))
        await _make_ready_to_refund(database, shop)
        return shop
    finally:
        await database.close()


async def _make_ready_to_refund(database: Database, shop: Shop) -> None:
    provider_id, vault = shop.providers[0].provider_id, Vault([MASTER_KEY])
    async with database.write(shop.providers[0]) as session:
        common: dict[str, Any] = {"provider_id": provider_id, "now": shop.now}
        await put_key(session, vault, kind=KeyKind.API_V2, secret=KEY.encode(), **common)
        await session.execute(
            update(table_of(Provider))
            .where(Provider.id == provider_id)
            .values(refund_approval_above=APPROVAL_ABOVE)
        )


def _await(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and server.poll() is None:
        try:
            httpx.get(f"{url}/healthz", timeout=1)
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the server did not come up:\n{log.read_text(encoding='utf-8')}")


@dataclass
class Window:
    """One browser window of one person; `complaints` is everything the browser found wrong."""

    page: Page
    context: BrowserContext
    site: Site
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str) -> None:
        await self.page.goto(self.site.url + path)

    async def sign_in(self, role: str) -> None:
        await self.open("/login")
        await self.page.fill("#email", self.site.shop.people[role])
        await self.page.fill("#password", PASSWORD)
        await self.page.click("button.btn-primary")
        await self.page.wait_for_url(lambda url: "/login" not in url)

    async def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        wide: int = await self.page.evaluate(
            "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wide

    def note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)


class Opener:
    """Opens windows: `await opener(role, width=375, theme="dark", scripts=False)`."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self._browser = browser
        self._site = site
        self._contexts: list[BrowserContext] = []

    async def close(self) -> None:
        for context in self._contexts:
            await context.close()

    async def __call__(
        self,
        role: str | None = "provider_owner",
        *,
        width: int = 1440,
        theme: str = "light",
        scripts: bool = True,
        language: str = "zh-CN",
    ) -> Window:
        context = await self._browser.new_context(
            viewport={"width": width, "height": 900 if width > 600 else 812},
            locale=language,
            java_script_enabled=scripts,
            permissions=["clipboard-read", "clipboard-write"],
        )
        self._contexts.append(context)
        context.set_default_timeout(15_000)
        await context.add_cookies([{"name": "theme", "value": theme, "url": self._site.url}])
        await context.add_init_script(WATCH_POLICY)
        window = Window(await context.new_page(), context, self._site)
        window.page.on("console", window.note)
        window.page.on("pageerror", lambda error: window.complaints.append(str(error)))
        if role is not None:
            await window.sign_in(role)
        return window


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests of a file; every window has its own cookies."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="module")
async def opener(browser: Browser, served: Site) -> AsyncIterator[Opener]:
    opener = Opener(browser, served)
    yield opener
    await opener.close()
