"""Platform administrators in a provider's console: with a reason, reading only, for half an hour (T09).

Both the platform's and the provider's audit chain say who came, why, what was opened and when it ended.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal, cast

from sqlalchemy import CursorResult, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.accounts.errors import SessionEnded, VisitOver
from spapp.accounts.models import ConsoleSession, Visit
from spapp.accounts.service import Accounts, SignedIn, Staff, Visiting, Visitor, token_hash
from spcore.audit.actor import SYSTEM, Actor
from spcore.audit.models import PLATFORM_CHAIN
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import DoorScope
from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.ids import new_id
from spcore.providers.models import Provider

LASTS = timedelta(minutes=30)
SHORTEST_REASON, LONGEST_REASON = 5, 200
_BATCH = 100

EndedBy = Literal["person", "time", "session"]


class Visits:
    def __init__(self, database: Database, clock: Clock, accounts: Accounts) -> None:
        self._database = database
        self._clock = clock
        self._accounts = accounts

    async def provider_name(self, provider_id: str) -> str:
        """Return whom a visit would be to. Raises NotFound."""
        async with self._database.read(DoorScope()) as session:
            name: str | None = await session.scalar(select(Provider.name).where(Provider.id == provider_id))
        if name is None:
            raise NotFound()
        return name

    async def begin(
        self, staff: Staff, token: str, provider_id: str, reason: str, visitor: Visitor
    ) -> SignedIn:
        """Turn the session into a viewer's at the provider, under a new token (S01).

        Raises NotFound for no such provider, InvalidInput for a reason that is none, and SessionEnded.
        """
        stated, now = check_reason(reason), self._clock.now()
        await self.provider_name(provider_id)
        async with self._database.write(DoorScope()) as session:
            opened = await self._accounts.renew(session, staff, token, visitor)
            await session.flush()
            visit = {
                "id": new_id("vis", now),
                "person_id": staff.person_id,
                "person_name": staff.name,
                "provider_id": provider_id,
                "session_hash": token_hash(opened.token),
                "reason": stated,
                "began_at": now,
                "ends_at": now + LASTS,
            }
            await session.execute(insert(table_of(Visit)), [visit])
            act = Act(
                actor=staff.actor,
                action="visit.begun",
                object_kind="service_provider",
                object_id=provider_id,
                after={"visit": visit["id"], "until": (now + LASTS).isoformat()},
                reason=stated,
                request_id=visitor.request_id,
                peer=visitor.peer,
            )
            await _record_for_both(session, provider_id, act, now)
        return opened

    async def end(self, staff: Staff, token: str, visitor: Visitor) -> SignedIn:
        """Go back to the platform under a new token. Raises VisitOver and SessionEnded."""
        visit = staff.visit
        if visit is None:
            raise VisitOver()
        now = self._clock.now()
        async with self._database.write(DoorScope()) as session:
            opened = await self._accounts.renew(session, staff, token, visitor)
            if not await _end(session, visit.id, "person", now):
                raise SessionEnded()
            act = _ended(visit.id, visit.provider_id, staff.actor, "person", visitor=visitor)
            await _record_for_both(session, visit.provider_id, act, now)
        return opened

    async def end_due(self) -> int:
        """End visits whose time or session is over; return how many. Each in a transaction of its own."""
        now, done = self._clock.now(), 0
        due = (
            select(Visit.id, Visit.provider_id, Visit.person_name, Visit.ends_at)
            .where(Visit.ended_at.is_(None), or_(Visit.ends_at <= now, Visit.session_hash.is_(None)))
            .order_by(Visit.id)
            .limit(_BATCH)
        )
        async with self._database.read(DoorScope()) as session:
            rows = (await session.execute(due)).all()
        for visit_id, provider_id, person_name, ends_at in rows:
            by: EndedBy = "time" if ends_at <= now else "session"
            async with self._database.write(DoorScope()) as session:
                if await _end(session, visit_id, by, now):
                    act = _ended(visit_id, provider_id, SYSTEM, by, visitor=None, person=person_name)
                    await _record_for_both(session, provider_id, act, now)
                    done += 1
        return done

    async def note_look(self, staff: Staff, visit: Visiting, path: str, visitor: Visitor) -> None:
        """Write down what a visitor opens, where the provider sees it, before it is shown (rule Y4)."""
        act = Act(
            actor=staff.actor,
            action="visit.page_viewed",
            object_kind="page",
            after={"path": path[:500], "visit": visit.id},
            reason=visit.reason,
            request_id=visitor.request_id,
            peer=visitor.peer,
        )
        async with self._database.write(DoorScope()) as session:
            await record(session, visit.provider_id, act, self._clock.now())

    async def state_reason(self, staff: Staff, token: str, reason: str, visitor: Visitor) -> None:
        """Keep with the session why its person looks at rows of tenants; an empty one is routine (T09).

        Raises InvalidInput for one that is too short or too long.
        """
        stated = check_reason(reason) if reason.strip() else None
        async with self._database.write(DoorScope()) as session:
            await session.execute(
                update(ConsoleSession)
                .where(
                    ConsoleSession.token_hash == token_hash(token),
                    ConsoleSession.person_id == staff.person_id,
                )
                .values(look_reason=stated)
            )
            await self._accounts.audit(session, staff, "session.reason_stated", visitor, reason=stated or "")


def check_reason(typed: str) -> str:
    """Return the reason without its margins. Raises InvalidInput for one of less than five characters."""
    reason = typed.strip()
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        text = Text(
            f"请用 {SHORTEST_REASON} 到 {LONGEST_REASON} 个字说明理由。",
            f"State the reason in {SHORTEST_REASON} to {LONGEST_REASON} characters.",
        )
        raise InvalidInput(Fault("#/reason", "reason_needed", text))
    return reason


async def _end(session: AsyncSession, visit_id: str, by: EndedBy, now: datetime) -> bool:
    ended = await session.execute(
        update(Visit)
        .where(Visit.id == visit_id, Visit.ended_at.is_(None))
        .values(ended_at=now, ended_by=by, session_hash=None)
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", ended).rowcount == 1


def _ended(
    visit_id: str, provider_id: str, actor: Actor, by: EndedBy, *, visitor: Visitor | None, **facts: str
) -> Act:
    return Act(
        actor=actor,
        action="visit.ended",
        object_kind="service_provider",
        object_id=provider_id,
        after={"visit": visit_id, "ended_by": by, **facts},
        request_id=visitor.request_id if visitor else None,
        peer=visitor.peer if visitor else None,
    )


async def _record_for_both(session: AsyncSession, provider_id: str, act: Act, now: datetime) -> None:
    """Write the act into both chains, always in this order, so that two such acts cannot lock each other."""
    await record(session, provider_id, act, now)
    await record(session, PLATFORM_CHAIN, act, now)
