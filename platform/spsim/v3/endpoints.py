"""Every endpoint of API v3 that the simulator serves."""

from __future__ import annotations

from spsim.refund_limits import RefundGate

from . import bills, orders, refunds, security
from .endpoint import Endpoint


def every(gate: RefundGate) -> tuple[Endpoint, ...]:
    """Return the endpoints; `gate` counts the refund calls of both generations."""
    return (*orders.ENDPOINTS, *refunds.endpoints(gate), *security.ENDPOINTS, *bills.endpoints())
