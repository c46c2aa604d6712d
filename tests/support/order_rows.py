"""The two rows of an order with one attempt, as the program writes them, for whoever needs many of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from spcore.db.scope import TenantScope
from spcore.ids import new_id, new_ulid

APP = "wx3f8c21d0b7e6a91c"


@dataclass(frozen=True, slots=True)
class Rows:
    """One order and its attempt by column."""

    order: dict[str, Any]
    attempt: dict[str, Any]

    @property
    def order_id(self) -> str:
        return str(self.order["id"])


def order_rows(
    tenant: TenantScope,
    at: datetime,
    *,
    status: str = "pending",
    amount: int = 1_000,
    sub_appid: str | None = APP,
    prepaid: bool = True,
    paid_at: datetime | None = None,
    transaction_id: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> Rows:
    """Return an order made at that moment. `more` are further columns of the order itself."""
    order_id, out_trade_no = new_id("ord", at), new_ulid(at)
    owner = {"provider_id": tenant.provider_id, "tenant_id": tenant.tenant_id}
    paid = status == "paid"
    number = (transaction_id or f"4200{out_trade_no}") if paid else None
    both = owner | {
        "out_trade_no": out_trade_no,
        "amount": amount,
        "trade_type": "JSAPI",
        "sub_appid": sub_appid,
        "transaction_id": number,
        "created_at": at,
    }
    order = both | {
        "id": order_id,
        "merchant_order_no": order_id,
        "status": status,
        "refunded_amount": 0,
        "refunding_amount": 0,
        "currency": "CNY",
        "description": "拿铁",
        "source": "api_key",
        "created_by": "server",
        "metadata": {},
        "profit_sharing": False,
        "fingerprint": "0" * 64,
        "fingerprints": {},
        "updated_at": at,
        "expires_at": at + timedelta(minutes=30),
        "paid_at": (paid_at or at) if paid else None,
        "paid_by": "notify" if paid else None,
        "event_sequence": 0,
        "checks": 0,
        "state_since": at,
    }
    return Rows(order | dict(more or {}), both | _attempt_of(order_id, out_trade_no, at, status, prepaid))


def _attempt_of(order_id: str, out_trade_no: str, at: datetime, status: str, prepaid: bool) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "number": 1,
        "state": {"pending": "payable"}.get(status, status),
        "api_version": "v2",
        "sign_type": "HMAC-SHA256",
        "key_version": 1,
        "kind": "ordinary",
        "mch_id": "1900000109",
        "appid": "wx8888888888888888",
        "sub_mch_id": "1612345678",
        "request": {},
        "prepay_id": f"wx{out_trade_no}" if prepaid else None,
        "prepay_at": at if prepaid else None,
        "repeats": 0,
    }
