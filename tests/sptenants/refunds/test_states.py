"""The states of a refund: code and database agree, and no history breaks the sums (M4, INV 3, INV 10)."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count, product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, update
from sqlalchemy.exc import DBAPIError
from tests.support.refund_desk import SERVER, RefundDesk

from spcore.db.base import table_of
from spcore.errors import DomainError
from spcore.ids import new_id, new_ulid
from sptenants.orders.records import OrderRecord
from sptenants.orders.repository import IllegalMove
from sptenants.refunds import repository
from sptenants.refunds.models import Refund
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.repository import REFUNDS, row_of
from sptenants.refunds.states import FINAL, MOVES, RefundStatus
from wechatpay.refunds import RefundStatus as WireStatus

_NUMBERS = count()


async def test_the_database_allows_exactly_the_moves_of_the_table(desk: RefundDesk) -> None:
    """The trigger is written out in the migration; this compares it with the table the code uses."""
    template = (await desk.request(await desk.paid(), 1)).refund
    allowed = set()
    for before, after in product(RefundStatus, repeat=2):
        refund_id = await _in_state(desk, template, before)
        succeeded_at = template.created_at if after is RefundStatus.SUCCEEDED else None
        own = (REFUNDS.c.tenant_id == template.tenant_id, REFUNDS.c.id == refund_id)
        change = update(REFUNDS).where(*own).values(status=after.value, succeeded_at=succeeded_at)
        try:
            async with desk.till.database.write(desk.scope) as session:
                await session.execute(change)
        except DBAPIError:
            continue
        allowed.add((before, after))
    assert {(before, after) for before, after in allowed if before is not after} == MOVES


async def test_the_code_refuses_a_move_before_the_database_has_to(desk: RefundDesk) -> None:
    order = await desk.paid()
    refund = (await desk.request(order, 1)).refund
    async with desk.till.database.write(desk.scope) as session:
        with pytest.raises(IllegalMove):
            await repository.move(session, order, refund, RefundStatus.REQUESTED, desk.till.clock.now())


async def test_two_refunds_of_a_payment_are_never_in_flight_together(desk: RefundDesk) -> None:
    template = (await desk.request(await desk.paid(), 1)).refund
    await _in_state(desk, template, RefundStatus.SUBMITTING, transaction_id="42")
    with pytest.raises(DBAPIError):
        await _in_state(desk, template, RefundStatus.SUBMITTING, transaction_id="42")


async def test_INV10_an_open_refund_without_a_next_look_cannot_be_stored(desk: RefundDesk) -> None:
    template = (await desk.request(await desk.paid(), 1)).refund
    with pytest.raises(DBAPIError):
        await _in_state(desk, template, RefundStatus.PROCESSING, next_check_at=None)


async def _in_state(desk: RefundDesk, template: RefundRecord, status: RefundStatus, **changes: object) -> str:
    row = row_of(template) | {
        "id": new_id("rfd"),
        "out_refund_no": new_ulid(),
        "merchant_refund_no": None,
        # Of a payment of its own, so that these rows do not stand in each other's way.
        "transaction_id": f"{next(_NUMBERS):028d}",
        "status": status.value,
        "succeeded_at": template.created_at if status is RefundStatus.SUCCEEDED else None,
    }
    async with desk.till.database.write(desk.scope) as session:
        await session.execute(insert(table_of(Refund)), [row | changes])
    return str(row["id"])


# --- random histories --------------------------------------------------------------------------------------

FAULTS = ("lost", "timeout", "system_error", "system_error_with_effect", "bad_signature", "not_sent")
REFUSALS = ("refuse:PARAM_ERROR", "refuse:FREQUENCY_LIMITED", "refuse_unsigned:FAIL")
FAULT_EVENTS = [
    *(f"fault refund {fault}" for fault in (*FAULTS, *REFUSALS)),
    *(f"fault refundquery {fault}" for fault in FAULTS),
]
EVENTS = ("ask", "ask", "ask", "repeat", "notify", "notify", "heal", "heal", "later", "sync")
ENDS = ("settle SUCCESS", "settle SUCCESS", "settle REFUNDCLOSE", "settle CHANGE", "short", "rich")


class History:
    """An order being refunded through events; `check` holds after each of them."""

    def __init__(self, desk: RefundDesk) -> None:
        self.desk = desk
        self.wechat = desk.wechat
        self.order_id = ""
        self.asked: list[tuple[str, int]] = []

    async def begin(self) -> OrderRecord:
        self.wechat.faults.clear()
        self.wechat.balance = None
        order = await self.desk.paid(f"H{next(_NUMBERS)}", amount=1000)
        self.order_id = order.id
        return order

    async def happen(self, event: str, amount: int) -> None:
        word, _, rest = event.partition(" ")
        acts: dict[str, Callable[[], Awaitable[object]]] = {
            "ask": lambda: self._ask(f"{self.order_id}-{len(self.asked)}"[-40:], amount),
            "repeat": self._repeat,
            "notify": self._notify,
            "heal": self.desk.healing.run_due,
            "later": lambda: self._later(amount),
            "sync": self._sync,
            "settle": lambda: self._settle(rest),
            "short": lambda: self._balance(0),
            "rich": lambda: self._balance(None),
        }
        if word == "fault":
            self.wechat.fail(*rest.split(" ", 1))
            return
        with suppress(DomainError):
            await acts[word]()

    async def check(self) -> None:
        order = await self.desk.till.order(self.order_id)
        mine = await self.desk.reader.of_order(self.desk.scope, self.order_id)
        done = sum(refund.amount.value for refund in mine if refund.status == "succeeded")
        open_ = sum(refund.amount.value for refund in mine if refund.status not in FINAL)
        assert (order.refunded_amount.value, order.refunding_amount.value) == (done, open_)
        assert done + open_ <= 1000
        theirs = [known for known in self.wechat.refunds.values() if known.out_trade_no == order.out_trade_no]
        alive = sum(known.amount.value for known in theirs if known.status != "REFUNDCLOSE")
        assert alive <= done + open_, "WeChat never has more than what is set aside here"
        assert all(refund.next_check_at is not None for refund in mine if not refund.is_final)

    async def end(self) -> None:
        """Whatever happened, time and WeChat's truth settle it (INV 3)."""
        self.wechat.faults.clear()
        self.wechat.balance = None
        for _ in range(60):
            mine = await self.desk.reader.of_order(self.desk.scope, self.order_id)
            due = [r.next_check_at for r in mine if not r.is_final and r.next_check_at]
            if not due:
                break
            for known in self.wechat.refunds.values():
                if known.status is not WireStatus.REFUNDCLOSE:
                    self.wechat.settle(known.number, WireStatus.SUCCESS, self.desk.till.clock.now())
            wait = (min(due) - self.desk.till.clock.now()).total_seconds()
            await self._later(max(1, math.ceil(wait)))
            await self.desk.healing.run_due()
        mine = await self.desk.reader.of_order(self.desk.scope, self.order_id)
        ends = {WireStatus.SUCCESS: "succeeded", WireStatus.REFUNDCLOSE: "closed"}
        for refund in mine:
            known = self.wechat.refunds.get(refund.out_refund_no)
            assert refund.status == ("rejected" if known is None else ends[known.status])
        numbers = {asked.out_refund_no.text for asked in self.wechat.asked}
        assert {refund.out_refund_no for refund in mine} >= {
            known.number
            for known in self.wechat.refunds.values()
            if known.number in numbers and known.out_trade_no == mine[0].out_trade_no
        }
        events = [event for event in await self.desk.till.events() if event.subject == self.order_id]
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        told = [e.type for e in events].count("refund.succeeded")
        assert told == sum(refund.status == "succeeded" for refund in mine)

    async def _ask(self, no: str, amount: int) -> None:
        self.asked.append((no, amount))
        order = await self.desk.till.order(self.order_id)
        await self.desk.request(order, amount, no)

    async def _repeat(self) -> None:
        if self.asked:
            order = await self.desk.till.order(self.order_id)
            no, amount = self.asked[-1]
            await self.desk.request(order, amount, no)

    async def _later(self, amount: int) -> None:
        self.desk.till.clock.advance(seconds=amount)

    async def _balance(self, balance: int | None) -> None:
        self.wechat.balance = balance

    async def _sync(self) -> None:
        for refund in await self.desk.reader.of_order(self.desk.scope, self.order_id):
            await self.desk.service.sync(self.desk.scope, refund.id, SERVER)

    async def _settle(self, status: str) -> None:
        for known in self.wechat.refunds.values():
            if known.status is WireStatus.PROCESSING:
                self.wechat.settle(known.number, WireStatus(status), self.desk.till.clock.now())

    async def _notify(self) -> None:
        for number in list(self.wechat.refunds):
            await self.desk.tell(number)


EVENT = st.one_of(
    st.sampled_from(EVENTS), st.sampled_from(EVENTS), st.sampled_from(ENDS), st.sampled_from(FAULT_EVENTS)
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(st.tuples(EVENT, st.integers(1, 900)), min_size=3, max_size=10))
async def test_F02_no_history_of_events_breaks_the_sums(
    desk: RefundDesk, events: list[tuple[str, int]]
) -> None:
    history = History(desk)
    await history.begin()
    await history.happen("ask", 400)
    for event, amount in events:
        await history.happen(event, amount)
        await history.check()
    await history.end()
    desk.wechat.refunds.clear()
