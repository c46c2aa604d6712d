"""The port to WeChat Pay that the features call; API v2 and v3 stand behind it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, Protocol

from wechatpay.call import CallRecord
from wechatpay.credentials import ClientCertificate, Credentials
from wechatpay.errors import InvalidRequest
from wechatpay.identifiers import (
    AppId,
    AuthCode,
    MchId,
    OpenId,
    OutRefundNo,
    OutTradeNo,
    PrepayId,
    SubMchId,
    TransactionId,
)
from wechatpay.money import MAX_AMOUNT, Fen
from wechatpay.refunds import NewRefund, RefundAccepted, RefundsOfOrder, RefundState, RefundStatus
from wechatpay.text import check_notify_url, is_plain_address, is_sendable
from wechatpay.v2.signing import neutralise

__all__ = [
    "MAX_TEXT_BYTES",
    "Closed",
    "Gateway",
    "H5Scene",
    "H5Type",
    "NewOrder",
    "NewRefund",
    "OrderState",
    "Prepay",
    "RefundAccepted",
    "RefundState",
    "RefundStatus",
    "RefundsOfOrder",
    "Reversed",
    "TradeState",
    "TradeType",
]

MAX_TEXT_BYTES = 127
MAX_SCENE_BYTES = 256

_ATTACH = re.compile(r"[0-9A-Za-z_.:|*\-]{0,127}")
_PRODUCT_ID = re.compile(r"[0-9A-Za-z_|*\-]{1,32}")
_APP_ID = re.compile(r"[0-9A-Za-z_.\-]{1,128}")


class TradeType(StrEnum):
    """How the payer pays. The value is our API's word; `wire` is WeChat's in a message."""

    JSAPI = "JSAPI"
    NATIVE = "NATIVE"
    APP = "APP"
    H5 = "H5"
    MICROPAY = "MICROPAY"

    @property
    def wire(self) -> str:
        """The text in a message, of v3's answers too: H5 is called MWEB there."""
        return "MWEB" if self is TradeType.H5 else self.value

    @classmethod
    def from_wire(cls, text: str) -> TradeType:
        """Read WeChat's text. Raises ValueError for a type we do not know."""
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


class H5Type(StrEnum):
    """What kind of page or app sends a payer to the H5 cashier; the value is the wire text."""

    WAP = "Wap"
    IOS = "IOS"
    ANDROID = "Android"


_SCENE_NAMES = {
    H5Type.WAP: ("wap_url", "wap_name"),
    H5Type.IOS: ("bundle_id", "app_name"),
    H5Type.ANDROID: ("package_name", "app_name"),
}


@dataclass(frozen=True, slots=True)
class H5Scene:
    """Where an H5 payment starts: `scene_info` of the order (wechatpay-v2 2.4).

    `address` is the site's http(s) address for `Wap`, the bundle id for `IOS`, the package name for
    `Android`; `name` what the site or app is called. Raises InvalidRequest.
    """

    type: H5Type
    address: str
    name: str

    def __post_init__(self) -> None:
        site = self.type is H5Type.WAP
        if site and not is_plain_address(self.address):
            raise InvalidRequest(
                "wap_url",
                "必须是不带参数的完整 http(s) 地址",
                "must be an absolute http(s) address without query",
            )
        if not site and _APP_ID.fullmatch(self.address) is None:
            raise InvalidRequest(
                "wap_url", "应为应用的包名或 Bundle ID", "must be the app's package name or bundle id"
            )
        if not self.name.strip() or not is_sendable(self.name):
            raise InvalidRequest(
                "wap_name",
                "不能为空，不能含控制字符或表情等四字节字符",
                "must not be empty nor hold control characters or emoji",
            )
        if len(self.wire.encode()) > MAX_SCENE_BYTES:
            raise InvalidRequest(
                "h5_info",
                f"超过 {MAX_SCENE_BYTES} 字节，请缩短名称或地址",
                f"is longer than {MAX_SCENE_BYTES} bytes; shorten the name or the address",
            )

    @property
    def wire(self) -> str:
        """The JSON text of `scene_info`; it is signed exactly as it is sent."""
        address, name = _SCENE_NAMES[self.type]
        told = {"type": self.type.value, address: self.address, name: neutralise(self.name)}
        return json.dumps({"h5_info": told}, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class NewOrder:
    """All that is needed to create an order, and to repeat it with equal parameters for ever.

    `description` is what the payer sees, at most 127 bytes as sent; `attach` only our own encoded
    id; `payer_ip` the payer's address (the server's for NATIVE, the till's for MICROPAY). Times are
    aware. `openid` is the payer under the app that opens the cashier; required for JSAPI.
    `product_id` defaults to the order number for NATIVE. `scene` is for H5 alone, and required there.

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
    scene: H5Scene | None = None

    def __post_init__(self) -> None:
        self._check_money_and_times()
        self._check_texts()
        if (self.trade_type is TradeType.H5) is (self.scene is None):
            raise InvalidRequest(
                "h5_info", "H5 下单必须有场景信息，其他方式不能有", "H5 needs the scene; other ways take none"
            )
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
        check_notify_url(self.notify_url)
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
            "scene": [self.scene.type.value, self.scene.address, self.scene.name] if self.scene else None,
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
            # Orders stored before H5 was offered have no scene.
            scene=_scene(stored.get("scene")),
        )


def _scene(stored: list[str] | None) -> H5Scene | None:
    return None if stored is None else H5Scene(H5Type(stored[0]), stored[1], stored[2])


@dataclass(frozen=True, slots=True)
class Prepay:
    """An order is payable. `code_url` is there for NATIVE only, `h5_url` for H5 only.

    `prepay_id` is there for every order by v2, by v3 for JSAPI and APP alone (wechatpay-v3 2.1). It and
    `code_url` live two hours, `h5_url` five minutes (wechatpay-v2 2.6).
    """

    prepay_id: PrepayId | None
    code_url: str | None
    h5_url: str | None
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


@dataclass(frozen=True, slots=True)
class Reversed:
    """A reversal was accepted. `again`: WeChat wants the very same call once more (`recall`)."""

    call: CallRecord
    again: bool


class Gateway(Protocol):
    """What the features ask of WeChat Pay.

    Every method may raise NotSent, UnknownOutcome (with BadAnswerSignature and EchoMismatch) and
    Refused, each with its `call` record, and InvalidRequest before anything is sent. All but
    `charge` may be repeated with the same arguments. A certificate must be that of the provider
    that signs; another's is refused before anything is sent (F09).
    """

    async def place(self, credentials: Credentials, order: NewOrder) -> Prepay:
        """Create an order of any type but MICROPAY, or renew its prepay_id."""
        ...

    async def charge(self, credentials: Credentials, order: NewOrder, auth_code: AuthCode) -> OrderState:
        """Charge a payment code; returns only once it is paid.

        Raises UnknownOutcome with the reason "USERPAYING", "SYSTEMERROR" or "BANKERROR" while the
        payer or the bank has yet to act: query, then reverse; never charge again (wechatpay-v2 4.1).
        """
        ...

    async def query(self, credentials: Credentials, out_trade_no: OutTradeNo) -> OrderState:
        """Ask for the order's state. An unknown number is Refused with code ORDERNOTEXIST."""
        ...

    async def close(self, credentials: Credentials, out_trade_no: OutTradeNo) -> Closed:
        """Close an unpaid order. A paid one is Refused with code ORDERPAID."""
        ...

    async def reverse(
        self, credentials: Credentials, certificate: ClientCertificate, out_trade_no: OutTradeNo
    ) -> Reversed:
        """Undo a MICROPAY order: an unpaid one is closed, a paid one given back (wechatpay-v2 4.2)."""
        ...

    async def refund(
        self, credentials: Credentials, certificate: ClientCertificate, refund: NewRefund
    ) -> RefundAccepted:
        """Ask for a refund. The same number and amounts are the same refund, however often sent."""
        ...

    async def query_refund(self, credentials: Credentials, out_refund_no: OutRefundNo) -> RefundState:
        """Ask for one refund. An unknown number is Refused with code REFUNDNOTEXIST."""
        ...

    async def query_refunds(
        self, credentials: Credentials, out_trade_no: OutTradeNo, offset: int = 0
    ) -> RefundsOfOrder:
        """Ask for an order's refunds, skipping `offset` of them. Refused REFUNDNOTEXIST without any.

        API v3 has no such call: Refused NOT_OFFERED at the return level, and nothing is sent.
        """
        ...
