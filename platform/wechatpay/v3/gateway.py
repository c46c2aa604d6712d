# ruff: noqa: ARG002 - the port has arguments that API v3 has no use for
"""The Gateway port over API v3."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Never

from wechatpay.call import CallRecord
from wechatpay.credentials import ClientCertificate, Credentials, V3Key
from wechatpay.errors import BadField, InvalidRequest, Refused, incomplete
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
from wechatpay.transport import JsonLine
from wechatpay.v3 import orders, refunds
from wechatpay.v3.exchange import Answer, Question, Signer, ask
from wechatpay.v3.platform_keys import PlatformKey

NOT_OFFERED = "NOT_OFFERED"
"""The code, at the return level, of what API v3 has no call for."""


class V3Gateway:
    """See Gateway. Holds no credentials: each call brings its own.

    `now` gives the aware time that calls are signed at and answers measured by. `noted` hears for each
    genuine answer which key of ours asked and which of WeChat's it was signed with. `plain_pages` as for
    V2Gateway. Payment codes stay with API v2 (wechatpay-v3 2.8): `charge` and `reverse` raise InvalidRequest.
    """

    def __init__(
        self,
        line: JsonLine,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        noted: Callable[[V3Key, PlatformKey], None] = lambda _own, _theirs: None,
        plain_pages: bool = False,
    ) -> None:
        self._line = line
        self._now = now
        self._noted = noted
        self._plain_pages = plain_pages

    async def place(self, credentials: Credentials, order: NewOrder) -> Prepay:
        """prepay. See Gateway.place."""
        answer = await self._ask(credentials, orders.placing(credentials, order))
        try:
            return orders.prepay(answer, order.trade_type, plain_pages=self._plain_pages)
        except BadField as error:
            raise incomplete(error, answer.call) from None

    async def charge(self, credentials: Credentials, order: NewOrder, auth_code: AuthCode) -> OrderState:
        """Raises InvalidRequest."""
        _stays_with_v2()

    async def query(self, credentials: Credentials, out_trade_no: OutTradeNo) -> OrderState:
        """query by our number. See Gateway.query."""
        answer = await self._ask(credentials, orders.querying(credentials, out_trade_no))
        try:
            return orders.queried(answer)
        except BadField as error:
            raise incomplete(error, answer.call) from None

    async def close(self, credentials: Credentials, out_trade_no: OutTradeNo) -> Closed:
        """close; closing again succeeds by itself, and ORDERCLOSED is success too. See Gateway.close."""
        try:
            answer = await self._ask(credentials, orders.closing(credentials, out_trade_no))
        except Refused as refusal:
            if refusal.code == "ORDERCLOSED" and refusal.call is not None:
                return Closed(refusal.call, already=True)
            raise
        return Closed(answer.call, already=False)

    async def reverse(
        self, credentials: Credentials, certificate: ClientCertificate, out_trade_no: OutTradeNo
    ) -> Reversed:
        """Raises InvalidRequest."""
        _stays_with_v2()

    async def refund(
        self, credentials: Credentials, certificate: ClientCertificate | None, refund: NewRefund
    ) -> RefundAccepted:
        """refund; API v3 shows no client certificate, so that `certificate` is not looked at. See
        Gateway.refund."""
        answer = await self._ask(credentials, refunds.asking(credentials, refund))
        try:
            return refunds.accepted(answer, refund)
        except BadField as error:
            raise incomplete(error, answer.call) from None

    async def query_refund(self, credentials: Credentials, out_refund_no: OutRefundNo) -> RefundState:
        """query of a refund by our number. See Gateway.query_refund."""
        answer = await self._ask(credentials, refunds.querying(credentials, out_refund_no))
        try:
            return refunds.queried(answer)
        except BadField as error:
            raise incomplete(error, answer.call) from None

    async def query_refunds(
        self, credentials: Credentials, out_trade_no: OutTradeNo, offset: int = 0
    ) -> RefundsOfOrder:
        """Raises Refused NOT_OFFERED at the return level, never definitive and with a record without status:
        API v3 lists no refunds of an order, each is asked for by its own number."""
        refusal = Refused(NOT_OFFERED, "API v3 lists no refunds", level="return", definitive=False)
        refusal.call = CallRecord("v3.refund_query", refunds.PATH, http_status=None, elapsed_ms=0)
        raise refusal

    async def _ask(self, credentials: Credentials, question: Question) -> Answer:
        answer = await ask(self._line, Signer(credentials.mch_id, credentials.v3_key, self._now), question)
        self._noted(credentials.v3_key, answer.key)
        return answer


def _stays_with_v2() -> Never:
    raise InvalidRequest(
        "trade_type", "付款码支付只经 API v2", "a payment code is charged and reversed by API v2 alone"
    )
