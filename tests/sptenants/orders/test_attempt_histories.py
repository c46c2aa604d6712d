"""No history of changes, codes, faults and money breaks an order with several attempts (INV 1, 5, 6; O10)."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count, product
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.support.fake_wechat import Known
from tests.support.till import PEER, Till

from spcore.audit.actor import SYSTEM
from spcore.errors import DomainError
from sptenants.orders.commands import NextAttempt
from sptenants.orders.states import AttemptState, OrderStatus
from wechatpay.gateway import TradeState, TradeType
from wechatpay.identifiers import AuthCode
from wechatpay.money import Fen

_NUMBERS = count()
_LIVE = frozenset({TradeState.NOTPAY, TradeState.USERPAYING, TradeState.SUCCESS})
_ASLEEP = frozenset({TradeState.NOTPAY, TradeState.USERPAYING})

OPERATIONS = ("unifiedorder", "orderquery", "closeorder", "micropay", "reverse")
FAULTS = ("lost", "timeout", "system_error", "bad_signature")
EVENTS = (
    "cheaper",
    "dearer",
    "native",
    "code",
    "pay newest",
    "pay any",
    "notify",
    "sync",
    "close",
    "heal",
    "heal",
    "20 seconds later",
    "6 minutes later",
)
FAULT_EVENTS = [f"fault {operation} {fault}" for operation, fault in product(OPERATIONS, FAULTS)]
FAULT_EVENTS += ["fault micropay typing", "fault micropay payerror:NOTENOUGH", "fault reverse recall"]


class Life:
    """One order with its attempts; `check` holds after each event, `end` after all of them."""

    def __init__(self, till: Till) -> None:
        self.till = till
        self.order_id = ""
        self.was_paid = False

    async def begin(self, start: str) -> None:
        self.till.wechat.faults.clear()
        changes: dict[str, Any] = {}
        if start == "code":
            self.till.wechat.fail("micropay", "typing")
            changes = {"trade_type": TradeType.MICROPAY, "openid": None, "auth_code": fresh_code()}
        order = await self.till.placed(f"L{next(_NUMBERS)}", **changes)
        self.order_id = order.id

    async def happen(self, event: str) -> None:
        if event.startswith("fault "):
            _, operation, fault = event.split()
            self.till.wechat.fail(operation, fault)
            return
        act: dict[str, Callable[[], Awaitable[object]]] = {
            "cheaper": lambda: self._replace(NextAttempt(amount=Fen(100), trade_type=TradeType.NATIVE)),
            "dearer": lambda: self._replace(NextAttempt(amount=Fen(99900), trade_type=TradeType.NATIVE)),
            "native": lambda: self._replace(NextAttempt(trade_type=TradeType.NATIVE)),
            "code": lambda: self._replace(NextAttempt(trade_type=TradeType.MICROPAY, auth_code=fresh_code())),
            "pay newest": lambda: self._pay(newest=True),
            "pay any": lambda: self._pay(newest=False),
            "notify": self._notify,
            "sync": lambda: self.till.orders.sync(self.till.scope, self.order_id, SYSTEM),
            "close": lambda: self.till.orders.close(self.till.scope, self.order_id, SYSTEM),
            "heal": self.till.healing.run_due,
            "20 seconds later": lambda: self._later(20),
            "6 minutes later": lambda: self._later(360),
        }
        with suppress(DomainError):
            await act[event]()

    async def check(self) -> None:
        order = await self.till.order(self.order_id)
        books = await self._books()
        # INV 6: never two numbers that take money, unless an old one took it behind our back.
        assert len([known for known in books if known.state in _LIVE]) <= 1
        assert self.till.wechat.charged == list(dict.fromkeys(self.till.wechat.charged))
        if order.status is OrderStatus.PAID:
            (paying,) = [known for known in books if known.transaction_id == order.transaction_id]
            assert (paying.order.out_trade_no.text, paying.amount) == (order.out_trade_no, order.amount)
        assert order.status is OrderStatus.PAID or not self.was_paid
        self.was_paid = order.status is OrderStatus.PAID
        if order.is_open:
            assert order.next_check_at is not None

    async def end(self) -> None:
        """Whatever happened, time and WeChat's truth settle it (INV 1)."""
        self.till.wechat.faults.clear()
        for _ in range(40):
            order = await self.till.order(self.order_id)
            if order.next_check_at is None:
                break
            wait = order.next_check_at - self.till.clock.now()
            await self._later(max(1, math.ceil(wait.total_seconds())))
            await self.till.healing.run_due()
        order = await self.till.order(self.order_id)
        books = await self._books()
        assert not order.is_open
        assert not [known for known in books if known.state in _ASLEEP]
        assert (order.status is OrderStatus.PAID) == any(known.state.was_paid for known in books)
        attempts = (await self.till.detail(self.order_id)).attempts
        assert not {one.state for one in attempts} & {AttemptState.SUBMITTING, AttemptState.PAYABLE}
        assert sorted(one.number for one in attempts) == list(range(1, len(attempts) + 1))
        events = [event for event in await self.till.events() if event.subject == self.order_id]
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        assert [event.type for event in events].count("payment.succeeded") == (order.status == "paid")

    async def _books(self) -> list[Known]:
        """What WeChat has of this order, the newest last."""
        attempts = reversed((await self.till.detail(self.order_id)).attempts)
        known = self.till.wechat.books
        return [known[one.out_trade_no] for one in attempts if one.out_trade_no in known]

    async def _replace(self, asked: NextAttempt) -> None:
        await self.till.orders.replace_attempt(self.till.caller, self.order_id, asked, peer=PEER)

    async def _pay(self, *, newest: bool) -> None:
        books = await self._books()
        for known in reversed(books) if newest else books:
            if known.state in _ASLEEP:
                self.till.wechat.pay(known.order.out_trade_no.text, self.till.clock.now())
                return

    async def _notify(self) -> None:
        for known in await self._books():
            if known.state is TradeState.SUCCESS and known.order.trade_type is not TradeType.MICROPAY:
                key = await self.till.signing_key()
                body = self.till.wechat.notification(known.order.out_trade_no.text, key)
                assert (await self.till.tell(body)).settled

    async def _later(self, seconds: int) -> None:
        self.till.clock.advance(seconds=seconds)


def fresh_code() -> AuthCode:
    return AuthCode(f"13{next(_NUMBERS):016d}")


EVENT = st.one_of(st.sampled_from(EVENTS), st.sampled_from(EVENTS), st.sampled_from(FAULT_EVENTS))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.sampled_from(["page", "code"]), events=st.lists(EVENT, min_size=3, max_size=12))
@example(start="page", events=["6 minutes later", "fault closeorder lost", "cheaper", "pay any", "cheaper"])
@example(start="page", events=["6 minutes later", "cheaper", "6 minutes later", "code", "20 seconds later"])
@example(start="code", events=["20 seconds later", "fault reverse timeout", "code", "fault micropay typing"])
async def test_O10_no_history_of_attempts_breaks_an_order(till: Till, start: str, events: list[str]) -> None:
    life = Life(till)
    await life.begin(start)
    for event in events:
        await life.happen(event)
        await life.check()
    await life.end()
