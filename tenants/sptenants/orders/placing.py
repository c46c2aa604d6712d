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
from spcore.errors import Fault, InvalidInput, NotFound, Text
from sptenants.orders import repository
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
from sptenants.registry.bindings import BindingProfile, binding_of
from sptenants.registry.caller import Caller, Payer
from sptenants.registry.door import require_open
from sptenants.registry.errors import BindingNotVerified
from wechatpay.gateway import TradeType
from wechatpay.identifiers import OpenId

PREPAY_LIFE = timedelta(hours=2)
"""Of a prepay_id, however long the order itself may be paid (wechatpay-v2 2.6)."""

_WAIT_STEPS, _WAIT_STEP_S = 20, 0.1
_OFFERED = frozenset({TradeType.JSAPI, TradeType.NATIVE})
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
        require_open(caller.provider, caller.tenant)
        _check(caller, wanted)
        now = self._clock.now()
        made = draft(caller, wanted, public_url=self._public_url, peer=peer, source=source, now=now)
        key_version = (await self._line.keys_for_new_orders(caller.provider)).signing.version
        try:
            case = await self._store(caller, wanted, made, key_version, key)
        except _Taken as taken:
            return await self._repeat(caller, wanted, taken.record)
        if case.attempt is None:
            return Placed(case.order, "created")
        return await self._submit(case)

    async def pay(self, payer: Payer, order_id: str, *, peer: str) -> Placed:
        """Give the payer of a mini-program what opens the cashier for an order.

        The first payer to ask for an order without one is bound to it; for anybody else it does not exist.
        Raises NotFound and what `place` raises.
        """
        require_open(payer.caller.provider, payer.caller.tenant)
        case = await self._find(payer.caller, order_id)
        if case.order.sub_appid != payer.sub_appid or case.order.trade_type != TradeType.JSAPI:
            raise NotFound
        if case.order.status is OrderStatus.CREATED:
            bound = await self._bind(payer, case, peer)
            if bound is not None:
                return await self._submit(bound)
            case = await self._find(payer.caller, order_id)
        if case.order.openid != payer.openid:
            raise NotFound
        placed = await self._answer(await self._finished(payer.caller, case))
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
            cashier = await _cashier(session, caller, wanted)
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
        key_version = (await self._line.keys_for_new_orders(caller.provider)).signing.version
        attempt = attempt_of(
            caller,
            order.id,
            message,
            sub_appid=payer.sub_appid,
            cashier="miniprogram",
            key_version=key_version,
            now=now,
        )
        async with self._database.write(caller.scope) as session:
            _usable(await binding_of(session, caller.scope, payer.sub_appid))
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

    async def _submit(self, case: Case) -> Placed:
        """Ask WeChat, with no transaction open, and store the answer (transaction 2)."""
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
            case OrderStatus.CLOSING | OrderStatus.CLOSED:
                raise OrderStateConflict(settled.order)
            case OrderStatus.SUBMITTING:
                return Placed(settled.order, "unknown")
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
            return await self._replay(case)
        return await self._answer(case)

    async def _existing(self, caller: Caller, wanted: PlaceOrder, record: IdempotencyRecord | None) -> Case:
        if record is not None:
            return await self._find(caller, record.order_id)
        async with self._database.read(caller.scope) as session:
            case = await repository.case_of_merchant_no(session, caller.scope, wanted.merchant_order_no)
        if case is None:
            raise NotFound
        return case

    async def _replay(self, case: Case) -> Placed:
        """Answer as the first call with this Idempotency-Key was answered, with the order as it is now."""
        if case.order.status is OrderStatus.FAILED and case.order.failure is not None:
            raise WechatRejected(case.order.id, case.order.failure)
        if case.order.status is OrderStatus.SUBMITTING:
            return Placed(case.order, "unknown", replayed=True)
        if not case.order.is_payable(self._clock.now()):
            return Placed(case.order, "created", replayed=True)
        return replace(await self._with_params(await self._fresh(case), "created"), replayed=True)

    async def _answer(self, case: Case) -> Placed:
        """Hand out what pays an existing order, or say why there is nothing to hand out."""
        order, now = case.order, self._clock.now()
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
        """Renew a prepay_id that is two hours old, with the same number and parameters (P7, O09)."""
        attempt, now = case.attempt, self._clock.now()
        if attempt is None or attempt.prepay_at is None or now - attempt.prepay_at < PREPAY_LIFE:
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
        return Placed(case.order, outcome, params, case.attempt.code_url)

    async def _finished(self, caller: Caller, case: Case) -> Case:
        """Wait up to two seconds for another call that is at work on the order. Raises InProgress."""
        for _ in range(_WAIT_STEPS):
            if case.order.status is not OrderStatus.SUBMITTING or not case.order.is_running(
                self._clock.now()
            ):
                return case
            await self._sleep(_WAIT_STEP_S)
            case = await self._find(caller, case.order.id)
        if case.order.status is OrderStatus.SUBMITTING and case.order.is_running(self._clock.now()):
            raise InProgress(case.order.id)
        return case

    async def _find(self, caller: Caller, order_id: str) -> Case:
        async with self._database.read(caller.scope) as session:
            case = await repository.case_of(session, caller.scope, order_id)
        if case is None:
            raise NotFound
        return case

    async def _note_params(self, case: Case) -> None:
        order, attempt = case.order, case.attempt
        if attempt is None:
            return
        note = params_issued(attempt.sign_type, order.sub_appid, order.openid, "miniprogram")
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


async def _cashier(session: AsyncSession, caller: Caller, wanted: PlaceOrder) -> str | None:
    """Check the app of an order and return its kind when it opens the cashier (S1-20, O06)."""
    if wanted.sub_appid is None:
        return None
    binding = _usable(await binding_of(session, caller.scope, wanted.sub_appid.text))
    if wanted.trade_type is not TradeType.JSAPI:
        return None
    if binding.kind not in {"miniprogram", "official_account"}:
        raise InvalidInput(Fault("#/sub_appid", "kind_not_allowed", _NOT_FOR_JSAPI))
    return binding.kind


def _usable(binding: BindingProfile | None) -> BindingProfile:
    if binding is None:
        raise InvalidInput(Fault("#/sub_appid", "not_bound", _NOT_BOUND))
    if not binding.usable:
        raise BindingNotVerified(_UNUSABLE)
    return binding


def _check(caller: Caller, wanted: PlaceOrder) -> None:
    """Check what depends on more than one field. Raises InvalidInput listing everything."""
    faults = []
    if wanted.trade_type not in _OFFERED:
        faults.append(Fault("#/trade_type", "not_offered", _NOT_OFFERED))
    if wanted.trade_type is TradeType.JSAPI and wanted.sub_appid is None:
        faults.append(Fault("#/sub_appid", "missing", _NEEDS_APP))
    if wanted.trade_type is not TradeType.JSAPI and wanted.openid is not None:
        faults.append(Fault("#/openid", "not_allowed", _NO_PAYER))
    if wanted.profit_sharing and caller.tenant.sub_mch_id is None:
        faults.append(Fault("#/profit_sharing", "not_allowed", _NO_SHARING))
    if faults:
        raise InvalidInput(*faults)


_NOT_OFFERED = Text(
    "暂未开放：目前支持 JSAPI（小程序、公众号）和 NATIVE（扫码）。",
    "comes with a later release: JSAPI (mini-program, official account) and NATIVE (QR code) work now.",
)
_NEEDS_APP = Text(
    "JSAPI 下单必须指明付款所用的 AppID（该商户已绑定的 sub_appid）。",
    "JSAPI needs the app that opens the cashier: one of this merchant's bound sub_appids.",
)
_NO_PAYER = Text("只有 JSAPI 下单可以带 openid，请去掉。", "is for JSAPI only; leave it out.")
_NO_SHARING = Text(
    "普通商户没有服务商分账，请去掉或设为 false。", "a plain merchant has no profit sharing; leave it out."
)
_NOT_BOUND = Text(
    "未绑定到该特约商户：请先在 AppID 绑定中添加，或改用已绑定的 AppID。",
    "is not bound to this sub-merchant: add the binding first, or use one that is bound.",
)
_NOT_FOR_JSAPI = Text(
    "该 AppID 是移动应用，不能用于 JSAPI：请使用小程序或公众号的 AppID。",
    "is a mobile app and cannot open a JSAPI cashier: use a mini-program or an official account.",
)
_UNUSABLE = Text(
    "该 AppID 绑定已停用或与微信侧不匹配，不能下单：请在绑定页处理。",
    "This app binding is disabled or does not match on WeChat's side; settle that on the bindings page.",
)
