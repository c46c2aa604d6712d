"""WeChat as far as orders need it: a small stateful ledger behind the gateway port, with faults on order.

One number is one order; equal parameters give its prepay_id again; paid and closed numbers refuse
(wechatpay-v2 1.10). Notifications are signed with the provider's key by the protocol's own code.

Both APIs stand before the same books, with the answers and the rules of each (wechatpay-v3 section 9): they
share numbers, and an order is closed and renewed by the API that made it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from wechatpay.call import CallRecord
from wechatpay.credentials import ClientCertificate, Credentials, SignType, V2Key, V3Key
from wechatpay.errors import BadAnswerSignature, NotSent, Refused, UnknownOutcome, WechatPayError
from wechatpay.explain import explain
from wechatpay.gateway import Closed, NewOrder, OrderState, Prepay, Reversed, TradeState, TradeType
from wechatpay.identifiers import (
    AppId,
    AuthCode,
    MchId,
    OpenId,
    OutTradeNo,
    PrepayId,
    SubMchId,
    TransactionId,
)
from wechatpay.money import Fen
from wechatpay.nonces import nonce
from wechatpay.v2 import envelope, signing
from wechatpay.v2.fields import wire_time

Hook = Callable[[], Awaitable[None]]
PAYER = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
_WITHOUT_EFFECT = frozenset({"lost", "not_sent", "system_error", "recall"})
_UNPAID = frozenset({TradeState.NOTPAY, TradeState.USERPAYING})


@dataclass(slots=True)
class Known:
    """One order in WeChat's books."""

    order: NewOrder
    identity: dict[str, str]
    sign_type: SignType
    api_version: str
    state: TradeState = TradeState.NOTPAY
    prepays: int = 0
    transaction_id: str | None = None
    amount: Fen | None = None
    paid_at: datetime | None = None


@dataclass(slots=True)
class FakeWechat:
    """Gateway and picker at once; `faults[operation]` are used up one a call."""

    books: dict[str, Known] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    spoken: Counter[str] = field(default_factory=Counter)
    """Calls by the API they came by."""
    faults: dict[str, list[str]] = field(default_factory=dict)
    before_answer: dict[str, Hook] = field(default_factory=dict)
    """Run once after an operation took effect and before its answer arrives."""
    after_answer: dict[str, Hook] = field(default_factory=dict)
    """Run once after a query was answered and before anybody reads the answer."""
    numbers: list[str] = field(default_factory=list)
    """Every out_trade_no that was ever placed, in order."""
    payments: int = 0
    charged: list[str] = field(default_factory=list)
    """Every payment code that was charged or tried, in order."""
    given_back: int = 0
    """Payments undone by reversing."""

    def of(self, mode: str, api_version: str, provider_id: str) -> Any:
        assert mode == "test"
        assert api_version in {"v2", "v3"}
        assert provider_id
        return Spoken(self, api_version)

    def fail(self, operation: str, *faults: str) -> None:
        self.faults.setdefault(operation, []).extend(faults)

    async def place(self, credentials: Credentials, order: NewOrder) -> Prepay:
        fault = self._take("unifiedorder")
        number = order.out_trade_no.text
        self.numbers.append(number)
        assert order.trade_type is not TradeType.MICROPAY
        if _takes_effect(fault):
            self._place(credentials, order)
        await self._ending("unifiedorder", fault)
        known = self.books[number]
        known.prepays += 1
        code_url = f"weixin://wxpay/bizpayurl?pr={number[-7:]}" if order.trade_type == "NATIVE" else None
        prepay_id = f"wx21{number}{known.prepays:06d}"
        h5_url = f"https://wx.tenpay.com/checkmweb?prepay_id={prepay_id}" if order.scene else None
        # By v3 an order that no page or app opens has no prepay_id (wechatpay-v3 2.1).
        named = known.api_version == "v2" or not (code_url or h5_url)
        return Prepay(PrepayId(prepay_id) if named else None, code_url, h5_url, _call("unifiedorder"))

    def _place(self, credentials: Credentials, order: NewOrder) -> None:
        known = self.books.get(order.out_trade_no.text)
        if known is None:
            self.books[order.out_trade_no.text] = _booked(order, credentials)
            return
        assert known.api_version == version_of(credentials), "an order is renewed by the API that made it"
        if known.state.was_paid:
            raise refused("unifiedorder", "ORDERPAID")
        if known.state in {TradeState.CLOSED, TradeState.REVOKED}:
            raise refused("unifiedorder", "ORDERCLOSED")
        if known.order != order:
            raise refused("unifiedorder", "INVALID_REQUEST", "201 商户订单号重复")

    async def charge(self, credentials: Credentials, order: NewOrder, auth_code: AuthCode) -> OrderState:
        """Faults of its own: `typing` asks for the password, `payerror` leaves a failed payment behind."""
        fault = self._take("micropay")
        number = order.out_trade_no.text
        self.numbers.append(number)
        assert order.trade_type is TradeType.MICROPAY
        assert version_of(credentials) == "v2", "payment codes go by v2"
        assert number not in self.books, "a payment code's order is charged once"
        assert auth_code.text not in self.charged, "a payment code is used once"
        self.charged.append(auth_code.text)
        if _takes_effect(fault):
            known = _booked(order, credentials)
            self.books[number] = known
            known.state = _AT_THE_TILL.get((fault or "").partition(":")[0], TradeState.NOTPAY)
            if known.state is TradeState.NOTPAY:
                self.pay(number, order.time_start)
        await self._ending("micropay", fault)
        return replace(_state(self.books[number]), call=_call("micropay"))

    async def reverse(
        self, credentials: Credentials, certificate: ClientCertificate, out_trade_no: OutTradeNo
    ) -> Reversed:
        """A fault of its own: `recall` wants the same call again, nothing being done yet."""
        fault = self._take("reverse")
        assert certificate.key_pem
        known = self._known(credentials, out_trade_no, "reverse")
        assert known.order.trade_type is TradeType.MICROPAY
        if _takes_effect(fault):
            self.given_back += known.state.was_paid
            known.state = TradeState.REVOKED
        await self._ending("reverse", None if fault == "recall" else fault)
        return Reversed(_call("reverse"), again=fault == "recall")

    async def query(self, credentials: Credentials, out_trade_no: OutTradeNo) -> OrderState:
        await self._ending("orderquery", self._take("orderquery"))
        answer = _state(self._known(credentials, out_trade_no, "orderquery"))
        if hook := self.after_answer.pop("orderquery", None):
            await hook()
        return answer

    async def close(self, credentials: Credentials, out_trade_no: OutTradeNo) -> Closed:
        fault = self._take("closeorder")
        known = self._known(credentials, out_trade_no, "closeorder")
        if known.state.was_paid:
            raise refused("closeorder", "ORDERPAID")
        assert known.order.trade_type is not TradeType.MICROPAY, "only reversing is allowed"
        assert known.api_version == version_of(credentials), "an order is closed by the API that made it"
        already = known.state is TradeState.CLOSED
        if _takes_effect(fault):
            known.state = TradeState.CLOSED
        await self._ending("closeorder", fault)
        return Closed(_call("closeorder"), already=already)

    def pay(self, number: str, at: datetime, *, amount: int | None = None) -> Known:
        """The payer pays, whether anybody is told or not."""
        known = self.books[number]
        assert known.state in _UNPAID, known.state
        self.payments += 1
        known.state = TradeState.SUCCESS
        known.amount = Fen(amount) if amount is not None else known.order.amount
        known.transaction_id = f"42000026{self.payments:020d}"
        known.paid_at = at.astimezone(UTC).replace(microsecond=0)
        return known

    def notification(self, number: str, key: V2Key, **changes: str | None) -> bytes:
        """The body of the payment's notification, signed; `changes` replace or (None) remove fields."""
        known = self.books[number]
        assert known.amount is not None
        assert known.transaction_id is not None
        assert known.paid_at is not None
        fields: dict[str, str | None] = {
            "return_code": "SUCCESS",
            "result_code": "SUCCESS",
            **known.identity,
            "nonce_str": nonce(),
            "openid": PAYER,
            "trade_type": known.order.trade_type.wire,
            "bank_type": "CMB_DEBIT",
            "total_fee": str(known.amount.value),
            "cash_fee": str(known.amount.value),
            "fee_type": "CNY",
            "transaction_id": known.transaction_id,
            "out_trade_no": number,
            "attach": known.order.attach,
            "time_end": wire_time(known.paid_at),
        }
        fields |= changes
        given = {name: value for name, value in fields.items() if value is not None}
        given["sign"] = signing.sign(given, key, known.sign_type)
        return envelope.build(given)

    def _known(self, credentials: Credentials, out_trade_no: OutTradeNo, operation: str) -> Known:
        known = self.books.get(out_trade_no.text)
        # The app an order was paid in is no part of whose it is (wechatpay-v2 4.4).
        if known is None or _whose(known.identity) != _whose(credentials.identity()):
            raise refused(operation, "ORDERNOTEXIST")
        return known

    def _take(self, operation: str) -> str | None:
        self.calls[operation] += 1
        waiting = self.faults.get(operation)
        return waiting.pop(0) if waiting else None

    async def _ending(self, operation: str, fault: str | None) -> None:
        if hook := self.before_answer.pop(operation, None):
            await hook()
        if fault is not None:
            raise _ended(operation, fault)


@dataclass(frozen=True, slots=True)
class Spoken:
    """The books as one of the two APIs opens them: it takes credentials of its own alone."""

    wechat: FakeWechat
    api_version: str

    def __getattr__(self, operation: str) -> Any:
        asked = getattr(self.wechat, operation)

        async def ask(credentials: Credentials, *rest: Any) -> Any:
            assert version_of(credentials) == self.api_version
            self.wechat.spoken[self.api_version] += 1
            return await asked(credentials, *rest)

        return ask


def version_of(credentials: Credentials) -> str:
    """Return the API whose calls these sign."""
    return "v3" if isinstance(credentials.key, V3Key) else "v2"


def _booked(order: NewOrder, credentials: Credentials) -> Known:
    return Known(order, credentials.identity(), credentials.sign_type, version_of(credentials))


_AT_THE_TILL = {"typing": TradeState.USERPAYING, "payerror": TradeState.PAYERROR}


def _takes_effect(fault: str | None) -> bool:
    return fault not in _WITHOUT_EFFECT and not (fault or "").startswith("refuse")


def _whose(identity: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in identity.items() if name != "sub_appid"}


def refused(operation: str, code: str, message: str = "") -> Refused:
    known = explain(operation, code, message)
    definitive = known is not None and known.outcome == "refused"
    error = Refused(code, message, "result", definitive=definitive)
    error.call = replace(_call(operation), result_code="FAIL", err_code=code, err_message=message)
    return error


def _ended(operation: str, fault: str) -> WechatPayError:
    kind, _, code = fault.partition(":")
    error: WechatPayError
    match kind:
        case "refuse":
            return refused(operation, code, "参数错误")
        case "refuse_unsigned":
            named = code if code.isupper() else "FAIL"
            error = Refused(named, code, "return", definitive=False)
        case "not_sent":
            error = NotSent("connect")
        case "bad_signature":
            error = BadAnswerSignature()
        case "payerror":
            return refused(operation, code, "支付失败")
        case "typing":
            error = UnknownOutcome("USERPAYING")
        case "system_error" | "system_error_with_effect":
            error = UnknownOutcome("SYSTEMERROR")
        case _:
            error = UnknownOutcome("timeout")
    error.call = replace(_call(operation), http_status=None)
    return error


def _call(operation: str) -> CallRecord:
    return CallRecord(operation, f"/pay/{operation}", 200, 12, "req-1", "SUCCESS", "SUCCESS")


def _state(known: Known) -> OrderState:
    identity: dict[str, Any] = known.identity
    paid = known.state.was_paid
    return OrderState(
        out_trade_no=known.order.out_trade_no,
        trade_state=known.state,
        trade_state_desc="",
        mch_id=MchId(identity["mch_id"]),
        appid=AppId(identity["appid"]),
        sub_mch_id=SubMchId(identity["sub_mch_id"]) if "sub_mch_id" in identity else None,
        sub_appid=AppId(identity["sub_appid"]) if "sub_appid" in identity else None,
        transaction_id=TransactionId(known.transaction_id) if known.transaction_id else None,
        total_fee=known.amount if paid else None,
        fee_type="CNY",
        cash_fee=known.amount if paid else None,
        coupon_fee=None,
        settlement_total_fee=None,
        trade_type=known.order.trade_type if paid else None,
        bank_type="CMB_DEBIT" if paid else None,
        openid=OpenId(PAYER) if paid else None,
        sub_openid=None,
        attach=known.order.attach,
        time_end=known.paid_at,
        call=_call("orderquery"),
    )
