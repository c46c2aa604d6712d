"""Every statement on bills and their pieces and lines (rule T4).

Whoever takes a step with a bill holds its row by a lease, and every write of a step renews it and fails when
it is gone: a person who asks for the bill again, or another worker after a pause, takes it away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Select, and_, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.base import table_of
from spcore.db.scope import ProviderScope
from spcore.ids import new_id
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from sptenants.bills.models import Bill, BillLine, BillPart, FundEntry
from sptenants.bills.records import BillRecord
from sptenants.bills.states import TAKEN, BillState
from sptenants.orders.repository import insert_into
from sptenants.registry.models import Tenant
from wechatpay.bills import BillKind, BillWanted

BILLS, PARTS = table_of(Bill), table_of(BillPart)
LINES = {BillKind.TRADE: table_of(BillLine), BillKind.FUND: table_of(FundEntry)}

LEASE = timedelta(minutes=10)
_SLICE = 5_000
"""Rows that one statement deletes at most."""


class LeaseLost(Exception):
    """Somebody else has the bill by now; what was being done with it is void."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A lease of one bill. `holder` is of this very claim, not of the worker alone."""

    scope: ProviderScope
    bill_id: str
    holder: str


def bills_with_names() -> Select[Bill, Provider, str | None]:
    """Return the query that `record_of` reads; whoever executes it names the owner."""
    return (
        select(Bill, Provider, Tenant.name)
        .join(Provider, Provider.id == Bill.provider_id)
        .outerjoin(Tenant, and_(Tenant.provider_id == Bill.provider_id, Tenant.id == Bill.tenant_id))
        .execution_options(populate_existing=True)
    )


def record_of(bill: Bill, provider: Provider, tenant_name: str | None) -> BillRecord:
    return BillRecord.of(bill, ProviderProfile.of(provider), tenant_name)


async def bill_of(
    session: AsyncSession, scope: ProviderScope, bill_id: str, *conditions: ColumnElement[bool]
) -> BillRecord | None:
    """Return one bill as it is now; None as well when `conditions` do not hold."""
    query = bills_with_names().where(Bill.provider_id == scope.provider_id, Bill.id == bill_id, *conditions)
    found = (await session.execute(query)).one_or_none()
    return None if found is None else record_of(*found)


def is_due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the condition of bills that a worker may take."""
    return BILLS.c.next_at <= now, or_(BILLS.c.leased_until.is_(None), BILLS.c.leased_until <= now)


async def claim(session: AsyncSession, hold: Hold, now: datetime) -> bool:
    """Take the lease of a bill that is due; False when it is not, or somebody holds it."""
    statement = (
        update(BILLS)
        .where(BILLS.c.provider_id == hold.scope.provider_id, BILLS.c.id == hold.bill_id, *is_due(now))
        .values(leased_by=hold.holder, leased_until=now + LEASE)
    )
    return _rows(await session.execute(statement)) == 1


async def keep(
    session: AsyncSession, hold: Hold, now: datetime, *conditions: ColumnElement[bool], **values: Any
) -> None:
    """Change a bill that is held and renew its lease. Raises LeaseLost; nothing is changed then."""
    await _change(session, hold, now, conditions, values | {"leased_until": now + LEASE})


async def let_go(session: AsyncSession, hold: Hold, now: datetime, **values: Any) -> None:
    """Change a bill that is held and give it back. Raises LeaseLost; nothing is changed then."""
    await _change(session, hold, now, (), values | {"leased_by": None, "leased_until": None})


async def _change(
    session: AsyncSession,
    hold: Hold,
    now: datetime,
    conditions: Iterable[ColumnElement[bool]],
    values: dict[str, Any],
) -> None:
    statement = (
        update(BILLS)
        .where(
            BILLS.c.provider_id == hold.scope.provider_id,
            BILLS.c.id == hold.bill_id,
            BILLS.c.leased_by == hold.holder,
            *conditions,
        )
        .values(values | {"updated_at": now})
    )
    if _rows(await session.execute(statement)) != 1:
        raise LeaseLost


async def plan(
    session: AsyncSession,
    scope: ProviderScope,
    wanted: Sequence[tuple[BillWanted, str | None]],
    by: str,
    now: datetime,
) -> None:
    """Make rows of bills that there is none of, each with the tenant of its `sub_mch_id`; the others stay."""
    rows = [
        {
            "id": new_id("bil", now),
            "provider_id": scope.provider_id,
            "tenant_id": tenant_id,
            "bill_date": one.day,
            "kind": one.kind.value,
            "account": "" if one.account is None else one.account.value,
            "sub_mch_id": "" if one.sub_mch_id is None else one.sub_mch_id.text,
            "requested_by": by,
            "next_at": now,
            "created_at": now,
            "updated_at": now,
        }
        for one, tenant_id in wanted
    ]
    await session.execute(insert_into(session, BILLS).on_conflict_do_nothing(), rows)


async def begin_again(
    session: AsyncSession,
    scope: ProviderScope,
    wanted: BillWanted,
    by: str,
    now: datetime,
    *conditions: ColumnElement[bool],
) -> str | None:
    """Have a bill fetched anew, whoever holds it; None when `conditions` do not hold. Returns its id.

    The file and the lines that are there count on until a new edition is whole.
    """
    statement = (
        update(BILLS)
        .where(BILLS.c.provider_id == scope.provider_id, *_is(wanted), *conditions)
        .values(
            state=BillState.WAITING.value,
            requested_by=by,
            problem=None,
            problem_facts=None,
            attempts=0,
            next_at=now,
            leased_by=None,
            leased_until=None,
            updated_at=now,
        )
        .returning(BILLS.c.id)
    )
    bill_id: str | None = await session.scalar(statement)
    return bill_id


def _is(wanted: BillWanted) -> tuple[ColumnElement[bool], ...]:
    return (
        BILLS.c.bill_date == wanted.day,
        BILLS.c.kind == wanted.kind.value,
        BILLS.c.account == ("" if wanted.account is None else wanted.account.value),
        BILLS.c.sub_mch_id == ("" if wanted.sub_mch_id is None else wanted.sub_mch_id.text),
    )


async def check_again(session: AsyncSession, scope: ProviderScope, day: date, now: datetime) -> None:
    """Have the fund bills of a day checked once more, whoever holds them: the trade bill that goes with them
    was loaded."""
    await session.execute(
        update(BILLS)
        .where(
            BILLS.c.provider_id == scope.provider_id,
            BILLS.c.bill_date == day,
            BILLS.c.kind == BillKind.FUND.value,
            BILLS.c.state.in_([state.value for state in TAKEN]),
            BILLS.c.loaded_edition > 0,
        )
        .values(
            state=BillState.DOWNLOADED.value,
            next_at=now,
            leased_by=None,
            leased_until=None,
            updated_at=now,
        )
    )


async def store_part(
    session: AsyncSession, bill: BillRecord, edition: int, number: int, offset: int, content: bytes
) -> None:
    """Store a piece of the text, packed."""
    row = {
        "bill_id": bill.id,
        "edition": edition,
        "number": number,
        "provider_id": bill.provider_id,
        "tenant_id": bill.tenant_id,
        "offset": offset,
        "content": content,
    }
    await session.execute(insert(PARTS), [row])


async def part(
    session: AsyncSession, bill: BillRecord, offset: int, after: int
) -> tuple[int, int, bytes] | None:
    """Return the piece of the edition that counts with byte `offset` in it, or the first one behind piece
    `after` of it: number, offset, packed content. None behind the last one."""
    query = (
        select(PARTS.c.number, PARTS.c.offset, PARTS.c.content)
        .where(
            PARTS.c.provider_id == bill.provider_id,
            PARTS.c.bill_id == bill.id,
            PARTS.c.edition == bill.edition,
        )
        .limit(1)
    )
    if after < 0:
        query = query.where(PARTS.c.offset <= offset).order_by(PARTS.c.number.desc())
    else:
        query = query.where(PARTS.c.number == after + 1)
    found = (await session.execute(query)).one_or_none()
    return None if found is None else (found.number, found.offset, found.content)


async def drop_parts(session: AsyncSession, bill: BillRecord, *, except_edition: int) -> bool:
    """Delete some pieces of other editions; False when there are none left."""
    return await _drop(session, PARTS, bill, 50, PARTS.c.edition != except_edition)


async def drop_lines(session: AsyncSession, bill: BillRecord, *, except_edition: int) -> bool:
    """Delete some lines of other editions; False when there are none left."""
    lines = LINES[bill.kind]
    return await _drop(session, lines, bill, _SLICE, lines.c.edition != except_edition)


async def _drop(
    session: AsyncSession, table: Any, bill: BillRecord, many: int, which: ColumnElement[bool]
) -> bool:
    own = (table.c.provider_id == bill.provider_id, table.c.bill_id == bill.id)
    first = (
        select(table.c.edition, table.c.number)
        .where(*own, which)
        .order_by(table.c.edition, table.c.number)
        .limit(1)
    )
    found = (await session.execute(first)).one_or_none()
    if found is None:
        return False
    slice_ = (table.c.edition == found.edition, table.c.number < found.number + many)
    await session.execute(delete(table).where(*own, *slice_))
    return True


async def owners(session: AsyncSession, scope: ProviderScope) -> dict[str | None, str]:
    """Return the provider's tenants by `sub_mch_id`; None stands for a plain merchant's one tenant."""
    query = (
        select(Tenant.sub_mch_id, Tenant.id)
        .where(
            Tenant.provider_id == scope.provider_id,
            or_(Tenant.sub_mch_id.is_not(None), Tenant.status.in_(("ready", "live", "suspended"))),
        )
        .order_by(Tenant.id)
    )
    return dict((await session.execute(query)).all())


def _rows(result: Any) -> int:
    return cast("CursorResult[Any]", result).rowcount
