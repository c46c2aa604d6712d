"""A sub-merchant's own bill beside the provider's: the same lines, or the sums say that they are not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from sptenants.bills.states import OwnProblem
from sptenants.reconciliation.repository import BILLS, LINES, Work
from wechatpay.bills import BillKind

REASON = "provider_bill_differs"
"""What `problem_facts` of such a bill name as the reason."""


async def has_provider_bill(session: AsyncSession, work: Work) -> bool:
    """Say whether the provider's bill of the same day is there, with its lines."""
    return await _provider_bill(session, work) is not None


async def check(session: AsyncSession, work: Work, now: datetime) -> None:
    """Compare the sums of the day's own bills with the provider's, as soon as both are there."""
    whole = await _provider_bill(session, work)
    if whole is None:
        return
    for own in await _own_bills(session, work):
        ours = await _sums(session, work, own.id, own.loaded_edition, own.tenant_id)
        theirs = await _sums(session, work, whole.id, whole.loaded_edition, own.tenant_id)
        known = (own.problem_facts or {}).get("reason") == REASON
        if ours == theirs and not known:
            continue
        differs = ours != theirs
        facts = {"reason": REASON, "own": ours, "provider": theirs} if differs else None
        if own.problem is not None and not known:
            continue  # what is in the way already is graver
        await session.execute(
            update(BILLS)
            .where(
                BILLS.c.provider_id == work.scope.provider_id,
                BILLS.c.id == own.id,
                BILLS.c.loaded_edition == own.loaded_edition,
            )
            .values(
                problem=OwnProblem.SUMMARY_MISMATCH.value if differs else None,
                problem_facts=facts,
                updated_at=now,
            )
        )


async def _provider_bill(session: AsyncSession, work: Work) -> Any:
    query = select(BILLS.c.id, BILLS.c.loaded_edition).where(
        BILLS.c.provider_id == work.scope.provider_id,
        BILLS.c.bill_date == work.bill_date,
        BILLS.c.kind == BillKind.TRADE.value,
        BILLS.c.tenant_id.is_(None),
        BILLS.c.loaded_edition > 0,
    )
    return (await session.execute(query)).one_or_none()


async def _own_bills(session: AsyncSession, work: Work) -> Sequence[Any]:
    columns = (BILLS.c.id, BILLS.c.tenant_id, BILLS.c.loaded_edition, BILLS.c.problem, BILLS.c.problem_facts)
    query = select(*columns).where(
        BILLS.c.provider_id == work.scope.provider_id,
        BILLS.c.bill_date == work.bill_date,
        BILLS.c.kind == BillKind.TRADE.value,
        BILLS.c.tenant_id.is_not(None),
        BILLS.c.loaded_edition > 0,
    )
    return (await session.execute(query)).all()


async def _sums(
    session: AsyncSession, work: Work, bill_id: str, edition: int, tenant_id: str
) -> dict[str, int]:
    summed = ("total", "settled", "refund_applied", "refund_amount", "fee")
    query = select(func.count(), *(func.sum(LINES.c[name]) for name in summed)).where(
        LINES.c.provider_id == work.scope.provider_id,
        LINES.c.bill_id == bill_id,
        LINES.c.edition == edition,
        LINES.c.tenant_id == tenant_id,
        LINES.c.bill_date == work.bill_date,
    )
    row = (await session.execute(query)).one()
    return {name: int(value or 0) for name, value in zip(("lines", *summed), row, strict=True)}
