"""Numbers that WeChat sees: ours alone, so that no two sub-merchants of a provider can ever collide (I1)."""

from __future__ import annotations

from datetime import datetime

from spcore.ids import new_ulid
from wechatpay.identifiers import OutTradeNo


def new_out_trade_no(now: datetime) -> OutTradeNo:
    """Return a fresh number: a ULID, 26 characters, with nothing of the customer in it (S2-03)."""
    return OutTradeNo(new_ulid(now))


def attach_of(tenant_id: str, order_id: str) -> str:
    """Return what is sent as `attach`: our own ids, for rebuilding a lost row, never for trust (C6 d)."""
    return f"{tenant_id}.{order_id}"
