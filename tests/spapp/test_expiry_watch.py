"""Owners hear 30, 14, 7 and 1 days before a certificate ends, once each (K05)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from sqlalchemy import select
from structlog.testing import capture_logs
from tests.conftest import HeldClock
from tests.support.house import MASTER_KEY, House, build_house

from spapp.accounts.models import OwnerNotice
from spapp.expiry_watch import ExpiryWatch
from spcore.db.engine import Database
from spcore.db.scope import DoorScope
from spcore.providers.keys import put_key
from spcore.providers.models import KeyKind
from spcore.providers.rotation import ProviderKeys
from spcore.vault import Vault

VAULT = Vault([MASTER_KEY])


async def put(
    database: Database,
    house: House,
    clock: HeldClock,
    kind: KeyKind,
    label: str,
    not_after: datetime | None,
) -> None:
    async with database.write(house.provider) as session:
        await put_key(
            session,
            VAULT,
            provider_id=house.provider.provider_id,
            kind=kind,
            secret=label.encode(),
            now=clock.now(),
            label=label,
            not_after=not_after,
        )


def watch(database: Database, clock: HeldClock) -> ExpiryWatch:
    return ExpiryWatch(database, clock, ProviderKeys(database, VAULT, clock))


async def notices(database: Database) -> list[OwnerNotice]:
    async with database.read(DoorScope()) as session:
        return list((await session.scalars(select(OwnerNotice).order_by(OwnerNotice.id))).all())


async def test_K05_each_threshold_is_said_once_however_many_workers_look(
    database: Database, clock: HeldClock
) -> None:
    house = await build_house(database)
    ends = clock.now() + timedelta(days=40)
    await put(database, house, clock, KeyKind.CLIENT_CERTIFICATE, "5157F09E", ends)
    assert await watch(database, clock).run() == 0
    with capture_logs() as logs:
        for _hour in range(40 * 4 + 8):
            await asyncio.gather(watch(database, clock).run(), watch(database, clock).run())
            clock.advance(hours=6)
    told = [row["within_days"] for row in logs if row["event"] == "certificate.ends_soon"]
    assert told == [30, 14, 7, 1]
    found = await notices(database)
    assert len(found) == 4
    assert found[0].zh == (
        "提醒：API 证书（序列号尾号 F09E）将于 2026-12-31 20:50 到期，剩余不到 30 天，请尽快更换。"
    )
    assert found[-1].en.endswith("in less than 1 day; replace it in time.")
    assert {(row.provider_id, row.by_id) for row in found} == {(house.provider.provider_id, None)}


async def test_K05_a_platform_certificate_is_a_matter_only_when_nothing_follows_it(
    database: Database, clock: HeldClock
) -> None:
    kind = KeyKind.PLATFORM_CERTIFICATE
    house = await build_house(database)
    ends = clock.now() + timedelta(days=13)
    await put(database, house, clock, kind, "C1", ends)
    assert await watch(database, clock).run() == 0, "WeChat issues the next one ten days before the end"
    clock.advance(days=6)
    assert await watch(database, clock).run() == 1
    clock.advance(days=5, hours=1)
    await put(database, house, clock, kind, "C2", ends + timedelta(days=1800))
    assert await watch(database, clock).run() == 0
    other = await build_house(database, number=2)
    await put(database, other, clock, kind, "C9", clock.now() + timedelta(days=1))
    await put(database, other, clock, KeyKind.WECHATPAY_PUBLIC_KEY, "PUB_KEY_ID_1", None)
    assert await watch(database, clock).run() == 0


async def test_K05_a_replaced_certificate_is_nobodys_matter(database: Database, clock: HeldClock) -> None:
    house, kind = await build_house(database), KeyKind.CLIENT_CERTIFICATE
    await put(database, house, clock, kind, "A1", clock.now() + timedelta(days=5))
    await put(database, house, clock, kind, "A2", clock.now() + timedelta(days=365))
    assert await watch(database, clock).run() == 0
