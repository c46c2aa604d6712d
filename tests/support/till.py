"""A till to test orders at: two tenants of one provider with keys and bindings, and a WeChat of their own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select, update
from tests.support.fake_refunds import RefundingWechat
from tests.support.fake_wechat import PAYER
from tests.support.house import MASTER_KEY, build_house

from spcore.audit.actor import Actor
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, TenantScope
from spcore.ids import new_id
from spcore.outbox.models import OutboxMessage
from spcore.providers.keyring import Keyring
from spcore.providers.keys import put_key
from spcore.providers.models import KeyKind, Provider
from spcore.providers.profile import ProviderProfile
from spcore.providers.uses import KeyUses
from spcore.vault import Vault
from sptenants.notify.answers import Answer
from sptenants.notify.journal import Incoming
from sptenants.notify.models import Notification
from sptenants.notify.opening import Opener
from sptenants.notify.service import NotifyService
from sptenants.notify.watch import Watch
from sptenants.orders.adoption import Adoption
from sptenants.orders.commands import PlaceOrder
from sptenants.orders.healing import Healing
from sptenants.orders.reader import OrderDetail, OrderReader
from sptenants.orders.records import OrderRecord
from sptenants.orders.service import OrderService
from sptenants.prices.models import Price
from sptenants.prices.service import Prices
from sptenants.registry.access import RequestFacts
from sptenants.registry.caller import Caller, Payer, TenantProfile
from sptenants.registry.door import Door
from sptenants.registry.models import AppBinding, AppClaim, Tenant
from wechatpay.credentials import V2Key
from wechatpay.gateway import TradeType
from wechatpay.identifiers import AppId, OpenId
from wechatpay.money import Fen

MINI = "wx3f8c21d0b7e6a91c"
OFFICIAL = "wx8b1d04c99e23f5aa"
APP = "wx5b77e40aa1c2d3e4"
KEY = "0123456789abcdefghijklmnopqrstUV"
PEER = "203.0.113.9"
PUBLIC_URL = "https://pay.example.com"
CLIENT_BUNDLE = b"".join(
    b"-----BEGIN %b-----\nAA==\n-----END %b-----\n" % (kind, kind)
    for kind in (b"CERTIFICATE", b"PRIVATE KEY")
)
"""An API certificate as far as a WeChat that is not reached over TLS can tell."""
FACTS = RequestFacts("req_1", "198.51.100.7")


class Pauses:
    """`sleep` of tests: notes what was asked for and lets other tasks run."""

    def __init__(self) -> None:
        self.slept_s = 0.0

    async def __call__(self, seconds: float) -> None:
        self.slept_s += seconds
        await asyncio.sleep(seconds / 10)


@dataclass(slots=True)
class KnownCertificates:
    """WeChat's list of certificates, in which there is nothing new. Counts who asked."""

    asked: list[str] = field(default_factory=list)

    async def learn(self, provider: ProviderProfile) -> int | None:
        self.asked.append(provider.id)
        return None


@dataclass(slots=True)
class Till:
    """Services over one database, and shortcuts for what tests do all the time."""

    database: Database
    clock: Any
    keyring: Keyring
    vault: Vault
    wechat: RefundingWechat
    orders: OrderService
    notify: NotifyService
    healing: Healing
    adoption: Adoption
    reader: OrderReader
    pauses: Pauses
    certificates: KnownCertificates
    callers: list[Caller] = field(default_factory=list)

    @property
    def caller(self) -> Caller:
        return self.callers[0]

    @property
    def scope(self) -> TenantScope:
        return self.caller.scope

    def payer(self, openid: str = PAYER, tenant: int = 0) -> Payer:
        return Payer(self.callers[tenant], MINI, openid)

    async def signing_key(self, tenant: int = 0) -> V2Key:
        provider = self.callers[tenant].provider
        return (await self.keyring.v2(provider.id, provider.key_epoch)).signing

    async def placed(self, no: str = "T1", *, tenant: int = 0, **changes: Any) -> OrderRecord:
        return (await self.orders.place(self.callers[tenant], wanted(no, **changes), peer=PEER)).order

    async def order(self, order_id: str, *, tenant: int = 0) -> OrderRecord:
        return await self.reader.record(self.callers[tenant].scope, order_id)

    async def detail(self, order_id: str, *, tenant: int = 0) -> OrderDetail:
        return await self.reader.detail(self.callers[tenant].scope, order_id)

    async def tell(self, body: bytes, *, tenant: int = 0, headers: dict[str, str] | None = None) -> Answer:
        incoming = Incoming("v2", "payment", body, headers or {"content-type": "text/xml"}, FACTS)
        return await self.notify.payment_v2(self.callers[tenant].tenant.route_key, incoming)

    async def paid_body(self, order: OrderRecord, *, amount: int | None = None, **changes: Any) -> bytes:
        assert order.out_trade_no is not None
        self.wechat.pay(order.out_trade_no, self.clock.now(), amount=amount)
        return self.wechat.notification(order.out_trade_no, await self.signing_key(), **changes)

    async def journal(self, *, tenant: int = 0) -> list[Notification]:
        scope = self.callers[tenant].scope
        query = (
            select(Notification).where(Notification.tenant_id == scope.tenant_id).order_by(Notification.id)
        )
        async with self.database.read(scope) as session:
            return list(await session.scalars(query))

    async def events(self, *, tenant: int = 0) -> list[OutboxMessage]:
        scope = self.callers[tenant].scope
        query = select(OutboxMessage).where(OutboxMessage.tenant_id == scope.tenant_id)
        async with self.database.read(scope) as session:
            found = list(await session.scalars(query))
        return sorted(found, key=lambda row: (row.subject, row.sequence))

    async def learn_paid(self, order: OrderRecord) -> None:
        """The payer pays, and we are told of it: by a notification of v2, by a question of v3."""
        assert order.out_trade_no is not None
        tenant = next(i for i, each in enumerate(self.callers) if each.tenant.id == order.tenant_id)
        if self.wechat.books[order.out_trade_no].api_version == "v2":
            await self.tell(await self.paid_body(order), tenant=tenant)
            return
        self.wechat.pay(order.out_trade_no, self.clock.now())
        by = Actor("api_key", "key_1", "server")
        await self.orders.sync(self.callers[tenant].scope, order.id, by)

    async def set_tenant(self, **values: Any) -> None:
        async with self.database.write(ProviderScope(self.scope.provider_id)) as session:
            await session.execute(
                update(table_of(Tenant))
                .where(Tenant.provider_id == self.scope.provider_id, Tenant.id == self.scope.tenant_id)
                .values(**values)
            )

    async def run_healing(self, *, times: int, **every: float) -> None:
        """Let time pass in steps and heal what is due after each."""
        for _ in range(times):
            self.clock.advance(**every)
            await self.healing.run_due()


def wanted(no: str = "T1", **changes: Any) -> PlaceOrder:
    fields: dict[str, Any] = {
        "merchant_order_no": no,
        "amount": Fen(12800),
        "description": "拿铁双人套餐",
        "trade_type": TradeType.JSAPI,
        "sub_appid": AppId(MINI),
        "openid": OpenId(PAYER),
        "metadata": {"store": "01"},
    }
    return PlaceOrder(**(fields | changes))


async def build_till(database: Database, clock: Clock, *, tenants: int = 2, **provider: Any) -> Till:
    """Build a till; `provider` overrides columns of the provider, such as `sign_type`."""
    vault = Vault([MASTER_KEY])
    keyring, wechat, pauses = Keyring(database, vault, clock), RefundingWechat(), Pauses()
    services = (database, clock, keyring, wechat)
    adoption, certificates = Adoption(*services), KnownCertificates()
    watch = Watch(KeyUses(database, clock).note, lambda *_met: None, lambda *_refused: None)
    opener = Opener(keyring, clock, certificates, watch)
    till = Till(
        database=database,
        clock=clock,
        keyring=keyring,
        vault=vault,
        wechat=wechat,
        orders=OrderService(
            *services, Prices(database), public_url=PUBLIC_URL, jitter=lambda: 0.5, sleep=pauses
        ),
        notify=NotifyService(database, clock, Door(database, clock), keyring, wechat, adoption, opener),
        healing=Healing(*services, jitter=lambda: 0.5),
        adoption=adoption,
        reader=OrderReader(database, clock),
        pauses=pauses,
        certificates=certificates,
    )
    till.callers = await add_provider(till, number=1, tenants=tenants, **provider)
    return till


async def add_provider(
    till: Till, *, number: int, tenants: int = 1, key: str = KEY, **changes: Any
) -> list[Caller]:
    """Add another service provider with tenants and a key of its own."""
    house = await build_house(till.database, number=number, tenants=tenants)
    scope, now = house.provider, till.clock.now()
    async with till.database.write(scope) as session:
        if changes:
            own = Provider.id == scope.provider_id
            await session.execute(update(table_of(Provider)).where(own).values(**changes))
        await put_key(
            session,
            till.vault,
            provider_id=scope.provider_id,
            kind=KeyKind.API_V2,
            secret=key.encode(),
            now=now,
        )
        await put_key(
            session,
            till.vault,
            provider_id=scope.provider_id,
            kind=KeyKind.CLIENT_CERTIFICATE,
            secret=CLIENT_BUNDLE,
            now=now,
            label="5157F09E",
            not_after=now + timedelta(days=365),
        )
        if number == 1:
            await session.execute(insert(table_of(AppClaim)), _claims(scope))
            for tenant in house.tenants:
                await session.execute(insert(table_of(AppBinding)), _bindings(tenant, now))
                await session.execute(insert(table_of(Price)), [_price(tenant, now)])
        provider = await session.scalar(select(Provider).where(Provider.id == scope.provider_id))
        rows = await session.scalars(select(Tenant).where(Tenant.provider_id == scope.provider_id))
        assert provider is not None
        profile = ProviderProfile.of(provider)
        return [Caller(profile, TenantProfile.of(row), Actor("api_key", "key_1", "server")) for row in rows]


def _claims(scope: ProviderScope) -> list[dict[str, Any]]:
    return [
        {"mode": "test", "sub_appid": appid, "provider_id": scope.provider_id}
        for appid in (MINI, OFFICIAL, APP)
    ]


def _bindings(tenant: TenantScope, now: Any) -> list[dict[str, Any]]:
    kinds = ((MINI, "miniprogram"), (OFFICIAL, "official_account"), (APP, "app"))
    return [
        {
            "id": new_id("bnd"),
            "provider_id": tenant.provider_id,
            "tenant_id": tenant.tenant_id,
            "slot": slot,
            "mode": "test",
            "sub_appid": appid,
            "kind": kind,
            "owner": "merchant",
            "status": "verified",
            "secret_version": 0,
            "created_at": now,
            "updated_at": now,
        }
        for slot, (appid, kind) in enumerate(kinds, start=1)
    ]


def _price(tenant: TenantScope, now: Any) -> dict[str, Any]:
    return {
        "provider_id": tenant.provider_id,
        "tenant_id": tenant.tenant_id,
        "code": "latte",
        "name": "拿铁",
        "amount": 1280,
        "max_quantity": 20,
        "active": True,
        "updated_at": now,
    }
