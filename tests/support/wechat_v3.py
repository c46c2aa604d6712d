"""WeChat's side of notifications by API v3: one `id` a message, fresh headers and cipher text each time.

It signs and encrypts by itself, with keys of tests, and takes what it tells from the books of a fake WeChat.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.support.fake_refunds import KnownRefund, RefundingWechat
from tests.support.fake_wechat import PAYER
from tests.support.till_v3 import PLATFORM, PUBLIC_KEY_ID, V3_KEY

_CHINA = ZoneInfo("Asia/Shanghai")
_SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"
_REFUND_WORDS = {"REFUNDCLOSE": "CLOSED", "CHANGE": "ABNORMAL"}
_numbers = count(1)


@dataclass(frozen=True)
class Sent:
    """One message as it goes over the line; header names are lower case."""

    body: bytes
    headers: dict[str, str]

    def changed(self, **headers: str | None) -> Sent:
        """Return it with other `wechatpay-` headers, or without those that are None."""
        given: dict[str, str | None] = self.headers | {
            f"wechatpay-{name.replace('_', '-')}": value for name, value in headers.items()
        }
        return Sent(self.body, {name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True)
class WechatV3:
    """Signs with `key` under `serial` and encrypts with `secret`, the provider's API v3 key."""

    key: rsa.RSAPrivateKey = PLATFORM
    serial: str = PUBLIC_KEY_ID
    secret: str = V3_KEY
    books: RefundingWechat = field(default_factory=RefundingWechat)

    def by(self, **changes: Any) -> WechatV3:
        """Return the same WeChat with another key, serial or secret."""
        return replace(self, **changes)

    def payment(self, number: str, at: datetime, *, name: str | None = None, **changes: Any) -> Sent:
        """Tell of the payment of an order; `changes` replace or (None) remove what it says."""
        return self.sent(self.paid(number) | changes, at, name=name)

    def refund(self, number: str, at: datetime, *, name: str | None = None, **changes: Any) -> Sent:
        """Tell of a refund as it stands in the books."""
        known = self.books.refunds[number]
        told = self._refunded(known) | changes
        return self.sent(told, at, name=name, event=f"REFUND.{told['refund_status']}", kind="refund")

    def echo(self, message: str, at: datetime, *, name: str | None = None) -> Sent:
        """Send a test message back."""
        told = {"echo_message": message}
        return self.sent(told, at, name=name, event="SECURITY_ECHO.SUCCESS", kind="security")

    def paid(self, number: str) -> dict[str, Any]:
        """What a notification says of a paid order (wechatpay-v3 3.2)."""
        known = self.books.books[number]
        assert known.amount is not None
        assert known.paid_at is not None
        identity = known.identity
        told: dict[str, Any] = {
            "sp_appid": identity["appid"],
            "sp_mchid": identity["mch_id"],
            "sub_mchid": identity["sub_mch_id"],
            "out_trade_no": number,
            "transaction_id": known.transaction_id,
            "trade_type": known.order.trade_type.wire,
            "trade_state": "SUCCESS",
            "trade_state_desc": "支付成功",
            "bank_type": "CMB_DEBIT",
            "attach": known.order.attach or "",
            "success_time": _rfc3339(known.paid_at),
            "payer": {"sp_openid": PAYER},
            "amount": {
                "total": known.amount.value,
                "payer_total": known.amount.value,
                "currency": "CNY",
                "payer_currency": "CNY",
            },
        }
        if "sub_appid" in identity:
            told |= {"sub_appid": identity["sub_appid"], "payer": {"sp_openid": PAYER, "sub_openid": PAYER}}
        return told

    def _refunded(self, known: KnownRefund) -> dict[str, Any]:
        identity = self.books.books[known.out_trade_no].identity
        told: dict[str, Any] = {
            "sp_mchid": identity["mch_id"],
            "sub_mchid": identity["sub_mch_id"],
            "transaction_id": known.transaction_id,
            "out_trade_no": known.out_trade_no,
            "refund_id": known.refund_id,
            "out_refund_no": known.number,
            "refund_status": _REFUND_WORDS.get(known.status.value, known.status.value),
            "user_received_account": "支付用户零钱",
            "amount": {
                "total": known.total.value,
                "refund": known.amount.value,
                "payer_total": known.total.value,
                "payer_refund": known.amount.value,
            },
        }
        if known.success_at is not None:
            told["success_time"] = _rfc3339(known.success_at)
        return told

    def sent(
        self,
        told: Mapping[str, Any],
        at: datetime,
        *,
        name: str | None = None,
        event: str = "TRANSACTION.SUCCESS",
        kind: str = "transaction",
    ) -> Sent:
        """Encrypt and sign what is told; None in it means that it is left out."""
        number = next(_numbers)
        plain = {name: value for name, value in told.items() if value is not None}
        nonce = f"{number:012d}"
        sealed = AESGCM(self.secret.encode()).encrypt(
            nonce.encode(), json.dumps(plain, ensure_ascii=False).encode(), kind.encode()
        )
        envelope = {
            "id": name or f"EV-{number:032d}",
            "create_time": _rfc3339(at),
            "resource_type": "encrypt-resource",
            "event_type": event,
            "summary": "支付成功",
            "resource": {
                "original_type": kind,
                "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": base64.b64encode(sealed).decode(),
                "associated_data": kind,
                "nonce": nonce,
            },
        }
        return self.signed(json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode(), at)

    def signed(self, body: bytes, at: datetime) -> Sent:
        """Put WeChat's headers around a body."""
        timestamp, nonce = str(int(at.timestamp())), f"N{next(_numbers):031d}"
        message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        signature = self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return Sent(
            body,
            {
                "content-type": "application/json",
                "wechatpay-serial": self.serial,
                "wechatpay-timestamp": timestamp,
                "wechatpay-nonce": nonce,
                "wechatpay-signature": base64.b64encode(signature).decode(),
                "wechatpay-signature-type": _SIGNATURE_TYPE,
            },
        )


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(_CHINA).isoformat(timespec="seconds")
