"""A provider with two tenants and its registry, and a stranger beside it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from tests.conftest import HeldClock
from tests.support.house import build_house
from tests.support.parties import provider_caller

from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.vault import Vault
from sptenants.registry.door import Door, ProviderCaller
from sptenants.registry.service import Registry


@dataclass(frozen=True)
class Town:
    """Two providers: `sp` with the tenants `shop` and `other_shop`, and `stranger` with `far_shop`."""

    database: Database
    clock: HeldClock
    vault: Vault
    registry: Registry
    door: Door
    sp: ProviderCaller
    shop: TenantScope
    other_shop: TenantScope
    stranger: ProviderCaller
    far_shop: TenantScope


@pytest.fixture
async def town(database: Database, clock: HeldClock) -> Town:
    here, there = await build_house(database, number=1), await build_house(database, number=2, tenants=1)
    vault = Vault([b"k" * 32])
    return Town(
        database=database,
        clock=clock,
        vault=vault,
        registry=Registry(database, vault, clock),
        door=Door(database, clock),
        sp=await provider_caller(database, here.provider),
        shop=here.tenants[0],
        other_shop=here.tenants[1],
        stranger=await provider_caller(database, there.provider),
        far_shop=there.tenants[0],
    )
