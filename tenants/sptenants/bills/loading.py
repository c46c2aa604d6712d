"""Reading a stored bill line by line into the tables: bounded in memory, and resumable at every commit.

The place reached moves in the transaction that stores the lines before it, so that whoever goes on after a
killed worker neither loses a line nor has one twice (failure catalogue L06).
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import Any, cast

from sqlalchemy import insert

from spcore.clock import Clock
from spcore.db.engine import Database
from sptenants.bills import counting, repository
from sptenants.bills.counting import Sums
from sptenants.bills.records import BillRecord
from sptenants.bills.repository import BILLS, LINES, Hold
from sptenants.bills.storing import drop_pieces
from wechatpay.bill_text import BillReader, Position
from wechatpay.bills import BillKind, FundLine, MalformedBill, TradeLine

BITE = 512 * 1024
"""Bytes of text whose lines go into one transaction: some two thousand."""

Lines = Sequence[TradeLine] | Sequence[FundLine]


class Loading:
    """Loads the edition of a bill that counts."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def load(self, bill: BillRecord, hold: Hold) -> None:
        """Go on from where the lines end to the end of the text, and have the edition be the loaded one.

        Raises MalformedBill, after which none of its lines count, and LeaseLost.
        """
        if bill.empty:
            await self._finish(bill, hold, None, None)
            return
        sums: Sums | None = bill.summary["counted"] if bill.read_offset and bill.summary else None
        if not bill.read_offset:
            await self._drop_lines(bill, hold)
        resume = Position(bill.read_offset, bill.read_lines, tuple(bill.columns))
        reader = BillReader(bill.kind, resume=resume if bill.read_offset else None)
        async with self._database.read(bill.scope) as session:
            owner_of = _Owners(bill, await repository.owners(session, bill.scope))
        place = bill.read_offset
        try:
            async for bite in self._text(bill):
                lines = reader.feed(bite)
                if lines:
                    sums = _added(bill, sums, lines)
                    await self._store(bill, hold, reader, place, lines, sums, owner_of)
                    place = reader.position.offset
            told = asdict(reader.finish())
        except MalformedBill:
            await self._void(bill, hold)
            raise
        await self._finish(bill, hold, reader, {"told": told, "counted": sums or _added(bill, None, [])})

    async def _text(self, bill: BillRecord) -> AsyncIterator[bytes]:
        """Yield the text from `read_offset` on, in bites."""
        number = -1
        while True:
            async with self._database.read(bill.scope) as session:
                found = await repository.part(session, bill, bill.read_offset, number)
            if found is None:
                return
            number, offset, content = found
            text = memoryview(zlib.decompress(content, wbits=31))
            start = max(0, bill.read_offset - offset)
            for at in range(start, len(text), BITE):
                yield bytes(text[at : at + BITE])

    async def _store(
        self,
        bill: BillRecord,
        hold: Hold,
        reader: BillReader,
        place: int,
        lines: Lines,
        sums: Sums,
        owner_of: _Owners,
    ) -> None:
        rows = [_row(bill, line, owner_of) for line in lines]
        position = reader.position
        async with self._database.write(bill.scope) as session:
            await repository.keep(
                session,
                hold,
                self._clock.now(),
                BILLS.c.edition == bill.edition,
                BILLS.c.read_offset == place,
                read_offset=position.offset,
                read_lines=position.lines,
                columns=list(position.columns),
                summary={"told": None, "counted": sums},
            )
            await session.execute(insert(LINES[bill.kind]), rows)

    async def _void(self, bill: BillRecord, hold: Hold) -> None:
        """Have the same file be read from its first byte if it is ever read again."""
        async with self._database.write(bill.scope) as session:
            now = self._clock.now()
            await repository.keep(session, hold, now, read_offset=0, read_lines=0, summary=None)
        await self._drop_lines(bill, hold)

    async def _drop_lines(self, bill: BillRecord, hold: Hold) -> None:
        more = True
        while more:
            async with self._database.write(bill.scope) as session:
                await repository.keep(session, hold, self._clock.now())
                more = await repository.drop_lines(session, bill, except_edition=bill.loaded_edition)

    async def _finish(
        self, bill: BillRecord, hold: Hold, reader: BillReader | None, summary: dict[str, Any] | None
    ) -> None:
        problem, facts = counting.fault_in(summary) or (None, None)
        async with self._database.write(bill.scope) as session:
            now = self._clock.now()
            await repository.keep(
                session,
                hold,
                now,
                BILLS.c.edition == bill.edition,
                loaded_edition=bill.edition,
                lines=reader.position.lines if reader else 0,
                columns=list(reader.columns) if reader else None,
                unknown_columns=list(reader.unknown_columns) if reader else None,
                summary=summary,
                problem=problem,
                problem_facts=facts,
                matched_to=None,
                matched_at=None,
            )
            if bill.kind is BillKind.TRADE and bill.provider.kind == "merchant":
                await repository.check_again(session, bill.scope, bill.day, now)

    async def tidy(self, bill: BillRecord, hold: Hold) -> None:
        """Delete what is left of other editions than the loaded one, a few rows at a time."""
        await self._drop_lines(bill, hold)
        await drop_pieces(self._database, self._clock, bill, hold)


class _Owners:
    """Whose a line is: a tenant of this provider by the numbers in the line, or nobody's (L05)."""

    def __init__(self, bill: BillRecord, tenants: dict[str | None, str]) -> None:
        self._bill = bill
        self._mch_id = bill.provider.mch_id
        self._tenants = tenants
        if bill.provider.kind != "merchant":
            self._tenants = {number: tenant for number, tenant in tenants.items() if number is not None}

    def __call__(self, line: TradeLine) -> str | None:
        if line.mch_id != self._mch_id:
            return None
        owner = self._tenants.get(line.sub_mch_id)
        if self._bill.tenant_id is not None and owner != self._bill.tenant_id:
            return None
        return owner


def _added(bill: BillRecord, sums: Sums | None, lines: Lines) -> Sums:
    if bill.kind is BillKind.TRADE:
        return counting.add_trade(sums, cast("Sequence[TradeLine]", lines))
    return counting.add_fund(sums, cast("Sequence[FundLine]", lines))


def _row(bill: BillRecord, line: TradeLine | FundLine, owner_of: _Owners) -> dict[str, Any]:
    row: dict[str, Any] = {
        "bill_id": bill.id,
        "edition": bill.edition,
        "number": line.number,
        "provider_id": bill.provider_id,
        "bill_date": bill.day,
        "at": line.at,
    }
    if isinstance(line, FundLine):
        return row | _of_funds(line) | {"tenant_id": bill.tenant_id}
    return row | _of_trade(line) | {"tenant_id": owner_of(line)}


def _of_trade(line: TradeLine) -> dict[str, Any]:
    known = {"appid": line.appid, "payer": line.payer, "description": line.description}
    return {
        "mch_id": line.mch_id,
        "sub_mch_id": line.sub_mch_id,
        "transaction_id": line.transaction_id,
        "out_trade_no": line.out_trade_no or "",
        "trade_type": line.trade_type,
        "state": line.state,
        "currency": line.currency,
        "total": line.total,
        "settled": line.settled,
        "refund_id": line.refund_id,
        "out_refund_no": line.out_refund_no,
        "refund_amount": line.refund_amount,
        "refund_applied": line.refund_applied,
        "refund_state": line.refund_state,
        "fee": line.fee,
        "rate": None if line.rate is None else line.rate.value,
        "extra": {**line.extra, **known},
    }


def _of_funds(line: FundLine) -> dict[str, Any]:
    return {
        "business_no": line.business_no,
        "flow_no": line.flow_no,
        "name": line.name,
        "type": line.type,
        "amount": line.amount,
        "balance": line.balance,
        "applicant": line.applicant,
        "note": line.note,
        "voucher": line.voucher,
        "extra": dict(line.extra),
    }
