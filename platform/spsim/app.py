"""The simulator as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import httpx
from litestar import Litestar

from .bills.calls import BillCalls
from .bills.controls import BillControls
from .certificates import Authority, ClientTrust
from .clock import SimulatorClock, real_clock
from .control_input import ControlRefused
from .controls import Controls
from .faults import Faults
from .front import Front
from .gateway import Gateway
from .ledger import Ledger
from .misconfigurations import Misconfigurations
from .money_controls import MoneyControls
from .notifier import Notifier
from .onboarding import trust_registered
from .phone import Phone
from .refund_limits import RefundGate
from .routes import (
    bill_routes,
    control_routes,
    flood_routes,
    key_routes,
    misconfiguration_routes,
    money_routes,
    phone_routes,
    refused,
)
from .v3 import endpoints
from .v3.flood import Flooding
from .v3.front import V3Gateway
from .v3.key_controls import KeyControls
from .world import World


class Simulator:
    """One simulated WeChat Pay: books, faults and background deliveries, and the application over them."""

    def __init__(self, world: World, notify_transport: httpx.AsyncBaseTransport | None) -> None:
        self._world = world
        self.trust = ClientTrust()
        faults = Faults(world.ledger)
        self._notifier = Notifier(world, faults, notify_transport)
        money = MoneyControls(world, self._notifier)
        controls = Controls(world, faults, self._notifier, self.authority, self.trust, money)
        front = Front()
        gate = RefundGate()
        self.app = Litestar(
            route_handlers=[
                *Gateway(world, faults, self._notifier, gate).handlers(),
                *BillCalls(world, faults).handlers(),
                V3Gateway(world, faults, self._notifier, endpoints.every(gate)).handler(),
                *control_routes(controls),
                *money_routes(money),
                *bill_routes(BillControls(world)),
                *flood_routes(Flooding(world, self._notifier, money)),
                *key_routes(KeyControls(world, self.authority)),
                *misconfiguration_routes(Misconfigurations(world), front),
                front.handler(),
                *phone_routes(Phone(world, self._notifier)),
            ],
            exception_handlers={ControlRefused: refused},
            lifespan=[lambda _app: self.opened()],
            logging_config=None,
            openapi_config=None,
        )

    def authority(self) -> Authority:
        """Return the certificate authority; only while the simulator is opened."""
        return Authority.of(self._world.ledger)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open the books and deliver notifications; the application's lifespan does nothing else."""
        self._world.ledger.open()
        try:
            trust_registered(self._world.ledger, self.trust)
            async with self._notifier.running():
                yield
        finally:
            self._world.ledger.close()


def create_simulator(
    database: str | Path = ":memory:",
    *,
    public_base: str | None = None,
    clock: Callable[[], datetime] = real_clock,
    notify_transport: httpx.AsyncBaseTransport | None = None,
) -> Simulator:
    """Build a simulator over a database file or memory; the application's lifespan opens and closes it.

    `public_base` is where a browser reaches it (for `mweb_url`), `clock` the time it starts from (aware), and
    `notify_transport` replaces the network for notifications.
    """
    ledger = Ledger(database)
    base = (public_base or "http://127.0.0.1:8100").rstrip("/")
    return Simulator(World(ledger, SimulatorClock(ledger, clock), base), notify_transport)


def create_app(
    database: str | Path = ":memory:",
    *,
    public_base: str | None = None,
    clock: Callable[[], datetime] = real_clock,
    notify_transport: httpx.AsyncBaseTransport | None = None,
) -> Litestar:
    """Build the ASGI application alone; arguments as for :func:`create_simulator`."""
    return create_simulator(
        database, public_base=public_base, clock=clock, notify_transport=notify_transport
    ).app
