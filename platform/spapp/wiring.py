"""The one place that builds services, and the names under which handlers ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from litestar import Request
from litestar.di import Provide

from spapp.accounts.people import People
from spapp.accounts.second_factor import SecondFactors
from spapp.accounts.service import Accounts
from spapp.gateways import Gateways, Logins, tls_context
from spapp.web import metrics
from spapp.web.cookies import BrowserCookies
from spapp.web.guards import provide_staff
from spapp.web.i18n import choose_language
from spapp.web.limits import Limits, provide_limited_caller, provide_limited_provider_caller
from spcore.clock import Clock, SystemClock
from spcore.db.engine import Database
from spcore.providers.keyring import Keyring
from spcore.settings import Settings
from spcore.vault import Vault
from sptenants.anomalies.policy import DoublePaymentPolicy
from sptenants.anomalies.service import Anomalies
from sptenants.notify.refund_hints import RefundNotices
from sptenants.notify.service import NotifyService
from sptenants.notify.silence import Silence
from sptenants.orders.adoption import Adoption
from sptenants.orders.budget import Budget
from sptenants.orders.healing import Healing
from sptenants.orders.reader import OrderReader
from sptenants.orders.service import OrderService
from sptenants.prices.service import Prices
from sptenants.refunds.healing import RefundHealing
from sptenants.refunds.outside import OutsideWatch
from sptenants.refunds.reader import RefundReader
from sptenants.refunds.service import RefundService
from sptenants.registry.door import Door
from sptenants.registry.reader import TenantReader
from sptenants.registry.service import Registry
from sptenants.sessions.guards import provide_payer
from sptenants.sessions.service import Sessions
from sptenants.webhooks.connecting import Connector
from sptenants.webhooks.deliverer import Deliverer
from sptenants.webhooks.fanout import FanOut
from sptenants.webhooks.reader import WebhookReader
from sptenants.webhooks.sender import Sender
from sptenants.webhooks.service import Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything a process works with. Made by `build`, ended by `close`."""

    settings: Settings
    clock: Clock
    database: Database
    vault: Vault
    keyring: Keyring
    gateways: Gateways
    logins: Logins
    door: Door
    registry: Registry
    tenant_reader: TenantReader
    sessions: Sessions
    prices: Prices
    orders: OrderService
    order_reader: OrderReader
    adoption: Adoption
    refunds: RefundService
    refund_reader: RefundReader
    refund_healing: RefundHealing
    outside_watch: OutsideWatch
    notify: NotifyService
    refund_notices: RefundNotices
    silence: Silence
    anomalies: Anomalies
    double_payments: DoublePaymentPolicy
    healing: Healing
    webhooks: Webhooks
    webhook_reader: WebhookReader
    fan_out: FanOut
    deliverer: Deliverer
    accounts: Accounts
    people: People
    second_factors: SecondFactors
    limits: Limits
    cookies: BrowserCookies

    async def close(self) -> None:
        await self.deliverer.stop()
        await self.gateways.close()
        await self.logins.close()
        await self.database.close()


def build(
    settings: Settings, clock: Clock | None = None, *, webhook_connector: Connector | None = None
) -> Services:
    """Build every service over one database. Opens no connection yet.

    `webhook_connector` is for a program that plays the receivers itself; no setting leads to another one.
    """
    clock = clock or SystemClock()
    database = Database(settings.database_url.reveal())
    vault = Vault(settings.master_keys)
    keyring = Keyring(database, vault, clock)
    gateways, logins = Gateways(settings), Logins(settings)
    door = Door(database, clock)
    prices = Prices(database)
    accounts = Accounts(database, clock, second_factor_required=settings.require_second_factor)
    own_host = urlsplit(settings.public_url).hostname
    webhook_reader = WebhookReader(database)
    webhook_sender = Sender(tls_context(settings), webhook_connector or Connector(), own_host=own_host)
    budget = Budget(clock)
    adoption = Adoption(database, clock, keyring, gateways, budget)
    refunds = RefundService(database, clock, keyring, gateways, public_url=settings.public_url)
    notify = NotifyService(database, clock, door, keyring, gateways, adoption)
    return Services(
        settings=settings,
        clock=clock,
        database=database,
        vault=vault,
        keyring=keyring,
        gateways=gateways,
        logins=logins,
        door=door,
        registry=Registry(database, vault, clock),
        tenant_reader=TenantReader(database),
        sessions=Sessions(database, vault, clock, logins),
        prices=prices,
        orders=OrderService(database, clock, keyring, gateways, prices, public_url=settings.public_url),
        order_reader=OrderReader(database, clock),
        adoption=adoption,
        refunds=refunds,
        refund_reader=RefundReader(database),
        refund_healing=RefundHealing(database, clock, keyring, gateways, budget=budget),
        outside_watch=OutsideWatch(database, clock, refunds.outside, budget),
        notify=notify,
        refund_notices=RefundNotices(database, clock, door, keyring, refunds.hints, notify),
        silence=Silence(database, clock),
        anomalies=Anomalies(database, clock),
        double_payments=DoublePaymentPolicy(database, refunds),
        healing=Healing(database, clock, keyring, gateways, budget=budget),
        webhooks=Webhooks(database, vault, clock, webhook_reader, own_host=own_host),
        webhook_reader=webhook_reader,
        fan_out=FanOut(database, clock),
        deliverer=Deliverer(database, clock, vault, webhook_sender, observe=metrics.observe_webhook),
        accounts=accounts,
        people=People(database, clock, accounts),
        second_factors=SecondFactors(database, clock, vault, accounts, issuer=f"wxsp {own_host}"),
        limits=Limits(door, settings.workers),
        cookies=BrowserCookies.under(settings.public_url),
    )


def dependencies(services: Services) -> Mapping[str, Provide]:
    """Return what handlers may ask for by name, application-wide."""
    names = (
        "accounts",
        "adoption",
        "anomalies",
        "clock",
        "database",
        "deliverer",
        "door",
        "healing",
        "limits",
        "notify",
        "order_reader",
        "orders",
        "people",
        "prices",
        "refund_notices",
        "refund_reader",
        "refunds",
        "registry",
        "second_factors",
        "sessions",
        "settings",
        "tenant_reader",
        "webhook_reader",
        "webhooks",
    )
    provided = {name: _the(getattr(services, name)) for name in names}
    return provided | {
        # `cookies` is one of the names the framework keeps for itself.
        "browser_cookies": _the(services.cookies),
        "caller": Provide(provide_limited_caller),
        "provider_caller": Provide(provide_limited_provider_caller),
        "payer": Provide(provide_payer),
        "staff": Provide(provide_staff),
        "language": Provide(_language),
    }


async def _language(request: Request[Any, Any, Any]) -> Literal["zh", "en"]:
    """Dependency `language`: what the API's texts are answered in."""
    return "en" if choose_language(None, request.headers.get("accept-language", "")) == "en" else "zh"


def _the(service: Any) -> Provide:
    def provide() -> Any:
        return service

    return Provide(provide, sync_to_thread=False)
