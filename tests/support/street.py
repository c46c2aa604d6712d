"""A street of shops under one clock: WeChat as a program beside us, our web and worker inside this process.

The web is the real application behind a real port, so that WeChat's notifications reach it; the worker does
its rounds when the test says so. Time passes for both sides together, as fast as the test wants.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from standardwebhooks import Webhook
from tests.support.background import Background
from tests.support.installation import (
    PARTNER,
    PATIENCE_S,
    Installation,
    bare,
    free_port,
    import_document,
    new_openid,
)
from tests.support.loopback import Received, http, loopback
from tests.support.post_office import Network
from tests.support.tls_host import authority
from tests.support.wires import Wire
from tests.support.witness import Witness

from spapp.asgi import create_app
from spapp.wiring import Services, build
from spapp.worker import run_due
from spcore import logs
from spcore.settings import Settings
from spsim.app import create_simulator
from spsim.serve import serving
from spsim.server import Listener
from wechatpay.breaker import Breaker
from wechatpay.transport import Transport

DEADLINE_S = 4.0
"""For a call to WeChat, instead of fifteen seconds: a slow answer should not cost the tests so much."""
_TOKEN = re.compile(rb"[0-9A-Za-z_-]{10,}")
_ROUNDS_S = (3, 5, 10, 15, 30, 60, 60, 120, 300, 300, 300, 300, 600, 600, 3600, 3600, 7 * 3600)

Failing = Callable[[str, int], bool]
"""Whether the receiver fails, by webhook-id and how often it was sent before."""


class MovingClock:
    """The real time, and how far the test has gone ahead of it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True)
class Hearing:
    """One webhook as a merchant's server heard it, verified with the published package."""

    sub_mch_id: str | None
    event_id: str
    body: bytes
    status: int

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Street:
    house: Installation
    background: Background
    clock: MovingClock
    services: Services
    plain: Wire
    secure: Wire
    network: Network
    witness: Witness
    log: Path
    """What web and worker write."""
    heard: list[Hearing] = field(default_factory=list)
    failing: Failing = lambda _event_id, _before: False
    told: defaultdict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    """Every word of ten or more letters that was ever sent to whom, by API key."""
    promised: list[Any] = field(default_factory=list)
    """Orders and refunds as they were in answers of 2xx to those who asked for them."""
    codes: list[str] = field(default_factory=list)
    """Payment codes that were shown."""
    together: bool = False
    """Whether WeChat goes by the very same clock; else it is told when time passes."""

    # --- time and work ----------------------------------------------------------------------------

    def later(self, **units: float) -> None:
        """Let time pass for both sides."""
        gap = timedelta(**units)
        self.clock.ahead += gap
        self.house.control("clock", {"advance_s": 0 if self.together else gap.total_seconds()})

    def work(self) -> dict[str, int]:
        """Do everything that is due now."""
        return self.background.run(run_due(self.services))

    def settle(self) -> None:
        """Let time pass, ever faster, until nothing is open any more: orders, refunds, deliveries."""
        self.work()
        for gap_s in _ROUNDS_S:
            if not self.open_work():
                return
            self.later(seconds=gap_s)
            self.work()
        left = self.open_work()
        assert left == [], left

    def open_work(self) -> list[tuple[Any, ...]]:
        """Return what still waits for something."""
        return [
            *self.witness.rows(
                "SELECT id, status FROM orders WHERE status IN ('submitting', 'pending', 'closing')"
            ),
            *self.witness.rows(
                "SELECT id, status FROM refunds WHERE status IN ('requested', 'submitting', 'processing')"
            ),
            *self.witness.rows("SELECT id, state FROM deliveries WHERE state IN ('pending', 'retrying')"),
            *self.witness.rows("SELECT id, type FROM outbox WHERE done_at IS NULL"),
        ]

    def wait_for(self, done: Callable[[], bool]) -> None:
        """Wait for something that happens by itself, such as a notification."""
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    # --- merchants and payers ---------------------------------------------------------------------

    def post(self, sub_mch_id: str | None, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.house.call("POST", path, self.house.tenants[sub_mch_id].key, body, **headers)

    def get(self, sub_mch_id: str | None, path: str) -> Any:
        answer = self.house.call("GET", path, self.house.tenants[sub_mch_id].key)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def every(self, sub_mch_id: str | None, path: str) -> list[Any]:
        """Return all pages of a list."""
        found: list[Any] = []
        more = ""
        while True:
            page = self.get(sub_mch_id, f"{path}?limit=100{more}")
            found += page["data"]
            if not page["has_more"]:
                return found
            more = f"&cursor={page['next_cursor']}"

    def refund(self, sub_mch_id: str | None, order_id: str, amount: int, **fields: Any) -> httpx.Response:
        body = {"merchant_refund_no": f"R{secrets.token_hex(8)}", "amount": amount, "reason": "退款"} | fields
        return self.post(sub_mch_id, f"/v1/orders/{order_id}/refunds", body)

    def pay(self, out_trade_no: str, **fields: Any) -> Any:
        return self.house.control("pay", {"out_trade_no": out_trade_no} | fields)

    def paid_order(self, sub_mch_id: str | None, **fields: Any) -> Any:
        """Return an order that is paid, and known to be."""
        order = self.house.order(sub_mch_id, **fields)
        self.pay(order["out_trade_no"], openid=new_openid())
        return self.house.until(sub_mch_id, order["id"], "paid")

    def auth_code(self, behaviour: str = "pay") -> str:
        code: str = self.house.control("auth_codes", {"openid": new_openid(), "behaviour": behaviour})[
            "auth_code"
        ]
        self.codes.append(code)
        return code

    def fault(self, path: str, kind: str, **params: Any) -> None:
        self.house.control("faults", {"path": path, "kind": kind} | params)

    def is_ordered(self, path: str) -> bool:
        """Whether a fault of this path has not been met yet."""
        faults = self.house.phone.get("/_sim/faults").json()["faults"]
        return path in {fault["path"] for fault in faults}

    # --- what is listened to ----------------------------------------------------------------------

    async def hear(self, sub_mch_id: str | None, request: Received, writer: asyncio.StreamWriter) -> None:
        """Be a merchant's server: verify, note, and answer."""
        secret = self.house.tenants[sub_mch_id].webhook_secret
        assert secret is not None
        Webhook(secret).verify(request.body, request.headers)
        event_id = request.headers["webhook-id"]
        before = sum(hearing.event_id == event_id for hearing in self.heard)
        status = 503 if self.failing(event_id, before) else 204
        self.heard.append(Hearing(sub_mch_id, event_id, request.body, status))
        writer.write(http(b"", f"{status} X"))

    def overhear(self, answer: httpx.Response) -> None:
        """Note what a caller was told."""
        _, _, key = answer.request.headers.get("Authorization", "").partition(" ")
        answer.read()
        self.told[key] |= set(_TOKEN.findall(answer.content))
        asked_for = answer.request.method == "POST" and answer.request.url.path.endswith(
            ("/orders", "/refunds")
        )
        if asked_for and answer.is_success:
            self.promised.append(answer.json())

    def words_told_to(self, sub_mch_id: str | None) -> set[str]:
        """Return every longer word that ever went to one merchant."""
        words = set(self.told[self.house.tenants[sub_mch_id].key])
        for hearing in self.heard:
            if hearing.sub_mch_id == sub_mch_id:
                words |= set(_TOKEN.findall(hearing.body))
        return {word.decode() for word in words}


def host_of(sub_mch_id: str | None) -> str:
    """Return the name of a merchant's own server."""
    return f"shop-{sub_mch_id or 'own'}.example.com"


@contextmanager
def street(
    folder: Path,
    database_url: str,
    *,
    wishes: Mapping[str, Mapping[str, Any]] | None = None,
    live: bool = False,
    together: bool = False,
) -> Iterator[Street]:
    """Open a street: everybody imported, every merchant's server listening.

    `wishes` are changes to tenants of the import file, by `sub_mch_id`. In a `live` street the ordinary
    provider's calls go to WeChat's main host (`plain` is the wire to it) with a backup host beside it, both
    over TLS; notifications do not reach us there, as no certificate of ours is known to WeChat.

    With `together` WeChat runs inside this process by our clock, as signatures of API v3 ask for: a program
    of its own signs with the machine's time, however far a test has gone ahead.
    """
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        house = stack.enter_context(bare(folder, database_url))
        background, clock, network = Background(), MovingClock(), Network()
        stack.callback(background.close)
        if together:
            _serve_wechat(stack, house, clock)
        else:
            simulator = house.start_simulator()
            house.wait(f"{house.simulator_url}/_sim/ca", simulator)
        _with_time(patch, clock)
        main = house.simulator_tls_url if live else house.simulator_url
        plain, secure = (_wire(stack, background, url) for url in (main, house.simulator_tls_url))
        house.env |= _environment(house, folder, plain, secure, live=live)
        house.fill(_document(wishes or {}, live=live))
        house.control("limits", {"refunds_per_s": None, "invalid_per_s": None})
        settings = Settings.from_env(house.env)
        log = stack.enter_context(_written(folder / "platform.log"))
        services = build(settings, clock, webhook_connector=network.connector)
        opened = Street(
            house, background, clock, services, plain, secure, network, Witness(house), log, together=together
        )
        house.api.event_hooks = {"response": [opened.overhear]}
        _serve(stack, background, opened, settings)
        yield opened


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    """Have this process log into a file as the programs do, redaction and all, and as before afterwards."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level, raises = list(root.handlers), root.level, logging.raiseExceptions
    with path.open("w", encoding="utf-8") as file:
        with contextlib.redirect_stderr(file):
            logs.configure("info")
        (ours,) = root.handlers
        for handler in handlers:
            root.addHandler(handler)
        try:
            yield path
        finally:
            root.removeHandler(ours)
            root.setLevel(level)
            logging.raiseExceptions = raises
            structlog.configure(**before)


def _environment(
    house: Installation, folder: Path, plain: Wire, secure: Wire, *, live: bool
) -> dict[str, str]:
    bundle = folder / "trusted.pem"
    bundle.write_text(authority().pem + house.phone.get("/_sim/ca").text, encoding="ascii")
    wired = {
        "WXSP_SIMULATOR_URL": f"http://127.0.0.1:{plain.port}",
        "WXSP_SIMULATOR_TLS_URL": f"https://127.0.0.1:{secure.port}",
    }
    if live:
        wired = {
            "WXSP_GATEWAY_URL": f"https://127.0.0.1:{plain.port}",
            "WXSP_GATEWAY_BACKUP_URL": f"https://127.0.0.1:{secure.port}",
            "WXSP_PUBLIC_URL": house.url.replace("http://", "https://"),
        }
    return wired | {"WXSP_EMBEDDED_WORKER": "0", "WXSP_CA_BUNDLE": str(bundle)}


def _document(wishes: Mapping[str, Mapping[str, Any]], *, live: bool) -> dict[str, Any]:
    document = import_document()
    for provider in document["providers"]:
        ours = provider["mch_id"] == PARTNER
        provider["mode"] = "live" if live and ours else "test"
        for tenant in provider["tenants"]:
            sub_mch_id = tenant.get("sub_mch_id")
            tenant["webhooks"] = [{"url": f"https://{host_of(sub_mch_id)}/hook"}]
            if ours:
                tenant["limits"] = {"server_per_second": 10_000}
            tenant.update(wishes.get(sub_mch_id or "", {}))
    return document


def _with_time(patch: pytest.MonkeyPatch, clock: MovingClock) -> None:
    """Give the test's time to the published verifier and to the ways to WeChat, and calls less of it."""

    class Moved(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return clock.now().astimezone(tz)

    def monotonic() -> float:
        return time.monotonic() + clock.ahead.total_seconds()

    patch.setattr("standardwebhooks.webhooks.datetime", Moved)
    for module in ("spapp.gateways", "spapp.secure_lines"):
        patch.setattr(f"{module}.Transport", partial(Transport, deadline_s=DEADLINE_S, monotonic=monotonic))
        patch.setattr(f"{module}.Breaker", partial(Breaker, monotonic=monotonic))
    patch.setattr("wechatpay.v2.micropay.CHARGE_DEADLINE_S", DEADLINE_S)


def _wire(stack: ExitStack, background: Background, url: str) -> Wire:
    wire = Wire(background, free_port(), int(url.rsplit(":", 1)[1]))
    stack.callback(wire.close)
    return wire


def _serve_wechat(stack: ExitStack, house: Installation, clock: MovingClock) -> None:
    """Run WeChat in a loop of its own, with its books in a file as the program has them."""
    loop = Background()
    stack.callback(loop.close)
    ports = {
        name: int(url.rsplit(":", 1)[1])
        for name, url in (("port", house.simulator_url), ("tls_port", house.simulator_tls_url))
    }
    wechat = serving(create_simulator(house.folder / "wechat.db", clock=clock.now), **ports)
    loop.run(wechat.__aenter__())
    stack.callback(lambda: loop.run(wechat.__aexit__(None, None, None)))


def _serve(stack: ExitStack, background: Background, opened: Street, settings: Settings) -> None:
    """Open the web, and the server of every merchant."""
    services, house = opened.services, opened.house
    ready, leave = asyncio.Event(), asyncio.Event()

    async def listen() -> None:
        app = create_app(settings, services)
        async with app.lifespan():
            listener = Listener(app, "127.0.0.1", int(house.url.rsplit(":", 1)[1]))
            await listener.start()
            merchants = [
                asyncio.create_task(_receive(opened, sub_mch_id, f"93.184.216.{number}"))
                for number, sub_mch_id in enumerate(house.tenants, start=1)
            ]
            ready.set()
            await leave.wait()
            for merchant in merchants:
                merchant.cancel()
            await asyncio.gather(*merchants, return_exceptions=True)
            await listener.stop()

    async def begin() -> asyncio.Task[None]:
        task = asyncio.create_task(listen())
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        return task

    async def end() -> None:
        leave.set()
        await serving

    serving = background.run(begin())
    stack.callback(lambda: background.run(end()))


async def _receive(opened: Street, sub_mch_id: str | None, address: str) -> None:
    """Let a merchant's server listen under its name, at a public-looking address."""
    host = host_of(sub_mch_id)
    async with loopback(partial(opened.hear, sub_mch_id), authority().serving(host)) as running:
        opened.network.lead(host, [address])
        opened.network.listening[address] = running.port
        await asyncio.Event().wait()
