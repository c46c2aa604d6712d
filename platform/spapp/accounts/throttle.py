"""Slowing down whoever guesses passwords, by account and by address (failure catalogue S05).

An attempt is charged before its password is looked at and forgiven when it was right, so that attempts made
at the same moment cannot slip through together. An account that is being guessed at stays open to addresses
it was used from before: nobody can lock somebody else out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from sqlalchemy import case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.accounts.models import SignInAttempt

WINDOW = timedelta(hours=1)
LOCK = timedelta(minutes=15)
KEEP = timedelta(days=90)
PER_ACCOUNT = 10
PER_ADDRESS = 30


@dataclass(frozen=True, slots=True)
class Subjects:
    """The rows one attempt counts in, as hashes: the table must not become a list of customers."""

    account: str
    peer: str
    known: str

    @classmethod
    def of(cls, email: str, peer: str) -> Subjects:
        network = _network(peer)
        return cls(
            account=f"account:{_digest(email)}",
            peer=f"peer:{_digest(network)}",
            known=f"known:{_digest(f'{email}|{network}')}",
        )


async def charge(session: AsyncSession, subjects: Subjects, now: datetime) -> datetime | None:
    """Count one attempt. Return until when it is refused unseen, or None when it may be tried."""
    rows = await session.scalars(
        select(SignInAttempt).where(
            SignInAttempt.subject.in_([subjects.account, subjects.peer, subjects.known])
        )
    )
    found = {row.subject: row for row in rows}
    limits = {subjects.peer: PER_ADDRESS}
    if subjects.known not in found:
        limits[subjects.account] = PER_ACCOUNT
    locked = [row.locked_until for row in found.values() if row.subject in limits and row.locked_until]
    if locked and max(locked) > now:
        return max(locked)
    refused_until = None
    for subject, limit in sorted(limits.items()):
        if await _count(session, subject, now) > limit:
            refused_until = now + LOCK
            await session.execute(
                update(SignInAttempt)
                .where(SignInAttempt.subject == subject)
                .values(locked_until=refused_until)
            )
    return refused_until


async def forgive(session: AsyncSession, subjects: Subjects, now: datetime) -> None:
    """Take back what a right password was charged, and remember the address for this account."""
    await session.execute(delete(SignInAttempt).where(SignInAttempt.subject == subjects.account))
    # The address is credited one attempt only: its owner may hold one account and guess at others.
    await session.execute(
        update(SignInAttempt)
        .where(SignInAttempt.subject == subjects.peer, SignInAttempt.failures > 0)
        .values(failures=SignInAttempt.failures - 1)
    )
    statement = _insert(session).values(subject=subjects.known, failures=0, at=now)
    await session.execute(statement.on_conflict_do_update(index_elements=["subject"], set_={"at": now}))


async def forget_old(session: AsyncSession, now: datetime) -> None:
    await session.execute(delete(SignInAttempt).where(SignInAttempt.at < now - KEEP))
    await session.execute(
        delete(SignInAttempt).where(
            SignInAttempt.at < now - WINDOW - LOCK, SignInAttempt.subject.not_like("known:%")
        )
    )


async def _count(session: AsyncSession, subject: str, now: datetime) -> int:
    fresh = case((SignInAttempt.at < now - WINDOW, 1), else_=SignInAttempt.failures + 1)
    statement = _insert(session).values(subject=subject, failures=1, at=now)
    failures: int = (
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["subject"], set_={"failures": fresh, "at": now}
            ).returning(SignInAttempt.failures)
        )
    ).scalar_one()
    return failures


def _insert(session: AsyncSession) -> Any:
    dialect = session.get_bind().dialect.name
    return (sqlite if dialect == "sqlite" else postgresql).insert(SignInAttempt)


def _network(peer: str) -> str:
    """Return what one attacker holds cheaply: an IPv4 address, or a whole IPv6 /64."""
    try:
        address = ip_address(peer)
    except ValueError:
        return peer
    return peer if address.version == 4 else address.exploded[:19]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def locked_until(
    session: AsyncSession, accounts: Mapping[str, str], now: datetime
) -> dict[str, datetime]:
    """Return until when people are locked out, by their id; `accounts` maps it to their address.

    Locked is who guessed too many passwords or too many codes; the later end counts.
    """
    owners: dict[str, str] = {}
    for person_id, email in accounts.items():
        owners |= dict.fromkeys(_subjects_of(person_id, email), person_id)
    rows = await session.execute(
        select(SignInAttempt.subject, SignInAttempt.locked_until).where(
            SignInAttempt.subject.in_(owners), SignInAttempt.locked_until > now
        )
    )
    found: dict[str, datetime] = {}
    for subject, until in rows:
        if until is not None:
            found[owners[subject]] = max(until, found.get(owners[subject], until))
    return found


async def unlock(session: AsyncSession, person_id: str, email: str) -> None:
    """Forget what was guessed at this account; addresses that guessed stay slowed down."""
    await session.execute(
        delete(SignInAttempt).where(SignInAttempt.subject.in_(_subjects_of(person_id, email)))
    )


def _subjects_of(person_id: str, email: str) -> tuple[str, str]:
    return Subjects.of(email, "").account, Subjects.of(second_factor_of(person_id), "").account


def second_factor_of(person_id: str) -> str:
    """Return under what codes of a person's second factor are counted: apart from their passwords."""
    return f"second-factor:{person_id}"
