"""What can be done with orders: create, pay, ask WeChat, close. The one service that pages and API call."""

from __future__ import annotations

import asyncio

from spcore.audit import writer as audit
from spcore.audit.actor import Actor
from spcore.audit.writer import Act
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.errors import NotFound
from spcore.ids import new_ulid
from spcore.providers.keyring import Keyring
from sptenants.orders import repository, schedule, timeline
from sptenants.orders.commands import IdempotencyKey, NextAttempt, Placed, PlaceOrder, PricedOrder
from sptenants.orders.drafting import LEASE
from sptenants.orders.errors import OrderStateConflict
from sptenants.orders.line import Case, CertificateSource, GatewayPicker, Line
from sptenants.orders.placing import Placing, Sleep
from sptenants.orders.qr import svg_of
from sptenants.orders.records import OrderRecord
from sptenants.orders.replacing import Replacing
from sptenants.orders.schedule import Jitter, random_jitter
from sptenants.orders.settling import Settler
from sptenants.orders.states import OrderStatus
from sptenants.orders.timeline import Note
from sptenants.prices.service import Prices
from sptenants.registry.access import RequestFacts
from sptenants.registry.caller import Caller, Payer
from sptenants.registry.errors import RateLimited
from wechatpay.gateway import TradeType
from wechatpay.identifiers import AppId, OpenId

MAX_WAIT_S = 10
_POLL_S = 0.5


class OrderService:
    """Orders of one tenant at a time; every method takes the scope it works in.

    `public_url` is where WeChat reaches us, without a trailing slash. `jitter` spreads the schedule and
    `sleep` waits; both are fixed in tests.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keyring: Keyring,
        gateways: GatewayPicker,
        prices: Prices,
        *,
        public_url: str,
        certificates: CertificateSource | None = None,
        jitter: Jitter = random_jitter,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._database = database
        self._clock = clock
        self._prices = prices
        self._sleep = sleep
        self.line = Line(keyring, gateways, clock, certificates)
        self.settler = Settler(database, clock, self.line, jitter)
        self._placing = Placing(database, clock, self.line, self.settler, public_url=public_url, sleep=sleep)
        self._replacing = Replacing(
            database, clock, self.line, self.settler, self._placing, public_url=public_url
        )

    async def place(
        self, caller: Caller, wanted: PlaceOrder, *, peer: str, key: IdempotencyKey | None = None
    ) -> Placed:
        """Create an order for a merchant's server; see `Placing.place`. `peer` is the caller's address."""
        return await self._placing.place(caller, wanted, peer=peer, source="api_key", key=key)

    async def place_trial(self, caller: Caller, wanted: PlaceOrder, *, peer: str) -> Placed:
        """Create the order of a trial payment, which a sub-merchant may have before it is live (B-11).

        Raises what `place` raises.
        """
        return await self._placing.place(caller, wanted, peer=peer, source="trial")

    async def place_priced(
        self, payer: Payer, wanted: PricedOrder, *, peer: str, key: IdempotencyKey | None = None
    ) -> Placed:
        """Create an order from the price list for the payer of a mini-program (M2, O01).

        Raises Forbidden when the tenant has no price list, and what `place` raises.
        """
        quoted = await self._prices.quote(payer.caller.scope, wanted.price_code, wanted.quantity)
        order = PlaceOrder(
            merchant_order_no=f"MP{new_ulid(self._clock.now())}",
            amount=quoted.amount,
            description=quoted.description,
            trade_type=TradeType.JSAPI,
            sub_appid=AppId(payer.sub_appid),
            openid=OpenId(payer.openid),
            metadata={"price_code": wanted.price_code, "quantity": str(wanted.quantity)},
        )
        return await self._placing.place(payer.caller, order, peer=peer, source="miniprogram", key=key)

    async def pay(self, payer: Payer, order_id: str, *, peer: str) -> Placed:
        """Give a payer what opens the cashier for an existing order; see `Placing.pay`."""
        return await self._placing.pay(payer, order_id, peer=peer)

    async def replace_attempt(
        self,
        caller: Caller,
        order_id: str,
        asked: NextAttempt,
        *,
        peer: str,
        key: IdempotencyKey | None = None,
        facts: RequestFacts | None = None,
    ) -> Placed:
        """End the order's attempt and make another one; see `Replacing.replace`."""
        return await self._replacing.replace(caller, order_id, asked, peer=peer, key=key, facts=facts)

    async def seen(self, scope: TenantScope, order_id: str) -> Placed:
        """Return an order with the addresses that pay it while they are valid. Raises NotFound."""
        return self._placing.seen(await self._find(scope, order_id))

    async def qr_code(self, scope: TenantScope, order_id: str) -> str:
        """Return the QR code of a NATIVE order as SVG, renewed when it is two hours old.

        Raises NotFound, OrderStateConflict when there is nothing to scan, WechatUnavailable.
        """
        case = await self._find(scope, order_id)
        if case.order.trade_type != TradeType.NATIVE:
            raise OrderStateConflict.without_code(case.order)
        answered = await self._placing.answer(case)
        if answered.code_url is None:
            raise OrderStateConflict.without_code(answered.order)
        return svg_of(answered.code_url)

    async def sync(self, scope: TenantScope, order_id: str, by: Actor) -> OrderRecord:
        """Ask WeChat now and return the order as it is afterwards.

        Raises NotFound, RateLimited (one question every three seconds an order), ProviderNotReady.
        """
        case = await self._find(scope, order_id)
        if case.order.status is OrderStatus.PAID:
            return case.order
        if not await self._claim(case, timeline.acted(by.name, "sync", None), asked=True):
            raise RateLimited(int(repository.ASK_EVERY.total_seconds()))
        return (await self.settler.advance(case)).order

    async def close(
        self,
        scope: TenantScope,
        order_id: str,
        by: Actor,
        *,
        reason: str | None = None,
        facts: RequestFacts | None = None,
    ) -> OrderRecord:
        """Close an order as soon as WeChat allows it: at once, or in its sixth minute (P8).

        A payment code's order is reversed instead, from its fifteenth second on, and ends `revoked`.
        The answer is `closed`, `closing` while WeChat's answer is unknown, `paid` when money was faster, or
        the order unchanged with `close_requested_at` set. Raises NotFound, OrderStateConflict (paid, failed).
        """
        case = await self._find(scope, order_id)
        if case.order.status in {OrderStatus.CLOSED, OrderStatus.REVOKED}:
            return case.order
        if not case.order.is_open:
            raise OrderStateConflict(case.order)
        asked = await self._ask_to_close(scope, case, by, reason, facts)
        if asked is None:
            return await self.close(scope, order_id, by, reason=reason, facts=facts)
        due = self._clock.now() >= schedule.close_due_at(asked.order)
        if due and await self._claim(asked, asked=False):
            return (await self.settler.advance(asked)).order
        return asked.order

    async def await_outcome(self, payer: Payer, order_id: str, wait_s: int) -> OrderRecord:
        """Return the payer's own order, asking WeChat and waiting up to `wait_s` seconds while it is open.

        Raises NotFound, also for an order of another payer (O07).
        """
        scope = payer.caller.scope
        case = await self._own(payer, order_id)
        for _ in range(int(min(wait_s, MAX_WAIT_S) / _POLL_S)):
            if not case.order.is_open:
                break
            if case.attempt is not None and await self._claim(case, asked=True):
                case = await self.settler.advance(case)
            else:
                await self._sleep(_POLL_S)
                case = await self._find(scope, order_id)
        return case.order

    async def _own(self, payer: Payer, order_id: str) -> Case:
        case = await self._find(payer.caller.scope, order_id)
        if case.order.openid != payer.openid or case.order.sub_appid != payer.sub_appid:
            raise NotFound
        return case

    async def _find(self, scope: TenantScope, order_id: str) -> Case:
        async with self._database.read(scope) as session:
            case = await repository.case_of(session, scope, order_id)
        if case is None:
            raise NotFound
        return case

    async def _claim(self, case: Case, *notes: Note, asked: bool) -> bool:
        order, now = case.order, self._clock.now()
        async with self._database.write(repository.scope_of(order)) as session:
            if not await repository.claim(session, order, "request", now + LEASE, now, asked=asked):
                return False
            await repository.insert_notes(session, order, now, notes)
        return True

    async def _ask_to_close(
        self,
        scope: TenantScope,
        case: Case,
        by: Actor,
        reason: str | None,
        facts: RequestFacts | None,
    ) -> Case | None:
        """Store the wish with its audit row; None when the order moved meanwhile."""
        now = self._clock.now()
        async with self._database.write(scope) as session:
            asked = await repository.ask_to_close(session, case.order, now)
            if asked is None:
                return None
            note = timeline.acted(by.name, "close", reason)
            await repository.insert_notes(session, case.order, now, (note,))
            act = Act(
                actor=by,
                action="order.close_requested",
                object_kind="order",
                object_id=case.order.id,
                tenant_id=scope.tenant_id,
                before={"status": case.order.status.value},
                reason=reason,
                request_id=facts.request_id if facts else None,
                peer=facts.peer if facts else None,
            )
            await audit.record(session, scope.provider_id, act, now)
        return Case(case.provider, asked, case.attempt)
