"""Telling the other owners what one of them did: keys replaced, people added, large refunds (S12)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.accounts.models import Membership, NoticeDismissal, OwnerNotice, Role
from spapp.accounts.service import Staff
from spcore.audit.actor import Actor
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import DoorScope
from spcore.errors import NotFound, Text
from spcore.ids import new_id

SHOWN_FOR = timedelta(days=30)
MOST_SHOWN = 5
READERS = frozenset({Role.PROVIDER_OWNER, Role.PLATFORM_ADMIN})


async def notify_others(
    session: AsyncSession, provider_id: str | None, words: Text, by: Actor, now: datetime
) -> None:
    """Tell everybody else who owns the provider, in the transaction of the act itself.

    `words` say what was done and follow the name of whoever did it, such as 「更换了 API v2 密钥」; they name
    no secret. `provider_id` None tells the platform's other administrators.
    """
    row = {
        "id": new_id("ntc", now),
        "provider_id": provider_id,
        "zh": words.zh,
        "en": words.en,
        "by_id": by.id,
        "by_name": by.name,
        "at": now,
    }
    await session.execute(insert(table_of(OwnerNotice)), [row])


@dataclass(frozen=True, slots=True)
class NoticeLine:
    id: str
    by_name: str
    words: Text
    at: datetime


async def unread(database: Database, staff: Staff) -> tuple[NoticeLine, ...]:
    """Return the newest notices that concern `staff`; nothing for whoever owns nothing."""
    if staff.role not in READERS:
        return ()
    query = select(OwnerNotice).where(*_concerning(staff)).order_by(OwnerNotice.id.desc()).limit(MOST_SHOWN)
    async with database.read(DoorScope()) as session:
        rows = (await session.scalars(query)).all()
    return tuple(NoticeLine(row.id, row.by_name, Text(row.zh, row.en), row.at) for row in rows)


class NoticeBoard:
    """Takes notices off: one that was read, for its reader, and old ones for everybody."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def dismiss(self, staff: Staff, notice_id: str) -> None:
        """Not show it to `staff` again. Raises NotFound for what does not concern them."""
        async with self._database.write(DoorScope()) as session:
            mine = select(OwnerNotice.id).where(OwnerNotice.id == notice_id, *_concerning(staff))
            if staff.role not in READERS or await session.scalar(mine) is None:
                raise NotFound()
            dialect = sqlite if self._database.dialect == "sqlite" else postgresql
            read = dialect.insert(table_of(NoticeDismissal)).on_conflict_do_nothing()
            row = {"notice_id": notice_id, "person_id": staff.person_id, "at": self._clock.now()}
            await session.execute(read, [row])

    async def forget_old(self) -> None:
        async with self._database.write(DoorScope()) as session:
            await session.execute(delete(OwnerNotice).where(OwnerNotice.at < self._clock.now() - SHOWN_FOR))


def _concerning(staff: Staff) -> tuple[ColumnElement[bool], ...]:
    """Of one's own provider, done by others, since one belongs to it, and not read yet."""
    since = select(Membership.created_at).where(Membership.id == staff.membership_id).scalar_subquery()
    read = select(NoticeDismissal.notice_id).where(NoticeDismissal.person_id == staff.person_id)
    return (
        OwnerNotice.provider_id.is_not_distinct_from(staff.provider_id),
        OwnerNotice.by_id.is_distinct_from(staff.person_id),
        OwnerNotice.at >= since,
        OwnerNotice.id.not_in(read),
    )
