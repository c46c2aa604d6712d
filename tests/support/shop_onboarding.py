"""Sub-merchants in the middle of being taken in, and what is written down about the others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import insert, select, update
from tests.support.house import MASTER_KEY

from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, TenantScope
from spcore.ids import new_id
from spcore.vault import Vault
from sptenants.onboarding.models import OnboardingLink, OnboardingStep
from sptenants.registry.models import AppBinding, AppClaim, PaymentDirectory, Tenant, WechatTick
from sptenants.registry.particulars import Contact
from sptenants.registry.tokens import new_route_key, token_hash

DRAFT = "小满面馆"
LINK_TOKEN = "x" * 43
SHARED_APPID = "wx3f8c21d0b7e6a91c"
"""Bound to two sub-merchants of the first service provider."""
PHONE = "13800001234"


async def add_onboarding(
    database: Database, tenants: dict[str, TenantScope], long_name: str, now: datetime
) -> dict[str, str]:
    """Add the rows, and the draft to `tenants`; return the id of a binding by the name of its tenant."""
    coffee, gym = tenants["晨曦咖啡"], tenants[long_name]
    snack, clinic = tenants["阿婆生煎"], tenants["仁康门诊部"]
    ids = {
        "晨曦咖啡": await _first_binding(database, coffee),
        long_name: await _bind(database, gym, SHARED_APPID, "健身会员中心与私教课程预约（官方小程序）", now),
        "仁康门诊部": await _bind(database, clinic, "wx9900aabbccddeeff", "仁康挂号", now),
    }
    await _describe(database, coffee, now)
    await _directories(database, coffee, now)
    tenants[DRAFT] = await _draft(database, ProviderScope(coffee.provider_id), now)
    await _link(database, snack, now)
    return ids


async def _first_binding(database: Database, tenant: TenantScope) -> str:
    query = select(AppBinding).where(
        AppBinding.provider_id == tenant.provider_id, AppBinding.tenant_id == tenant.tenant_id
    )
    async with database.write(tenant) as session:
        rows = (await session.scalars(query.order_by(AppBinding.slot))).all()
        for row, name in zip(rows, ("晨曦点单", "晨曦会员", "晨曦外卖"), strict=False):
            row.name = name
        rows[0].secret_hint = "a71f"
        return rows[0].id


async def _bind(database: Database, tenant: TenantScope, appid: str, name: str, now: datetime) -> str:
    claim = {"mode": "test", "sub_appid": appid, "provider_id": tenant.provider_id}
    row = {
        "id": new_id("bnd", now),
        "provider_id": tenant.provider_id,
        "tenant_id": tenant.tenant_id,
        "slot": 1,
        "mode": "test",
        "sub_appid": appid,
        "name": name,
        "kind": "miniprogram",
        "owner": "merchant",
        "status": "verified",
        "secret_version": 0,
        "created_at": now,
        "updated_at": now,
    }
    async with database.write(ProviderScope(tenant.provider_id)) as session:
        if appid != SHARED_APPID:
            await session.execute(insert(table_of(AppClaim)), [claim])
        await session.execute(insert(table_of(AppBinding)), [row])
    return str(row["id"])


async def _describe(database: Database, tenant: TenantScope, now: datetime) -> None:
    contact = Contact("王敏", PHONE, "shop@example.com")
    values: Mapping[str, object] = {
        "short_name": "晨曦",
        "settlement_note": "T+1 结算到对公账户",
        "contact_version": 1,
        "contact_sealed": contact.seal(Vault([MASTER_KEY]), tenant, 1),
        "contact_hint": contact.hint,
        "updated_at": now,
    }
    mine = (Tenant.provider_id == tenant.provider_id, Tenant.id == tenant.tenant_id)
    async with database.write(tenant) as session:
        await session.execute(update(table_of(Tenant)).where(*mine).values(**values))


async def _directories(database: Database, tenant: TenantScope, now: datetime) -> None:
    owner = {"provider_id": tenant.provider_id, "tenant_id": tenant.tenant_id}
    rows = [
        owner
        | {
            "slot": slot,
            "url": url,
            "created_at": now,
            "confirmed_at": now if slot == 1 else None,
            "confirmed_by": "王敏" if slot == 1 else None,
        }
        for slot, url in enumerate(
            ("https://pay.chenxi.example.com/h5/", "https://member.chenxi.example.com/Vip/"), start=1
        )
    ]
    tick = owner | {"code": "request_domain", "ticked_at": now, "ticked_by": "王敏", "by_link": False}
    async with database.write(tenant) as session:
        await session.execute(insert(table_of(PaymentDirectory)), rows)
        await session.execute(insert(table_of(WechatTick)), [tick])


async def _draft(database: Database, provider: ProviderScope, now: datetime) -> TenantScope:
    scope = TenantScope(provider.provider_id, new_id("ten", now))
    row = {
        "id": scope.tenant_id,
        "provider_id": provider.provider_id,
        "sub_mch_id": None,
        "name": DRAFT,
        "status": "draft",
        "route_key": new_route_key(),
        "server_per_second": 200,
        "session_per_second": 20,
        "created_at": now,
        "updated_at": now,
    }
    step = {
        "provider_id": scope.provider_id,
        "tenant_id": scope.tenant_id,
        "step": 1,
        "saved_at": now,
        "done_at": now,
        "draft_version": 0,
    }
    async with database.write(provider) as session:
        await session.execute(insert(table_of(Tenant)), [row])
        await session.execute(insert(table_of(OnboardingStep)), [step])
    return scope


async def _link(database: Database, tenant: TenantScope, now: datetime) -> None:
    row = {
        "provider_id": tenant.provider_id,
        "tenant_id": tenant.tenant_id,
        "id": new_id("olk", now),
        "token_hash": token_hash(LINK_TOKEN),
        "created_at": now,
        "created_by": "赵运",
        "expires_at": now + timedelta(hours=72),
        "opened": 0,
    }
    async with database.write(tenant) as session:
        await session.execute(insert(table_of(OnboardingLink)), [row])
