"""The handlers of all pages; `asgi.py` adds them to those of the API."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.types import ControllerRouterHandler

from spapp.admin.controller import AdminAnomalies, AdminController
from spapp.console.anomaly_controller import ConsoleAnomalies
from spapp.console.controller import ConsoleController
from spapp.console.entry import EntryController
from spapp.console.refund_controller import ConsoleRefunds
from spapp.console.second_factor_pages import SecondFactorPages, SecondStep
from spapp.console.tenant_controller import TenantPages
from spapp.merchant.controller import MerchantAnomalies, MerchantController, MerchantRefunds


def page_handlers() -> Sequence[ControllerRouterHandler]:
    """Return every handler that answers with a page."""
    return (
        EntryController,
        SecondStep,
        SecondFactorPages,
        ConsoleController,
        ConsoleRefunds,
        ConsoleAnomalies,
        TenantPages,
        MerchantController,
        MerchantRefunds,
        MerchantAnomalies,
        AdminController,
        AdminAnomalies,
    )
