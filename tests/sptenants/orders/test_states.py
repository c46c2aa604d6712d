"""The states of an order: code and database agree, and no history breaks the rules (INV 1-6, 10).

Acceptance pain 13: a late or out-of-order event overwrites a final state.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count, product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, update
from sqlalchemy.exc import DBAPIError
from tests.support.till import PEER, Till, wanted

from spcore.audit.actor import SYSTEM
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.errors import DomainError
from sptenants.orders.models import Order
from sptenants.orders.records import OrderRecord
from sptenants.orders.repository import IllegalMove, move, scope_of
from sptenants.orders.states import MOVES, OrderStatus
from wechatpay.gateway import TradeState

_NUMBERS = count()


async def test_the_database_allows_exactly_the_moves_of_the_table(till: Till) -> None:
    """The trigger is written out in the migration; this compares it with the table the code uses."""
    template = await till.placed()
    orders = table_of(Order)
    allowed = set()
    for before, after in product(OrderStatus, repeat=2):
        order_id = await _in_state(till.database, template, before)
        paid = {"paid_at": till.clock.now(), "transaction_id": "42"}
        values = {"status": after.value, **(paid if after is OrderStatus.PAID else {})}
        if before is OrderStatus.PAID and after is not OrderStatus.PAID:
            values |= {"paid_at": None, "transaction_id": None}
        change = update(orders).where(orders.c.tenant_id == template.tenant_id, orders.c.id == order_id)
        try:
            async with till.database.write(till.scope) as session:
                await session.execute(change.values(**values))
        except DBAPIError:
            continue
        allowed.add((before, after))
    assert {(before, after) for before, after in allowed if before is not after} == MOVES


async def test_a_transaction_id_never_changes(till: Till) -> None:
    template = await till.placed()
    order_id = await _in_state(till.database, template, OrderStatus.PAID)
    orders = table_of(Order)
    mine = (orders.c.tenant_id == template.tenant_id, orders.c.id == order_id)
    with pytest.raises(DBAPIError):
        async with till.database.write(till.scope) as session:
            await session.execute(update(orders).where(*mine).values(transaction_id="another"))


async def test_the_code_refuses_a_move_before_the_database_has_to(till: Till) -> None:
    order = await till.placed()
    async with till.database.write(till.scope) as session:
        with pytest.raises(IllegalMove):
            await move(session, order, OrderStatus.CREATED, till.clock.now())


async def _in_state(database: Database, template: OrderRecord, status: OrderStatus) -> str:
    paid = status is OrderStatus.PAID
    number = next(_NUMBERS)
    row: dict[str, Any] = {
        "id": f"ord_{number:026d}",
        "provider_id": template.provider_id,
        "tenant_id": template.tenant_id,
        "merchant_order_no": f"state-{number}",
        "status": status.value,
        "amount": 1,
        "refunded_amount": 0,
        "refunding_amount": 0,
        "currency": "CNY",
        "description": "x",
        "trade_type": "JSAPI",
        "source": "api_key",
        "created_by": "test",
        "metadata": {},
        "profit_sharing": False,
        "fingerprint": "",
        "fingerprints": {},
        "created_at": template.created_at,
        "updated_at": template.created_at,
        "expires_at": template.expires_at,
        "paid_at": template.created_at if paid else None,
        "transaction_id": "42" if paid else None,
        "event_sequence": 0,
        "checks": 0,
        "state_since": template.created_at,
    }
    async with database.write(scope_of(template)) as session:
        await session.execute(insert(table_of(Order)), [row])
    return str(row["id"])


# --- random histories --------------------------------------------------------------------------------------

OPERATIONS = ("unifiedorder", "orderquery", "closeorder")
FAULTS = ("lost", "timeout", "system_error", "bad_signature", "not_sent")
EVENTS = (
    "repeat",
    "pay",
    "pay wrong",
    "notify",
    "notify",
    "sync",
    "close",
    "heal",
    "heal",
    "later",
    "much later",
    "wechat closes",
)
FAULT_EVENTS = [f"fault {operation} {fault}" for operation, fault in product(OPERATIONS, FAULTS)]


class History:
    """One order living through events; `check` holds after each of them."""

    def __init__(self, till: Till) -> None:
        self.till = till
        self.no = f"H{next(_NUMBERS)}"
        self.order_id = ""
        self.number = ""
        self.last = OrderStatus.SUBMITTING
        self.wrong = False

    async def begin(self, *faults: str) -> None:
        self.till.wechat.faults.clear()
        self.till.wechat.fail("unifiedorder", *faults)
        order = await self.till.placed(self.no)
        assert order.out_trade_no is not None
        self.order_id, self.number = order.id, order.out_trade_no

    async def happen(self, event: str) -> None:
        if event.startswith("fault "):
            _, operation, fault = event.split()
            self.till.wechat.fail(operation, fault)
            return
        act: dict[str, Callable[[], Awaitable[object]]] = {
            "repeat": lambda: self.till.orders.place(self.till.caller, wanted(self.no), peer=PEER),
            "pay": self._pay,
            "pay wrong": lambda: self._pay(wrong=True),
            "notify": self._notify,
            "sync": lambda: self.till.orders.sync(self.till.scope, self.order_id, SYSTEM),
            "close": lambda: self.till.orders.close(self.till.scope, self.order_id, SYSTEM),
            "heal": self.till.healing.run_due,
            "later": lambda: self._later(70),
            "much later": lambda: self._later(400),
            "wechat closes": self._wechat_closes,
        }
        with suppress(DomainError):
            await act[event]()

    async def check(self) -> None:
        order = await self.till.order(self.order_id)
        known = self.till.wechat.books.get(self.number)
        if order.status is OrderStatus.PAID:
            assert known is not None
            assert known.state is TradeState.SUCCESS
            assert known.transaction_id == order.transaction_id
            assert not self.wrong
        if self.last is OrderStatus.PAID:
            assert order.status is OrderStatus.PAID
        if order.is_open:
            assert order.next_check_at is not None
        assert order.out_trade_no == self.number
        self.last = order.status

    async def end(self) -> None:
        """Whatever happened, time and WeChat's truth settle it (INV 1)."""
        self.till.wechat.faults.clear()
        for _ in range(40):
            order = await self.till.order(self.order_id)
            if order.next_check_at is None or (self.wrong and order.anomaly is not None):
                break
            wait = order.next_check_at - self.till.clock.now()
            await self._later(max(1, math.ceil(wait.total_seconds())))
            await self.till.healing.run_due()
        order = await self.till.order(self.order_id)
        known = self.till.wechat.books.get(self.number)
        paid = known is not None and known.state is TradeState.SUCCESS
        if paid and self.wrong:
            assert order.anomaly == "amount_mismatch"
        else:
            assert (order.status is OrderStatus.PAID) == paid
            assert not order.is_open
        events = [event for event in await self.till.events() if event.subject == self.order_id]
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert [event.type for event in events].count("payment.succeeded") == (order.status == "paid")

    async def _later(self, seconds: int) -> None:
        self.till.clock.advance(seconds=seconds)

    async def _pay(self, *, wrong: bool = False) -> None:
        known = self.till.wechat.books.get(self.number)
        if known is not None and known.state is TradeState.NOTPAY:
            self.wrong = wrong
            self.till.wechat.pay(self.number, self.till.clock.now(), amount=1 if wrong else None)

    async def _notify(self) -> None:
        known = self.till.wechat.books.get(self.number)
        if known is not None and known.state is TradeState.SUCCESS:
            body = self.till.wechat.notification(self.number, await self.till.signing_key())
            assert (await self.till.tell(body)).settled

    async def _wechat_closes(self) -> None:
        known = self.till.wechat.books.get(self.number)
        if known is not None and known.state is TradeState.NOTPAY:
            known.state = TradeState.CLOSED


# Twice as many things that happen as things that fail.
EVENT = st.one_of(st.sampled_from(EVENTS), st.sampled_from(EVENTS), st.sampled_from(FAULT_EVENTS))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.lists(st.sampled_from(FAULTS), max_size=1),
    events=st.lists(EVENT, min_size=3, max_size=12),
)
async def test_no_history_of_events_breaks_an_order(till: Till, start: list[str], events: list[str]) -> None:
    history = History(till)
    await history.begin(*start)
    for event in events:
        await history.happen(event)
        await history.check()
    await history.end()
