"""WeChat's side of API v2, as far as the protocol tests need it.

Signs and writes with the independent package wechatpy, so that a mistake of ours cannot agree
with itself. Remembers orders: a number is used once, a paid one cannot be closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import xmltodict
from tests.support.loopback import Received, http
from tests.support.v2_counter_desk import CounterDesk, no
from wechatpy.pay.utils import calculate_signature, calculate_signature_hmac, dict_to_xml

from wechatpay.credentials import (
    ClientCertificate,
    Credentials,
    MerchantCredentials,
    PartnerCredentials,
    ProviderKind,
    SignType,
    V2Key,
)
from wechatpay.gateway import NewOrder, TradeType
from wechatpay.identifiers import AppId, MchId, OpenId, OutTradeNo, SubMchId
from wechatpay.money import Fen
from wechatpay.transport import Line

SECRET = "0123456789abcdefghijABCDEFGHIJ45"
OPENID = "oSubUser_0000000000000000001"
NUMBER = OutTradeNo("T0007-20261121_000001")


def partner(
    sign_type: SignType = SignType.HMAC_SHA256,
    *,
    sub_appid: str | None = "wx3333cccc4444dddd",
    kind: ProviderKind = ProviderKind.ORDINARY,
) -> PartnerCredentials:
    """A provider acting for sub-merchant 1900000200."""
    assert kind is not ProviderKind.MERCHANT
    return PartnerCredentials(
        kind,
        MchId("1900000109"),
        AppId("wx1111aaaa2222bbbb"),
        SubMchId("1900000200"),
        AppId(sub_appid) if sub_appid else None,
        V2Key(3, SECRET),
        sign_type,
    )


def merchant(sign_type: SignType = SignType.HMAC_SHA256) -> MerchantCredentials:
    """A plain merchant."""
    return MerchantCredentials(MchId("1900000109"), AppId("wx1111aaaa2222bbbb"), V2Key(3, SECRET), sign_type)


def new_order(**changes: object) -> NewOrder:
    """An order of 1 fen; `changes` replace any field."""
    values: dict[str, object] = {
        "out_trade_no": NUMBER,
        "amount": Fen(1),
        "description": "小张南山店-超市",
        "attach": "ord_01JD",
        "notify_url": "https://pay.example.com/notify/wechat/k7/v2/payment",
        "payer_ip": "203.0.113.9",
        "trade_type": TradeType.JSAPI,
        "openid": OpenId(OPENID),
        "product_id": None,
        "time_start": datetime(2026, 11, 21, 12, 50, tzinfo=UTC),
        "time_expire": datetime(2026, 11, 21, 13, 20, tzinfo=UTC),
        "profit_sharing": False,
    }
    return NewOrder(**{**values, **changes})  # type: ignore[arg-type]


def signature(fields: dict[str, str], sign_type: SignType, secret: str = SECRET) -> str:
    """wechatpy's signature over everything but `sign`."""
    unsigned = {name: value for name, value in fields.items() if name != "sign"}
    sign = calculate_signature if sign_type is SignType.MD5 else calculate_signature_hmac
    return str(sign(unsigned, secret))


def xml(fields: dict[str, str]) -> bytes:
    """wechatpy's XML."""
    sign = fields.get("sign")
    body: str = dict_to_xml({name: value for name, value in fields.items() if name != "sign"}, sign)
    return body.encode()


def signed_xml(fields: dict[str, str], sign_type: SignType, secret: str = SECRET) -> bytes:
    """A signed message."""
    return xml({**fields, "sign": signature(fields, sign_type, secret)})


@dataclass
class Counterpart:
    """The gateway. `overrides` are put into the next answers before they are signed; None removes a
    field. `raw` replaces the answer altogether."""

    sign_type: SignType = SignType.HMAC_SHA256
    orders: dict[str, dict[str, str]] = field(default_factory=dict)
    requests: list[dict[str, str]] = field(default_factory=list)
    overrides: dict[str, str | None] = field(default_factory=dict)
    raw: bytes | None = None
    desk: CounterDesk = field(default_factory=CounterDesk)

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        sent: dict[str, str] = xmltodict.parse(request.body, strip_whitespace=False)["xml"]
        sent.pop("#text", None)  # the line ends between wechatpy's own elements
        self.requests.append(sent)
        if self.raw is not None:
            writer.write(self.raw)
            return
        if sent["sign"] != signature(sent, self.sign_type):
            writer.write(http(xml({"return_code": "FAIL", "return_msg": "签名错误"})))
            return
        answer: dict[str, str | None] = {
            "return_code": "SUCCESS",
            "return_msg": "OK",
            **{name: sent[name] for name in ("appid", "mch_id", "sub_appid", "sub_mch_id") if name in sent},
            "nonce_str": "Zz9Yy8Xx7Ww6Vv5Uu4Tt3Ss2Rr1Qq0Pp",
            **self._business(request.target, sent),
            **self.overrides,
        }
        kept = {name: value for name, value in answer.items() if value is not None}
        writer.write(http(signed_xml(kept, self.sign_type), headers=("Request-ID: 08F7A1",)))

    @property
    def _desk_paths(self) -> dict[str, Callable[[dict[str, str]], dict[str, str]]]:
        return {
            "/pay/micropay": self.desk.micropay,
            "/secapi/pay/reverse": self.desk.reverse,
            "/secapi/pay/refund": self.desk.refund,
            "/pay/refundquery": self.desk.refundquery,
        }

    def _business(self, path: str, sent: dict[str, str]) -> dict[str, str]:
        if path in self._desk_paths:
            return self._desk_paths[path](sent)
        number = sent["out_trade_no"]
        order = self.orders.get(number)
        if path == "/pay/unifiedorder":
            return self._create(number, order, sent)
        if order is None:
            return no("ORDERNOTEXIST", "订单不存在")
        if path == "/pay/closeorder":
            return self._close(order)
        paid = {name: value for name, value in order.items() if name.startswith("paid_")}
        return {
            "result_code": "SUCCESS",
            "out_trade_no": number,
            "trade_state": order["state"],
            "trade_state_desc": "订单未支付",
            "attach": order["attach"],
            **{name.removeprefix("paid_"): value for name, value in paid.items()},
        }

    def _create(self, number: str, order: dict[str, str] | None, sent: dict[str, str]) -> dict[str, str]:
        if order is not None and order["state"] == "SUCCESS":
            return no("ORDERPAID", "该订单已支付")
        if order is not None and order["state"] == "CLOSED":
            return no("ORDERCLOSED", "该订单已关闭")
        if order is not None and order["total_fee"] != sent["total_fee"]:
            return no("INVALID_REQUEST", "201 商户订单号重复")
        self.orders.setdefault(
            number, {"state": "NOTPAY", "attach": sent["attach"], "total_fee": sent["total_fee"]}
        )
        answer = {
            "result_code": "SUCCESS",
            "trade_type": sent["trade_type"],
            "prepay_id": f"wx21205000{number[-6:]}",
        }
        if sent["trade_type"] == "NATIVE":
            answer["code_url"] = "weixin://wxpay/bizpayurl/up?pr=NwY5Mz9&groupid=00"
        if sent["trade_type"] == "MWEB":
            answer["mweb_url"] = (
                "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx2120&package=9"
            )
        return answer

    def _close(self, order: dict[str, str]) -> dict[str, str]:
        if order["state"] == "SUCCESS":
            return no("ORDERPAID", "该订单已支付")
        if order["state"] == "CLOSED":
            return no("ORDERCLOSED", "订单已关闭")
        order["state"] = "CLOSED"
        return {"result_code": "SUCCESS", "result_msg": "OK"}

    def pay(self, number: str, **fields: str) -> None:
        """The payer paid; `fields` replace what the query will say of it."""
        order = self.orders[number]
        order["state"] = "SUCCESS"
        paid = {
            "trade_type": "JSAPI",
            "bank_type": "OTHERS",
            "total_fee": order["total_fee"],
            "cash_fee": order["total_fee"],
            "fee_type": "CNY",
            "transaction_id": "4200001234202611210123456789",
            "openid": "oSpUser_00000000000000000001",
            "sub_openid": OPENID,
            "time_end": "20261121205107",
            **fields,
        }
        order.update({f"paid_{name}": value for name, value in paid.items()})


@dataclass
class OneLine:
    """Lets every certificate use one line, and remembers which were shown."""

    line: Line
    shown: list[ClientCertificate] = field(default_factory=list)

    async def for_certificate(self, certificate: ClientCertificate) -> Line:
        self.shown.append(certificate)
        return self.line


def all_credentials() -> list[Credentials]:
    """Every mode, with and without sub_appid, with both signature types."""
    return [
        *(
            partner(sign_type, sub_appid=sub)
            for sign_type in SignType
            for sub in ("wx3333cccc4444dddd", None)
        ),
        partner(kind=ProviderKind.BANK),
        *(merchant(sign_type) for sign_type in SignType),
    ]
