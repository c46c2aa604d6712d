"""A sub-merchant from its first form to its first refund, by a person in a browser, over real programs.

Once with scripts and once without: every task works either way. The payer is the simulator's phone page.
"""

from __future__ import annotations

import asyncio
import copy
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, Page, expect
from tests.browser.conftest import WATCH_POLICY
from tests.support.databases import sqlite_url
from tests.support.installation import PARTNER, PASSWORD, Installation, installed

PATIENCE_S = 40.0
NEXT = "button[form=step][value=next]"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("journey")
    with installed(folder, sqlite_url(folder)) as made:
        yield made


class Newcomer:
    """A sub-merchant that has signed with WeChat, with two mini-programs bound there."""

    def __init__(self, house: Installation) -> None:
        self.name = f"河畔书店 {secrets.token_hex(3)}"
        self.sub_mch_id = f"16{secrets.randbelow(10**8):08d}"
        self.apps = {f"wx{secrets.token_hex(8)}": secrets.token_hex(16) for _ in range(2)}
        document = copy.deepcopy(house.document)
        (partner,) = [each for each in document["providers"] if each["mch_id"] == PARTNER]
        bindings = [
            {"sub_appid": appid, "kind": "miniprogram", "owner": "merchant", "app_secret": secret}
            for appid, secret in self.apps.items()
        ]
        partner["tenants"].append({"name": self.name, "sub_mch_id": self.sub_mch_id, "bindings": bindings})
        house.control("providers", document)


class Journey:
    def __init__(self, page: Page, house: Installation) -> None:
        self.page = page
        self.house = house

    async def open(self, path: str) -> None:
        await self.page.goto(path if "://" in path else self.house.url + path)

    async def sign_in(self) -> None:
        await self.open("/login")
        await self.page.fill("#email", "owner@example.com")
        await self.page.fill("#password", PASSWORD)
        await self.page.click("button.btn-primary")
        await self.page.wait_for_url(lambda url: "/login" not in url)

    async def go_to_step(self, number: int) -> None:
        """Press on until the wizard stands at this step; a step that does not concern us is passed over."""
        at = None
        while at != number:
            async with self.page.expect_navigation():
                await self.page.click(NEXT)
            found = re.search(r"/onboard/([1-7])", self.page.url)
            assert found is not None, self.page.url
            assert at != int(found[1]), await self.page.locator("main").inner_text()
            at = int(found[1])

    async def onboard(self, newcomer: Newcomer) -> str:
        """Fill in the wizard up to the doctor and return the tenant's id."""
        page = self.page
        await self.open("/console/tenants/new")
        await page.fill("#name", newcomer.name)
        await self.go_to_step(2)
        found = re.search(r"ten_\w+", page.url)
        assert found is not None
        await page.fill("#sub_mch_id", newcomer.sub_mch_id)
        await self.go_to_step(3)
        for number, (appid, secret) in enumerate(newcomer.apps.items(), start=1):
            await page.fill("#sub_appid", appid)
            for field, value in (("kind", "miniprogram"), ("owner", "merchant")):
                await page.locator(f"label:has(input[name={field}][value={value}])").click()
            await page.fill("#app_secret", secret)
            await page.click("button[value=add]")
            await expect(page.locator("table .c-mono").filter(has_text=appid)).to_have_count(1)
            await expect(page.locator("#step-title small")).to_contain_text(f"{number} / 5")
        assert not [secret for secret in newcomer.apps.values() if secret in await page.content()]
        await self.go_to_step(6)
        return found[0]

    async def examine(self) -> None:
        """Run the doctor: it finds nothing wrong and lets us on."""
        await self.page.click("button[value=run]")
        await expect(self.page.locator(".c-checks > li.pass").first).to_be_visible()
        await expect(self.page.locator(".c-checks > li.fail")).to_have_count(0)
        await self.go_to_step(7)

    async def pay_on_the_phone(self, order_id: str) -> None:
        """Open the payer's phone beside the console and pay there."""
        with sqlite3.connect(self.house.folder / "wxsp.db") as books:
            (prepay_id,) = books.execute(
                "SELECT prepay_id FROM order_attempts WHERE order_id = ?", (order_id,)
            ).fetchone()
        phone = await self.page.context.new_page()
        await phone.goto(f"{self.house.simulator_url}/_sim/phone/{prepay_id}")
        await phone.click("button.pay")
        await expect(phone.locator("main.phone")).to_have_attribute("data-state", "paid")
        await phone.close()

    async def try_out(self, tenant_id: str, appid: str) -> None:
        """Pay one fen in this mini-program's name, give it back, and get its certificate."""
        page = self.page
        await self.open(f"/console/tenants/{tenant_id}/go-live")
        async with page.expect_navigation():
            await page.click(f"button[aria-label='试付 {appid}']")
        trial = page.url
        order = await page.locator("a[href^='/console/orders/']").first.get_attribute("href")
        assert order is not None
        await self.pay_on_the_phone(order.rsplit("/", 1)[1])
        await self.until(trial, "form[action$='/refund'] button")
        async with page.expect_navigation():
            await page.click("form[action$='/refund'] button")
        await self.until(trial, "a[href*='/certificates/']")

    async def until(self, url: str, selector: str) -> None:
        """Open the page again until it shows what is waited for, as a person without scripts does."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            await self.open(url)
            if await self.page.locator(selector).count():
                return
            assert time.monotonic() < deadline, await self.page.locator("main").inner_text()
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_sub_merchant_is_taken_in_examined_tried_out_and_earns_its_first_payment(
    browser: Browser, house: Installation, scripts: bool
) -> None:
    context = await browser.new_context(java_script_enabled=scripts, locale="zh-CN")
    context.set_default_timeout(30_000)
    await context.add_init_script(WATCH_POLICY)
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    journey, newcomer = Journey(page, house), Newcomer(house)
    await journey.sign_in()

    tenant_id = await journey.onboard(newcomer)
    await journey.examine()
    for appid in newcomer.apps:
        await journey.try_out(tenant_id, appid)
    await journey.open(f"/console/tenants/{tenant_id}/go-live")
    async with page.expect_navigation():
        await page.click("form[action$='/go-live'] button.btn-primary")
    await expect(page.locator(".c-head .c-st").first).to_have_text("已上线")

    key = await _key_of(journey, tenant_id)
    order = house.call("POST", "/v1/orders", key, _first_order()).json()
    await journey.pay_on_the_phone(order["id"])
    await journey.until(f"/console/orders/{order['id']}", ".c-st.ok:has-text('支付成功')")
    await journey.open(f"/console/orders/{order['id']}/refund")
    await page.fill("#refund-amount", "20.00")
    await page.fill("#refund-reason", "少了一本")
    async with page.expect_navigation():
        await page.click("button:has-text('确认退款')")
    await journey.until(f"/console/orders/{order['id']}", ".c-lines :text('退款成功')")

    asked = house.call("GET", f"/v1/orders/{order['id']}", key).json()
    assert (asked["status"], asked["refunded_amount"]) == ("paid", 2000)
    assert complaints == []
    await context.close()


def _first_order() -> dict[str, object]:
    return {
        "merchant_order_no": f"B{secrets.token_hex(6)}",
        "amount": 8_800,
        "description": "精装小说",
        "trade_type": "NATIVE",
    }


async def _key_of(journey: Journey, tenant_id: str) -> str:
    """Make a key in the console; it is shown once."""
    page = journey.page
    await journey.open(f"/console/api-keys/new?tenant={tenant_id}")
    await page.select_option("#owner", tenant_id)
    await page.fill("#name", "server")
    for right in ("orders:read", "orders:write"):
        await page.check(f"input[name=rights][value='{right}']")
    await page.click("main form button.btn-primary")
    shown = re.search(r"wsk_test_\w{20,}", await page.locator("main").inner_text())
    assert shown is not None, await page.locator("main").inner_text()
    return shown[0]
