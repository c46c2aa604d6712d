"""Numbers that WeChat sees: ours alone, so that no two sub-merchants of a provider can ever collide (I1)."""

from __future__ import annotations

from datetime import datetime

from ulid import ULID

from spcore.ids import is_id, new_ulid
from wechatpay.identifiers import OutTradeNo


def new_out_trade_no(now: datetime) -> OutTradeNo:
    """Return a fresh number: a ULID, 26 characters, with nothing of the customer in it (S2-03)."""
    return OutTradeNo(new_ulid(now))


def made_at(number: str) -> datetime:
    """Return when a number of ours was made, to the millisecond, UTC. Raises ValueError for any other."""
    return ULID.from_str(number).datetime


def is_ours(number: str) -> bool:
    """Whether an order's or a refund's number has the shape of ours; others were made by another system."""
    try:
        made_at(number)
    except ValueError:
        return False
    return True


def attach_of(tenant_id: str, order_id: str) -> str:
    """Return what is sent as `attach`: our own ids, for rebuilding a lost row, never for trust (C6 d)."""
    return f"{tenant_id}.{order_id}"


def order_of(attach: str, tenant_id: str) -> str | None:
    """Return the order id in an `attach` of this tenant's, None for anything else; a hint, never proof."""
    tenant, _, order_id = attach.partition(".")
    return order_id if tenant == tenant_id and is_id(order_id, "ord") else None
