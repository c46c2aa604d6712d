"""WeChat's side of payment codes and refunds, for the protocol tests: a till that remembers.

Part of tests.support.v2_counterpart; the answers are signed and written there.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

TRANSACTION = "4200001234202611210123456789"
PAID = {
    "trade_type": "MICROPAY",
    "bank_type": "CMB_DEBIT",
    "fee_type": "CNY",
    "transaction_id": TRANSACTION,
    "openid": "oSpUser_00000000000000000001",
    "time_end": "20261121205107",
}


def no(code: str, text: str) -> dict[str, str]:
    return {"result_code": "FAIL", "err_code": code, "err_code_des": text}


@dataclass
class CounterDesk:
    """Charges once under a number, and gives back no more than was paid."""

    charged: dict[str, dict[str, str]] = field(default_factory=dict)
    refunds: list[dict[str, str]] = field(default_factory=list)
    """Fields of refundquery without their numbers, in the order of asking."""
    recalls: int = 0
    """So many reversals answer that they want to be called again."""

    def micropay(self, sent: dict[str, str]) -> dict[str, str]:
        number = sent["out_trade_no"]
        if number in self.charged:
            return no("ORDERPAID", "该订单已支付")
        fees = {"total_fee": sent["total_fee"], "cash_fee": sent["total_fee"]}
        self.charged[number] = {**PAID, **fees, "out_trade_no": number, "attach": sent["attach"]}
        return {"result_code": "SUCCESS", **self.charged[number]}

    def reverse(self, sent: dict[str, str]) -> dict[str, str]:
        if sent["out_trade_no"] not in self.charged:
            return no("ORDERNOTEXIST", "订单不存在")
        self.recalls -= 1
        return {"result_code": "SUCCESS", "recall": "Y" if self.recalls >= 0 else "N"}

    def refund(self, sent: dict[str, str]) -> dict[str, str]:
        order = self._order(sent)
        if order is None:
            return no("ORDERNOTEXIST", "订单不存在")
        known = next((row for row in self.refunds if row["out_refund_no"] == sent["out_refund_no"]), None)
        if known is not None and known["refund_fee"] != sent["refund_fee"]:
            return no("REFUND_FEE_MISMATCH", "同一退款单号金额不一致")
        if known is None:
            known = {
                "out_refund_no": sent["out_refund_no"],
                "refund_id": f"503000012320261121{len(self.refunds):011d}",
                "refund_fee": sent["refund_fee"],
                "refund_status": "PROCESSING",
                "refund_channel": "ORIGINAL",
                "refund_recv_accout": "支付用户零钱",
            }
            self.refunds.append(known)
        return {
            "result_code": "SUCCESS",
            "transaction_id": order["transaction_id"],
            "out_trade_no": order["out_trade_no"],
            "total_fee": order["total_fee"],
            **{name: known[name] for name in ("out_refund_no", "refund_id", "refund_fee")},
        }

    def refundquery(self, sent: dict[str, str]) -> dict[str, str]:
        number = sent.get("out_refund_no")
        found = [row for row in self.refunds if number in {None, row["out_refund_no"]}]
        if not found:
            return no("REFUNDNOTEXIST", "退款不存在")
        page = found[int(sent.get("offset", "0")) :][:10]
        [order] = self.charged.values()
        numbered = {
            f"{name}_{n}": value for n, refund in enumerate(page) for name, value in refund.items() if value
        }
        counts = {"refund_count": str(len(page)), "total_refund_count": str(len(found))}
        names = ("transaction_id", "out_trade_no", "total_fee")
        return {
            "result_code": "SUCCESS",
            **{name: order[name] for name in names},
            **(counts if number is None else {"refund_count": "1"}),
            **numbered,
        }

    def settle(self, out_refund_no: str, **fields: str) -> None:
        """Change what refundquery says of one refund."""
        [row] = [row for row in self.refunds if row["out_refund_no"] == out_refund_no]
        row.update(fields)

    def _order(self, sent: dict[str, Any]) -> dict[str, str] | None:
        for order in self.charged.values():
            if sent.get("transaction_id") == order["transaction_id"] or (
                sent.get("out_trade_no") == order["out_trade_no"]
            ):
                return order
        return None


def encrypted(document: bytes, secret: str) -> str:
    """`req_info` of a refund notification (wechatpay-v2 5.3)."""
    key = hashlib.md5(secret.encode()).hexdigest().encode()
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    plain = padder.update(document) + padder.finalize()
    return base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()
