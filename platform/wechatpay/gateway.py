"""The port to WeChat Pay that the features call; API v2 and v3 stand behind it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, Protocol

from wechatpay.call import CallRecord
from wechatpay.credentials import Credentials
from wechatpay.errors import InvalidRequest
from wechatpay.identifiers import AppId, MchId, OpenId, OutTradeNo, PrepayId, SubMchId, TransactionId
from wechatpay.money import Fen
from wechatpay.text import is_sendable
from wechatpay.v2.signing import neutralise

MAX_TEXT_BYTES = 127
MAX_NOTIFY_URL_BYTES = 256
MAX_AMOUNT = 999_999_999

_ATTACH = re.compile(r"[0-9A-Za-z_.:|*\-]{0,127}")
_PRODUCT_ID = re.compile(r"[0-9A-Za-z_|*\-]{1,32}")
# No query, no fragment, and nothing a string to sign could be split at.
_NOTIFY_URL = re.compile(r"https?://[!-~]+")
_NOT_IN_NOTIFY_URL = re.compile(r"[?#&=<>\"]")


class TradeType(StrEnum):
    """How the payer pays. The value is our API's word; `wire` is v2's."""

    JSAPI = "JSAPI"
    NATIVE = "NATIVE"
    APP = "APP"
    H5 = "H5"
    MICROPAY = "MICROPAY"

    @property
    def wire(self) -> str:
        """The text in a v2 message: H5 is called MWEB there."""
        return "MWEB" if self is TradeType.H5 else self.value

    @classmethod
    def from_wire(cls, text: str) -> TradeType:
        """Read v2's text. Raises ValueError for a type we do not know."""
        return cls.H5 if text == "MWEB" else cls(text)


class TradeState(StrEnum):
    """What WeChat says of an order (wechatpay-v2 4.4). REFUND means that it was paid."""

    NOTPAY = "NOTPAY"
    USERPAYING = "USERPAYING"
    ACCEPT = "ACCEPT"
    SUCCESS = "SUCCESS"
    REFUND = "REFUND"
    CLOSED = "CLOSED"
    REVOKED = "REVOKED"
    PAYERROR = "PAYERROR"

    @property
    def was_paid(self) -> bool:
        """Whether money moved to the merchant, refunded later or not."""
        return self in {TradeState.SUCCESS, TradeState.REFUND}


@dataclass(frozen=True, slots=True)
class NewOrder:
    """All that is needed to create an order, and to repeat it with equal parameters for ever.

    `description` is what the payer sees, at most 127 bytes as sent; `attach` only our own encoded
    id; `payer_ip` the payer's address (the server's for NATIVE). Times are aware. `openid` is the
    payer under the app that opens the cashier; required for JSAPI. `product_id` defaults to the
    order number for NATIVE.

    Raises InvalidRequest, naming the field, for anything WeChat is known to refuse
    (wechatpay-v2 2.2; S2-05, S2-09, S2-10) or that rule C6 forbids.
    """

    out_trade_no: OutTradeNo
    amount: Fen
    description: str
    attach: str
    notify_url: str
    payer_ip: str
    trade_type: TradeType
    openid: OpenId | None
    product_id: str | None
    time_start: datetime
    time_expire: datetime
    profit_sharing: bool

    def __post_init__(self) -> None:
        self._check_money_and_times()
        self._check_texts()
        if self.trade_type is TradeType.JSAPI and self.openid is None:
            raise InvalidRequest(
                "openid", "JSAPI 下单必须有支付者的 openid", "JSAPI needs the payer's openid"
            )
        if self.product_id is not None and _PRODUCT_ID.fullmatch(self.product_id) is None:
            raise InvalidRequest(
                "product_id", "应为 1–32 个字母、数字或 _-|*", "must be 1 to 32 letters, digits or _-|*"
            )

    def _check_money_and_times(self) -> None:
        if not 1 <= self.amount.value <= MAX_AMOUNT:
            raise InvalidRequest(
                "amount", f"金额应为 1–{MAX_AMOUNT} 分", f"must be between 1 and {MAX_AMOUNT} fen"
            )
        if self.time_start.tzinfo is None or self.time_expire.tzinfo is None:
            raise InvalidRequest("time_start", "时间必须带时区", "times must be aware")
        if self.time_expire <= self.time_start:
            raise InvalidRequest("time_expire", "失效时间必须晚于开始时间", "must be later than the start")

    def _check_texts(self) -> None:
        if not self.description.strip() or not is_sendable(self.description):
            raise InvalidRequest(
                "description",
                "不能为空，不能含控制字符或表情等四字节字符",
                "must not be empty nor hold control characters or emoji",
            )
        if len(neutralise(self.description).encode()) > MAX_TEXT_BYTES:
            raise InvalidRequest(
                "description",
                f"超过 {MAX_TEXT_BYTES} 字节（约 42 个汉字）",
                f"is longer than {MAX_TEXT_BYTES} bytes of UTF-8",
            )
        if _ATTACH.fullmatch(self.attach) is None:
            raise InvalidRequest(
                "attach", "只能是本平台自己的编号", "must be an id of our own: letters, digits and _.:|*-"
            )
        if (
            _NOTIFY_URL.fullmatch(self.notify_url) is None
            or _NOT_IN_NOTIFY_URL.search(self.notify_url)
            or len(self.notify_url) > MAX_NOTIFY_URL_BYTES
        ):
            raise InvalidRequest(
                "notify_url",
                "必须是不带参数的完整 http(s) 地址，不超过 256 字节",
                "must be an absolute http(s) address without query, at most 256 bytes",
            )
        try:
            ip_address(self.payer_ip)
        except ValueError:
            raise InvalidRequest(
                "payer_ip", "不是 IPv4 或 IPv6 地址", "is not an IPv4 or IPv6 address"
            ) from None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; `from_json` gives back an equal order."""
        return {
            "out_trade_no": self.out_trade_no.text,
            "amount": self.amount.value,
            "description": self.description,
            "attach": self.attach,
            "notify_url": self.notify_url,
            "payer_ip": self.payer_ip,
            "trade_type": self.trade_type.value,
            "openid": self.openid.text if self.openid else None,
            "product_id": self.product_id,
            "time_start": self.time_start.astimezone(UTC).isoformat(),
            "time_expire": self.time_expire.astimezone(UTC).isoformat(),
            "profit_sharing": self.profit_sharing,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> NewOrder:
        """Read what `to_json` wrote. Raises KeyError or ValueError when the record is damaged."""
        return cls(
            out_trade_no=OutTradeNo(stored["out_trade_no"]),
            amount=Fen(stored["amount"]),
            description=stored["description"],
            attach=stored["attach"],
            notify_url=stored["notify_url"],
            payer_ip=stored["payer_ip"],
            trade_type=TradeType(stored["trade_type"]),
            openid=OpenId(stored["openid"]) if stored["openid"] else None,
            product_id=stored["product_id"],
            time_start=datetime.fromisoformat(stored["time_start"]),
            time_expire=datetime.fromisoformat(stored["time_expire"]),
            profit_sharing=stored["profit_sharing"],
        )


@dataclass(frozen=True, slots=True)
class Prepay:
    """An order is payable. `code_url` is there for NATIVE only; both ids live two hours."""

    prepay_id: PrepayId
    code_url: str | None
    call: CallRecord


@dataclass(frozen=True, slots=True)
class OrderState:
    """WeChat's verified word about one order.

    Amounts, `transaction_id`, `time_end` and the payer exist once `trade_state.was_paid`; then
    `transaction_id`, `total_fee` and `time_end` (UTC) are never None. Compare `total_fee` with the
    order, not `cash_fee` (rule M3).
    """

    out_trade_no: OutTradeNo
    trade_state: TradeState
    trade_state_desc: str
    mch_id: MchId
    appid: AppId
    sub_mch_id: SubMchId | None
    sub_appid: AppId | None
    transaction_id: TransactionId | None
    total_fee: Fen | None
    fee_type: str
    cash_fee: Fen | None
    coupon_fee: Fen | None
    settlement_total_fee: Fen | None
    trade_type: TradeType | None
    bank_type: str | None
    openid: OpenId | None
    sub_openid: OpenId | None
    attach: str
    time_end: datetime | None
    call: CallRecord


@dataclass(frozen=True, slots=True)
class Closed:
    """The order can no longer be paid. `already`: it was closed before this call."""

    call: CallRecord
    already: bool


class Gateway(Protocol):
    """What the features ask of WeChat Pay.

    Every method may raise NotSent, UnknownOutcome (with BadAnswerSignature and EchoMismatch) and
    Refused, each with its `call` record. All three may be repeated with the same arguments.
    """

    async def place(self, credentials: Credentials, order: NewOrder) -> Prepay:
        """Create the order, or renew its prepay_id. Also raises InvalidRequest before sending."""
        ...

    async def query(self, credentials: Credentials, out_trade_no: OutTradeNo) -> OrderState:
        """Ask for the order's state. An unknown number is Refused with code ORDERNOTEXIST."""
        ...

    async def close(self, credentials: Credentials, out_trade_no: OutTradeNo) -> Closed:
        """Close an unpaid order. A paid one is Refused with code ORDERPAID."""
        ...
