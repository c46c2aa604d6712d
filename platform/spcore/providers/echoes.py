"""Messages that WeChat is asked to send back as notifications, remembered until they come back.

Source: wechatpay-v3 1.11.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select

from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.ids import new_id
from spcore.providers.models import SecurityEcho

KEPT = 20
"""Messages of a provider that are remembered."""


async def remember_echo(database: Database, scope: ProviderScope, now: datetime) -> str:
    """Make up a message, store it and return it; one transaction. Of older ones the last few stay.

    To be called before WeChat is asked: its notification may be faster than its answer.
    """
    echoes, message = table_of(SecurityEcho), new_id("ech", now)
    mine = echoes.c.provider_id == scope.provider_id
    row = {"provider_id": scope.provider_id, "id": message, "asked_at": now, "notified_at": None}
    async with database.write(scope) as session:
        kept = select(echoes.c.id).where(mine).order_by(echoes.c.id.desc()).limit(KEPT)
        oldest = list(await session.scalars(kept))
        if len(oldest) == KEPT:
            await session.execute(delete(echoes).where(mine, echoes.c.id <= oldest[-1]))
        await session.execute(insert(echoes), [row])
    return message
