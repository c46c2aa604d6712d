"""Another attempt at an order: another amount, another way to pay, or the same once more (I2, O10).

The attempt before is ended first, and seen closed by a query, so that two can never be paid side by side.
The wish is not stored: a replacement that cannot be finished now is refused, and the order either stays as it
was or is closed by healing. Whoever repeats the call before that takes up where it stopped.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from spcore.audit import writer as audit
from spcore.audit.writer import Act
from spcore.clock import Clock
from spcore.db.engine import Database
from sptenants.orders import repository, schedule, timeline, ways
from sptenants.orders.commands import TERMS, IdempotencyKey, NextAttempt, Placed, PlaceOrder, digest
from sptenants.orders.drafting import LEASE, Terms, attempt_of, message_of, row_of
from sptenants.orders.errors import (
    IdempotencyConflict,
    InProgress,
    OrderStateConflict,
    TooSoon,
    WechatUnavailable,
)
from sptenants.orders.line import Case, Line
from sptenants.orders.models import Attempt
from sptenants.orders.placing import Placing
from sptenants.orders.records import AttemptRecord, OrderRecord
from sptenants.orders.settling import Ended, Settler
from sptenants.orders.states import AttemptState, OrderStatus
from sptenants.registry.access import RequestFacts
from sptenants.registry.caller import Caller
from sptenants.registry.door import require_open
from wechatpay.gateway import NewOrder

_UNPAID = (AttemptState.SUBMITTING, AttemptState.PAYABLE)
_REPLACEABLE = frozenset({OrderStatus.CREATED, OrderStatus.PENDING, OrderStatus.CLOSING})


class Replacing:
    """Ends an order's attempt and makes the next one."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        line: Line,
        settler: Settler,
        placing: Placing,
        *,
        public_url: str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._line = line
        self._settler = settler
        self._placing = placing
        self._public_url = public_url

    async def replace(
        self,
        caller: Caller,
        order_id: str,
        asked: NextAttempt,
        *,
        peer: str,
        key: IdempotencyKey | None = None,
        facts: RequestFacts | None = None,
    ) -> Placed:
        """Make another attempt at an open order, or hand out the present one when nothing would change.

        Raises NotFound, InvalidInput, BindingNotVerified, Forbidden, TenantNotLive, ProviderNotReady,
        InProgress, IdempotencyConflict, OrderStateConflict (paid meanwhile, among others), TooSoon,
        WechatUnavailable, WechatRejected.
        """
        require_open(caller.provider, caller.tenant)
        case = await self._placing.find(caller, order_id)
        if key is not None and await self._is_known(caller, key):
            return await self._placing.replay(case)
        wanted = asked.over(case.order)
        ways.check(caller, wanted)
        if _is_same(case.order, wanted):
            return await self._placing.answer(case)
        self._check_replaceable(case.order)
        now = self._clock.now()
        terms = Terms.wanted(wanted, order_id, case.order.expires_at)
        message = message_of(caller, terms, public_url=self._public_url, peer=peer, now=now)
        signing_key = await self._line.key_for_new_orders(caller.provider, wanted.trade_type)
        async with self._database.read(caller.scope) as session:
            cashier = await ways.cashier_of(session, caller, wanted)
        ended = await self._ended(case)
        attempt = attempt_of(
            caller,
            order_id,
            message,
            sub_appid=wanted.sub_appid.text if wanted.sub_appid else None,
            cashier=cashier,
            key_version=signing_key.version,
            now=now,
            number=case.attempt.number + 1 if case.attempt else 1,
        )
        stored = await self._store(caller, ended, wanted, message, attempt, key, facts)
        return await self._placing.submit(stored, asked.auth_code)

    async def _is_known(self, caller: Caller, key: IdempotencyKey) -> bool:
        async with self._database.read(caller.scope) as session:
            record = await repository.key_record(session, caller.scope, key.route, key.key)
        if record is not None and record.request_hash != key.request_hash:
            raise IdempotencyConflict.of_key(record.order_id)
        return record is not None

    def _check_replaceable(self, order: OrderRecord) -> None:
        now = self._clock.now()
        if order.status is OrderStatus.SUBMITTING or order.is_running(now):
            raise InProgress(order.id)
        if order.status not in _REPLACEABLE:
            raise OrderStateConflict(order)
        if order.close_requested_at is not None:
            raise OrderStateConflict.being_closed(order)
        if now >= order.expires_at:
            raise OrderStateConflict.expired(order)
        allowed = schedule.close_allowed_at(order)
        if now < allowed:
            raise TooSoon(order, math.ceil((allowed - now).total_seconds()))

    async def _ended(self, case: Case) -> Ended:
        """End the present attempt. Raises when it is not surely over: nothing may follow it then."""
        if case.attempt is None:
            return Ended(case, over=True)
        now = self._clock.now()
        async with self._database.write(repository.scope_of(case.order)) as session:
            if not await repository.claim(session, case.order, "replacing", now + LEASE, now, asked=False):
                raise InProgress(case.order.id)
        ended = await self._settler.end_attempt(case, LEASE)
        if ended.over:
            return ended
        order = ended.case.order
        if order.status in _REPLACEABLE and order.anomaly is None:
            raise WechatUnavailable.while_replacing(order)
        raise OrderStateConflict(order)

    async def _store(
        self,
        caller: Caller,
        ended: Ended,
        wanted: PlaceOrder,
        message: NewOrder,
        attempt: Attempt,
        key: IdempotencyKey | None,
        facts: RequestFacts | None,
    ) -> Case:
        """One transaction: the old attempt closed, the next one stored, the order `submitting` with it.

        Raises OrderStateConflict when the order moved meanwhile, such as by money.
        """
        order, now = ended.case.order, self._clock.now()
        async with self._database.write(caller.scope) as session:
            moved = await repository.move(
                session,
                order,
                OrderStatus.SUBMITTING,
                now,
                out_trade_no=message.out_trade_no.text,
                next_check_at=now + LEASE,
                failure=None,
                **_columns(order, wanted),
            )
            if moved is not None:
                if ended.case.attempt is not None:
                    await repository.move_attempt(
                        session,
                        order,
                        ended.case.attempt.out_trade_no,
                        _UNPAID,
                        state=AttemptState.CLOSED.value,
                    )
                await repository.insert_attempt(session, row_of(attempt))
                note = timeline.acted(caller.actor.name, "replace", _changes(order, moved))
                step = timeline.moved(order.status.value, moved.status.value, "replaced")
                await repository.insert_notes(session, order, now, (*ended.notes, note, step))
                if key is not None:
                    await repository.remember_key(session, _key_row(moved, key, now))
                act = _act(caller, order, moved, facts)
                await audit.record(session, caller.provider.id, act, now)
        if moved is None:
            raise OrderStateConflict((await self._placing.find(caller, order.id)).order)
        return Case(caller.provider, moved, AttemptRecord.of(attempt))


def _is_same(order: OrderRecord, wanted: PlaceOrder) -> bool:
    """Whether nothing would change for the payer; a payment code is another one each time."""
    if order.by_code or order.status is not OrderStatus.PENDING:
        return False
    asked = wanted.fingerprints()
    return all(order.fingerprints.get(name) == asked.get(name) for name in TERMS)


def _columns(order: OrderRecord, wanted: PlaceOrder) -> dict[str, Any]:
    """Return what changes on the order: its terms, and what a repeated creation is compared with."""
    fresh = wanted.fingerprints()
    kept = {name: value for name, value in order.fingerprints.items() if name not in TERMS}
    prints = kept | {name: fresh[name] for name in TERMS if name in fresh}
    return {
        "amount": wanted.amount,
        "trade_type": wanted.trade_type.value,
        "sub_appid": wanted.sub_appid.text if wanted.sub_appid else None,
        "openid": wanted.openid.text if wanted.openid else None,
        "fingerprint": digest(prints),
        "fingerprints": prints,
    }


def _changes(before: OrderRecord, after: OrderRecord) -> str | None:
    """Say what another attempt changed, without words: amounts in fen, ways to pay and apps."""
    pairs = (
        (str(before.amount.value), str(after.amount.value)),
        (before.trade_type, after.trade_type),
        (before.sub_appid, after.sub_appid),
    )
    return " · ".join(f"{old or '–'} → {new or '–'}" for old, new in pairs if old != new) or None


def _key_row(order: OrderRecord, key: IdempotencyKey, now: datetime) -> dict[str, Any]:
    return {
        "provider_id": order.provider_id,
        "tenant_id": order.tenant_id,
        "route": key.route,
        "key": key.key,
        "request_hash": key.request_hash,
        "order_id": order.id,
        "created_at": now,
    }


def _act(caller: Caller, before: OrderRecord, after: OrderRecord, facts: RequestFacts | None) -> Act:
    def terms(order: OrderRecord) -> dict[str, Any]:
        return {
            "amount": order.amount.value,
            "trade_type": order.trade_type,
            "out_trade_no": order.out_trade_no,
        }

    return Act(
        actor=caller.actor,
        action="order.attempt_replaced",
        object_kind="order",
        object_id=after.id,
        tenant_id=caller.tenant.id,
        before=terms(before),
        after=terms(after),
        request_id=facts.request_id if facts else None,
        peer=facts.peer if facts else None,
    )
