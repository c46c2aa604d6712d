"""The demo's worker, with the shops' own server beside it: `python -m spapp.demo.courier`.

It is the worker of any installation, except that the shops' name leads to this machine. The check of every
address stays where it is; the name stands for an address in between that nobody's server has.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence

import httpcore

from spapp.demo import certificates, store
from spapp.demo.example import SHOP_SERVER
from spapp.demo.shop_server import ShopServer
from spapp.demo.store import VAR
from spapp.wiring import build
from spapp.worker import Worker
from spcore import logs
from spcore.settings import Settings
from sptenants.webhooks.connecting import Connector, dial

HEARD = VAR / "demo-heard.log"
"""What the shops' server heard, one JSON object a line."""
_STAND_IN = "2620:4f:8000::1"
"""Belongs to AS112, which answers questions about names and never serves a page."""


def main() -> None:
    """Work until SIGTERM or SIGINT."""
    asyncio.run(_run())


async def _run() -> None:
    pair = certificates.server(SHOP_SERVER)
    trusted = VAR / "demo-shop.pem"
    trusted.write_text(pair.certificate, encoding="ascii")
    settings = Settings.from_env({**os.environ, "WXSP_CA_BUNDLE": str(trusted)})
    logs.configure(settings.log_level)
    server = ShopServer(pair, _secret_of, HEARD)
    services = build(settings, webhook_connector=_connector(await server.start()))
    try:
        worker = Worker.of(services)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stop)
        await worker.run()
    finally:
        await services.close()
        await server.stop()


def _secret_of(path: str) -> str | None:
    """Return what the demo remembers of the endpoint at this path; importing it told the secret once."""
    memory = store.load()
    kept = memory.tenants.get(path.removeprefix("/"), {}) if memory else {}
    secret: str | None = kept.get("webhook_secret")
    return secret


def _connector(port: int) -> Connector:
    everybody_else = Connector()

    async def resolve(host: str) -> Sequence[str]:
        return (_STAND_IN,) if host == SHOP_SERVER else await everybody_else.resolve(host)

    async def dial_shop(address: str, wanted_port: int) -> httpcore.AsyncNetworkStream:
        if address == _STAND_IN:
            return await dial("127.0.0.1", port)
        return await dial(address, wanted_port)

    return Connector(resolve, dial_shop)


if __name__ == "__main__":
    main()
