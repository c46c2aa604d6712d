"""Every table of the installation, for migrations and for the check that they match."""

from __future__ import annotations

from importlib import import_module

from spcore.db.base import Model

for _module in (
    "spapp.accounts.models",
    "spapp.console.saved_views.models",
    "spapp.exports.models",
    "spapp.refusals.models",
    "spcore.audit.models",
    "spcore.outbox.models",
    "spcore.providers.models",
    "sptenants.bills.models",
    "sptenants.doctor.models",
    "sptenants.golive.models",
    "sptenants.notify.models",
    "sptenants.onboarding.models",
    "sptenants.orders.models",
    "sptenants.orders.unexplained",
    "sptenants.prices.models",
    "sptenants.reconciliation.models",
    "sptenants.refunds.models",
    "sptenants.registry.ledger",
    "sptenants.registry.models",
    "sptenants.sessions.models",
    "sptenants.webhooks.models",
):
    import_module(_module)  # declaring a table is what puts it into the metadata

metadata = Model.metadata
