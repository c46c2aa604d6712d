"""The one place that builds services, and the names under which handlers ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from litestar import Request
from litestar.di import Provide

from spapp.accounts.directory import Directory
from spapp.accounts.invitations import Invitations
from spapp.accounts.members import Members
from spapp.accounts.notices import NoticeBoard
from spapp.accounts.own import OwnAccount
from spapp.accounts.people import People
from spapp.accounts.second_factor import SecondFactors
from spapp.accounts.service import Accounts
from spapp.accounts.visits import Visits
from spapp.audit_watch import AuditWatch
from spapp.console.analytics.export import AnalyticsExport
from spapp.console.audit_log.export import AuditExport
from spapp.console.differences.export import DifferenceExport
from spapp.console.orders.export import OrderExport
from spapp.console.refunds.export import RefundExport
from spapp.console.saved_views.service import SavedViews
from spapp.console.statements.export import BillLineExport
from spapp.expiry_watch import ExpiryWatch
from spapp.exports.service import Exports
from spapp.exports.writing import Writing
from spapp.gateways import Gateways, Logins, shared_tls_context
from spapp.inspector import Inspector
from spapp.kit.service import Kits
from spapp.refusals.journal import RefusalJournal
from spapp.web import metrics
from spapp.web.cookies import BrowserCookies
from spapp.web.guards import provide_staff
from spapp.web.i18n import choose_language
from spapp.web.limits import Limits, provide_limited_caller, provide_limited_provider_caller
from spcore.audit.heads import HeadSigner
from spcore.audit.reader import AuditReader
from spcore.clock import Clock, SystemClock
from spcore.db.engine import Database
from spcore.providers.candidates import Candidates
from spcore.providers.echo_trial import EchoTrial
from spcore.providers.keyring import Keyring
from spcore.providers.platform_certificates import PlatformCertificates
from spcore.providers.questions import Questions
from spcore.providers.rehearsal import Rehearsals
from spcore.providers.rotation import ProviderKeys
from spcore.providers.uses import KeyUses
from spcore.settings import Settings
from spcore.vault import Vault
from sptenants.anomalies.policy import DoublePaymentPolicy
from sptenants.anomalies.service import Anomalies
from sptenants.bills.line_pages import LinePages
from sptenants.bills.reader import Bookshelf
from sptenants.bills.service import Bills
from sptenants.doctor.echo import EchoTest
from sptenants.doctor.examination import Examiner
from sptenants.doctor.loop import SelfTest
from sptenants.doctor.probe_closing import ProbeClosing
from sptenants.doctor.service import Doctor
from sptenants.golive.service import GoLive
from sptenants.golive.trials import Trials
from sptenants.notify.challenge import Challenges
from sptenants.notify.contents import Contents
from sptenants.notify.echoes import Echoes
from sptenants.notify.opening import Opener
from sptenants.notify.reader import NotificationReader
from sptenants.notify.refund_hints import RefundNotices
from sptenants.notify.replay import Replays
from sptenants.notify.samples import StoredSamples
from sptenants.notify.service import NotifyService
from sptenants.notify.silence import Silence
from sptenants.notify.watch import Watch
from sptenants.onboarding.batch import TenantImport
from sptenants.onboarding.links import OnboardingLinks
from sptenants.onboarding.service import Onboarding
from sptenants.orders.adoption import Adoption
from sptenants.orders.budget import Budget
from sptenants.orders.healing import Healing
from sptenants.orders.reader import OrderReader
from sptenants.orders.service import OrderService
from sptenants.orders.summing import Summing
from sptenants.prices.editing import PriceEditing
from sptenants.prices.service import Prices
from sptenants.reconciliation.closing import Differences
from sptenants.reconciliation.comparing import Comparing
from sptenants.reconciliation.healing import DifferenceHealing
from sptenants.reconciliation.rates import AgreedRates
from sptenants.reconciliation.reader import DifferenceReader, StatementReader
from sptenants.reconciliation.statements import Statements
from sptenants.refunds.healing import RefundHealing
from sptenants.refunds.outside import OutsideWatch
from sptenants.refunds.reader import RefundReader
from sptenants.refunds.service import RefundService
from sptenants.registry.api_version import ApiVersions
from sptenants.registry.binding_list import BindingReader
from sptenants.registry.door import Door
from sptenants.registry.key_service import ApiKeys
from sptenants.registry.providers import ServiceProviders
from sptenants.registry.reader import TenantReader
from sptenants.registry.service import Registry
from sptenants.registry.sub_merchants import SubMerchantNumbers
from sptenants.search.reader import SearchReader
from sptenants.sessions.guards import provide_payer
from sptenants.sessions.service import Sessions
from sptenants.webhooks.connecting import Connector
from sptenants.webhooks.deliverer import Deliverer
from sptenants.webhooks.fanout import FanOut
from sptenants.webhooks.reader import WebhookReader
from sptenants.webhooks.sender import Sender
from sptenants.webhooks.service import Webhooks
from wechatpay.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything a process works with. Made by `build`, ended by `close`."""

    settings: Settings
    clock: Clock
    database: Database
    vault: Vault
    keyring: Keyring
    provider_keys: ProviderKeys
    candidates: Candidates
    rehearsals: Rehearsals
    key_uses: KeyUses
    platform_certificates: PlatformCertificates
    expiry_watch: ExpiryWatch
    gateways: Gateways
    logins: Logins
    door: Door
    registry: Registry
    api_keys: ApiKeys
    api_versions: ApiVersions
    service_providers: ServiceProviders
    tenant_reader: TenantReader
    binding_reader: BindingReader
    onboarding: Onboarding
    onboarding_links: OnboardingLinks
    tenant_import: TenantImport
    kits: Kits
    sessions: Sessions
    prices: Prices
    price_editing: PriceEditing
    orders: OrderService
    order_reader: OrderReader
    search_reader: SearchReader
    saved_views: SavedViews
    exports: Exports
    export_writing: Writing
    adoption: Adoption
    refunds: RefundService
    refund_reader: RefundReader
    refund_healing: RefundHealing
    outside_watch: OutsideWatch
    difference_healing: DifferenceHealing
    notify: NotifyService
    refund_notices: RefundNotices
    echoes: Echoes
    notify_contents: Contents
    notifications: NotificationReader
    inspector: Inspector
    replays: Replays
    silence: Silence
    challenges: Challenges
    doctor: Doctor
    probe_closing: ProbeClosing
    trials: Trials
    golive: GoLive
    anomalies: Anomalies
    double_payments: DoublePaymentPolicy
    bills: Bills
    bookshelf: Bookshelf
    line_pages: LinePages
    differences: Differences
    difference_reader: DifferenceReader
    statement_reader: StatementReader
    statements: Statements
    agreed_rates: AgreedRates
    healing: Healing
    summing: Summing
    webhooks: Webhooks
    webhook_reader: WebhookReader
    fan_out: FanOut
    deliverer: Deliverer
    accounts: Accounts
    people: People
    second_factors: SecondFactors
    directory: Directory
    members: Members
    invitations: Invitations
    own_account: OwnAccount
    notice_board: NoticeBoard
    visits: Visits
    audit_reader: AuditReader
    audit_watch: AuditWatch
    limits: Limits
    refusal_journal: RefusalJournal
    cookies: BrowserCookies

    async def close(self) -> None:
        await self.deliverer.stop()
        await self.platform_certificates.close()
        await self.key_uses.close()
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
    provider_keys, key_uses = ProviderKeys(database, vault, clock), KeyUses(database, clock)
    gateways, logins = Gateways(settings, clock, key_uses), Logins(settings)
    platform_certificates = PlatformCertificates(database, vault, clock, keyring, gateways)
    gateways.on_unknown_certificate = platform_certificates.suspect
    door = Door(database, clock)
    prices = Prices(database)
    accounts = Accounts(database, clock, second_factor_required=settings.require_second_factor)
    own_host = urlsplit(settings.public_url).hostname
    second_factors = SecondFactors(database, clock, vault, accounts, issuer=f"wxsp {own_host}")
    webhook_reader = WebhookReader(database)
    tls = shared_tls_context(settings)
    webhook_sender = Sender(tls, webhook_connector or Connector(), own_host=own_host)
    budget = Budget(clock)
    order_reader, refund_reader = OrderReader(database, clock), RefundReader(database)
    tenant_reader, audit_reader = TenantReader(database), AuditReader(database)
    bookshelf, line_pages = Bookshelf(database), LinePages(database)
    difference_reader = DifferenceReader(database)
    kinds = (
        OrderExport(order_reader),
        RefundExport(refund_reader),
        AnalyticsExport(database),
        AuditExport(audit_reader),
        BillLineExport(bookshelf, line_pages),
        DifferenceExport(difference_reader),
    )
    exports = Exports(database, clock, kinds)
    adoption = Adoption(database, clock, keyring, gateways, budget)
    refunds = RefundService(database, clock, keyring, gateways, public_url=settings.public_url)
    watch = Watch(key_uses.note, metrics.observe_key_met, metrics.observe_refused_notification)
    opener = Opener(keyring, clock, platform_certificates, watch)
    notify = NotifyService(database, clock, door, keyring, gateways, adoption, opener)
    orders = OrderService(
        database,
        clock,
        keyring,
        gateways,
        prices,
        public_url=settings.public_url,
        certificates=platform_certificates,
    )
    challenges = Challenges(vault)
    examiner = _examiner(settings, clock, database, vault, keyring, gateways, logins, challenges)
    doctor = Doctor(database, clock, examiner)
    trials = Trials(database, clock, orders, refunds)
    refund_notices = RefundNotices(database, clock, door, keyring, refunds.hints, notify)
    return Services(
        settings=settings,
        clock=clock,
        database=database,
        vault=vault,
        keyring=keyring,
        provider_keys=provider_keys,
        candidates=Candidates(database, vault, clock),
        rehearsals=_rehearsals(settings, clock, database, vault, keyring, gateways),
        key_uses=key_uses,
        platform_certificates=platform_certificates,
        expiry_watch=ExpiryWatch(database, clock, provider_keys),
        gateways=gateways,
        logins=logins,
        door=door,
        registry=Registry(database, vault, clock),
        api_keys=ApiKeys(database, vault, clock),
        api_versions=ApiVersions(database, clock),
        service_providers=ServiceProviders(database, vault, clock),
        tenant_reader=tenant_reader,
        binding_reader=BindingReader(database),
        onboarding=Onboarding(database, vault, clock, tenant_reader),
        onboarding_links=OnboardingLinks(database, vault, clock),
        tenant_import=TenantImport(database, vault, clock),
        kits=Kits(database, clock, tenant_reader, public_url=settings.public_url),
        sessions=Sessions(database, vault, clock, logins),
        prices=prices,
        price_editing=PriceEditing(database, clock),
        orders=orders,
        order_reader=order_reader,
        search_reader=SearchReader(database, order_reader),
        saved_views=SavedViews(database, clock),
        exports=exports,
        export_writing=Writing(database, clock, exports),
        adoption=adoption,
        refunds=refunds,
        refund_reader=refund_reader,
        refund_healing=RefundHealing(database, clock, keyring, gateways, budget=budget),
        outside_watch=OutsideWatch(database, clock, refunds.outside, budget),
        difference_healing=DifferenceHealing(
            database, clock, keyring, gateways, adoption, refunds.outside, budget=budget
        ),
        notify=notify,
        refund_notices=refund_notices,
        echoes=Echoes(database, clock, door, notify),
        notify_contents=Contents(door, keyring, clock),
        notifications=NotificationReader(database),
        inspector=Inspector(database, vault, clock, settings.workers),
        replays=Replays(database, clock, door, notify, refund_notices),
        silence=Silence(database, clock),
        challenges=challenges,
        doctor=doctor,
        probe_closing=ProbeClosing(database, clock, keyring, gateways),
        trials=trials,
        golive=GoLive(database, vault, clock, doctor, trials, tenant_reader),
        anomalies=Anomalies(database, clock),
        double_payments=DoublePaymentPolicy(database, refunds),
        bills=Bills(database, clock, keyring, gateways, Comparing(database, clock).run),
        bookshelf=bookshelf,
        line_pages=line_pages,
        differences=Differences(database, clock),
        difference_reader=difference_reader,
        statement_reader=StatementReader(database),
        statements=Statements(database, clock),
        agreed_rates=AgreedRates(database, clock),
        healing=Healing(database, clock, keyring, gateways, budget=budget),
        summing=Summing(database, clock),
        webhooks=Webhooks(database, vault, clock, webhook_reader, own_host=own_host),
        webhook_reader=webhook_reader,
        fan_out=FanOut(database, clock),
        deliverer=Deliverer(database, clock, vault, webhook_sender, observe=metrics.observe_webhook),
        accounts=accounts,
        people=People(database, clock, accounts),
        second_factors=second_factors,
        directory=Directory(database, clock),
        members=Members(database, clock, second_factors),
        invitations=Invitations(database, clock, accounts),
        own_account=OwnAccount(database, clock, accounts),
        notice_board=NoticeBoard(database, clock),
        visits=Visits(database, clock, accounts),
        audit_reader=audit_reader,
        audit_watch=AuditWatch(database, clock, HeadSigner(settings.master_keys)),
        limits=Limits(door, settings.workers),
        refusal_journal=RefusalJournal(database, clock),
        cookies=BrowserCookies.under(settings.public_url),
    )


def _rehearsals(
    settings: Settings, clock: Clock, database: Database, vault: Vault, keyring: Keyring, gateways: Gateways
) -> Rehearsals:
    samples = StoredSamples(database)
    sub_merchants = SubMerchantNumbers(database, public_url=settings.public_url)
    questions = Questions(clock, gateways, sub_merchants)
    echo_trial = EchoTrial(database, clock, gateways, samples, sub_merchants)
    return Rehearsals(database, vault, clock, keyring, samples, questions, echo_trial)


def _examiner(
    settings: Settings,
    clock: Clock,
    database: Database,
    vault: Vault,
    keyring: Keyring,
    gateways: Gateways,
    logins: Logins,
    challenges: Challenges,
) -> Examiner:
    tls, public_url = shared_tls_context(settings), settings.public_url
    self_test = SelfTest(lambda: Transport(public_url, verify=tls), challenges)
    echo = EchoTest(database, clock, gateways, public_url=public_url)
    return Examiner(database, vault, clock, keyring, gateways, logins, self_test, echo, public_url=public_url)


def dependencies(services: Services) -> Mapping[str, Provide]:
    """Return what handlers may ask for by name, application-wide."""
    names = (
        "accounts",
        "adoption",
        "agreed_rates",
        "anomalies",
        "api_keys",
        "api_versions",
        "audit_reader",
        "audit_watch",
        "bills",
        "binding_reader",
        "bookshelf",
        "challenges",
        "clock",
        "database",
        "deliverer",
        "difference_reader",
        "differences",
        "directory",
        "doctor",
        "door",
        "exports",
        "golive",
        "healing",
        "invitations",
        "candidates",
        "rehearsals",
        "key_uses",
        "platform_certificates",
        "kits",
        "limits",
        "line_pages",
        "members",
        "notice_board",
        "notify",
        "onboarding",
        "onboarding_links",
        "order_reader",
        "orders",
        "own_account",
        "people",
        "price_editing",
        "prices",
        "provider_keys",
        "refund_notices",
        "echoes",
        "notify_contents",
        "notifications",
        "inspector",
        "replays",
        "refund_reader",
        "refunds",
        "registry",
        "saved_views",
        "search_reader",
        "second_factors",
        "service_providers",
        "sessions",
        "settings",
        "statement_reader",
        "tenant_import",
        "tenant_reader",
        "visits",
        "webhook_reader",
        "webhooks",
    )
    provided = {name: _of(services, name) for name in names}
    return provided | {
        # `cookies` is one of the names the framework keeps for itself.
        "browser_cookies": _of(services, "cookies"),
        "caller": Provide(provide_limited_caller),
        "provider_caller": Provide(provide_limited_provider_caller),
        "payer": Provide(provide_payer),
        "staff": Provide(provide_staff),
        "language": Provide(_language),
    }


async def _language(request: Request[Any, Any, Any]) -> Literal["zh", "en"]:
    """Dependency `language`: what the API's texts are answered in."""
    return "en" if choose_language(None, request.headers.get("accept-language", "")) == "en" else "zh"


class _Fixed(Provide):
    """A provider that equals itself alone.

    The framework compares each with each for every route; comparing them field by field is a fifth of the
    time that the application takes to start.
    """

    __eq__ = object.__eq__
    __hash__ = object.__hash__


def _of(services: Services, name: str) -> Provide:
    def provide() -> Any:
        return getattr(services, name)

    return _Fixed(provide, sync_to_thread=False)
