"""The books, the clock and the address that every part of the simulator works with."""

from __future__ import annotations

from dataclasses import dataclass

from .clock import SimulatorClock
from .ledger import Ledger


@dataclass(frozen=True, slots=True)
class World:
    """One simulated WeChat Pay. `public_base` is where a browser reaches it, without a slash at the end."""

    ledger: Ledger
    clock: SimulatorClock
    public_base: str
