"""The handlers of all pages; `asgi.py` adds them to those of the API."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.types import ControllerRouterHandler

from spapp.admin.controller import AdminController
from spapp.console.controller import ConsoleController
from spapp.console.entry import EntryController
from spapp.console.second_factor_pages import SecondFactorPages, SecondStep
from spapp.console.tenant_controller import TenantPages
from spapp.merchant.controller import MerchantController


def page_handlers() -> Sequence[ControllerRouterHandler]:
    """Return every handler that answers with a page."""
    return (
        EntryController,
        SecondStep,
        SecondFactorPages,
        ConsoleController,
        TenantPages,
        MerchantController,
        AdminController,
    )
