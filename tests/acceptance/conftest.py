"""The application with one coffee shop, in front of the strict simulator or of WeChat's side on a wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.databases import sqlite_url
from tests.support.import_file import encoded
from tests.support.loopback import Loopback, loopback
from tests.support.simulated import COFFEE_APP, PAYER, PROVIDERS, blind
from tests.support.v2_counterpart import Counterpart
from tests.support.visitor import site_environment

from spapp.asgi import create_app
from spapp.importer.apply import import_document
from spapp.wiring import build
from spcore.clock import SystemClock
from spcore.settings import Settings
from spsim.serve import running

CALLER = "198.51.100.23"
"""The address every request to our application comes from."""
NOBODY = "http://127.0.0.1:9"
"""Our public address: nothing listens there, so notifications arrive only when a test delivers them."""


@dataclass(frozen=True)
class Shop:
    """`ours` is our application, `wechat` the other side; `answers` keeps every answer of ours."""

    ours: httpx.AsyncClient
    wechat: httpx.AsyncClient
    key: str
    tenant_id: str
    notify_path: str
    answers: list[str] = field(default_factory=list)

    async def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, content: bytes = b""
    ) -> httpx.Response:
        """Call our application as the merchant's server, or with another token ("" for none)."""
        headers = {"authorization": f"Bearer {self.key if token is None else token}"} if token != "" else {}
        given = {"content": content} if content else {"json": body}
        answer = await self.ours.request(method, path, headers=headers, **given)
        self.answers.append(f"{answer.headers}\n{answer.text}")
        return answer

    async def try_order(self, number: str = "T1", **changes: Any) -> httpx.Response:
        fields = {
            "merchant_order_no": number,
            "amount": 1280,
            "description": "拿铁",
            "trade_type": "JSAPI",
            "sub_appid": COFFEE_APP,
            "openid": PAYER,
        }
        return await self.ask("POST", "/v1/orders", fields | changes)

    async def order(self, number: str = "T1", **changes: Any) -> Any:
        answer = await self.try_order(number, **changes)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def status(self, order: Any) -> str:
        read: str = (await self.ask("GET", f"/v1/orders/{order['id']}")).json()["status"]
        return read

    async def notify(self, body: bytes) -> httpx.Response:
        """Deliver what WeChat would post to our notification address."""
        return await self.ask("POST", self.notify_path, token="", content=body)

    # --- the other side, when it is the simulator --------------------------------------------------

    async def control(self, what: str, /, **document: Any) -> Any:
        answer = await self.wechat.post(f"/_sim/{what}", json=document)
        assert answer.is_success, answer.text
        return answer.json()

    async def books(self, order: Any) -> Any:
        """Return WeChat's own record of an order."""
        found = await self.wechat.get("/_sim/ledger", params={"out_trade_no": order["out_trade_no"]})
        (only,) = found.json()["orders"]
        return only

    async def log_in(self, openid: str) -> str:
        """Go through `wx.login` and return our session token."""
        code = (await self.control("codes", appid=COFFEE_APP, openid=openid))["code"]
        path = f"/v1/mini/{self.tenant_id}/sessions"
        answer = await self.ask("POST", path, {"sub_appid": COFFEE_APP, "code": code}, token="")
        assert answer.status_code == 201, answer.text
        token: str = answer.json()["token"]
        return token


@asynccontextmanager
async def open_shop(database_url: str, wechat_url: str) -> AsyncIterator[Shop]:
    variables = site_environment(database_url, NOBODY) | {"WXSP_SIMULATOR_URL": wechat_url}
    services = build(Settings.from_env(variables), SystemClock())
    app = create_app(services.settings, services)
    transport = httpx.ASGITransport(cast("Any", app), client=(CALLER, 40_000))
    ours = httpx.AsyncClient(transport=transport, base_url=NOBODY)
    wechat = httpx.AsyncClient(base_url=wechat_url, trust_env=False, verify=blind(), timeout=10)
    provider = PROVIDERS["providers"][0]
    coffee = provider["tenants"][0] | {"api_keys": [{"name": "server"}]}
    document = {"providers": [provider | {"members": [], "tenants": [coffee]}]}
    # Without the application's lifespan: a fixture enters and leaves in different tasks.
    async with AsyncExitStack() as stack:
        stack.push_async_callback(services.close)
        await stack.enter_async_context(ours)
        await stack.enter_async_context(wechat)
        result = await import_document(
            services.database, services.vault, services.clock, encoded(document), NOBODY
        )
        made = result.to_json()["providers"][0]["tenants"][0]
        yield Shop(
            ours=ours,
            wechat=wechat,
            key=made["api_keys"][0]["secret"],
            tenant_id=made["id"],
            notify_path=urlsplit(made["notify_urls"]["v2"]["payment"]).path,
        )


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path)


@pytest.fixture(scope="session")
def simulator_url() -> Iterator[str]:
    with running() as where:
        httpx.post(f"{where.url}/_sim/providers", json=PROVIDERS, trust_env=False).raise_for_status()
        yield where.url


@pytest.fixture
async def shop(database_url: str, simulator_url: str) -> AsyncIterator[Shop]:
    async with open_shop(database_url, simulator_url) as opened:
        yield opened


@pytest.fixture
def counterpart() -> Counterpart:
    return Counterpart()


@pytest.fixture
async def wire(counterpart: Counterpart) -> AsyncIterator[Loopback]:
    async with loopback(counterpart) as listening:
        yield listening


@pytest.fixture
async def shop_on_wire(database_url: str, wire: Loopback) -> AsyncIterator[Shop]:
    """The shop in front of a WeChat whose every byte can be seen and bent."""
    async with open_shop(database_url, wire.url) as opened:
        yield opened
