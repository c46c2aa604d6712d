"""Reading what callers send: every fault found is listed, with its place, in both languages.

Amounts are judged by their JSON type before anything else: true, 1.5, 1e3 and "100" are no amounts (M1, O02).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address

from spcore.errors import Fault, InvalidInput, Text
from sptenants.orders.commands import (
    DEFAULT_EXPIRES_IN_S,
    MAX_EXPIRES_IN_S,
    MIN_EXPIRES_IN_S,
    NextAttempt,
    PlaceOrder,
    PricedOrder,
)
from sptenants.orders.filters import OrderFilter
from sptenants.orders.reading import (
    Reader,
    digits,
    limit_of,
    moment_of,
    once,
    present,
    unknown_field,
    unknown_parameter,
)
from sptenants.orders.states import OrderStatus
from wechatpay.errors import InvalidRequest
from wechatpay.gateway import H5Scene, H5Type, TradeType
from wechatpay.identifiers import AppId, AuthCode, OpenId
from wechatpay.money import Fen

MAX_AMOUNT = 999_999_999
MAX_ATTACH = 1024
MAX_METADATA = 20

_NUMBER = re.compile(r"[0-9A-Za-z_\-.|*:/#@]{1,64}")
_PRICE_CODE = re.compile(r"[0-9A-Za-z_.\-]{1,64}")
_KEY = re.compile(r"[!-~]{1,255}")
_ORDER_FIELDS = frozenset(
    {
        "merchant_order_no",
        "amount",
        "currency",
        "description",
        "trade_type",
        "sub_appid",
        "openid",
        "expires_in",
        "attach",
        "profit_sharing",
        "metadata",
        "payer_ip",
        "h5_info",
        "auth_code",
    }
)
_ATTEMPT_FIELDS = frozenset(
    {"amount", "trade_type", "sub_appid", "openid", "payer_ip", "h5_info", "auth_code"}
)
_SCENE_FIELDS = frozenset({"type", "wap_url", "wap_name"})
_MONEY_WORDS = re.compile(r"amount|fee|price|money|total|cash|fen|yuan|discount|cost|pay", re.IGNORECASE)


def read_order(document: object) -> PlaceOrder:
    """Read the body of `POST /v1/orders`. Raises InvalidInput listing every fault."""
    reader = Reader(document)
    reader.only(_ORDER_FIELDS, unknown_field)
    number = reader.text("merchant_order_no", _NUMBER, _NUMBER_RULE, required=True)
    amount = reader.whole("amount", 1, MAX_AMOUNT, required=True)
    description = _description(reader)
    trade_type = _trade_type(reader)
    sub_appid = reader.identifier("sub_appid", AppId, _APPID_RULE)
    openid = reader.identifier("openid", OpenId, _OPENID_RULE)
    payer_ip, scene = _payer_ip(reader), _scene(reader)
    auth_code = reader.identifier("auth_code", AuthCode, _AUTH_CODE_RULE)
    expires_in = reader.whole("expires_in", MIN_EXPIRES_IN_S, MAX_EXPIRES_IN_S)
    attach = _attach(reader)
    profit_sharing = _flag(reader, "profit_sharing")
    metadata = _metadata(reader)
    if (currency := reader.get("currency")) is not None and currency != "CNY":
        reader.fault("currency", "invalid_value", "只支持 CNY。", "must be CNY.")
    reader.done()
    return PlaceOrder(
        merchant_order_no=present(number),
        amount=Fen(present(amount)),
        description=present(description),
        trade_type=trade_type or TradeType.JSAPI,
        sub_appid=sub_appid,
        openid=openid,
        expires_in_s=DEFAULT_EXPIRES_IN_S if expires_in is None else expires_in,
        attach=attach,
        profit_sharing=profit_sharing,
        metadata=metadata,
        payer_ip=payer_ip,
        scene=scene,
        auth_code=auth_code,
    )


def read_attempt(document: object) -> NextAttempt:
    """Read the body of `POST /v1/orders/{id}/attempts`: what is to change. Raises InvalidInput."""
    reader = Reader(document if document is not None else {})
    reader.only(_ATTEMPT_FIELDS, unknown_field)
    amount = reader.whole("amount", 1, MAX_AMOUNT)
    wanted = NextAttempt(
        amount=None if amount is None else Fen(amount),
        trade_type=_trade_type(reader),
        sub_appid=reader.identifier("sub_appid", AppId, _APPID_RULE),
        openid=reader.identifier("openid", OpenId, _OPENID_RULE),
        payer_ip=_payer_ip(reader),
        scene=_scene(reader),
        auth_code=reader.identifier("auth_code", AuthCode, _AUTH_CODE_RULE),
    )
    reader.done()
    return wanted


def read_priced_order(document: object) -> PricedOrder:
    """Read the body of a mini-program's order: a price code and a quantity, and nothing else (O01)."""
    reader = Reader(document)
    reader.only(frozenset({"price_code", "quantity"}), _not_from_a_client)
    code = reader.text("price_code", _PRICE_CODE, _PRICE_CODE_RULE, required=True)
    quantity = reader.whole("quantity", 1, 9999, required=True)
    reader.done()
    return PricedOrder(present(code), present(quantity))


def read_nothing(document: object) -> None:
    """Read the body of a call that takes none: nothing, or an empty object."""
    reader = Reader(document if document is not None else {})
    reader.only(frozenset(), unknown_field)
    reader.done()


def read_key(given: str | None) -> str | None:
    """Read the header `Idempotency-Key`. Raises InvalidInput."""
    if given is not None and _KEY.fullmatch(given) is None:
        raise InvalidInput(Fault("Idempotency-Key", "invalid_format", _KEY_RULE))
    return given


def read_list_query(query: Sequence[tuple[str, str]]) -> tuple[OrderFilter, int, str | None]:
    """Read the parameters of `GET /v1/orders`: filter, limit, cursor. Raises InvalidInput."""
    reader = Reader(once(query))
    allowed = {"merchant_order_no", "status", "created_from", "created_to", "limit", "cursor"}
    reader.only(frozenset(allowed), unknown_parameter)
    status = reader.get("status")
    if status is not None and status not in set(OrderStatus):
        names = " ".join(OrderStatus)
        reader.fault("status", "invalid_value", f"应为其中之一：{names}。", f"must be one of {names}.")
        status = None
    created_from, created_to = moment_of(reader, "created_from"), moment_of(reader, "created_to")
    limit = limit_of(reader)
    cursor = reader.get("cursor")
    reader.done()
    wanted = OrderFilter(
        status=OrderStatus(status) if status else None,
        merchant_order_no=reader.get("merchant_order_no"),
        created_from=created_from,
        created_to=created_to,
    )
    return wanted, limit, cursor


def read_wait(query: Sequence[tuple[str, str]], longest_s: int) -> int:
    """Read `wait`, seconds; 0 when it is not given."""
    reader = Reader(once(query))
    reader.only(frozenset({"wait"}), unknown_parameter)
    wait_s = digits(reader, "wait", 1, longest_s)
    reader.done()
    return wait_s or 0


def _description(reader: Reader) -> str | None:
    value = reader.get("description", required=True)
    if value is not None and not isinstance(value, str):
        reader.fault("description", "invalid_type", "应为文本。", "must be text.")
        return None
    return value


def _trade_type(reader: Reader) -> TradeType | None:
    value = reader.get("trade_type")
    if value is None:
        return None
    try:
        return TradeType(value)
    except ValueError:
        names = " ".join(TradeType)
        reader.fault("trade_type", "invalid_value", f"应为其中之一：{names}。", f"must be one of {names}.")
        return None


def _payer_ip(reader: Reader) -> str | None:
    value = reader.get("payer_ip")
    if value is None:
        return None
    try:
        address = ip_address(value) if isinstance(value, str) else None
    except ValueError:
        address = None
    if address is None or address.is_loopback or address.is_unspecified or address.is_multicast:
        reader.fault("payer_ip", "invalid_format", _PAYER_IP_RULE.zh, _PAYER_IP_RULE.en)
        return None
    return str(address)


def _scene(reader: Reader) -> H5Scene | None:
    value = reader.get("h5_info")
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != _SCENE_FIELDS:
        reader.fault("h5_info", "invalid_format", _SCENE_RULE.zh, _SCENE_RULE.en)
        return None
    kind, address, name = value["type"], value["wap_url"], value["wap_name"]
    if not (isinstance(kind, str) and isinstance(address, str) and isinstance(name, str)):
        reader.fault("h5_info", "invalid_format", _SCENE_RULE.zh, _SCENE_RULE.en)
        return None
    try:
        return H5Scene(H5Type(kind), address, name)
    except InvalidRequest as error:
        place = f"h5_info/{error.field}" if error.field in _SCENE_FIELDS else error.field
        reader.faults.append(Fault(f"#/{place}", "invalid_value", Text(f"{error.zh}。", f"{error.en}.")))
    except ValueError:
        reader.fault("h5_info", "invalid_format", _SCENE_RULE.zh, _SCENE_RULE.en)
    return None


def _attach(reader: Reader) -> str | None:
    value = reader.get("attach")
    if value is None or (isinstance(value, str) and len(value) <= MAX_ATTACH and "\0" not in value):
        return value
    reader.fault(
        "attach",
        "invalid_format",
        f"应为不超过 {MAX_ATTACH} 个字符的文本。",
        f"must be text of at most {MAX_ATTACH} characters.",
    )
    return None


def _flag(reader: Reader, name: str) -> bool:
    value = reader.get(name)
    if value is not None and not isinstance(value, bool):
        reader.fault(name, "invalid_type", "应为 true 或 false。", "must be true or false.")
    return value is True


def _metadata(reader: Reader) -> dict[str, str]:
    value = reader.get("metadata")
    if value is None:
        return {}
    if isinstance(value, dict) and len(value) <= MAX_METADATA and all(map(_is_metadata, value.items())):
        return value
    reader.fault(
        "metadata",
        "invalid_format",
        f"应为最多 {MAX_METADATA} 个键的对象，键 1–40 个字符，值为不超过 500 个字符的文本。",
        f"must be an object of at most {MAX_METADATA} keys (1 to 40 characters) with text values up to 500.",
    )
    return {}


def _is_metadata(item: tuple[object, object]) -> bool:
    key, value = item
    return (
        isinstance(key, str)
        and isinstance(value, str)
        and 1 <= len(key) <= 40
        and len(value) <= 500
        and "\0" not in key + value
    )


def names_money(name: str) -> bool:
    """Whether a field that mini-programs have no business with would say how much to pay (rule M2)."""
    return _MONEY_WORDS.search(name) is not None


def _not_from_a_client(name: str) -> Text:
    if names_money(name):
        return Text(
            "小程序不能指定金额：只能提交 price_code 和 quantity，金额由价目计算。",
            "a mini-program never names an amount: send price_code and quantity, the price list decides.",
        )
    return unknown_field(name)


_NUMBER_RULE = Text(
    "应为 1–64 位字母、数字或 _ - . | * : / # @ 。",
    "must be 1 to 64 letters, digits or any of _ - . | * : / # @",
)
_PRICE_CODE_RULE = Text(
    "应为 1–64 位字母、数字或 _ . - 。", "must be 1 to 64 letters, digits or any of _ . -"
)
_APPID_RULE = Text("应为 wx 加 16 位字母或数字。", "must be wx and 16 letters or digits.")
_OPENID_RULE = Text("应为 1–128 位字母、数字、_ 或 -。", "must be 1 to 128 letters, digits, _ or -")
_KEY_RULE = Text("应为 1–255 个可见 ASCII 字符。", "must be 1 to 255 visible ASCII characters.")
_AUTH_CODE_RULE = Text(
    "应为 18 位数字、以 10–15 开头的付款码。", "must be a payment code: 18 digits beginning with 10 to 15."
)
_PAYER_IP_RULE = Text(
    "应为付款手机的 IPv4 或 IPv6 地址，不能是本机地址。",
    "must be the IPv4 or IPv6 address of the payer's phone, not one of this machine.",
)
_SCENE_RULE = Text(
    "应为 type（Wap、IOS 或 Android）、wap_url（网址、Bundle ID 或包名）和 wap_name（名称）三项文本。",
    "must be three texts: type (Wap, IOS or Android), wap_url (address, bundle id or package name) and"
    " wap_name.",
)
