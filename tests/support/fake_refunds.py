"""WeChat with refunds: a ledger of refunds beside that of orders, with its rules, faults and notifications.

One number is one refund for ever; the same number with the same amounts is the same refund; the sums of a
payment hold (wechatpay-v2 1.10, 4.6, 4.7). A refund stays PROCESSING until a test settles it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from tests.support.fake_wechat import FakeWechat, Known, refused, version_of

from wechatpay.call import CallRecord
from wechatpay.credentials import ClientCertificate, Credentials, V2Key
from wechatpay.errors import Refused
from wechatpay.gateway import TradeState
from wechatpay.identifiers import OutRefundNo, OutTradeNo, RefundId, TransactionId
from wechatpay.money import Fen
from wechatpay.nonces import nonce
from wechatpay.refunds import NewRefund, RefundAccepted, RefundsOfOrder, RefundState, RefundStatus
from wechatpay.v2 import envelope

_NO_EFFECT = ("lost", "not_sent", "system_error", "refuse")
_CHINA = ZoneInfo("Asia/Shanghai")
PAGE = 10


@dataclass(slots=True)
class KnownRefund:
    """One refund in WeChat's books."""

    number: str
    out_trade_no: str
    transaction_id: str
    amount: Fen
    total: Fen
    refund_id: str
    source: str = "API"
    status: RefundStatus = RefundStatus.PROCESSING
    success_at: datetime | None = None
    certificate: str | None = None
    """Serial number of the certificate it was asked for with."""


@dataclass(slots=True)
class RefundingWechat(FakeWechat):
    """The gateway with refunds. `balance` is what the merchant's account holds, None for enough."""

    refunds: dict[str, KnownRefund] = field(default_factory=dict)
    asked: list[NewRefund] = field(default_factory=list)
    """Every call for a refund, in order, whatever came of it."""
    second_payments: dict[str, Fen] = field(default_factory=dict)
    """Further payments by transaction id, as when a payer paid twice."""
    balance: int | None = None
    most: int = 0
    """The largest sum of refunds that any one payment ever had, in fen."""

    async def refund(
        self, credentials: Credentials, certificate: ClientCertificate, refund: NewRefund
    ) -> RefundAccepted:
        fault = self._take("refund")
        self.asked.append(refund)
        if fault is None or not fault.startswith(_NO_EFFECT) or fault == "system_error_with_effect":
            self._refund(credentials, certificate, refund)
        await self._ending("refund", fault)
        known = self.refunds[refund.out_refund_no.text]
        return RefundAccepted(
            OutRefundNo(known.number), RefundId(known.refund_id), known.amount, known.total, _call("refund")
        )

    async def query_refund(self, credentials: Credentials, out_refund_no: OutRefundNo) -> RefundState:
        await self._ending("refundquery", self._take("refundquery"))
        known = self.refunds.get(out_refund_no.text)
        if known is None or self._order(credentials, known.out_trade_no) is None:
            raise refused("refundquery", "REFUNDNOTEXIST", "退款单不存在")
        answer = _state(known)
        if hook := self.after_answer.pop("refundquery", None):
            await hook()
        return answer

    async def query_refunds(
        self, credentials: Credentials, out_trade_no: OutTradeNo, offset: int = 0
    ) -> RefundsOfOrder:
        if version_of(credentials) == "v3":
            error = Refused("NOT_OFFERED", "API v3 lists no refunds", "return", definitive=False)
            error.call = _call("refundquery")
            raise error
        await self._ending("refundquery", self._take("refundquery"))
        own = [known for known in self.refunds.values() if known.out_trade_no == out_trade_no.text]
        if not own or self._order(credentials, out_trade_no.text) is None:
            raise refused("refundquery", "REFUNDNOTEXIST", "退款单不存在")
        page = tuple(_state(known) for known in own[offset : offset + PAGE])
        return RefundsOfOrder(len(own), page, _call("refundquery"))

    def settle(self, number: str, status: RefundStatus, at: datetime) -> KnownRefund:
        """Bring a refund to its end, whether anybody is told or not."""
        known = self.refunds[number]
        known.status = status
        known.success_at = at.astimezone(UTC).replace(microsecond=0) if status == "SUCCESS" else None
        return known

    def refund_elsewhere(self, out_trade_no: str, amount: int, number: str = "CONSOLE1") -> KnownRefund:
        """Somebody refunds in WeChat's own console; the platform is not asked."""
        order = self.books[out_trade_no]
        assert order.transaction_id is not None
        assert order.amount is not None
        return self._book(
            number, out_trade_no, order.transaction_id, Fen(amount), order.amount, "VENDOR_PLATFORM"
        )

    def refund_notification(
        self, number: str, key: V2Key, *, outer: Mapping[str, str] | None = None, **changes: str
    ) -> bytes:
        """The body of a refund's notification, encrypted; `changes` replace inner fields."""
        known = self.refunds[number]
        inner: dict[str, str] = {
            "transaction_id": known.transaction_id,
            "out_trade_no": known.out_trade_no,
            "refund_id": known.refund_id,
            "out_refund_no": known.number,
            "total_fee": str(known.total.value),
            "refund_fee": str(known.amount.value),
            "settlement_refund_fee": str(known.amount.value),
            "refund_status": known.status.value,
            "refund_recv_accout": "支付用户零钱",
            "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS",
            "refund_request_source": known.source,
        }
        if known.success_at is not None:
            inner["success_time"] = known.success_at.astimezone(_CHINA).strftime("%Y-%m-%d %H:%M:%S")
        identity = {k: v for k, v in self.books[known.out_trade_no].identity.items() if k != "sign_type"}
        fields = {"return_code": "SUCCESS", **identity, "nonce_str": nonce(), **(outer or {})}
        fields["req_info"] = encrypt(_document(inner | changes), key)
        return envelope.build(fields)

    def _refund(self, credentials: Credentials, certificate: ClientCertificate, refund: NewRefund) -> None:
        number, order = refund.out_refund_no.text, self._order(credentials, refund.out_trade_no.text)
        if order is None or order.amount is None or not order.state.was_paid:
            raise refused("refund", "ORDERNOTEXIST", "订单不存在")
        if (known := self.refunds.get(number)) is not None:
            if (known.amount, known.total) != (refund.amount, refund.total):
                raise refused("refund", "REFUND_FEE_MISMATCH", "订单金额或退款金额与之前请求不一致")
            return
        paid = str(refund.transaction_id or order.transaction_id)
        total = self.second_payments.get(paid, order.amount)
        if refund.total != total:
            raise refused("refund", "REFUND_FEE_MISMATCH", "订单金额不一致")
        if self._sum(paid) + refund.amount.value > total.value:
            raise refused("refund", "ERROR", "累计退款金额大于支付金额")
        if self.balance is not None and self.balance < refund.amount.value:
            raise refused("refund", "NOTENOUGH", "基本账户余额不足")
        booked = self._book(number, refund.out_trade_no.text, paid, refund.amount, total, "API")
        booked.certificate = certificate.serial

    def _book(
        self, number: str, out_trade_no: str, paid: str, amount: Fen, total: Fen, source: str
    ) -> KnownRefund:
        refund_id = f"50300026{len(self.refunds) + 1:020d}"
        known = KnownRefund(number, out_trade_no, paid, amount, total, refund_id, source)
        self.refunds[number] = known
        self.most = max(self.most, self._sum(paid))
        if self.balance is not None:
            self.balance -= amount.value
        self.books[out_trade_no].state = TradeState.REFUND
        return known

    def _sum(self, paid: str) -> int:
        over = RefundStatus.REFUNDCLOSE
        alive = (known for known in self.refunds.values() if known.status is not over)
        return sum(known.amount.value for known in alive if known.transaction_id == paid)

    def _order(self, credentials: Credentials, out_trade_no: str) -> Known | None:
        known = self.books.get(out_trade_no)
        mine = credentials.identity()
        whose = ("mch_id", "sub_mch_id")
        if known is None or any(known.identity.get(name) != mine.get(name) for name in whose):
            return None
        return known


def encrypt(document: bytes, key: V2Key) -> str:
    """Seal as WeChat does: AES-256-ECB under the hex digest of the key (wechatpay-v2 5.3)."""
    secret = hashlib.md5(key.secret.encode(), usedforsecurity=False).hexdigest().encode()
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(secret), modes.ECB()).encryptor()
    sealed = encryptor.update(padder.update(document) + padder.finalize()) + encryptor.finalize()
    return base64.b64encode(sealed).decode()


def _document(fields: Mapping[str, str]) -> bytes:
    inner = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in fields.items())
    return f"<root>{inner}</root>".encode()


def _call(operation: str) -> CallRecord:
    return CallRecord(operation, f"/pay/{operation}", 200, 12, "req-1", "SUCCESS", "SUCCESS")


def _state(known: KnownRefund) -> RefundState:
    done = known.status is RefundStatus.SUCCESS
    return RefundState(
        out_trade_no=OutTradeNo(known.out_trade_no),
        transaction_id=TransactionId(known.transaction_id),
        out_refund_no=OutRefundNo(known.number),
        refund_id=RefundId(known.refund_id),
        status=known.status,
        amount=known.amount,
        total=known.total,
        success_at=known.success_at if done else None,
        recv_account="支付用户零钱" if done else None,
        call=_call("refundquery"),
    )
