"""Keeping a price list by hand: every change is audited, and orders keep the amount they were made with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.audit.actor import Actor
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.errors import Fault, InvalidInput, NotFound, Text
from sptenants.prices.models import Price
from sptenants.prices.service import NewPrice, price_of, put
from sptenants.registry.access import RequestFacts
from wechatpay.money import Fen

MOST = 500
"""Lines of one price list that people can keep by hand and see on one page."""


@dataclass(frozen=True, slots=True)
class PriceRecord:
    """One line of a price list; `amount` is for one piece."""

    code: str
    name: str
    amount: Fen
    max_quantity: int
    active: bool
    updated_at: datetime

    @classmethod
    def of(cls, row: Price) -> PriceRecord:
        return cls(row.code, row.name, Fen(row.amount), row.max_quantity, row.active, row.updated_at)


class PriceEditing:
    """The price list of one tenant for the people who keep it, one transaction a call."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list(self, scope: TenantScope, q: str | None = None) -> list[PriceRecord]:
        """Return up to MOST lines by code; `q` matches part of the code or of the name."""
        query = select(Price).where(Price.tenant_id == scope.tenant_id).order_by(Price.code).limit(MOST)
        if q:
            query = query.where(
                Price.code.icontains(q, autoescape=True) | Price.name.icontains(q, autoescape=True)
            )
        async with self._database.read(scope) as session:
            return [PriceRecord.of(row) for row in await session.scalars(query)]

    async def price(self, scope: TenantScope, code: str) -> PriceRecord:
        """Return one line, for sale or not. Raises NotFound."""
        async with self._database.read(scope) as session:
            row = await price_of(session, scope, code)
        if row is None:
            raise NotFound
        return PriceRecord.of(row)

    async def add(self, scope: TenantScope, new: NewPrice, by: Actor, facts: RequestFacts) -> None:
        """Put another line on the list. Raises InvalidInput, also for a taken code and a full list."""
        async with self._database.write(scope) as session:
            if await price_of(session, scope, new.code) is not None:
                raise InvalidInput(Fault("#/code", "taken", _TAKEN))
            if await _count(session, scope) >= MOST:
                raise InvalidInput(Fault("#/code", "too_many", _FULL))
            await put(session, scope, new, self._clock.now())
            await self._write_down(session, scope, "price.added", new.code, by, facts, after=_plain(new))

    async def change(self, scope: TenantScope, new: NewPrice, by: Actor, facts: RequestFacts) -> bool:
        """Store the line of this code anew and say whether anything was different.

        Raises NotFound, InvalidInput.
        """
        async with self._database.write(scope) as session:
            row = await price_of(session, scope, new.code)
            if row is None:
                raise NotFound
            before = _plain(row)
            if not await put(session, scope, new, self._clock.now()):
                return False
            await self._write_down(
                session, scope, "price.changed", new.code, by, facts, before=before, after=_plain(new)
            )
        return True

    async def remove(self, scope: TenantScope, code: str, by: Actor, facts: RequestFacts) -> None:
        """Take the line off the list for good. Raises NotFound."""
        async with self._database.write(scope) as session:
            row = await price_of(session, scope, code)
            if row is None:
                raise NotFound
            before = _plain(row)
            gone = await session.execute(
                delete(table_of(Price)).where(Price.tenant_id == scope.tenant_id, Price.code == code)
            )
            if cast("CursorResult[Any]", gone).rowcount != 1:
                raise NotFound
            await self._write_down(session, scope, "price.removed", code, by, facts, before=before)

    async def _write_down(
        self,
        session: AsyncSession,
        scope: TenantScope,
        action: str,
        code: str,
        by: Actor,
        facts: RequestFacts,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        act = Act(
            actor=by,
            action=action,
            object_kind="price",
            object_id=code,
            tenant_id=scope.tenant_id,
            before=before,
            after=after,
            request_id=facts.request_id,
            peer=facts.peer,
        )
        await record(session, scope.provider_id, act, self._clock.now())


async def _count(session: AsyncSession, scope: TenantScope) -> int:
    query = select(func.count()).select_from(Price).where(Price.tenant_id == scope.tenant_id)
    return (await session.scalar(query)) or 0


def _plain(line: NewPrice | Price) -> dict[str, Any]:
    return {
        "name": line.name,
        "amount": line.amount,
        "max_quantity": line.max_quantity,
        "active": line.active,
    }


_TAKEN = Text(
    "价目中已有这个代码，请换一个，或打开它修改。", "is on the list already; choose another one or edit it."
)
_FULL = Text(
    f"价目已有 {MOST} 条，请先删除不用的。",
    f"There are {MOST} prices already; remove some that are not used.",
)
