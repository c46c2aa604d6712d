"""Rows of new orders and attempts, and the message that will be sent for them: made whole, then stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import inspect

from spcore.db.base import Model
from spcore.errors import Fault, InvalidInput, Text
from spcore.ids import new_id
from sptenants.orders.commands import PlaceOrder, Source, digest
from sptenants.orders.models import Attempt, Order
from sptenants.orders.numbering import attach_of, new_out_trade_no
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import AttemptState, OrderStatus
from sptenants.orders.versions import api_version_of
from sptenants.registry.caller import Caller
from sptenants.registry.notify_paths import notify_path
from wechatpay.errors import InvalidRequest
from wechatpay.gateway import H5Scene, H5Type, NewOrder, TradeType
from wechatpay.identifiers import OpenId
from wechatpay.money import Fen

LEASE = timedelta(seconds=60)
"""Longer than any call to WeChat takes; a process that dies meanwhile leaves the order to healing."""

_SOME_PAYER = OpenId("payer")
_IN_SCENE = frozenset({"wap_url", "wap_name"})


@dataclass(frozen=True, slots=True)
class Terms:
    """What WeChat is told about one order, apart from who sells.

    `payer_ip` and `scene` are of H5 alone; without them it is the caller's address and our own.
    """

    order_id: str
    amount: Fen
    description: str
    trade_type: TradeType
    openid: OpenId | None
    expires_at: datetime
    profit_sharing: bool
    payer_ip: str | None = None
    scene: H5Scene | None = None

    @classmethod
    def wanted(cls, wanted: PlaceOrder, order_id: str, expires_at: datetime) -> Terms:
        """The terms of an order, or of another attempt at it, whose payer is known if it needs one."""
        return cls(
            order_id=order_id,
            amount=wanted.amount,
            description=wanted.description,
            trade_type=wanted.trade_type,
            openid=wanted.openid,
            expires_at=expires_at,
            profit_sharing=wanted.profit_sharing,
            payer_ip=wanted.payer_ip,
            scene=wanted.scene,
        )

    @classmethod
    def of(cls, order: OrderRecord, openid: OpenId) -> Terms:
        """The terms of a stored order whose payer has just become known."""
        return cls(
            order_id=order.id,
            amount=order.amount,
            description=order.description,
            trade_type=TradeType(order.trade_type),
            openid=openid,
            expires_at=order.expires_at,
            profit_sharing=order.profit_sharing,
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """An order about to be stored; `message` is None as long as a JSAPI order has no payer."""

    order: Order
    message: NewOrder | None


def draft(
    caller: Caller, wanted: PlaceOrder, *, public_url: str, peer: str, source: Source, now: datetime
) -> Draft:
    """Return everything tx 1 stores. Raises InvalidInput for what WeChat is known to refuse."""
    order_id = new_id("ord", now)
    expires_at = now + timedelta(seconds=wanted.expires_in_s)
    waits_for_payer = wanted.trade_type is TradeType.JSAPI and wanted.openid is None
    terms = Terms.wanted(wanted, order_id, expires_at)
    if waits_for_payer:
        # Everything else must already be right: WeChat is asked long after our answer.
        terms = replace(terms, openid=_SOME_PAYER)
    message = message_of(caller, terms, public_url=public_url, peer=peer, now=now)
    prints = wanted.fingerprints()
    order = Order(
        id=order_id,
        provider_id=caller.provider.id,
        tenant_id=caller.tenant.id,
        merchant_order_no=wanted.merchant_order_no,
        out_trade_no=None if waits_for_payer else message.out_trade_no.text,
        status=(OrderStatus.CREATED if waits_for_payer else OrderStatus.SUBMITTING).value,
        amount=wanted.amount.value,
        refunded_amount=0,
        refunding_amount=0,
        currency=wanted.currency,
        description=wanted.description,
        trade_type=wanted.trade_type.value,
        sub_appid=wanted.sub_appid.text if wanted.sub_appid else None,
        openid=wanted.openid.text if wanted.openid else None,
        source=source,
        created_by=caller.actor.name,
        attach=wanted.attach,
        details=dict(wanted.metadata),
        profit_sharing=wanted.profit_sharing,
        fingerprint=digest(prints),
        fingerprints=prints,
        created_at=now,
        updated_at=now,
        expires_at=expires_at,
        event_sequence=0,
        checks=0,
        state_since=now,
        next_check_at=expires_at if waits_for_payer else now + LEASE,
        leased_by=None if waits_for_payer else "placing",
        leased_until=None if waits_for_payer else now + LEASE,
    )
    return Draft(order, None if waits_for_payer else message)


def message_of(caller: Caller, terms: Terms, *, public_url: str, peer: str, now: datetime) -> NewOrder:
    """Return what is sent, under a fresh number. Raises InvalidInput naming the field."""
    try:
        scene = terms.scene
        if terms.trade_type is TradeType.H5 and scene is None:
            scene = H5Scene(H5Type.WAP, public_url, caller.tenant.name)
        api_version = api_version_of(caller.provider, terms.trade_type)
        return NewOrder(
            out_trade_no=new_out_trade_no(now),
            amount=terms.amount,
            description=terms.description,
            attach=attach_of(caller.tenant.id, terms.order_id),
            notify_url=public_url + notify_path(caller.tenant.route_key, api_version, "payment"),
            payer_ip=terms.payer_ip or peer,
            trade_type=terms.trade_type,
            openid=terms.openid,
            product_id=None,
            time_start=now,
            time_expire=terms.expires_at,
            profit_sharing=terms.profit_sharing,
            scene=scene,
        )
    except InvalidRequest as error:
        place = f"h5_info/{error.field}" if error.field in _IN_SCENE else error.field
        raise InvalidInput(
            Fault(f"#/{place}", "invalid_value", Text(f"{error.zh}。", f"{error.en}."))
        ) from None


def attempt_of(
    caller: Caller,
    order_id: str,
    message: NewOrder,
    *,
    sub_appid: str | None,
    cashier: str | None,
    key_version: int,
    now: datetime,
    number: int = 1,
) -> Attempt:
    """Return the attempt that `message` is, with the identities it is made with (decision 7).

    A plain merchant has no sub fields: the app that opens the cashier is its own `appid`. Nor has an order
    that opens in the service provider's own app, whose payers have their openids under `appid` (wechatpay-v2
    2.1, wechatpay-v3 2.3).
    """
    provider, sub_mch_id = caller.provider, caller.tenant.sub_mch_id
    under_sub = sub_mch_id is not None and sub_appid != provider.appid
    return Attempt(
        provider_id=provider.id,
        tenant_id=caller.tenant.id,
        out_trade_no=message.out_trade_no.text,
        order_id=order_id,
        number=number,
        state=AttemptState.SUBMITTING.value,
        amount=message.amount.value,
        trade_type=message.trade_type.value,
        api_version=api_version_of(provider, message.trade_type),
        sign_type=provider.sign_type,
        key_version=key_version,
        kind=provider.kind,
        mch_id=provider.mch_id,
        appid=provider.appid if sub_mch_id else sub_appid or provider.appid,
        sub_mch_id=sub_mch_id,
        sub_appid=sub_appid if under_sub else None,
        request=message.to_json(),
        cashier=cashier,
        repeats=0,
        created_at=now,
    )


def row_of(drafted: Model) -> dict[str, Any]:
    """Return what was set on a drafted object, by column name, for an INSERT without the ORM."""
    return {
        attribute.columns[0].name: drafted.__dict__[attribute.key]
        for attribute in inspect(drafted).mapper.column_attrs
        if attribute.key in drafted.__dict__
    }
