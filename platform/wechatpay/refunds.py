"""What is said about refunds at the port to WeChat Pay: asked for, accepted, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from wechatpay.call import CallRecord
from wechatpay.errors import InvalidRequest
from wechatpay.identifiers import MchId, OutRefundNo, OutTradeNo, RefundId, SubMchId, TransactionId
from wechatpay.money import MAX_AMOUNT, Fen
from wechatpay.text import check_notify_url, is_sendable
from wechatpay.v2.signing import neutralise

MAX_REASON_BYTES = 80


@dataclass(frozen=True, slots=True)
class NewRefund:
    """All that is needed to ask for a refund, and to repeat it with equal parameters for ever.

    `amount` of this refund and `total` of the order; `transaction_id`, once known, says which
    payment is meant. `reason` is shown to the payer, at most 80 bytes as sent.

    Raises InvalidRequest, naming the field (wechatpay-v2 4.6; F05, rule C6).
    """

    out_refund_no: OutRefundNo
    out_trade_no: OutTradeNo
    transaction_id: TransactionId | None
    amount: Fen
    total: Fen
    reason: str | None
    notify_url: str

    def __post_init__(self) -> None:
        if not 1 <= self.total.value <= MAX_AMOUNT:
            raise InvalidRequest(
                "total", f"订单金额应为 1–{MAX_AMOUNT} 分", f"must be between 1 and {MAX_AMOUNT} fen"
            )
        if not 1 <= self.amount.value <= self.total.value:
            raise InvalidRequest(
                "amount", "退款金额应为 1 分到订单金额", "must be between 1 fen and the order's amount"
            )
        if self.reason is not None and (not self.reason.strip() or not is_sendable(self.reason)):
            raise InvalidRequest(
                "reason",
                "不能只有空白，不能含控制字符或表情等四字节字符",
                "must not be blank nor hold control characters or emoji",
            )
        if self.reason is not None and len(neutralise(self.reason).encode()) > MAX_REASON_BYTES:
            raise InvalidRequest(
                "reason",
                f"超过 {MAX_REASON_BYTES} 字节（约 26 个汉字）",
                f"is longer than {MAX_REASON_BYTES} bytes of UTF-8",
            )
        check_notify_url(self.notify_url)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` gives back an equal refund."""
        return {
            "out_refund_no": self.out_refund_no.text,
            "out_trade_no": self.out_trade_no.text,
            "transaction_id": self.transaction_id.text if self.transaction_id else None,
            "amount": self.amount.value,
            "total": self.total.value,
            "reason": self.reason,
            "notify_url": self.notify_url,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> NewRefund:
        """Read what `to_json` wrote. Raises KeyError or ValueError when the record is damaged."""
        transaction_id = stored["transaction_id"]
        return cls(
            out_refund_no=OutRefundNo(stored["out_refund_no"]),
            out_trade_no=OutTradeNo(stored["out_trade_no"]),
            transaction_id=TransactionId(transaction_id) if transaction_id else None,
            amount=Fen(stored["amount"]),
            total=Fen(stored["total"]),
            reason=stored["reason"],
            notify_url=stored["notify_url"],
        )


@dataclass(frozen=True, slots=True)
class RefundAccepted:
    """WeChat took the refund on. Whether the money moves is only known from a query (rule R4)."""

    out_refund_no: OutRefundNo
    refund_id: RefundId
    amount: Fen
    total: Fen
    call: CallRecord


class RefundStatus(StrEnum):
    """What WeChat says of a refund (wechatpay-v2 4.7).

    REFUNDCLOSE: it failed and nothing moved. CHANGE: the money left the merchant and did not reach
    the payer; the merchant must act in WeChat's console.
    """

    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    REFUNDCLOSE = "REFUNDCLOSE"
    CHANGE = "CHANGE"


@dataclass(frozen=True, slots=True)
class RefundState:
    """WeChat's verified word about one refund.

    `amount` is this refund's, `total` the order's. `success_at` (UTC) is never None once `status`
    is SUCCESS; `recv_account` says in WeChat's words where the money went.
    """

    out_trade_no: OutTradeNo
    transaction_id: TransactionId
    out_refund_no: OutRefundNo
    refund_id: RefundId
    status: RefundStatus
    amount: Fen
    total: Fen
    success_at: datetime | None
    recv_account: str | None
    call: CallRecord


@dataclass(frozen=True, slots=True)
class RefundsOfOrder:
    """One page of an order's refunds, at most ten; `total_count` counts those of all pages."""

    total_count: int
    refunds: tuple[RefundState, ...]
    call: CallRecord


@dataclass(frozen=True, slots=True)
class VerifiedRefund:
    """What a genuine refund notification of API v3 says. Still to be compared with the refund's row.

    `amount` is this refund's, `total` the order's; `success_at` (UTC) is there for SUCCESS alone.
    `sub_mch_id` is None for a plain merchant, and may be for a provider's: WeChat writes both shapes
    (wechatpay-v3 3.3). `key_version` is that of the API v3 key that opened it.
    """

    mch_id: MchId
    sub_mch_id: SubMchId | None
    out_trade_no: OutTradeNo
    transaction_id: TransactionId
    out_refund_no: OutRefundNo
    refund_id: RefundId
    status: RefundStatus
    amount: Fen
    total: Fen
    success_at: datetime | None
    recv_account: str | None
    key_version: int
