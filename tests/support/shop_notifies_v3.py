"""What the lived-in installation has of notifications by API v3, as rows: genuine, forged, probed, a test."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert
from tests.support.certificates import rsa_key
from tests.support.fake_wechat import PAYER
from tests.support.shop_keys import OTHER_SERIAL, PUBLIC_KEY_ID
from tests.support.wechat_v3 import Sent, WechatV3

from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.ids import new_id
from sptenants.notify.models import Notification

OURS = WechatV3(key=rsa_key("ours"), serial=PUBLIC_KEY_ID, secret="new3" * 8)
THEIRS = WechatV3(key=rsa_key("ours"), serial=OTHER_SERIAL, secret="huit" * 8)
_NUMBER = "01JD3K8W7Q4M6X0B2T9V5H1CZ3"


@dataclass(frozen=True, slots=True)
class _Wanted:
    key: str
    tenant: TenantScope
    sent: Sent
    result: str
    reason: str | None = None
    kind: str = "payment"
    order_id: str | None = None
    key_version: int | None = 2


async def add_notifies_v3(
    database: Database, tenants: Mapping[str, TenantScope], orders: Mapping[str, str], now: datetime
) -> dict[str, str]:
    """Write the rows and return their ids by what stands out about them."""
    coffee, clinic = tenants["晨曦咖啡"], tenants["仁康门诊部"]
    genuine = OURS.sent(_paid("1900000109", "1612345678"), now, name="EV-2026112108003000001")
    ids = {}
    for place, wanted in enumerate(
        (
            _Wanted("v3", coffee, genuine, "processed", order_id=orders["latest"]),
            _Wanted("v3 of clinic", clinic, THEIRS.sent(_paid("1900000217", "1667012345"), now), "processed"),
            _Wanted(
                "v3 test", coffee, OURS.echo("ech_1", now), "processed", kind="security", key_version=None
            ),
            _Wanted("v3 unknown key", coffee, genuine.changed(serial="9" * 40), "rejected", "unknown_serial"),
            _Wanted("v3 hostile", coffee, _hostile(now), "rejected", "bad_signature"),
            _Wanted(
                "v3 probe", coffee, genuine.changed(signature="WECHATPAY/SIGNTEST/x"), "rejected", "probe"
            ),
        )
    ):
        ids[wanted.key] = await _add(database, wanted, now - timedelta(seconds=100 - 5 * place))
    return ids


async def _add(database: Database, wanted: _Wanted, at: datetime) -> str:
    proven = wanted.result != "rejected"
    row: dict[str, Any] = {
        "id": new_id("ntf", at),
        "provider_id": wanted.tenant.provider_id,
        "tenant_id": wanted.tenant.tenant_id,
        "version": "v3",
        "kind": wanted.kind,
        "digest": hashlib.sha256(wanted.key.encode()).hexdigest(),
        "body": wanted.sent.body,
        "headers": wanted.sent.headers,
        "serial": wanted.sent.headers["wechatpay-serial"],
        "peer": "101.226.103.0",
        "request_id": new_id("req", at),
        "received_at": at,
        "received": 1,
        "last_received_at": at,
        "result": wanted.result,
        "reason": wanted.reason,
        "key_version": wanted.key_version if proven else None,
        "out_trade_no": _NUMBER if proven and wanted.kind == "payment" else None,
        "transaction_id": None,
        "order_id": wanted.order_id,
        "answered": "SUCCESS" if proven else "FAIL",
    }
    async with database.write(wanted.tenant) as session:
        await session.execute(insert(table_of(Notification)), [row])
    return str(row["id"])


def _paid(mch_id: str, sub_mch_id: str) -> dict[str, Any]:
    return {
        "sp_appid": "wx8888888888888888",
        "sp_mchid": mch_id,
        "sub_mchid": sub_mch_id,
        "out_trade_no": _NUMBER,
        "transaction_id": "4200002611202611215530918777",
        "trade_type": "JSAPI",
        "trade_state": "SUCCESS",
        "success_time": "2026-11-21T20:49:58+08:00",
        "payer": {"sp_openid": PAYER, "sub_openid": PAYER},
        "amount": {"total": 12800, "payer_total": 12800, "currency": "CNY", "payer_currency": "CNY"},
    }


def _hostile(now: datetime) -> Sent:
    body = b'{"id":"<script>alert(1)</script>{{7*7}}","resource":{"ciphertext":"' + b"A" * 200 + b'"}}'
    return OURS.signed(body, now).changed(nonce="<script>", serial="<script>alert(1)</script>{{7*7}}")
