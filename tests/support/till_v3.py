"""A till whose provider goes by API v3, and one that moves from the one API to the other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

from sqlalchemy import select, update
from tests.support.certificates import certificate_of, certificate_pem, private_pem, public_pem, rsa_key
from tests.support.till import Till, build_till

from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.providers.keys import put_key
from spcore.providers.models import KeyKind, Provider
from spcore.providers.profile import ProviderProfile

V3_KEY = "abcdefghijklmnopqrstUV0123456789"
PUBLIC_KEY_ID = "PUB_KEY_ID_0119000001012026112100000001"
OWN = rsa_key("a till's own")
PLATFORM = rsa_key("WeChat's to a till")


async def build_till_v3(database: Database, clock: Clock) -> Till:
    """Build a till whose provider has made every order by v3."""
    till = await build_till(database, clock)
    await equip(till)
    await move(till, "v3")
    return till


async def equip(till: Till, *without: KeyKind) -> None:
    """Give the till's provider what API v3 needs, beside its v2 key; `without` some of it."""
    scope, now = ProviderScope(till.scope.provider_id), till.clock.now()
    kinds = {
        KeyKind.API_V3: (V3_KEY.encode(), None, None),
        KeyKind.CLIENT_CERTIFICATE: (_bundle(), "5157F09E", now + timedelta(days=365)),
        KeyKind.WECHATPAY_PUBLIC_KEY: (public_pem(PLATFORM), PUBLIC_KEY_ID, None),
    }
    async with till.database.write(scope) as session:
        for kind, (secret, label, not_after) in kinds.items():
            if kind not in without:
                await put_key(
                    session,
                    till.vault,
                    provider_id=scope.provider_id,
                    kind=kind,
                    secret=secret,
                    now=now,
                    label=label,
                    not_after=not_after,
                )
    await _look_again(till)


async def move(till: Till, api_version: str) -> None:
    """Have the provider's new orders made by this API from now on."""
    scope = ProviderScope(till.scope.provider_id)
    async with till.database.write(scope) as session:
        own = Provider.id == scope.provider_id
        await session.execute(update(table_of(Provider)).where(own).values(api_version=api_version))
    await _look_again(till)


async def _look_again(till: Till) -> None:
    """Read the provider anew, as every request does that comes in by the door."""
    scope = ProviderScope(till.scope.provider_id)
    async with till.database.read(scope) as session:
        row = await session.scalar(select(Provider).where(Provider.id == scope.provider_id))
    assert row is not None
    till.callers[:] = [
        replace(caller, provider=ProviderProfile.of(row)) if caller.provider.id == row.id else caller
        for caller in till.callers
    ]


@cache
def _bundle() -> bytes:
    certificate = certificate_of(OWN, "1900000101", now=datetime(2026, 11, 21, tzinfo=UTC))
    return certificate_pem(certificate) + private_pem(OWN)
