"""Checking the audit log: every row against its hash, every chain against its head (A01)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.audit.models import AuditHead, AuditRow
from spcore.audit.writer import GENESIS, row_hash
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope

Reason = Literal["missing", "edited", "unchained", "tail_cut", "head_changed", "head_missing"]
Heads = dict[str, tuple[int, str]]
_BATCH = 500


@dataclass(frozen=True, slots=True)
class BadRow:
    """The first place where a chain does not hold. `id` is None where the row itself is gone.

    `missing`: a row was deleted or moved; `edited`: its content is not what was hashed; `unchained`: it does
    not continue the row before; `tail_cut`: the head knows later rows; `head_changed`, `head_missing`: the
    rows are whole but the head says something else.
    """

    chain: str
    seq: int
    id: str | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class Verdict:
    ok: bool
    rows: int
    """Rows that were read and found good."""
    first_bad: BadRow | None


async def verify(database: Database) -> Verdict:
    """Read every chain once, in bounded memory, and stop at the first bad row.

    Rows may be added meanwhile: the heads are read before and after the rows, and a chain must reach the
    first head and not pass the second.
    """
    checked, tails = 0, {}
    async with database.read(PlatformScope("audit verify")) as session:
        heads_before = await _heads(session)
        previous: tuple[str, int, str] | None = None
        async for row in _rows(session):
            chain = row["chain"]
            if previous is not None and previous[0] != chain:
                tails[previous[0]] = previous[1:]
            seq, prev_hash = previous[1:] if previous is not None and previous[0] == chain else (0, GENESIS)
            if bad := _check_row(row, seq + 1, prev_hash) or _check_against(heads_before, row):
                return Verdict(ok=False, rows=checked, first_bad=bad)
            checked += 1
            previous = (chain, row["seq"], row["hash"])
        if previous is not None:
            tails[previous[0]] = previous[1:]
        heads_after = await _heads(session)
    bad = _check_ends(heads_before, tails, heads_after)
    return Verdict(ok=bad is None, rows=checked, first_bad=bad)


async def _heads(session: AsyncSession) -> Heads:
    rows = await session.execute(select(AuditHead.chain, AuditHead.seq, AuditHead.hash))
    return {row.chain: (row.seq, row.hash) for row in rows}


async def _rows(session: AsyncSession) -> AsyncIterator[RowMapping]:
    table = table_of(AuditRow)
    query = select(table).order_by(table.c.chain, table.c.seq).execution_options(yield_per=_BATCH)
    read = 0
    async for row in (await session.stream(query)).mappings():
        yield row
        read += 1
        if read % _BATCH == 0:
            await asyncio.sleep(0)  # rows of one fetch come without waiting, and others want to be served


def _check_row(row: RowMapping, expected_seq: int, prev_hash: str) -> BadRow | None:
    if row["seq"] != expected_seq:
        return BadRow(row["chain"], expected_seq, None, "missing")
    content: dict[str, Any] = {name: value for name, value in row.items() if name != "hash"}
    if row["prev_hash"] != prev_hash:
        return BadRow(row["chain"], row["seq"], row["id"], "unchained")
    if _hash_or_none(content) != row["hash"]:
        return BadRow(row["chain"], row["seq"], row["id"], "edited")
    return None


def _hash_or_none(content: dict[str, Any]) -> str | None:
    # An edit can leave values that have no canonical form, such as a float beyond the range of JSON.
    try:
        return row_hash(content)
    except (TypeError, ValueError):
        return None


def _check_against(heads: Heads, row: RowMapping) -> BadRow | None:
    """A whole chain may be hashed anew from an edited row on; only the head tells then."""
    seq, hash_ = heads.get(row["chain"], (-1, ""))
    if row["seq"] == seq and row["hash"] != hash_:
        return BadRow(row["chain"], row["seq"], row["id"], "head_changed")
    return None


def _check_ends(before: Heads, tails: Heads, after: Heads) -> BadRow | None:
    for chain in sorted({*before, *tails, *after}):
        last, _hash = tails.get(chain, (0, GENESIS))
        if chain not in after:
            return BadRow(chain, last, None, "head_missing")
        if last < before.get(chain, (0, GENESIS))[0]:
            return BadRow(chain, last + 1, None, "tail_cut")
        if last > after[chain][0]:
            return BadRow(chain, after[chain][0] + 1, None, "head_changed")
    return None
