"""The handlers of all pages; `asgi.py` adds them to those of the API."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.types import ControllerRouterHandler

from spapp.console.anomalies.controllers import AdminAnomalies, ConsoleAnomalies, MerchantAnomalies
from spapp.console.entry.controller import EntryController
from spapp.console.entry.second_factor_pages import SecondFactorPages, SecondStep
from spapp.console.orders.controllers import AdminTransactions, ConsoleOrders, MerchantOrders
from spapp.console.refunds.controllers import ConsoleRefunds, MerchantRefunds
from spapp.console.tenants.controller import TenantPages


def page_handlers() -> Sequence[ControllerRouterHandler]:
    """Return every handler that answers with a page."""
    return (
        # coming in
        EntryController,
        SecondStep,
        SecondFactorPages,
        # money
        ConsoleOrders,
        AdminTransactions,
        MerchantOrders,
        ConsoleRefunds,
        MerchantRefunds,
        ConsoleAnomalies,
        AdminAnomalies,
        MerchantAnomalies,
        # sub-merchants
        TenantPages,
    )
