"""What the lived-in installation has of notifications and of codes nobody explained, as rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.ids import new_id
from sptenants.notify.models import Notification
from sptenants.orders.models import Order
from sptenants.orders.unexplained import UnexplainedCode
from sptenants.registry.models import Tenant
from wechatpay.credentials import SignType, V2Key
from wechatpay.v2 import envelope, signing
from wechatpay.v2.fields import wire_time

OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
FOREIGN_KEY = V2Key(1, "ZYXWVUTSRQPONMLKJIHGFEDCBA987654")
NONCE = "5K8264ILTKCH16CQ2502SI8ZNMTM67VS"


@dataclass(frozen=True, slots=True)
class _Wanted:
    key: str
    tenant: TenantScope
    order: str | None
    result: str
    reason: str | None = None
    changes: Mapping[str, str] | None = None
    genuine: bool = True
    body: bytes | None = None
    received: int = 1
    kind: str = "payment"


async def add_notifies(
    database: Database,
    tenants: Mapping[str, TenantScope],
    orders: Mapping[str, str],
    now: datetime,
    *,
    key: V2Key,
    gym: str,
) -> dict[str, str]:
    """Write notifications with every result and return their ids by what stands out about them.

    The genuine ones are signed with `key`, so that an installation that has it can replay them.
    """
    coffee, clinic = tenants["晨曦咖啡"], tenants["仁康门诊部"]
    made: Sequence[_Wanted] = (
        _Wanted("of clinic", clinic, "other tenant", "processed"),
        _Wanted("processed", coffee, "latest", "processed", received=3),
        _Wanted("duplicate", coffee, "refunded", "duplicate", received=2),
        _Wanted("forged", coffee, "latest", "rejected", "bad_signature", genuine=False),
        _Wanted("garbage", coffee, None, "rejected", "malformed", body=b"\xff\xfe<xml><sign>" + b"A" * 64),
        _Wanted("hostile", coffee, None, "rejected", "malformed", body=_hostile()),
        _Wanted("unmatched", coffee, None, "unmatched", "unknown_order"),
        _Wanted("mismatch", tenants[gym], "mismatch", "mismatch", "total_fee", {"total_fee": "256001"}),
        _Wanted("waiting", coffee, "pending", "unmatched", "unknown_order"),
        _Wanted("deferred", coffee, "latest", "deferred", "to_be_queried", kind="refund"),
    )
    ids = {}
    for place, wanted in enumerate(made):
        at = now - timedelta(minutes=4) + timedelta(seconds=12) * place
        ids[wanted.key] = await _add(database, wanted, orders, at, key)
    await _add_codes(database, (coffee, clinic), now)
    return ids


async def _add(
    database: Database, wanted: _Wanted, orders: Mapping[str, str], at: datetime, key: V2Key
) -> str:
    scope, notification_id = wanted.tenant, new_id("ntf", at)
    async with database.write(scope) as session:
        tenant = await session.scalar(
            select(Tenant).where(Tenant.provider_id == scope.provider_id, Tenant.id == scope.tenant_id)
        )
        order = None
        if wanted.order is not None:
            own = (Order.provider_id == scope.provider_id, Order.tenant_id == scope.tenant_id)
            order = await session.scalar(select(Order).where(*own, Order.id == orders[wanted.order]))
        fields = _fields(order, tenant.sub_mch_id if tenant else None, at) | dict(wanted.changes or {})
        signer = key if wanted.genuine else FOREIGN_KEY
        fields["sign"] = signing.sign(fields, signer, SignType.HMAC_SHA256)
        body = wanted.body if wanted.body is not None else envelope.build(fields)
        readable = wanted.body is None
        row: dict[str, Any] = {
            "id": notification_id,
            "provider_id": scope.provider_id,
            "tenant_id": scope.tenant_id,
            "version": "v2",
            "kind": wanted.kind,
            "digest": hashlib.sha256(body).hexdigest(),
            "body": body,
            "headers": {"content-type": "text/xml", "user-agent": "Mozilla/4.0"},
            "peer": "101.226.103.0",
            "request_id": new_id("req", at),
            "received_at": at,
            "received": wanted.received,
            "last_received_at": at + timedelta(seconds=15) * (wanted.received - 1),
            "result": wanted.result,
            "reason": wanted.reason,
            "key_version": 1 if wanted.result != "rejected" else None,
            "out_trade_no": fields["out_trade_no"] if readable else None,
            "transaction_id": fields["transaction_id"] if wanted.result != "rejected" else None,
            "order_id": order.id
            if order and wanted.result in ("processed", "duplicate", "mismatch", "deferred")
            else None,
            "answered": "SUCCESS" if wanted.result in ("processed", "duplicate", "mismatch") else "FAIL",
        }
        await session.execute(insert(table_of(Notification)), [row])
    return notification_id


def _fields(order: Order | None, sub_mch_id: str | None, at: datetime) -> dict[str, str]:
    fee = str(order.amount) if order else "8800"
    return {
        "return_code": "SUCCESS",
        "result_code": "SUCCESS",
        "appid": "wx8888888888888888",
        "mch_id": "1900000109",
        "sub_mch_id": sub_mch_id or "1612345678",
        "sub_appid": "wx3f8c21d0b7e6a91c",
        "nonce_str": NONCE,
        "openid": OPENID,
        "trade_type": "JSAPI",
        "bank_type": "CMB_DEBIT",
        "total_fee": fee,
        "cash_fee": fee,
        "fee_type": "CNY",
        "transaction_id": (order.transaction_id if order else None) or "4200002611202611215530918999",
        "out_trade_no": (order.out_trade_no if order else None) or "01JD3K8W7Q4M6X0B2T9V5H1CZN",
        "time_end": wire_time(at),
    }


def _hostile() -> bytes:
    return (
        f"<xml><out_trade_no>x</out_trade_no><script>alert(1)</script>{{{{7*7}}}}<openid>{OPENID}</openid>"
        f"<sign>{'B' * 64}</sign>"
    ).encode()


async def _add_codes(database: Database, tenants: Sequence[TenantScope], now: datetime) -> None:
    for scope, seen in zip(tenants, (3, 1), strict=True):
        row = {
            "provider_id": scope.provider_id,
            "tenant_id": scope.tenant_id,
            "api": "unifiedorder",
            "code": "RISK_CONTROL_BLOCKED",
            "message": "该交易存在风险",
            "seen": seen,
            "first_seen_at": now - timedelta(days=1),
            "last_seen_at": now - timedelta(minutes=seen),
        }
        async with database.write(scope) as session:
            await session.execute(insert(table_of(UnexplainedCode)), [row])
