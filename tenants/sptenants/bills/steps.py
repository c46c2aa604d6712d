"""The steps of one bill: fetched, loaded, compared.

Its row says what comes next: `waiting` and `failed` are fetched, `downloaded` is loaded and then compared.
Whoever takes a step holds the row's lease; a step that was cut short is taken up where it stopped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeAlias

import structlog

from spcore.clock import Clock
from spcore.db.engine import Database
from sptenants.bills import counting, repository
from sptenants.bills.checking import payments_in_funds
from sptenants.bills.fetching import Fetching, GotBill, NoBill
from sptenants.bills.loading import Loading
from sptenants.bills.planning import is_premature
from sptenants.bills.records import BillRecord
from sptenants.bills.repository import BILLS, Hold, LeaseLost
from sptenants.bills.schedule import next_try
from sptenants.bills.states import BillState, OwnProblem, Problem, problem_of
from sptenants.bills.storing import Storing
from wechatpay.bills import BillKind, MalformedBill

Compare: TypeAlias = Callable[[BillRecord], Awaitable[bool]]
"""Compares a slice of a loaded trade bill with our books; True when it came to the bill's end."""

_TRIES_BESIDE_A_FILE = 4
"""How often a newer file is asked for before the one that is there goes on: most of an hour."""

_log = structlog.get_logger(__name__)


class Steps:
    """What a worker does with one bill at a time."""

    def __init__(self, database: Database, clock: Clock, fetching: Fetching, compare: Compare) -> None:
        self._database = database
        self._clock = clock
        self._fetching = fetching
        self._loading = Loading(database, clock)
        self._compare = compare

    async def take(self, bill: BillRecord, hold: Hold) -> None:
        """Take the next step with a bill that is held. Raises LeaseLost when it no longer is."""
        if bill.state in {BillState.WAITING, BillState.FAILED}:
            await self._fetch(bill, hold)
        elif not bill.is_loaded:
            await self._load(bill, hold)
        elif bill.kind is BillKind.TRADE:
            await self._match(bill, hold)
        else:
            await self._check(bill, hold)

    async def _fetch(self, bill: BillRecord, hold: Hold) -> None:
        async with self._database.write(hold.scope) as session:
            now = self._clock.now()
            await repository.keep(session, hold, now, attempts=bill.attempts + 1, asked_at=now)
        storing = Storing(self._database, self._clock, bill, hold)
        await storing.drop()
        outcome = await self._fetching.fetch(bill, storing.take)
        if isinstance(outcome, NoBill):
            await storing.drop()
            await self._put_off(bill, hold, outcome, bill.attempts + 1)
            return
        await storing.end()
        if _is_the_same(bill, outcome):
            await storing.drop()
            await self._go_on_with(bill, hold, outcome)
        else:
            await self._take_over(bill, hold, outcome, storing.edition)

    async def _take_over(self, bill: BillRecord, hold: Hold, got: GotBill, edition: int) -> None:
        """Have the edition that was just stored be the one that counts."""
        fetched = got.fetched
        async with self._database.write(hold.scope) as session:
            now = self._clock.now()
            await repository.keep(
                session,
                hold,
                now,
                BILLS.c.edition == bill.edition,
                state=BillState.DOWNLOADED.value,
                api_version=got.api_version,
                edition=edition,
                empty=fetched.empty,
                size=fetched.size,
                sha1=fetched.sha1,
                sha1_told=fetched.told,
                hash_check=fetched.check.value,
                problem=None,
                problem_facts=None,
                read_lines=0,
                read_offset=0,
                summary=None,
                downloaded_at=now,
            )

    async def _go_on_with(self, bill: BillRecord, hold: Hold, got: GotBill) -> None:
        """WeChat still has the same file. What could not be read does not become readable by that."""
        if problem_of(bill.problem) is OwnProblem.MALFORMED:
            unread = NoBill(OwnProblem.MALFORMED, dict(bill.problem_facts or {}), got.api_version)
            await self._put_off(bill, hold, unread, bill.attempts + 1)
            return
        async with self._database.write(hold.scope) as session:
            now = self._clock.now()
            fault = counting.fault_in(bill.summary) if bill.is_loaded else None
            problem, facts = fault or (None, None)
            await repository.keep(
                session,
                hold,
                now,
                state=BillState.DOWNLOADED.value,
                api_version=got.api_version,
                problem=problem,
                problem_facts=facts,
                sha1_told=got.fetched.told,
                hash_check=got.fetched.check.value,
                downloaded_at=now,
            )

    async def _put_off(self, bill: BillRecord, hold: Hold, why: NoBill, attempts: int) -> None:
        """Say what is in the way and when it is tried again, if ever.

        A bill that has an older file goes on with that one before long; what is wrong with that file is said
        before what became of the new one.
        """
        gap, now = next_try(why.problem, attempts), self._clock.now()
        said: dict[str, Any] = {"problem": why.problem.value, "problem_facts": why.facts}
        if why.api_version is not None:
            said["api_version"] = why.api_version
        if _goes_on_with_its_file(bill, why.problem, attempts, gap):
            said["state"] = BillState.DOWNLOADED.value
            if (fault := counting.fault_in(bill.summary)) is not None:
                said |= {"problem": fault[0].value, "problem_facts": fault[1]}
            async with self._database.write(hold.scope) as session:
                await repository.keep(session, hold, now, **said)
            return
        if gap is None:
            said |= {"state": BillState.FAILED.value, "next_at": None}
        elif why.problem is OwnProblem.PROVIDER_NOT_READY:
            said |= {"state": BillState.FAILED.value, "next_at": now + gap}
        else:
            said |= {"state": BillState.WAITING.value, "next_at": now + gap}
        async with self._database.write(hold.scope) as session:
            await repository.let_go(session, hold, now, **said)

    async def _load(self, bill: BillRecord, hold: Hold) -> None:
        try:
            await self._loading.load(bill, hold)
        except MalformedBill as error:
            facts = {"reason": error.reason, "line": error.line}
            _log.warning("bills.malformed", bill_id=bill.id, **facts)
            unread = NoBill(OwnProblem.MALFORMED, facts, None)
            await self._put_off(bill, hold, unread, bill.attempts)

    async def _match(self, bill: BillRecord, hold: Hold) -> None:
        await self._loading.tidy(bill, hold)
        while not await self._compare(bill):
            async with self._database.write(hold.scope) as session:
                await repository.keep(session, hold, self._clock.now())
                found = await repository.bill_of(session, hold.scope, bill.id)
            if found is None:
                raise LeaseLost
            bill = found
        async with self._database.write(hold.scope) as session:
            now = self._clock.now()
            await repository.let_go(session, hold, now, matched_at=now, next_at=None)

    async def _check(self, bill: BillRecord, hold: Hold) -> None:
        """Settle a fund bill: its sums and its running balance are all there is to compare it with."""
        await self._loading.tidy(bill, hold)
        payments = await payments_in_funds(self._database, self._clock, bill, hold)
        state = BillState.BALANCED if counting.fault_in(bill.summary) is None else BillState.DIFFERENT
        checked: dict[str, Any] = {"state": state.value, "next_at": None}
        if payments is not None and bill.summary is not None:
            checked["summary"] = {**bill.summary, "payments": payments}
        async with self._database.write(hold.scope) as session:
            now = self._clock.now()
            await repository.let_go(session, hold, now, matched_at=now, **checked)


def _goes_on_with_its_file(bill: BillRecord, problem: Problem, attempts: int, gap: timedelta | None) -> bool:
    if not bill.is_loaded or bill.downloaded_at is None:
        return False
    if gap is None:
        return True
    # Half a day is not to count as the whole one while there is hope for that.
    is_whole = not is_premature(bill.day, bill.downloaded_at)
    return is_whole and (problem is OwnProblem.PROVIDER_NOT_READY or attempts >= _TRIES_BESIDE_A_FILE)


def _is_the_same(bill: BillRecord, got: GotBill) -> bool:
    if bill.edition == 0 or bill.empty is not got.fetched.empty:
        return False
    return got.fetched.empty or bill.sha1 == got.fetched.sha1
