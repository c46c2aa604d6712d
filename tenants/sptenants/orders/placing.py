"""The way of an order (architecture section 2): intent committed, WeChat asked, answer committed, signed.

Two commits, three statements before the call and three after it; no key is parsed and no statement spent on
keys in steady state. An unclear answer leaves the order `submitting` under its one number.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.errors import NotFound
from sptenants.orders import repository, ways
from sptenants.orders.commands import (
    IdempotencyKey,
    Placed,
    PlaceOrder,
    Source,
    differing_fields,
)
from sptenants.orders.drafting import LEASE, Draft, Terms, attempt_of, draft, message_of, row_of
from sptenants.orders.errors import (
    IdempotencyConflict,
    InProgress,
    OrderStateConflict,
    WechatRejected,
    WechatUnavailable,
)
from sptenants.orders.line import Case, Line
from sptenants.orders.models import IdempotencyRecord
from sptenants.orders.records import AttemptRecord, OrderRecord
from sptenants.orders.settling import Settler
from sptenants.orders.states import OrderStatus
from sptenants.orders.timeline import params_issued
from sptenants.registry.bindings import binding_of
from sptenants.registry.caller import Caller, Payer
from sptenants.registry.door import require_open, require_open_for_trial
from wechatpay.gateway import TradeType
from wechatpay.identifiers import AuthCode, OpenId

PREPAY_LIFE = timedelta(hours=2)
"""Of a prepay_id and a code_url, however long the order itself may be paid (wechatpay-v2 2.6)."""
H5_LIFE = timedelta(minutes=5)
"""Of an h5_url."""

_WAIT_STEPS, _WAIT_STEP_S = 20, 0.1
_LOOK_AT_ONCE = frozenset({"ORDERPAID", "ORDERCLOSED", "OUT_TRADE_NO_USED"})

Sleep = Callable[[float], Awaitable[None]]


class _Taken(Exception):
    """The tenant already has an order of this number, or the Idempotency-Key already made one."""

    def __init__(self, record: IdempotencyRecord | None = None) -> None:
        super().__init__()
        self.record = record


class Placing:
    """Creates orders and hands out what pays them."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        line: Line,
        settler: Settler,
        *,
        public_url: str,
        sleep: Sleep,
    ) -> None:
        self._database = database
        self._clock = clock
        self._line = line
        self._settler = settler
        self._public_url = public_url
        self._sleep = sleep

    async def place(
        self,
        caller: Caller,
        wanted: PlaceOrder,
        *,
        peer: str,
        source: Source,
        key: IdempotencyKey | None = None,
    ) -> Placed:
        """Create the order and make it payable, or answer for the one that is there (table 2.1).

        Raises InvalidInput, BindingNotVerified, Forbidden, TenantNotLive, ProviderNotReady,
        IdempotencyConflict, InProgress, OrderStateConflict, WechatRejected, WechatUnavailable.
        """
        if source == "trial":
            require_open_for_trial(caller.provider, caller.tenant)
        else:
            require_open(caller.provider, caller.tenant)
        ways.check(caller, wanted)
        now = self._clock.now()
        made = draft(caller, wanted, public_url=self._public_url, peer=peer, source=source, now=now)
        signing_key = await self._line.key_for_new_orders(caller.provider, wanted.trade_type)
        try:
            case = await self._store(caller, wanted, made, signing_key.version, key)
        except _Taken as taken:
            return await self._repeat(caller, wanted, taken.record)
        if case.attempt is None:
            return Placed(case.order, "created")
        return await self.submit(case, wanted.auth_code)

    async def pay(self, payer: Payer, order_id: str, *, peer: str) -> Placed:
        """Give the payer of a mini-program what opens the cashier for an order.

        The first payer to ask for an order without one is bound to it; for anybody else it does not exist.
        Raises NotFound and what `place` raises.
        """
        require_open(payer.caller.provider, payer.caller.tenant)
        case = await self.find(payer.caller, order_id)
        if case.order.sub_appid != payer.sub_appid or case.order.trade_type != TradeType.JSAPI:
            raise NotFound
        if case.order.status is OrderStatus.CREATED:
            bound = await self._bind(payer, case, peer)
            if bound is not None:
                return await self.submit(bound)
            case = await self.find(payer.caller, order_id)
        if case.order.openid != payer.openid:
            raise NotFound
        placed = await self.answer(await self._finished(payer.caller, case))
        if placed.pay_params is not None:
            await self._note_params(case)
        return placed

    async def _store(
        self, caller: Caller, wanted: PlaceOrder, made: Draft, key_version: int, key: IdempotencyKey | None
    ) -> Case:
        """Transaction 1: order, binding check, attempt. Raises _Taken when the order is already there."""
        order, attempt = made.order, None
        async with self._database.write(caller.scope) as session:
            if key is not None and (record := await _remember(session, caller, key, made)) is not None:
                raise _Taken(record)
            if not await repository.insert_order(session, row_of(order)):
                raise _Taken
            cashier = await ways.cashier_of(session, caller, wanted)
            if made.message is not None:
                attempt = attempt_of(
                    caller,
                    order.id,
                    made.message,
                    sub_appid=order.sub_appid,
                    cashier=cashier,
                    key_version=key_version,
                    now=order.created_at,
                )
                await repository.insert_attempt(session, row_of(attempt))
        return Case(
            caller.provider,
            OrderRecord.of(order, caller.provider.mode),
            AttemptRecord.of(attempt) if attempt else None,
        )

    async def _bind(self, payer: Payer, case: Case, peer: str) -> Case | None:
        """Give a waiting order its payer and its attempt; None when another payer was faster."""
        caller, order, now = payer.caller, case.order, self._clock.now()
        if now >= order.expires_at:
            raise OrderStateConflict.expired(order)
        if order.close_requested_at is not None:
            raise OrderStateConflict.being_closed(order)
        terms = Terms.of(order, OpenId(payer.openid))
        message = message_of(caller, terms, public_url=self._public_url, peer=peer, now=now)
        key = await self._line.key_for_new_orders(caller.provider, TradeType.JSAPI)
        attempt = attempt_of(
            caller,
            order.id,
            message,
            sub_appid=payer.sub_appid,
            cashier="miniprogram",
            key_version=key.version,
            now=now,
        )
        async with self._database.write(caller.scope) as session:
            ways.usable(await binding_of(session, caller.scope, payer.sub_appid))
            bound = await repository.move(
                session,
                order,
                OrderStatus.SUBMITTING,
                now,
                openid=payer.openid,
                out_trade_no=attempt.out_trade_no,
                next_check_at=now + LEASE,
            )
            if bound is None:
                return None
            await repository.insert_attempt(session, row_of(attempt))
        return Case(caller.provider, bound, AttemptRecord.of(attempt))

    async def submit(self, case: Case, auth_code: AuthCode | None = None) -> Placed:
        """Ask WeChat for a stored attempt, with no transaction open, and store the answer (transaction 2).

        A payment code is charged here and nowhere else. Raises WechatRejected and OrderStateConflict.
        """
        if auth_code is not None:
            charging = await self._line.charge(case, auth_code)
            settled = await self._settler.store_charging(case, charging)
            failure = charging.failure
        else:
            placing = await self._line.place(case)
            settled = await self._settler.store_placing(case, placing)
            failure = placing.failure
        if (
            failure is not None
            and settled.order.status is OrderStatus.SUBMITTING
            and (failure["definitive"] or failure["code"] in _LOOK_AT_ONCE)
        ):
            # A refusal counts once a query agrees that nothing exists (P5); money may already be there (P10).
            settled = await self._settler.advance(settled)
        match settled.order.status:
            case OrderStatus.FAILED if settled.order.failure is not None:
                raise WechatRejected(settled.order.id, settled.order.failure)
            case OrderStatus.SUBMITTING:
                return Placed(settled.order, "unknown")
            case OrderStatus.PENDING if settled.order.by_code:
                # The payer is typing the password.
                return Placed(settled.order, "unknown")
            case OrderStatus.PAID if settled.order.out_trade_no != case.order.out_trade_no:
                # Money came by an attempt that this one had replaced (O10).
                raise OrderStateConflict(settled.order)
            case OrderStatus.CLOSING | OrderStatus.CLOSED | OrderStatus.FAILED | OrderStatus.REVOKED:
                raise OrderStateConflict(settled.order)
            case _:
                return await self._with_params(settled, "created")

    async def _repeat(self, caller: Caller, wanted: PlaceOrder, record: IdempotencyRecord | None) -> Placed:
        """Answer for an order that exists (table 2.1)."""
        case = await self._existing(caller, wanted, record)
        if record is None:
            asked = wanted.fingerprints()
            if fields := differing_fields(case.order.fingerprints, asked):
                raise IdempotencyConflict.of_fields(case.order.id, fields)
        case = await self._finished(caller, case)
        if record is not None:
            return await self.replay(case)
        return await self.answer(case)

    async def _existing(self, caller: Caller, wanted: PlaceOrder, record: IdempotencyRecord | None) -> Case:
        if record is not None:
            return await self.find(caller, record.order_id)
        async with self._database.read(caller.scope) as session:
            case = await repository.case_of_merchant_no(session, caller.scope, wanted.merchant_order_no)
        if case is None:
            raise NotFound
        return case

    async def replay(self, case: Case) -> Placed:
        """Answer as the first call with this Idempotency-Key was answered, with the order as it is now."""
        if case.order.status is OrderStatus.FAILED and case.order.failure is not None:
            raise WechatRejected(case.order.id, case.order.failure)
        if case.order.status is OrderStatus.SUBMITTING or _is_typing(case.order):
            return Placed(case.order, "unknown", replayed=True)
        if not case.order.is_payable(self._clock.now()):
            return Placed(case.order, "created", replayed=True)
        return replace(await self._with_params(await self._fresh(case), "created"), replayed=True)

    async def answer(self, case: Case) -> Placed:
        """Hand out what pays an existing order. Raises OrderStateConflict when there is nothing."""
        order, now = case.order, self._clock.now()
        if _is_typing(order):
            return Placed(order, "unknown")
        match order.status:
            case OrderStatus.SUBMITTING:
                return Placed(order, "unknown")
            case OrderStatus.CREATED | OrderStatus.PENDING:
                if order.close_requested_at is not None:
                    raise OrderStateConflict.being_closed(order)
                if now >= order.expires_at:
                    raise OrderStateConflict.expired(order)
                if order.status is OrderStatus.CREATED:
                    return Placed(order, "repeated")
                return await self._with_params(await self._fresh(case), "repeated")
            case _:
                raise OrderStateConflict(order)

    async def _fresh(self, case: Case) -> Case:
        """Renew what has become too old to pay with, under the same number and parameters (P7, O09)."""
        attempt, now = case.attempt, self._clock.now()
        if attempt is None or attempt.prepay_at is None or now - attempt.prepay_at < _life_of(attempt):
            return case
        placing = await self._line.place(case)
        renewed = await self._settler.store_placing(case, placing)
        if placing.kind == "prepaid" and renewed.order.status is OrderStatus.PENDING:
            return renewed
        if placing.kind == "refused":
            renewed = await self._settler.advance(renewed)
        if renewed.order.status is not OrderStatus.PENDING:
            raise OrderStateConflict(renewed.order)
        raise WechatUnavailable

    async def _with_params(self, case: Case, outcome: Literal["created", "repeated"]) -> Placed:
        now = self._clock.now()
        if not case.order.is_payable(now) or case.attempt is None:
            return Placed(case.order, outcome)
        params = await self._line.pay_params(case, now)
        return replace(self.seen(case), outcome=outcome, pay_params=params)

    def seen(self, case: Case) -> Placed:
        """Return an order with the addresses that pay it while they are valid, and nothing signed."""
        order, attempt, now = case.order, case.attempt, self._clock.now()
        seen = Placed(order, "repeated")
        if attempt is None or attempt.prepay_at is None or not order.is_payable(now):
            return seen
        if now - attempt.prepay_at >= _life_of(attempt):
            return seen
        return replace(seen, code_url=attempt.code_url, h5_url=attempt.h5_url)

    async def _finished(self, caller: Caller, case: Case) -> Case:
        """Wait up to two seconds for another call that is at work on the order. Raises InProgress."""
        for _ in range(_WAIT_STEPS):
            if case.order.status is not OrderStatus.SUBMITTING or not case.order.is_running(
                self._clock.now()
            ):
                return case
            await self._sleep(_WAIT_STEP_S)
            case = await self.find(caller, case.order.id)
        if case.order.status is OrderStatus.SUBMITTING and case.order.is_running(self._clock.now()):
            raise InProgress(case.order.id)
        return case

    async def find(self, caller: Caller, order_id: str) -> Case:
        """Return the caller's order with its latest attempt. Raises NotFound, also for somebody else's."""
        async with self._database.read(caller.scope) as session:
            case = await repository.case_of(session, caller.scope, order_id)
        if case is None:
            raise NotFound
        return case

    async def _note_params(self, case: Case) -> None:
        order, attempt = case.order, case.attempt
        if attempt is None:
            return
        note = params_issued(attempt.cashier_sign_type, order.sub_appid, order.openid, "miniprogram")
        scope = repository.scope_of(order)
        async with self._database.write(scope) as session:
            await repository.insert_notes(session, order, self._clock.now(), (note,))


async def _remember(
    session: AsyncSession, caller: Caller, key: IdempotencyKey, made: Draft
) -> IdempotencyRecord | None:
    """Tie the Idempotency-Key to the new order, or return what it is tied to. Raises IdempotencyConflict."""
    record = await repository.remember_key(
        session,
        {
            "provider_id": caller.provider.id,
            "tenant_id": caller.tenant.id,
            "route": key.route,
            "key": key.key,
            "request_hash": key.request_hash,
            "order_id": made.order.id,
            "created_at": made.order.created_at,
        },
    )
    if record is not None and record.request_hash != key.request_hash:
        raise IdempotencyConflict.of_key(record.order_id)
    return record


def _is_typing(order: OrderRecord) -> bool:
    """Whether the payer of a payment code has been asked for the password; nothing more can be handed out."""
    return order.by_code and order.status is OrderStatus.PENDING


def _life_of(attempt: AttemptRecord) -> timedelta:
    return PREPAY_LIFE if attempt.h5_url is None else H5_LIFE
