"""The demo's bills: the simulator serves the running day at once, so that nobody waits for the morning.

A few differences are planted in the bill of the first provider, for the work list to have something to show;
the others' must balance.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from spapp.demo.clients import WeChat
from spapp.wiring import Services
from spcore.audit.actor import SYSTEM
from spcore.db.scope import PlatformScope, ProviderScope
from spcore.providers.models import Provider
from sptenants.bills.records import BillRecord
from sptenants.bills.words import STATE_WORDS
from sptenants.orders.sums import day_of
from wechatpay.bills import BillKind, BillWanted

PLANTED = ("amount", "missing_here", "fee")


async def compare(services: Services, wechat: WeChat, mch_ids: Sequence[str]) -> list[BillRecord]:
    """Plant, fetch and compare today's trade bills of these providers, and return them as they are then."""
    today = day_of(services.clock.now())
    await wechat.control("/_sim/bills", open_days=True)
    for kind in PLANTED:
        await wechat.control("/_sim/bills/differences", mch_id=mch_ids[0], date=today.isoformat(), kind=kind)
    wanted = BillWanted(today, BillKind.TRADE)
    bills = []
    for scope in await _scopes(services, mch_ids):
        bill = await services.bills.want(scope, wanted, SYSTEM)
        bills.append(await services.bills.to_its_end(scope, bill.id))
    while await services.difference_healing.run_due():
        pass
    while await services.statements.settle_due():
        pass
    return [await services.bookshelf.record(bill.scope, bill.id) for bill in bills]


def told(bill: BillRecord) -> str:
    """Return the line that the demo shows of a bill."""
    state = STATE_WORDS[bill.state]
    return (
        f"  对账单 bill  {bill.day.isoformat()}  {bill.provider.mch_id}  {bill.lines} 行 lines"
        f"  {state.zh} {state.en}"
    )


async def _scopes(services: Services, mch_ids: Sequence[str]) -> list[ProviderScope]:
    query = select(Provider.id).where(Provider.mch_id.in_(mch_ids)).order_by(Provider.id)
    async with services.database.read(PlatformScope("demo bills")) as session:
        return [ProviderScope(provider_id) for provider_id in await session.scalars(query)]
