"""The handlers of all pages; `asgi.py` adds them to those of the API."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.types import ControllerRouterHandler

from spapp.console.account.controllers import AccountPages, MerchantAccount
from spapp.console.analytics.controllers import AdminAnalytics
from spapp.console.anomalies.controllers import AdminAnomalies, ConsoleAnomalies, MerchantAnomalies
from spapp.console.api_keys.controllers import ConsoleKeys, MerchantKeys
from spapp.console.audit_log.controllers import AdminAudit, ConsoleAuditLog
from spapp.console.bills.controllers import AdminBills, ConsoleBills
from spapp.console.bindings.controllers import ConsoleBindings
from spapp.console.credentials.controllers import CredentialPages, KeyPages
from spapp.console.differences.controllers import AdminDifferences, ConsoleDifferences
from spapp.console.doctor.controllers import ConsoleDoctor
from spapp.console.entry.controller import EntryController
from spapp.console.entry.invitation_pages import InvitationPages
from spapp.console.entry.second_factor_pages import SecondFactorPages, SecondStep
from spapp.console.explain.controllers import AdminExplain, ConsoleExplain, MerchantExplain
from spapp.console.exports.controllers import AdminExports, ConsoleExports, MerchantExports
from spapp.console.golive.controllers import ConsoleGoLive
from spapp.console.inspector.controller import InspectorPages
from spapp.console.kit.controllers import ConsoleKit, MerchantKit
from spapp.console.members.controllers import AdminUsers, ConsoleMembers, MerchantMembers
from spapp.console.merchant_link.controllers import MerchantLinkPages
from spapp.console.notifies.controllers import AdminNotifies, ConsoleNotifies
from spapp.console.onboarding.controllers import WizardPages
from spapp.console.operations.controllers import OperationPages
from spapp.console.orders.controllers import AdminTransactions, ConsoleOrders, MerchantOrders
from spapp.console.overview.controllers import AdminOverview, ConsoleOverview, MerchantOverview
from spapp.console.prices.controllers import MerchantPrices
from spapp.console.refunds.controllers import ConsoleRefunds, MerchantRefunds
from spapp.console.routing.controllers import AdminRouting
from spapp.console.saved_views.controllers import AdminViews, ConsoleViews, MerchantViews
from spapp.console.search.controller import SearchPage
from spapp.console.service_providers.controllers import AllTenantPages, ProviderPages
from spapp.console.statements.controllers import ConsoleStatements, MerchantStatements
from spapp.console.tenant_import.controllers import TenantImportPages
from spapp.console.tenants.controllers import TenantPages
from spapp.console.visits.controllers import VisitEnd, VisitPages
from spapp.console.webhooks.controllers import (
    ConsoleWebhookChanges,
    ConsoleWebhookPages,
    MerchantWebhookChanges,
    MerchantWebhookPages,
)

PAGE_HANDLERS: Sequence[ControllerRouterHandler] = (
    # coming in
    EntryController,
    SecondStep,
    SecondFactorPages,
    InvitationPages,
    # people
    AccountPages,
    MerchantAccount,
    ConsoleMembers,
    AdminUsers,
    MerchantMembers,
    VisitPages,
    VisitEnd,
    # audit
    ConsoleAuditLog,
    AdminAudit,
    # finding, keeping and taking along
    SearchPage,
    ConsoleViews,
    AdminViews,
    MerchantViews,
    ConsoleExports,
    AdminExports,
    MerchantExports,
    # figures
    ConsoleOverview,
    AdminOverview,
    MerchantOverview,
    AdminAnalytics,
    AdminRouting,
    # money
    ConsoleOrders,
    AdminTransactions,
    MerchantOrders,
    ConsoleRefunds,
    MerchantRefunds,
    ConsoleAnomalies,
    AdminAnomalies,
    ConsoleBills,
    AdminBills,
    ConsoleDifferences,
    AdminDifferences,
    ConsoleStatements,
    MerchantStatements,
    ConsoleNotifies,
    AdminNotifies,
    InspectorPages,
    ConsoleExplain,
    AdminExplain,
    MerchantExplain,
    MerchantAnomalies,
    # developers
    ConsoleKeys,
    MerchantKeys,
    ConsoleWebhookPages,
    ConsoleWebhookChanges,
    MerchantWebhookPages,
    MerchantWebhookChanges,
    CredentialPages,
    KeyPages,
    # the platform itself
    OperationPages,
    ProviderPages,
    AllTenantPages,
    # sub-merchants
    TenantPages,
    TenantImportPages,
    WizardPages,
    ConsoleBindings,
    MerchantLinkPages,
    ConsoleDoctor,
    ConsoleGoLive,
    ConsoleKit,
    MerchantKit,
    MerchantPrices,
)
"""Every handler that answers with a page."""
