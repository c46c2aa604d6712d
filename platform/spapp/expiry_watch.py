"""Telling a provider's owners that a certificate ends in 30, 14, 7 or 1 days (failure catalogue K05).

Each of them is said once, however many workers there are and however often they start: the notice's number
follows from what it says.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import structlog
from sqlalchemy import CursorResult, select
from sqlalchemy.dialects import postgresql, sqlite
from ulid import ULID

from spapp.accounts.models import OwnerNotice
from spapp.web.pages import SHANGHAI
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, ProviderScope, WorkerScope
from spcore.errors import Text
from spcore.providers.expiry import Expiring, expiring
from spcore.providers.models import KeyKind, Provider
from spcore.providers.rotation import ProviderKeys

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BY = "wxsp"
_NAMES = {
    KeyKind.CLIENT_CERTIFICATE: Text("API 证书", "API certificate"),
    KeyKind.PLATFORM_CERTIFICATE: Text("微信支付平台证书", "WeChat Pay platform certificate"),
}

_log = structlog.get_logger("wxsp.expiry")


class ExpiryWatch:
    def __init__(self, database: Database, clock: Clock, keys: ProviderKeys) -> None:
        self._database = database
        self._clock = clock
        self._keys = keys

    async def run(self) -> int:
        """Look at every provider and return how many notices are new."""
        async with self._database.read(WorkerScope()) as session:
            query = select(Provider.id).where(Provider.status == "active").order_by(Provider.id)
            owners = (await session.scalars(query)).all()
        told = 0
        for provider_id in owners:
            now = self._clock.now()
            for one in expiring(await self._keys.versions(ProviderScope(provider_id)), now):
                threshold = one.threshold_at(now)
                if threshold is not None:
                    told += await self._tell(provider_id, one, threshold, now)
        return told

    async def _tell(self, provider_id: str, one: Expiring, threshold: int, now: datetime) -> bool:
        words = _words(one, threshold)
        row = {
            "id": _number(provider_id, one, threshold),
            "provider_id": provider_id,
            "zh": words.zh,
            "en": words.en,
            "by_id": None,
            "by_name": _BY,
            "at": now,
        }
        dialect = sqlite if self._database.dialect == "sqlite" else postgresql
        once = dialect.insert(table_of(OwnerNotice)).values(row).on_conflict_do_nothing()
        async with self._database.write(DoorScope()) as session:
            is_new = cast("CursorResult[Any]", await session.execute(once)).rowcount == 1
        if is_new:
            _log.warning(
                "certificate.ends_soon",
                provider_id=provider_id,
                kind=one.kind.value,
                serial=one.serial,
                not_after=one.not_after.isoformat(timespec="seconds"),
                within_days=threshold,
            )
        return is_new


def _number(provider_id: str, one: Expiring, threshold: int) -> str:
    """Return the notice's id: the moment the threshold was passed, and what it is about.

    A notice is kept for 30 days (`notices.SHOWN_FOR`), longer than any threshold lasts.
    """
    passed_at = one.not_after - timedelta(days=threshold)
    about = f"{provider_id} {one.kind.value} {one.serial} {threshold}".encode()
    milliseconds = (passed_at - _EPOCH) // timedelta(milliseconds=1)
    return f"ntc_{ULID.from_bytes(milliseconds.to_bytes(6, 'big') + hashlib.sha256(about).digest()[:10])}"


def _words(one: Expiring, threshold: int) -> Text:
    name, tail = _NAMES[one.kind], one.serial[-4:]
    local = one.not_after.astimezone(SHANGHAI)
    when = f"{local:%Y-%m-%d %H:%M}"
    return Text(
        f"提醒：{name.zh}（序列号尾号 {tail}）将于 {when} 到期，剩余不到 {threshold} 天，请尽快更换。",
        f"reminds: the {name.en} (serial number ending in {tail}) ends on {when}, in less than "
        f"{threshold} {'day' if threshold == 1 else 'days'}; replace it in time.",
    )
