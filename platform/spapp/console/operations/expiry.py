"""Certificates of a page of providers, read at once: what ends when, and how fetching new ones goes (K05)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from spapp.console.credentials.views import Expiry, FetchView
from spapp.console.operations.views import CertificateLine, ProviderExpiry
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope
from spcore.providers.models import CertificateFetch, KeyKind, KeyState, ProviderKey
from spcore.providers.platform_certificates import Fetch
from spcore.providers.profile import ProviderProfile

_OWN, _PLATFORM, _PUBLIC = (
    KeyKind.CLIENT_CERTIFICATE.value,
    KeyKind.PLATFORM_CERTIFICATE.value,
    KeyKind.WECHATPAY_PUBLIC_KEY.value,
)
_Ends = tuple[str | None, datetime | None]
"""Serial number and end."""


async def expiry_board(
    database: Database, scope: PlatformScope, providers: Sequence[ProviderProfile], now: datetime
) -> list[ProviderExpiry]:
    """Return a line for each provider, those with what ends first on top."""
    ids = [provider.id for provider in providers]
    keys = table_of(ProviderKey)
    in_use = select(keys.c.provider_id, keys.c.kind, keys.c.label, keys.c.not_after).where(
        keys.c.provider_id.in_(ids),
        keys.c.kind.in_((_OWN, _PLATFORM, _PUBLIC)),
        keys.c.state == KeyState.ACTIVE.value,
    )
    async with database.read(scope) as session:
        found: defaultdict[tuple[str, str], list[_Ends]] = defaultdict(list)
        for provider_id, kind, label, not_after in await session.execute(in_use):
            found[provider_id, kind].append((label, not_after))
        fetches = {
            row.provider_id: Fetch(row.asked_at, row.succeeded_at, row.result, row.found)
            for row in await session.scalars(
                select(CertificateFetch).where(CertificateFetch.provider_id.in_(ids))
            )
        }
    board = []
    for provider in providers:
        platform = [_line(provider, ends, now) for ends in found[provider.id, _PLATFORM]]
        own = found[provider.id, _OWN] or [(None, None)]
        fetch = fetches.get(provider.id)
        board.append(
            ProviderExpiry(
                provider=provider,
                own=_line(provider, own[0], now),
                platform=tuple(sorted(platform, key=lambda line: line.key, reverse=True)),
                has_public_key=bool(found[provider.id, _PUBLIC]),
                fetch=FetchView(fetch, provider.id, now) if fetch else None,
            )
        )
    return sorted(board, key=lambda line: line.key)


def _line(provider: ProviderProfile, ends: _Ends, now: datetime) -> CertificateLine:
    serial, not_after = ends
    return CertificateLine(provider, serial, Expiry(not_after, now) if not_after else None)
