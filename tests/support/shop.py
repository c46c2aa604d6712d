"""A lived-in installation to look at: two providers, tenants, orders in every state, people to sign in as.

Rows are written as they would stand after real traffic; money and states obey the database's own rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import insert
from tests.support.order_rows import order_rows
from tests.support.shop_bills import ShopBills, add_bills
from tests.support.shop_developers import add_developers
from tests.support.shop_doctor import add as add_doctor
from tests.support.shop_figures import add_figures
from tests.support.shop_keys import add_keys
from tests.support.shop_lists import add_lists
from tests.support.shop_money import LONG_REASON, add_anomaly, add_refund
from tests.support.shop_notifies import add_notifies
from tests.support.shop_notifies_v3 import add_notifies_v3
from tests.support.shop_onboarding import add_onboarding
from tests.support.shop_people import add_people
from tests.support.shop_prices import add_prices
from tests.support.till import KEY

from spapp.accounts.models import Membership, Person, Role
from spapp.accounts.passwords import hash_password
from spcore.audit.actor import Actor
from spcore.audit.writer import Act, record
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, ProviderScope, TenantScope
from spcore.ids import new_id
from spcore.providers.models import Provider
from sptenants.orders import timeline
from sptenants.orders.models import Attempt, Order, TimelineEntry
from sptenants.orders.timeline import Note
from sptenants.registry.models import ApiKey, AppBinding, AppClaim, Tenant
from sptenants.registry.tokens import new_api_key, new_route_key
from wechatpay.credentials import V2Key

PASSWORD = "a long walk by the canal"
LONG_NAME = "上海市徐汇区漕河泾新兴技术开发区力行健身俱乐部有限公司（徐汇滨江旗舰店）"
HOSTILE_NAME = '<script>alert("x")</script>{{7*7}}&lt;b&gt;'
TRANSACTION_ID = "4200002611202611215530918274"
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"

MOST_FEN = 999_999_999
"""The largest amount WeChat Pay takes."""


@dataclass(slots=True)
class Shop:
    """What tests need to find things again."""

    now: datetime
    providers: list[ProviderScope] = field(default_factory=list)
    tenants: dict[str, TenantScope] = field(default_factory=dict)
    orders: dict[str, str] = field(default_factory=dict)
    """Order ids by what stands out about them."""
    people: dict[str, str] = field(default_factory=dict)
    """E-mail addresses by role."""
    bindings: dict[str, str] = field(default_factory=dict)
    """Id of a binding by the name of its tenant."""
    refunds: dict[str, str] = field(default_factory=dict)
    """Refund ids by what stands out about them."""
    developers: dict[str, dict[str, str]] = field(default_factory=dict)
    """Ids of a key, an endpoint and a delivery (`key`, `endpoint`, `delivery`), by name of the tenant."""
    notifies: dict[str, str] = field(default_factory=dict)
    """Ids of notifications by what stands out about them."""
    anomalies: dict[str, str] = field(default_factory=dict)
    """Ids of what is on the work list, by kind or by what stands out."""
    trials: dict[str, str] = field(default_factory=dict)
    """Ids of a trial and its certificate, here and at the other provider."""
    members: dict[str, str] = field(default_factory=dict)
    persons: dict[str, str] = field(default_factory=dict)
    acts: dict[str, str] = field(default_factory=dict)
    """Ids of memberships, of their people and of audit rows, by what stands out."""
    bills: ShopBills = field(default_factory=ShopBills)
    """Days, bills and differences, by what stands out."""


async def fill(database: Database, now: datetime, *, plain_orders: int = 45) -> Shop:
    """Fill an empty, migrated database; `plain_orders` paid orders make the list several pages long."""
    shop = Shop(now)
    first = await _provider(database, shop, "云启支付服务", "1900000109", "test")
    second = await _provider(database, shop, "汇通科技", "1900000217", "test")
    for name, number, status in (
        ("晨曦咖啡", "1612345678", "live"),
        (LONG_NAME, "1623456701", "live"),
        ("阿婆生煎", "1634567012", "onboarding"),
        (HOSTILE_NAME, "1645670123", "suspended"),
    ):
        await _tenant(database, shop, first, name, number, status)
    await _tenant(database, shop, second, "仁康门诊部", "1667012345", "live")
    await _bind(database, shop.tenants["晨曦咖啡"], shop.now)
    await _key(database, shop.tenants["晨曦咖啡"], shop.now)
    shop.bindings |= await add_onboarding(database, shop.tenants, LONG_NAME, shop.now)
    await _people(database, shop)
    people = await add_people(database, shop.now, shop.providers, shop.tenants["晨曦咖啡"])
    shop.members, shop.persons, shop.acts = people
    await add_lists(database, shop.people, shop.now)
    await _orders(database, shop, plain_orders)
    await _refunds(database, shop)
    await _anomalies(database, shop)
    await _developers(database, shop)
    coffee, clinic, made = shop.tenants["晨曦咖啡"], shop.tenants["仁康门诊部"], shop.orders
    shop.trials = await add_doctor(database, shop.now, coffee, clinic, made["latest"], made["other tenant"])
    places = (shop.tenants[name] for name in ("晨曦咖啡", LONG_NAME, "仁康门诊部"))
    await add_prices(database, *places, shop.now)
    await add_figures(database, shop.now, [shop.tenants[n] for n in ("晨曦咖啡", LONG_NAME, "仁康门诊部")])
    await add_keys(database, shop.providers, shop.now, ("1900000109", "1900000217"))
    key = V2Key(1, KEY)
    shop.notifies = await add_notifies(database, shop.tenants, shop.orders, shop.now, key=key, gym=LONG_NAME)
    shop.notifies |= await add_notifies_v3(database, shop.tenants, shop.orders, shop.now)
    seeds = shop.tenants, shop.orders, shop.refunds
    shop.bills = await add_bills(database, *seeds, shop.now, gym=LONG_NAME, hostile=HOSTILE_NAME)
    return shop


async def _developers(database: Database, shop: Shop) -> None:
    for place, (name, order) in enumerate(
        (("晨曦咖啡", "latest"), (LONG_NAME, "largest"), ("仁康门诊部", "other tenant"))
    ):
        tenant, provider = shop.tenants[name], shop.providers[place // 2]
        order_id, at = shop.orders[order], shop.now - timedelta(minutes=place)
        shop.developers[name] = await add_developers(database, provider, tenant, order_id, at)


async def _refunds(database: Database, shop: Shop) -> None:
    coffee, gym, clinic = (shop.tenants[name] for name in ("晨曦咖啡", LONG_NAME, "仁康门诊部"))
    ago = timedelta(seconds=15)
    failure = {"api": "refund", "code": "TRADE_OVERDUE", "message": "订单已超过可退款的最大期限"}
    made: Sequence[tuple[str, TenantScope, str, int, dict[str, Any]]] = (
        ("full", coffee, "refunded", 120_000, {}),
        ("succeeded", coffee, "partly", 20_000, {"reason": LONG_REASON}),
        ("rejected", coffee, "partly", 500, {"status": "rejected", "failure": failure, "source": "api_key"}),
        ("abnormal", gym, "largest", 88_800, {"status": "abnormal", "reserved": True}),
        (
            "waiting",
            gym,
            "largest",
            500_000_00,
            {"status": "requested", "approval": "waiting", "reserved": True, "created_by": "陈出纳"},
        ),
        ("other tenant", clinic, "other tenant", 4_500, {"status": "closed", "source": "wechat"}),
    )
    for place, (key, tenant, order, amount, shape) in enumerate(made):
        at = shop.now - timedelta(minutes=3) + ago * place
        order_id = shop.orders[order]
        shop.refunds[key] = await add_refund(database, tenant, order_id, amount, at, **shape)


async def _anomalies(database: Database, shop: Shop) -> None:
    coffee, gym, clinic = (shop.tenants[name] for name in ("晨曦咖啡", LONG_NAME, "仁康门诊部"))
    second = {"transaction_id": TRANSACTION_ID, "out_trade_no": "01JD3", "amount": 12_800}
    mended = {"settled_by": "王敏", "note": "已与商户核对，通知地址的证书已更换。"}
    made: Sequence[tuple[str, TenantScope, str, dict[str, Any]]] = (
        ("silent_callback", coffee, "healed", mended),
        ("double_payment", coffee, "latest", second),
        ("amount_mismatch", gym, "mismatch", {"amount": 256_001, "fields": ["total_fee"]}),
        ("late_payment", clinic, "other tenant", {"amount": 45_000}),
    )
    for place, (kind, tenant, order, shape) in enumerate(made):
        at = shop.now - timedelta(minutes=2) + timedelta(seconds=15) * place
        order_id = shop.orders[order]
        shop.anomalies[kind] = await add_anomaly(database, tenant, kind, at, order_id=order_id, **shape)


async def _provider(database: Database, shop: Shop, name: str, mch_id: str, mode: str) -> ProviderScope:
    scope = ProviderScope(new_id("prv", shop.now))
    row = {
        "id": scope.provider_id,
        "mode": mode,
        "kind": "ordinary",
        "name": name,
        "mch_id": mch_id,
        "appid": f"wx{int(mch_id):016x}",
        "api_version": "v2",
        "sign_type": "HMAC-SHA256",
        "status": "active",
        "route_key": new_route_key(),
        "key_epoch": 1,
        "created_at": shop.now,
        "updated_at": shop.now,
    }
    async with database.write(scope) as session:
        await session.execute(insert(table_of(Provider)), [row])
    shop.providers.append(scope)
    return scope


async def _tenant(
    database: Database, shop: Shop, provider: ProviderScope, name: str, number: str, status: str
) -> None:
    scope = TenantScope(provider.provider_id, new_id("ten", shop.now))
    row = {
        "id": scope.tenant_id,
        "provider_id": provider.provider_id,
        "sub_mch_id": number,
        "name": name,
        "status": status,
        "route_key": new_route_key(),
        "server_per_second": 200,
        "session_per_second": 20,
        "created_at": shop.now - timedelta(days=40),
        "updated_at": shop.now,
    }
    act = Act(
        actor=Actor("cli", None, "wxsp import"),
        action="tenant.status_changed",
        object_kind="tenant",
        object_id=scope.tenant_id,
        tenant_id=scope.tenant_id,
        before={"status": "draft"},
        after={"status": status},
    )
    async with database.write(provider) as session:
        await session.execute(insert(table_of(Tenant)), [row])
        await record(session, provider.provider_id, act, shop.now)
    shop.tenants[name] = scope


async def _bind(database: Database, tenant: TenantScope, now: datetime) -> None:
    wanted = (
        ("wx3f8c21d0b7e6a91c", "miniprogram", "merchant", "verified", 1),
        ("wx8b1d04c99e23f5aa", "official_account", "merchant", "unverified", 0),
        ("wx5b77e40aa1c2d3e4", "miniprogram", "provider", "invalid", 0),
    )
    claims = [{"mode": "test", "sub_appid": appid, "provider_id": tenant.provider_id} for appid, *_ in wanted]
    rows = [
        {
            "id": new_id("bnd", now),
            "provider_id": tenant.provider_id,
            "tenant_id": tenant.tenant_id,
            "slot": slot,
            "mode": "test",
            "sub_appid": appid,
            "kind": kind,
            "owner": owner,
            "status": status,
            "secret_sealed": b"sealed" if version else None,
            "secret_version": version,
            "secret_fingerprint": "5d41402abc4b2a76" if version else None,
            "created_at": now,
            "updated_at": now,
        }
        for slot, (appid, kind, owner, status, version) in enumerate(wanted, start=1)
    ]
    async with database.write(ProviderScope(tenant.provider_id)) as session:
        await session.execute(insert(table_of(AppClaim)), claims)
        await session.execute(insert(table_of(AppBinding)), rows)


async def _key(database: Database, tenant: TenantScope, now: datetime) -> None:
    made = new_api_key("wsk", "test")
    row = {
        "id": new_id("key", now),
        "provider_id": tenant.provider_id,
        "tenant_id": tenant.tenant_id,
        "name": "server",
        "secret_hash": made.secret_hash,
        "hint": made.hint,
        "created_at": now,
    }
    async with database.write(ProviderScope(tenant.provider_id)) as session:
        await session.execute(insert(table_of(ApiKey)), [row])


@cache
def _password_hash() -> str:
    return hash_password(PASSWORD)


async def _people(database: Database, shop: Shop) -> None:
    first, merchant = shop.providers[0], shop.tenants["晨曦咖啡"]
    places: Sequence[tuple[Role, str, str | None, str | None]] = (
        (Role.PLATFORM_ADMIN, "周平", None, None),
        (Role.PLATFORM_AUDITOR, "吴审", None, None),
        (Role.PROVIDER_OWNER, "王敏", first.provider_id, None),
        (Role.PROVIDER_OPERATOR, "赵运", first.provider_id, None),
        (Role.PROVIDER_FINANCE, "钱财", first.provider_id, None),
        (Role.PROVIDER_VIEWER, "李看", first.provider_id, None),
        (Role.MERCHANT_USER, "陈店长", merchant.provider_id, merchant.tenant_id),
    )
    for role, name, provider_id, tenant_id in places:
        shop.people[role.value] = await hire(database, shop.now, role, name, provider_id, tenant_id)


async def hire(
    database: Database,
    now: datetime,
    role: Role,
    name: str,
    provider_id: str | None,
    tenant_id: str | None = None,
) -> str:
    """Add a person in one role, who signs in with PASSWORD, and return their e-mail address."""
    person_id, email = new_id("per", now), f"{role.value}@example.com"
    person = {
        "id": person_id,
        "email": email,
        "name": name,
        "password_hash": _password_hash(),
        "status": "active",
        "created_at": now,
    }
    membership = {
        "id": new_id("mbr", now),
        "person_id": person_id,
        "role": role.value,
        "provider_id": provider_id,
        "tenant_id": tenant_id,
        "created_at": now,
    }
    async with database.write(DoorScope()) as session:
        await session.execute(insert(table_of(Person)), [person])
        await session.execute(insert(table_of(Membership)), [membership])
    return email


async def _orders(database: Database, shop: Shop, plain: int) -> None:
    coffee, gym = shop.tenants["晨曦咖啡"], shop.tenants[LONG_NAME]
    clinic = shop.tenants["仁康门诊部"]
    ago = timedelta(seconds=20)
    rows: dict[TenantScope, list[OrderRows]] = {coffee: [], gym: [], clinic: []}
    for place in range(plain):
        at = shop.now - timedelta(minutes=10) - ago * (plain - place)
        rows[coffee].append(_order(coffee, at, f"T2026112100{place:04d}", "美式咖啡", 1200 + place * 10))
    made: Sequence[tuple[str, TenantScope, str, str, int, dict[str, Any]]] = (
        ("other tenant", clinic, "H0000000000001", "体检套餐 B", 45_000, {}),
        ("closed", coffee, "T20261121001001", "停车缴费 沪A·8**2K", 1_880, {"status": "closed"}),
        ("failed", gym, "T20261121001002", "会员充值", 6_800, {"status": "failed"}),
        ("refunded", coffee, "T20261121001003", "亲子营地 12/05", 120_000, {"refunded": 120_000}),
        ("partly", coffee, "T20261121001004", "冬季外套", 89_900, {"refunded": 20_000}),
        ("unclear", coffee, "T20261121001005", "鲜花配送", 7_500, {"status": "submitting"}),
        ("pending", coffee, "T20261121001006", "外卖订单", 3_650, {"status": "pending"}),
        ("mismatch", gym, "T20261121001007", "年卡会员", 256_000, {"status": "pending", "bad": True}),
        ("largest", gym, "X" * 32, LONG_NAME * 3, MOST_FEN, {"transaction": TRANSACTION_ID}),
        ("hostile", coffee, "T20261121001008", HOSTILE_NAME, 100, {}),
        ("healed", coffee, "T20261121001009", "双人影票 + 小食", 32_000, {"paid_by": "query"}),
        ("latest", coffee, "T20261121001010", "拿铁双人套餐", 12_800, {}),
    )
    for place, (key, tenant, number, what, amount, shape) in enumerate(made):
        at = shop.now - timedelta(minutes=6) + ago * place
        made_now = _order(tenant, at, number, what, amount, **shape)
        rows[tenant].append(made_now)
        shop.orders[key] = made_now.order["id"]
    for tenant, stored in rows.items():
        async with database.write(tenant) as session:
            await session.execute(insert(table_of(Order)), [row.order for row in stored])
            await session.execute(insert(table_of(Attempt)), [row.attempt for row in stored])
            await session.execute(
                insert(table_of(TimelineEntry)), [step for row in stored for step in row.steps]
            )


@dataclass(frozen=True, slots=True)
class OrderRows:
    order: dict[str, Any]
    attempt: dict[str, Any]
    steps: list[dict[str, Any]]


def _order(
    tenant: TenantScope,
    at: datetime,
    number: str,
    what: str,
    amount: int,
    *,
    status: str = "paid",
    refunded: int = 0,
    paid_by: str = "notify",
    transaction: str | None = None,
    bad: bool = False,
) -> OrderRows:
    paid = status == "paid"
    refusal = {"api": "unifiedorder", "code": "APPID_MCHID_NOT_MATCH", "message": "AppID 与商户号不匹配"}
    rows = order_rows(
        tenant,
        at,
        status=status,
        amount=amount,
        prepaid=status not in ("failed", "submitting"),
        paid_at=at + timedelta(seconds=3),
        transaction_id=transaction or f"42000026{int(at.timestamp() * 1000):020d}",
        more={
            "merchant_order_no": number,
            "anomaly": "amount_mismatch" if bad else None,
            "refunded_amount": refunded,
            "description": what,
            "openid": OPENID,
            "paid_by": paid_by if paid else None,
            "closed_at": at + timedelta(minutes=6) if status == "closed" else None,
            "failure": refusal if status == "failed" else None,
        },
    )
    notes = _story(status, paid_by, bad)
    steps = [
        row
        for place, note in enumerate(notes)
        for row in timeline.rows(
            tenant.provider_id,
            tenant.tenant_id,
            rows.order_id,
            at + timedelta(milliseconds=220 + place * 940),
            [note],
        )
    ]
    return OrderRows(rows.order, rows.attempt, steps)


def _story(status: str, paid_by: str, bad: bool) -> list[Note]:
    asked = {"operation": "unifiedorder", "http_status": 200, "elapsed_ms": 186}
    if status == "submitting":
        return [Note("gateway.call", "bad", asked | {"http_status": 504, "error": "unknown_outcome"})]
    if status == "failed":
        refused = asked | {"err_code": "APPID_MCHID_NOT_MATCH", "err_message": "AppID 与商户号不匹配"}
        return [Note("gateway.call", "bad", refused), timeline.moved("submitting", "failed", "gateway")]
    story = [
        Note("gateway.call", "ok", asked | {"prepay_id": "wx21142032…", "wechat_request_id": "08F3A2D4"}),
        timeline.moved("submitting", "pending", "gateway"),
        timeline.params_issued("HMAC-SHA256", "wx3f8c21d0b7e6a91c", OPENID, "miniprogram"),
    ]
    if bad:
        story.append(timeline.anomaly("amount_mismatch", "notify", fields=["total_fee"]))
    if status == "closed":
        story += [timeline.acted("王敏", "close", None), timeline.moved("pending", "closed", "operator")]
    if status == "paid":
        facts = {"result": "processed", "key_version": 1, "transaction_id": TRANSACTION_ID}
        story.append(
            Note("notify.received", "ok", facts)
            if paid_by == "notify"
            else Note("gateway.call", "ok", asked | {"operation": "orderquery"})
        )
        story.append(timeline.moved("pending", "paid", paid_by, amount_checked=True))
    return story
