"""Bills on their way: planned every morning, wanted by people, and taken from step to step by workers."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import select

from spcore.audit.actor import Actor
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, WorkerScope
from spcore.errors import NotFound
from spcore.ids import new_ulid
from spcore.providers.keyring import Keyring
from sptenants.bills import repository
from sptenants.bills.fetching import BillGateways, Fetching
from sptenants.bills.morning import Morning
from sptenants.bills.records import BillRecord
from sptenants.bills.repository import BILLS, Hold, LeaseLost
from sptenants.bills.steps import Compare, Steps
from sptenants.registry.access import RequestFacts
from wechatpay.bills import BillWanted

_AT_ONCE = 4
"""Bills that one worker works on side by side: each holds a few megabytes."""
_LOOK_AGAIN_S = 0.5

_log = structlog.get_logger(__name__)


class Bills:
    """What the worker, pages and the command line do with bills."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keyring: Keyring,
        gateways: BillGateways,
        compare: Compare,
    ) -> None:
        self._database = database
        self._clock = clock
        self._morning = Morning(database, clock)
        self._steps = Steps(database, clock, Fetching(keyring, gateways, clock), compare)

    async def run_due(self, worker_id: str, limit: int = 100) -> int:
        """Plan what the morning asks for, then take up to `limit` bills that are due as far as they go now.

        Returns how many were taken.
        """
        await self._morning.plan()
        now = self._clock.now()
        query = (
            select(BILLS.c.provider_id, BILLS.c.id)
            .where(*repository.is_due(now))
            .order_by(BILLS.c.next_at)
            .limit(limit)
        )
        async with self._database.read(WorkerScope()) as session:
            due = (await session.execute(query)).all()
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(provider_id: str, bill_id: str) -> bool:
            async with gate:
                try:
                    return await self._take(_hold(ProviderScope(provider_id), bill_id, worker_id))
                except Exception:
                    # One bill must not stop the others; its lease ends by itself and it is due again then.
                    _log.exception("bills.failed", bill_id=bill_id)
                    return True

        return sum(await asyncio.gather(*(one(*row) for row in due)))

    async def want(
        self, scope: ProviderScope, wanted: BillWanted, by: Actor, facts: RequestFacts | None = None
    ) -> BillRecord:
        """Have a bill fetched now, also one that is there or was given up; audited.

        Any day may be asked for: whether there is a bill of it is WeChat's to say. Raises NotFound for a
        `sub_mch_id` that is no tenant of this provider's.
        """
        now = self._clock.now()
        number = None if wanted.sub_mch_id is None else wanted.sub_mch_id.text
        async with self._database.write(scope) as session:
            tenant_id = (await repository.owners(session, scope)).get(number) if number else None
            if number is not None and tenant_id is None:
                raise NotFound
            await repository.plan(session, scope, [(wanted, tenant_id)], by.name, now)
            bill_id = await repository.begin_again(session, scope, wanted, by.name, now)
            if bill_id is None:
                raise RuntimeError("a bill that was just stored is not there")
            bill = await repository.bill_of(session, scope, bill_id)
            await record(session, scope.provider_id, _act(bill_id, tenant_id, wanted, by, facts), now)
        if bill is None:
            raise RuntimeError("a bill that was just stored is not there")
        return bill

    async def to_its_end(self, scope: ProviderScope, bill_id: str) -> BillRecord:
        """Take a bill as far as it goes now, in this process; waits for a worker that has it.

        Returns it as it is then. Raises NotFound.
        """
        while True:
            await self._take(_hold(scope, bill_id, "command"))
            async with self._database.read(scope) as session:
                bill = await repository.bill_of(session, scope, bill_id)
            if bill is None:
                raise NotFound
            if bill.next_at is None or bill.next_at > self._clock.now():
                return bill
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _take(self, hold: Hold) -> bool:
        """Claim a bill and take every step that can be taken now; False when it was not to be had."""
        async with self._database.write(hold.scope) as session:
            if not await repository.claim(session, hold, self._clock.now()):
                return False
        try:
            while (bill := await self._held(hold)) is not None:
                await self._steps.take(bill, hold)
        except LeaseLost:
            _log.info("bills.lost", bill_id=hold.bill_id)
        return True

    async def _held(self, hold: Hold) -> BillRecord | None:
        """Return the bill as it is now; None when the last step gave it back."""
        async with self._database.read(hold.scope) as session:
            return await repository.bill_of(
                session, hold.scope, hold.bill_id, BILLS.c.leased_by == hold.holder
            )


def _hold(scope: ProviderScope, bill_id: str, worker_id: str) -> Hold:
    return Hold(scope, bill_id, f"{worker_id}/{new_ulid()}")


def _act(
    bill_id: str, tenant_id: str | None, wanted: BillWanted, by: Actor, facts: RequestFacts | None
) -> Act:
    asked = {
        "date": wanted.day.isoformat(),
        "kind": wanted.kind.value,
        "account": wanted.account.value if wanted.account else None,
        "sub_mch_id": wanted.sub_mch_id.text if wanted.sub_mch_id else None,
    }
    return Act(
        actor=by,
        action="bill.fetch_requested",
        object_kind="bill",
        object_id=bill_id,
        tenant_id=tenant_id,
        after={name: value for name, value in asked.items() if value is not None},
        request_id=facts.request_id if facts else None,
        peer=facts.peer if facts else None,
    )
