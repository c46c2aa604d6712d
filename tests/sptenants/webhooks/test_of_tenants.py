"""`tenant.live` and `tenant.suspended`: a merchant's server hears whether it may take payments."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import select
from tests.support.parties import provider_caller
from tests.support.post_office import PostOffice

from spcore.db.engine import Database
from spcore.outbox.models import OutboxMessage
from sptenants.registry import events
from sptenants.registry.binding_changes import NewBinding
from sptenants.registry.changes import Change
from sptenants.registry.door import ProviderCaller
from sptenants.registry.errors import StateConflict
from sptenants.registry.particulars import Contact, Particulars
from sptenants.registry.reader import TenantFilter, TenantReader
from sptenants.registry.schemas import TenantListed
from sptenants.registry.service import Registry
from sptenants.registry.tenants import NewTenant, set_status
from sptenants.webhooks.event_types import EVENT_TYPES


@pytest.fixture
async def sp(office: PostOffice) -> ProviderCaller:
    return await provider_caller(office.database, office.house.provider)


@pytest.fixture
def registry(office: PostOffice) -> Registry:
    return Registry(office.database, office.vault, office.clock)


async def told(database: Database, sp: ProviderCaller, tenant_id: str) -> list[tuple[str, int]]:
    mine = select(OutboxMessage.type, OutboxMessage.sequence).where(
        OutboxMessage.provider_id == sp.provider.id, OutboxMessage.tenant_id == tenant_id
    )
    async with database.read(sp.scope) as session:
        rows = await session.execute(mine.order_by(OutboxMessage.sequence))
        return [(kind, sequence) for kind, sequence in rows]


async def test_suspending_and_taking_back_reach_the_merchants_server_in_order(
    office: PostOffice, registry: Registry, sp: ProviderCaller
) -> None:
    tenant_id = office.scope.tenant_id
    await registry.add_binding(sp, tenant_id, NewBinding("wx3f8c21d0b7e6a91c", "miniprogram", "merchant"))
    async with office.shop(event_types=["tenant.live", "tenant.suspended"]) as shop:
        for status in ("suspended", "suspended", "live"):
            await registry.set_status(sp, tenant_id, status, reason="投诉")
            office.clock.advance(seconds=1)
        await office.work()

    heard = [(one["type"], one["sequence"], one["data"]["status"]) for one in shop.got]
    assert heard == [("tenant.suspended", 1, "suspended"), ("tenant.live", 2, "live")]
    listed = (await TenantReader(office.database).list(sp.scope, TenantFilter(q=tenant_id), 10)).rows
    assert shop.got[-1]["data"] == msgspec.to_builtins(TenantListed.of(listed[0]))
    assert "投诉" not in str(shop.got)


async def test_a_tenant_on_its_way_is_told_only_once_it_is_live(
    office: PostOffice, registry: Registry, sp: ProviderCaller
) -> None:
    known = Particulars("晨曦", Contact("王敏", "13800001234", "shop@example.com"), "T+1")
    made = await registry.create_tenant(sp, NewTenant("晨曦咖啡", "1600000021", known))
    for status in ("onboarding", "ready"):
        await registry.set_status(sp, made.id, status)
    assert await told(office.database, sp, made.id) == []

    for status in ("live", "suspended", "closed"):
        await registry.set_status(sp, made.id, status)

    assert await told(office.database, sp, made.id) == [("tenant.live", 1), ("tenant.suspended", 2)]
    async with office.database.read(sp.scope) as session:
        mine = OutboxMessage.provider_id == sp.provider.id, OutboxMessage.tenant_id == made.id
        bodies = (await session.scalars(select(OutboxMessage.payload).where(*mine))).all()
    for personal in ("王", "1380000", "1234", "@", "T+1"):
        assert personal not in str([{**body, "id": "", "created_at": ""} for body in bodies])


async def test_a_change_that_does_not_happen_is_not_told(
    office: PostOffice, registry: Registry, sp: ProviderCaller
) -> None:
    tenant_id = office.scope.tenant_id
    with pytest.raises(StateConflict):
        await registry.set_status(sp, tenant_id, "ready")

    async def given_up() -> None:
        async with office.database.write(sp.scope) as session:
            change = Change(session, office.vault, sp.provider, sp.actor, office.clock.now())
            await change.lock()
            assert await set_status(change, tenant_id, "suspended", reason=None)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await given_up()
    assert await told(office.database, sp, tenant_id) == []


async def test_what_an_import_file_declares_is_no_event(office: PostOffice, sp: ProviderCaller) -> None:
    tenant_id = office.scope.tenant_id
    async with office.database.write(sp.scope) as session:
        change = Change(session, office.vault, sp.provider, sp.actor, office.clock.now())
        await change.lock()
        assert await set_status(change, tenant_id, "suspended", reason="import", outright=True)

    assert await told(office.database, sp, tenant_id) == []


def test_its_types_can_be_chosen() -> None:
    assert set(events.EVENTS.values()) <= set(EVENT_TYPES)
