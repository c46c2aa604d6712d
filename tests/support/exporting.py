"""Reading exported files again, and their audit rows."""

from __future__ import annotations

import csv
import io

from sqlalchemy import select

from spcore.audit.models import PLATFORM_CHAIN, AuditRow
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope

EVERYTHING = PlatformScope("test")


def rows_of(content: bytes) -> list[dict[str, str]]:
    """Return the lines of a file by their titles."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


async def acts(database: Database, *actions: str, chain: str = PLATFORM_CHAIN) -> list[AuditRow]:
    """Return the audit rows of these actions in one chain, oldest first."""
    query = select(AuditRow).where(AuditRow.chain == chain, AuditRow.action.in_(actions))
    async with database.read(EVERYTHING) as session:
        return list(await session.scalars(query.order_by(AuditRow.seq)))
