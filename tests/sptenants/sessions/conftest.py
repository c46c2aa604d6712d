"""Two tenants of one provider, a shared mini-program, and a WeChat that knows it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from tests.conftest import HeldClock
from tests.support.fake_login import FakeLogin
from tests.support.house import build_house
from tests.support.parties import provider_caller

from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.vault import Vault
from sptenants.registry.binding_changes import NewBinding
from sptenants.registry.door import ProviderCaller
from sptenants.registry.service import Registry
from sptenants.sessions.service import Sessions

MINI = "wx3f8c21d0b7e6a91c"
SECRET = "CANARYappsecret0123456789abcdef0"


@dataclass(frozen=True)
class Arcade:
    """`shop` and `next_door` share the mini-program MINI; `shop` also has an official account."""

    database: Database
    clock: HeldClock
    vault: Vault
    registry: Registry
    sessions: Sessions
    wechat: FakeLogin
    sp: ProviderCaller
    shop: TenantScope
    next_door: TenantScope

    async def log_in(self, openid: str, tenant: TenantScope | None = None) -> str:
        tenant = tenant or self.shop
        made = await self.sessions.create(tenant.tenant_id, MINI, self.wechat.code(MINI, openid))
        return made.token


@pytest.fixture
async def arcade(database: Database, clock: HeldClock) -> Arcade:
    house = await build_house(database)
    sp = await provider_caller(database, house.provider)
    vault = Vault([b"k" * 32])
    registry = Registry(database, vault, clock)
    shop, next_door = house.tenants
    for tenant in (shop, next_door):
        await registry.add_binding(sp, tenant.tenant_id, NewBinding(MINI, "miniprogram", "provider", SECRET))
    await registry.add_binding(
        sp, shop.tenant_id, NewBinding("wx0000000000000001", "official_account", "merchant", SECRET)
    )
    await registry.add_binding(
        sp, shop.tenant_id, NewBinding("wx0000000000000002", "miniprogram", "merchant")
    )
    wechat = FakeLogin({MINI: SECRET})
    return Arcade(
        database=database,
        clock=clock,
        vault=vault,
        registry=registry,
        sessions=Sessions(database, vault, clock, wechat),
        wechat=wechat,
        sp=sp,
        shop=shop,
        next_door=next_door,
    )
