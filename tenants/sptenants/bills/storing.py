"""A bill's text while it comes in: stored in pieces, so that neither memory nor a transaction holds all."""

from __future__ import annotations

import asyncio
import gzip

from spcore.clock import Clock
from spcore.db.engine import Database
from sptenants.bills import repository
from sptenants.bills.records import BillRecord
from sptenants.bills.repository import Hold

PIECE = 4 * 1024 * 1024
"""Bytes of text in a piece, before it is packed."""


class Storing:
    """The text of one download, as the edition after the one that counts.

    Nothing of it counts before the bill's row says so; what a killed worker left is dropped by the next one.
    """

    def __init__(self, database: Database, clock: Clock, bill: BillRecord, hold: Hold) -> None:
        self._database = database
        self._clock = clock
        self._bill = bill
        self._hold = hold
        self._buffer = bytearray()
        self._stored = 0
        self._parts = 0
        self.edition = bill.edition + 1

    async def take(self, data: bytes) -> None:
        """Take the next bytes of the text. Raises LeaseLost, as every method does."""
        self._buffer += data
        while len(self._buffer) >= PIECE:
            piece = bytes(self._buffer[:PIECE])
            del self._buffer[:PIECE]
            await self._store(piece)

    async def end(self) -> None:
        """Store what is left."""
        if self._buffer:
            await self._store(bytes(self._buffer))
            self._buffer.clear()

    async def drop(self) -> None:
        """Delete what there is of this edition: the download failed, or somebody else's was cut."""
        self._buffer.clear()
        await drop_pieces(self._database, self._clock, self._bill, self._hold)

    async def _store(self, piece: bytes) -> None:
        # A tenth of a second of work: not in the loop. mtime 0, so that the same text is the same piece.
        packed = await asyncio.to_thread(gzip.compress, piece, 6, mtime=0)
        async with self._database.write(self._bill.scope) as session:
            await repository.keep(session, self._hold, self._clock.now())
            await repository.store_part(session, self._bill, self.edition, self._parts, self._stored, packed)
        self._stored += len(piece)
        self._parts += 1


async def drop_pieces(database: Database, clock: Clock, bill: BillRecord, hold: Hold) -> None:
    """Delete the pieces of every edition but the one that counts, a few at a time. Raises LeaseLost."""
    more = True
    while more:
        async with database.write(bill.scope) as session:
            await repository.keep(session, hold, clock.now())
            more = await repository.drop_parts(session, bill, except_edition=bill.edition)
