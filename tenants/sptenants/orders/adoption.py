"""Adoption: a payment that WeChat knows and we do not gets its order back (B06, D09).

After a restore the rows of the last minutes are gone while WeChat has the money. Whoever names the number,
a verified notification or a person, is only a reason to ask: WeChat's own answer, given to the tenant's
credentials, decides, and `attach` is never trusted alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import structlog
from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.audit import writer as audit
from spcore.audit.actor import SYSTEM, Actor
from spcore.audit.writer import Act
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.ids import new_id
from spcore.providers.keyring import Keyring
from spcore.providers.profile import ProviderProfile
from sptenants.orders import evidence, repository, timeline
from sptenants.orders.budget import Budget
from sptenants.orders.commands import digest
from sptenants.orders.disputes import AnomalyKind, settle_anomaly
from sptenants.orders.drafting import row_of
from sptenants.orders.evidence import Evidence, Verdict
from sptenants.orders.heals import Wrong, record_heal
from sptenants.orders.line import Case, GatewayPicker
from sptenants.orders.models import Attempt, Order
from sptenants.orders.numbering import is_ours, made_at, order_of
from sptenants.orders.records import AttemptRecord, OrderRecord
from sptenants.orders.states import AttemptState, OrderStatus
from sptenants.orders.versions import signing_key
from sptenants.registry.access import RequestFacts
from sptenants.registry.caller import TenantProfile
from wechatpay.credentials import (
    Credentials,
    MerchantCredentials,
    PartnerCredentials,
    ProviderKind,
    SigningKey,
    SignType,
)
from wechatpay.errors import NotSent, Refused, UnknownOutcome
from wechatpay.gateway import OrderState
from wechatpay.identifiers import AppId, MchId, OutTradeNo, SubMchId

_log = structlog.get_logger(__name__)

Outcome = Literal["adopted", "known", "absent", "unpaid", "foreign", "unclear"]


@dataclass(frozen=True, slots=True)
class Adopted:
    """What came of it; `order` is there when it was `adopted` now or `known` before.

    `absent`: WeChat knows no such number of this tenant's; `unpaid`: it does, and nobody paid; `foreign`: the
    number or the money is not this tenant's; `unclear`: no usable answer, ask again.
    """

    outcome: Outcome
    order: OrderRecord | None = None


@dataclass(frozen=True, slots=True)
class _MadeWith:
    """The API that is asked, and will be asked for the order's whole life, with the version of its key."""

    api_version: str
    key_version: int


class _Taken(Exception):
    """The number or the id is in the books already; nothing of this transaction may stay."""


class Adoption:
    """Rebuilds orders. `budget` bounds what foreign messages can make us ask."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keyring: Keyring,
        gateways: GatewayPicker,
        budget: Budget | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._keyring = keyring
        self._gateways = gateways
        self._budget = budget or Budget(clock)

    async def adopt(
        self,
        provider: ProviderProfile,
        tenant: TenantProfile,
        number: OutTradeNo,
        *,
        appid: AppId | None = None,
        by: Actor = SYSTEM,
        facts: RequestFacts | None = None,
        api_version: str | None = None,
    ) -> Adopted:
        """Ask WeChat about `number` and rebuild its order if it is paid and this tenant's.

        `appid` is the app of a plain merchant's order, when known; `api_version` the API by which WeChat told
        of it, otherwise that of the provider's new orders. Raises ProviderNotReady.
        """
        scope = TenantScope(provider.id, tenant.id)
        if (known := await self._known(scope, number)) is not None:
            return Adopted("known", known)
        if not is_ours(number.text):
            return Adopted("foreign")
        if not self._budget.take(provider.id):
            return Adopted("unclear")
        version = api_version or provider.api_version
        key = await signing_key(self._keyring, provider, version, self._clock.now())
        credentials = _credentials(provider, tenant, key, appid)
        state = await self._ask(provider, version, credentials, number)
        if not isinstance(state, OrderState):
            return Adopted(state)
        if not state.trade_state.was_paid:
            return Adopted("unpaid")
        if _identity(state) != credentials.identity() or state.fee_type != "CNY":
            _log.warning("adoption.foreign", provider_id=provider.id, tenant_id=tenant.id)
            return Adopted("foreign")
        made_with = _MadeWith(version, key.version)
        return await self._store(scope, provider, tenant, made_with, state, by, facts)

    async def _known(self, scope: TenantScope, number: OutTradeNo) -> OrderRecord | None:
        async with self._database.read(scope) as session:
            case = await repository.case_of_out_trade_no(session, scope, number.text)
        return case.order if case else None

    async def _ask(
        self, provider: ProviderProfile, api_version: str, credentials: Credentials, number: OutTradeNo
    ) -> OrderState | Literal["absent", "unclear"]:
        gateway = self._gateways.of(provider.mode, api_version, provider.id)
        try:
            return await gateway.query(credentials, number)
        except Refused as error:
            return "absent" if error.code == "ORDERNOTEXIST" and error.level == "result" else "unclear"
        except (UnknownOutcome, NotSent):
            return "unclear"

    async def _store(
        self,
        scope: TenantScope,
        provider: ProviderProfile,
        tenant: TenantProfile,
        made_with: _MadeWith,
        state: OrderState,
        by: Actor,
        facts: RequestFacts | None,
    ) -> Adopted:
        """Store order, attempt, event, heal and anomaly in one commit."""
        now, proof = self._clock.now(), Evidence.of_query(state)
        try:
            async with self._database.write(scope) as session:
                case = await _rebuild(session, scope, provider, tenant, made_with, state, by, now)
                applied = await evidence.apply(session, scope, case, proof, now)
                if applied.verdict is not Verdict.PAID:
                    raise _Taken
                notes = (timeline.call(state.call), *applied.notes)
                await repository.insert_notes(session, applied.order, now, notes)
                await _put_right(session, scope, applied.order, proof, now)
                if by is not SYSTEM:
                    await audit.record(session, scope.provider_id, _act(applied.order, by, facts), now)
        except _Taken:
            known = await self._known(scope, state.out_trade_no)
            return Adopted("known", known) if known else Adopted("foreign")
        _log.info("adoption.adopted", order_id=applied.order.id, tenant_id=scope.tenant_id)
        return Adopted("adopted", applied.order)


async def _rebuild(
    session: AsyncSession,
    scope: TenantScope,
    provider: ProviderProfile,
    tenant: TenantProfile,
    made_with: _MadeWith,
    state: OrderState,
    by: Actor,
    now: datetime,
) -> Case:
    """Store the attempt, and the order too unless it is still there without one."""
    named = order_of(state.attach, tenant.id)
    left = await repository.case_of(session, scope, named) if named else None
    if left is not None and _lacks_its_attempt(left, state):
        order = await repository.move(
            session, left.order, OrderStatus.SUBMITTING, now, out_trade_no=state.out_trade_no.text
        )
        if order is None:
            raise _Taken
    else:
        drafted = _order(provider, tenant, state, None if left else named, by, now)
        await _insert(session, repository.ORDERS, row_of(drafted))
        order = OrderRecord.of(drafted, provider.mode)
    attempt = _attempt(provider, tenant, made_with, state, order.id, now)
    await _insert(session, repository.ATTEMPTS, row_of(attempt))
    return Case(provider, order, AttemptRecord.of(attempt))


def _lacks_its_attempt(left: Case, state: OrderState) -> bool:
    order = left.order
    return (
        order.status is OrderStatus.CREATED and order.out_trade_no is None and order.amount == state.total_fee
    )


async def _insert(session: AsyncSession, table: Table, row: dict[str, Any]) -> None:
    """Raises _Taken when any key of the row exists, be it another tenant's (B02)."""
    statement = repository.insert_into(session, table).on_conflict_do_nothing().returning(table.c.tenant_id)
    if (await session.execute(statement, row)).scalar_one_or_none() is None:
        raise _Taken


def _order(
    provider: ProviderProfile,
    tenant: TenantProfile,
    state: OrderState,
    named: str | None,
    by: Actor,
    now: datetime,
) -> Order:
    """Return the order as WeChat's word allows: what only our lost row knew is empty.

    The merchant finds it under the id it was once given, when that is known. Either way the id says when the
    order was made, as lists rely on.
    """
    paid = Evidence.of_query(state)
    begun = made_at(named.removeprefix("ord_")) if named else min(paid.paid_at, now)
    payer = state.sub_openid if state.sub_appid else state.openid
    return Order(
        id=named or new_id("ord", begun),
        provider_id=provider.id,
        tenant_id=tenant.id,
        merchant_order_no=named or f"ADOPTED-{state.out_trade_no.text}",
        out_trade_no=state.out_trade_no.text,
        status=OrderStatus.SUBMITTING.value,
        amount=paid.total_fee.value,
        refunded_amount=0,
        refunding_amount=0,
        currency=paid.fee_type,
        description="补录订单",
        trade_type=paid.trade_type,
        sub_appid=state.sub_appid.text if state.sub_appid else None,
        openid=payer.text if payer else None,
        source="adopted",
        created_by=by.name,
        details={},
        profit_sharing=False,
        fingerprint=digest({}),
        fingerprints={},
        created_at=begun,
        updated_at=now,
        expires_at=begun,
        event_sequence=0,
        checks=0,
        state_since=now,
    )


def _attempt(
    provider: ProviderProfile,
    tenant: TenantProfile,
    made_with: _MadeWith,
    state: OrderState,
    order_id: str,
    now: datetime,
) -> Attempt:
    """Return the attempt; without the parameters it was made with, it can be refunded but never renewed."""
    paid = Evidence.of_query(state)
    return Attempt(
        provider_id=provider.id,
        tenant_id=tenant.id,
        out_trade_no=paid.out_trade_no,
        order_id=order_id,
        number=1,
        state=AttemptState.SUBMITTING.value,
        amount=paid.total_fee.value,
        trade_type=paid.trade_type,
        api_version=made_with.api_version,
        sign_type=provider.sign_type,
        key_version=made_with.key_version,
        kind=provider.kind,
        mch_id=paid.mch_id,
        appid=paid.appid,
        sub_mch_id=tenant.sub_mch_id,
        sub_appid=paid.sub_appid,
        request={},
        repeats=0,
        created_at=now,
    )


async def _put_right(
    session: AsyncSession, scope: TenantScope, order: OrderRecord, paid: Evidence, now: datetime
) -> None:
    await record_heal(
        session,
        scope,
        order_id=order.id,
        wrong=Wrong.UNKNOWN_ORDER,
        before="absent",
        after=order.status.value,
        since=paid.paid_at,
        now=now,
        queries=1,
    )
    note = f"已按微信侧记录补录为 {order.id} (rebuilt from WeChat's records)"
    await settle_anomaly(session, scope, AnomalyKind.UNKNOWN_ORDER, paid.out_trade_no, now, note)


def _act(order: OrderRecord, by: Actor, facts: RequestFacts | None) -> Act:
    return Act(
        actor=by,
        action="order.adopted",
        object_kind="order",
        object_id=order.id,
        tenant_id=order.tenant_id,
        after={"out_trade_no": order.out_trade_no, "amount": order.amount.value},
        request_id=facts.request_id if facts else None,
        peer=facts.peer if facts else None,
    )


def _credentials(
    provider: ProviderProfile, tenant: TenantProfile, key: SigningKey, appid: AppId | None
) -> Credentials:
    """Return the tenant's own identity; an order is found without the app it was paid in (4.4)."""
    mch_id, sign_type = MchId(provider.mch_id), SignType(provider.sign_type)
    if tenant.sub_mch_id is None:
        return MerchantCredentials(mch_id, appid or AppId(provider.appid), key, sign_type)
    return PartnerCredentials(
        kind=ProviderKind.BANK if provider.kind == ProviderKind.BANK else ProviderKind.ORDINARY,
        mch_id=mch_id,
        appid=AppId(provider.appid),
        sub_mch_id=SubMchId(tenant.sub_mch_id),
        sub_appid=None,
        key=key,
        sign_type=sign_type,
    )


def _identity(state: OrderState) -> dict[str, str]:
    """Return whose order this is, as WeChat says it, in the words of `Credentials.identity`."""
    identity = {"appid": state.appid.text, "mch_id": state.mch_id.text}
    return identity | ({"sub_mch_id": state.sub_mch_id.text} if state.sub_mch_id else {})
