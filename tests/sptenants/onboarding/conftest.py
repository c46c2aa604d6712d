"""A provider with two tenants, a stranger beside it, and the services that take sub-merchants in."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from tests.conftest import HeldClock
from tests.support.house import MASTER_KEY, build_house
from tests.support.parties import provider_caller

from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.vault import Vault
from sptenants.onboarding.batch import TenantImport
from sptenants.onboarding.links import OnboardingLinks
from sptenants.onboarding.service import Onboarding
from sptenants.registry.door import ProviderCaller
from sptenants.registry.reader import TenantReader
from sptenants.registry.service import Registry


@dataclass(frozen=True)
class Village:
    """`sp` with the tenant `shop`, and `stranger` with `far_shop`."""

    database: Database
    clock: HeldClock
    onboarding: Onboarding
    links: OnboardingLinks
    imports: TenantImport
    registry: Registry
    sp: ProviderCaller
    shop: TenantScope
    stranger: ProviderCaller
    far_shop: TenantScope


@pytest.fixture
async def village(database: Database, clock: HeldClock) -> Village:
    here, there = await build_house(database, number=1), await build_house(database, number=2, tenants=1)
    vault = Vault([MASTER_KEY])
    return Village(
        database=database,
        clock=clock,
        onboarding=Onboarding(database, vault, clock, TenantReader(database)),
        links=OnboardingLinks(database, vault, clock),
        imports=TenantImport(database, vault, clock),
        registry=Registry(database, vault, clock),
        sp=await provider_caller(database, here.provider),
        shop=here.tenants[0],
        stranger=await provider_caller(database, there.provider),
        far_shop=there.tenants[0],
    )
