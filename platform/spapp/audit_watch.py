"""Watching over the audit log: reading all chains through, nightly or when asked, and logging their heads."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import insert, select

from spapp.accounts.models import AuditCheck
from spapp.accounts.service import Staff, Visitor
from spcore.audit import heads
from spcore.audit.actor import SYSTEM
from spcore.audit.heads import HeadSigner
from spcore.audit.models import PLATFORM_CHAIN
from spcore.audit.verifier import verify
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import DoorScope
from spcore.ids import new_id

EVERY = timedelta(hours=24)

_log = structlog.get_logger("wxsp.audit")


class AuditWatch:
    def __init__(self, database: Database, clock: Clock, signer: HeadSigner) -> None:
        self._database = database
        self._clock = clock
        self._signer = signer

    async def check(self, staff: Staff, visitor: Visitor) -> AuditCheck:
        """Read every chain through for somebody who asks, and store what was found."""
        act = Act(
            actor=staff.actor,
            action="audit.checked",
            object_kind="audit_log",
            request_id=visitor.request_id,
            peer=visitor.peer,
        )
        async with self._database.write(DoorScope()) as session:
            await record(session, PLATFORM_CHAIN, act, self._clock.now())
        return await self._check(staff.name)

    async def check_nightly(self) -> int:
        """Read every chain through once a day; what is broken goes to the log as an error."""
        last = await self.last()
        if last is not None and last.began_at > self._clock.now() - EVERY:
            return 0
        found = await self._check(SYSTEM.name)
        if not found.ok:
            _log.error("audit.broken", chain=found.bad_chain, seq=found.bad_seq, reason=found.bad_reason)
        return 1

    async def last(self) -> AuditCheck | None:
        """Return the newest reading, whoever asked for it."""
        async with self._database.read(DoorScope()) as session:
            found: AuditCheck | None = await session.scalar(
                select(AuditCheck).order_by(AuditCheck.id.desc()).limit(1)
            )
        return found

    async def log_heads(self) -> int:
        """Write the head of every chain into the log stream, which the database cannot take back (A01)."""
        present = await heads.read_heads(self._database, self._signer)
        for head in present:
            _log.info(heads.EVENT, chain=head.chain, seq=head.seq, hash=head.hash, mac=head.mac)
        return 0

    async def _check(self, by_name: str) -> AuditCheck:
        began_at = self._clock.now()
        verdict = await verify(self._database)
        bad = verdict.first_bad
        row = {
            "id": new_id("chk", began_at),
            "began_at": began_at,
            "finished_at": self._clock.now(),
            "by_name": by_name,
            "ok": verdict.ok,
            "rows_read": verdict.rows,
            "bad_chain": bad.chain if bad else None,
            "bad_seq": bad.seq if bad else None,
            "bad_id": bad.id if bad else None,
            "bad_reason": bad.reason if bad else None,
        }
        async with self._database.write(DoorScope()) as session:
            await session.execute(insert(table_of(AuditCheck)), [row])
        return AuditCheck(**row)
