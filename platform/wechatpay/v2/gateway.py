"""The Gateway port over API v2."""

from __future__ import annotations

from typing import Protocol

from wechatpay import mutual_tls
from wechatpay.credentials import ClientCertificate, Credentials
from wechatpay.errors import BadField, NotSent, Refused, WechatPayError, incomplete
from wechatpay.gateway import (
    Closed,
    NewOrder,
    NewRefund,
    OrderState,
    Prepay,
    RefundAccepted,
    RefundsOfOrder,
    RefundState,
    Reversed,
)
from wechatpay.identifiers import AuthCode, OutRefundNo, OutTradeNo
from wechatpay.transport import Line
from wechatpay.v2 import micropay, orders, refunds
from wechatpay.v2.exchange import Answer, Question, ask


class SecureLines(Protocol):
    """Connections that show a client certificate: a set of its own for each certificate."""

    async def for_certificate(self, certificate: ClientCertificate) -> Line:
        """The line that shows `certificate`, the same one each time.

        Raises NotSent when there can be none, mutual_tls.UnusableCertificate for a bad pair.
        """
        ...


class V2Gateway:
    """See Gateway. Holds no credentials: each call brings its own.

    `line` serves everything but reversals and refunds, which go over `secure`. `plain_pages` lets
    the H5 cashier be a page of plain http, as the simulator's is; WeChat's own never is.
    """

    def __init__(self, line: Line, secure: SecureLines, *, plain_pages: bool = False) -> None:
        self._line = line
        self._secure = secure
        self._plain_pages = plain_pages

    async def place(self, credentials: Credentials, order: NewOrder) -> Prepay:
        """unifiedorder. See Gateway.place."""
        answer = await ask(self._line, credentials, orders.placing(credentials, order))
        try:
            return orders.prepay(answer, order.trade_type, plain_pages=self._plain_pages)
        except BadField as error:
            raise incomplete(error, answer.call) from None

    async def charge(self, credentials: Credentials, order: NewOrder, auth_code: AuthCode) -> OrderState:
        """micropay. See Gateway.charge."""
        answer = await ask(self._line, credentials, micropay.charging(order, auth_code))
        try:
            return micropay.charged(answer)
        except BadField as error:
            raise incomplete(error, answer.call) from None

    async def query(self, credentials: Credentials, out_trade_no: OutTradeNo) -> OrderState:
        """orderquery by our number. See Gateway.query."""
        answer = await ask(self._line, credentials, orders.querying(out_trade_no))
        try:
            return orders.queried(answer)
        except BadField as error:
            raise incomplete(error, answer.call) from None

    async def close(self, credentials: Credentials, out_trade_no: OutTradeNo) -> Closed:
        """closeorder; ORDERCLOSED is success (wechatpay-v2 1.10). See Gateway.close."""
        try:
            answer = await ask(self._line, credentials, orders.closing(out_trade_no))
        except Refused as refusal:
            if refusal.code == "ORDERCLOSED" and refusal.level == "result" and refusal.call is not None:
                return Closed(refusal.call, already=True)
            raise
        return Closed(answer.call, already=False)

    async def reverse(
        self, credentials: Credentials, certificate: ClientCertificate, out_trade_no: OutTradeNo
    ) -> Reversed:
        """reverse. See Gateway.reverse."""
        answer = await self._ask_showing(certificate, credentials, micropay.reversing(out_trade_no))
        try:
            return micropay.reversal(answer)
        except BadField as error:
            raise incomplete(error, answer.call) from None

    async def refund(
        self, credentials: Credentials, certificate: ClientCertificate, refund: NewRefund
    ) -> RefundAccepted:
        """refund. See Gateway.refund."""
        answer = await self._ask_showing(certificate, credentials, refunds.asking(refund))
        try:
            return refunds.accepted(answer)
        except BadField as error:
            raise incomplete(error, answer.call) from None

    async def query_refund(self, credentials: Credentials, out_refund_no: OutRefundNo) -> RefundState:
        """refundquery by our number. See Gateway.query_refund."""
        answer = await ask(self._line, credentials, refunds.querying_one(out_refund_no))
        try:
            return refunds.found(answer).refunds[0]
        except BadField as error:
            raise incomplete(error, answer.call) from None

    async def query_refunds(
        self, credentials: Credentials, out_trade_no: OutTradeNo, offset: int = 0
    ) -> RefundsOfOrder:
        """refundquery by the order's number. See Gateway.query_refunds."""
        answer = await ask(self._line, credentials, refunds.querying_all(out_trade_no, offset))
        try:
            return refunds.found(answer)
        except BadField as error:
            raise incomplete(error, answer.call) from None

    async def _ask_showing(
        self, certificate: ClientCertificate, credentials: Credentials, question: Question
    ) -> Answer:
        """Ask over the certificate's own connections; another provider's is not even tried (F09)."""
        try:
            if mutual_tls.owner_of(certificate.cert_pem) != credentials.mch_id.text:
                raise NotSent("foreign_certificate")
            line = await self._secure.for_certificate(certificate)
        except (WechatPayError, mutual_tls.UnusableCertificate) as error:
            failure = error if isinstance(error, WechatPayError) else NotSent("unusable_certificate")
            failure.call = question.record
            raise failure from None
        return await ask(line, credentials, question)
